"""The built-in functions of the other machine: what they do, they do there.

python builtin_functions.py HOST[:PORT]
"""

import sys

import rpyc_kernel

if len(sys.argv) != 2:
    sys.exit(__doc__)

with rpyc_kernel.connect(sys.argv[1]) as remote:
    path = remote.modules.os.__file__
    with remote.builtins.open(path) as file:  # of that machine; remote.builtin is the same by an older name
        print("the first line of a file there:", file.readline().rstrip())
    print("a list there:", remote.builtin.list("abc"))
    print("its functions:", remote.builtins.len(remote.builtins.dir(remote.builtins.object)) > 0)
