"""What the status page counts over a day and a month, and what it remarks on beside the workshops: facts in, figures out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sync.core.times import stamp
from sync.pulse import Pulse
from sync.records import Intent
from sync.state.glance import Glance
from sync.state.store import StateStore
from sync.web.charts import Charts
from sync.web.remarks import remarks
from sync.web.webhooks import Intake
from tests.fakes import FakeClock

HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime(2026, 3, 5, 12, 10, tzinfo=UTC))


@pytest.fixture
def state(clock: FakeClock) -> Iterator[StateStore]:
    made = StateStore("sqlite://", clock)
    yield made
    made.close()


def charts(state: StateStore, clock: FakeClock, zone: str) -> Charts:
    site: Any = SimpleNamespace(name="north", rules=SimpleNamespace(zone=ZoneInfo(zone)))
    return Charts([site], Glance(state.database, clock), clock)


@pytest.mark.parametrize("zone", ["Australia/Melbourne", "Australia/Adelaide"])
def test_every_pass_is_counted_in_its_hour(state: StateStore, clock: FakeClock, zone: str) -> None:
    """A pass every half minute for three hours, most of them quiet: none is lost, and each hour of the wall has its 120."""
    now = clock.now()
    begin = now.replace(minute=0) - 3 * HOUR
    for turn in range(0, int((now - begin).total_seconds()), 30):
        at = begin + timedelta(seconds=turn)
        counts, error = ({"repairy.accepted": 1} if turn % 900 == 0 else {}), ("shop not read" if turn == 30 else "")
        state.record_run("north", at, at, counts | {"calls": 2}, error)
    made = charts(state, clock, zone).buckets("24h")
    assert (sum(one.passes for one in made), sum(one.calls for one in made), sum(one.unread for one in made)) == (380, 760, 1)
    assert {one.passes for one in made if begin <= one.at and one.at + HOUR <= now} == {120}
    assert len(state.last_runs("north", 99)) <= 7 + 13 + 1


def test_a_lag_is_counted_from_when_the_value_was_first_seen(state: StateStore, clock: FakeClock) -> None:
    """Where a person decided, how long that took is nobody's lag: such a write carries no moment."""
    link, now = state.add("north", reference="NS-1"), clock.now()
    for number, first in enumerate([now - timedelta(seconds=9), now - timedelta(seconds=2), None]):
        context = {"groups": ["time"]} | ({"since": stamp(first)} if first else {})
        one = Intent(str(number), link.id, "north", "repairy", "change", {}, {}, None, None, context, now)
        state.intend(one)
        state.finish(one, "accepted", "", link)
        link = state.link(link.id)
    (*_, last) = charts(state, clock, "Australia/Melbourne").buckets("30d")
    assert (last.repairy, last.usual, last.longest) == (3, 5.5, 9.0)


# ---------------------------------------------------------------- remarks


@pytest.fixture
def intake(clock: FakeClock) -> Intake:
    return Intake(clock)


@pytest.fixture
def pulse(clock: FakeClock) -> Pulse:
    return Pulse(["North"], clock, timedelta(seconds=30))


def test_nothing_is_remarked_on_where_all_is_well(intake: Intake, pulse: Pulse, clock: FakeClock) -> None:
    assert remarks(intake, pulse, clock.now()) == []


def test_refused_deliveries_are_remarked_on_for_a_day(intake: Intake, pulse: Pulse, clock: FakeClock) -> None:
    intake.refuse("the signature does not fit", {})
    intake.refuse("the signature does not fit", {})
    clock.sleep(120)
    assert remarks(intake, pulse, clock.now()) == [
        "2 webhook deliveries were refused since the start, the last 2 minutes ago. The signature does not fit."
    ]
    clock.sleep(86_400)
    assert remarks(intake, pulse, clock.now()) == []


def test_deliveries_that_got_lost_on_the_way_are_remarked_on(intake: Intake, pulse: Pulse, clock: FakeClock) -> None:
    intake.unfetched, intake.unstored, intake.last_problem = "it does not answer", 1, "the disk is full"
    assert remarks(intake, pulse, clock.now()) == [
        "Webhooks cannot be fetched from the relay. It does not answer.",
        "1 webhook delivery could not be stored and will be sent again by Repairy. The disk is full.",
    ]


def test_passes_that_often_take_too_long_are_remarked_on(intake: Intake, pulse: Pulse, clock: FakeClock) -> None:
    """Not a single one: a first pass has much to do."""
    for late in (1, 2):
        pulse.begin("North")
        clock.sleep(31)
        assert pulse.overrun("North")
        pulse.end("North")
        said = remarks(intake, pulse, clock.now())
        assert said == (["North: 2 of 2 passes took longer than the 30 s between two."] if late == 2 else [])
