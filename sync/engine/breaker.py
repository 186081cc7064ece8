"""The breaker before Repairy: a storm of failures stops the writes, a read that succeeds lets them go again.

Closed: calls pass. Open: none does, for a while that doubles. Half open: reads pass, and a write only after the booking
that answered last answered again. A booking that fails alone opens nothing while others succeed between. Beside it the
budget: retries that fail may be a share of the hour's calls, no more. Held in memory: a new process begins closed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from sync.core.booking import Ability, Fields, Sighting
from sync.core.retry import Backoff
from sync.errors import NotFound, NotSent, Rejected, Unknown, Unreachable
from sync.ports import Clock, Repairy

STORM = 5  # failures in a row that open it
FEWEST = 20  # failed retries that any hour may have
SHARE = 0.2  # … and of the hour's calls
HOUR = timedelta(hours=1)
A = TypeVar("A")


class Breaker:
    """Counts what becomes of the calls to one target. Safe to use from any thread."""

    def __init__(self, clock: Clock, rest: timedelta = timedelta(seconds=30)) -> None:
        """`rest`: how long it stays open the first time."""
        self._clock, self._lock = clock, threading.Lock()
        self._failures = self._openings = self._went = 0
        self._until: datetime | None = None
        self._calls: deque[datetime] = deque()
        self._wasted: deque[datetime] = deque()  # retries that failed
        self._wait = Backoff(first=rest.total_seconds(), cap=900.0)

    def now(self) -> datetime:
        return self._clock.now()

    @property
    def until(self) -> datetime | None:
        """While it is open: when it will be half open."""
        with self._lock:
            return self._until if self._until and self._until > self._clock.now() else None

    @property
    def half_open(self) -> bool:
        with self._lock:
            return self._until is not None and self._until <= self._clock.now()

    def going(self) -> None:
        """A call goes out."""
        with self._lock:
            self._went += 1

    def went(self) -> int:
        """How many calls went out since this was asked last."""
        with self._lock:
            count, self._went = self._went, 0
            return count

    def good(self) -> None:
        """It answered, whatever it said."""
        with self._lock:
            self._note(self._calls)
            self._failures, self._openings, self._until = 0, 0, None

    def bad(self) -> None:
        """No answer that can be used. Half open, one is enough."""
        with self._lock:
            self._note(self._calls)
            self._failures += 1
            if self._failures >= STORM and (self._until is None or self._until <= self._clock.now()):
                self._openings += 1
                self._until = self._clock.now() + timedelta(seconds=self._wait.delay(self._openings, 0.0))

    def wasted(self) -> None:
        """A write that had failed before failed again."""
        with self._lock:
            self._note(self._wasted)

    def spent(self) -> datetime | None:
        """Where the hour's budget of retries is used up: when the oldest of them leaves the hour."""
        with self._lock:
            over = self._within(self._wasted) >= max(FEWEST, SHARE * self._within(self._calls))
            return self._wasted[0] + HOUR if over else None

    def _note(self, calls: deque[datetime]) -> None:
        calls.append(self._clock.now())
        self._within(calls)

    def _within(self, calls: deque[datetime]) -> int:
        while calls and calls[0] <= self._clock.now() - HOUR:
            calls.popleft()
        return len(calls)


class Guarded:
    """Repairy behind its breaker: `ports.Repairy`, with the same errors."""

    def __init__(self, port: Repairy, breaker: Breaker) -> None:
        self._port, self._breaker = port, breaker
        self.ability: Ability = port.ability
        self._answered: str | None = None  # the booking that was read last

    def read(self, booking_id: str) -> Sighting:
        if until := self._breaker.until:
            raise Unreachable(_resting(until), self._left(until))
        row = self._counted(lambda: self._port.read(booking_id))
        self._answered = booking_id
        return row

    def create(self, fields: Fields, reference: str, *, silent: bool = True) -> Sighting:
        return self._written(lambda: self._port.create(fields, reference, silent=silent))

    def update(self, booking_id: str, fields: Fields, *, reference: str | None = None) -> Sighting:
        return self._written(lambda: self._port.update(booking_id, fields, reference=reference))

    def set_status(self, booking_id: str, status: str) -> Sighting:
        return self._written(lambda: self._port.set_status(booking_id, status))

    def _written(self, call: Callable[[], A]) -> A:
        if until := self._breaker.until:
            raise NotSent(_resting(until), self._left(until))
        if self._breaker.half_open and self._answered:
            self._probe(self._answered)
        return self._counted(call)

    def _probe(self, booking_id: str) -> None:
        try:
            self._counted(lambda: self._port.read(booking_id))
        except NotFound:
            return
        except Unreachable as error:
            raise NotSent(str(error), error.retry_after) from None

    def _counted(self, call: Callable[[], A]) -> A:
        self._breaker.going()
        try:
            result = call()
        except (NotFound, Rejected):
            self._breaker.good()
            raise
        except (Unreachable, NotSent, Unknown) as error:
            if getattr(error, "retry_after", None) is None:  # asked for patience: that is an answer
                self._breaker.bad()
            raise
        self._breaker.good()
        return result

    def _left(self, until: datetime) -> float:
        return max(1.0, (until - self._breaker.now()).total_seconds())


def _resting(until: datetime) -> str:
    return f"Repairy failed {STORM} times in a row; it is asked again after {until:%H:%M:%S} UTC"
