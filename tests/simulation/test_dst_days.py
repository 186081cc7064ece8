"""The days on which the clocks are changed, where workshops are: Melbourne, Sydney, Adelaide, Brisbane, Lord Howe, Berlin.

Bookings stand in every half hour around the change, made on either side; both agree, nothing goes back and forth, the
nightly sweep comes once. Brisbane never changes its clocks: its days are those on which Sydney does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sync.core.times import local
from tests.simulation import people, proof, world
from tests.simulation.scripted import Scripted
from tests.simulation.story import History
from tests.simulation.world import WORKSHOP, Setting

ZONES = (
    "Australia/Melbourne",
    "Australia/Sydney",
    "Australia/Adelaide",
    "Australia/Brisbane",
    "Australia/Lord_Howe",
    "Europe/Berlin",
)
YEARS = (2026, 2027)
HALF = timedelta(minutes=30)
AROUND = range(-6, 7)  # half hours about the change


@cache
def changes(name: str, year: int) -> tuple[datetime, ...]:
    """The moments of a year at which a zone's clocks are changed, UTC; Sydney's where they never are."""
    zone, start = ZoneInfo(name), datetime(year, 1, 1, tzinfo=UTC)
    hours = [start + HALF * count for count in range(2 * 24 * 365)]
    found = tuple(two for one, two in pairwise(hours) if one.astimezone(zone).utcoffset() != two.astimezone(zone).utcoffset())
    return found or changes("Australia/Sydney", year)


TESTED = ("Australia/Melbourne", "Australia/Lord_Howe")  # the others with the soak
DAYS = [(name, moment) for name in ZONES for moment in changes(name, YEARS[0])]
EACH = [pytest.param(name, moment, marks=[] if name in TESTED else pytest.mark.soak) for name, moment in DAYS]


def _named(value: Any) -> str:
    return value.partition("/")[2] if isinstance(value, str) else f"{value:%Y-%m-%d}"


@pytest.fixture
def zone(name: str, monkeypatch: pytest.MonkeyPatch) -> ZoneInfo:
    """A world of this zone."""
    return _in(name, monkeypatch)


def _in(name: str, monkeypatch: pytest.MonkeyPatch) -> ZoneInfo:
    made = ZoneInfo(name)
    for module in (world, people):
        monkeypatch.setattr(module, "ZONE", made)
    return made


@pytest.fixture
def story(zone: ZoneInfo, moment: datetime) -> Iterator[Scripted]:
    """From the noon before."""
    day = (moment.astimezone(zone) - timedelta(days=1)).date()
    made = Scripted(1, Setting(start=f"{day}T12:00"))
    yield made
    made.close()


def _wall(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).replace(tzinfo=None).isoformat(" ")


def _wire(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _moment(booking: dict[str, Any], name: str = "bookingTime") -> datetime:
    return datetime.fromisoformat(booking[name])


def _write(story: Scripted, text: str, number: int) -> None:
    """Staff put that time on the wall into a new row."""
    desk = story.world.desk
    who = desk.execute(
        "INSERT INTO customers (name, phone, email) VALUES (?, ?, ?)",
        (f"Customer N{number}", f"0400 {number:06}", f"n{number}@example.com"),
    )
    car = desk.execute("INSERT INTO vehicles (customer_id, plate) VALUES (?, ?)", (who.lastrowid, f"BBB{number:03}"))
    desk.execute(
        "INSERT INTO bookings (customer_id, vehicle_id, status_id, kind, dropoff, modified)"
        " VALUES (?, ?, (SELECT id FROM statuses WHERE name = 'Booked'), 'job', ?, ?)",
        (who.lastrowid, car.lastrowid, text, _wall(story.world.clock.now(), world.ZONE)),
    )


def _writes(story: Scripted) -> tuple[int, list[Any]]:
    """What was written so far, on both sides."""
    calls = sum(one.operation in ("create", "update", "set_status") for one in story.world.partner.calls)
    return calls, story.world.desk.execute("SELECT * FROM bookings ORDER BY id").fetchall()


def _stays(story: Scripted) -> None:
    """No further pass writes: not before the change, on its day, nor after."""
    before = _writes(story)
    for _ in range(12):
        story.passes(seconds=8 * 3600.0)
    assert _writes(story) == before


@pytest.mark.parametrize(("name", "moment"), EACH, ids=_named)
def test_bookings_made_online_stand_in_the_shop_as_its_wall_clock_shows_them(
    story: Scripted, zone: ZoneInfo, moment: datetime
) -> None:
    """Repairy's own moments are never touched, those of an hour that comes twice neither."""
    story.passes()
    starts = [moment + HALF * step for step in AROUND]
    ids = {}
    for number, start in enumerate(starts):
        fields = {"first_name": "Customer", "last_name": f"N{number}", "phone": f"0400{number:06}", "rego": f"AAA{number:03}",
                  "service_category": "service", "starts_at": _wire(start), "ends_at": _wire(start + 3 * HALF)}  # fmt: skip
        ids[story.world.partner.book(WORKSHOP, fields)] = start
    story.settled()
    story.passes(2)
    rows = dict(story.world.desk.execute("SELECT online_ref, dropoff FROM bookings").fetchall())
    assert rows == {booking: _wall(start, zone) for booking, start in ids.items()}
    _stays(story)
    assert {booking: _moment(one) for booking, one in story.world.partner.bookings.items()} == ids


@pytest.mark.parametrize(("name", "moment"), EACH, ids=_named)
def test_bookings_of_the_shop_go_out_as_the_one_moment_they_mean(story: Scripted, zone: ZoneInfo, moment: datetime) -> None:
    """Of an hour that comes twice the earlier; of one that is skipped, as far behind the change. The rows stay as they are."""
    story.passes()
    around = moment.astimezone(zone).replace(tzinfo=None)
    texts = [around + HALF * step for step in AROUND]
    for number, text in enumerate(texts):
        _write(story, text.isoformat(" "), number)
    story.passes(8, 200.0)
    shown = {one["car"]["rego"]: _moment(one) for one in story.world.partner.bookings.values()}
    assert shown == {f"BBB{number:03}": _meant(text, zone) for number, text in enumerate(texts)}
    _stays(story)
    assert [row[0] for row in story.world.desk.execute("SELECT dropoff FROM bookings ORDER BY id")] == [
        text.isoformat(" ") for text in texts
    ]


def _meant(text: datetime, zone: ZoneInfo) -> datetime:
    """By the rule of the design, from the zone's table alone: the first moment whose wall shows it; else behind the gap."""
    near = text.replace(tzinfo=UTC) - timedelta(hours=16)
    quarters = [near + timedelta(minutes=15) * count for count in range(4 * 32)]
    shown = [one for one in quarters if one.astimezone(zone).replace(tzinfo=None) == text]
    if shown:
        return shown[0]
    before = next(one for one in quarters if one.astimezone(zone).replace(tzinfo=None) == text - timedelta(hours=2))
    return before + timedelta(hours=2)


@pytest.mark.parametrize(("name", "moment"), EACH, ids=_named)
def test_moves_over_the_change_arrive(story: Scripted, zone: ZoneInfo, moment: datetime) -> None:
    """Moved online from before to behind, and back by staff: each side shows the same moment."""
    story.passes()
    start = moment - timedelta(hours=20)
    fields = {"first_name": "Customer", "last_name": "N1", "phone": "0400000001", "rego": "AAA001", "service_category": "service",
              "starts_at": _wire(start), "ends_at": _wire(start + timedelta(hours=4))}  # fmt: skip
    booking = story.world.partner.book(WORKSHOP, fields)
    story.settled()
    story.passes(2)
    story.world.partner.move(booking, _wire(moment + timedelta(hours=7)))
    story.passes(2)
    assert story.world.desk.execute("SELECT dropoff FROM bookings").fetchone()[0] == _wall(moment + timedelta(hours=7), zone)
    back, now = moment - timedelta(hours=9), story.world.clock.now()
    values = (_wall(back, zone), _wall(back + timedelta(hours=18), zone), _wall(now, zone))
    story.world.desk.execute("UPDATE bookings SET dropoff = ?, pickup = ?, modified = ?", values)
    story.settled()
    story.passes(2)
    shown = story.world.partner.bookings[booking]
    assert (_moment(shown), _moment(shown, "pickupTime")) == (back, back + timedelta(hours=18))
    _stays(story)


@pytest.mark.parametrize(("name", "moment"), EACH, ids=_named)
def test_the_sweep_comes_once_on_every_day(story: Scripted, zone: ZoneInfo, moment: datetime) -> None:
    """At half past two, or as near as there is: an hour that comes twice or never brings neither two nor none."""
    sweeps = list[datetime]()
    _write(story, _wall(moment + timedelta(days=3), zone), 1)  # a shop without a row is read whole every time
    story.passes(2)
    while story.world.clock.now() < moment + timedelta(days=2):
        story.passes(seconds=1800.0)
        last = story.world.state.store.desk("Northside").last_sweep
        if last is not None and last not in sweeps:
            sweeps.append(last)
    nights = [one.astimezone(zone).date() for one in sweeps[1:]]  # before: the very first passes
    days = (moment.astimezone(zone).date() + timedelta(days=count) for count in range(2))
    assert [day for day in days if nights.count(day) != 1] == []
    assert all(_half_past_two(one, zone) <= one < _half_past_two(one, zone) + timedelta(minutes=31) for one in sweeps[1:])


def _half_past_two(moment: datetime, zone: ZoneInfo) -> datetime:
    return local(datetime.fromisoformat(f"{moment.astimezone(zone).date()}T02:30"), zone)[0]


@pytest.mark.parametrize(("name", "moment"), EACH, ids=_named)
def test_a_day_is_the_workshops_own(zone: ZoneInfo, moment: datetime) -> None:
    """The day of the change has 23, 23½, 24, 24½ or 25 hours; the table that these tests stand on knows it."""
    day = moment.astimezone(zone).date()
    long = _midnight(day + timedelta(days=1), zone) - _midnight(day, zone)
    change = (moment.astimezone(zone).utcoffset() or timedelta()) - ((moment - HALF).astimezone(zone).utcoffset() or timedelta())
    assert long == timedelta(hours=24) - change
    assert (change == timedelta()) == (zone.key == "Australia/Brisbane")


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _history(name: str, moment: datetime, seed: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    zone = _in(name, monkeypatch)
    day = (moment.astimezone(zone) - timedelta(days=1)).date()
    history = History(seed, Setting(start=f"{day}T15:00"))
    try:
        lines = proof.broken(history.run())
        return [f"seed {seed}: {name} {moment}", *history.world.machine.trace[-60:], *lines] if lines else []
    finally:
        history.world.close()


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize(("name", "moment"), DAYS, ids=_named)
def test_histories_over_the_change(name: str, moment: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Edits, faults and crashes over the days of the change: every promise holds."""
    for seed in range(5_000, 5_006):
        lines = _history(name, moment, seed, monkeypatch)
        assert not lines, "\n".join(lines)


@pytest.mark.prove
@pytest.mark.timeout(0)
@pytest.mark.parametrize(
    ("name", "moment"), [(name, moment) for name in ZONES for year in YEARS for moment in changes(name, year)], ids=_named
)
def test_many_histories_over_the_change(name: str, moment: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(2_000_000, 2_000_000 + int(os.environ.get("HISTORIES", "200"))):
        lines = _history(name, moment, seed, monkeypatch)
        assert not lines, "\n".join(lines)
