"""Looks for what keeps a machine, or the kernel here, from being used: ``rpyc-kernel doctor`` and ``%doctor``."""
