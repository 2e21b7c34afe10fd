"""Machines that the user has saved under a name, and what can be known of them."""
