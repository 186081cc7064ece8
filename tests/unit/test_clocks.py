"""Local times to UTC text, many at once: wherever there is an answer, it is that of `core.times`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.core import times
from sync.shop import remembered
from sync.shop.clocks import LocalClock

ZONES = ("Australia/Melbourne", "Australia/Adelaide", "Australia/Lord_Howe", "Asia/Kathmandu", "Europe/Berlin", "UTC")
CHANGING = (
    "Australia/Hobart", "Australia/Adelaide", "Australia/Lord_Howe", "Pacific/Chatham", "Europe/Dublin", "Africa/Casablanca",
    "Antarctica/Troll", "America/New_York",
)  # fmt: skip
AT = "2026-03-06 09:15:07"
MELBOURNE = LocalClock(ZoneInfo("Australia/Melbourne"))
CLOCKS = {name: LocalClock(ZoneInfo(name)) for name in ZONES}


def agrees(name: str, naive: datetime, answer: str | None) -> bool:
    utc, odd = times.local(naive, ZoneInfo(name))
    return answer is None or (answer, odd) == (times.iso(utc), "")


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)), st.sampled_from(ZONES))  # noqa: DTZ001 (a shop's own clock)
def test_an_answer_is_that_of_the_zone(naive: datetime, name: str) -> None:
    assert agrees(name, naive, CLOCKS[name].plain(naive))


@given(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)), st.sampled_from(ZONES))  # noqa: DTZ001
def test_text_is_read_as_the_time_that_it_spells(naive: datetime, name: str) -> None:
    assert CLOCKS[name].plain(naive.isoformat(" ", "seconds")) == CLOCKS[name].plain(naive)


@given(
    st.from_regex(r"[0-9]{4}-?(W?[0-9]{2})-?[0-9]{1,2}[ T][0-9]{2}:?[0-9]{2}:?[0-9]{0,2}([.]0{1,6})?(Z|[+]10)?", fullmatch=True)
)
def test_text_that_looks_like_a_time_is_read_as_that_time_or_not_at_all(text: str) -> None:
    answer = MELBOURNE.plain(text)
    assert answer is None or agrees("Australia/Melbourne", datetime.fromisoformat(text), answer)


@pytest.mark.parametrize("name", CHANGING)
def test_around_every_change_of_clocks(name: str) -> None:
    """The hours around each change of two years, by ten minutes."""
    zone, clock = ZoneInfo(name), LocalClock(ZoneInfo(name))
    hours = [(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour)).astimezone(zone) for hour in range(2 * 8766)]
    changes = [before for before, after in pairwise(hours) if before.utcoffset() != after.utcoffset()]
    assert len(changes) == 4
    for change in changes:
        for minutes in range(-180, 240, 10):
            near = change.replace(tzinfo=None) + timedelta(minutes=minutes)
            assert agrees(name, near, clock.plain(near))


@pytest.mark.parametrize("name", ["Australia/Melbourne", "Australia/Adelaide", "Australia/Lord_Howe", "UTC"])
def test_every_minute_of_an_ordinary_day_is_plain(name: str) -> None:
    day = [datetime(2026, 3, 6) + timedelta(minutes=minute) for minute in range(1440)]  # noqa: DTZ001
    utc = [times.iso(naive.replace(tzinfo=ZoneInfo(name))) for naive in day]
    assert CLOCKS[name].column(day) == utc
    assert CLOCKS[name].column([f"{naive}.000" for naive in day]) == utc


def test_on_a_day_of_change_only_the_hour_of_the_change_is_not_plain() -> None:
    day = [datetime(2026, 4, 5, hour, 30) for hour in range(24)]  # noqa: DTZ001
    assert [naive.hour for naive, answer in zip(day, MELBOURNE.column(day), strict=True) if answer is None] == [2]


@pytest.mark.parametrize(
    "raw",
    [
        datetime(2026, 3, 6, 9, tzinfo=UTC), datetime(2026, 4, 5, 2, 30), datetime(2026, 10, 4, 2, 30), datetime(1, 1, 1),  # noqa: DTZ001
        AT + ".5", AT + "+11:00", AT + "Z", "2026-03-06", "", None, 7, AT.encode(), "20260306 0915:07", "2026-13-06 09:15:07",
        timedelta(hours=9), AT[:16], "9999-12-31 09:00:00", datetime(9999, 12, 31), "1899-12-31 09:00:00", "9991-01-01 00:00:00",  # noqa: DTZ001
        bytearray(AT.encode()), memoryview(bytearray(AT.encode())),
    ],
)  # fmt: skip
def test_what_is_not_plain_is_left_to_others(raw: object) -> None:
    """Among them the hours of a change of clocks, and text that only looks like the usual form."""
    assert MELBOURNE.plain(raw) is None
    assert MELBOURNE.column([AT, raw, AT]) == ["2026-03-05T22:15:07Z", None, "2026-03-05T22:15:07Z"]


@pytest.mark.parametrize("text", [AT, AT.replace(" ", "T"), AT + ".000", AT + ".000000"])
def test_the_usual_spellings_of_a_time(text: str) -> None:
    assert MELBOURNE.plain(text) == "2026-03-05T22:15:07Z"


def test_it_does_not_remember_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "_MANY", 10)
    clock = LocalClock(ZoneInfo("Australia/Melbourne"))
    day = [datetime(2026, 3, 6, hour) for hour in range(24)]  # noqa: DTZ001
    assert clock.column(day) == MELBOURNE.column(day)
    assert len(clock._heads) <= 10
