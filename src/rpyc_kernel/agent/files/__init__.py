"""Files, for copying them between two machines: the same functions work at both ends.

- `entries`: what lies where, and how its name travels.
- `reading`: the bytes of a file, its hashes and its holes.
- `writing`: files that come to be whole, or not at all.
- `errors`: the sentences for what can't be done.
"""
