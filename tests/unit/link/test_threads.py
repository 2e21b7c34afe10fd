"""What the threads of a link share with those that use it."""

from rpyc_kernel.agent.wire import Message
from rpyc_kernel.link.link import Link
from rpyc_kernel.transport.address import Address


def test_what_a_finalizer_sends_in_the_midst_of_something_is_sent_after_it():
    """Garbage collection may end a live connection at any step of the protocol, on the link's own threads too."""
    link = Link(Address.parse("pi"), lambda *_: None, lambda *_: None)

    class Dropped:
        def __del__(self):
            link.submit(Message("rpyc_close", {}, "b"))

    link.submit(Message("execute_request", {"code": "1"}, "a"))
    with link._threads.events() as protocol:
        dropped = [Dropped()]
        for each in protocol.state._pending:
            dropped.clear()
            assert each.parent == "a"
    assert [each.parent for each in protocol.state._pending] == ["a", "b"]
    link.submit(Message("execute_request", {"code": "1"}, "c"))
    assert [each.parent for each in protocol.state._pending] == ["a", "b", "c"]
