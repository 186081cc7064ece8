"""Limits on harm: an ordinary month trips nothing, a storm is not answered with a storm, what turns back and forth is held.

The real engine, stores and client on a clock of the test's own, against the sandbox (`tests.simulation.world`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from sync.core.booking import Link
from sync.sandbox.faults import Fault
from tests.simulation.people import Case, People
from tests.simulation.world import NAME, VISIBLE, ZONE, Setting, World

BOOKINGS, DAYS = 25, 30


@pytest.fixture(params=["demo", "plain"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    made = World(1, Setting(request.param, VISIBLE, start="2026-07-14T08:00"))
    yield made
    made.close()


@pytest.fixture
def people(world: World) -> People:
    """A workshop with a booking that is in step."""
    world.turn()
    made = People(world)
    made.staff_book()
    settle(world)
    assert made.bookings(made.cases[0])
    return made


def settle(world: World, minutes: int = 12) -> None:
    for _ in range(minutes // 4):
        world.later(240)
        world.deliver()
        world.turn()


def link_of(world: World) -> Link:
    (link,) = world.state.store.links(NAME)
    return link


def writes(world: World) -> int:
    return sum(one.operation in ("create", "update", "set_status") for one in world.partner.calls)


# -- an ordinary month


@pytest.mark.soak
def test_a_month_of_a_small_workshop_trips_nothing(world: World) -> None:
    """New cars each day, by telephone and online, work begun and finished, a few moved, noted or undone."""
    world.turn()
    people, seen = People(world), set[str]()
    for _ in range(BOOKINGS):
        people.staff_book()
        settle(world, 4)
    for _ in range(DAYS):
        for hour in range(8, 18, 2):
            _until(world, hour)
            _hour(people, hour)
            for _ in range(2):
                world.deliver()
                world.turn()
                world.later(400)
            seen |= {one.reason for one in world.state.store.plans(NAME)}
        _until(world, 3, timedelta(days=1))
        world.turn()
    assert seen == set()
    assert not world.wrong
    assert sum(_open(people, case) for case in people.cases) > BOOKINGS / 2


def _until(world: World, hour: int, later: timedelta = timedelta()) -> None:
    here = world.clock.now().astimezone(ZONE) + later
    wanted = here.replace(hour=hour, minute=0, second=0)
    world.later(max(0.0, (wanted - world.clock.now()).total_seconds()))


def _open(people: People, case: Case) -> bool:
    return people.shown(case, "shop", "status") in ("pending", "processing")


def _hour(people: People, hour: int) -> None:
    """Two hours of an ordinary day; at its end the cars that stand ready are finished together."""
    today = [case for case in people.cases if _open(people, case) and _day(people, case) <= people.world.clock.now()]
    chance = people.chance
    if hour < 16:
        chance.choice((people.staff_book, people.staff_book, people.book_online))()
    for case in today[:3]:
        people.staff_status(case, "processing") if people.shown(case, "shop", "status") == "pending" else people.staff_notes(case)
    if hour == 16:
        for case in today[:8]:
            people.staff_status(case, "done")
    if chance.random() < 0.5:
        late = [case for case in people.cases[-8:] if _open(people, case) and case not in today]
        for case in late[:1]:
            chance.choice((people.staff_move, people.staff_notes, people.staff_work))(case)
    if hour == 10 and today and chance.random() < 0.3:
        people.staff_status(today[0], "pending")  # begun too early


def _day(people: People, case: Case) -> datetime:
    row = people.row(case) or {}
    return datetime.fromisoformat(row.get("time") or "2100-01-01").replace(tzinfo=ZONE)


# -- a storm


def test_while_repairy_is_down_it_is_left_alone_and_then_all_is_brought(world: World, people: People) -> None:
    for _ in range(9):
        people.staff_book()
    settle(world)
    before = len(world.partner.calls)
    world.partner.faults.append(Fault("down", 10_000, "*"))
    for case in people.cases:
        people.staff_notes(case)
    for _ in range(120):  # two hours
        world.later(60)
        world.turn()
    assert world.site.breaker.until or world.site.breaker.half_open
    assert len(world.partner.calls) - before < 60
    world.partner.faults.clear()
    settle(world, 60)
    for case in people.cases:
        assert people.agree(case, "notes")


def test_while_it_is_open_the_booking_waits_and_says_so(world: World, people: People) -> None:
    world.partner.faults.append(Fault("500_before", 10_000, "*"))
    people.staff_notes(people.cases[0])
    for _ in range(30):
        world.later(60)
        world.turn()
        if world.site.breaker.until:
            break
    assert world.site.breaker.until
    people.staff_work(people.cases[0])
    count = writes(world)
    world.turn()
    assert writes(world) == count
    assert [one.kind for one in world.state.store.standings(NAME)] == ["waiting"]


# -- back and forth


def turn_over(world: World, people: People, times: int) -> None:
    """Each side undoes what the other did."""
    case = people.cases[0]
    for time in range(times):
        people.staff_work(case) if time % 2 else people.online_work(case)
        settle(world, 8)


def test_a_booking_that_turns_more_than_three_times_an_hour_is_held(world: World, people: People) -> None:
    turn_over(world, people, 4)
    assert people.agree(people.cases[0], "service")
    assert world.state.store.standings(NAME, kind="held") == []
    turn_over(world, people, 2)
    (held,) = world.state.store.standings(NAME, kind="held")
    assert held.scope == "service"
    assert "back and forth" in held.reason
    assert not people.agree(people.cases[0], "service")


def test_the_rest_of_that_booking_goes_on_and_a_person_releases_it(world: World, people: People) -> None:
    turn_over(world, people, 6)
    people.staff_notes(people.cases[0])
    settle(world)
    assert people.agree(people.cases[0], "notes")
    world.state.store.decide(NAME, "resolve", str(link_of(world).id), '{"use": "shop"}')
    settle(world)
    assert people.agree(people.cases[0], "service")
    assert world.state.store.standings(NAME, kind="held") == []


def test_one_side_that_writes_often_is_no_ping_pong(world: World, people: People) -> None:
    for _ in range(7):
        people.staff_notes(people.cases[0])
        people.staff_work(people.cases[0])
        settle(world, 8)
    assert people.agree(people.cases[0], "service")
    assert world.state.store.standings(NAME, kind="held") == []
