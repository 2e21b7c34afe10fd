"""Sessions that a cluster's scheduler places: what runs there, how it is begun, and how it is found again."""
