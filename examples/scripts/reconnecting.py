"""The link is cut, again and again, and the script need not do anything about it; a warning in the log tells of it.

python reconnecting.py HOST[:PORT]
"""

import sys

import rpyc_kernel
from relay import Relay

if len(sys.argv) != 2:
    sys.exit(__doc__)

relay = Relay(sys.argv[1])
with rpyc_kernel.connect(relay.address) as remote:
    remote.execute("count = 0\ndef increase():\n    global count\n    count += 1\n    return count")
    increase = remote.namespace["increase"]
    for _ in range(3):
        print("cutting", relay.cut(), "connections")
        print("called", increase(), "times")  # once each, although nobody can know what had arrived
