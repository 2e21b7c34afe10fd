"""How the kernel reaches an RPyC server: addresses, dialling, one connection, and what its bytes mean."""
