"""What arrives is a reference: it looks like the object there, and everything that is done to it is done there.

python netrefs.py HOST[:PORT]
"""

import sys

import rpyc_kernel

if len(sys.argv) != 2:
    sys.exit(__doc__)

with rpyc_kernel.connect(sys.argv[1]) as remote:
    path = remote.modules.sys.path
    print("a module:", type(remote.modules.sys))
    print("a list:", type(path))
    print("isinstance(path, list):", isinstance(path, list))
    print("type(path) is list:", type(path) is list)

    path.append("/somewhere/else")
    print("changed there:", remote.eval("'/somewhere/else' in __import__('sys').path"))

    # Plain immutable values are themselves. remote.value copies the others.
    print("a number:", type(remote.eval("6 * 7")), "a text:", type(remote.eval("'spam'")))
    print("a copy:", type(remote.value(path)))
