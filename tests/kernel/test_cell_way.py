"""scripts/cell_way.py: it follows a cell through all processes and back."""

import cell_way


def test_the_way_of_a_cell_goes_through_four_processes():
    hops = cell_way.way()
    assert (hops[0].file, hops[0].functions[0]) == ("kernel/kernel.py", cell_way.BEGIN)
    processes = [hop.process for hop in hops]
    assert list(dict.fromkeys(processes)) == ["kernel", "server", "keeper", "worker"]
    assert {"agent/worker/cells.py", "transport/broker_client.py"} <= {hop.file for hop in hops}
