"""A workshop's tick: passes while there is more to do, and an end in time for the watchdog."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from sync.errors import Unreachable
from sync.wiring import TICK_SECONDS, Bridge
from tests.fakes import FakeClock


class Busy:
    """An engine whose every pass takes so many seconds and leaves something to do; the last of `passes` leaves nothing."""

    def __init__(self, seconds: float, passes: int = 1000) -> None:
        self.clock, self.seconds, self.left, self.ran = FakeClock(), seconds, passes, 0
        self.site = SimpleNamespace(clock=self.clock)

    def run(self) -> Any:
        self.clock.sleep(self.seconds)
        self.ran += 1
        self.left -= 1
        return SimpleNamespace(moved=self.left > 0, reached={"shop": True, "repairy": True})


def ticked(engine: Busy, *, stopped: bool = False) -> int:
    """How many passes one tick made."""
    ending = threading.Event()
    if stopped:
        ending.set()
    facts: dict[str, Any] = {"name": "Northside", "engine": engine, "shop": None, "state": None, "lease": None, "ending": ending}
    Bridge(**facts, copy_daily=lambda: None).tick()
    return engine.ran


@pytest.mark.parametrize(
    ("engine", "passes"),
    [
        (Busy(1, passes=1), 1),
        (Busy(1, passes=3), 3),
        (Busy(1), 20),
        (Busy(10), TICK_SECONDS // 10),
        (Busy(200), 1),
    ],
    ids=["nothing more", "two more", "no end: 20", "slow: a minute", "very slow: one"],
)
def test_a_tick_goes_on_while_there_is_more_but_not_for_ever(engine: Busy, passes: float) -> None:
    assert ticked(engine) == passes


def test_a_tick_ends_when_the_daemon_does() -> None:
    assert ticked(Busy(1), stopped=True) == 1


class Deaf(Busy):
    """The shop answers, Repairy does not."""

    def run(self) -> Any:
        super().run()
        return SimpleNamespace(moved=False, reached={"shop": True, "repairy": False})


def test_a_side_that_could_not_be_read_is_told_when_the_tick_is_over() -> None:
    """So health, heartbeat and the one line of log know of it."""
    engine = Deaf(1)
    state = SimpleNamespace(source=lambda name, side: SimpleNamespace(last_error=f"{side} of {name} is away"))
    facts: dict[str, Any] = {"name": "Northside", "engine": engine, "shop": None, "state": state, "lease": None}
    with pytest.raises(Unreachable, match=r"^repairy of Northside is away$"):
        Bridge(**facts, ending=threading.Event(), copy_daily=lambda: None).tick()
    assert engine.ran == 1
