"""What goes wrong there is caught here, as what it is, with the tracebacks of both sides.

python remote_exceptions.py HOST[:PORT]
"""

import sys
import traceback

import rpyc_kernel
from rpyc_kernel.errors import RemoteError

if len(sys.argv) != 2:
    sys.exit(__doc__)

with rpyc_kernel.connect(sys.argv[1]) as remote:
    remote.execute("x = 1\ny = 0")
    try:
        remote.execute("z = x / y")
        print("this line is not reached")
    except ZeroDivisionError as error:
        print("caught:", error)
        print("its traceback there:", error._remote_tb)
        print("both:")
        traceback.print_exc(file=sys.stdout)

    # An exception of a class that isn't Python's own has its name, and none of its code.
    try:
        remote.execute("class Overheated(Exception): pass\nraise Overheated(98.6)")
    except RemoteError as error:
        print("caught:", error.name, "from", error.module, "with", error.message)
