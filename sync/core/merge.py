"""The three-way merge of one field group: from both bases and both snapshots to what is to be written where.

Each side is compared with its own base, in its own spelling made canonical. A change on one side is projected onto
what the other can hold; where it is equal there it is recorded and not written. Without a base a difference counts
as changed on both sides, but an empty value is no edit. A table test walks every combination.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from sync.core import notes
from sync.core.booking import GROUPS, POLICY, Ability, Fields, Side, other
from sync.core.canonical import alike
from sync.core.project import TooLong, fit, is_shortened, project, shared, shortens

Policy = Mapping[str, str]  # every value of POLICY -> shop | repairy | hold | merge


@dataclass(frozen=True)
class Verdict:
    """What to do about one group. `write` holds canonical values by the side that takes them; empty: nothing to write.

    "same": nothing happened · "record": both sides agree, the bases take the snapshots · "write" · "hold" · "note".
    """

    group: str
    kind: Literal["same", "record", "write", "hold", "note"]
    write: Mapping[Side, Fields] = field(default_factory=dict)
    added: str | None = None  # notes for a side that only appends: the new lines alone
    reason: str = ""


@dataclass(frozen=True)
class Case:
    """One group of one booking, all views canonical. An empty base: the two never agreed; a value is then an edit."""

    group: str
    shop: Ability
    repairy: Ability
    views: Mapping[Side, Fields]
    bases: Mapping[Side, Fields]
    code: str | None = None

    def able(self, side: Side) -> Ability:
        return self.shop if side == "shop" else self.repairy

    @property
    def names(self) -> tuple[str, ...]:
        """The fields compared: what both show, and for the time whatever either shows of it."""
        return shared(self.group, self.shop, self.repairy)

    def changed(self, side: Side) -> set[str]:
        """The fields in which this side left its base. An end that only Repairy keeps counts as its change."""
        names = GROUPS["time"] if self.group == "time" else self.names
        return {name for name in names if name in self.able(side).reads and self.left(side, name)}

    def edited(self, side: Side) -> set[str]:
        """The same without those on which both agree, and only never recorded it."""
        views = self.views["shop"], self.views["repairy"]
        return {name for name in self.changed(side) if not self.new(name) or views[0].get(name) != views[1].get(name)}

    def new(self, name: str) -> bool:
        """Whether the two never agreed on this field."""
        return all(name not in base for base in self.bases.values())

    def left(self, side: Side, name: str) -> bool:
        """Whether one field of this side is not what was agreed."""
        return self.views[side].get(name) != self.bases[side].get(name)

    def projected(self, source: Side) -> dict[str, str | None]:
        """This side's value as the other would show it. Raises TooLong."""
        target = other(source)
        return project(self.group, self.views[source], self.able(source), self.able(target), self.views[target], self.code)

    def lands(self, source: Side, like: Callable[[str | None, str | None], bool] = operator.eq) -> bool:
        """Whether the other side shows this value already, as far as it can."""
        target = other(source)
        try:
            wanted = self.projected(source)
        except TooLong:
            return False
        return all(like(self.views[target].get(name), value) for name, value in wanted.items())

    def headed(self, name: str) -> bool:
        """Whether the shop's text is the head of a longer one at Repairy, or was when they agreed (never: as Repairy's is)."""
        was, now = self.bases["shop"].get(name), self.views["repairy"].get(name)
        whole = self.bases["repairy"].get(name, now)
        short = is_shortened(was) or shortens(name, whole, self.shop)
        return is_shortened(self.views["shop"].get(name)) or (short and was != whole)

    @property
    def apart(self) -> bool:
        """Whether the two sides disagree by more than the way in which they tidy texts."""
        return bool(self.names) and not self.lands("shop", alike) and not self.lands("repairy", alike)


def merge(case: Case, policy: Policy, choice: str | None = None) -> Verdict:
    """`choice` is a person's: shop | repairy | skip; it goes before the policy."""
    if not case.names:
        return Verdict(case.group, "same")
    if choice is None and not case.changed("shop") and not case.changed("repairy"):
        return Verdict(case.group, "same")
    edits = {side: names for side in case.views if (names := case.edited(side))}
    if choice == "skip" or any(case.lands(side) for side in edits or case.views):
        return Verdict(case.group, "record")
    if choice in ("shop", "repairy"):
        return _across(case, "shop" if choice == "shop" else "repairy", decided=True)
    rule = policy[POLICY[case.group]]
    if case.group == "notes" and (rule == "merge" or len(edits) < 2):
        return _notes(case)
    return _one_winner(case, edits, rule)


def _one_winner(case: Case, edits: Mapping[Side, set[str]], rule: str) -> Verdict:
    alone = [_across(case, side, alone=True) for side in edits]
    if len(alone) == 1:
        return alone[0]
    first = all(case.new(name) for names in edits.values() for name in names)
    if first and not set.intersection(*edits.values()) and all(one.kind == "write" for one in alone):
        write = {side: fields for one in alone for side, fields in one.write.items()}
        return Verdict(case.group, "write", write, reason="each side had what the other lacked")
    if rule in ("shop", "repairy"):
        return _across(case, "shop" if rule == "shop" else "repairy", f"both changed; the policy says {rule}")
    return Verdict(case.group, "hold", reason=f"{case.group} {'differs' if first else 'was changed'} on both sides")


def _across(case: Case, source: Side, reason: str = "", *, alone: bool = False, decided: bool = False) -> Verdict:
    """The source's value goes to the other side: the fields that differ there, and where it changed alone, its own edits.

    The head of a longer text goes there only where a person decided so."""
    target = other(source)
    try:
        wanted = case.projected(source)
    except TooLong as long:
        return Verdict(case.group, "hold", reason=str(long))
    differs = {name: value for name, value in wanted.items() if case.views[target].get(name) != value}
    differs = {name: value for name, value in differs.items() if value is not None or not case.new(name)}  # empty is no edit
    if alone and case.group != "time":
        differs = {name: value for name, value in differs.items() if case.left(source, name)}
    if not differs:
        return Verdict(case.group, "record")
    if source == "shop" and not decided and any(map(case.headed, differs)):
        return Verdict(case.group, "hold", reason="the shop holds this text only shortened; an edit of it needs a person")
    return Verdict(case.group, "write", {target: differs}, reason=reason or f"{case.group} changed at {_NAME[source]}")


_NAME: Mapping[Side, str] = {"shop": "the shop", "repairy": "Repairy"}


def _notes(case: Case) -> Verdict:
    """Both edits applied to both texts; what is removed where notes can only be added is noted."""
    edits, now = {}, {}
    for side in case.views:
        now[side] = case.views[side].get("job_notes")
        edits[side] = notes.edit(case.bases[side].get("job_notes"), now[side])
    if is_shortened(case.bases["shop"].get("job_notes")):
        return _shortened_notes(case)
    goal = {side: notes.apply(edits[other(side)], now[side], edits[side]) for side in now}
    removed_only = case.shop.append_notes and bool(edits["repairy"].removed)
    added = notes.added_text(now["shop"], goal["shop"])
    try:
        write = {side: {"job_notes": _fitted(case, side, goal[side])} for side in now if goal[side] != now[side]}
    except TooLong as long:
        return Verdict(case.group, "hold", reason=str(long))
    if case.shop.append_notes and added is None:
        write.pop("shop", None)
    if not write:
        return Verdict(
            case.group, "note" if removed_only else "record", reason="a note was removed at Repairy; the shop only appends"
        )
    return Verdict(case.group, "write", write, added=added, reason="notes were added or edited")


def _fitted(case: Case, side: Side, goal: str | None) -> str | None:
    return fit("job_notes", goal, case.able(side), None, case.code)


def _shortened_notes(case: Case) -> Verdict:
    """The full text is at Repairy: its edits are shortened anew, the shop's need a person."""
    return _across(case, "shop") if case.changed("shop") else _across(case, "repairy")
