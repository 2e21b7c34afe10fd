"""A Python without what a small board's has not: with this file's folder in PYTHONPATH, they can't be imported.

They are missing for everybody: the server, keepers, workers and cells. Runs on Python 3.7.
"""

import sys

_NAMES = """
_asyncio _bz2 _ctypes _curses _decimal _hashlib _lzma _multiprocessing _sqlite3 _ssl _tkinter _uuid
asyncio bz2 cProfile cgi csv ctypes curses dbm decimal distutils doctest email ensurepip fractions ftplib getpass
grp hmac html http lzma multiprocessing netrc pdb profile pty pwd pydoc readline resource secrets smtplib sqlite3
ssl statistics syslog tarfile tkinter unittest urllib uuid venv webbrowser wsgiref xml xmlrpc zipapp zoneinfo
"""
MISSING = frozenset(_NAMES.split())


class Missing:
    """Says that they aren't there, before anybody else is asked."""

    @staticmethod
    def find_spec(name, _path=None, _target=None):
        """None for all others."""
        if name.partition(".")[0] in MISSING:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


if __name__ == "sitecustomize":  # a test reads what is missing, and isn't stripped itself
    sys.meta_path.insert(0, Missing)
