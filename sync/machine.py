"""The machine that the program really runs on: its clock and its threads. Tests bring their own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TypeVar

STOP_SECONDS = 2.0  # how long a round is waited for at the end
A = TypeVar("A")
B = TypeVar("B")


class SystemClock:
    """The real clock; `sleep` ends early when `wake` is set."""

    def __init__(self) -> None:
        self.wake = threading.Event()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        self.wake.wait(seconds)


class Serial:
    """One after the other, in order."""

    def map(self, work: Callable[[A], B], items: Iterable[A]) -> Sequence[B]:
        return [work(item) for item in items]


class Threads:
    """At most `width` at once; the first error is raised after all have ended."""

    def __init__(self, width: int) -> None:
        self._pool = ThreadPoolExecutor(width, thread_name_prefix="repairy")

    def map(self, work: Callable[[A], B], items: Iterable[A]) -> Sequence[B]:
        futures = [self._pool.submit(work, item) for item in items]
        return [future.result() for future in futures]

    def close(self) -> None:
        self._pool.shutdown(wait=True)


class Rounds:
    """A listener of the daemon's that does `once` every so many seconds, in a thread of its own, from `start` until `stop`.

    `ended` is set by `stop`, for work that is long; `once` must not raise."""

    def __init__(self, name: str, once: Callable[[], None], seconds: float, at_once: bool) -> None:
        self._once, self._seconds, self._at_once = once, seconds, at_once
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Harmless when repeated; a round under way is not waited for long."""
        self.ended.set()
        if self._thread.ident:
            self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        if self._at_once:
            self._once()
        while not self.ended.wait(self._seconds):
            self._once()
