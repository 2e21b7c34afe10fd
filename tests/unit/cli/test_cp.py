"""What ``rpyc-kernel cp`` takes for a machine and what for a file of this one."""

import pytest

from rpyc_kernel.cli import main as cli
from rpyc_kernel.cli.copying import place


@pytest.mark.parametrize(
    ("text", "host", "path"),
    [
        ("a.txt", "", "a.txt"), ("./a:b", "", "./a:b"), ("/a:b", "", "/a:b"), ("~/a:b", "", "~/a:b"),
        ("..", "", ".."), ("*.csv", "", "*.csv"),
        ("pi:a", "pi", "a"), ("pi:", "pi", ""), ("pi:/a/b c", "pi", "/a/b c"), ("pi:~/x:y", "pi", "~/x:y"),
        ("pi:18812:a", "pi:18812", "a"), ("pi:18812", "pi", "18812"), ("127.0.0.1:5:a", "127.0.0.1:5", "a"),
        ("ssh://me@pi:a", "ssh://me@pi", "a"), ("ssh://me@pi:22:~/a", "ssh://me@pi:22", "~/a"),
        ("[::1]:18812:a", "[::1]:18812", "a"), ("rpycs://[fe80::1]:a", "rpycs://[fe80::1]", "a"),
        ("unix:///run/x.sock:a", "unix:///run/x.sock", "a"), ("docker://web:/srv", "docker://web", "/srv"),
    ],
)  # fmt: skip
def test_places(text, host, path):
    assert place(text) == (host, path)


@pytest.mark.parametrize("line", ["cp a b", "cp pi:a pi:b", "cp pi:a nano:b", "cp pi:a nano:b c", "cp a pi:b c"])
def test_it_copies_between_here_and_one_machine(line, capsys):
    assert cli.main(line.split()) == 2
    assert capsys.readouterr().err.startswith("cp copies between this machine and one other")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("sync . other", "sync makes a folder there like one here"),
        ("sync pi:a pi:b", "sync makes a folder there like one here"),
        ("sync . pi: --watch --dry-run", "--watch and --dry-run exclude each other."),
        ("sync . pi: --max much", "--max takes a size, like 500MB or 2GiB"),
        (f"sync . pi: --max {'9' * 400}", "--max takes a size, like 500MB or 2GiB"),
    ],
)
def test_sync_goes_from_here_to_a_machine(line, told, capsys):
    assert cli.main(line.split()) == 2
    assert capsys.readouterr().err.startswith(told)
