"""A built-in shell with a port that only remembers, for the tests of shells/plain. Runs on Python 3.7 too."""

import asyncio
import builtins
import os
import sys
from pathlib import Path

from rpyc_kernel.agent.worker.shells.plain.shell import PlainShell

_BUILTINS = ("display", "update_display", "clear_output", "get_ipython", "exit", "quit")


class Messages(list):
    """What a cell has published, as (type, content); what it printed is among it as ``stream``."""

    def publish(self, msg_type, content, metadata=None, buffers=None):
        assert metadata is None
        assert buffers is None
        self.append((msg_type, content))

    def failed(self):
        """Nothing insists on the end of a cell here."""

    def of(self, msg_type):
        return [content for kind, content in self if kind == msg_type]

    @property
    def types(self):
        return [kind for kind, _ in self]

    def text(self, name="stdout"):
        return "".join(content["text"] for content in self.of("stream") if content["name"] == name)


class Stream:
    """Stands for the worker's stream: whatever is printed becomes a message."""

    encoding = "utf-8"

    def __init__(self, name, messages):
        self.name, self.messages = name, messages

    def write(self, text):
        self.messages.append(("stream", {"name": self.name, "text": text}))
        return len(text)

    def flush(self):
        pass


class Session:
    """``with Session() as session: session.run("1 + 1")``; puts everything back that a shell replaces."""

    def __enter__(self):
        self._kept = (
            sys.modules["__main__"],
            sys.displayhook,
            sys.stdout,
            sys.stderr,
            list(sys.meta_path),
            Path.cwd(),
        )
        self._environ = dict(os.environ)
        self._builtins = {name: getattr(builtins, name, None) for name in _BUILTINS}
        self.messages = Messages()
        self.shell = PlainShell(self.messages)
        return self

    def __exit__(self, *_):
        sys.modules["__main__"], sys.displayhook, sys.stdout, sys.stderr, sys.meta_path[:], folder = self._kept
        os.chdir(str(folder))
        os.environ.clear()
        os.environ.update(self._environ)
        for name, value in self._builtins.items():
            if value is None:
                delattr(builtins, name)
            else:
                setattr(builtins, name, value)
        for name in ("last_type", "last_value", "last_traceback", "last_exc"):
            if hasattr(sys, name):
                delattr(sys, name)

    def run(self, code, **options):
        """Run a cell and give its reply; `messages` has what it published."""
        del self.messages[:]
        kept = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = Stream("stdout", self.messages), Stream("stderr", self.messages)
        try:
            coroutine = self.shell.execute(code, **options)
            if self.shell.needs_loop(code):
                return asyncio.run(coroutine)
            try:
                coroutine.send(None)
            except StopIteration as done:
                return done.value
            raise AssertionError("the cell awaited something, but needs_loop() denied it")
        finally:
            sys.stdout, sys.stderr = kept

    def ok(self, code, **options):
        """Run a cell that must not fail; gives its messages."""
        reply = self.run(code, **options)
        assert reply["status"] == "ok", reply
        return self.messages

    def value(self, code):
        """The text/plain of a cell's result."""
        (result,) = self.ok(code).of("execute_result")
        return result["data"]["text/plain"]

    def error(self, code):
        """Run a cell that must fail; gives the reply."""
        reply = self.run(code)
        assert reply["status"] == "error", reply
        (published,) = self.messages.of("error")
        assert {key: reply[key] for key in ("ename", "evalue", "traceback")} == published
        return reply

    def traceback(self, code):
        """The text of a failing cell's traceback, without colours."""
        return plain(self.error(code)["traceback"])

    def __getitem__(self, name):
        return self.shell.namespace[name]


def plain(lines):
    """Lines of a traceback as text without colours."""
    import re

    return re.sub(r"\x1b\[[\d;]*m", "", "\n".join(lines))
