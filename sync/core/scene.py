"""One booking laid out for a decision: its link, both sides' abilities and canonical views, the rules and the time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo

from sync.core.action import Action, Rules, memory
from sync.core.booking import CANCELLED, DONE, GROUPS, Ability, Fields, Link, Side
from sync.core.canonical import view
from sync.core.notes import laid_on
from sync.core.status import KIND, path
from sync.core.times import day_of, is_day, parse


def is_past(start: str | None, zone: tzinfo, now: datetime) -> bool:
    """Whether the booking's day, in the workshop's zone, is over."""
    return start is not None and day_of(start, zone) < now.astimezone(zone).date()


def starts_after(start: str | None, zone: tzinfo, now: datetime) -> bool:
    """Whether the booking is still to come; a day without a time counts until it is over."""
    if start is None:
        return False
    return day_of(start, zone) >= now.astimezone(zone).date() if is_day(start) else parse(start) > now


@dataclass(frozen=True)
class Scene:
    """Everything that one decision looks at; `now` is aware."""

    link: Link
    shop: Ability
    repairy: Ability
    rules: Rules
    now: datetime
    views: dict[Side, Fields] = field(init=False)

    def __post_init__(self) -> None:
        views = {side: view(self.link.snapshot(side) or {}) for side in ("shop", "repairy")}
        object.__setattr__(self, "views", views)

    def able(self, side: Side) -> Ability:
        return self.shop if side == "shop" else self.repairy

    def base(self, side: Side, group: str = "") -> Fields | None:
        """What was agreed on, or of one group only; None: nothing yet."""
        base = self.link.base(side)
        if base is None:
            return None
        return {name: value for name, value in view(base).items() if name in GROUPS[group]} if group else view(base)

    def past(self, side: Side) -> bool:
        """Whether the day that this side shows is over."""
        return is_past(self.views[side].get("starts_at"), self.rules.zone, self.now)

    def coming(self, side: Side) -> bool:
        """Whether the booking, as this side shows it, is still to come."""
        return starts_after(self.views[side].get("starts_at"), self.rules.zone, self.now)

    def action(
        self, side: Side, kind: str, fields: Fields, groups: tuple[str, ...], reason: str, added: str | None = None
    ) -> Action:
        visible = visible_kinds(self.able(side), fields) if kind != "link" else frozenset[str]()
        if "job_notes" in fields:
            fields = {**fields, "job_notes": self._laid_on(side, fields["job_notes"])}
        return Action(side, kind, fields, groups, reason, visible, added, self.link.reference)

    def _laid_on(self, side: Side, goal: str | None) -> str | None:
        """Notes as that side spells them, where they still fit so."""
        laid = laid_on((self.link.snapshot(side) or {}).get("job_notes"), goal)
        limit = self.able(side).limits.get("job_notes")
        return goal if laid and limit is not None and len(laid) > limit else laid

    def steps(self, goal: str, reason: str) -> list[Action]:
        way = path(str(self.views["repairy"].get("status")), goal, self.repairy.next) or ()
        return [
            self.action("repairy", KIND.get(step, "change"), {"status": step}, ("status",) if step == goal else (), reason)
            for step in way
        ]

    def was_refused(self, action: Action) -> bool:
        """Whether the side would not take this value. A refused start stops its end too, which would move along each time."""
        start = {name: value for name, value in action.fields.items() if name == "starts_at"}
        alone = replace(action, fields=start)
        return self.link.refused.get(memory(action)) in (action.signature, alone.signature)

    def stuck(self, action: Action) -> str | None:
        """Of a refused action: why a person must act, or None where it is enough to note it."""
        return self.link.refused.get(f"{memory(action)}.held")


def visible_kinds(able: Ability, fields: Fields) -> frozenset[str]:
    """Which kinds of message these fields may cause (the contract's [visible])."""
    kinds = set()
    if fields.get("status") in able.visible_statuses:
        kinds.add({DONE: "done", CANCELLED: "cancelled"}.get(fields["status"] or "", "updated"))
    for name in fields.keys() & able.visible_update:
        kinds.add("moved" if name in ("starts_at", "ends_at") else "updated")
    return frozenset(kinds)
