"""`jupyter kernel`, and what stands after `--` goes to the kernel: its extra arguments.

python kernel_app.py --kernel rpyc -- --RpycKernel.address=192.168.43.44
"""

from functools import partial

from jupyter_client.kernelapp import KernelApp


class KernelAppWithArguments(KernelApp):
    """Start a kernel, with arguments, and wait until it is told to end."""

    def initialize(self, argv=None):
        """Read the command line and the config files, and make the manager."""
        super().initialize(argv)
        self.km.start_kernel = partial(self.km.start_kernel, extra_arguments=self.extra_args)


# A class method with the class already in it: makes the one instance of the process, initializes and starts it.
main = KernelAppWithArguments.launch_instance

if __name__ == "__main__":
    main()
