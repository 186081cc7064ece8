"""The two days of a year on which Sydney's clocks change, to every layout: the wall stays, and nothing goes to and fro."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from tests.shops.program import ZONE
from tests.shops.site import Site, soon, utc

pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]

WIDE = '[schedule]\nwindow_future = "400d"'  # two days on which clocks change lie within it


def test_both_days_on_which_clocks_change_keep_the_time_on_the_wall(site: Site) -> None:
    """Sydney's: the hour that happens twice is the earlier, the one that does not exist is an hour later."""
    site.configure(safety=WIDE)
    days = list(islice(clock_changes(datetime.now(ZONE)), 2))
    walls = [day.replace(hour=hour, minute=30) + timedelta(days=later) for day in days for later, hour in HOURS]
    keys = {number: site.program.book(number, wall) for number, wall in enumerate(walls, 910)}
    site.begin()
    assert {number: site.at_repairy(number)["bookingTime"] for number in keys} == {
        number: utc(wall) for number, wall in enumerate(walls, 910)
    }
    site.edit(str(site.at_repairy(910)["id"]), bookingTime=utc(days[0].replace(hour=14)))
    site.edit(str(site.at_repairy(911)["id"]), bookingTime=utc(days[1].replace(hour=8)))
    site.sync()
    if "move" in site.program.can:
        shown = [site.program.row(keys[number]) for number in (910, 911)]
        assert [row and row.start for row in shown] == [days[0].replace(hour=14), days[1].replace(hour=8)]
    writes = site.writes
    assert [one for one in site.sync()["actions"] if one["outcome"]] == []
    assert site.writes == writes


def test_online_moves_into_the_odd_hours_of_both_days_settle(site: Site) -> None:
    """An hour that happens twice is one to the shop: either of the two at Repairy is shown so, and nothing goes to and fro."""
    site.configure(safety=WIDE)
    days = list(islice(clock_changes(datetime.now(ZONE)), 2))
    instants = [instant for day in days for instant in odd_instants(day)]
    keys = [site.program.book(number, soon(3)) for number in range(920, 920 + len(instants))]
    site.begin()
    for number, instant in enumerate(instants, 920):
        site.edit(str(site.at_repairy(number)["id"]), bookingTime=shown(instant))
    site.sync()
    if "move" in site.program.can:
        walls = [instant.astimezone(ZONE).replace(tzinfo=None) for instant in instants]
        assert [row and row.start for row in map(site.program.row, keys)] == walls
    for _ in range(2):
        writes = site.writes
        assert [one for one in site.sync()["actions"] if one["outcome"]] == []
        assert site.writes == writes
    assert [site.at_repairy(number)["bookingTime"] for number in range(920, 920 + len(instants))] == list(map(shown, instants))


def odd_instants(day: datetime) -> list[datetime]:
    """The half hours about the change: 01:30, 02:30 once or twice or not at all, 03:30, on the wall."""
    first = day.replace(hour=1, minute=30, tzinfo=ZONE).astimezone(UTC)
    return [first + timedelta(hours=hours) for hours in range(3)]


def shown(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%S.000Z")


HOURS = ((-1, 16), (0, 2), (0, 9), (1, 7))  # the day before, the hour of the change, that morning, the day after


def clock_changes(now: datetime) -> Iterator[datetime]:
    """The days to come whose end is not as far from UTC as their beginning: one in autumn, one in spring."""
    for later in range(1, 380):
        day = (now + timedelta(days=later)).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        offsets = {(day + timedelta(hours=hour)).replace(tzinfo=ZONE).utcoffset() for hour in (0, 23)}
        if len(offsets) == 2:
            yield day
