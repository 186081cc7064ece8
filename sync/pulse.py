"""How the daemon's passes go: begun, ended, how often, how badly. Facts only; who asks decides what follows from them."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from sync.ports import Clock

LATE_INTERVALS = 20
LATE_AT_LEAST = timedelta(minutes=10)  # a pass may have much to catch up with


@dataclass
class Beat:
    """One workshop's passes; moments are seconds of the clock's `monotonic`."""

    moved: float  # when the last pass ended; at first, when the daemon began
    begun: float | None = None  # the running pass
    ended: int = 0  # passes, good and bad
    overruns: int = 0  # passes that took longer than their interval
    overran: bool = False  # the running pass is counted there
    problem: str | None = None  # of the last pass; "" was good, None is none yet


class Pulse:
    """The beats of all workshops, from any thread."""

    def __init__(self, names: Iterable[str], clock: Clock, every: timedelta) -> None:
        self._clock, self.every = clock, every
        self._lock = threading.Lock()
        self._beats = {name: Beat(moved=clock.monotonic()) for name in names}

    def begin(self, name: str) -> None:
        with self._lock:
            self._beats[name].begun, self._beats[name].overran = self._clock.monotonic(), False

    def end(self, name: str, problem: str = "") -> None:
        """The pass is over, and went well where there is no problem."""
        with self._lock:
            beat = self._beats[name]
            beat.moved, beat.begun, beat.ended, beat.problem = self._clock.monotonic(), None, beat.ended + 1, problem

    def overrun(self, name: str) -> bool:
        """The next pass came due while one runs; true, once a pass, where that takes longer than its interval."""
        with self._lock:
            beat = self._beats[name]
            slow = beat.begun is not None and self._clock.monotonic() - beat.begun >= self.every.total_seconds()
            if not slow or beat.overran:
                return False
            beat.overran, beat.overruns = True, beat.overruns + 1
            return True

    @property
    def rounds(self) -> int:
        """How many passes every workshop has ended at least."""
        with self._lock:
            return min((beat.ended for beat in self._beats.values()), default=0)

    @property
    def good(self) -> bool:
        """Whether the last pass of every workshop was good."""
        with self._lock:
            return all(beat.problem == "" for beat in self._beats.values())

    @property
    def passes(self) -> dict[str, int]:
        """How many passes each workshop has ended, good and bad."""
        with self._lock:
            return {name: beat.ended for name, beat in self._beats.items()}

    @property
    def overruns(self) -> dict[str, int]:
        with self._lock:
            return {name: beat.overruns for name, beat in self._beats.items()}

    def idle(self) -> list[str]:
        """Workshops whose next pass should have begun long ago."""
        return [name for name, seconds, begun in self._rest() if begun is None and seconds > 2 * self.every.total_seconds() + 1]

    def late(self) -> list[str]:
        """Workshops of which no pass has ended for so long that something hangs."""
        limit = max(LATE_INTERVALS * self.every, LATE_AT_LEAST).total_seconds()
        return [name for name, seconds, _ in self._rest() if seconds > limit]

    def problems(self) -> dict[str, str]:
        """What went wrong in the last pass, where something did."""
        with self._lock:
            return {name: beat.problem for name, beat in self._beats.items() if beat.problem}

    def _rest(self) -> list[tuple[str, float, float | None]]:
        with self._lock:
            now = self._clock.monotonic()
            return [(name, now - beat.moved, beat.begun) for name, beat in self._beats.items()]
