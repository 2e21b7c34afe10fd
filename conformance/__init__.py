"""Outside measures of the kernel: checks and suites that others have made for Jupyter kernels, run by one command."""
