"""Runs notebooks on another machine without a front end: ``rpyc-kernel run``, ``fetch`` and ``shell``."""
