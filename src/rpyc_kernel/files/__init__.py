"""Files between this machine and another one.

- `put`, `get`: copying, there and back. `plan` says what goes where, `sending` and `fetching` carry it, and `behind`
  writes what comes while more comes.
- `sync`: a folder there becomes like one here. `ignored` knows what stays behind.
- `remote`: the files of the other machine; `carrier`: requests to it, which outlast a lost link.
- `entries`: what came from there, checked. `progress`: how far it is, for people.
- `filesystem`: the same for fsspec.
"""
