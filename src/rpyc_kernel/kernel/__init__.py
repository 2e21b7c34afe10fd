"""The kernel, to which Jupyter talks: it decides where each part of a cell runs, and publishes what comes back."""
