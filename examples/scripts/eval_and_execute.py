"""Any expression, any statement.

python eval_and_execute.py HOST[:PORT]
"""

import sys

import rpyc_kernel

if len(sys.argv) != 2:
    sys.exit(__doc__)

with rpyc_kernel.connect(sys.argv[1]) as remote:
    remote.execute("import math")
    print("two pi:", remote.eval("2 * math.pi"))
    print("a copy of a list:", remote.value("[math.factorial(n) for n in range(8)]"))
