"""``python -m rpyc_kernel -f FILE``: the kernel, as Jupyter starts it."""

from rpyc_kernel.kernel.app import main

if __name__ == "__main__":
    main()
