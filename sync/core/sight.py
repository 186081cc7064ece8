"""What a new sighting changes in a link: the snapshot, and since when each value has stood there.

`seen` keeps for each side and group when the value now shown was first seen, and when the old one was last: the
settle time counts from the first, freshness from the second, so an outage does not make an old change look new.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sync.core.booking import GROUPS, Fields, Link, Side, Sighting
from sync.core.canonical import view


def fingerprint(sighting: Sighting) -> str:
    """What tells one state of a row from another; equal for rows that mean the same and are spelt the same."""
    facts = [sorted(sighting.fields.items()), sighting.ref, sighting.locked, sighting.marks]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def sight(link: Link, side: Side, sighting: Sighting, now: str, last_good: str | None) -> dict[str, Any]:
    """The link's changes for a row just read. `now` and `last_good` (the good read before this one) are state stamps."""
    before, after = link.snapshot(side), dict(sighting.fields)
    seen = _seen(side, before, after, sighting.changed_at, now, last_good)
    changes: dict[str, Any] = {"seen": {**link.seen, **seen}}
    if again := {key for key in link.refused if f"{side}.{key.split('.')[1]}" in seen}:  # a new value may be tried
        changes["refused"] = {key: value for key, value in link.refused.items() if key not in again}
    if link.missing:
        changes["missing"] = {key: value for key, value in link.missing.items() if not key.startswith(side)}
    if side == "shop":
        changes |= {"shop": after, "shop_ref": sighting.ref, "locked": sighting.locked, "marks": sighting.marks}
        changes |= {"shop_key": sighting.key, "shop_digest": fingerprint(sighting)}
    else:
        changes |= {"repairy": after, "repairy_ref": sighting.ref, "repairy_id": sighting.key}
        changes["repairy_code"] = sighting.code or link.repairy_code
        changes["visible"] = _moves_left(link.visible, view(after).get("starts_at"))
    return changes


def _seen(
    side: Side, before: Fields | None, after: Fields, changed_at: str | None, now: str, last_good: str | None
) -> dict[str, Mapping[str, str]]:
    """Of the groups whose value is new: since when it stands there, and when the old one was last seen."""
    old_view, new_view = view(before or {}), view(after)
    seen = dict[str, Mapping[str, str]]()
    for group, names in GROUPS.items():
        if before is not None and all(old_view.get(name) == new_view.get(name) for name in names):
            continue
        entry = {"first": now}
        if before is not None:
            known = [moment for moment in (last_good, changed_at) if moment]
            entry["old"] = min(known) if known else now
        seen[f"{side}.{group}"] = entry
    return seen


def _moves_left(visible: frozenset[str], start: str | None) -> frozenset[str]:
    """A move to a time may go again once Repairy showed another."""
    return frozenset(kind for kind in visible if not kind.startswith("moved:") or kind == f"moved:{start}")
