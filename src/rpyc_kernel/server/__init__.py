"""RPyC servers of our own."""
