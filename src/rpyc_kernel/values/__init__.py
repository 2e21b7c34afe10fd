"""Values between a notebook and its machine, by copy.

- `transfer`: their bytes on direct connections, which goes on where a cut has interrupted it. `window`: how much of
  them is under way at once.
"""
