"""What is to be done about one booking, and why: a pure function of its link, both sides' abilities and the rules.

Level-triggered: nothing here remembers a payload. Whatever happened, the answer is worked out from the snapshots.
`decide` is the whole decision: half a booking (`create`), one that is gone, another under the same key, or one that
both sides show (`change`: each field group merged into actions). `safety` lets actions through, delays or holds them.
"""

from __future__ import annotations

from datetime import datetime

from sync.core.action import Outlook, Rules, Stand, held, joined
from sync.core.booking import CANCELLED, Ability, Fields, Link, Side
from sync.core.change import put_back, whole
from sync.core.create import gone, half
from sync.core.scene import Scene
from sync.core.status import OPEN


def decide(
    link: Link, shop: Ability, repairy: Ability, rules: Rules, now: datetime, back: tuple[Side, Fields] | None = None
) -> Outlook:
    """What to do about one booking now. Pure; `now` is aware. `back`: a person wants a side to have these values again."""
    scene = Scene(link, shop, repairy, rules, now)
    if link.choice.get("all") == "skip" or link.state == "skipped" or "forgotten" in link.choice:
        return Outlook()
    if not link.paired:
        return half(scene)
    if link.missing.get("shop_gone") or link.missing.get("repairy_gone"):
        return gone(scene)
    if link.shop is None or link.repairy is None:
        return Outlook(stands=(Stand("waiting", "link", "one side of it was not read yet"),))
    if another(scene):
        return held("identity", "plate and contact changed at once: is this another booking?")
    if reborn(scene):
        return Outlook(split=True)
    out = put_back(scene, *back) if back else whole(scene)
    why = link.choice.get("stuck.restore")
    return joined(out, held("restore", why)) if why and not back else out


def another(scene: Scene) -> bool:
    """Plate and contact changed at once with the start or the name, or a key that came back with another plate.

    The start alone does not tell: a shop that keeps days gives a reused key the same one soon enough."""
    base, now = scene.base("shop"), scene.views["shop"]
    if base is None or scene.link.choice.get("identity") == "same":
        return False
    changed = {
        name for name in ("rego", "phone", "email", "name", "starts_at") if name in now and base.get(name) != now.get(name)
    }
    contact = {"phone", "email"} & now.keys() or {"name"} & now.keys()
    if "rego" in changed and scene.link.missing.get("shop"):
        return True
    unheard = {name for name in contact if not base.get(name)}  # what was empty tells nothing
    everything = "rego" in changed and bool(contact) and contact <= changed | unheard
    return everything and not changed.isdisjoint(("starts_at", "name"))


def reborn(scene: Scene) -> bool:
    """The booking at Repairy is cancelled, the row was seen cancelled, and is open again."""
    base = scene.base("shop") or {}
    cancelled = scene.views["repairy"].get("status") == CANCELLED and base.get("status") == CANCELLED
    return cancelled and scene.views["shop"].get("status") in OPEN
