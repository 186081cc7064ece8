"""Local times to UTC text by the half hour: wherever there is an answer, it is that of `core.times`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.core import times
from sync.shop import halves

ZONES = ("Australia/Melbourne", "Australia/Adelaide", "Australia/Lord_Howe", "Asia/Kathmandu", "Europe/Berlin", "UTC")
MELBOURNE = ZoneInfo("Australia/Melbourne")
AT = "2026-03-06 09:15:07"


@given(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)), st.sampled_from(ZONES))  # noqa: DTZ001 (a shop's own clock)
def test_an_answer_is_that_of_the_zone(naive: datetime, name: str) -> None:
    zone = ZoneInfo(name)
    answer = halves.plain(zone, naive)
    assert answer is None or (times.iso(times.local(naive, zone)[0]), "") == (answer, times.local(naive, zone)[1])


@given(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)), st.sampled_from(ZONES))  # noqa: DTZ001
def test_text_is_read_as_the_time_that_it_spells(naive: datetime, name: str) -> None:
    zone = ZoneInfo(name)
    assert halves.plain(zone, naive.isoformat(" ", "seconds")) == halves.plain(zone, naive.replace(microsecond=0))


@pytest.mark.parametrize("zone", ["Australia/Melbourne", "Australia/Adelaide", "Australia/Lord_Howe", "UTC"])
def test_every_minute_of_an_ordinary_day_is_plain(zone: str) -> None:
    day = [datetime(2026, 3, 6) + timedelta(minutes=minute) for minute in range(1440)]  # noqa: DTZ001
    assert [halves.plain(ZoneInfo(zone), naive) for naive in day] == [
        times.iso(naive.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)) for naive in day
    ]


@pytest.mark.parametrize(
    "raw",
    [
        datetime(2026, 4, 5, 9, tzinfo=UTC), datetime(2026, 4, 5, 2, 30), datetime(2026, 4, 5, 9), datetime(1, 1, 1),  # noqa: DTZ001
        AT + ".5", AT + "+11:00", AT + "Z", "2026-03-06", "", None, 7, AT.encode(), "20260306 0915:07", "2026-13-06 09:15:07",
    ],
)  # fmt: skip
def test_what_is_not_plain_is_left_to_others(raw: object) -> None:
    """Among them every time of a day on which clocks change, and text that only looks like the usual form."""
    assert halves.plain(MELBOURNE, raw) is None


@pytest.mark.parametrize("text", [AT, AT.replace(" ", "T"), AT + ".000", AT + ".000000"])
def test_the_usual_spellings_of_a_time(text: str) -> None:
    assert halves.plain(MELBOURNE, text) == "2026-03-05T22:15:07Z"
