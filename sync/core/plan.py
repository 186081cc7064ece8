"""What is to be done about one booking, and why: a pure function of its link, both sides' abilities and the rules.

Level-triggered: nothing here remembers a payload. Whatever happened, the answer is worked out from the snapshots.
`decide` is the whole decision; it reads from top to bottom: half a booking, a booking gone, another booking under the
same key, then each field group merged and turned into actions, which `safety` lets through, delays, notes or holds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from typing import Literal

from sync.core.booking import (
    CANCELLED, CUSTOMER, DONE, GROUPS, IGNORE, VEHICLE, Ability, Fields, Link, Side, other,
)  # fmt: skip
from sync.core.canonical import view
from sync.core.merge import Case, Policy, Verdict, merge
from sync.core.project import TooLong, project
from sync.core.status import FINAL, KIND, OPEN, path, unmapped
from sync.core.times import day_of, is_day, parse, stamp

ONCE = ("created", "done", "cancelled")  # visible kinds that a booking sends once, for ever
Gate = Literal["go", "wait", "note", "hold", "stale"]


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
    return f"{action.side}.{action.groups[0] if len(action.groups) == 1 else action.kind}"


def digest(values: object) -> str:
    """12 hex digits of a JSON value."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:12]


def plan_digest(actions: list[Action]) -> str:
    """Of a whole plan, whatever order it is in."""
    return digest(sorted(action.signature for action in actions))


def is_past(start: str | None, zone: tzinfo, now: datetime) -> bool:
    """Whether the booking's day, in the workshop's zone, is over."""
    return start is not None and day_of(start, zone) < now.astimezone(zone).date()


def starts_after(start: str | None, zone: tzinfo, now: datetime) -> bool:
    """Whether the booking is still to come; a day without a time counts until it is over."""
    if start is None:
        return False
    return day_of(start, zone) >= now.astimezone(zone).date() if is_day(start) else parse(start) > now


def decide(link: Link, shop: Ability, repairy: Ability, rules: Rules, now: datetime) -> Outlook:
    """What to do about one booking now. Pure; `now` is aware."""
    desk = _Desk(link, shop, repairy, rules, now)
    if link.choice.get("all") == "skip" or link.state == "skipped":
        return Outlook()
    if not link.paired:
        return desk.half()
    if link.missing.get("shop_gone") or link.missing.get("repairy_gone"):
        return desk.gone()
    if desk.another():
        return Outlook(stands=(Stand("held", "identity", "plate, contact and start all changed: is this another booking?"),))
    if desk.reborn():
        return Outlook(split=True)
    return desk.whole()


@dataclass(frozen=True)
class _Desk:
    """Everything that one decision looks at."""

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

    def base(self, side: Side) -> Fields | None:
        base = self.link.base(side)
        return None if base is None else view(base)

    # -- half a booking: it is to be made on the other side, or left alone

    def half(self) -> Outlook:
        link = self.link
        source: Side = "shop" if link.shop_key is not None else "repairy"
        target, fields = other(source), self.views[source]
        create = link.choice.get("create")
        if link.choice.get("identity"):
            return Outlook(stands=(Stand("held", "identity", link.choice["identity"]),))
        if link.state != "open" and not create:
            return Outlook()
        if link.missing.get(f"{source}_gone"):
            return Outlook(close=True)
        status, start = fields.get("status"), fields.get("starts_at")
        if status == IGNORE or start is None:
            return Outlook()
        if unmapped(status):
            return Outlook(stands=(Stand("held", "identity", _unmapped(status)),))
        if status not in OPEN or is_past(start, self.rules.zone, self.now):
            return Outlook(stands=(Stand("noted", "create", f"{'over' if status in OPEN else status}: not created at {_NAME[target]}"),))
        return self._create(target, source, released=bool(create))

    def _create(self, target: Side, source: Side, released: bool) -> Outlook:
        able = self.able(target)
        if not able.creates or not self.rules.writes(target):
            return _noted("create", f"{_NAME[target]} takes no new bookings here")
        try:
            fields = self.new_fields(source)
        except TooLong as long:
            return Outlook(stands=(Stand("held", "create", str(long)),))
        lacking = sorted(name for name in able.required - {"workshop_id", "first_name", "last_name"} if not fields.get(name))
        if able.required & {"first_name", "last_name"} and not fields.get("name"):
            lacking.append("name")
        if lacking:
            return _noted("create", f"{_NAME[target]} needs {', '.join(lacking)}")
        visible = frozenset({"created"}) if able.visible_create else frozenset[str]()
        action = Action(target, "create", fields, tuple(GROUPS), f"new at {_NAME[source]}", visible, reference=self.link.reference)
        if self._was_refused(action):
            return _noted("create", f"{_NAME[target]} did not take this booking: {self.link.error}")
        return self._passed([action], source, "create", released)

    def new_fields(self, source: Side) -> dict[str, str | None]:
        """Everything that the target can take of a booking, projected; names in parts where the source has them."""
        target, fields = other(source), dict[str, str | None]()
        for group in GROUPS:
            if group != "status":
                fields |= self._projected_new(group, source, target)
        snapshot = self.link.snapshot(source) or {}
        if snapshot.get("first_name") and "name" in fields:
            fields |= {part: snapshot.get(part) for part in ("first_name", "last_name")}
        if target == "repairy" and not fields.get("service_category"):
            fields["service_category"] = self.shop.default_category
        if target == "shop":
            fields["status"] = "pending"
        return {name: value for name, value in fields.items() if value is not None}

    def _projected_new(self, group: str, source: Side, target: Side) -> dict[str, str | None]:
        """A field that the target shows or not: a create statement may use what the SELECT does not bring."""
        able = self.able(target)
        reads = able.reads | set(GROUPS[group]) if group != "time" or "starts_at" in able.reads else able.reads
        wide = replace(able, reads=frozenset(reads)) if group != "time" else able
        return project(group, self.views[source], self.able(source), wide, None, self.link.repairy_code)

    # -- a booking that one side no longer shows

    def gone(self) -> Outlook:
        side: Side = "shop" if self.link.missing.get("shop_gone") else "repairy"
        left = self.views[other(side)]
        if left.get("status") in FINAL or is_past(left.get("starts_at"), self.rules.zone, self.now):
            return Outlook(close=True)
        choice = self.link.choice.get("missing")
        if choice == "skip":
            return Outlook(close=True)
        if side == "repairy":
            return Outlook(stands=(Stand("held", "missing", "Repairy no longer has this booking; the shop's row stays"),))
        if choice == "repairy":
            fields = self.new_fields("repairy")
            return Outlook((Action("shop", "create", fields, tuple(GROUPS), "inserted again", reference=self.link.reference),))
        if self.rules.missing == "ignore" and choice is None:
            return _noted("missing", "the shop's row is gone")
        if self.rules.missing == "alert" and choice is None:
            return Outlook(stands=(Stand("held", "missing", "the shop's row is gone; the booking at Repairy is still open"),))
        return self._passed(self._steps(CANCELLED, "the shop's row is gone"), "shop", "missing", choice == "shop")

    # -- another booking under the same key

    def another(self) -> bool:
        """Plate, contact and start all changed at once, or a key that came back with another plate."""
        base, now = self.base("shop"), self.views["shop"]
        if base is None or self.link.choice.get("identity") == "same":
            return False
        changed = {name for name in ("rego", "phone", "email", "name", "starts_at") if name in now and base.get(name) != now.get(name)}
        contact = {"phone", "email"} & now.keys() or {"name"} & now.keys()
        if "rego" in changed and self.link.missing.get("shop"):
            return True
        return {"rego", "starts_at"} <= changed and bool(contact) and contact <= changed | _empty(base, now)

    def reborn(self) -> bool:
        """The booking at Repairy is cancelled, the row was seen cancelled, and is open again."""
        base = self.base("shop") or {}
        cancelled = self.views["repairy"].get("status") == CANCELLED and base.get("status") == CANCELLED
        return cancelled and self.views["shop"].get("status") in OPEN

    # -- a booking that both sides show

    def whole(self) -> Outlook:
        out = Outlook(close=self._over())
        for group in GROUPS:
            out = _joined(out, self._group(group))
        return self._bundled(_joined(out, self._names()))

    def _over(self) -> bool:
        return all(self.views[side].get("status") in FINAL for side in self.views)

    def _names(self) -> Outlook:
        """Each side is told the other's name for the booking, where it keeps one and has none."""
        link, actions = self.link, list[Action]()
        if self.repairy.links and not link.repairy_ref and link.reference and self.rules.writes("repairy"):
            actions.append(self._action("repairy", "link", {"reference": link.reference}, (), "the shop's reference"))
        if self.shop.links and not link.shop_ref and self.rules.writes("shop") and not link.locked:
            actions.append(self._action("shop", "link", {"repairy_id": link.repairy_id}, (), "Repairy's id"))
        return Outlook(tuple(one for one in actions if not self._was_refused(one)))

    def _group(self, group: str) -> Outlook:
        if group == "status" and (stop := self._odd_status()):
            return stop
        bases = {side: self.base(side) or {} for side in self.views} if self.link.shop_base is not None and self.link.repairy_base is not None else None
        case = Case(group, self.shop, self.repairy, self.views, bases, self.link.repairy_code)
        choice = self.link.choice.get(group)
        verdict = merge(case, self.rules.policy, choice)
        if verdict.kind == "same":
            return Outlook()
        if verdict.kind == "record":
            return Outlook(record=frozenset({group}))
        if verdict.kind in ("hold", "note"):
            return Outlook(stands=(Stand("held" if verdict.kind == "hold" else "noted", group, verdict.reason),))
        return _all([self._write(side, fields, verdict, choice) for side, fields in verdict.write.items()])

    def _odd_status(self) -> Outlook | None:
        for side in ("shop", "repairy"):
            status = self.views[side].get("status")
            if status == IGNORE:
                return Outlook(stands=(Stand("waiting", "status", "the shop's status says to leave this row alone"),))
            if unmapped(status):
                return Outlook(stands=(Stand("held", "status", _unmapped(status)),))
        if self.link.repairy_base is None and self.views["repairy"].get("status") == CANCELLED and self.views["shop"].get("status") in OPEN:
            return None if "status" in self.link.choice else Outlook(stands=(Stand("held", "status", "cancelled at Repairy and open in the shop when first paired"),))
        return None

    def _write(self, side: Side, fields: Fields, verdict: Verdict, choice: str | None) -> Outlook:
        if not self.rules.writes(side):
            return _noted(verdict.group, f"mode {self.rules.mode} writes nothing to {_NAME[side]}")
        if side == "shop":
            return self._to_shop(fields, verdict, choice)
        return self._to_repairy(fields, verdict, choice)

    def _to_shop(self, fields: Fields, verdict: Verdict, choice: str | None) -> Outlook:
        group = verdict.group
        if self.link.locked:
            return Outlook(stands=(Stand("waiting", group, "the shop's program has locked this row"),))
        if group in CUSTOMER + VEHICLE and choice != "repairy":
            return _noted(group, f"{group} differs at Repairy; customers and vehicles of the shop are changed by a person only")
        if group == "status" and fields["status"] not in self.shop.statuses:
            return self._cannot_say(fields["status"])
        beyond = sorted(fields.keys() - self.shop.writes - {"status"}) if group not in CUSTOMER + VEHICLE else []
        if beyond:
            return _noted(group, f"the profile has no statement that writes {', '.join(beyond)}")
        action = self._action("shop", KIND.get(fields.get("status") or "", "change"), fields, (group,), verdict.reason, verdict.added)
        return _noted(group, "the shop did not take this value") if self._was_refused(action) else Outlook((action,))

    def _cannot_say(self, status: str | None) -> Outlook:
        """A cancellation that the shop cannot express is held while the booking is still to come."""
        coming = starts_after(self.views["shop"].get("starts_at"), self.rules.zone, self.now)
        if status == CANCELLED and coming:
            return Outlook(stands=(Stand("held", "status", "cancelled online, and the shop's profile has no way to say so"),))
        return _noted("status", f"the profile has no way to write {status}")

    def _to_repairy(self, fields: Fields, verdict: Verdict, choice: str | None) -> Outlook:
        group, released = verdict.group, choice == "shop"
        if group == "status":
            return self._status(str(fields["status"]), verdict.reason, released)
        mine, coming = self.views["shop"], starts_after(self.views["shop"].get("starts_at"), self.rules.zone, self.now)
        if group in CUSTOMER + VEHICLE and not (coming and mine.get("status") in OPEN) and not released:
            return _noted(group, f"{group} changed in the shop for a booking that is not to come any more")
        if group == "time" and mine.get("status") in FINAL and not released:
            return _noted(group, "the time of a finished booking stays as it is at Repairy")
        beyond = sorted(name for name in fields if name not in self.repairy.writes and name != "name")
        if beyond:
            return _noted(group, f"Repairy has no way to change {', '.join(beyond)}")
        if any(fields.get(name) is None for name in fields if name in self.repairy.required):
            return _noted(group, f"Repairy needs a value for {', '.join(sorted(fields))}")
        action = self._action("repairy", "change", self._parts(fields), (group,), verdict.reason)
        if self._was_refused(action):
            return _noted(group, "Repairy did not take this value")
        return self._passed([action], "shop", group, released)

    def _parts(self, fields: Fields) -> Fields:
        """A name in its parts where the shop keeps them so."""
        snapshot = self.link.shop or {}
        if "name" in fields and snapshot.get("first_name"):
            return {part: snapshot.get(part) for part in ("first_name", "last_name")}
        return fields

    def _status(self, goal: str, reason: str, released: bool) -> Outlook:
        steps = self._steps(goal, reason)
        if not steps:
            return _noted("status", f"Repairy lets no {self.views['repairy'].get('status')} booking become {goal}")
        if any(self._was_refused(step) for step in steps):
            return _noted("status", f"Repairy refused to make this booking {goal}")
        return self._passed(steps, "shop", "status", released)

    def _steps(self, goal: str, reason: str) -> list[Action]:
        way = path(str(self.views["repairy"].get("status")), goal, self.repairy.next) or ()
        return [
            self._action("repairy", KIND.get(step, "change"), {"status": step}, ("status",) if step == goal else (), reason) for step in way
        ]

    def _action(self, side: Side, kind: str, fields: Fields, groups: tuple[str, ...], reason: str, added: str | None = None) -> Action:
        visible = _visible(self.able(side), fields) if kind != "link" else frozenset[str]()
        return Action(side, kind, fields, groups, reason, visible, added, self.link.reference)

    def _was_refused(self, action: Action) -> bool:
        return self.link.refused.get(memory(action)) == action.signature

    # -- safety: what may message a customer, and what makes a booking

    def _passed(self, actions: list[Action], source: Side, scope: str, released: bool) -> Outlook:
        """The actions of one scope go together, wait, or stand."""
        if not released and (why := self.link.choice.get(f"stuck.{scope}")):
            return Outlook(stands=(Stand("held", scope, why),))
        if not any(action.visible for action in actions) and scope != "create":
            return Outlook(tuple(actions))
        for action in actions:
            gate, reason, until = self._gate(action, source, scope, released)
            if gate == "wait":
                return Outlook(stands=(Stand("waiting", scope, reason, until),))
            if gate in ("note", "hold"):
                return Outlook(stands=(Stand("noted" if gate == "note" else "held", scope, reason),))
            if gate == "stale":
                return Outlook(tuple(replace(one, stale=reason) for one in actions))
        return Outlook(tuple(actions))

    def _gate(self, action: Action, source: Side, scope: str, released: bool) -> tuple[Gate, str, str | None]:
        for kind in action.visible:
            if kind in self.link.visible and kind in ONCE:
                return "hold", f"{kind} went to Repairy once already; the customer would be messaged again", None
            if kind == "moved" and f"moved:{action.fields.get('starts_at')}" in self.link.visible:
                return "hold", "this time went to Repairy already; the customer would be messaged again", None
        if released or action.signature in self.link.choice.get("release", "").split():
            return "go", "", None
        if not action.visible <= self.rules.visible:
            return "note", f"would message the customer; add {_listed(action.visible - self.rules.visible)} to safety.visible to allow it", None
        if (ready := self._settled_at(source, scope)) > self.now:
            return "wait", "settling, in case it changes again", stamp(ready)
        if action.visible and (why := self._too_old(action, source, scope)):
            return "stale", why, None
        return "go", "", None

    def _settled_at(self, source: Side, scope: str) -> datetime:
        """When the value has stood still long enough; for a create, all its values."""
        groups = GROUPS if scope == "create" else (scope,)
        firsts = [self.link.seen[key]["first"] for group in groups if (key := f"{source}.{group}") in self.link.seen]
        return max((parse(first) for first in firsts), default=self.now - self.rules.settle) + self.rules.settle

    def _too_old(self, action: Action, source: Side, scope: str) -> str:
        """Why a visible write is too late to go by itself: it is counted from when the old value was last seen."""
        coming = starts_after(self.views["repairy"].get("starts_at"), self.rules.zone, self.now)
        old = self.link.seen.get(f"{source}.{scope}", {}).get("old")
        if scope not in ("create", "missing") and (self.link.shop_base is None or not old):
            return "a difference found when first paired"
        if old and self.rules.baseline_at and old < self.rules.baseline_at:
            return "a change older than the baseline"
        if old and self.now - parse(old) > self.rules.freshness and not (action.kind == "cancel" and coming):
            return "an old change; the customer has long left"
        return ""

    def _bundled(self, out: Outlook) -> Outlook:
        """One write a side: the shop's in one transaction, Repairy's silent fields in one update, visible ones apart."""
        shop = [action for action in out.actions if action.side == "shop" and action.kind != "link"]
        quiet = [a for a in out.actions if a.side == "repairy" and a.kind == "change" and not a.visible and "status" not in a.fields]
        rest = [action for action in out.actions if action not in shop and action not in quiet]
        bundles = [*_bundle(shop), *_bundle(quiet)]
        order = sorted(rest, key=lambda action: (action.kind == "link", "status" in action.fields))
        return replace(out, actions=(*bundles, *order))


_NAME: Mapping[Side, str] = {"shop": "the shop", "repairy": "Repairy"}


def _bundle(actions: list[Action]) -> list[Action]:
    if len(actions) < 2:
        return actions
    fields = {name: value for action in actions for name, value in action.fields.items()}
    kind = next((action.kind for action in actions if action.kind != "change"), "change")
    groups = tuple(group for action in actions for group in action.groups)
    reason = "; ".join(dict.fromkeys(action.reason for action in actions))
    added = next((action.added for action in actions if action.added), None)
    return [replace(actions[0], kind=kind, fields=fields, groups=groups, reason=reason, added=added)]


def _visible(able: Ability, fields: Fields) -> frozenset[str]:
    """Which kinds of message these fields may cause (the contract's [visible])."""
    kinds = set()
    if fields.get("status") in able.visible_statuses:
        kinds.add({DONE: "done", CANCELLED: "cancelled"}.get(fields["status"] or "", "updated"))
    for name in fields.keys() & able.visible_update:
        kinds.add("moved" if name in ("starts_at", "ends_at") else "updated")
    return frozenset(kinds)


def _unmapped(status: str | None) -> str:
    return f"status {(status or '?')[1:]!r} is not mapped: add it to the profile's [status.read] or the contract's [status.words]"


def _empty(base: Fields, now: Fields) -> set[str]:
    """Contact fields that neither had: they tell nothing."""
    return {name for name in ("phone", "email", "name") if not base.get(name) and not now.get(name)}


def _listed(words: frozenset[str]) -> str:
    return ", ".join(f'"{word}"' for word in sorted(words))


def _noted(scope: str, reason: str) -> Outlook:
    return Outlook(stands=(Stand("noted", scope, reason),))


def _joined(a: Outlook, b: Outlook) -> Outlook:
    return replace(a, actions=a.actions + b.actions, stands=a.stands + b.stands, record=a.record | b.record)


def _all(outlooks: list[Outlook]) -> Outlook:
    result = Outlook()
    for one in outlooks:
        result = _joined(result, one)
    return result
