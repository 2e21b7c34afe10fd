"""Modules of another machine, used as if they were here.

python modules.py HOST[:PORT]
"""

import sys

import rpyc_kernel

if len(sys.argv) != 2:
    sys.exit(__doc__)

with rpyc_kernel.connect(sys.argv[1]) as remote:
    rsys = remote.modules.sys  # imported there, the moment that it is named
    print("Python there:", rsys.version)
    print("its path:", list(rsys.path))

    ros = remote.modules.os
    print("user, folder:", ros.getuid() if hasattr(ros, "getuid") else "?", ros.getcwd())
    print("a name with a dot:", remote.modules["os.path"].join("spam", "eggs"))
