"""The half of rpyc-kernel that runs on the other machine.

It is shipped there as one archive (``boot.py`` tells how), needs nothing but Python 3.7 and its standard library, and
is mounted under a name of its own; hence only relative imports inside.
"""
