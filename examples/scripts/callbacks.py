"""Functions are values: a map there calls a function here. Both sides can call each other.

python callbacks.py HOST[:PORT]
"""

import sys

import rpyc_kernel

if len(sys.argv) != 2:
    sys.exit(__doc__)


def cube(x):
    print("this is cube, here, with", x)
    return x**3


with rpyc_kernel.connect(sys.argv[1]) as remote:
    numbers = remote.builtins.list(remote.builtins.range(5))
    print("a list there:", numbers)
    print("mapped:", remote.builtins.list(remote.builtins.map(cube, numbers)))

    remote.execute("def twice(function, x):\n    return function(function(x))")
    print("called twice from there:", remote.namespace["twice"](cube, 2))

    # It may call what was passed, and nothing behind it.
    remote.execute("def look_into(function):\n    return function.__globals__")
    try:
        remote.namespace["look_into"](cube)
    except AttributeError as error:
        print("refused:", error)
