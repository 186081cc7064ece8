"""The guard: a plan that is too large for an ordinary afternoon waits for a person.

It counts by kind (create, change, cancel, done) against the share of open bookings and absolute numbers. What trips
is frozen with a digest; the rest of the plan goes on. The reason carries the numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sync.core.action import Action, plan_digest

KINDS = ("create", "change", "cancel", "done")


@dataclass(frozen=True)
class Limits:
    """`[safety]` max_share, max_count, min_count."""

    max_share: float = 0.3
    max_count: int = 50
    min_count: int = 15

    def allowed(self, open_bookings: int) -> int:
        """How many of one kind may go in one pass: the share, between the two counts."""
        return min(max(int(self.max_share * open_bookings), self.min_count), self.max_count)


@dataclass(frozen=True)
class Frozen:
    """Actions that a person must release, as one."""

    kind: str
    actions: tuple[Action, ...]
    reason: str

    @property
    def digest(self) -> str:
        return plan_digest(list(self.actions))

    @property
    def count(self) -> int:
        return len(self.actions)


def tripped(actions: Sequence[Action], open_bookings: int, limits: Limits, released: Collection[str] = ()) -> list[Frozen]:
    """What must wait, by kind; `released` are signatures that a person let go."""
    frozen = []
    for kind in KINDS:
        mine = [action for action in actions if action.kind == kind and action.signature not in released]
        if len(mine) > (most := limits.allowed(open_bookings)):
            reason = (
                f"{len(mine)} bookings to {_VERB[kind]} in one pass: with {open_bookings} open, over {most} wait for a person"
            )
            frozen.append(Frozen(kind, tuple(mine), reason))
    return frozen


def stale(actions: Sequence[Action]) -> list[Frozen]:
    """Visible writes that are too old to go by themselves, as one."""
    old = tuple(action for action in actions if action.stale)
    if not old:
        return []
    return [
        Frozen("stale", old, f"{len(old)} messages to customers are late: {'; '.join(sorted({action.stale for action in old}))}")
    ]


_VERB: Mapping[str, str] = {"create": "create", "change": "change", "cancel": "cancel", "done": "finish"}
