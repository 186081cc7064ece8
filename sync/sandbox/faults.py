"""Fault switches: what goes wrong, how often, and how often it really did.

RULE: here is decided that a fault strikes; what striking means is the partner's and the server's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from random import Random

# The call has no effect, or not yet: `late` comes when its seconds are over; so does `race`, which looked for its reference
# at once, so that another create in between makes two bookings of one reference (nothing documented forbids it).
BEFORE = ("500_before", "429", "401", "lost_request", "down", "late", "race")
AFTER = ("500_after", "lost_answer", "cut", "garbled")  # the call takes effect, the answer is spoilt
PACE = ("slow", "drip")  # the answer takes its time
WEBHOOK = ("webhook_lost", "webhook_doubled", "webhook_late")
KINDS = BEFORE + AFTER + PACE + WEBHOOK


@dataclass
class Fault:
    """One rule. It strikes `times` calls of `operation` (a glob over the contract's names; for webhooks over actions).

    `times` None: until it is cleared, as `down` always is. `after` calls go by first; of the rest a `share` is struck.
    `seconds`: how long it is slow or late, or the Retry-After. `fired` counts the strikes.
    """

    kind: str
    times: int | None = 1
    operation: str = "*"
    after: int = 0
    seconds: float = 1.0
    share: float = 1.0
    fired: int = 0

    def __post_init__(self) -> None:
        """Raises ValueError: a kind that is none, or a figure that is not one."""
        if self.kind not in KINDS:
            raise ValueError(f"no such fault: use one of {', '.join(KINDS)}")
        self.times = None if self.times is None else int(self.times)
        self.operation, self.after = str(self.operation), int(self.after)
        self.seconds, self.share = float(self.seconds), float(self.share)
        if self.kind == "down":
            self.times = None

    def strikes(self, operation: str, chance: Random) -> bool:
        """Whether it strikes this call; counts it if so."""
        if not fnmatchcase(operation, self.operation) or (self.times is not None and self.fired >= self.times):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        if self.share < 1.0 and chance.random() >= self.share:
            return False
        self.fired += 1
        return True


def struck(faults: list[Fault], kinds: tuple[str, ...], operation: str, chance: Random) -> Fault | None:
    """The first rule of these kinds that strikes this call."""
    return next((fault for fault in faults if fault.kind in kinds and fault.strikes(operation, chance)), None)
