"""scripts/import_circles.py: what it counts, and that there is none."""

from import_circles import circles


def package(folder, **modules):
    top = folder / "house"
    for name, text in {"__init__": "", **modules}.items():
        path = top / (name.replace("__in__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return top


def test_a_line_of_imports_is_no_circle(tmp_path):
    assert circles(package(tmp_path, a="from . import b", b="import house.c", c="import os")) == []


def test_imports_for_types_and_late_ones_count(tmp_path):
    top = package(
        tmp_path,
        a="TYPE_CHECKING = False\nif TYPE_CHECKING:\n    from house.b import B",
        b="def late():\n    from .c import C",
        c="from . import a",
        d="from . import a",
    )
    assert circles(top) == [["house.a", "house.b", "house.c"]]


def test_a_name_of_a_package_is_of_the_package_itself(tmp_path):
    top = package(tmp_path, __init__="from .a import version", a="from . import __version__, b", b="")
    assert circles(top) == [["house", "house.a"]]


def test_no_module_of_ours_stands_in_a_circle():
    assert circles() == []
