"""How fast the kernel is, beside a local ipykernel in the same run: ``python -m benchmarks``."""
