"""The keeper: the process of a session that numbers its requests, keeps its output, and has its worker."""
