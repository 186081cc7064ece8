"""Passes as the outside sees them: the pulse they leave, and /livez and /readyz on a real listener."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from starlette.applications import Starlette

from sync.errors import Unreachable
from sync.pulse import LATE_AT_LEAST, Pulse
from sync.web import health
from sync.web.server import Listener

EVERY = timedelta(seconds=30)


class HandClock:
    """Moves when told."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def pulse(clock: HandClock) -> Pulse:
    return Pulse(["Northside", "Southside"], clock, EVERY)


@pytest.fixture
def checks() -> dict[str, Callable[[], object]]:
    return {"state": lambda: None, "lease": lambda: None}


@pytest.fixture
def ask(pulse: Pulse, checks: dict[str, Callable[[], object]]) -> Iterator[Callable[[str], httpx.Response]]:
    listener = Listener(Starlette(routes=health.routes(pulse, checks)), "127.0.0.1:0")
    listener.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{listener.port}", trust_env=False) as client:
        yield client.get
    listener.stop()


Ask = Callable[[str], httpx.Response]


def failing() -> None:
    raise Unreachable("the state database could not be used: disk I/O error")


# ---------------------------------------------------------------- /livez


def test_alive_from_the_start(ask: Ask) -> None:
    answer = ask("/livez")
    assert (answer.status_code, answer.json()) == (200, {"alive": True})


def test_a_pass_that_hangs_is_not_alive(ask: Ask, pulse: Pulse, clock: HandClock) -> None:
    """Other workshops' passes do not hide it."""
    pulse.begin("Northside")
    clock.sleep(LATE_AT_LEAST.total_seconds() + 1)
    pulse.end("Southside")
    answer = ask("/livez")
    assert (answer.status_code, answer.json()) == (503, {"alive": False, "late": ["Northside"]})


def test_passes_that_fail_are_alive(ask: Ask, pulse: Pulse, clock: HandClock) -> None:
    """An API that is down for a month must not restart the daemon."""
    for _ in range(100):
        clock.sleep(EVERY.total_seconds())
        for name in ("Northside", "Southside"):
            pulse.begin(name)
            pulse.end(name, "Unreachable: Repairy did not answer")
    assert ask("/livez").status_code == 200


def test_alive_again_after_a_late_pass(ask: Ask, pulse: Pulse, clock: HandClock) -> None:
    clock.sleep(LATE_AT_LEAST.total_seconds() + 1)
    pulse.end("Northside")
    pulse.end("Southside")
    assert ask("/livez").status_code == 200


def test_a_long_interval_is_not_late() -> None:
    clock = HandClock()
    pulse = Pulse(["Northside"], clock, timedelta(hours=1))
    clock.sleep(LATE_AT_LEAST.total_seconds() * 10)
    assert pulse.late() == []


# ---------------------------------------------------------------- /readyz


def test_ready(ask: Ask) -> None:
    answer = ask("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True})


@pytest.mark.parametrize("which", ["state", "lease"])
def test_what_fails_is_named_and_no_more(ask: Ask, checks: dict[str, Callable[[], object]], which: str) -> None:
    checks[which] = failing
    answer = ask("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "failed": [which]})


def test_any_exception_is_not_ready(ask: Ask, checks: dict[str, Callable[[], object]]) -> None:
    checks["state"] = lambda: 1 / 0
    assert ask("/readyz").json() == {"ready": False, "failed": ["state"]}


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_health_is_only_read(ask: Ask, path: str) -> None:
    client = ask.__self__  # type: ignore[attr-defined]
    assert client.post(path).status_code == 405


# ---------------------------------------------------------------- the pulse


def test_a_round_is_over_when_every_workshop_ended_a_pass(pulse: Pulse) -> None:
    rounds = []
    for name in ("Northside", "Northside", "Southside"):
        pulse.end(name)
        rounds.append(pulse.rounds)
    assert rounds == [0, 0, 1]


def test_good_only_when_every_last_pass_was(pulse: Pulse) -> None:
    seen = [pulse.good]
    for name, problem in (("Northside", ""), ("Southside", "Unreachable: down"), ("Southside", "")):
        pulse.end(name, problem)
        seen.append(pulse.good)
    assert seen == [False, False, False, True]


def test_an_overrun_is_counted_once_a_pass(pulse: Pulse, clock: HandClock) -> None:
    pulse.begin("Northside")
    first = pulse.overrun("Northside")  # a wake right after the beginning is no overrun
    clock.sleep(EVERY.total_seconds())
    later = [pulse.overrun("Northside"), pulse.overrun("Northside")]
    assert (first, later, pulse.overruns) == (False, [True, False], {"Northside": 1, "Southside": 0})


def test_idle_is_who_should_have_begun_long_ago(pulse: Pulse, clock: HandClock) -> None:
    pulse.begin("Northside")
    clock.sleep(3 * EVERY.total_seconds())
    assert pulse.idle() == ["Southside"]


def test_a_problem_stands_until_a_good_pass(pulse: Pulse) -> None:
    pulse.end("Northside", "Unreachable: down")
    before = pulse.problems()
    pulse.end("Northside")
    assert (before, pulse.problems()) == ({"Northside": "Unreachable: down"}, {})
