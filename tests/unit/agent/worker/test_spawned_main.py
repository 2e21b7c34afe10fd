"""What the cells define, as a program for processes that multiprocessing starts. Runs on Python 3.7 too."""

import itertools
import subprocess
import sys
import threading

import pytest

from rpyc_kernel.agent.worker.spawned_main import definitions
from tests.needs import needs, pythons

CELLS = [
    (
        "<Cell In[1]>",
        "from __future__ import annotations\nimport os, sys; print('not again')\nA = (1, 'é', {'b': [2]})",
    ),
    (
        "<Cell In[2]>",
        "def f(x: Unknown = A): return x\nclass C(object): value = A[0]\nB: int = 4\nC.value = 5\nD = f(1)",
    ),
    ("<Cell In[3]>", "this is no Python"),
    (
        "<Cell In[4]>",
        "def gone(): pass\nasync def g(): pass\n@undefined\ndef h(): pass\nif True:\n    def nested(): pass",
    ),
    ("<Cell In[5]>", "def f(x): raise KeyError(x)"),
    ("<Cell In[6]>", "def shows(function): print('not again'); return function\n@shows\ndef shown(): pass"),
]


def nested():
    pass


nested.__module__ = "__main__"
NAMES = {**dict.fromkeys(["A", "B", "C", "D", "f", "g", "os", "sys", "shows", "shown"]), "nested": nested, "h": nested}
CHECK = """
import runpy, sys, traceback
made = runpy.run_path(sys.argv[1], run_name="__mp_main__")
print(made["A"] == (1, "\\xe9", {"b": [2]}), made["B"], made["C"].value, made["os"].__name__)
print("D" in made, "gone" in made)
for name in ("h", "nested"):
    try:
        made[name](1, a=2)
    except NameError as error:
        print(error)
try:
    made["f"](3)
except KeyError:
    traceback.print_exc(file=sys.stdout)
"""


@pytest.mark.parametrize("version", pythons("3.7", "3.8", "3.11", "3.13"))
def test_definitions_are_made_again_and_nothing_else(version, tmp_path) -> None:
    (tmp_path / "cells.py").write_text(definitions(CELLS, NAMES), encoding="utf-8")
    command = [needs(f"python{version}"), "-c", CHECK, tmp_path / "cells.py"]
    lines = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.splitlines()
    assert lines[0] == "True 4 1 os"
    assert lines[1] == "False False"
    assert lines[2].startswith("h is not known in a process of multiprocessing: NameError: name 'undefined'")
    assert lines[3].startswith("nested is not known in a process of multiprocessing: it has no def")
    shown = "\n".join(lines[4:])
    assert "<Cell In[5]>" in shown
    assert "    def f(x): raise KeyError(x)" in shown
    assert lines[-1] == "KeyError: 3"


def test_cells_add_names_meanwhile() -> None:
    """A pool starts a process in the place of one that has ended on a thread of its own."""
    namespace = {**NAMES, **{f"name_{number}": nested for number in range(20_000)}}
    done = threading.Event()

    def add() -> None:
        for number in itertools.cycle(range(100)):
            namespace[f"added_{number}"] = namespace.pop(f"added_{number - 1}", None)
            if done.is_set():
                break

    interval = sys.getswitchinterval()
    thread = threading.Thread(target=add)
    sys.setswitchinterval(1e-6)
    thread.start()
    try:
        programs = [definitions(CELLS, namespace) for _ in range(20)]
    finally:
        sys.setswitchinterval(interval)
        done.set()
        thread.join()
    assert all("name_19999" in program for program in programs)
