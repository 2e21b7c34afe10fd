"""print, into the other side's stdout; it is shown here, as whatever is printed there.

python printing.py HOST[:PORT]
"""

import sys

import rpyc_kernel

if len(sys.argv) != 2:
    sys.exit(__doc__)

with rpyc_kernel.connect(sys.argv[1]) as remote:
    print("Hello, world!", file=remote.modules.sys.stdout)
    remote.execute("print('Hello from', __import__('socket').gethostname())")
    remote.builtins.print("and from its own print")
