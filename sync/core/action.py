"""What a decision is made of: the owner's rules, the actions, what stands, and the digests that name them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta, tzinfo
from typing import Literal

from sync.core.booking import Fields, Side
from sync.core.merge import Policy

NAME: Mapping[Side, str] = {"shop": "the shop", "repairy": "Repairy"}


@dataclass(frozen=True)
class Rules:
    """What the owner set, for one workshop."""

    policy: Policy
    zone: tzinfo
    visible: frozenset[str] = frozenset()
    settle: timedelta = timedelta(minutes=5)
    freshness: timedelta = timedelta(days=4)
    missing: str = "alert"
    mode: str = "two-way"  # observe | two-way | to-repairy | to-shop
    baseline_at: str | None = None

    def writes(self, side: Side) -> bool:
        """Whether the mode lets this side be written; in observe everything is planned and nothing done."""
        return self.mode in ("observe", "two-way", f"to-{side}")


@dataclass(frozen=True)
class Action:
    """One write to one side."""

    side: Side
    kind: str  # create | change | done | cancel | link
    fields: Fields
    groups: tuple[str, ...]  # whose bases it settles
    reason: str
    visible: frozenset[str] = frozenset()
    added: str | None = None
    reference: str | None = None
    stale: str = ""  # why it is too old to go by itself

    @property
    def signature(self) -> str:
        """12 hex digits over reference, side, kind and new values: the same action again has the same."""
        return digest([[self.reference, self.side, self.kind, sorted(self.fields.items(), key=lambda pair: pair[0])]])


@dataclass(frozen=True)
class Stand:
    """Why a booking, or a group of it, is not simply in step."""

    kind: Literal["waiting", "noted", "held"]
    scope: str  # a field group, "identity", "create", "missing", "link"
    reason: str
    until: str | None = None


@dataclass(frozen=True)
class Outlook:
    """The decision about one booking."""

    actions: tuple[Action, ...] = ()
    stands: tuple[Stand, ...] = ()
    record: frozenset[str] = frozenset()  # groups whose bases take the snapshots without a write
    split: bool = False  # the shop row is a new booking under an old key
    close: bool = False  # nothing more is expected of it


def memory(action: Action) -> str:
    """Under which name a link remembers that an action was refused: side and group, or the kind of the whole."""
    group = "status" if "status" in action.fields and not action.groups else ""  # a step on the way to a status
    return f"{action.side}.{action.groups[0] if len(action.groups) == 1 else group or action.kind}"


def digest(values: object) -> str:
    """12 hex digits of a JSON value."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


def plan_digest(actions: list[Action]) -> str:
    """Of a whole plan, whatever order it is in."""
    return digest(sorted(action.signature for action in actions))


def noted(scope: str, reason: str) -> Outlook:
    return Outlook(stands=(Stand("noted", scope, reason),))


def held(scope: str, reason: str) -> Outlook:
    """A person must decide."""
    return Outlook(stands=(Stand("held", scope, reason),))


def joined(a: Outlook, b: Outlook) -> Outlook:
    return replace(a, actions=a.actions + b.actions, stands=a.stands + b.stands, record=a.record | b.record)


def together(outlooks: list[Outlook]) -> Outlook:
    result = Outlook()
    for one in outlooks:
        result = joined(result, one)
    return result
