"""A shop that cannot be read, or not rightly: nothing is planned from it, nothing is cancelled, and all goes on afterwards.

A real engine on a real SQLite shop on the test's own clock (`tests.simulation.world`), with stamps of change and without.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sync.engine import Result
from tests.simulation.people import People
from tests.simulation.world import NAME, QUARANTINE, VISIBLE, ZONE, Setting, World

MANY = 20


@pytest.fixture(params=["demo", "plain"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    made = World(1, Setting(request.param, VISIBLE))
    yield made
    made.close()


@pytest.fixture
def people(world: World) -> People:
    """Twenty bookings in step."""
    world.turn()
    made = People(world)
    for number in range(MANY):
        made.staff_book()
        if number % 10 == 9:
            settled(world)
    assert len(world.partner.bookings) == MANY
    return made


def settled(world: World) -> None:
    for _ in range(3):
        world.later(240)
        world.turn()


def sweep(world: World) -> Result:
    """A pass after the next night."""
    world.later(86_400)
    return world.engine.run()


def calls(world: World) -> int:
    return sum(one.operation in ("create", "update", "set_status") for one in world.partner.calls)


def delete(world: World, *keys: int) -> None:
    world.desk.executemany("DELETE FROM bookings WHERE id = ?", [(key,) for key in keys])


def late(people: People) -> int:
    """The key of the booking that is furthest to come."""
    return max((row for case in people.cases if (row := people.row(case))), key=lambda row: row["time"])["id"]


def reasons(world: World, kind: str) -> set[str]:
    return {one.reason for one in world.state.store.standings(NAME, kind=kind)}


def test_while_the_shop_cannot_be_read_nothing_of_it_goes_out(world: World, people: People) -> None:
    """Not even what was seen before and only waited to settle."""
    people.staff_move(people.cases[0])
    world.turn()
    before = calls(world)
    for _ in range(5):
        world.shop.plan.append("shop_unreachable")
        world.later(240)
        assert world.engine.run().reached["shop"] is False
    assert calls(world) == before
    settled(world)
    assert people.agree(people.cases[0], "time")


def test_an_empty_answer_where_there_were_rows_is_no_answer(world: World, people: People) -> None:
    rows = world.desk.execute("SELECT * FROM bookings").fetchall()
    world.desk.execute("DELETE FROM bookings")
    before = calls(world)
    for _ in range(3):
        assert sweep(world).reached["shop"] is False
    assert calls(world) == before
    assert not any(link.missing for link in world.state.store.links(NAME))
    world.desk.executemany(f"INSERT INTO bookings VALUES ({', '.join('?' * len(rows[0]))})", rows)
    assert sweep(world).reached["shop"] is True
    assert calls(world) == before


def test_many_rows_missing_at_once_count_as_a_failed_read(world: World, people: People) -> None:
    delete(world, *range(1, 18))
    people.staff_work(people.cases[-1])
    before = calls(world)
    for _ in range(3):
        assert sweep(world).reached["shop"] is False
    assert calls(world) == before
    assert not any(link.missing for link in world.state.store.links(NAME))


def test_a_row_is_gone_only_when_it_was_missed_twice_a_quarantine_apart(world: World, people: People) -> None:
    delete(world, late(people))
    sweep(world)
    assert reasons(world, "held") == set()
    assert reasons(world, "waiting") == set() or reasons(world, "waiting") == {"not found once; it is looked for again"}
    world.later(QUARANTINE.total_seconds() / 2)
    world.turn()
    assert reasons(world, "held") == set()
    world.later(QUARANTINE.total_seconds())
    world.turn()
    world.turn()
    assert reasons(world, "held") == {"the shop's row is gone; the booking at Repairy is still open"}


def test_an_edit_at_repairy_between_does_not_hide_that_the_row_is_missing(world: World, people: People) -> None:
    """The booking becomes due for another reason; it is looked for again all the same, and nothing is written to its row."""
    delete(world, late(people))
    sweep(world)
    case = next(case for case in people.cases if people.row(case) is None)
    people.online_notes(case)
    world.deliver()
    world.turn()
    world.later(QUARANTINE.total_seconds() + 60)
    world.turn()
    world.turn()
    assert reasons(world, "held") == {"the shop's row is gone; the booking at Repairy is still open"}


def test_a_row_that_comes_back_between_was_never_gone(world: World, people: People) -> None:
    (row,) = world.desk.execute("SELECT * FROM bookings WHERE id = 3").fetchall()
    delete(world, 3)
    before = calls(world)
    sweep(world)
    world.desk.execute(f"INSERT INTO bookings VALUES ({', '.join('?' * len(row))})", row)
    world.later(QUARANTINE.total_seconds() * 2)
    for _ in range(3):
        world.turn()
    assert reasons(world, "held") == set()
    assert not any(link.missing for link in world.state.store.links(NAME))
    assert calls(world) == before


def test_a_missing_row_is_never_a_cancellation_by_itself(world: World, people: People) -> None:
    delete(world, 3, 4)
    for _ in range(4):
        sweep(world)
        settled(world)
    assert {one["status"] for one in world.partner.bookings.values()} == {"pending"}


def noted(world: World) -> list[str]:
    return [
        one.reason.partition(" of the shop")[0] for one in world.state.store.standings(NAME, "noted") if one.scope == "unreadable"
    ]


def test_a_row_that_nobody_understands_is_noted_until_it_is_mended_and_the_others_go_on(world: World, people: People) -> None:
    key, start = late(people), "SELECT dropoff FROM bookings WHERE id = ?"
    (before,) = world.desk.execute(start, (key,)).fetchone()
    change = "UPDATE bookings SET dropoff = ?, modified = ? WHERE id = ?"
    world.desk.execute(change, (f"{before[:10]} 99:99:99", stamped(world), key))
    told = people.staff_book()
    settled(world)
    settled(world)
    assert noted(world) == ["1 rows"]
    assert people.bookings(told), "the others went on"

    sweep(world)
    assert noted(world) == ["1 rows"]

    world.desk.execute(change, (before, stamped(world), key))
    settled(world)
    assert (noted(world), calls(world)) == ([], MANY + 1)


def stamped(world: World) -> str:
    """Now, as the shop's program stamps a change."""
    return world.clock.now().astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S")


def test_an_outage_is_told_once_and_not_with_every_pass(world: World, people: People) -> None:
    world.desk.execute("ALTER TABLE bookings RENAME TO gone")
    settled(world)
    settled(world)
    assert sum("shop not read" in line for line in world.machine.trace) == 1


def test_a_deleted_row_whose_key_our_own_insert_got_is_gone_and_not_the_new_one(world: World, people: People) -> None:
    """SQLite gives the highest key out again; the two bookings had one row between them, and tried to write it for ever."""
    last = max(int(key) for (key,) in world.desk.execute("SELECT id FROM bookings"))
    (old,) = world.state.store.by_shop_keys(NAME, [str(last)])[str(last)]
    delete(world, last)
    born = people.book_online()
    world.deliver()
    settled(world)
    (row,) = people.rows(born)
    assert row["id"] == last

    for _ in range(4):
        settled(world)
    (held,) = [one for one in world.state.store.standings(NAME, "held") if one.link_id == old.id]
    assert held.scope == "missing"
    (new,) = [one for one in world.state.store.links(NAME) if one.shop_key == str(last)]
    assert (new.paired, new.reference) == (True, f"{old.reference}~2")
    before = calls(world)
    settled(world)
    assert calls(world) == before
