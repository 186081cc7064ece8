"""sd_notify as systemd hears it: on real datagram sockets."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sync.notify import Notify


@pytest.fixture
def ear() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.settimeout(5)
        yield heard


def test_one_datagram_holds_all_words(ear: socket.socket, tmp_path: Path) -> None:
    ear.bind(str(tmp_path / "n"))
    Notify({"NOTIFY_SOCKET": str(tmp_path / "n")}).tell(READY="1", STATUS="working for Northside")
    assert ear.recv(4096) == b"READY=1\nSTATUS=working for Northside"


def test_an_abstract_socket_is_written_with_an_at(ear: socket.socket) -> None:
    name = f"repairy-sync-test-{os.getpid()}"
    ear.bind("\0" + name)
    Notify({"NOTIFY_SOCKET": "@" + name}).tell(STOPPING="1")
    assert ear.recv(4096) == b"STOPPING=1"


def test_a_line_break_in_a_value_starts_no_new_word(ear: socket.socket, tmp_path: Path) -> None:
    ear.bind(str(tmp_path / "n"))
    Notify({"NOTIFY_SOCKET": str(tmp_path / "n")}).tell(STATUS="first\nREADY=1")
    assert ear.recv(4096) == b"STATUS=first READY=1"


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": "/nobody/listens/here"}, {"NOTIFY_SOCKET": "@nobody-listens"}])
def test_without_a_listener_nothing_happens(environ: dict[str, str]) -> None:
    assert Notify(environ).tell(READY="1") is None  # type: ignore[func-returns-value]


def test_a_listener_that_never_reads_does_not_stop_us(ear: socket.socket, tmp_path: Path) -> None:
    """Past the queue's length each message gives up after a second instead of blocking for ever."""
    ear.bind(str(tmp_path / "n"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as crowd:
        crowd.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                crowd.sendto(b"x", str(tmp_path / "n"))
    Notify({"NOTIFY_SOCKET": str(tmp_path / "n")}).tell(READY="1")
    assert ear.recv(4096) == b"x"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param({"WATCHDOG_USEC": "600000000"}, timedelta(minutes=10), id="for whoever runs"),
        pytest.param({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": str(os.getpid())}, timedelta(seconds=2), id="for us"),
        pytest.param({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}, None, id="for another process"),
        pytest.param({"WATCHDOG_USEC": "0"}, None, id="zero is off"),
        pytest.param({"WATCHDOG_USEC": "soon"}, None, id="not a number"),
        pytest.param({}, None, id="not asked"),
    ],
)
def test_how_often_a_sign_of_life_is_wanted(environ: dict[str, str], expected: timedelta | None) -> None:
    assert Notify(environ).watchdog == expected
