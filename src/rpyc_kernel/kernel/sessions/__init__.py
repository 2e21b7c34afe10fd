"""The sessions of a notebook: which one a cell runs in, what is asked of it, and how it ends."""
