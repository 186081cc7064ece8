"""Decisions carried out on a model of both sides, without I/O: what the engine does with them, in one screen.

A `World` is one booking: its link, and what each side truly holds. A side shows what it holds after its habits
(upper-case plates, cut texts, days only). `quiet` decides and carries out until nothing is left, then looks once more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sync.core.action import Action, Outlook, Rules
from sync.core.booking import FIELDS, GROUPS, POLICY, STATUSES, Ability, Fields, Link, Side, Sighting, other
from sync.core.canonical import split_name, view
from sync.core.fold import decided, folded
from sync.core.merge import Policy
from sync.core.plan import decide
from sync.core.sight import sight
from sync.core.times import stamp

MELBOURNE = ZoneInfo("Australia/Melbourne")
NOW = datetime(2026, 3, 5, 22, tzinfo=UTC)  # 9 in the morning of 6 March in Melbourne
NEXT: Mapping[str, tuple[str, ...]] = {
    "pending": ("processing", "done", "cancelled"),
    "processing": ("pending", "done", "cancelled"),
}
SCOPES = {*GROUPS, "identity", "create", "missing", "link"}
ALL_VISIBLE = frozenset({"created", "moved", "updated", "done", "cancelled"})
WHOLE = frozenset(FIELDS) - {"first_name", "last_name", "company"}
EDITED = frozenset({"starts_at", "ends_at", "job_notes", "service_category", "service_code", "description"})
SHOP = Ability("shop", WHOLE, EDITED, frozenset(STATUSES), creates=True, zone=MELBOURNE)
REPAIRY = Ability(
    "repairy",
    WHOLE,
    WHOLE - {"status"},
    frozenset(STATUSES),
    next=NEXT,
    creates=True,
    required=frozenset({"workshop_id", "starts_at", "rego", "first_name", "phone", "service_category"}),
    zone=MELBOURNE,
    visible_update=frozenset({"starts_at"}),
    visible_statuses=frozenset({"done", "cancelled"}),
)
BOOKING: Fields = {
    "status": "pending",
    "starts_at": "2026-03-10T22:00:00Z",
    "ends_at": "2026-03-11T05:00:00Z",
    "service_category": "service",
    "service_code": "LOG-1",
    "description": "Logbook service",
    "job_notes": "keys at the desk",
    "name": "Customer One",
    "phone": "0400000001",
    "email": "one@example.com",
    "rego": "AAA001",
    "make": "Make",
    "model": "Model",
    "badge": "Badge",
    "year": "2019",
    "vin": "VIN00000000000001",
}
Habit = Callable[[str, str | None], str | None]


def policy(word: str = "shop") -> Policy:
    """The same word for every group."""
    return dict.fromkeys(POLICY.values(), word)


def rules(word: str = "shop", **changes: Any) -> Rules:
    return replace(Rules(policy(word), MELBOURNE, ALL_VISIBLE), **changes)


def plain(field: str, value: str | None) -> str | None:
    """A side that shows what it was given."""
    return value


@dataclass
class World:
    """One booking on both sides. `holds` is what each side truly has: None where it has no such booking."""

    link: Link
    holds: dict[Side, dict[str, str | None] | None]
    shop: Ability = SHOP
    repairy: Ability = REPAIRY
    habits: dict[Side, Habit] = field(default_factory=lambda: {"shop": plain, "repairy": plain})
    rules: Rules = field(default_factory=rules)
    now: datetime = NOW
    sent: list[Action] = field(default_factory=list)

    def able(self, side: Side) -> Ability:
        return self.shop if side == "shop" else self.repairy

    def show(self, side: Side) -> Sighting:
        held = self.holds[side]
        assert held is not None
        ref = self.link.shop_ref if side == "shop" else self.link.repairy_ref
        reads = self.able(side).reads
        fields = {name: self.habits[side](name, value) for name, value in held.items() if name in reads}
        return Sighting("1" if side == "shop" else "r1", fields, ref=ref, code=None if side == "shop" else "QX7")

    def look(self, side: Side, after: timedelta = timedelta(0)) -> None:
        """A good read of this side, a while later."""
        last, self.now = stamp(self.now), self.now + after
        self._take(sight(self.link, side, self.show(side), stamp(self.now), last))

    def edit(self, side: Side, **fields: str | None) -> None:
        """Somebody changes the booking there, and it is seen."""
        held = self.holds[side]
        assert held is not None
        held.update(fields)
        self.look(side)

    def decide(self) -> Outlook:
        """Everything has a reason, and what stands, stands under a name that the rest of the program knows."""
        out = decide(self.link, self.shop, self.repairy, self.rules, self.now)
        assert {stand.scope for stand in out.stands} <= SCOPES
        assert all(one.reason for one in (*out.actions, *out.stands))
        return out

    def step(self, most: int | None = None) -> Outlook:
        """One decision, carried out and folded as the engine does; stopped after so many writes."""
        out = self.decide()
        self._take(decided(self.link, out, bool(out.actions)))
        for action in out.actions[:most]:
            if not self._still_so(action.side):
                break
            self._carry_out(action)
        return out

    def quiet(self, most: int = 6) -> None:
        """Until there is nothing to do; then a further look, both sides read again, changes nothing."""
        self.now += timedelta(minutes=10)  # what must settle has settled
        for _ in range(most):
            if not self.step().actions:
                break
        else:
            raise AssertionError(f"still writing after {most} passes: {self.sent[-3:]}")
        before = self.link
        for side in ("shop", "repairy"):
            if self.holds[side] is not None:
                self.look(side)
        out = self.step()
        assert not out.actions
        assert not out.record
        assert self.link == before

    def _still_so(self, side: Side) -> bool:
        """Whether the side shows what the plan was made from; if not, it is read and planned anew."""
        if self.holds[side] is None or view(self.show(side).fields) == view(self.link.snapshot(side) or {}):
            return True
        self.look(side)
        return False

    def _take(self, changes: Mapping[str, Any]) -> None:
        known = {name: value for name, value in changes.items() if name not in ("shop_digest", "due_at")}
        self.link = replace(self.link, **known)

    def _carry_out(self, action: Action) -> None:
        self.sent.append(action)
        then: dict[Side, Fields | None] = {"shop": self.link.shop, "repairy": self.link.repairy}
        if action.kind == "link":
            name = "shop_ref" if action.side == "shop" else "repairy_ref"
            self._take({name: next(iter(action.fields.values()))})
        held = self.holds[action.side]
        if held is None:
            held = self.holds[action.side] = dict.fromkeys(self.able(action.side).reads) | {"status": "pending"}
        self._write(action, held)
        changes, _ = folded(self.link, action, then, self.show(action.side), stamp(self.now))
        if action.kind == "create":
            changes |= {"missing": {}, "state": "open"}
        self._take(changes)

    def _write(self, action: Action, held: dict[str, str | None]) -> None:
        for name, value in action.fields.items():
            if name == "job_notes" and action.added and self.able(action.side).append_notes:
                held[name] = "\n".join(filter(None, (held.get(name), action.added)))
            elif name == "name" and "first_name" in held:
                held["first_name"], held["last_name"] = split_name(value or "")
            elif name in ("first_name", "last_name") and "name" in held:
                held["name"] = " ".join(filter(None, (action.fields.get("first_name"), action.fields.get("last_name"))))
            elif name in held:
                held[name] = value


def booking(**fields: str | None) -> dict[str, str | None]:
    """A made-up booking five days ahead."""
    return {**BOOKING, **fields}


def linked(mine: Fields, theirs: Fields, base: Fields | tuple[Fields, Fields] | None, /, **parts: Any) -> World:
    """A booking that both sides show. `base`: what both agreed on, the same or one each; None: they never agreed."""
    bases = base if isinstance(base, tuple) else (base, base)
    seen = {
        f"{side}.{group}": {"first": stamp(NOW - timedelta(hours=1)), "old": stamp(NOW - timedelta(hours=1, minutes=1))}
        for side in ("shop", "repairy")
        for group in GROUPS
    }
    names: dict[str, Any] = {"shop_ref": "r1", "repairy_ref": "W-1"}
    link = Link(1, "w", "W-1", "1", "r1", "QX7", shop_base=bases[0], repairy_base=bases[1], seen=seen, **names)
    world = World(link, {"shop": dict(mine), "repairy": dict(theirs)}, **parts)
    world.link = replace(link, shop=world.show("shop").fields, repairy=world.show("repairy").fields)
    return world


def half(side: Side, fields: Fields, **parts: Any) -> World:
    """A booking that only one side has, seen an hour ago."""
    first = stamp(NOW - timedelta(hours=1))
    seen = {f"{side}.{group}": {"first": first} for group in GROUPS}
    link = Link(1, "w", "W-1", "1", seen=seen) if side == "shop" else Link(1, "w", None, None, "r1", "QX7", seen=seen)
    world = World(link, {side: dict(fields), other(side): None}, **parts)
    world.link = replace(link, **{side: world.show(side).fields})
    return world


def agree(world: World, group: str) -> bool:
    """Whether both sides show the same, canonically, in the fields that both have."""
    mine, theirs = view(world.link.shop or {}), view(world.link.repairy or {})
    return all(mine[name] == theirs[name] for name in GROUPS[group] if name in mine and name in theirs)
