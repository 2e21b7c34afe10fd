"""``python -m rpyc_kernel -f FILE``: the kernel, as Jupyter starts it."""

import sys

from rpyc_kernel.kernel import known_machine

if __name__ == "__main__":
    known_machine.begin(sys.argv[1:])

    from rpyc_kernel.kernel.app import main

    main()
