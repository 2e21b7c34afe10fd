"""Objects of the other machine, across a cut of the link, and across the end of the session.

python reconnecting_objects.py HOST[:PORT]
"""

import logging
import sys

import rpyc_kernel
from relay import Relay

if len(sys.argv) != 2:
    sys.exit(__doc__)
logging.getLogger("rpyc_kernel").setLevel(logging.ERROR)  # nothing about each cut

relay = Relay(sys.argv[1])
remote = rpyc_kernel.connect(relay.address)
remote.execute("scores = {'Foo': 1}")
scores = remote.namespace["scores"]
heard = []
remote.namespace["hear"] = heard.append  # a function of ours, which that side may call

relay.cut()
scores["Bar"] = 2
print("after a cut, the same object:", scores is remote.namespace["scores"], scores)
relay.cut()
remote.execute("hear(len(scores))")
print("and it reaches ours:", heard)

remote.close()
try:
    print(scores["Foo"])
except EOFError as error:
    print("closed, hence gone:", error)

with rpyc_kernel.connect(relay.address) as remote:
    try:
        remote.eval("scores")
    except NameError as error:
        print("another session has variables of its own:", error)
