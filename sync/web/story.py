"""One booking's whole story: who changed what where, what was sent, what came back, why it waited, who decided.

The state keeps snapshots with every write, not every edit: an edit that an earlier write was made from is told with that
write's time, or with that of the hold before it; the present value with the time at which it was first seen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import partial

from sync.core.booking import GROUPS, Fields, Link, Side
from sync.core.canonical import view
from sync.core.times import parse
from sync.engine.site import Site
from sync.records import Decision, Intent
from sync.state.glance import Glance, Past
from sync.web import wording
from sync.web.review import spoken

SIDES: tuple[Side, ...] = ("shop", "repairy")
DONE: Mapping[str, str] = {
    "create": "Created", "change": "Changed", "done": "Set to done", "cancel": "Cancelled", "link": "Linked",
}  # fmt: skip
TRIED: Mapping[str, str] = {
    "create": "create it", "change": "change it", "done": "set it to done", "cancel": "cancel it", "link": "link it",
}  # fmt: skip
WRITES: Mapping[str | None, str] = {None: "sent", "accepted": "sent", "stale": "told"}  # outcome -> tone; any other: failed
TOLD: Mapping[str, str] = {
    "created": "a new booking",
    "updated": "a change",
    "cancelled": "a cancellation",
    "done": "its completion",
}


@dataclass(frozen=True)
class Change:
    label: str
    before: str
    after: str


@dataclass(frozen=True)
class Entry:
    """One thing that happened. `tone`: edit | sent | failed | held | person | told."""

    at: datetime
    tone: str
    what: str
    changes: Sequence[Change] = ()
    came: str = ""  # what came back
    undo: str = ""  # the journal entry that can be put back


def story(site: Site, glance: Glance, link: Link) -> list[Entry]:
    """Oldest first."""
    past, decided = glance.past(link.id), glance.decided(link.workshop, "resolve", str(link.id))
    intents = sorted(site.state.intents(link.id), key=lambda one: one.started_at)
    entries = [
        *_edits(link, intents, _holds(past), site.rules.zone),
        *[_sent(one, site.rules.zone) for one in intents],
        *_stood(past, decided),
        *[_person(one) for one in decided],
        *[
            Entry(at, "told", f"Repairy told of {TOLD.get(word, word)}.")
            for at, word in glance.told(link.workshop, link.repairy_id or "")
        ],
    ]
    return sorted(entries, key=lambda one: one.at)


# -- what people changed


Seen = Callable[[str], datetime | None]  # by when a value of this group was there, where a write or a hold tells


def _holds(past: Sequence[Past]) -> list[tuple[str, datetime]]:
    """Field group and when it was held: whatever was held had been seen by then."""
    return [(one.standing.scope, one.standing.since) for one in past if one.standing.kind == "held"]


def _edits(link: Link, intents: Sequence[Intent], holds: Sequence[tuple[str, datetime]], zone: tzinfo) -> Iterator[Entry]:
    """What each side showed that was not there before and that no write of ours put there."""
    for side in SIDES:
        known: Fields | None = None
        for last, intent in zip((None, *intents), intents, strict=False):
            showed = intent.shop if side == "shop" else intent.repairy
            now = view(showed) if showed is not None else known
            yield from _edit(link, side, known, now, partial(_seen_by, last, intent, holds), zone)
            wrote = intent.side == side and intent.outcome == "accepted"
            known = {**(now or {}), **view(intent.after)} if wrote else now
        snapshot = link.snapshot(side)
        yield from _edit(link, side, known, view(snapshot) if snapshot is not None else None, lambda _: None, zone)


def _seen_by(last: Intent | None, intent: Intent, holds: Sequence[tuple[str, datetime]], group: str) -> datetime:
    held = [at for scope, at in holds if scope == group and at <= intent.started_at and (not last or last.started_at < at)]
    return min(held, default=intent.started_at)


def _edit(link: Link, side: Side, before: Fields | None, now: Fields | None, seen_by: Seen, zone: tzinfo) -> Iterator[Entry]:
    """One entry for each moment at which values appeared. A field that our own create did not name is no change."""
    if now is None or now == before:
        return
    moments: dict[datetime, list[str]] = {}
    for group, names in GROUPS.items():
        changed = [name for name in names if before is None or (name in before and now.get(name) != before[name])]
        if changed and (at := _when(link, side, group, now, seen_by(group))):
            moments.setdefault(at, []).extend(changed)
    if before is None and moments:
        shown = [name for names in GROUPS.values() for name in names]
        yield Entry(min(moments), "edit", f"First seen {wording.WHERE[side]}.", _changes(shown, {}, now, zone))
        return
    for at, changed in moments.items():
        yield Entry(at, "edit", f"Changed {wording.WHERE[side]}.", _changes(changed, before or {}, now, zone))


def _when(link: Link, side: Side, group: str, now: Fields, seen_by: datetime | None) -> datetime | None:
    """Since when the value stands, where it is still the present one; else by when it was there."""
    present = view(link.snapshot(side) or {})
    first = link.seen.get(f"{side}.{group}", {}).get("first")
    if first and all(present.get(name) == now.get(name) for name in GROUPS[group]):
        moment = parse(first)
        return moment if seen_by is None else min(moment, seen_by)
    return seen_by or (parse(first) if first else None)


def _changes(names: Iterable[str], before: Fields, after: Fields, zone: tzinfo) -> list[Change]:
    return [
        Change(
            wording.LABELS.get(name, name),
            wording.value(name, before.get(name), zone),
            wording.value(name, after.get(name), zone),
        )
        for name in names
        if before.get(name) or after.get(name)
    ]


# -- what this program wrote


def _sent(intent: Intent, zone: tzinfo) -> Entry:
    before, after = view(intent.before), view(intent.after)
    did = DONE[intent.kind] if intent.outcome in (None, "accepted") else f"Tried to {TRIED[intent.kind]}"
    what = f"{did} {wording.WHERE[intent.side]} by repairy-sync{_telling(intent)}."
    took = f", after {_took(intent.finished_at - intent.started_at)}" if intent.finished_at else ""
    why = f" {wording.sentence(intent.error)}" if intent.error else ""
    undo = intent.op if intent.outcome == "accepted" and intent.before else ""
    return Entry(
        intent.started_at,
        WRITES.get(intent.outcome, "failed"),
        what,
        _changes(after, before, after, zone),
        f"{wording.OUTCOMES[intent.outcome]}{took}.{why}",
        undo,
    )


def _telling(intent: Intent) -> str:
    """What may message the customer is said."""
    return " (the customer may be messaged)" if intent.context.get("visible") else ""


def _took(span: timedelta) -> str:
    seconds = span.total_seconds()
    return f"{max(seconds, 0.1):.1f} s" if seconds < 60 else wording.lasting(span)


# -- why it waited, and who decided


def _stood(past: Sequence[Past], decided: Sequence[Decision]) -> Iterator[Entry]:
    for each in past:
        one = each.standing
        if one.kind not in ("held", "noted"):
            continue
        yield Entry(one.since, "held", f"{one.kind.capitalize()}: {wording.sentence(one.reason)}")
        if each.closed_at and one.kind == "held":
            person = each.closed_by or any(one.since <= made.at <= each.closed_at for made in decided)
            by = "a person decided" if person else "its cause had gone"
            yield Entry(each.closed_at, "held", f"No longer held ({by}): {wording.sentence(one.reason)}")


def _person(one: Decision) -> Entry:
    came = "Taken up by the next pass." if one.taken_at else "The next pass takes it up."
    return Entry(one.at, "person", f"A person decided: {spoken(json.loads(one.value))}.", came=came)
