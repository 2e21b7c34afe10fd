"""Where a text leads that names a machine: machines that the user has saved, and what can be known of them."""
