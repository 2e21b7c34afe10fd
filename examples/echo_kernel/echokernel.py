"""A kernel that answers each cell with its text: the smallest that ipykernel lets one write."""

from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel


class EchoKernel(Kernel):
    # What a front end is told by kernel_info_reply. The implementation is the kernel, the language what cells are in.
    implementation = "echokernel"
    implementation_version = "1.0"
    banner = "Whatever you say, it comes back."
    language_info = {
        "name": "text",
        "version": "1.0",
        "mimetype": "text/plain",
        "file_extension": ".txt",
        "pygments_lexer": "text",
        "codemirror_mode": "null",
    }

    async def do_execute(self, code, silent, store_history=True, user_expressions=None, allow_stdin=False):
        """Give the text back as what the cell printed. A silent request shows nothing."""
        if not silent:
            self.send_response(self.iopub_socket, "stream", {"name": "stdout", "text": code})
        # The base class has counted the cell already.
        return {"status": "ok", "execution_count": self.execution_count, "payload": [], "user_expressions": {}}


if __name__ == "__main__":
    IPKernelApp.launch_instance(kernel_class=EchoKernel)
