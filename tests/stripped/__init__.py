"""A Python of a board: half of the standard library wasn't built or was left out, and nothing can be written."""

from pathlib import Path

FOLDER = str(Path(__file__).parent)
