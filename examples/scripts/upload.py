"""A file of this machine, run there; and then what it defines, called from here.

python upload.py HOST[:PORT]
"""

import sys
from pathlib import Path

import rpyc_kernel

if len(sys.argv) != 2:
    sys.exit(__doc__)

source = Path(__file__).with_name("fibonacci.py").read_text(encoding="utf-8")

with rpyc_kernel.connect(sys.argv[1]) as remote:
    remote.execute(source)
    fibonacci = remote.namespace["fibonacci"]
    print("there, seen from here:", fibonacci(10))
    print("a copy:", remote.value("fibonacci(20)"))
