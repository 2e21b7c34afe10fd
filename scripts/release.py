"""Builds the distributions, looks at what is in them, and takes out of the changelog what is new: ``make release``.

Nothing is published. With ``--tag v0.1.0`` the version, the changelog and that tag have to say the same, and the
changelog has to have a date.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
AGENT = ROOT / "agent-package"
DIST = ROOT / "dist"
NOTES = ROOT / "build" / "release-notes.md"
# What either distribution is nothing without.
WHEEL = [
    "rpyc_kernel/py.typed",
    "rpyc_kernel/agent/boot.py",
    "share/jupyter/kernels/rpyc/kernel.json",
    "etc/jupyter/jupyter_server_config.d/rpyc_kernel.json",
]
WHEEL += [f"share/jupyter/labextensions/rpyc-kernel/{name}" for name in ("package.json", "static/extension.js")]
AGENT_WHEEL = ["rpyc_kernel_agent/boot.py", "rpyc_kernel_agent/serve/main.py", "rpyc_kernel_agent/LICENSE"]
AGENT_SDIST = ["pyproject.toml", "hatch_build.py", "README.md", *AGENT_WHEEL]
MAX_AGENT_BYTES = 150_000  # of its wheel: boards fetch it over slow links
SDIST = ["pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "src/rpyc_kernel/agent/boot.py", "tests/conftest.py"]


class ReleaseError(Exception):
    """Something isn't as a release has it; the text says what, and what to do."""


def version() -> str:
    """The version that the package says it has."""
    text = (ROOT / "src/rpyc_kernel/_version.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if not found:
        raise ReleaseError("src/rpyc_kernel/_version.py has no line __version__ = …")
    return found.group(1)


def notes(changelog: str, wanted: str) -> tuple[str, str]:
    """What the changelog says of a version: its date, or what stands there instead, and the text.

    Raises:
        ReleaseError: It says nothing.
    """
    for section in re.split(r"^## ", changelog, flags=re.MULTILINE)[1:]:
        heading, _newline, text = section.partition("\n")
        name, _comma, date = heading.partition(", ")
        if name == wanted and text.strip():
            return date.strip(), text.strip() + "\n"
    raise ReleaseError(f"CHANGELOG.md says nothing of {wanted}: add a section ## {wanted}, YYYY-MM-DD")


def check_tag(tag: str, number: str, date: str) -> None:
    """What is released has a tag of its own name, and a day.

    Raises:
        ReleaseError: It hasn't.
    """
    if tag != f"v{number}":
        raise ReleaseError(f"the tag is {tag}, and the package is version {number}")
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", date):
        raise ReleaseError(f"CHANGELOG.md says {date or 'nothing'!r} instead of the day of {number}")


def check_contents(number: str) -> list[Path]:
    """There is a wheel and a source distribution of each, of this version and no other, and nothing is missing in them.

    Raises:
        ReleaseError: Something is.
    """
    distributions = []
    for name, in_wheel, in_sdist in (("rpyc_kernel", WHEEL, SDIST), ("rpyc_kernel_agent", AGENT_WHEEL, AGENT_SDIST)):
        distributions += [DIST / f"{name}-{number}.tar.gz", DIST / f"{name}-{number}-py3-none-any.whl"]
        if not all(path.exists() for path in distributions):
            break
        _check_wheel(distributions[-1], in_wheel)
        with tarfile.open(distributions[-2]) as archive:
            _check_names(distributions[-2], in_sdist, archive.getnames())
    if sorted(DIST.iterdir()) != sorted(distributions):
        raise ReleaseError(f"dist/ has {', '.join(sorted(path.name for path in DIST.iterdir()))}")
    if distributions[-1].stat().st_size > MAX_AGENT_BYTES:
        raise ReleaseError(f"{distributions[-1].name} has {distributions[-1].stat().st_size} bytes")
    return distributions


def _check_wheel(wheel: Path, wanted: list[str]) -> None:
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
    _check_names(wheel, wanted, names)
    if extra := [name for name in names if name.startswith(("tests/", "benchmarks/", "conformance/"))]:
        raise ReleaseError(f"{wheel.name} would install {extra[0]}")


def _check_names(distribution: Path, wanted: list[str], names: list[str]) -> None:
    for each in wanted:
        if not any(name == each or name.endswith("/" + each) for name in names):
            raise ReleaseError(f"{distribution.name} has no {each}")


def check_import(wheel: Path, code: str, wanted: str) -> None:
    """The wheel is a package: unpacked, it can be imported, and the code prints what it is to print first.

    Raises:
        ReleaseError: It isn't.
    """
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(wheel)!r}); {code}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.stdout.split()[:1] != [wanted] or wheel.name not in done.stdout:
        raise ReleaseError(f"{wheel.name} can't be imported: {done.stdout}{done.stderr}")


def main() -> None:
    """Build, check, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tag", help="the tag that is released")
    tag = parser.parse_args().tag
    number = version()
    date, text = notes((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), number)
    if tag:
        check_tag(tag, number, date)
    shutil.rmtree(DIST, ignore_errors=True)
    for folder in (ROOT, AGENT):
        command = [sys.executable, "-m", "build", "--outdir", str(DIST), str(folder)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    distributions = check_contents(number)
    check_import(distributions[1], "import rpyc_kernel; print(rpyc_kernel.__version__, rpyc_kernel.__file__)", number)
    check_import(
        distributions[3], "from rpyc_kernel_agent.serve import main; print(main.__name__, main.__file__)",
        "rpyc_kernel_agent.serve.main",
    )  # fmt: skip
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *map(str, distributions)], check=True)
    NOTES.parent.mkdir(exist_ok=True)
    NOTES.write_text(text, encoding="utf-8")
    for each in distributions:
        print(f"{each.relative_to(ROOT)}: {each.stat().st_size / 1024:.0f} KiB")
    print(f"{NOTES.relative_to(ROOT)}: what the changelog says of {number} ({date or 'no date'})")


if __name__ == "__main__":
    try:
        main()
    except ReleaseError as error:
        sys.exit(f"No release: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
