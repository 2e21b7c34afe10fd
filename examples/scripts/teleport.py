"""A function that is written here, defined there, and called from here.

python teleport.py HOST[:PORT]
"""

import sys

import rpyc_kernel

if len(sys.argv) != 2:
    sys.exit(__doc__)


def square(x):
    return x**2


def where():
    import os

    return os.getpid()


with rpyc_kernel.connect(sys.argv[1]) as remote:
    fn = remote.teleport(square)
    print("called:", fn(9))
    print("by its name there:", remote.eval("square(2)"))
    print("it is the same object:", remote.namespace["square"] is fn)

    print("it runs there:", remote.teleport(where)() == remote.modules.os.getpid() != where())

    # What a function takes from the lines around it isn't there: pass it as an argument.
    def outer():
        factor = 3
        return lambda x: x * factor

    try:
        remote.teleport(outer())
    except TypeError as error:  # TeleportError is one
        print("refused:", error)
