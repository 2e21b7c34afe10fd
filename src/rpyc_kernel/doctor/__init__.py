"""Looks for what keeps a machine from being used: ``rpyc-kernel doctor``."""
