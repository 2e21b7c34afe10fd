"""Is somebody there, and how far away?

python ping.py HOST[:PORT]
"""

import statistics
import sys
import time

import rpyc_kernel

if len(sys.argv) != 2:
    sys.exit(__doc__)

with rpyc_kernel.connect(sys.argv[1]) as remote:
    remote.ping()  # raises an error where nobody answers
    print("alive")
    times = []
    for _ in range(20):
        started = time.perf_counter()
        remote.ping()
        times.append(time.perf_counter() - started)
    print(f"round trip: {statistics.median(times) * 1000:.2f} ms")

try:
    remote.ping()
except EOFError as error:  # RemoteClosedError is one
    print("closed:", error)
