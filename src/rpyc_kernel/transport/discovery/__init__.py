"""Finds machines to connect to: by RPyC's registry, mDNS, adb, and the configuration of ssh."""
