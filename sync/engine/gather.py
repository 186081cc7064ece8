"""Gather: what both sides show now becomes snapshots. Nothing is decided here.

A read that fails, or a whole window that comes back empty where there were rows, ends that side's gathering. A row
is missing when it is absent by key in two good reads a quarantine apart; many at once count as a failed read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sync.core.booking import Link, Sighting
from sync.core.canonical import view
from sync.core.sight import fingerprint, sight
from sync.core.status import FINAL
from sync.core.times import day_of, local, stamp
from sync.engine.site import Site
from sync.errors import NotFound, Unreachable
from sync.ports import Reading, Window
from sync.records import Source

Changes = dict[str, Any]


# -- the shop


def shop(site: Site, window: Window | None = None) -> bool:
    """Read what changed; whether the shop could be read."""
    source = replace(site.state.source(site.name, "shop"), last_attempt=site.now())
    sweep = window is not None or _sweep_due(site)
    try:
        reading = site.shop.window(window or site.window) if sweep else site.shop.changed(source.cursor, site.window)
        if reading.whole and not reading.rows and source.rows:
            raise Unreachable(f"the shop database shows no bookings at all; it showed {source.rows} before")
        _take_in(site, reading, source)
        _look_for_missing(site, reading)
    except Unreachable as error:
        site.state.save_source(replace(source, last_error=str(error)))
        site.log.warning("shop not read", workshop=site.name, error=str(error))
        return False
    rows = len(reading.rows) if reading.whole else source.rows
    cursor = reading.cursor or source.cursor
    site.state.save_source(replace(source, cursor=cursor, last_good=site.now(), last_error="", rows=rows))
    if sweep and window is None:
        site.state.save_desk(replace(site.state.desk(site.name), last_sweep=site.now()))
    return True


def _sweep_due(site: Site) -> bool:
    """Once a day, at the workshop's own time; and at the very first pass."""
    last = site.state.desk(site.name).last_sweep
    here = site.now().astimezone(site.rules.zone)
    today = local(datetime.combine(here.date(), site.sweep), site.rules.zone)[0]
    return last is None or last < today <= site.now() or site.now() - last > timedelta(days=1)


def _take_in(site: Site, reading: Reading, source: Source) -> None:
    """Rows that differ from what is known become due; new ones become links."""
    known = site.state.digests(site.name)
    changed = [row for row in reading.rows if known.get(row.key) != fingerprint(row)]
    links = site.state.by_shop_keys(site.name, [row.key for row in changed if row.key in known])
    now, last = site.stamp(), stamp(source.last_good) if source.last_good else None
    saves = [
        (links[row.key][-1], sight(links[row.key][-1], "shop", row, now, last) | {"due_at": now})
        for row in changed
        if row.key in links
    ]
    site.state.save_all(saves)
    site.state.add_all(site.name, [_new_row(site, row, now, last) for row in changed if row.key not in links])


def _new_row(site: Site, row: Sighting, now: str, last: str | None) -> Changes:
    """A shop row seen for the first time. What the first pass finds is the baseline: nothing is created from it."""
    reference = site.prefix + row.key
    link = Link(0, site.name, reference, row.key)
    state = "skipped" if view(row.fields).get("status") in FINAL else "open" if site.rules.baseline_at else "baseline"
    return {"reference": reference, "state": state, **sight(link, "shop", row, now, last), "due_at": now}


def _look_for_missing(site: Site, reading: Reading) -> None:
    """Linked keys that a whole reading lacks, and those already missed once, are asked for by key."""
    shown = {row.key for row in reading.rows} | set(reading.unreadable)
    lacking = _lacking(site, reading, shown)
    if not lacking:
        return
    found = site.shop.read({link.shop_key for link in lacking if link.shop_key})
    gone = [link for link in lacking if link.shop_key not in found]
    _refuse_bulk(site, gone, len(shown))
    now = site.stamp()
    back = [(link, sight(link, "shop", row, now, now)) for link in lacking if (row := found.get(link.shop_key or ""))]
    site.state.save_all([(link, changes | ({"due_at": now} if _news(link, changes) else {})) for link, changes in back])
    site.state.save_all([(link, changes) for link in gone if (changes := _missed(site, link, "shop"))])


def _lacking(site: Site, reading: Reading, shown: set[str]) -> list[Link]:
    if reading.whole:
        return [link for link in site.state.links(site.name, states={"open"}) if link.shop_key and link.shop_key not in shown]
    due = site.state.links(site.name, due=site.now(), states={"open"})
    return [link for link in due if "shop" in link.missing and link.shop_key not in shown]


def _news(link: Link, changes: Changes) -> bool:
    return bool(changes.get("shop") != link.shop or link.missing)


def _refuse_bulk(site: Site, gone: Sequence[Link], shown: int) -> None:
    fresh = [link for link in gone if "shop_gone" not in link.missing]
    most = site.limits.allowed(max(shown, len(gone)))
    if len(fresh) > most:
        raise Unreachable(f"{len(fresh)} linked bookings are missing at once; more than {most} counts as a failed read")


def _missed(site: Site, link: Link, side: str) -> Changes:
    """The first time it is remembered; a quarantine later it counts as gone."""
    first = link.missing.get(side)
    if first is None:
        return {"missing": {**link.missing, side: site.stamp()}, "due_at": site.stamp(site.quarantine)}
    if f"{side}_gone" in link.missing or site.stamp(-site.quarantine) < first:
        return {}
    return {"missing": {**link.missing, f"{side}_gone": site.stamp()}, "due_at": site.stamp()}


# -- Repairy


def repairy(site: Site) -> bool:
    """Read the bookings that are due and those that webhooks named; whether Repairy could be read."""
    source = replace(site.state.source(site.name, "repairy"), last_attempt=site.now())
    named = {event.booking_id: event.id for event in site.state.events(site.name)}
    linked = site.state.by_repairy_ids(site.name, named)
    due = {link.repairy_id: link for link in site.state.to_poll(site.name, site.now(), site.polls) if link.repairy_id}
    wanted = dict.fromkeys([*named, *due])
    results = site.fan.map(lambda booking: _read(site, booking), wanted)
    error = next((result for result in results if isinstance(result, Unreachable)), None)
    for booking, result in zip(wanted, results, strict=True):
        _take_booking(site, booking, linked.get(booking) or due.get(booking), result, named.get(booking), source)
    if error is not None:
        site.state.save_source(replace(source, last_error=str(error)))
        site.log.warning("repairy not read", workshop=site.name, error=str(error))
    elif wanted:
        site.state.save_source(replace(source, last_good=site.now(), last_error=""))
    return error is None


def _read(site: Site, booking: str) -> Sighting | NotFound | Unreachable:
    try:
        return site.repairy.read(booking)
    except (NotFound, Unreachable) as error:
        return error


def _take_booking(
    site: Site, booking: str, link: Link | None, result: Sighting | NotFound | Unreachable, event: str | None, source: Source
) -> None:
    if isinstance(result, Unreachable):
        return
    if event is not None and link is None and isinstance(result, Sighting) and _may_be_ours(site, result):
        site.state.park_event(event, site.name)
        return
    if isinstance(result, Sighting):
        if result.workshop_id not in (None, site.id):
            site.log.warning("booking of another workshop", workshop=site.name, repairy_id=booking)
        else:
            take_sighting(site, link, result, stamp(source.last_good) if source.last_good else None)
    elif link is not None and (changes := _missed(site, link, "repairy")):
        site.state.save(link, **changes, poll_at=site.stamp(site.quarantine))
    if event is not None:
        site.state.settle_event([event], site.name)


def _may_be_ours(site: Site, row: Sighting) -> bool:
    """A booking without a reference that has the plate of a create of ours whose outcome is not known yet."""
    plate = view(row.fields).get("rego")
    making = [one for one in site.state.open_intents(site.name) if one.side == "repairy" and one.kind == "create"]
    return row.ref is None and any(view(one.after).get("rego") == plate for one in making)


def take_sighting(site: Site, link: Link | None, row: Sighting, last: str | None) -> Link:
    """A Repairy booking as just read: a known one's snapshot, or a new half."""
    now = site.stamp()
    if link is None:
        base = Link(0, site.name, repairy_id=row.key)
        state = "open" if site.rules.baseline_at else "baseline"
        fresh = sight(base, "repairy", row, now, last)
        return site.state.add(site.name, state=state, due_at=now, poll_at=next_poll(site, base, row.fields), **fresh)
    changes = sight(link, "repairy", row, now, last) | {"poll_at": next_poll(site, link, row.fields)}
    if row.fields != link.repairy or row.ref != link.repairy_ref or link.missing.get("repairy"):
        changes["due_at"] = now
    return site.state.save(link, **changes)


def next_poll(site: Site, link: Link, fields: Mapping[str, str | None]) -> str | None:
    """Today's and tomorrow's bookings at the schedule's pace, the others slower; what is over, not at all."""
    seen = view(fields)
    start = seen.get("starts_at")
    if start is None:
        return site.stamp(site.poll * 60)
    days = (day_of(start, site.rules.zone) - site.now().astimezone(site.rules.zone).date()).days
    if days < 0 or seen.get("status") in FINAL:
        return site.stamp(max(site.poll * 60, timedelta(days=1))) if days > -3 else None
    return site.stamp(site.poll * (1 if days <= 1 else 10 if days <= 7 else 60))


def read_again(site: Site, links: Iterable[Link]) -> None:
    """Make Repairy's side of these due for reading now."""
    site.state.save_all([(link, {"poll_at": site.stamp()}) for link in links if link.repairy_id])
