"""The state made whole again from the mapping journal: at every start what an older copy lacks, and a lost state.

`catch_up` asks neither side: the next pass reads what it linked. `rebuild` looks at the shop's rows too, and repeats,
silently, the creates that were sent. What is not proved is held.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sync.core.action import Action, Stand
from sync.core.booking import Link, Sighting
from sync.core.canonical import view
from sync.core.safety import ONCE
from sync.core.scene import is_past
from sync.core.sight import sight
from sync.core.status import OPEN
from sync.engine import Engine, gather
from sync.engine.acting import Done, act
from sync.engine.backfill import silent
from sync.engine.pairing import join, pair_halves
from sync.engine.planning import Plan, plan
from sync.engine.site import LOST, Site, row_lost
from sync.engine.told import Line, Told, told
from sync.errors import NotFound, SyncError, Unreachable
from sync.records import Intent

Changes = dict[str, Any]
_FORGOTTEN = ("identity", "create")  # choices that a half has and a pair has not


# -- at every start


def catch_up(site: Site, lines: Iterable[Line]) -> int:
    """Links, messages sent and writes unsettled that the journal tells of and the state does not know; how many.

    What the journal lacks is added to it: it may be new here (a move to another server). Raises Unreachable, LeaseLost."""
    bookings = told(lines, site.name)
    known = _Known(site.state.links(site.name))
    _complete(site, known.links, bookings)
    if _lose_rows(site, known, bookings):
        known = _Known(site.state.links(site.name))
    newest = {one.shop_key: one for one in bookings if one.shop_key}
    paired = _pair(site, known, [one for one in bookings if one.repairy_id and one.shop_key], newest)
    known = _Known(site.state.links(site.name)) if paired else known
    return paired + sum(_remember(site, link, one) for one in bookings if (link := known.of(one)))


class _Known:
    """The state's links by every name."""

    def __init__(self, links: Sequence[Link]) -> None:
        self.links = links
        self.by_id = {link.repairy_id: link for link in links if link.repairy_id}
        self.by_reference = {link.reference: link for link in links if link.reference}
        self.by_key = {link.shop_key: link for link in links if link.shop_key}  # the newest of a key

    def of(self, one: Told) -> Link | None:
        return self.by_id.get(one.repairy_id) or self.by_reference.get(one.reference)

    def row(self, one: Told) -> Link | None:
        """The half that this booking's shop row has made."""
        found = self.by_reference.get(one.reference) or self.by_key.get(one.shop_key)
        return found if found and not found.paired else None


def _complete(site: Site, links: Sequence[Link], bookings: Sequence[Told]) -> None:
    """Lines for what the state knows and the journal does not."""
    pairs = {one.repairy_id: one for one in bookings}
    for link in links:
        one, names = pairs.get(link.repairy_id or ""), {"reference": link.reference, "repairy_id": link.repairy_id}
        if link.paired and (one is None or not one.shop_key):
            site.journal.append(kind="link", workshop=site.name, shop_key=link.shop_key, **names)
        if link.repairy_id and (link.visible & set(ONCE)) - (one.visible if one else frozenset()):
            site.journal.append(kind="visible", workshop=site.name, op="", sent=sorted(link.visible), **names)


def _lose_rows(site: Site, known: _Known, bookings: Sequence[Told]) -> bool:
    """Bookings whose row is gone and whose key is another's by now."""
    gone = [(link, one.shop_key) for one in bookings if one.shop_key.endswith(LOST) and (link := known.by_id.get(one.repairy_id))]
    return bool(site.state.save_all([(link, row_lost(site, link, lost)) for link, lost in gone if link.shop_key != lost]))


def _pair(site: Site, known: _Known, bookings: Sequence[Told], newest: Mapping[str, Told]) -> int:
    """Links of the journal that the state lacks, in the journal's order; a key's newest booking has its row."""
    lacking = [one for one in bookings if not (link := known.by_id.get(one.repairy_id)) or link.shop_key != one.shop_key]
    older = [known.by_key.get(one.shop_key) for one in lacking if newest[one.shop_key] is one]
    left = {"state": "skipped", "due_at": None, "poll_at": None}
    site.state.save_all([(link, left) for link in older if link and link.paired])
    fresh = [one for one in lacking if not known.row(one) and not known.by_id.get(one.repairy_id)]
    site.state.add_all(site.name, [_linked(site, one, newest[one.shop_key] is one) | _names(one) for one in fresh])
    for one in lacking:
        row, booking = known.row(one), known.by_id.get(one.repairy_id)
        if row and booking:
            join(site, row, booking)
        elif half := row or booking:
            site.state.save(half, **_linked(site, one, newest[one.shop_key] is one), **_names(one), choice=_kept(half))
    return len(lacking)


def _names(one: Told) -> Changes:
    return {"reference": one.reference or None, "shop_key": one.shop_key, "repairy_id": one.repairy_id}


def _linked(site: Site, one: Told, current: bool) -> Changes:
    """Nothing is decided about it until both sides were read: the empty digest and `poll_at` see to that."""
    poll = site.stamp() if current else None
    return {"state": "open" if current else "skipped", "shop_digest": "", "poll_at": poll, "due_at": None}


def _kept(half: Link) -> Mapping[str, str]:
    return {key: value for key, value in half.choice.items() if key not in _FORGOTTEN}


def _remember(site: Site, link: Link, one: Told) -> bool:
    """What went to Repairy for this booking, or may have."""
    lacking = one.visible - link.visible
    journal = {intent.op for intent in site.state.intents(link.id)} if lacking or one.open else set[str]()
    if one.visible_op in journal:  # a move that Repairy has left since is not remembered any more
        lacking &= set(ONCE)
    if lacking:
        link = site.state.save(link, visible=link.visible | lacking, poll_at=site.stamp())  # Repairy shows it by now
    if one.messaging and one.open and one.open.get("op") not in journal:
        site.state.intend(_unsettled(site, link, one.open))
        return True
    if one.sent and link.state == "baseline" and _to_come(site, link.shop or {}) and site.repairy.ability.silence_confirmed:
        site.state.save(link, state="open", choice={**link.choice, "create": "journal"}, due_at=site.stamp())
        return True
    return bool(lacking)


def _unsettled(site: Site, link: Link, line: Line) -> Intent:
    """The write that was announced, as unknown: it is settled by looking, like any other."""
    context = {"groups": list(line.get("groups", ())), "visible": list(line.get("visible", ())), "added": None}
    return Intent(
        str(line.get("op") or uuid.uuid4().hex), link.id, site.name, "repairy", str(line.get("action", "change")), {},
        dict(line.get("fields", {})), link.shop, link.repairy, context, site.now(),
        outcome="unknown", error="it went out after this state was saved", look_at=site.now() + site.quarantine,
    )  # fmt: skip


# -- a lost state


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild did; in observe, what it would do."""

    done: Sequence[Done]


def rebuild(engine: Engine, lines: Sequence[Line]) -> Rebuilt:
    """Recreate the links of a workshop. Raises Unreachable; ConfigError where creates are to be repeated whose silence is
    only assumed: the links are made then, and it may be run again."""
    site, bookings = engine.site, told(lines, engine.site.name)
    engine.open()
    if not engine.check_shop():
        raise SyncError("the shop database has changed since it was last read: `repairy-sync held` shows what to approve first")
    before = _pairs(site)
    catch_up(site, lines)
    _look_at_rows(site, bookings)
    if not gather.shop(site):
        raise Unreachable(site.state.source(site.name, "shop").last_error)
    _look_at_memories(site)
    engine.set_baseline()
    pair_halves(site)
    links = [_paired(site, link, bookings) for link in _pairs(site).values() if link.id not in before]
    return Rebuilt([*links, *_repeat(site, [one for one in bookings if one.sent])])


def _pairs(site: Site) -> dict[int, Link]:
    return {link.id: link for link in site.state.links(site.name) if link.paired}


def _paired(site: Site, link: Link, bookings: Sequence[Told]) -> Done:
    ids = {one.repairy_id for one in bookings}
    reason = "the mapping journal" if link.repairy_id in ids else "the shop's row or Repairy's reference names the other"
    fields = {"repairy_id": link.repairy_id, "shop_key": link.shop_key}
    action = Action(None, "link", fields, (), reason, reference=link.reference)  # type: ignore[arg-type]  # no side is written
    return Done(link, action, None if site.observing else "accepted")


def _look_at_rows(site: Site, bookings: Sequence[Told]) -> None:
    """The rows that the journal names, in the window or not. One that is gone: what it means is for a person."""
    links = [link for link in site.state.links(site.name, states={"open"}) if link.shop_key and link.shop is None]
    sent = [one for one in bookings if one.sent and one.shop_key]
    rows = site.shop.read({link.shop_key or "" for link in links} | {one.shop_key for one in sent})
    site.state.save_all([(link, _seen(site, link, rows.get(link.shop_key or ""))) for link in links])
    known = site.state.by_shop_keys(site.name, rows)
    fresh = [(one, rows[one.shop_key]) for one in sent if one.shop_key in rows and one.shop_key not in known]
    site.state.add_all(site.name, [_row(site, one, row) for one, row in fresh])


def _row(site: Site, one: Told, row: Sighting) -> Changes:
    half = Link(0, site.name, one.reference, row.key)
    return {"reference": one.reference, "state": "baseline", **sight(half, "shop", row, site.stamp(), None)}


def _seen(site: Site, link: Link, row: Sighting | None) -> Changes:
    now = site.stamp()
    if row is None:
        why = "the shop's row was gone when the state was rebuilt"
        return {"missing": {"shop": now, "shop_gone": now}, "choice": {**link.choice, "stuck.missing": why}}
    first = {"poll_at": site.stamp(-site.poll)} if _to_come(site, row.fields) else {}  # what is over is read after the others
    return sight(link, "shop", row, now, None) | first


def _to_come(site: Site, fields: Mapping[str, str | None]) -> bool:
    seen = view(fields)
    start = seen.get("starts_at")
    return seen.get("status") in OPEN and start is not None and not is_past(start, site.rules.zone, site.now())


def _look_at_memories(site: Site) -> None:
    """Rows that name a booking at Repairy which the journal does not know: it is read, and pairs by that name."""
    halves = {half.shop_ref: half for half in site.state.halves(site.name) if half.shop_key and half.shop_ref}
    known = site.state.by_repairy_ids(site.name, [ref for ref in halves if ref])
    wanted = [ref for ref in halves if ref and ref not in known]
    for ref, row in zip(wanted, site.fan.map(lambda ref: _read(site, ref), wanted), strict=True):
        if row is None or row.workshop_id not in (None, site.id):
            _hold(site, halves[ref], "identity", f"the shop's row names {ref}, which is no booking of this workshop at Repairy")
        else:
            gather.take_new(site, row, None)


def _read(site: Site, booking: str) -> Sighting | None:
    try:
        return site.repairy.read(booking)
    except NotFound:
        return None


def _repeat(site: Site, bookings: Sequence[Told]) -> list[Done]:
    """The documented idempotent create, for references that were sent; the answer is compared before it is adopted."""
    known = _Known(site.state.links(site.name))
    wanted = [(one, half) for one in bookings if not (half := known.of(one)) or not half.repairy_id]
    again = [half for _, half in wanted if half and _to_come(site, half.shop or {})]
    for one, half in wanted:
        if half not in again:
            _hold(site, half or _without_row(site, one), "create", _perhaps(one))
    if not again:
        return []
    silent(site)
    site.state.save_all([(half, {"state": "open", "choice": {"create": "rebuild"}, "due_at": site.stamp()}) for half in again])
    return act(site, _creates(plan(site, bulk=True), {half.id for half in again}))


def _creates(todo: Plan, ids: set[int]) -> Plan:
    """A rebuild changes nothing; what differs is for the next pass."""
    work = [(link, tuple(one for one in actions if one.kind == "create")) for link, actions in todo.work if link.id in ids]
    return replace(todo, work=[(link, actions) for link, actions in work if actions])


def _without_row(site: Site, one: Told) -> Link:
    return site.state.add(site.name, reference=one.reference, shop_key=one.shop_key or None, state="skipped", shop_digest="")


def _perhaps(one: Told) -> str:
    return f"a booking under {one.reference} may be at Repairy, and the shop's row is over or gone: look there"


def _hold(site: Site, link: Link, scope: str, why: str) -> None:
    """Stands until a person decides or a side shows something new."""
    link = site.state.save(link, due_at=None)
    site.state.stand(site.name, link.id, [site.standing(link.id, Stand("held", scope, why))])
