"""Upkeep: personal data goes when it is no longer needed, by the calendar or because somebody asks. Links stay.

What stays of an erased booking is what keeps it from being made or messaged again: its ids, its reference, the visible
kinds accepted, the digest of its row. It is left alone from then on, unless its row becomes a booking to come.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from sync.core.booking import Link
from sync.core.canonical import view
from sync.core.scene import is_past
from sync.core.status import OPEN
from sync.core.times import day_of, parse
from sync.engine.site import Site
from sync.errors import SyncError

KEPT = timedelta(days=90)  # settled events, ended runs, closed holds, decisions taken
_NOTHING = {"state": "closed", "due_at": None, "poll_at": None, "missing": {}, "choice": {"forgotten": "1"}}


def purge(site: Site) -> int:
    """Erase what was over for longer than the retention; drop what ended and tells nothing more. How many were erased."""
    busy = {intent.link_id for intent in site.state.open_intents(site.name)}
    last = (site.now() - site.retention).astimezone(site.rules.zone).date()
    old = [link for link in site.state.links(site.name) if _known(link) and link.id not in busy and _day(site, link) < last]
    for link in old:
        erase(site, link)
    site.state.prune(site.now() - min(KEPT, site.retention))
    return len(old)


def forget(site: Site, link: Link) -> list[Link]:
    """Erase a customer: this booking and all others with the same phone or e-mail. Raises SyncError while one is open."""
    mine = of_customer(site, link)
    for one in mine:
        erase(site, one)
    return mine


def of_customer(site: Site, link: Link) -> list[Link]:
    """The bookings that `forget` would erase. Raises SyncError naming one that is open or not settled yet."""
    contacts = _contacts(link)
    mine = [one for one in site.state.links(site.name) if one.id == link.id or (_known(one) and contacts & _contacts(one))]
    busy = {intent.link_id for intent in site.state.open_intents(site.name)}
    for one in mine:
        if one.id in busy or _open(site, one):
            name = one.reference or one.repairy_code or one.repairy_id
            raise SyncError(f"booking {name} of this customer is still open: finish or cancel it first, then forget")
    return mine


def erase(site: Site, link: Link) -> None:
    """Personal data goes from the link, its journal and what stands for it."""
    site.state.erase(link, **_NOTHING)
    site.log.info("forgotten", workshop=site.name, reference=link.reference)


def _known(link: Link) -> bool:
    return "forgotten" not in link.choice


def _contacts(link: Link) -> set[str]:
    views = [view(fields or {}) for fields in (link.shop, link.repairy)]
    return {value for seen in views for name in ("phone", "email") if (value := seen.get(name))}


def _open(site: Site, link: Link) -> bool:
    views = [view(fields) for fields in (link.shop, link.repairy) if fields is not None]
    return any(seen.get("status") in OPEN and not is_past(seen.get("starts_at"), site.rules.zone, site.now()) for seen in views)


def _day(site: Site, link: Link) -> date:
    """The last day that is known of it: of its times, else of when it was seen."""
    return max(_days(site, link), default=site.now().date())


def _days(site: Site, link: Link) -> Iterator[date]:
    zone = site.rules.zone
    views = [view(fields or {}) for fields in (link.shop, link.repairy)]
    times = [text for seen in views for name in ("starts_at", "ends_at") if (text := seen.get(name))]
    yield from (day_of(text, zone) for text in times)
    if not times:
        yield from (parse(entry["first"]).astimezone(zone).date() for entry in link.seen.values() if "first" in entry)
