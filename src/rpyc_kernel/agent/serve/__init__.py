"""Serves a kernel where there is no RPyC, by the standard library alone."""
