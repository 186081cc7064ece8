"""The machine of a history: one clock, one source of chance, and the points at which it may stop or be interrupted.

RULE: no real time, no real chance, no bookings. Everything that happens asks `Machine.point` first and leaves a line.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from sync.core.times import iso


class Crash(BaseException):
    """The process ends here: nothing of ours may catch it."""


class SimClock:
    """Time that moves only when told."""

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)
        self._run = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._run

    def sleep(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._run += seconds


class Machine:
    """Clock, chance, trace, and what is armed: a crash or an interruption after so many more points."""

    def __init__(self, seed: int, start: datetime) -> None:
        self.chance = Random(seed)
        self.clock = SimClock(start)
        self.trace: list[str] = []
        self.fired: Counter[str] = Counter()  # fault kind -> how often it really happened
        self.points: Counter[str] = Counter()  # label -> how often it was passed
        self._armed: list[tuple[int, str, Callable[[], None]]] = []

    def say(self, what: str, **facts: Any) -> None:
        told = " ".join(f"{name}={value}" for name, value in facts.items() if value not in (None, ""))
        self.trace.append(f"{iso(self.clock.now())} {what} {told}".rstrip())

    def struck(self, kind: str, **facts: Any) -> None:
        """A fault really happened."""
        self.fired[kind] += 1
        self.say(f"!! {kind}", **facts)

    def point(self, label: str) -> None:
        """A moment between two durable effects. What is armed may go off here."""
        self.points[label] += 1
        self.clock.sleep(0.001)
        due = [one for one in self._armed if one[0] <= 1]
        self._armed = [(left - 1, kind, work) for left, kind, work in self._armed if left > 1]
        for _, kind, work in due:
            self.struck(kind, at=label)
            work()

    def crash_in(self, points: int) -> None:
        self._armed.append((points, "crash", self._end))

    def interrupt_in(self, points: int, work: Callable[[], None]) -> None:
        """Somebody does something in the middle of a pass."""
        self._armed.append((points, "edit_in_pass", work))

    def disarm(self) -> None:
        self._armed = []

    def _end(self) -> None:
        self._armed = []  # a dead process is not interrupted
        raise Crash

    def digest(self) -> str:
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()
