"""The daemon: real processes for signals, exit codes and systemd; real threads and a real scheduler for the rest."""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sync import daemon as subject
from sync.daemon import Daemon
from sync.errors import ConfigError, LeaseLost, Unreachable
from sync.machine import SystemClock
from sync.web import server

PROGRAM = Path(__file__).with_name("daemon_with_fake_bridge.py")
ROOT = Path(__file__).parents[2]
PATIENCE = 20.0


class Process:
    """The program, running; its diary line by line."""

    def __init__(self, environ: dict[str, str], ways: dict[str, Any]) -> None:
        env = {name: value for name, value in os.environ.items() if not name.startswith(("NOTIFY_", "WATCHDOG_"))}
        self.child = subprocess.Popen(
            [sys.executable, str(PROGRAM), json.dumps(ways)],
            stdout=subprocess.PIPE,
            text=True,
            env=env | {"PYTHONPATH": str(ROOT)} | environ,
        )
        self.diary: list[dict[str, Any]] = []
        self._lines: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.child.stdout
        for line in self.child.stdout:
            self._lines.put(json.loads(line))
        self._lines.put(None)

    def until(self, word: str, **words: object) -> dict[str, Any]:
        """Reads on to the line that says this."""
        while (line := self._lines.get(timeout=PATIENCE)) is not None:
            self.diary.append(line)
            if line["said"] == word and words.items() <= line.items():
                return line
        raise AssertionError(f"it ended without {word!r}: {self.said}")

    def end(self, number: int | None = None) -> int:
        """Its exit code, after this signal, and the rest of its diary."""
        if number is not None:
            self.child.send_signal(number)
        code = self.child.wait(40)
        self._reader.join()
        while (line := self._lines.get()) is not None:
            self.diary.append(line)
        return code

    @property
    def said(self) -> list[str]:
        return [line["said"] for line in self.diary]

    def close(self) -> None:
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        self._reader.join()
        assert self.child.stdout
        self.child.stdout.close()


Begin = Callable[..., Process]


@pytest.fixture
def begin() -> Iterator[Begin]:
    begun: list[Process] = []

    def start(environ: dict[str, str] | None = None, **ways: Any) -> Process:
        begun.append(Process(environ or {}, ways))
        return begun[-1]

    yield start
    for each in begun:
        each.close()


# ---------------------------------------------------------------- signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_finishes_the_call_in_hand_and_no_other(begin: Begin, number: int) -> None:
    process = begin(steps=50, step=1.0)
    process.until("call", step=0)
    began = time.monotonic()
    code = process.end(number)
    assert (code, process.said.count("call"), process.said.count("answer")) == (0, 1, 1)
    assert time.monotonic() - began < 30
    assert process.said[-1] == "ended"


def test_a_second_signal_ends_it_at_once(begin: Begin) -> None:
    process = begin(steps=1, step=60, deaf=True)
    process.until("call")
    process.child.send_signal(signal.SIGTERM)
    process.until("stop")
    assert process.end(signal.SIGTERM) == -signal.SIGTERM


def test_a_pass_that_will_not_end_is_left(begin: Begin) -> None:
    """Exit 1, though its thread still runs: the state is safe against it, and the next start settles the call."""
    process = begin(steps=1, step=120, deaf=True, patience=0.5)
    process.until("call")
    assert process.end(signal.SIGTERM) == 1


def test_the_slowest_end_takes_less_than_thirty_seconds() -> None:
    """A pass that will not end, then both listeners with requests in hand."""
    assert subject.STOP_SECONDS + 2 * server.STOP_SECONDS < 30


def test_a_hang_up_changes_nothing(begin: Begin) -> None:
    process = begin()
    process.until("passed")
    process.child.send_signal(signal.SIGHUP)
    process.until("passed", number=process.diary[-1]["number"] + 2)
    assert process.end(signal.SIGTERM) == 0


# ---------------------------------------------------------------- passes that fail


@pytest.mark.parametrize("error", ["Unreachable", "WrongPair", "ValueError"])
def test_a_pass_that_raises_is_tried_again_and_told_once(begin: Begin, error: str) -> None:
    process = begin(raises=error)
    process.until("pass", number=4)
    code = process.end(signal.SIGTERM)
    (told,) = [line for line in process.diary if line["said"] == "pass failed"]
    assert (code, told["problem"].startswith(error), "heartbeat" in process.said) == (0, True, False)


def test_the_message_of_a_foreign_error_is_not_told(begin: Begin) -> None:
    """It might hold a customer's number."""
    process = begin(raises="ValueError")
    told = process.until("pass failed")
    assert "0400" not in told["problem"]


def test_a_lost_lease_ends_it_with_75(begin: Begin) -> None:
    process = begin(lost=2)
    code = process.end()
    assert (code, process.said.count("pass"), "stop" in process.said) == (75, 2, True)


def test_a_second_instance_refuses_and_says_who_holds_the_lease(begin: Begin, tmp_path: Path) -> None:
    state = f"sqlite:///{tmp_path / 'state.db'}"
    first = begin(state=state)
    first.until("passed")
    second = begin(state=state)
    assert second.end() == 75
    assert f"process {first.child.pid} on" in second.diary[-1]["why"]


# ---------------------------------------------------------------- systemd


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.settimeout(PATIENCE)
        yield ear


def heard(ear: socket.socket, seconds: float) -> list[str]:
    """Every datagram of this time."""
    found, ends = [], time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        ear.settimeout(left)
        try:
            found.append(ear.recv(4096).decode())
        except TimeoutError:
            break
    return found


def test_ready_comes_before_the_api_answers(begin: Begin, systemd: socket.socket) -> None:
    """The first call of the first pass is never answered."""
    begin({"NOTIFY_SOCKET": systemd.getsockname()}, steps=1, step=60)
    assert systemd.recv(4096).decode() == "READY=1\nSTATUS=working for Northside"


def test_stopping_is_told_when_it_begins_to_stop(begin: Begin, systemd: socket.socket) -> None:
    process = begin({"NOTIFY_SOCKET": systemd.getsockname()}, steps=1, step=1.0)
    process.until("call")
    process.child.send_signal(signal.SIGTERM)
    words = ""
    while "STOPPING=1" not in words:
        words = systemd.recv(4096).decode()
    assert process.child.poll() is None
    assert process.end() == 0


def test_the_watchdog_is_fed_by_finished_passes(begin: Begin, systemd: socket.socket) -> None:
    begin({"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "4000000"})
    fed = 0
    while fed < 3:
        fed += "WATCHDOG=1" in systemd.recv(4096).decode()
    assert fed == 3


def test_failed_passes_feed_the_watchdog_and_say_what_is_wrong(begin: Begin, systemd: socket.socket) -> None:
    begin({"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "4000000"}, raises="Unreachable")
    systemd.recv(4096)
    assert systemd.recv(4096).decode() == "WATCHDOG=1\nSTATUS=Northside: Unreachable: 0400 000 001"


def test_a_pass_that_hangs_does_not_feed_the_watchdog(begin: Begin, systemd: socket.socket) -> None:
    """The first pass never ends: three seconds of scheduling, renewing and looking bring no sign of life."""
    process = begin({"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "4000000"}, steps=1, step=60)
    process.until("call")
    assert [line for line in heard(systemd, 3) if "WATCHDOG" in line] == []


def test_without_a_watchdog_none_is_fed(begin: Begin, systemd: socket.socket) -> None:
    process = begin({"NOTIFY_SOCKET": systemd.getsockname()})
    process.until("pass", number=5)
    process.end(signal.SIGTERM)
    assert not any("WATCHDOG" in line for line in heard(systemd, 0.2))


# ---------------------------------------------------------------- in one process


class Told:
    """The log and systemd, as lists."""

    watchdog: timedelta | None = None

    def __init__(self) -> None:
        self.log: list[tuple[str, dict[str, object]]] = []
        self.words: list[dict[str, str]] = []

    def info(self, event: str, **words: object) -> None:
        self.log.append((event, words))

    warning = error = info

    def tell(self, **words: str) -> None:
        self.words.append(words)


class Bridge:
    """Counts its passes; each waits for `go`."""

    def __init__(self, name: str = "Northside") -> None:
        self.name, self.passes, self.stops, self.renewals = name, 0, 0, 0
        self.go, self.begun = threading.Event(), threading.Semaphore(0)
        self.go.set()
        self.raises: list[Exception | None] = []
        self.renewing: list[Exception | None] = []

    def tick(self) -> None:
        self.passes += 1
        self.begun.release()
        assert self.go.wait(PATIENCE)
        if self.raises and (error := self.raises.pop(0)):
            raise error

    def stop(self) -> None:
        self.stops += 1

    def renew(self) -> None:
        self.renewals += 1
        if self.renewing and (error := self.renewing.pop(0)):
            raise error


class Listener:
    def __init__(self, problem: Exception | None = None) -> None:
        self.problem, self.open = problem, False

    def start(self) -> None:
        if self.problem:
            raise self.problem
        self.open = True

    def stop(self) -> None:
        self.open = False


class Running:
    """A daemon in a thread; `every` is so long that only wakes bring passes after the first."""

    def __init__(self, *bridges: Bridge, every: float = 3600, heartbeat: Callable[[], None] = lambda: None) -> None:
        self.told, self.code, self.left = Told(), -1, 0
        self.listener = Listener()
        self.daemon = Daemon(
            bridges,
            [self.listener],
            SystemClock(),
            shop_every=timedelta(seconds=every),
            repairy_every=timedelta(seconds=every),
            log=self.told,
            notify=self.told,
            heartbeat=heartbeat,
            leave=self._leave,
        )
        self._thread = threading.Thread(target=self._run, daemon=True)  # a failed test does not wait for it

    def _run(self) -> None:
        self.code = self.daemon.run()

    def _leave(self, code: int) -> None:
        self.left += 1

    def start(self) -> Running:
        self._thread.start()
        return self

    def end(self, code: int | None = 0) -> int:
        """Ends it as a signal does; None waits until it ends itself."""
        if code is not None:
            self.daemon._ends.put(code)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        return self.code


def soon(holds: Callable[[], object]) -> bool:
    """Whether it comes to hold, by bounded polling."""
    ends = time.monotonic() + PATIENCE
    while not holds() and time.monotonic() < ends:
        time.sleep(0.01)
    return bool(holds())


def quiet(bridge: Bridge, seconds: float = 0.6) -> bool:
    """No further pass begins in this time (three debounces)."""
    return not bridge.begun.acquire(timeout=seconds)


def test_the_first_pass_comes_at_once() -> None:
    bridge = Bridge()
    running = Running(bridge).start()
    assert bridge.begun.acquire(timeout=PATIENCE)
    assert running.end() == 0


def test_many_wakes_make_one_pass() -> None:
    bridge = Bridge()
    running = Running(bridge).start()
    assert bridge.begun.acquire(timeout=PATIENCE)
    assert soon(lambda: not running.daemon._busy)
    for _ in range(100):
        running.daemon.wake()
    assert bridge.begun.acquire(timeout=PATIENCE)
    assert quiet(bridge)
    running.end()
    assert bridge.passes == 2


def test_wakes_without_a_pause_do_not_put_the_pass_off() -> None:
    bridge = Bridge()
    running = Running(bridge).start()
    assert bridge.begun.acquire(timeout=PATIENCE)

    def woken() -> bool:
        running.daemon.wake()
        return bridge.passes >= 3

    assert soon(woken)  # asks every 10 ms
    running.end()


def test_a_wake_during_a_pass_brings_another_after_it() -> None:
    """Never one beside it; what the running pass may have read too early is looked at again."""
    bridge = Bridge()
    bridge.go.clear()
    running = Running(bridge).start()
    assert bridge.begun.acquire(timeout=PATIENCE)
    for _ in range(10):
        running.daemon.wake("Northside")
    assert quiet(bridge)
    bridge.go.set()
    assert bridge.begun.acquire(timeout=PATIENCE)
    assert quiet(bridge)
    running.end()


def test_a_wake_by_name_leaves_the_others_alone() -> None:
    north, south = Bridge("Northside"), Bridge("Southside")
    running = Running(north, south).start()
    assert north.begun.acquire(timeout=PATIENCE)
    assert south.begun.acquire(timeout=PATIENCE)
    assert soon(lambda: not running.daemon._busy)
    running.daemon.wake("Southside")
    assert south.begun.acquire(timeout=PATIENCE)
    assert quiet(north)
    running.end()


def test_a_wake_before_the_start_and_after_the_end_is_harmless() -> None:
    bridge = Bridge()
    running = Running(bridge)
    running.daemon.wake()
    running.start()
    assert bridge.begun.acquire(timeout=PATIENCE)
    assert running.end() == 0
    running.daemon.wake()
    running.daemon.wake("nobody")
    assert quiet(bridge)


def test_a_workshop_that_hangs_does_not_stop_the_others() -> None:
    stuck, fine = Bridge("Northside"), Bridge("Southside")
    stuck.go.clear()
    running = Running(stuck, fine, every=0.05).start()
    assert soon(lambda: fine.passes >= 5)
    stuck.go.set()
    running.end()
    assert stuck.passes <= 2


def test_a_clock_set_back_does_not_delay_the_next_pass() -> None:
    """To the scheduler it looks as if the next pass were an hour away."""
    bridge = Bridge()
    running = Running(bridge, every=0.2).start()
    assert bridge.begun.acquire(timeout=PATIENCE)
    later = SystemClock().now() + timedelta(hours=1)
    assert soon(lambda: running.daemon._scheduler.modify_job("Northside", next_run_time=later) and not running.daemon._busy)
    passes = bridge.passes
    assert soon(lambda: bridge.passes > passes)
    running.end()


def test_an_overrun_is_told_once_and_counted() -> None:
    bridge = Bridge()
    bridge.go.clear()
    running = Running(bridge, every=0.1).start()
    assert soon(lambda: running.daemon.pulse.overruns == {"Northside": 1})
    assert quiet(bridge) is False  # the first pass, begun
    bridge.go.set()
    running.end()
    assert [event for event, _ in running.told.log].count("a pass takes longer than its interval") >= 1


def test_a_problem_is_told_once_and_its_end_once() -> None:
    bridge = Bridge()
    bridge.raises = [Unreachable("down"), Unreachable("down"), None, None]
    running = Running(bridge, every=0.05).start()
    assert soon(lambda: bridge.passes >= 6)
    running.end()
    told = [event for event, _ in running.told.log if event.startswith("pass")]
    assert told == ["pass failed", "pass is good again"]


def test_the_heartbeat_waits_for_every_workshop() -> None:
    """One workshop that fails is not hidden by another that is well."""
    well, ill = Bridge("Northside"), Bridge("Southside")
    ill.raises = [Unreachable("down")] * 3
    beats: list[int] = []
    running = Running(well, ill, every=0.05, heartbeat=lambda: beats.append(ill.passes)).start()
    assert soon(lambda: beats)
    running.end()
    assert beats[0] >= 4


def test_a_heartbeat_that_fails_is_told_and_ends_nothing() -> None:
    def broken() -> None:
        raise OSError("no network")

    bridge = Bridge()
    running = Running(bridge, every=0.05, heartbeat=broken).start()
    assert soon(lambda: bridge.passes >= 3)
    assert running.end() == 0
    assert [event for event, _ in running.told.log].count("heartbeat failed") == 1


def test_an_exit_inside_a_pass_is_no_exit_of_the_daemon() -> None:
    """APScheduler would swallow it and say nothing."""
    bridge = Bridge()
    bridge.raises = [SystemExit(3)]  # type: ignore[list-item]
    running = Running(bridge, every=0.05).start()
    assert soon(lambda: bridge.passes >= 3)
    assert running.end() == 0


def test_the_lease_is_renewed_while_a_pass_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "RENEW", timedelta(seconds=0.05))
    bridge = Bridge()
    bridge.go.clear()
    running = Running(bridge).start()
    assert soon(lambda: bridge.renewals >= 3)
    bridge.go.set()
    assert running.end() == 0


def test_a_lease_lost_at_its_renewal_ends_the_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "RENEW", timedelta(seconds=0.05))
    bridge = Bridge()
    bridge.renewing = [None, None, Unreachable("down"), LeaseLost("another process took over")]
    running = Running(bridge).start()
    assert running.end(None) == 75
    assert bridge.stops == 1


def test_a_lease_that_is_gone_at_the_start_is_75_and_nothing_is_served() -> None:
    bridge = Bridge()
    bridge.renewing = [LeaseLost("another process took over")]
    running = Running(bridge).start()
    assert (running.end(None), bridge.passes, running.listener.open) == (75, 0, False)


@pytest.mark.parametrize(("kind", "code"), [(ConfigError, 78), (Unreachable, 75)])
def test_an_address_that_cannot_be_had_ends_it_and_the_other_listeners(kind: type[Exception], code: int) -> None:
    """75 where it is only in use: the service is started again."""
    bridge = Bridge()
    running = Running(bridge)
    running.daemon.listeners.append(Listener(kind("127.0.0.1:8781 cannot be had")))
    running.start()
    assert (running.end(None), running.listener.open, bridge.passes) == (code, False, 0)
    assert {"problem": "127.0.0.1:8781 cannot be had"} in [words for _, words in running.told.log]


def test_listeners_answer_while_it_runs_and_end_with_it() -> None:
    bridge = Bridge()
    running = Running(bridge).start()
    assert bridge.begun.acquire(timeout=PATIENCE)
    during = running.listener.open
    running.end()
    assert (during, running.listener.open) == (True, False)


def test_a_pass_that_will_not_end_is_named_and_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "STOP_SECONDS", 0.1)
    bridge = Bridge()
    bridge.go.clear()
    running = Running(bridge).start()
    assert bridge.begun.acquire(timeout=PATIENCE)
    running.end()
    bridge.go.set()
    assert (running.left, running.told.log[-1][1]) == (1, {"workshops": ["Northside"]})


@pytest.mark.parametrize(
    ("shop", "repairy", "watchdog", "expected"),
    [
        pytest.param(30, 60, None, 30, id="the shop's"),
        pytest.param(60, 30, None, 30, id="Repairy's"),
        pytest.param(30, 60, 600, 30, id="a watchdog with time enough"),
        pytest.param(3600, 3600, 600, 200, id="a watchdog that wants a sign sooner"),
    ],
)
def test_the_interval_is_the_shortest(shop: int, repairy: int, watchdog: int | None, expected: int) -> None:
    seconds = [timedelta(seconds=each) if each else None for each in (shop, repairy, watchdog)]
    assert subject._interval(*seconds) == timedelta(seconds=expected)  # type: ignore[arg-type]
