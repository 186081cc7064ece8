"""Gather: what both sides show now becomes snapshots. Nothing is decided here.

A read that fails, or a whole window that comes back empty where there were rows, ends that side's gathering. A row
is missing when it is absent by key in two good reads a quarantine apart; many at once count as a failed read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sync.core.action import Stand
from sync.core.booking import Link, Sighting
from sync.core.canonical import view
from sync.core.scene import is_past
from sync.core.sight import fingerprint, sight
from sync.core.status import FINAL, OPEN
from sync.core.times import day_of, local, stamp
from sync.engine import suspicion
from sync.engine.pairing import lose_row
from sync.engine.site import LOST, Site, free_references
from sync.engine.suspicion import News
from sync.errors import NotFound, Unreachable
from sync.ports import Reading, Window
from sync.records import Source

Changes = dict[str, Any]
LONGEST_DAY = timedelta(hours=25)  # that on which the clocks go back: a shorter one would bring a second sweep on it


# -- the shop


def shop(site: Site, window: Window | None = None) -> bool:
    """Read what changed; whether the shop could be read. Nothing is taken in from a reading that cannot be right."""
    source = replace(site.state.source(site.name, "shop"), last_attempt=site.now())
    try:
        news = _shop_news(site, source, window)
        if not suspicion.restored(site, news):
            _refuse_bulk(site, news)
        _take_in(site, news, source)
        _take_missing(site, news)
        _note_unreadable(site, news.reading)
    except Unreachable as error:
        shop_not_read(site, error)
        return False
    reading = news.reading
    rows = len(reading.rows) if reading.whole else source.rows
    cursor = reading.cursor or source.cursor
    site.state.save_source(replace(source, cursor=cursor, last_good=site.now(), last_error="", rows=rows))
    if reading.whole and window is None:
        site.keep(last_sweep=site.now())
    return True


def shop_not_read(site: Site, error: Unreachable) -> None:
    """Said, and kept for `status`."""
    source = site.state.source(site.name, "shop")
    _say_once(site, "shop not read", source, error)
    site.state.save_source(replace(source, last_attempt=site.now(), last_error=str(error)))


def _say_once(site: Site, what: str, source: Source, error: Unreachable) -> None:
    """A month's outage is told when it begins, not with every pass."""
    if str(error) != source.last_error:
        site.log.warning(what, workshop=site.name, error=str(error))


def _shop_news(site: Site, source: Source, window: Window | None) -> News:
    """What changed; or everything, where that is due or what changed looks like another past. Raises Unreachable."""
    if window is None and not sweep_due(site):
        reading = site.shop.changed(source.cursor, site.window)
        news = _compared(site, reading)
        newest = max((row.changed_at for row in reading.rows if row.changed_at), default="")
        lost = newest < (source.cursor or "") and not reading.unreadable  # the row that the cursor was taken from
        if reading.whole or not (lost or suspicion.signs(site, news)):
            return _not_empty(site, news, source, site.window)
    wide = window or site.window
    return _not_empty(site, _compared(site, site.shop.window(wide)), source, wide)


def _not_empty(site: Site, news: News, source: Source, window: Window) -> News:
    """Nothing where there were rows is no answer; that the last of them left the window is one."""
    if not news.reading.whole or news.reading.rows or not source.rows:
        return news
    starts = [view(link.shop or {}).get("starts_at") for link in site.state.links(site.name, states={"open", "baseline"})]
    days = (window.since.astimezone(site.rules.zone).date(), window.until.astimezone(site.rules.zone).date())
    if any(start and days[0] < day_of(start, site.rules.zone) < days[1] for start in starts):
        raise Unreachable(f"the shop database shows no bookings at all; it showed {source.rows} before")
    return news


def _compared(site: Site, reading: Reading) -> News:
    """The rows that differ from what is known, and those that should be there, asked for by key. Raises Unreachable."""
    known = site.state.digests(site.name)
    changed = [row for row in reading.rows if known.get(row.key) != fingerprint(row)]
    mine = site.state.by_shop_keys(site.name, [row.key for row in changed if row.key in known])
    lacking = _lacking(site, reading, known, {row.key for row in changed})
    back = {row.key: row for row in reading.rows}
    asked = {link.shop_key for link in lacking if link.shop_key} - back.keys()
    found = {**(site.shop.read(asked) if asked else {}), **back}
    return News(reading, changed, {key: links[-1] for key, links in mine.items()}, found, lacking)


def sweep_due(site: Site) -> bool:
    """Once a day, at the workshop's own time; and at the very first pass."""
    last = site.desk.last_sweep
    here = site.now().astimezone(site.rules.zone)
    today = local(datetime.combine(here.date(), site.sweep), site.rules.zone)[0]
    return last is None or last < today <= site.now() or site.now() - last > LONGEST_DAY


def _take_in(site: Site, news: News, source: Source) -> None:
    """Rows that differ from what is known become due; new ones become links."""
    now, last = site.stamp(), stamp(source.last_good) if source.last_good else None
    mine = [(link, row) for row in news.changed if (link := news.links.get(row.key))]
    known = [(link, row) for link, row in mine if not forgotten(link)]
    site.state.save_all([(link, sight(link, "shop", row, now, last) | {"due_at": now} | _back(link)) for link, row in known])
    erased = [(link, row) for link, row in mine if forgotten(link) and not _again(site, link, row)]
    site.state.save_all([(link, {"shop_digest": fingerprint(row)}) for link, row in erased])
    unknown = [row for row in news.changed if row.key not in news.links]
    made_up = _made_up_rows(site, unknown)
    fresh = [row for row in unknown if row.key not in made_up] + [row for link, row in mine if _again(site, link, row)]
    names = free_references(site, [row.key for row in fresh])
    site.state.add_all(site.name, [_new_row(site, row, name, now, last) for row, name in zip(fresh, names, strict=True)])


MADE_UP = "made up "  # with its plate, the shop key of a booking that a person had us put into the shop, until the row is seen


def _made_up_rows(site: Site, rows: Sequence[Sighting]) -> set[str]:
    """The keys of those rows; each is written into the record that was made before it, and left alone from then on."""
    named = {MADE_UP + plate: row for row in rows if (plate := view(row.fields).get("rego"))}
    found = [(links[-1], named[name]) for name, links in site.state.by_shop_keys(site.name, named).items()]
    site.state.save_all([(link, {"shop_key": row.key, "shop_digest": fingerprint(row)}) for link, row in found])
    return {row.key for _, row in found}


def _back(link: Link) -> Changes:
    """A row that was gone before it was a booking at Repairy is there again, or its key is another's now: it is to be made."""
    return {"state": "open"} if link.state == "closed" and not link.paired else {}


def _again(site: Site, link: Link, row: Sighting) -> bool:
    """The row of a forgotten booking is a booking to come: another one, under its old key."""
    seen = view(row.fields)
    if seen.get("rego") and seen.get("rego") == link.choice.get("rego"):  # the one made up to try the shop, not yet another's
        return False
    return forgotten(link) and seen.get("status") in OPEN and not is_past(seen.get("starts_at"), site.rules.zone, site.now())


def _new_row(site: Site, row: Sighting, reference: str, now: str, last: str | None) -> Changes:
    """A shop row seen for the first time. What the first pass finds is the baseline: nothing is created from it."""
    link = Link(0, site.name, reference, row.key)
    state = "skipped" if view(row.fields).get("status") in FINAL else "open" if site.rules.baseline_at else "baseline"
    return {"reference": reference, "state": state, **sight(link, "shop", row, now, last), "due_at": now}


def _take_missing(site: Site, news: News) -> None:
    """Rows that were only outside the reading are taken in; those not found by key are missing."""
    now = site.stamp()
    back = [(link, sight(link, "shop", row, now, now)) for link in news.lacking if (row := news.found.get(link.shop_key or ""))]
    site.state.save_all([(link, changes | ({"due_at": now} if _news(link, changes) else {})) for link, changes in back])
    site.state.save_all([(link, changes) for link in news.gone if (changes := missed(site, link, "shop"))])


def _note_unreadable(site: Site, reading: Reading) -> None:
    """Rows that nobody can understand are noted, by key; a partial reading says nothing of the rows it does not show."""
    before = [one for one in site.state.standings(site.name, "noted") if one.scope == "unreadable"]
    if not (before or reading.unreadable):
        return
    old = [key for one in before for key in one.details["keys"]] if not reading.whole else []
    good = {row.key for row in reading.rows}
    keys = sorted({*reading.unreadable, *(key for key in old if key not in good)})
    few = ", ".join(keys[:3]) + (" …" if len(keys) > 3 else "")
    reason = f"{len(keys)} rows of the shop database cannot be understood and are left out: key {few}; `check` says more"
    noted = replace(site.standing(None, Stand("noted", "unreadable", reason)), details={"keys": keys})
    site.state.stand(site.name, None, [noted] if keys else [], kinds={"noted"})


def _lacking(site: Site, reading: Reading, known: Mapping[str, str], changed: Collection[str]) -> list[Link]:
    """Linked keys that a whole reading lacks, those above its highest, and those already missed once, back or not."""
    shown = {row.key for row in reading.rows}
    told = {*changed, *reading.unreadable}
    if not reading.whole:
        due = site.state.links(site.name, due=site.now(), states={"open"})
        return [link for link in due if "shop" in link.missing and link.shop_key not in told]
    mine = [link for link in site.state.links(site.name, states={"open"}) if link.shop_key and link.shop_key not in told]
    lacking = [link for link in mine if link.shop_key not in shown or "shop" in link.missing]
    above = site.state.by_shop_keys(site.name, suspicion.above(reading, known))
    asked = {link.id for link in lacking}
    return lacking + [links[-1] for links in above.values() if links[-1].id not in asked and not forgotten(links[-1])]


def forgotten(link: Link) -> bool:
    """Its customer's data was erased; it is left alone."""
    return "forgotten" in link.choice


def _news(link: Link, changes: Changes) -> bool:
    return bool(changes.get("shop") != link.shop or link.missing)


def _refuse_bulk(site: Site, news: News) -> None:
    gone, shown = len(news.fresh), len(news.reading.rows)
    if gone > (most := site.limits.allowed(max(shown, gone))):
        raise Unreachable(f"{gone} linked bookings are missing at once; more than {most} counts as a failed read")


def missed(site: Site, link: Link, side: str) -> Changes:
    """The first time it is remembered; a quarantine later it counts as gone."""
    first = link.missing.get(side)
    if first is None:
        return {"missing": {**link.missing, side: site.stamp()}, "due_at": site.stamp()}
    if f"{side}_gone" in link.missing or site.stamp(-site.quarantine) < first:
        return {}
    return {"missing": {**link.missing, f"{side}_gone": site.stamp()}, "due_at": site.stamp()}


# -- Repairy


def repairy(site: Site) -> bool:
    """Read the bookings that are due and those that webhooks named; whether Repairy could be read."""
    source = replace(site.state.source(site.name, "repairy"), last_attempt=site.now())
    events = site.state.events(site.name)
    linked = site.state.by_repairy_ids(site.name, (event.booking_id for event in events))
    over = {booking for booking, link in linked.items() if forgotten(link)}
    named = dict.fromkeys(event.booking_id for event in events if event.booking_id not in over)
    due = {link.repairy_id: link for link in site.state.to_poll(site.name, site.now(), site.polls) if link.repairy_id}
    wanted = dict.fromkeys([*named, *due])
    results = site.fan.map(lambda booking: _read(site, booking), wanted)
    error = next((result for result in results if isinstance(result, Unreachable)), None)
    shown = [(booking, result) for booking, result in zip(wanted, results, strict=True) if not isinstance(result, Unreachable)]
    parked = _may_be_ours(site, [(booking, row) for booking, row in shown if booking in named and booking not in linked])
    taken = [(linked.get(booking) or due.get(booking), result) for booking, result in shown if booking not in parked]
    _take_bookings(site, taken, stamp(source.last_good) if source.last_good else None)
    told = over.union(booking for booking, _ in shown) - parked
    site.state.park_event([event.id for event in events if event.booking_id in parked], site.name)
    site.state.settle_event([event.id for event in events if event.booking_id in told], site.name)
    if error is not None:
        _say_once(site, "repairy not read", source, error)
        site.state.save_source(replace(source, last_error=str(error)))
    elif wanted:
        site.state.save_source(replace(source, last_good=site.now(), last_error=""))
    return error is None


def _read(site: Site, booking: str) -> Sighting | NotFound | Unreachable:
    try:
        return ours(site, site.repairy.read(booking))
    except (NotFound, Unreachable) as error:
        return error


def ours(site: Site, row: Sighting) -> Sighting:
    """Raises NotFound where it is a booking of another workshop, whatever id it came under."""
    if row.workshop_id not in (None, site.id):
        site.log.warning("booking of another workshop", workshop=site.name, repairy_id=row.key)
        raise NotFound("Repairy has it in another workshop")
    return row


def _take_bookings(site: Site, shown: Sequence[tuple[Link | None, Sighting | NotFound]], last: str | None) -> None:
    """Known ones in one transaction; a booking that is not found there counts as missing."""
    site.state.save_all([(link, changes) for link, row in shown if link and (changes := _changes(site, link, row, last))])
    for link, row in shown:
        if link is None and isinstance(row, Sighting):
            take_new(site, row, last)
        elif link is not None and _reopened(link, row):
            lose_row(site, site.state.link(link.id), f"{link.shop_key}{LOST}", state="open")


def _reopened(link: Link, row: Sighting | NotFound) -> bool:
    """A booking that was over and left alone when its row went on as another is open again."""
    was, now = (view(fields or {}).get("status") for fields in (link.repairy, row.fields if isinstance(row, Sighting) else {}))
    return link.paired and link.state == "skipped" and was in FINAL and now in OPEN


def _changes(site: Site, link: Link, row: Sighting | NotFound, last: str | None) -> Changes:
    if isinstance(row, NotFound):
        changes = missed(site, link, "repairy")
        return changes and changes | {"poll_at": site.stamp(site.quarantine)}
    changes = sight(link, "repairy", row, site.stamp(), last) | {"poll_at": next_poll(site, link, row.fields)}
    differs = row.fields != link.repairy or row.ref != link.repairy_ref or link.missing.get("repairy")
    return changes | ({"due_at": site.stamp()} if differs else {})


def _may_be_ours(site: Site, unknown: Sequence[tuple[str, Sighting | NotFound]]) -> set[str]:
    """Those without a reference that have the plate of a create of ours whose outcome is not known yet."""
    plates = {name: view(row.fields).get("rego") for name, row in unknown if isinstance(row, Sighting) and row.ref is None}
    intents = site.state.open_intents(site.name) if plates else []
    making = {view(one.after).get("rego") for one in intents if one.side == "repairy" and one.kind == "create"}
    return {name for name, plate in plates.items() if plate in making}


def _made_up(site: Site, row: Sighting) -> bool:
    """Whether a person had us make it up, to try Repairy: it is left alone, also before its id is known."""
    mine = site.state.find(row.ref, site.name) if row.ref and row.ref.startswith(site.prefix) else []
    return any(one.reference == row.ref and "made_up" in one.choice for one in mine)


def take_new(site: Site, row: Sighting, last: str | None) -> None:
    """A Repairy booking that no record has yet becomes a half."""
    if not _made_up(site, row):
        half, now = Link(0, site.name, repairy_id=row.key), site.stamp()
        state = "open" if site.rules.baseline_at else "baseline"
        fresh = sight(half, "repairy", row, now, last)
        site.state.add(site.name, state=state, due_at=now, poll_at=next_poll(site, half, row.fields), **fresh)


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
