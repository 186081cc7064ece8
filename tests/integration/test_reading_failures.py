"""A shop that cannot be read, or not rightly: nothing is planned from it, nothing is cancelled, and all goes on afterwards.

A real engine on a real SQLite shop on the test's own clock (`tests.simulation.world`), with stamps of change and without.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.core.action import Action
from sync.core.booking import Sighting
from sync.engine import Result
from sync.engine.folding import accept
from sync.engine.rebuild import rebuild
from sync.engine.site import free_references
from sync.records import Intent
from sync.share import CONFIG
from tests.integration.installation import installed
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
    assert reasons(world, "waiting") == {"not found once; it is looked for again"}
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


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01"])
def test_a_day_that_stands_for_never_costs_its_own_row_and_no_other(tmp_path: Path, day: str) -> None:
    """In a linked row and in a new one, of a shop whose days do not sort as text, so that every one of them is read."""
    builtin = (CONFIG / "profiles" / "demo.toml").read_text(encoding="utf-8")
    start = "substr(b.dropoff, 9, 2) || '/' || substr(b.dropoff, 6, 2) || '/' || substr(b.dropoff, 1, 4) AS date"
    text = builtin.replace("b.dropoff AS starts_at", start).replace("[booking]", '[formats]\ndate = "%d/%m/%Y"\n[booking]', 1)
    (tmp_path / "days.toml").write_text(text, encoding="utf-8")
    with installed(tmp_path) as site:
        site.configure(profile="days.toml")
        assert site.run("backfill", "--nothing-at-repairy").code == 0
        with contextlib.closing(sqlite3.connect(tmp_path / "shop.db")) as shop, shop:
            shop.execute("UPDATE bookings SET dropoff = ? WHERE id = 1", (day,))
        site.office.book(45, site.office.at(4, 9))
        with contextlib.closing(sqlite3.connect(tmp_path / "shop.db")) as shop, shop:
            shop.execute("UPDATE bookings SET dropoff = ? WHERE id = (SELECT max(id) FROM bookings)", (day,))
        site.office.book(46, site.office.at(4, 9))
        said = [site.run("sync"), site.run("sync")][-1]
        assert said.code == 0, said.err
        assert [one["reason"].partition(" of the shop")[0] for one in said.json["workshops"][0]["noted"]][:1] == ["2 rows"]
        plates = [one["car"]["rego"] for one in site.bookings()]
        assert (plates.count("AAA045"), plates.count("AAA046")) == (0, 1)


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

    world.lose_state()
    rebuild(world.engine, world.journal.read())
    for _ in range(4):
        settled(world)
    assert {one.scope for one in world.state.store.standings(NAME, "held")} == {"missing"}
    assert [one.reference for one in world.state.store.links(NAME) if one.shop_key == str(last)] == [f"{old.reference}~2"]
    assert calls(world) == before


def test_a_row_deleted_before_it_was_made_at_repairy_is_not_made_from_another_of_its_key(world: World, people: People) -> None:
    """Both were due in one pass; the pass ended in an error, and every booking after them waited for the next."""
    born = people.book_online()
    world.deliver()
    world.turn()
    world.later(1)
    people.staff_book()  # stamped in the same second: the store without the row reads as before
    case = people.staff_book()
    world.turn()
    key = people.row(case)["id"]
    people.staff_delete(case)
    world.later(400)
    world.turn()
    assert people.row(born)["id"] == key
    for _ in range(4):
        settled(world)
    assert people.bookings(case) == []
    assert world.state.store.standings(NAME, "held") == []
    assert [link.paired for link in world.state.store.links(NAME) if link.shop_key == str(key)] == [True]


def test_a_half_of_our_own_booking_goes_into_its_link_also_while_the_shop_is_making_it(world: World, people: People) -> None:
    """Two records cannot have one booking: the create at Repairy would never be settled, and no pass come to its end."""
    site, now = world.engine.site, world.clock.now()
    fields = {"rego": "AAA777", "starts_at": "2026-03-05T22:00:00Z"}
    row = site.state.add(NAME, reference="NS7K2-777", shop_key="777", shop=fields, state="open")
    half = site.state.add(NAME, repairy_id="R777", repairy=fields, state="open")
    made = Intent("a", row.id, NAME, "repairy", "create", {}, fields, fields, None, {}, now)
    for intent in (made, Intent("b", half.id, NAME, "shop", "create", {}, fields, None, fields, {"keys": []}, now)):
        site.state.intend(intent)
    accept(site, row, Action("repairy", "create", fields, (), "new", reference="NS7K2-777"), made, Sighting("R777", fields))
    (link,) = [one for one in site.state.links(NAME) if one.repairy_id == "R777"]
    assert (link.id, link.shop_key, link.reference) == (row.id, "777", "NS7K2-777")
    assert [intent.op for intent in site.state.open_intents(NAME)] == ["b"]


def test_every_row_gets_a_reference_that_nobody_has(world: World, people: People) -> None:
    """Also keys that differ in blanks alone."""
    prefix = world.engine.site.prefix
    assert free_references(world.engine.site, ["1", "9999", " 9999"]) == [f"{prefix}1~2", f"{prefix}9999", f"{prefix}9999~2"]
