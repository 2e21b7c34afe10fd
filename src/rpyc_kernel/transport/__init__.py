"""The kernel's ways to an RPyC server: addresses, transports, dialling, RPyC's protocol, and the broker there."""
