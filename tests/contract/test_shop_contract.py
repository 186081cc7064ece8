"""What every shop does, the fake one and the real adapter on each engine: `ports.Shop`, claim by claim."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Protocol

import pytest
import sqlalchemy as sa

from sync.core import times
from sync.errors import NotSent, Rejected, Stale, Unknown, Unsupported
from sync.ports import Names, Window
from sync.shop.profile import Profile
from sync.shop.store import ShopStore
from tests.fakes import MELBOURNE, FakeClock, FakeShop
from tests.layouts import DEMO, demo_database, returning

NAMES = Names(reference="NS7K2-1", repairy_id="r1", code="C1")
MARCH = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
BOOKING: dict[str, str | None] = {
    "status": "pending",
    "starts_at": "2026-03-05T22:00:00Z",
    "ends_at": "2026-03-06T01:30:00Z",
    "description": "Logbook service",
    "job_notes": "Rattle: at 100% load\nCall first",
    "name": "Customer One",
    "phone": "0400000001",
    "email": "one@example.com",
    "rego": "AAA001",
    "make": "Make",
}


class Desk(Protocol):
    """What staff do in the shop's own program."""

    def add(self, **fields: str | None) -> str: ...
    def edit(self, key: str, **fields: str | None) -> None: ...
    def lock(self, key: str) -> None: ...
    def remove(self, key: str) -> None: ...


@dataclass
class Bench:
    shop: Any  # FakeShop or ShopStore: both with the port's methods and those of the checks
    desk: Desk
    clock: FakeClock


class FakeDesk:
    def __init__(self, shop: FakeShop) -> None:
        self._shop = shop

    def add(self, **fields: str | None) -> str:
        key = str(100 + len(self._shop.rows))
        self._shop.put(key, **fields)
        return key

    def edit(self, key: str, **fields: str | None) -> None:
        self._shop.put(key, **fields)

    def lock(self, key: str) -> None:
        self._shop.put(key, locked=True)

    def remove(self, key: str) -> None:
        self._shop.remove(key)


class SqlDesk:
    """The shop's program: plain SQL on the demo layout, its own connection."""

    _COLUMNS: ClassVar = {
        "starts_at": "dropoff",
        "ends_at": "pickup",
        "description": "work",
        "job_notes": "notes",
        "locked": "in_use",
    }
    _WORDS = DEMO["status"]["write"]

    def __init__(self, engine: sa.Engine, metadata: sa.MetaData, clock: FakeClock) -> None:
        self._engine, self._tables, self._clock = engine, metadata.tables, clock

    def add(self, **fields: str | None) -> str:
        with self._engine.begin() as connection:
            customer = {"name": fields.get("name") or "Walk-in", "phone": fields.get("phone"), "email": fields.get("email")}
            customer_id = self._insert(connection, "customers", customer)
            car = {"customer_id": customer_id, "plate": fields.get("rego"), "make": fields.get("make")}
            vehicle_id = self._insert(connection, "vehicles", car)
            row = {"customer_id": customer_id, "vehicle_id": vehicle_id, "kind": "job", "status_id": 1, **self._values(fields)}
            return str(self._insert(connection, "bookings", row))

    def _insert(self, connection: sa.Connection, table: str, row: Mapping[str, object]) -> object:
        made = connection.execute(self._tables[table].insert().values(row)).inserted_primary_key
        return made[0] if made else None

    def edit(self, key: str, **fields: str | None) -> None:
        bookings = self._tables["bookings"]
        with self._engine.begin() as connection:
            connection.execute(bookings.update().where(bookings.c.id == int(key)).values(self._values(fields)))

    def lock(self, key: str) -> None:
        self.edit(key, locked="1")

    def remove(self, key: str) -> None:
        bookings = self._tables["bookings"]
        with self._engine.begin() as connection:
            connection.execute(bookings.delete().where(bookings.c.id == int(key)))

    def _values(self, fields: dict[str, str | None]) -> dict[str, object]:
        values: dict[str, object] = {"modified": self._naive(times.iso(self._clock.now()))}
        for name, value in fields.items():
            if name == "status":
                statuses = self._tables["statuses"]
                values["status_id"] = sa.select(statuses.c.id).where(statuses.c.name == self._WORDS[value]).scalar_subquery()
            elif name in ("starts_at", "ends_at"):
                values[self._COLUMNS[name]] = self._naive(value)
            elif name in self._COLUMNS:
                values[self._COLUMNS[name]] = value
        return values

    @staticmethod
    def _naive(moment: str | None) -> datetime | None:
        return times.parse(moment).astimezone(MELBOURNE).replace(tzinfo=None) if moment else None


def _fake(_request: pytest.FixtureRequest, _folder: Path, clock: FakeClock) -> Iterator[Bench]:
    profile = Profile.parse(DEMO)
    able = ShopStore("sqlite://", profile, MELBOURNE, "w1", clock).ability
    shop = FakeShop(able, clock)
    yield Bench(shop, FakeDesk(shop), clock)


def _real(fixture: str | None) -> Callable[[pytest.FixtureRequest, Path, FakeClock], Iterator[Bench]]:
    def make(request: pytest.FixtureRequest, folder: Path, clock: FakeClock) -> Iterator[Bench]:
        url = request.getfixturevalue(fixture) if fixture else f"sqlite:///{folder}/shop.db"
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        desk = SqlDesk(engine, demo_database(engine), clock)
        profile = Profile.parse(returning(DEMO) if engine.dialect.name.startswith("firebird") else DEMO)
        shop = ShopStore(url, profile, MELBOURNE, "w1", clock)
        try:
            yield Bench(shop, desk, clock)
        finally:
            shop.close()

    return make


SHOPS = {
    "fake": _fake,
    "sqlite": _real(None),
    "postgresql": _real("postgres_url"),
    "mariadb": _real("mariadb_url"),
    "firebird": _real("firebird_url"),
}


@pytest.fixture(params=SHOPS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    yield from SHOPS[request.param](request, tmp_path, FakeClock())


def test_a_created_booking_reads_back_as_it_was_given(bench: Bench) -> None:
    made = bench.shop.create(BOOKING, NAMES)
    assert made.fields == BOOKING
    assert bench.shop.read({made.key}) == {made.key: made}


def test_a_created_row_remembers_its_booking_at_repairy(bench: Bench) -> None:
    made = bench.shop.create(BOOKING, NAMES)
    assert made.ref == "r1"
    assert bench.shop.remembered(NAMES) == made
    assert bench.shop.remembered(Names(repairy_id="r9")) is None


def test_creating_twice_for_one_booking_gives_the_row_that_is_there(bench: Bench) -> None:
    """A crash after the commit: the same create again makes no second row."""
    first = bench.shop.create(BOOKING, NAMES)
    assert bench.shop.create({**BOOKING, "job_notes": "again"}, NAMES) == first
    assert bench.shop.keys(MARCH) == {first.key}


def test_a_created_row_is_found_again_by_what_it_holds(bench: Bench) -> None:
    """A crash in a shop without repairy_ref: two of plate, start and phone agree, in any spelling."""
    made = bench.shop.create(BOOKING, NAMES)
    sought = {"rego": "aaa-001", "starts_at": "2026-03-20T22:00:00Z", "phone": "+61 400 000 001"}
    assert [row.key for row in bench.shop.candidates(sought)] == [made.key]
    assert bench.shop.candidates({"rego": "AAA001", "phone": "0400000002"}) == []


def test_empty_values_agree_with_nothing(bench: Bench) -> None:
    bench.desk.add(starts_at="2026-03-05T22:00:00Z", name="Customer Two")
    assert bench.shop.candidates({"rego": None, "phone": None, "starts_at": "2026-03-05T22:00:00Z"}) == []


def test_the_window_holds_rows_by_their_start_and_its_end_is_outside(bench: Bench) -> None:
    inside = bench.desk.add(starts_at="2026-03-01T00:00:00Z")
    bench.desk.add(starts_at="2026-02-28T23:59:59Z")
    bench.desk.add(starts_at="2026-04-01T00:00:00Z")
    bench.desk.add(starts_at=None)
    reading = bench.shop.window(MARCH)
    assert ([row.key for row in reading.rows], reading.whole) == ([inside], True)


def test_without_a_cursor_the_whole_window_is_read(bench: Bench) -> None:
    key = bench.desk.add(**BOOKING)
    reading = bench.shop.changed(None, MARCH)
    assert ([row.key for row in reading.rows], reading.whole) == ([key], True)
    assert reading.cursor == times.iso(bench.clock.now())


def test_a_row_changed_since_the_cursor_is_read_again(bench: Bench) -> None:
    bench.desk.add(**BOOKING)
    bench.clock.sleep(60)
    edited = bench.desk.add(**BOOKING)
    cursor = bench.shop.changed(None, MARCH).cursor
    bench.clock.sleep(60)
    bench.desk.edit(edited, status="processing")
    reading = bench.shop.changed(cursor, MARCH)
    assert ([row.key for row in reading.rows], reading.whole) == ([edited], False)
    assert reading.cursor == times.iso(bench.clock.now())


def test_a_second_edit_in_the_same_second_is_not_missed(bench: Bench) -> None:
    key = bench.desk.add(**BOOKING)
    cursor = bench.shop.changed(None, MARCH).cursor
    bench.desk.edit(key, status="processing")
    assert [row.fields["status"] for row in bench.shop.changed(cursor, MARCH).rows] == ["processing"]


def test_a_stamp_a_little_before_the_cursor_is_not_missed(bench: Bench) -> None:
    """A stamp is taken before its transaction commits: the cursor overlaps by two seconds."""
    bench.clock.sleep(2)
    bench.desk.add(**BOOKING)
    cursor = bench.shop.changed(None, MARCH).cursor
    bench.clock.sleep(-2)
    late = bench.desk.add(**BOOKING)
    assert late in [row.key for row in bench.shop.changed(cursor, MARCH).rows]


def test_a_quiet_shop_keeps_its_cursor(bench: Bench) -> None:
    bench.desk.add(**BOOKING)
    cursor = bench.shop.changed(None, MARCH).cursor
    bench.clock.sleep(3600)
    assert bench.shop.changed(cursor, MARCH).cursor == cursor


def test_a_key_that_is_not_there_is_absent(bench: Bench) -> None:
    key = bench.desk.add(**BOOKING)
    assert set(bench.shop.read({key, "999", "no such key"})) == {key}


def test_a_change_writes_only_what_it_names(bench: Bench) -> None:
    before = bench.shop.create(BOOKING, NAMES)
    after = bench.shop.change(before.key, before.fields, {"job_notes": "Squeak"}, NAMES)
    assert after.fields == {**before.fields, "job_notes": "Squeak"}
    assert bench.shop.read({before.key})[before.key] == after


@pytest.mark.parametrize("status", ["processing", "done", "cancelled"])
def test_a_status_is_written_and_read_back(bench: Bench, status: str) -> None:
    before = bench.shop.create(BOOKING, NAMES)
    assert bench.shop.change(before.key, before.fields, {"status": status}, NAMES).fields["status"] == status


def test_a_booking_is_moved_and_the_rest_of_it_stays(bench: Bench) -> None:
    before = bench.shop.create(BOOKING, NAMES)
    moved = {"starts_at": "2026-03-10T21:00:00Z", "ends_at": "2026-03-11T00:00:00Z"}
    assert bench.shop.change(before.key, before.fields, moved, NAMES).fields == {**BOOKING, **moved}


def test_several_fields_are_written_at_once(bench: Bench) -> None:
    before = bench.shop.create(BOOKING, NAMES)
    wanted = {"status": "processing", "description": "Brakes", "job_notes": None, "name": "Customer Two"}
    assert bench.shop.change(before.key, before.fields, wanted, NAMES).fields == {**BOOKING, **wanted}


def test_an_edit_by_staff_in_between_is_stale_and_stays(bench: Bench) -> None:
    before = bench.shop.create(BOOKING, NAMES)
    bench.desk.edit(before.key, status="processing")
    with pytest.raises(Stale):
        bench.shop.change(before.key, before.fields, {"job_notes": "ours"}, NAMES)
    assert bench.shop.read({before.key})[before.key].fields == {**BOOKING, "status": "processing"}


def test_an_edit_of_a_field_that_the_plan_did_not_depend_on_is_no_obstacle(bench: Bench) -> None:
    before = bench.shop.create(BOOKING, NAMES)
    bench.desk.edit(before.key, job_notes="theirs")
    after = bench.shop.change(before.key, {"status": "pending"}, {"status": "processing"}, NAMES)
    assert after.fields == {**BOOKING, "status": "processing", "job_notes": "theirs"}


def test_a_row_that_is_gone_is_stale(bench: Bench) -> None:
    before = bench.shop.create(BOOKING, NAMES)
    bench.desk.remove(before.key)
    with pytest.raises(Stale):
        bench.shop.change(before.key, before.fields, {"job_notes": "ours"}, NAMES)


def test_a_row_that_the_shops_program_has_locked_waits(bench: Bench) -> None:
    before = bench.shop.create(BOOKING, NAMES)
    bench.desk.lock(before.key)
    assert bench.shop.read({before.key})[before.key].locked
    with pytest.raises(NotSent):
        bench.shop.change(before.key, {}, {"job_notes": "ours"}, NAMES)
    with pytest.raises(NotSent):
        bench.shop.link(before.key, NAMES)


def test_a_value_that_stands_there_already_is_not_written(bench: Bench) -> None:
    """Its stamp stays: nobody is told of a change that is none."""
    before = bench.shop.create(BOOKING, NAMES)
    bench.clock.sleep(60)
    assert bench.shop.change(before.key, before.fields, dict(BOOKING), NAMES) == before


def test_what_the_shop_has_no_way_to_store_is_unsupported_and_nothing_is_written(bench: Bench) -> None:
    before = bench.shop.create(BOOKING, NAMES)
    with pytest.raises(Unsupported):
        bench.shop.change(before.key, before.fields, {"job_notes": "ours", "service_category": "tyres"}, NAMES)
    assert bench.shop.read({before.key})[before.key] == before


def test_a_text_that_is_too_long_is_refused_and_never_cut(bench: Bench) -> None:
    before = bench.shop.create(BOOKING, NAMES)
    with pytest.raises(Rejected) as refusal:
        bench.shop.change(before.key, before.fields, {"job_notes": "x" * 201}, NAMES)
    with pytest.raises(Rejected):
        bench.shop.create({**BOOKING, "job_notes": "x" * 201}, Names(repairy_id="r2"))
    assert (refusal.value.code, bench.shop.keys(MARCH)) == ("too_long", {before.key})


def test_a_link_is_remembered_and_linking_again_changes_nothing(bench: Bench) -> None:
    key = bench.desk.add(**BOOKING)
    linked = bench.shop.link(key, NAMES)
    assert linked.ref == "r1"
    assert bench.shop.link(key, NAMES) == linked
    assert bench.shop.remembered(NAMES) == linked


def test_linking_a_row_that_is_gone_is_stale(bench: Bench) -> None:
    key = bench.desk.add(**BOOKING)
    bench.desk.remove(key)
    with pytest.raises(Stale):
        bench.shop.link(key, NAMES)


def test_the_identity_names_the_database_and_stays_the_same(bench: Bench) -> None:
    first = bench.shop.identity()
    bench.desk.add(**BOOKING)
    assert first[""]
    assert "bookings" in first
    assert bench.shop.identity() == first


def test_nothing_is_wrong_with_a_profile_that_fits(bench: Bench) -> None:
    bench.desk.add(**BOOKING)
    assert bench.shop.verify() == []


def test_stored_statuses_are_counted(bench: Bench) -> None:
    bench.desk.add(**BOOKING)
    bench.desk.add(**{**BOOKING, "status": "done"})
    assert sorted(bench.shop.stored_statuses().values()) == [1, 1]


def test_a_second_look_at_a_quiet_shop_brings_the_same(bench: Bench) -> None:
    """Digests rest on this: an untouched row reads the same twice."""
    key = bench.desk.add(**BOOKING)
    first, second = bench.shop.window(MARCH), bench.shop.window(MARCH)
    assert list(first.rows) == list(second.rows) == [bench.shop.read({key})[key]]


def test_a_fault_planned_for_the_fake_shop_strikes_once_before_or_after_the_effect() -> None:
    shop = FakeShop()
    shop.fail_next(NotSent("before"), on="create")
    shop.fail_next(Unknown("after"), on="create", after=True)
    for error, rows in ((NotSent, 0), (Unknown, 1)):
        with pytest.raises(error):
            shop.create(BOOKING, NAMES)
        assert len(shop.rows) == rows
    assert shop.create(BOOKING, NAMES).key == "1"
