"""The worker: the process of a session that runs the cells."""
