"""The files of machines in Jupyter's own file browser: a server extension. docs/files.md says what it does."""
