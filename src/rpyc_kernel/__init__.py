"""A Jupyter kernel whose cells run on another machine's Python, reached through RPyC."""

__version__ = "0.1.0"
