"""Values between a notebook and its machine, by copy.

- `exchange`: what a pull has offered becomes values here, and values here a draft there. `definitions`: functions and
  classes. `describe`: a value in a few words.
- `transfer`: their bytes on direct connections. `shrinking`: which of them travel compressed. `progress`: the bar.
"""
