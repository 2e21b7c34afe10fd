"""The command ``rpyc-kernel``, one file for each of its subcommands."""
