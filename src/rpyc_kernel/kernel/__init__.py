"""What Jupyter talks to: decides where each part of a cell runs, and publishes what comes back."""
