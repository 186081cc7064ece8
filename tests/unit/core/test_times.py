"""Times: local to UTC and back over the days on which clocks change, durations, grains."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from sync.core.times import at, day_of, duration, is_day, iso, local, parse, stamp, start_of

# The clock change of a year in each zone: (zone, what the clock shows, UTC, what is odd about it).
CLOCKS = [
    ("Australia/Melbourne", "2026-04-05 01:59", "2026-04-04T14:59:00Z", ""),
    ("Australia/Melbourne", "2026-04-05 02:00", "2026-04-04T15:00:00Z", "twice"),
    ("Australia/Melbourne", "2026-04-05 02:59", "2026-04-04T15:59:00Z", "twice"),
    ("Australia/Melbourne", "2026-04-05 03:00", "2026-04-04T17:00:00Z", ""),
    ("Australia/Melbourne", "2026-10-04 01:59", "2026-10-03T15:59:00Z", ""),
    ("Australia/Melbourne", "2026-10-04 02:00", "2026-10-03T16:00:00Z", "skipped"),
    ("Australia/Melbourne", "2026-10-04 02:59", "2026-10-03T16:59:00Z", "skipped"),
    ("Australia/Melbourne", "2026-10-04 03:00", "2026-10-03T16:00:00Z", ""),
    ("Australia/Sydney", "2026-04-05 02:30", "2026-04-04T15:30:00Z", "twice"),
    ("Australia/Sydney", "2026-10-04 02:30", "2026-10-03T16:30:00Z", "skipped"),
    ("Australia/Adelaide", "2026-04-05 02:30", "2026-04-04T16:00:00Z", "twice"),
    ("Australia/Adelaide", "2026-10-04 02:30", "2026-10-03T17:00:00Z", "skipped"),
    ("Australia/Brisbane", "2026-04-05 02:30", "2026-04-04T16:30:00Z", ""),  # has no summer time
    ("Australia/Brisbane", "2026-10-04 02:30", "2026-10-03T16:30:00Z", ""),
    ("Australia/Lord_Howe", "2026-04-05 01:29", "2026-04-04T14:29:00Z", ""),  # by half an hour
    ("Australia/Lord_Howe", "2026-04-05 01:30", "2026-04-04T14:30:00Z", "twice"),
    ("Australia/Lord_Howe", "2026-04-05 02:00", "2026-04-04T15:30:00Z", ""),
    ("Australia/Lord_Howe", "2026-10-04 02:15", "2026-10-03T15:45:00Z", "skipped"),
    ("Australia/Lord_Howe", "2026-10-04 02:30", "2026-10-03T15:30:00Z", ""),
    ("Europe/Berlin", "2026-10-25 02:30", "2026-10-25T00:30:00Z", "twice"),
    ("Europe/Berlin", "2026-03-29 02:30", "2026-03-29T01:30:00Z", "skipped"),
]


@pytest.mark.parametrize(("zone", "clock", "utc", "odd"), CLOCKS)
def test_local_times_where_clocks_change(zone: str, clock: str, utc: str, odd: str) -> None:
    """An hour that happens twice is the earlier; one that does not exist is shifted forward."""
    moment, mark = local(datetime.fromisoformat(clock), ZoneInfo(zone))
    assert (iso(moment), mark) == (utc, odd)


@pytest.mark.parametrize("zone", ["Australia/Melbourne", "Australia/Lord_Howe", "Europe/Berlin"])
def test_a_skipped_time_is_shown_as_the_clock_does_after_the_gap(zone: str) -> None:
    day = "2026-03-29" if zone == "Europe/Berlin" else "2026-10-04"
    moment, _ = local(datetime.fromisoformat(f"{day} 02:05"), ZoneInfo(zone))
    gap = timedelta(minutes=30 if zone == "Australia/Lord_Howe" else 60)
    assert moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == datetime.fromisoformat(f"{day} 02:05") + gap


def test_two_readings_of_one_clock_differ_only_in_utc() -> None:
    """Why everything goes to UTC first: aware datetimes of one zone compare without regard to fold."""
    zone = ZoneInfo("Australia/Melbourne")
    first, second = (datetime(2026, 4, 5, 2, 30, fold=fold, tzinfo=zone) for fold in (0, 1))
    assert first == second
    assert iso(first) != iso(second)
    assert parse(iso(second)) - parse(iso(first)) == timedelta(hours=1)


def test_the_machines_own_zone_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    zone = ZoneInfo("Australia/Melbourne")
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        moment, odd = local(datetime(2026, 4, 5, 2, 30), zone)  # noqa: DTZ001 (a shop's clock)
        told = iso(moment), odd, stamp(moment), iso(parse("2026-03-11T09:00:00+11:00")), day_of("2026-03-10T13:00:00Z", zone)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert told == (
        "2026-04-04T15:30:00Z",
        "twice",
        "2026-04-04T15:30:00.000000Z",
        "2026-03-10T22:00:00Z",
        date(2026, 3, 11),
    )


@pytest.mark.parametrize(
    ("text", "day"),
    [("2026-03-10T12:59:59Z", "2026-03-10"), ("2026-03-10T13:00:00Z", "2026-03-11"), ("2026-03-10", "2026-03-10")],
)
def test_a_day_is_the_workshops_own(text: str, day: str) -> None:
    assert day_of(text, ZoneInfo("Australia/Melbourne")) == date.fromisoformat(day)


def test_the_day_on_which_clocks_change_has_its_own_length() -> None:
    zone = ZoneInfo("Australia/Melbourne")
    assert start_of(date(2026, 4, 6), zone) - start_of(date(2026, 4, 5), zone) == timedelta(hours=25)
    assert start_of(date(2026, 10, 5), zone) - start_of(date(2026, 10, 4), zone) == timedelta(hours=23)


def test_a_time_of_day_on_a_day() -> None:
    assert iso(at(date(2026, 3, 11), "08:00", ZoneInfo("Australia/Melbourne"))) == "2026-03-10T21:00:00Z"


@pytest.mark.parametrize(
    "text", ["2026-03-10T22:00:00Z", "2026-03-11T09:00:00+11:00", "2026-03-10T22:00:00.000Z", "20260310T220000Z"]
)
def test_any_instant_is_read(text: str) -> None:
    assert iso(parse(text)) == "2026-03-10T22:00:00Z"


@pytest.mark.parametrize("text", ["2026-03-10T22:00:00", "2026-03-10", "soon", ""])
def test_a_time_without_a_zone_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="without a zone" if text[:2] == "20" else "Invalid"):
        parse(text)


def test_what_is_read_is_in_utc() -> None:
    """Not in an equal zone of the machine's."""
    assert parse("2026-03-11T09:00:00+11:00").tzinfo is UTC
    assert at(date(2026, 3, 11), "08:00", ZoneInfo("Australia/Melbourne")).tzinfo is UTC


def test_whole_seconds_are_cut_not_rounded() -> None:
    assert iso(datetime(2026, 3, 10, 22, 0, 0, 999_999, UTC)) == "2026-03-10T22:00:00Z"


def test_stamps_sort_as_time_does() -> None:
    moments = [datetime(2026, 3, 10, 22, tzinfo=UTC) + timedelta(microseconds=step) for step in (0, 1, 10, 999_999, 1_000_000)]
    assert sorted(map(stamp, moments)) == [stamp(moment) for moment in moments]
    assert [parse(stamp(moment)) for moment in moments] == moments


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("5m", 300), ("24h", 86400), ("2d", 172800), ("250ms", 0.25), (" 1.5h ", 5400), ("0s", 0)]
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "m", "-5m", "5 minutes", "5m 3s", "1w", "1e3s"])
def test_what_is_no_duration_is_refused_saying_what_is(text: str) -> None:
    with pytest.raises(ValueError, match="30s"):
        duration(text)


@pytest.mark.parametrize(("text", "day"), [("2026-03-10", True), ("2026-03-10T22:00:00Z", False), (None, False)])
def test_what_is_a_plain_day(text: str | None, day: bool) -> None:
    assert is_day(text) is day
