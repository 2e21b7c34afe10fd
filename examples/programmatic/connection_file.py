"""Where the connection information of a kernel is written, looked for, and removed."""

import json
import os
import stat
import uuid

from jupyter_client import KernelManager, find_connection_file
from jupyter_core.paths import jupyter_runtime_dir
from jupyter_core.utils import ensure_dir_exists

# Nothing said: a manager writes into the folder for temporary files, where nobody looks for it.
manager = KernelManager(kernel_name="rpyc")
manager.write_connection_file()
print("written to", manager.connection_file)
try:
    find_connection_file(os.path.basename(manager.connection_file))
except OSError as error:
    print(error)
manager.cleanup_connection_file()
print("there still:", os.path.exists(manager.connection_file))

# Where everybody looks. Its folder is there once a Jupyter application has run; a script can't rely on that.
folder = jupyter_runtime_dir()
ensure_dir_exists(folder, mode=0o700)
name = f"kernel-{uuid.uuid4()}.json"
manager = KernelManager(kernel_name="rpyc", connection_file=os.path.join(folder, name))
manager.start_kernel()
try:
    path = find_connection_file(name)
    print("found at", path)
    print("mode", oct(stat.S_IMODE(os.stat(path).st_mode)))
    with open(path) as file:
        content = json.load(file)
    content["key"] = f"{len(content['key'])} characters"
    print(json.dumps(content, indent=2))
finally:
    manager.shutdown_kernel()
print("there still:", os.path.exists(path))
