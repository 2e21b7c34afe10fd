"""How the kernel reaches an RPyC server: addresses, transports, dialling, RPyC's protocol, and the broker there."""
