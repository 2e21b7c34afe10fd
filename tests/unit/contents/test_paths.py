"""Paths of the contents API that begin with a machine."""

import pytest

from rpyc_kernel.contents.paths import Place, api_path, place_of, shown_name, travelling

MACHINES = {"pi", "10.0.0.7:18813", "pi:2"}


@pytest.mark.parametrize(
    ("text", "machine", "path"),
    [
        ("pi:", "pi", "/"),
        ("/pi:/", "pi", "/"),
        ("pi:home/pi/x.py", "pi", "/home/pi/x.py"),
        ("pi:/home/pi/x.py", "pi", "/home/pi/x.py"),
        ("pi://home//pi/", "pi", "/home/pi"),
        ("pi:~/x.py", "pi", "~/x.py"),
        ("pi:/~", "pi", "~"),
        ("pi:~x", "pi", "/~x"),
        ("10.0.0.7:18813:srv/x", "10.0.0.7:18813", "/srv/x"),
        ("pi:2:srv", "pi:2", "/srv"),
        ("pi:2/srv", "pi", "/2/srv"),
        ("pi:a:b/c", "pi", "/a:b/c"),
        ("pi:C:/Users/x.py", "pi", "C:/Users/x.py"),
        ("pi:home/ä", "pi", "/home/Ã¤"),
    ],
)
def test_a_place_on_a_machine(text, machine, path):
    assert place_of(text, MACHINES) == Place(machine, path)


@pytest.mark.parametrize("text", ["", "/", "pi", "home/pi:/x", "other:/x", ":", "p:i", "notes: 1.txt"])
def test_what_is_this_machines_own(text):
    assert place_of(text, MACHINES) is None


@pytest.mark.parametrize("text", ["pi:../etc", "pi:/a/../../b", "pi:./x", "pi:a/\0", "pi:\ud800"])
def test_what_can_be_no_path(text):
    with pytest.raises(ValueError, match=r"no path|surrogates"):
        place_of(text, MACHINES)


def test_names_come_back_as_they_were():
    for name in ("plain", "größe ✓", "a:b", " x "):
        raw = name.encode().decode("latin-1")
        assert shown_name(raw) == name
        assert travelling(name) == raw
    odd = b"caf\xe9 \xff".decode("latin-1")
    assert shown_name(odd).encode()  # browsers refuse half a surrogate
    assert travelling(shown_name(odd)) == odd
    assert place_of(api_path("pi", f"/srv/{odd}"), MACHINES) == Place("pi", f"/srv/{odd}")
