"""The client half of a session: its state, and the two threads that carry its messages."""
