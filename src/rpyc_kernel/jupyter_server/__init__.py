"""What the Jupyter server does for pages, without a kernel: it asks the saved machines how they are."""
