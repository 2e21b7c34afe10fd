"""Events: a thread there calls a function here whenever something happens, also while nobody here asks for anything.

python events.py HOST[:PORT]
"""

import sys
import threading

import rpyc
import rpyc_kernel

if len(sys.argv) != 2:
    sys.exit(__doc__)

MONITOR = """
import threading, time

class Monitor:
    def __init__(self, on_event, values):
        self.on_event, self.values = on_event, values
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        for value in self.values:
            time.sleep(0.05)
            self.on_event(value)
"""

seen = []
complete = threading.Event()


def on_event(value):
    seen.append(value)
    if len(seen) == 3:
        complete.set()


with rpyc_kernel.connect(sys.argv[1]) as remote:
    serving = rpyc.BgServingThread(remote)  # a thread here that takes calls from there
    remote.execute(MONITOR)
    monitor = remote.namespace["Monitor"](on_event, (20.5, 21.0, 21.5))
    print("waiting, and asking for nothing")
    complete.wait(30)
    print("events:", seen)
    serving.stop()
