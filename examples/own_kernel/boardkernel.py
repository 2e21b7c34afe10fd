"""A kernel of one's own: its notebooks are on the board at once, and have a command more, %memory."""

from traitlets import Unicode

from rpyc_kernel.extend import RpycKernel, command, main


class BoardKernel(RpycKernel):
    implementation = "board-kernel"
    implementation_version = "1.0"
    banner = "The board in the greenhouse. %memory tells what is free there.\n"
    address = Unicode("localhost:18812", help="The machine to connect to with the first cell.").tag(config=True)


@command("memory", "Tells how much memory is free on the board.")
async def memory(context):
    return await context.run_there("print(open('/proc/meminfo').read().splitlines()[2])")


if __name__ == "__main__":
    main(BoardKernel)
