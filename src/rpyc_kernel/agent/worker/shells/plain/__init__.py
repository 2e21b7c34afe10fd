"""The built-in shell, for machines where IPython is not installed."""
