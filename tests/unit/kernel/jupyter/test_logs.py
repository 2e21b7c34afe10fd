"""Our own log: where it goes, and how much."""

import io
import logging

import pytest

from rpyc_kernel.kernel.jupyter import logs


@pytest.fixture(autouse=True)
def as_before():
    yield
    logger = logging.getLogger(logs.LOGGER)
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    logger.propagate = True
    logger.setLevel(logging.NOTSET)


def test_it_goes_through_the_handlers_of_the_application_whatever_their_level():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setLevel("ERROR")
    logs.set_up("INFO", "", [handler])
    logging.getLogger("rpyc_kernel.link").info("told")
    logging.getLogger("rpyc_kernel.link").debug("not told")
    assert stream.getvalue() == "told\n"


def test_it_goes_to_a_file_instead(tmp_path):
    stream = io.StringIO()
    logs.set_up("DEBUG", str(tmp_path / "log"), [logging.StreamHandler(stream)])
    logging.getLogger("rpyc_kernel.kernel").debug("written")
    assert "DEBUG rpyc_kernel.kernel: written" in (tmp_path / "log").read_text()
    assert stream.getvalue() == ""


def test_setting_it_up_again_says_nothing_twice():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    for _ in range(2):
        logs.set_up("WARNING", "", [handler])
    logging.getLogger("rpyc_kernel").warning("once")
    assert stream.getvalue() == "once\n"
