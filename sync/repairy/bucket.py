"""How fast and when calls may go: a token bucket and the pause that Retry-After asks for, on the injected clock."""

from __future__ import annotations

import re
import threading
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from sync.ports import Clock

LONGEST = 3600.0  # seconds: a pause beyond it is asked about again


class Bucket:
    """Lets `rate` calls a second go, and up to a second's worth at once; the rest wait their turn."""

    def __init__(self, rate: float, clock: Clock) -> None:
        self._gap = 1 / rate
        self._burst = max(1.0, rate) * self._gap - self._gap
        self._clock = clock
        self._lock = threading.Lock()
        self._next = clock.monotonic() - self._burst

    def take(self) -> None:
        """Wait until a call may go."""
        with self._lock:
            now = self._clock.monotonic()
            self._next = max(self._next, now - self._burst)
            wait = self._next - now
            self._next += self._gap
        if wait > 0:
            self._clock.sleep(wait)


class Pause:
    """Until when the whole target asked to be left alone."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until = clock.monotonic()

    def set(self, seconds: float | None) -> None:
        """The later end wins; None asks for nothing."""
        if seconds is not None:
            self._until = max(self._until, self._clock.monotonic() + seconds)

    def left(self) -> float:
        """Seconds still to wait; 0 when calls may go."""
        return max(0.0, self._until - self._clock.monotonic())


def retry_after(value: str | None, now: datetime) -> float | None:
    """Retry-After in either form, seconds or an HTTP date, as seconds from now; None where there is none that can be read."""
    if value is None:
        return None
    if re.fullmatch(r"\s*\d{1,12}(\.\d{1,6})?\s*", value, re.ASCII):
        return min(float(value), LONGEST)
    try:
        moment = parsedate_to_datetime(value)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return min(max(0.0, (moment - now).total_seconds()), LONGEST)
    except (ValueError, TypeError, OverflowError):
        return None
