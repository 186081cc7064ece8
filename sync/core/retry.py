"""When to try again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """Waits min(cap, first × 2^(attempts-1)) seconds, of which a random share of up to a half is taken off.

    `luck` in [0, 1) is passed in, so that many bookings do not come back at the same moment.
    """

    first: float = 5.0
    cap: float = 900.0

    def delay(self, attempts: int, luck: float) -> float:
        full = min(self.cap, self.first * 2.0 ** min(max(attempts, 1) - 1, 30))
        return full * (1.0 - luck / 2)
