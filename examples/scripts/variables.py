"""Variables there stay from one line to the next, and can be changed from here.

python variables.py HOST[:PORT]
"""

import sys

import rpyc_kernel

if len(sys.argv) != 2:
    sys.exit(__doc__)

with rpyc_kernel.connect(sys.argv[1]) as remote:
    remote.execute("answer = 40")
    remote.execute("answer += 2")
    print("a number:", remote.eval("answer"))

    remote.execute("scores = {'Foo': 10}")
    remote.execute("scores['Bar'] = 42")

    # A dictionary stays there, and what arrives is a reference to it: it follows what happens there.
    followed = remote.eval("scores")
    # value brings a copy: a dictionary of this Python, as it was at that moment.
    copied = remote.value("scores")

    remote.namespace["scores"]["Bar"] += 58
    print("there:", followed)
    print("the copy:", copied, "is a", type(copied).__name__)
