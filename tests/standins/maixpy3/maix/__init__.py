"""MaixPy3's interface, on no board; see the README beside it."""
