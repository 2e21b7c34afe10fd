"""How long a call may take, and what becomes of one that takes longer.

    python timeout.py HOST[:PORT] [SECONDS]

SECONDS: how long the long call lasts; 3 if it isn't given.
"""

import sys
import time

import rpyc_kernel

if len(sys.argv) not in (2, 3):
    sys.exit(__doc__)
seconds = float(sys.argv[2]) if len(sys.argv) == 3 else 3.0

with rpyc_kernel.connect(sys.argv[1]) as remote:
    print("a call may take", remote._config["sync_request_timeout"], "s unless one says otherwise")
    started = time.monotonic()
    remote.modules.time.sleep(seconds)
    print(f"one of {seconds:g} s: came back, {'late enough' if time.monotonic() - started >= seconds else 'too early'}")

    remote.execute("import time\ndone = []\ndef work(seconds):\n    time.sleep(seconds)\n    done.append('it went on')")
    remote._config["sync_request_timeout"] = 0.5  # None: for ever
    try:
        remote.namespace["work"](1.5)
    except TimeoutError as error:
        print("too long:", error)

    # It goes on there, and the next call waits for its end.
    remote._config["sync_request_timeout"] = 30
    print("there, meanwhile:", remote.value("done"))
