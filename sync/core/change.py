"""A booking that both sides show: each field group merged, and turned into what is written where."""

from __future__ import annotations

from dataclasses import replace

from sync.core.action import NAME, Action, Outlook, Stand, held, joined, noted, together
from sync.core.booking import CANCELLED, CUSTOMER, GROUPS, IGNORE, VEHICLE, Fields, Side, other
from sync.core.create import not_mapped
from sync.core.merge import Case, Verdict, merge
from sync.core.safety import passed
from sync.core.scene import Scene
from sync.core.status import FINAL, KIND, OPEN, unmapped


def whole(scene: Scene) -> Outlook:
    if wait := _left_alone(scene):
        return wait
    out = Outlook(close=_over(scene))
    for group in GROUPS:
        out = joined(out, _group(scene, group))
    return _bundled(scene, joined(out, _names(scene)))


def _left_alone(scene: Scene) -> Outlook | None:
    """A linked row that is not this program's concern now, or has lost its start, waits whole."""
    if scene.views["shop"].get("status") == IGNORE:
        return Outlook(stands=(Stand("waiting", "status", "the shop's status says to leave this row alone"),))
    if any(view.get("starts_at", "") is None for view in scene.views.values()):
        return Outlook(stands=(Stand("waiting", "time", "the booking has no start"),))
    return None


def _over(scene: Scene) -> bool:
    return all(scene.views[side].get("status") in FINAL for side in scene.views)


def _names(scene: Scene) -> Outlook:
    """Each side is told the other's name for the booking, where it keeps one and has none."""
    link, actions = scene.link, list[Action]()
    if scene.repairy.links and not link.repairy_ref and link.reference and scene.rules.writes("repairy"):
        actions.append(scene.action("repairy", "link", {"reference": link.reference}, (), "the shop's reference"))
    if scene.shop.links and not link.shop_ref and scene.rules.writes("shop") and not link.locked:
        actions.append(scene.action("shop", "link", {"repairy_id": link.repairy_id}, (), "Repairy's id"))
    return Outlook(tuple(one for one in actions if not scene.was_refused(one)))


def _group(scene: Scene, group: str) -> Outlook:
    if group == "status" and (stop := _odd_status(scene)):
        return stop
    bases: dict[Side, Fields] = {side: scene.base(side) or {} for side in scene.views}
    case = Case(group, scene.shop, scene.repairy, scene.views, bases, scene.link.repairy_code)
    choice = scene.link.choice.get(group)
    verdict = merge(case, scene.rules.policy, choice)
    if verdict.kind == "same":
        return noted(group, f"{group} differs, though neither side changed it") if case.apart else Outlook()
    if verdict.kind == "record":
        return Outlook(record=frozenset({group}))
    if verdict.kind == "hold":
        return held(group, scene.link.choice.get(f"stuck.{group}") or verdict.reason)
    if verdict.kind == "note":
        return noted(group, verdict.reason)
    return together([_write(scene, side, fields, verdict, choice) for side, fields in verdict.write.items()])


def _odd_status(scene: Scene) -> Outlook | None:
    for side in ("shop", "repairy"):
        status = scene.views[side].get("status")
        if unmapped(status):
            return held("status", not_mapped(status))
    agreed = (scene.base("repairy") or {}).get("status") or "status" in scene.link.choice
    if not agreed and scene.views["repairy"].get("status") == CANCELLED and scene.views["shop"].get("status") in OPEN:
        return held("status", "cancelled at Repairy and open in the shop when first paired")
    return None


def _write(scene: Scene, side: Side, fields: Fields, verdict: Verdict, choice: str | None) -> Outlook:
    if not scene.rules.writes(side):
        return noted(verdict.group, f"mode {scene.rules.mode} writes nothing to {NAME[side]}")
    if side == "shop":
        return _to_shop(scene, fields, verdict, choice)
    return _to_repairy(scene, fields, verdict, choice)


def _to_shop(scene: Scene, fields: Fields, verdict: Verdict, choice: str | None) -> Outlook:
    group = verdict.group
    if (why := scene.link.choice.get(f"stuck.{group}")) and choice is None:
        return held(group, why)
    if scene.link.locked:
        return Outlook(stands=(Stand("waiting", group, "the shop's program has locked this row"),))
    if group in CUSTOMER + VEHICLE and choice != "repairy":
        return noted(group, f"{group} differs at Repairy; customers and vehicles of the shop are changed by a person only")
    if group == "status" and fields["status"] not in scene.shop.statuses:
        return _cannot_say(scene, fields["status"])
    beyond = sorted(fields.keys() - scene.shop.writes - {"status"}) if group not in CUSTOMER + VEHICLE else []
    if beyond:
        return noted(group, f"the profile has no statement that writes {', '.join(beyond)}")
    action = scene.action("shop", KIND.get(fields.get("status"), "change"), fields, (group,), verdict.reason, verdict.added)
    if not scene.was_refused(action):
        return Outlook((action,))
    why = scene.stuck(action)
    return held(group, f"the shop did not take this value: {why}") if why else noted(group, "the shop did not take this value")


def _cannot_say(scene: Scene, status: str | None) -> Outlook:
    """A cancellation that the shop cannot express is held while the booking is still to come."""
    coming = scene.coming("shop")
    if status == CANCELLED and coming:
        return held("status", "cancelled online, and the shop's profile has no way to say so")
    return noted("status", f"the profile has no way to write {status}")


def _to_repairy(scene: Scene, fields: Fields, verdict: Verdict, choice: str | None) -> Outlook:
    group, released = verdict.group, choice == "shop"
    if group == "status":
        return _status(scene, str(fields["status"]), verdict.reason, released)
    mine, coming = scene.views["shop"], scene.coming("shop")
    if group in CUSTOMER + VEHICLE and not (coming and mine.get("status") in OPEN) and not released:
        return noted(group, f"{group} changed in the shop for a booking that is not to come any more")
    if group == "time" and mine.get("status") in FINAL and not released:
        return noted(group, "the time of a finished booking stays as it is at Repairy")
    beyond = sorted(name for name in fields if name not in scene.repairy.writes and name != "name")
    if beyond:
        return noted(group, f"Repairy has no way to change {', '.join(beyond)}")
    needed = scene.repairy.required | ({"name"} if "first_name" in scene.repairy.required else set())
    if lacking := sorted(name for name in fields.keys() & needed if fields[name] is None):
        return noted(group, f"Repairy needs a value for {', '.join(lacking)}")
    action = scene.action("repairy", "change", _parts(scene, fields), (group,), verdict.reason)
    if scene.was_refused(action):
        return noted(group, "Repairy did not take this value")
    return passed(scene, [action], "shop", group, released)


def _parts(scene: Scene, fields: Fields) -> Fields:
    """A name in its parts where the shop keeps them so."""
    snapshot = scene.link.shop or {}
    if "name" in fields and snapshot.get("first_name"):
        return {part: snapshot.get(part) for part in ("first_name", "last_name")}
    return fields


def _status(scene: Scene, goal: str, reason: str, released: bool) -> Outlook:
    steps = scene.steps(goal, reason)
    if not steps:
        return noted("status", f"Repairy lets no {scene.views['repairy'].get('status')} booking become {goal}")
    if any(scene.was_refused(step) for step in steps):
        return noted("status", f"Repairy refused to make this booking {goal}")
    return passed(scene, steps, "shop", "status", released)


def put_back(scene: Scene, side: Side, before: Fields) -> Outlook:
    """What a write of ours replaced on a side stands there again, where a person wants it: an edit like any other, which then
    goes across."""
    now = scene.link.snapshot(side) or {}
    fields = {name: value for name, value in before.items() if now.get(name) != value}
    out = _put_back(scene, side, fields) if fields else noted("restore", "that entry of the journal has nothing to put back")
    return out if out.actions else joined(whole(scene), out)


def _put_back(scene: Scene, side: Side, fields: Fields) -> Outlook:
    if not scene.rules.writes(side):
        return noted("restore", f"mode {scene.rules.mode} writes nothing to {NAME[side]}: nothing was put back")
    if side == "shop" and scene.link.locked:
        return Outlook(stands=(Stand("waiting", "restore", "the shop's program has locked this row"),))
    kind, status = KIND.get(fields.get("status"), "change"), fields.get("status")
    steps = scene.steps(status, "put back") if status and side == "repairy" else None
    actions = [scene.action(side, kind, fields, (), "put back")] if steps is None else [replace(one, groups=()) for one in steps]
    if not actions or any(map(scene.was_refused, actions)):
        return noted("restore", f"{NAME[side]} does not take back what was overwritten")
    return passed(scene, actions, other(side), "restore", released=True)


def _bundled(scene: Scene, out: Outlook) -> Outlook:
    """One write a side: the shop's in one transaction, Repairy's silent fields in one update, visible ones apart."""
    shop = [action for action in out.actions if action.side == "shop" and action.kind != "link"]
    quiet = [a for a in out.actions if a.side == "repairy" and a.kind == "change" and not a.visible and "status" not in a.fields]
    rest = [action for action in out.actions if action not in shop and action not in quiet]
    bundles = [*_bundle(scene, shop), *_bundle(scene, quiet)]
    order = sorted(rest, key=lambda action: (action.kind == "link", "status" in action.fields))
    return replace(out, actions=(*bundles, *order))


def _bundle(scene: Scene, actions: list[Action]) -> list[Action]:
    """As one; each alone where they were refused together."""
    if len(actions) < 2:
        return actions
    fields = {name: value for action in actions for name, value in action.fields.items()}
    kind = next((action.kind for action in actions if action.kind != "change"), "change")
    groups = tuple(group for action in actions for group in action.groups)
    reason = "; ".join(dict.fromkeys(action.reason for action in actions))
    added = next((action.added for action in actions if action.added), None)
    made = replace(actions[0], kind=kind, fields=fields, groups=groups, reason=reason, added=added)
    return actions if scene.was_refused(made) else [made]
