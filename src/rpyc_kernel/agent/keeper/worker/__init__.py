"""The worker as its keeper sees it: forked or spawned, its output in order, and how it ends."""
