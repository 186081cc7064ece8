"""The log: one line per event on stderr, in UTC, without customers, secrets or other people's chatter."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator

import pytest
import structlog

from sync import logs
from sync.errors import Unreachable

CANARY = "0400 000 001"


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()[-1]


def test_a_line_is_keys_and_values(capsys: pytest.CaptureFixture[str]) -> None:
    """Time in UTC, level, logger and event come first; text with spaces is quoted."""
    logs.configure()
    logs.get("engine").info("pass done", workshop="Northside", count=3)
    line = last_line(capsys)
    assert re.match(r'timestamp=\d{4}-\d\d-\d\dT[\d:.]+Z level=info logger=engine event="pass done" ', line)
    assert {"workshop=Northside", "count=3"} <= set(line.split())


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json=True)
    logs.get("engine").warning("held", count=2)
    found = json.loads(last_line(capsys))
    assert (found["event"], found["count"], found["level"], found["logger"]) == ("held", 2, "warning", "engine")


def test_libraries_write_the_same_lines(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json=True)
    logging.getLogger("other").warning("foreign %s", 3)
    assert json.loads(last_line(capsys))["event"] == "foreign 3"


@pytest.mark.parametrize("name", ["httpx", "httpcore.connection", "apscheduler.scheduler", "uvicorn.access"])
def test_chatter_is_kept_out(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Even with -v: these tell addresses with what is in them."""
    logs.configure(verbose=True)
    logging.getLogger(name).info("GET https://example.com/?token=x")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("verbose", "lines"), [(False, 0), (True, 1)])
def test_details_only_when_asked(verbose: bool, lines: int, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(verbose)
    logs.get("engine").debug("looked")
    assert len(capsys.readouterr().err.splitlines()) == lines


def fail_with(value: str) -> None:
    local = value
    try:
        raise ValueError(f"cannot store {local}")
    except ValueError as error:
        raise Unreachable("the shop database does not answer") from error


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("stdlib", [False, True])
def test_an_exception_shows_places_and_no_values(as_json: bool, stdlib: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """Our own message, the kinds and lines of the whole chain; neither a library's message nor a local variable."""
    logs.configure(json=as_json)
    try:
        fail_with(CANARY)
    except Unreachable:
        (logging.getLogger("engine") if stdlib else logs.get("engine")).exception("pass failed")
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert "the shop database does not answer" in err
    assert "ValueError at" in err
    assert "fail_with" in err
    assert CANARY not in err
