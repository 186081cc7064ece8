"""What may message a customer, and what makes a booking: let through, delayed, noted, held, or too old.

A visible write goes only where the owner allowed its kind, after it stood still for `settle`, while it is fresh, and
once: created, done and cancelled for ever, a move until Repairy showed another time. A person's release goes before
permission, settle and freshness, never before once.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Literal

from sync.core.action import Action, Outlook, Stand, held
from sync.core.booking import GROUPS, Side
from sync.core.scene import Scene
from sync.core.times import parse, stamp

ONCE = ("created", "done", "cancelled")  # visible kinds that a booking sends once, for ever
Gate = Literal["go", "wait", "note", "hold", "stale"]


def passed(scene: Scene, actions: list[Action], source: Side, scope: str, released: bool) -> Outlook:
    """The actions of one scope go together, wait, or stand."""
    if not released and (why := scene.link.choice.get(f"stuck.{scope}")):
        return held(scope, why)
    if not any(action.visible for action in actions) and scope != "create":
        return Outlook(tuple(actions))
    for action in actions:
        gate, reason, until = _gate(scene, action, source, scope, released)
        if gate == "wait":
            return Outlook(stands=(Stand("waiting", scope, reason, until),))
        if gate in ("note", "hold"):
            return Outlook(stands=(Stand("noted" if gate == "note" else "held", scope, reason),))
        if gate == "stale":
            return Outlook(tuple(replace(one, stale=reason) for one in actions))
    return Outlook(tuple(actions))


def _gate(scene: Scene, action: Action, source: Side, scope: str, released: bool) -> tuple[Gate, str, str | None]:
    for kind in action.visible:
        if kind in scene.link.visible and kind in ONCE:
            return "hold", f"{kind} went to Repairy once already; the customer would be messaged again", None
        if kind == "moved" and f"moved:{action.fields.get('starts_at')}" in scene.link.visible:
            return "hold", "this time went to Repairy already; the customer would be messaged again", None
    if released or action.signature in scene.link.choice.get("release", "").split():
        return "go", "", None
    if not action.visible <= scene.rules.visible:
        return (
            "note",
            f"would message the customer; add {_listed(action.visible - scene.rules.visible)} to safety.visible to allow it",
            None,
        )
    if (ready := _settled_at(scene, source, scope)) > scene.now:
        return "wait", "settling, in case it changes again", stamp(ready)
    if action.visible and (why := _too_old(scene, action, source, scope)):
        return "stale", why, None
    return "go", "", None


def _settled_at(scene: Scene, source: Side, scope: str) -> datetime:
    """When the value has stood still long enough; for a create, all its values."""
    groups = GROUPS if scope == "create" else (scope,)
    firsts = [scene.link.seen[key]["first"] for group in groups if (key := f"{source}.{group}") in scene.link.seen]
    return max((parse(first) for first in firsts), default=scene.now - scene.rules.settle) + scene.rules.settle


def _too_old(scene: Scene, action: Action, source: Side, scope: str) -> str:
    """Why a visible write is too late to go by itself: it is counted from when the old value was last seen."""
    coming = scene.coming("repairy")
    old = scene.link.seen.get(f"{source}.{scope}", {}).get("old")
    if scope in GROUPS and (not old or not scene.base("shop", scope)):
        return "a difference found when first paired"
    if old and scene.rules.baseline_at and old < scene.rules.baseline_at:
        return "a change older than the baseline"
    if old and scene.now - parse(old) > scene.rules.freshness and not (action.kind == "cancel" and coming):
        return "an old change; the customer has long left"
    return ""


def _listed(words: frozenset[str]) -> str:
    return ", ".join(f'"{word}"' for word in sorted(words))
