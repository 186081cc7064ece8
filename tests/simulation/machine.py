"""The machine of a history: one clock, one source of chance, and the points at which it may stop or be interrupted.

RULE: no real time, no real chance, no bookings. Everything that happens asks `Machine.point` first and leaves a line.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(eq=False)
class Armed:
    """What happens at the `left`-th point from now whose label begins so."""

    label: str
    left: int
    kind: str
    work: Callable[[str], None]


class Machine:
    """Clock, chance, trace, and what is armed: a crash or an interruption after so many more points."""

    def __init__(self, seed: int, start: datetime) -> None:
        self.chance = Random(seed)
        self.clock = SimClock(start)
        self.trace: list[str] = []
        self.fired: Counter[str] = Counter()  # fault kind -> how often it really happened
        self.points: Counter[str] = Counter()  # label -> how often it was passed
        self.order: list[str] = []  # the labels, as they were passed
        self.ends: Callable[[str, int], bool] | None = None  # asked at each point of a label, and which: does the process end?
        self._armed: list[Armed] = []

    def say(self, what: str, **facts: Any) -> None:
        told = " ".join(f"{name}={value}" for name, value in facts.items() if value not in (None, ""))
        self.trace.append(f"{iso(self.clock.now())} {what} {told}".rstrip())

    def struck(self, kind: str, **facts: Any) -> None:
        """A fault really happened."""
        self.fired[kind] += 1
        self.say(f"!! {kind}", **facts)

    def point(self, label: str, about: str = "") -> None:
        """A moment between two durable effects, `about` a shop key or Repairy id. What is armed may go off here."""
        self.points[label] += 1
        self.order.append(label)
        self.clock.sleep(0.001)
        if self.ends and self.ends(label, self.points[label]):
            self.struck("crash", at=label)
            self._end(0)
        for one in [one for one in self._armed if label.startswith(one.label)]:
            one.left -= 1
            if one.left <= 0 and one in self._armed:
                self._armed.remove(one)
                self.struck(one.kind, at=label)
                one.work(about)

    def crash_at(self, label: str, times: int, then: int = 0) -> None:
        """The process ends when a point of this label (or its beginning) is passed so many times; `then` its successor does,
        so many points later, whatever their label."""
        self._armed.append(Armed(label, times, "crash", lambda _: self._end(then)))

    def interrupt_at(self, label: str, times: int, work: Callable[[str], None]) -> None:
        """Somebody does something in the middle of a pass; they are told what it is about."""
        self._armed.append(Armed(label, times, "edit_in_pass", work))

    def disarm(self) -> None:
        self._armed = []

    def _end(self, then: int) -> None:
        self._armed = []  # a dead process is not interrupted
        if then:
            self.crash_at("", then)
        raise Crash

    def digest(self) -> str:
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()
