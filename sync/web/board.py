"""What the status page shows: per workshop both sides, the sentence on top, and the bookings of these days.

Facts only, made from the state; neither side is asked. Wording is in `wording` and the templates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sync.core.booking import IGNORE, UNMAPPED, Fields, Link, Side
from sync.core.canonical import view
from sync.core.status import OPEN
from sync.core.times import day_of, is_day, parse, stamp
from sync.engine.site import Site
from sync.engine.suspicion import STOPS
from sync.records import Standing
from sync.state.glance import Backlog, Glance
from sync.web.wording import WHERE, ago, count, lasting, sentence

DAYS = 7  # today and the coming ones
STALE = timedelta(minutes=10)  # a side that should be read every minute
GRACE = timedelta(minutes=1)  # what is due for less is just being worked on
DEAF = "No webhooks are configured, so bookings made online do not reach the shop. Set webhooks.public_url (or webhooks.relay)."


@dataclass(frozen=True)
class SideNow:
    """How one side of a workshop stands. `to_read`, `to_confirm`: its queue."""

    side: Side
    read: datetime | None
    written: datetime | None
    lag: timedelta
    to_read: int
    to_confirm: int
    error: str

    @property
    def queue(self) -> str:
        parts = [
            f"{self.to_read:,} to read" if self.to_read else "",
            f"{self.to_confirm:,} to confirm" if self.to_confirm else "",
        ]
        return ", ".join(filter(None, parts)) or "empty"


@dataclass(frozen=True)
class WorkshopNow:
    """How one workshop stands."""

    name: str
    mode: str
    paused: str
    sides: tuple[SideNow, ...]
    due: Backlog
    waiting: int
    noted: int
    held: int
    started: bool  # a pass has ended
    stopped: str = ""  # why nothing at all is written until a person decides

    @property
    def changed(self) -> datetime | None:
        """The last write to either side."""
        return max((one.written for one in self.sides if one.written), default=None)


@dataclass(frozen=True)
class Saying:
    """One plain sentence; `tone`: good | busy | attention | trouble, the worst last."""

    tone: str
    text: str


@dataclass(frozen=True)
class Row:
    """A booking of these days. `state` is how it stands, in words; `tone` as of a saying."""

    link: Link
    day: date
    clock: str
    plate: str
    name: str
    job: str
    shop: str
    repairy: str
    tone: str
    state: str
    why: str


def workshop_now(site: Site, glance: Glance) -> WorkshopNow:
    desk, kinds, now = site.state.desk(site.name), glance.counts(site.name), site.now()
    held = kinds.get("held", 0) + kinds.get("plan", 0)
    started = any(site.state.source(site.name, side).last_attempt for side in ("shop", "repairy"))
    sides = (_shop(site, glance), _repairy(site, glance))
    due = glance.due(site.name, now)
    waiting, noted = kinds.get("waiting", 0), kinds.get("noted", 0)
    stopped = next((one.reason for one in site.state.plans(site.name) if one.scope in STOPS), "")
    return WorkshopNow(site.name, site.rules.mode, desk.paused, sides, due, waiting, noted, held, started, stopped)


def _shop(site: Site, glance: Glance) -> SideNow:
    """Its lag is the age of what is known of it."""
    good = site.state.source(site.name, "shop").last_good
    return _side(site, glance, "shop", site.now() - good if good else timedelta(), 0)


def _repairy(site: Site, glance: Glance) -> SideNow:
    """Its lag is how late the most overdue reading is: of an event, or of a booking whose turn it is."""
    events, overdue, now = site.state.events(site.name, parked=False), glance.overdue(site.name, site.now()), site.now()
    oldest = min([one.received_at for one in events] + ([overdue.oldest] if overdue.oldest else []), default=now)
    return _side(site, glance, "repairy", now - oldest, len(events) + overdue.count)


def _side(site: Site, glance: Glance, side: Side, lag: timedelta, to_read: int) -> SideNow:
    source, written = site.state.source(site.name, side), glance.last_writes(site.name).get(side)
    unsettled = sum(intent.side == side for intent in site.state.open_intents(site.name))
    return SideNow(side, source.last_good, written, max(lag, timedelta()), to_read, unsettled, source.last_error)


# -- the sentence on top


def saying(workshops: Sequence[WorkshopNow], now: datetime) -> Saying:
    """How everything stands, the worst first."""
    said = [one for workshop in workshops if (one := _trouble(workshop, now) or _attention(workshop, now))]
    for tone in ("trouble", "attention", "busy"):
        if texts := [one.text for one in said if one.tone == tone]:
            return Saying(tone, " ".join(texts))
    changed = max((one.changed for one in workshops if one.changed), default=None)
    return Saying(
        "good", f"All in step. Last change {ago(changed, now)}." if changed else "All in step. Nothing was written yet."
    )


def _trouble(workshop: WorkshopNow, now: datetime) -> Saying | None:
    whose = f"{workshop.name}: "
    for side in workshop.sides:
        if side.error:
            last = f"was last read {ago(side.read, now)}" if side.read else "was never read before"
            return Saying("trouble", f"{whose}{_NAMES[side.side]} could not be read; it {last}. {sentence(side.error)}")
    if workshop.stopped:
        return Saying("trouble", f"{whose}nothing is written until you decide: {workshop.stopped.rstrip('.')}.")
    shop = workshop.sides[0]
    if shop.read and now - shop.read > STALE:
        return Saying("trouble", f"{whose}the shop was last read {ago(shop.read, now)}.")
    return None


_NAMES = {"shop": "the shop", "repairy": "Repairy"}


def _attention(workshop: WorkshopNow, now: datetime) -> Saying | None:
    whose = f"{workshop.name}: "
    if not workshop.started:
        return Saying("busy", f"{whose}the first pass has not ended yet.")
    if workshop.paused:
        what = "nothing is pushed" if workshop.paused == "all" else "nothing that may message a customer is pushed"
        more = f" {count(workshop.held, 'thing')} for you to decide." if workshop.held else ""
        return Saying("attention", f"{whose}paused, {what}.{more}")
    if workshop.held:
        return Saying("attention", f"{whose}{count(workshop.held, 'thing')} for you to decide.")
    if workshop.mode == "observe":
        return Saying("attention", f"{whose}only watching (mode observe), nothing is written to either side.")
    if workshop.due.oldest and now - workshop.due.oldest > GRACE:
        return Saying(
            "busy", f"{whose}{count(workshop.due.count, 'booking')} to look at, for {lasting(now - workshop.due.oldest)}."
        )
    if workshop.waiting:
        return Saying("busy", f"{whose}in step, but for {_waiting(workshop.waiting)} time.")
    return None


def _waiting(number: int) -> str:
    return f"{count(number, 'change')} that {'waits for its' if number == 1 else 'wait for their'}"


# -- bookings of these days


def bookings(site: Site, glance: Glance) -> list[Row]:
    """Those that start today or on the coming days, on either side, in the order of the day."""
    today = site.now().astimezone(site.rules.zone).date()
    links = glance.starting(site.name, today, today + timedelta(days=DAYS - 1))
    stands = glance.standing(site.name, [link.id for link in links])
    rows = [_row(site, link, stands.get(link.id, [])) for link in links]
    return sorted((row for row in rows if 0 <= (row.day - today).days < DAYS), key=lambda row: (row.day, row.clock, row.plate))


def _row(site: Site, link: Link, stands: Sequence[Standing]) -> Row:
    shop, repairy = view(link.shop or {}), view(link.repairy or {})
    seen = {name: shop.get(name) or repairy.get(name) or "" for name in (*shop, *repairy)}
    tone, state, why = _state(site, link, stands)
    start = seen.get("starts_at") or stamp(site.now())
    clock = "" if is_day(start) else f"{parse(start).astimezone(site.rules.zone):%H:%M}"
    job = seen.get("description") or seen.get("service_category") or ""
    who = (seen.get("rego") or "", seen.get("name") or "", job)
    return Row(link, day_of(start, site.rules.zone), clock, *who, _status(shop), _status(repairy), tone, state, why)


def _status(fields: Fields) -> str:
    word = (fields.get("status") or "").removeprefix(UNMAPPED)
    return {"": "not there", IGNORE: "no booking"}.get(word, word)


def _state(site: Site, link: Link, stands: Sequence[Standing]) -> tuple[str, str, str]:
    """How a booking stands: the gravest that is said of it, else whether both sides have it."""
    for kind, tone, word in (
        ("held", "attention", "for you to decide"),
        ("waiting", "busy", "waiting"),
        ("noted", "quiet", "noted"),
    ):
        if found := [one.reason for one in stands if one.kind == kind]:
            return tone, word, "; ".join(found)
    if link.state == "baseline" and view(link.shop or link.repairy or {}).get("status") not in OPEN:
        return "quiet", "left alone", ""
    if link.state == "baseline":
        return "quiet", "from before", "it was there before this installation; backfill pushes it"
    if link.due_at and link.due_at <= site.stamp():
        return "busy", "in hand", "it is looked at in the next pass"
    if not link.paired:
        return "quiet", f"only {WHERE['shop' if link.shop_key else 'repairy']}", ""
    return "good", "in step", ""
