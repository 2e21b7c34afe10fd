"""Calls that don't wait: rpyc.async_, and what an AsyncResult can tell.

python asynchronous.py HOST[:PORT]
"""

import sys

import rpyc
import rpyc_kernel

if len(sys.argv) != 2:
    sys.exit(__doc__)

with rpyc_kernel.connect(sys.argv[1]) as remote:
    sleep = rpyc.async_(remote.modules.time.sleep)
    print(sleep)
    result = sleep(1)
    print("right after it was called: ready =", result.ready)
    result.wait()
    print("after wait(): ready =", result.ready, "error =", result.error, "value =", result.value)

    to_int = rpyc.async_(remote.builtins.int)
    result = to_int("8")
    print("value waits by itself:", result.value)

    result = to_int("no number")
    result.wait()
    print("one that failed: ready =", result.ready, "error =", result.error)
    try:
        result.value
    except ValueError as error:
        print("its value raises:", error)

    arrived = []
    result = to_int("9")
    result.add_callback(lambda each: arrived.append(each.value))
    result.wait()
    print("add_callback:", arrived)

    result = sleep(2)
    result.set_expiry(0.2)
    try:
        result.wait()
    except TimeoutError:
        print("set_expiry(0.2): expired =", result.expired)

    soon = rpyc.timed(remote.modules.time.sleep, 10)
    print("timed:", soon(0.1).value)
    impatient = rpyc.timed(remote.modules.time.sleep, 0.2)
    try:
        impatient(1).value
    except TimeoutError as error:
        print("timed, too long:", error)
