"""A kernel of one's own: its notebooks are on the board at once, and have a command more, %memory."""

from traitlets import Unicode

from rpyc_kernel.kernel.app import main
from rpyc_kernel.kernel.commands import registry
from rpyc_kernel.kernel.commands.spec import CommandSpec
from rpyc_kernel.kernel.kernel import RpycKernel


class BoardKernel(RpycKernel):
    implementation = "board-kernel"
    implementation_version = "1.0"
    banner = "The board in the greenhouse. %memory tells what is free there.\n"
    address = Unicode("localhost:18812", help="The machine to connect to with the first cell.").tag(config=True)


async def memory(kernel, arguments, cell):
    return await kernel.run_there("print(open('/proc/meminfo').read().splitlines()[2])", cell)


registry.add(CommandSpec("memory", ("%", "$"), "Tells how much memory is free on the board."), memory)

if __name__ == "__main__":
    main(BoardKernel)
