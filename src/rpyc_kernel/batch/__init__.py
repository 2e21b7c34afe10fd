"""Runs notebooks and programs on another machine without a front end: ``rpyc-kernel run``, ``exec`` and ``shell``."""
