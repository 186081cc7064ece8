"""Half a booking, or one that a side no longer shows: whether it is to be made, cancelled, or left to a person."""

from __future__ import annotations

from dataclasses import replace

from sync.core.action import NAME, Action, Outlook, held, noted
from sync.core.booking import CANCELLED, GROUPS, IGNORE, Side, other
from sync.core.project import TooLong, project
from sync.core.safety import passed
from sync.core.scene import Scene
from sync.core.status import FINAL, NOT_MAPPED, OPEN, unmapped


def half(scene: Scene) -> Outlook:
    link = scene.link
    source: Side = "shop" if link.shop_key is not None else "repairy"
    target, fields = other(source), scene.views[source]
    create = link.choice.get("create")
    if why := link.choice.get("identity") or link.choice.get("doubt"):
        return held("identity", why)
    if link.state != "open" and not create:
        return Outlook()
    if link.missing.get(f"{source}_gone"):
        return Outlook(close=True)
    status, start = fields.get("status"), fields.get("starts_at")
    if status == IGNORE or start is None:
        return Outlook()
    if unmapped(status):
        return held("identity", not_mapped(status))
    if status not in OPEN or scene.past(source):
        return noted("create", f"{'over' if status in OPEN else status}: not created at {NAME[target]}")
    return _create(scene, target, source, released=bool(create))


def _create(scene: Scene, target: Side, source: Side, released: bool) -> Outlook:
    able = scene.able(target)
    if not able.creates or not scene.rules.writes(target):
        return noted("create", f"{NAME[target]} takes no new bookings here")
    try:
        fields = new_fields(scene, source)
    except TooLong as long:
        return held("create", str(long))
    lacking = sorted(name for name in able.required - {"workshop_id", "first_name", "last_name"} if not fields.get(name))
    if able.required & {"first_name", "last_name"} and not fields.get("name"):
        lacking.append("name")
    if lacking:
        return noted("create", f"{NAME[target]} needs {', '.join(lacking)}")
    visible = frozenset({"created"}) if able.visible_create else frozenset[str]()
    action = Action(target, "create", fields, tuple(GROUPS), f"new at {NAME[source]}", visible, reference=scene.link.reference)
    if scene.was_refused(action):
        why = scene.stuck(action)
        place = held if why or target == "shop" else noted  # somebody booked online and stands at the door on that day
        return place("create", f"{NAME[target]} did not take this booking: {why or scene.link.error}")
    return passed(scene, [action], source, "create", released)


def new_fields(scene: Scene, source: Side) -> dict[str, str | None]:
    """Everything that the target can take of a booking, projected; names in parts where the source has them."""
    target, fields = other(source), dict[str, str | None]()
    for group in GROUPS:
        if group != "status":
            fields |= _projected_new(scene, group, source, target)
    snapshot = scene.link.snapshot(source) or {}
    if snapshot.get("first_name"):
        fields |= {part: snapshot.get(part) for part in ("first_name", "last_name")}
    if target == "repairy" and not fields.get("service_category"):
        fields["service_category"] = scene.shop.default_category
    if target == "shop":
        fields["status"] = "pending"
    return {name: value for name, value in fields.items() if value is not None}


def _projected_new(scene: Scene, group: str, source: Side, target: Side) -> dict[str, str | None]:
    """A field that the target shows or not: a create statement may use what the SELECT does not bring."""
    able = scene.able(target)
    wide = able if group == "time" else replace(able, reads=able.reads | set(GROUPS[group]))
    return project(group, scene.views[source], scene.able(source), wide, None, scene.link.repairy_code)


def gone(scene: Scene) -> Outlook:
    side: Side = "shop" if scene.link.missing.get("shop_gone") else "repairy"
    left = scene.views[other(side)]
    if f"{other(side)}_gone" in scene.link.missing or left.get("status") in FINAL or scene.past(other(side)):
        return Outlook(close=True)
    choice = scene.link.choice.get("missing")
    if choice == "skip":
        return Outlook(close=True)
    if side == "repairy":
        return held("missing", "Repairy no longer has this booking; the shop's row stays")
    if choice == "repairy":
        return _again(_create(scene, "shop", "repairy", released=True))
    if choice is None and (why := scene.link.choice.get("stuck.missing")):
        return held("missing", why)
    if scene.rules.missing == "ignore" and choice is None:
        return noted("missing", "the shop's row is gone")
    if scene.rules.missing == "alert" and choice is None:
        return held("missing", "the shop's row is gone; the booking at Repairy is still open")
    return _cancelled(scene, released=choice == "shop")


def _again(out: Outlook) -> Outlook:
    """The same as a new row, of a booking whose row is gone."""
    actions = tuple(replace(action, reason="inserted again") for action in out.actions)
    return replace(out, actions=actions, stands=tuple(replace(stand, scope="missing") for stand in out.stands))


def _cancelled(scene: Scene, released: bool) -> Outlook:
    if not scene.rules.writes("repairy"):
        return noted("missing", f"the shop's row is gone; mode {scene.rules.mode} writes nothing to Repairy")
    steps = scene.steps(CANCELLED, "the shop's row is gone")
    if not steps or any(map(scene.was_refused, steps)):
        return held("missing", "the shop's row is gone, and Repairy does not let the booking be cancelled")
    return passed(scene, steps, "shop", "missing", released)


def not_mapped(status: str | None) -> str:
    return f"status {(status or '?')[1:]!r}{NOT_MAPPED}"
