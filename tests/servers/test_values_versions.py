"""Values go from Python to Python, and from numpy to numpy, and come back as they were.

A subprocess of each Python unpacks what this one has packed, and packs it again.
"""

import math
import subprocess
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from rpyc_kernel.agent.values import pack, unpack
from tests.kernel.kernels import SOURCE
from tests.servers import venvs
from tests.unit.agent.values import test_of_standard as standard
from tests.unit.agent.values import test_packer as packer
from tests.unit.agent.values.copies import same

ECHO = Path(__file__).with_name("values_echo.py")
PLAIN = sorted({(rpyc, python) for rpyc, python, extra in venvs.ALL if not extra and python != "3.6"})
#: RPyC, Python, packages: numpy 1.21, 1.24, 1.26 and 2
WITH_NUMPY = [
    ("5.0.1", "3.7", venvs.OLD_IPYTHON), ("4.1.5", "3.8", venvs.OLD_IPYTHON),
    (venvs.CURRENT_RPYC, "3.9", venvs.WITH_ARROW), (venvs.CURRENT_RPYC, venvs.CURRENT_PYTHON, venvs.WITHOUT_IPYTHON),
]  # fmt: skip
WITH_PANDAS = WITH_NUMPY[2:]


class Sent(Exception):
    """Raised for what the other Python says in place of a value."""


@contextmanager
def echo(rpyc, python, extra=()):
    """Give a function that sends a value to a Python and returns what comes back."""
    command = [str(venvs.venv(python, rpyc, extra)), "-W", "error", str(ECHO), str(SOURCE / "rpyc_kernel")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:

        def read_number():
            return int.from_bytes(process.stdout.read(8), "little")

        def send(value, peer=None):
            packed = pack(value, "it", peer=peer)
            parts = [packed.text, *packed.buffers]
            for number in [len(parts), *map(len, parts)]:
                process.stdin.write(number.to_bytes(8, "little"))
            for part in parts:
                process.stdin.write(part)
            process.stdin.flush()
            sizes = [read_number() for _ in range(read_number())]
            text, *buffers = [bytearray(process.stdout.read(size)) for size in sizes]
            if text.startswith(b"!"):
                raise Sent(text.decode())
            return unpack(bytes(text), buffers)

        yield send
        process.stdin.close()
        assert process.wait(30) == 0


@pytest.mark.parametrize(("rpyc", "python"), PLAIN)
def test_plain_data_and_the_standard_library(rpyc, python):
    knows_zones = python not in ("3.7", "3.8")
    with echo(rpyc, python) as send:

        @settings(max_examples=30)
        @given(packer.DATA, st.lists(standard.VALUES if knows_zones else standard.WITHOUT_ZONES, max_size=4))
        def there_and_back(data, values):
            assert same(send([data, values]), [data, values])

        there_and_back()
        loop = [1]
        loop.append((loop, {"a": loop}))
        found = send(loop)
        assert found[1][0] is found[1][1]["a"] is found
        deep = []
        for _ in range(10_000):
            deep = [deep]
        assert len(send(deep)) == 1
        with pytest.raises(Sent, match="needs numpy: python -m pip install numpy"):
            send(np.zeros(2))
        when = datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin"))
        if knows_zones:
            assert send(when).utcoffset() == when.utcoffset()
        else:
            with pytest.raises(Sent, match=r"'Europe/Berlin' is in it.*pip install tzdata backports\.zoneinfo"):
                send(when)


@pytest.mark.parametrize(("rpyc", "python", "extra"), WITH_NUMPY, ids=["1.21", "1.24", "1.26", "2"])
def test_arrays(rpyc, python, extra):
    dtypes = npst.scalar_dtypes() | npst.array_dtypes() | npst.nested_dtypes()
    with echo(rpyc, python, extra) as send:

        @settings(max_examples=60)
        @given(npst.arrays(dtypes, npst.array_shapes(min_dims=0, min_side=0)))
        def there_and_back(array):
            found = send([array, array.T, array.dtype])
            assert found[2] == array.dtype
            for one, two in zip(found, (array, array.T), strict=False):
                assert (one.dtype, one.shape) == (two.dtype, two.shape)
                assert one.dtype.names or one.tobytes() == two.tobytes()
                assert repr(one) == repr(two)

        there_and_back()
        values = [np.float32(0.1), np.int8(-1), np.datetime64("2026", "D"), np.str_("x\0"), np.bool_(True)]
        values += [np.longdouble("0.1"), np.complex64(1j)]
        found = send(values)
        assert found == values
        assert list(map(type, found)) == list(map(type, values))
        masked = send(np.ma.MaskedArray([1, 2], [True, False], fill_value=7))
        assert (masked.tolist(), masked.fill_value) == ([None, 2], 7)


@pytest.mark.parametrize(("rpyc", "python", "extra"), WITH_PANDAS, ids=["2", "3"])
def test_frames(rpyc, python, extra):
    """Between pandas 2 and 3, what texts are by default has changed: pandas 2 has objects in place of pandas 3's."""
    frame = pd.DataFrame(
        {
            "i": range(3),
            "f": [1.5, math.nan, 2],
            "o": pd.Series(["a", None, math.nan], dtype=object),
            "t": pd.date_range("2026-10-25", periods=3, freq="h", tz="Europe/Berlin").as_unit("ns"),
            "c": pd.Categorical(pd.Index([5, 6, 5])),
            "I": pd.array([1, None, 3], dtype="Int8"),
            "S": pd.array(["x", None, "y"], dtype="string[python]"),
            "A": pd.array(["x", None, "y"], dtype="string[pyarrow]"),
            "p": pd.period_range("2026-01", periods=3, freq="M"),
            "iv": pd.interval_range(0, 3),
            "d": pd.to_timedelta([1, 2, None], unit="s").as_unit("s"),
        }
    )
    frame.index = pd.MultiIndex.from_tuples([(1, 2.5), (1, 3.5), (2, 2.5)], names=["k", None])
    has_arrow = "pyarrow" in extra
    with echo(rpyc, python, extra) as send:
        found = send(frame, {"pyarrow": "20.0"} if has_arrow else None)
        if not has_arrow:  # texts that were Arrow's are Python's there
            found["A"] = found["A"].astype("string[pyarrow]")
        assert found.columns.tolist() == frame.columns.tolist()
        found.columns = frame.columns  # which are texts, too
        pd.testing.assert_frame_equal(found, frame)
        assert [type(each) for each in found["o"]] == [str, type(None), float]
        texts = pd.DataFrame({"s": ["a", None, "b"]})
        found = send(texts, {"pyarrow": "20.0"} if has_arrow else None)
        assert found["s"].tolist()[::2] == ["a", "b"]
        assert pd.isna(found["s"][1])
        assert str(found["s"].dtype) == ("object" if python == "3.9" else "str")
        when = pd.Timestamp("2026-10-25 02:30:00.000000001+01:00").tz_convert("Europe/Berlin")
        assert send(when) == when
        assert str(send(when).tz) == "Europe/Berlin"
