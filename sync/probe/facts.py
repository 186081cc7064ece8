"""What a probe has learnt, as lines of the wire contract. Pure: questions answered and things seen in, facts out.

A fact of messages is believed only where at least one message came at all: a wrong phone would look like silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sync.repairy.contract import Contract

# Step that may message a customer -> what is asked of the owner. The steps stand in `sync.probe.steps`, in this order.
QUESTIONS: Mapping[str, str] = {
    "created_silently": "a booking was made, with what the contract sends to keep it silent",
    "moved": "its time was moved",
    "updated": "its notes and car were changed",
    "processing": "it was taken into work",
    "pending": "it was put back",
    "done": "it was completed",
    "done_again": "it was completed a second time",
    "created": "a second booking was made, without keeping it silent",
    "cancelled": "the second booking was cancelled",
}
Answers = Mapping[str, bool | None]  # step -> whether a message came; None: not known


@dataclass
class Seen:
    """What the steps showed by themselves. `confirmed`: contract keys that proved right; `differs`: what did not, in words."""

    confirmed: list[str] = field(default_factory=list)
    differs: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)  # what is good to know and stands in no line of the contract

    def judged(self, right: bool, keys: str, otherwise: str) -> None:
        """Contract keys, with blanks between, and what is to be said where they are not right."""
        if right:
            self.confirmed += [key for key in keys.split() if key not in self.confirmed]
        else:
            self.differs.append(otherwise)


@dataclass(frozen=True)
class Learnt:
    """`changes`: contract keys whose value proved to be another; they are confirmed as well."""

    confirmed: list[str]
    changes: Mapping[str, Any]
    doubts: list[str]


def learnt(contract: Contract, answers: Answers, seen: Seen) -> Learnt:
    """What may be written into the site's contract."""
    known = {step: came for step, came in answers.items() if came is not None}
    doubts, found = [], dict[str, Any]()
    if any(known.values()):
        found = _messages(contract, known)
    elif known:
        doubts.append("no message came at any step, so nothing about messages is believed: see whether it is the right phone")
    kept = {key: value for key, value in found.items() if value == _now(contract, key)}
    changes = {key: value for key, value in found.items() if key not in kept}
    wanted = [*seen.confirmed, *found]
    return Learnt([key for key in wanted if _assumed(contract, key)], changes, doubts)


def _messages(contract: Contract, came: Mapping[str, bool]) -> dict[str, Any]:
    """Dotted key -> its value, of those that the answers settle."""
    found = dict[str, Any]()
    if "created_silently" in came:
        found["silence.create"] = {} if came["created_silently"] else dict(contract.silence.create)
    if "created" in came:
        found["visible.create"] = came["created"]
    if {"moved", "updated"} <= came.keys():
        others = [field for field in contract.update.editable if field not in ("starts_at", "reference")]
        found["visible.update"] = ["starts_at"] * came["moved"] + others * came["updated"]
    steps = ("pending", "processing", "done", "cancelled")
    if set(steps) <= came.keys():
        found["visible.statuses"] = [step for step in steps if came[step]]
    return found


def _now(contract: Contract, key: str) -> Any:
    """The contract's value in TOML's types; lists of names in any order are one."""
    table, _, name = key.partition(".")
    return contract.model_dump(mode="json")[table][name]


def _assumed(contract: Contract, key: str) -> bool:
    return not contract.is_confirmed(key)
