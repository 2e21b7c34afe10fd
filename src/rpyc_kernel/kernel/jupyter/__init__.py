"""Everything that reaches into ipykernel. ``tests/unit/ipykernel_places.py`` names each such place."""
