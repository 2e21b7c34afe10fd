"""Which kernels are there, and where Jupyter looks for them."""

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.kernelspecapp import ListKernelSpecs

manager = KernelSpecManager()
print("Searched, the first wins:")
for folder in manager.kernel_dirs:
    print(f"  {folder}")

for name, folder in sorted(manager.find_kernel_specs().items()):
    spec = manager.get_kernel_spec(name)
    print(f"{name}: {spec.display_name}, in {folder}")

# The same as `jupyter kernelspec list`: the application, with its config files. Without argv it would take sys.argv.
ListKernelSpecs.launch_instance(argv=[])
ListKernelSpecs.clear_instance()  # or no other application can be the one of this process
