"""Writes to a shop that others use too: new rows, locks, refusals, lost connections; and that only our errors come out."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sync.errors import NotSent, Rejected, Stale, SyncError, Unknown, Unreachable, Unsupported
from sync.ports import Names, Window
from sync.shop import connect
from sync.shop.profile import Profile
from sync.shop.store import ShopStore
from tests.fakes import MELBOURNE, FakeClock
from tests.layouts import STATES, Layout

NAMES = Names("NS7K2-1", "r1", "C1")
MARCH = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
SELECT = "SELECT id AS key, state AS status, at AS starts_at, rego, phone, notes AS job_notes FROM jobs"
WRITE: dict[str, Any] = {
    "set_status": "UPDATE jobs SET state = :status WHERE id = :key AND state = :old_status",
    "set_notes": "UPDATE jobs SET notes = :job_notes WHERE id = :key",
    "link": "UPDATE jobs SET notes = :repairy_id WHERE id = :key",
}
BOOKING = {"starts_at": "2026-03-05T22:00:00Z", "rego": "AAA001", "phone": "0400000001", "name": "Customer One"}
COLUMNS = "state VARCHAR(10), at VARCHAR(20), rego VARCHAR(10), phone VARCHAR(20), notes VARCHAR(20)"


def jobs(layout: Layout, rows: int = 2) -> None:
    layout.run(f"CREATE TABLE jobs (id INTEGER PRIMARY KEY, {COLUMNS})")
    for number in range(1, rows + 1):
        layout.run(f"INSERT INTO jobs VALUES ({number}, 'open', '2026-03-06 09:00:00', 'AAA00{number}', NULL, 'n')")


SERIAL = {
    "sqlite": "INTEGER PRIMARY KEY",
    "postgresql": "SERIAL PRIMARY KEY",
    "mariadb": "INTEGER PRIMARY KEY AUTO_INCREMENT",
}

# New rows


def customers(layout: Layout, *rows: str, **step: Any) -> ShopStore:
    """A shop that looks for its customer before it makes one."""
    serial = SERIAL[layout.engine.dialect.name]
    layout.run(f"CREATE TABLE jobs (id {serial}, customer INTEGER, {COLUMNS})")
    layout.run(f"CREATE TABLE customers (id {serial}, name VARCHAR(40), phone VARCHAR(20), email VARCHAR(40), plate VARCHAR(10))")
    for row in rows:
        layout.run(f"INSERT INTO customers (name, phone, email, plate) VALUES ({row})")
    find = ["SELECT id, plate FROM customers WHERE phone = :phone", "SELECT id, plate FROM customers WHERE email = :email"]
    insert = "INSERT INTO customers (name, phone, email) VALUES (:name, :phone, :email)"
    job = (
        "INSERT INTO jobs (customer, state, at, rego, phone) VALUES (:customer_id, :status, '2026-03-06 09:00:00', :rego, :phone)"
    )
    create = [{"set": "customer_id", "find": find, "insert": insert, **step}, {"set": "key", "insert": job}]
    return layout.shop(SELECT, {"create": create})


def used(layout: Layout) -> list[tuple[Any, ...]]:
    return layout.rows("SELECT customer FROM jobs")


def test_no_customer_found_makes_one(layout: Layout) -> None:
    shop = customers(layout, "'Customer Two', '0400000002', NULL, NULL")
    assert shop.create(BOOKING, NAMES).fields["rego"] == "AAA001"
    assert used(layout) == [(2,)]


def test_one_customer_found_is_used_though_rows_repeat_it(layout: Layout) -> None:
    shop = customers(
        layout,
        "'Customer One', '0400000001', NULL, NULL",
        find="SELECT c.id FROM customers c, customers d WHERE c.phone = :phone",
    )
    layout.run("INSERT INTO customers (name) VALUES ('Customer Two')")
    shop.create(BOOKING, NAMES)
    assert used(layout) == [(1,)]


def test_of_several_customers_the_one_with_this_plate_is_used(layout: Layout) -> None:
    shop = customers(layout, "'A', '0400000001', NULL, 'BBB002'", "'B', '0400000001', NULL, 'aaa-001'")
    shop.create(BOOKING, NAMES)
    assert used(layout) == [(2,)]


def test_several_customers_are_for_a_person_and_nothing_is_written(layout: Layout) -> None:
    shop = customers(layout, "'A', '0400000001', NULL, NULL", "'B', '0400000001', NULL, NULL")
    with pytest.raises(Rejected) as refusal:
        shop.create(BOOKING, NAMES)
    assert (refusal.value.code, used(layout)) == ("several", [])


def test_several_customers_become_the_placeholder_that_the_profile_names(layout: Layout) -> None:
    shop = customers(
        layout, "'A', '0400000001', NULL, NULL", "'B', '0400000001', NULL, NULL", "'Online', NULL, NULL, NULL", several=3
    )
    shop.create(BOOKING, NAMES)
    assert used(layout) == [(3,)]


def test_an_empty_phone_finds_nobody_and_the_next_way_is_tried(layout: Layout) -> None:
    shop = customers(layout, "'No phone', '', NULL, NULL", "'A', NULL, 'one@example.com', NULL")
    shop.create({**BOOKING, "phone": None, "email": "one@example.com"}, NAMES)
    assert used(layout) == [(2,)]


#  customers there -> whose a booking of 0400000001 and one@example.com becomes
FOUND: dict[str, tuple[list[str], int]] = {
    "by e-mail, with another phone": (["'A', '0400000009', 'one@example.com', NULL"], 1),
    "by e-mail, without a phone": (["'A', NULL, 'one@example.com', NULL"], 1),
    "the placeholder": (
        ["'Online', NULL, NULL, NULL", "'A', '0400000001', NULL, NULL", "'B', '0400000001', NULL, NULL"],
        1,
    ),
    "made anew": ([], 1),
}


def without_plate(layout: Layout, *rows: str, **step: Any) -> ShopStore:
    """A shop whose SELECT shows no plate, and the customer's own phone."""
    customers(layout, *rows)
    find = [f"SELECT id FROM customers WHERE {field} = :{field}" for field in ("phone", "email")]
    insert = "INSERT INTO customers (name, phone, email) VALUES (:name, :phone, :email)"
    job = "INSERT INTO jobs (customer, state, at) VALUES (:customer_id, :status, :starts_at)"
    select = "SELECT j.id AS key, j.state AS status, j.at AS starts_at, c.phone FROM jobs j JOIN customers c ON c.id = j.customer"
    create = [{"set": "customer_id", "find": find, "insert": insert, "several": 1}, {"set": "key", "insert": job, **step}]
    return layout.shop(select, {"create": create}, formats={"starts_at": "%Y-%m-%d %H:%M:%S"})


@pytest.mark.parametrize("case", FOUND)
def test_a_customer_who_was_there_keeps_his_own_phone_and_the_new_row_is_known(layout: Layout, case: str) -> None:
    rows, whose = FOUND[case]
    without_plate(layout, *rows).create({**BOOKING, "email": "one@example.com"}, NAMES)
    assert used(layout) == [(whose,)]


def test_yet_another_row_of_such_a_customer_is_not_taken_for_it(layout: Layout) -> None:
    """Its start is another, though his phone is the one that was sent."""
    job = "INSERT INTO jobs (customer, state, at) VALUES (:customer_id, :status, :starts_at)"
    shop = without_plate(layout, "'A', '0400000001', NULL, NULL", insert=[job, "SELECT min(id) FROM jobs"])
    layout.run("INSERT INTO jobs (customer, state, at) VALUES (1, 'open', '2026-03-20 09:00:00')")
    with pytest.raises(Rejected, match="nothing was kept"):
        shop.create(BOOKING, NAMES)


def in_parts(layout: Layout, **limits: int) -> ShopStore:
    """A shop that keeps first and last name in columns of their own."""
    layout.run(f"CREATE TABLE jobs (id {SERIAL[layout.engine.dialect.name]}, first VARCHAR(20), last VARCHAR(20), {COLUMNS})")
    insert = (
        "INSERT INTO jobs (state, at, rego, first, last) VALUES (:status, '2026-03-06 09:00:00', :rego, :first_name, :last_name)"
    )
    select = SELECT.replace("phone,", "first AS first_name, last AS last_name,")
    return layout.shop(select, {"create": [{"set": "key", "insert": insert}]}, limits=limits)


IN_PARTS = {**BOOKING, "name": "Customer van One", "first_name": "Customer", "last_name": "van One"}


def test_a_new_customer_keeps_the_parts_of_his_name(layout: Layout) -> None:
    in_parts(layout, first_name=8).create(IN_PARTS, NAMES)
    assert layout.rows("SELECT first, last FROM jobs") == [("Customer", "van One")]


def test_a_part_that_is_only_worked_out_keeps_to_its_limit_too(layout: Layout) -> None:
    with pytest.raises(Rejected, match="first_name is over the 8 characters") as refusal:
        in_parts(layout, first_name=8).create({**BOOKING, "name": "Customer van One"}, NAMES)
    assert (refusal.value.code, layout.rows("SELECT id FROM jobs")) == ("too_long", [])


def test_a_number_that_somebody_else_took_is_worked_out_again(postgres: Layout) -> None:
    """The first try finds its number taken, the second has the next one."""
    jobs(postgres, 1)
    postgres.run("CREATE SEQUENCE numbers")
    insert = (
        "INSERT INTO jobs (id, state, at, rego) VALUES (nextval('numbers'), :status, '2026-03-06 09:00:00', :rego) RETURNING id"
    )
    shop = postgres.shop(SELECT, {"create": [{"set": "key", "insert": insert}]})
    assert shop.create(BOOKING, NAMES).key == "2"


def test_a_clash_that_stays_is_refused_after_one_more_try(layout: Layout) -> None:
    jobs(layout, 1)
    insert = ["INSERT INTO jobs (id, state) VALUES (1, :status)", "SELECT 1"]
    with pytest.raises(Rejected) as refusal:
        layout.shop(SELECT, {"create": [{"set": "key", "insert": insert}]}).create(BOOKING, NAMES)
    assert refusal.value.code == "clash"


WRONG_KEYS = {
    "another row's": ["INSERT INTO jobs (id, state, at, rego) VALUES (9, :status, '2026-03-06 09:00:00', :rego)", "SELECT 2"],
    "no row's": ["INSERT INTO jobs (id, state, at, rego) VALUES (9, :status, '2026-03-06 09:00:00', :rego)", "SELECT 77"],
    "none": ["INSERT INTO jobs (id, state) VALUES (9, :status)", "SELECT NULL"],
}


@pytest.mark.parametrize("case", WRONG_KEYS)
def test_a_step_that_yields_a_wrong_key_is_refused_and_undone(layout: Layout, case: str) -> None:
    jobs(layout)
    layout.run("UPDATE jobs SET at = '2026-03-20 09:00:00'")
    with pytest.raises(Rejected, match="nothing was kept"):
        layout.shop(SELECT, {"create": [{"set": "key", "insert": WRONG_KEYS[case]}]}).create(BOOKING, NAMES)
    assert layout.rows("SELECT id FROM jobs ORDER BY id") == [(1,), (2,)]


def test_what_the_profile_cannot_do_is_unsupported(lite: Layout) -> None:
    jobs(lite)
    shop = lite.shop(SELECT)
    writes: list[Callable[[], object]] = [
        lambda: shop.create(BOOKING, NAMES),
        lambda: shop.link("1", NAMES),
        lambda: shop.change("1", {}, {"status": "done"}, NAMES),
        lambda: shop.change("1", {}, {"rego": "BBB002"}, NAMES),
    ]
    for write in writes:
        with pytest.raises(Unsupported):
            write()


# Compare and set


def test_equal_values_count_as_found_where_the_engine_counts_changed_rows(maria: Layout) -> None:
    """MariaDB counts rows that an UPDATE changed, unless it is asked for those it found."""
    jobs(maria)
    write = {"set_status": "UPDATE jobs SET at = at WHERE id = :key AND state = :old_status"}
    shop = maria.shop(SELECT, {**write, "set_status": [write["set_status"], WRITE["set_status"]]})
    assert shop.change("1", {}, {"status": "done"}, NAMES).fields["status"] == "done"


def test_a_comparison_in_the_statement_that_fails_is_stale_and_undone(layout: Layout) -> None:
    jobs(layout)
    write = {**WRITE, "set_status": "UPDATE jobs SET state = :status WHERE id = :key AND notes = :old_status"}
    with pytest.raises(Stale):
        layout.shop(SELECT, write).change("1", {}, {"job_notes": "ours", "status": "done"}, NAMES)
    assert layout.rows("SELECT state, notes FROM jobs WHERE id = 1") == [("open", "n")]


# Locks


def other_program(layout: Layout) -> tuple[sa.Connection, sa.RootTransaction]:
    """The shop's own program, in the middle of a transaction on row 1."""
    connection = layout.engine.connect()
    transaction = connection.begin()
    connection.exec_driver_sql("UPDATE jobs SET notes = 'theirs' WHERE id = 1")
    return connection, transaction


def locking(layout: Layout) -> ShopStore:
    lock = () if layout.lite else "SELECT id FROM jobs WHERE id = :key FOR UPDATE"
    return layout.shop(SELECT, WRITE, booking={"select": SELECT, "lock": lock})


def test_a_row_in_use_waits_two_seconds_and_nothing_is_lost(layout: Layout) -> None:
    jobs(layout)
    shop = locking(layout)
    connection, transaction = other_program(layout)
    with connection:
        began = time.monotonic()
        with pytest.raises(NotSent, match="in use"):
            shop.change("1", {}, {"status": "done"}, NAMES)
        waited = time.monotonic() - began
        transaction.commit()
    assert 1 < waited < 6
    assert layout.rows("SELECT state, notes FROM jobs WHERE id = 1") == [("open", "theirs")]
    assert shop.change("1", {}, {"status": "done"}, NAMES).fields["status"] == "done"


@pytest.mark.parametrize("engine", ["postgres", "maria"])
def test_while_we_wait_for_one_row_others_write_the_rest(request: pytest.FixtureRequest, engine: str) -> None:
    layout: Layout = request.getfixturevalue(engine)
    jobs(layout)
    shop = locking(layout)
    connection, transaction = other_program(layout)
    failures: list[BaseException] = []

    def ours() -> None:
        try:
            shop.change("1", {}, {"status": "done"}, NAMES)
        except NotSent as error:
            failures.append(error)

    writer = threading.Thread(target=ours)
    with connection:
        writer.start()
        began = time.monotonic()
        while writer.is_alive() and time.monotonic() - began < 1:
            layout.run("UPDATE jobs SET notes = 'busy' WHERE id = 2")
        at_once = time.monotonic() - began
        writer.join()
        transaction.rollback()
    assert at_once < 2
    assert [type(error) for error in failures] == [NotSent]
    assert layout.rows("SELECT notes FROM jobs WHERE id = 2") == [("busy",)]


def test_after_a_write_of_ours_nothing_is_locked(layout: Layout) -> None:
    jobs(layout)
    shop = locking(layout)
    shop.change("1", {}, {"status": "done"}, NAMES)
    connection, transaction = other_program(layout)
    with connection:
        transaction.commit()
    assert layout.rows("SELECT state, notes FROM jobs WHERE id = 1") == [("done", "theirs")]


def test_after_a_commit_that_the_shops_program_was_in_the_way_of_nothing_is_locked(lite: Layout) -> None:
    """It was reading: SQLite waits for that only at the commit, and keeps a transaction open whose commit failed."""
    jobs(lite)
    shop = locking(lite)
    with closing(sqlite3.connect(str(lite.engine.url.database))) as reader, closing(reader.execute("SELECT * FROM jobs")) as rows:
        rows.fetchone()
        with pytest.raises(NotSent):
            shop.change("1", {}, {"status": "done"}, NAMES)
    lite.run("UPDATE jobs SET notes = 'theirs' WHERE id = 1")
    shop.change("1", {}, {"status": "done"}, NAMES)
    assert lite.rows("SELECT state, notes FROM jobs WHERE id = 1") == [("done", "theirs")]


def test_reading_goes_on_while_the_shops_program_writes(layout: Layout) -> None:
    jobs(layout)
    connection, transaction = other_program(layout)
    with connection:
        assert layout.shop(SELECT, WRITE).read({"1"})["1"].fields["job_notes"] == "n"
        transaction.rollback()


def test_a_sqlite_file_keeps_its_journal_mode(lite: Layout) -> None:
    jobs(lite)
    before = lite.rows("PRAGMA journal_mode")
    lite.shop(SELECT, WRITE).change("1", {}, {"status": "done"}, NAMES)
    assert lite.rows("PRAGMA journal_mode") == before == [("delete",)]


# What goes wrong


def test_a_connection_lost_during_the_commit_is_unknown(postgres: Layout) -> None:
    """The server ends the session in the commit itself: who asked cannot know."""
    jobs(postgres)
    postgres.run(
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$",
        "CREATE CONSTRAINT TRIGGER die AFTER UPDATE ON jobs DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die()",
    )
    with pytest.raises(Unknown):
        postgres.shop(SELECT, WRITE).change("1", {}, {"status": "done"}, NAMES)


def test_a_connection_lost_before_the_commit_was_not_sent(postgres: Layout) -> None:
    jobs(postgres)
    write = {"set_status": ["SELECT pg_terminate_backend(pg_backend_pid())", WRITE["set_status"]]}
    with pytest.raises(NotSent):
        postgres.shop(SELECT, write).change("1", {}, {"status": "done"}, NAMES)
    assert postgres.rows("SELECT state FROM jobs WHERE id = 1") == [("open",)]


def test_a_server_that_went_away_and_came_back_is_used_again(maria: Layout) -> None:
    jobs(maria)
    shop = maria.shop(SELECT, WRITE)
    shop.read({"1"})
    for (session,) in maria.rows("SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND db = 'shop'"):
        maria.run(f"KILL {session}")
    assert shop.read({"1"}).keys() == {"1"}


def test_a_deferred_constraint_that_fails_at_the_commit_is_a_refusal(postgres: Layout) -> None:
    jobs(postgres)
    postgres.run("CREATE TABLE states (name VARCHAR(10) PRIMARY KEY)", "INSERT INTO states VALUES ('open')")
    postgres.run("ALTER TABLE jobs ADD FOREIGN KEY (state) REFERENCES states DEFERRABLE INITIALLY DEFERRED")
    with pytest.raises(Rejected):
        postgres.shop(SELECT, WRITE).change("1", {}, {"status": "done"}, NAMES)


def test_a_refusal_says_why_but_not_whose(layout: Layout) -> None:
    jobs(layout)
    layout.run("UPDATE jobs SET notes = 'Customer Secret' WHERE id = 2", "CREATE UNIQUE INDEX one_note ON jobs (notes)")
    with pytest.raises(Rejected) as refusal:
        layout.shop(SELECT, WRITE).change("1", {}, {"job_notes": "Customer Secret"}, NAMES)
    assert "one_note" in str(refusal.value) or "jobs.notes" in str(refusal.value)
    assert "Secret" not in str(refusal.value)


def nothing_there(layout: Layout) -> str:
    """A closed port, or a file that is not there."""
    url = sa.make_url(layout.url)
    gone = url.set(database="no-such.db") if layout.lite else url.set(port=1)
    return gone.render_as_string(hide_password=False)


BREAKS: Mapping[str, Callable[[Layout], str]] = {
    "no server": nothing_there,
    "no table": lambda layout: layout.run("DROP TABLE jobs") or layout.url,  # type: ignore[func-returns-value]
    "a column gone": lambda layout: layout.run("ALTER TABLE jobs DROP COLUMN notes") or layout.url,  # type: ignore[func-returns-value]
}
CALLS: Mapping[str, tuple[Callable[[ShopStore], object], tuple[type[SyncError], ...]]] = {
    "identity": (lambda shop: shop.identity(), (Unreachable,)),
    "changed": (lambda shop: shop.changed(None, MARCH), (Unreachable,)),
    "window": (lambda shop: shop.window(MARCH), (Unreachable,)),
    "read": (lambda shop: shop.read({"1"}), (Unreachable,)),
    "remembered": (lambda shop: shop.remembered(NAMES), (Unreachable,)),
    "candidates": (lambda shop: shop.candidates(BOOKING), (Unreachable,)),
    "keys": (lambda shop: shop.keys(MARCH), (Unreachable,)),
    "stored_statuses": (lambda shop: shop.stored_statuses(), (Unreachable,)),
    "verify": (lambda shop: shop.verify(), (Unreachable,)),
    "change": (lambda shop: shop.change("1", {}, {"status": "done"}, NAMES), (NotSent, Rejected)),
    "link": (lambda shop: shop.link("1", NAMES), (NotSent, Rejected)),
    "create": (lambda shop: shop.create(BOOKING, NAMES), (NotSent, Rejected)),
}
TOLD = {"identity", "verify"}  # they tell what is missing where the database itself is there


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("broken", BREAKS)
def test_nothing_but_our_errors_leaves_the_adapter(layout: Layout, broken: str, call: str) -> None:
    jobs(layout)
    create = [{"set": "key", "insert": "INSERT INTO jobs (id, state) VALUES (9, :status)"}]
    select = SELECT.replace("notes AS job_notes", "notes AS repairy_ref")
    profile = Profile.parse({
        "name": "x", "booking": {"select": select}, "status": STATES,
        "write": {"set_status": WRITE["set_status"], "link": WRITE["link"], "create": create},
    })  # fmt: skip
    shop = ShopStore(BREAKS[broken](layout), profile, MELBOURNE, "w1", FakeClock())
    act, expected = CALLS[call]
    try:
        if call in TOLD and broken != "no server":
            assert act(shop) is not None
        else:
            with pytest.raises(expected):
                act(shop)
    finally:
        shop.close()


def test_a_file_that_is_not_there_does_not_come_to_be(tmp_path: Path) -> None:
    profile = Profile.parse({"name": "x", "booking": {"select": SELECT}, "status": STATES})
    shop = ShopStore(f"sqlite:///{tmp_path}/shop.db", profile, MELBOURNE, "w1", FakeClock())
    with pytest.raises(Unreachable, match="is not there"):
        shop.read({"1"})
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "shop.db").write_text("not a database, by any means: just a text that is long enough to be looked at")
    profile = Profile.parse({"name": "x", "booking": {"select": SELECT}, "status": STATES})
    shop = ShopStore(f"sqlite:///{tmp_path}/shop.db", profile, MELBOURNE, "w1", FakeClock())
    with pytest.raises(Unreachable):
        shop.read({"1"})
    shop.close()


@pytest.mark.parametrize(
    "url", ["nonsense", "oracle+nothing://h/d", "sqlite+nodriver:///x", "mysql+pymysql://h/d?charset=binary"]
)
def test_an_address_that_cannot_be_used_is_said_so(url: str) -> None:
    with pytest.raises(Unreachable, match="shop_url cannot be used"):
        connect.open_database(url, "UTC", None)


def test_a_postgresql_that_does_not_say_its_letters_is_told_how(postgres: Layout) -> None:
    with postgres.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as admin:
        admin.exec_driver_sql("DROP DATABASE IF EXISTS ascii")
        admin.exec_driver_sql("CREATE DATABASE ascii ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    url = sa.make_url(postgres.url).set(database="ascii")
    told = Layout(url.update_query_dict({"client_encoding": "latin1"}).render_as_string(hide_password=False))
    jobs(told)
    told.run("UPDATE jobs SET notes = 'café'")
    assert told.shop(SELECT).window(MARCH).rows[0].fields["job_notes"] == "café"
    told.close()
    with pytest.raises(Unreachable, match="client_encoding=latin1"):
        Layout(url.render_as_string(hide_password=False)).shop(SELECT).window(MARCH)


def test_a_read_only_account_reads_and_is_refused_a_write(postgres: Layout) -> None:
    jobs(postgres)
    postgres.run("DROP ROLE IF EXISTS reader", "CREATE ROLE reader LOGIN")
    postgres.run("GRANT USAGE ON SCHEMA public TO reader", "GRANT SELECT ON jobs TO reader")
    url = sa.make_url(postgres.url).set(username="reader")
    profile = Profile.parse({"name": "x", "booking": {"select": SELECT}, "status": STATES, "write": WRITE})
    shop = ShopStore(url, profile, MELBOURNE, "w1", FakeClock())
    assert shop.read({"1"}).keys() == {"1"}
    with pytest.raises(Rejected, match="permission denied"):
        shop.change("1", {}, {"status": "done"}, NAMES)
    assert any(line.startswith("write.set_status: ") for line in shop.verify())
    shop.close()
    postgres.run("DROP OWNED BY reader", "DROP ROLE reader")


# The profile against the live database


def test_what_does_not_fit_the_live_database_is_told_by_its_key(layout: Layout) -> None:
    jobs(layout)
    layout.run("INSERT INTO jobs (id, state) VALUES (3, 'parts')")
    write = {**WRITE, "set_notes": "UPDATE jobs SET remarks = :job_notes WHERE id = :key", "link": "UPDATE joobs SET a = :code"}
    lines = layout.shop(SELECT, write, dialects=["oracle"]).verify()
    assert [line.partition(":")[0] for line in lines] == ["dialects", "write.set_notes", "write.link"]
    lines = layout.shop(SELECT, WRITE).verify()
    assert lines == ['status.read: "parts" stands in 1 rows and is not listed']


def test_a_booking_that_a_join_repeats_is_named_told_and_never_written(layout: Layout) -> None:
    jobs(layout)
    layout.run("CREATE TABLE phones (job INTEGER)", "INSERT INTO phones VALUES (1), (1), (2)")
    shop = layout.shop(SELECT.replace("FROM jobs", "FROM jobs JOIN phones ON phones.job = jobs.id"), WRITE)
    reading = shop.window(MARCH)
    assert ([row.key for row in reading.rows], reading.unreadable) == (["2"], ["1"])
    assert shop.verify() == ["booking.select: shows 1 bookings more than once: a JOIN repeats them"]
    with pytest.raises(Rejected, match="more than once"):
        shop.change("1", {}, {"status": "done"}, NAMES)


def test_a_select_that_does_not_run_is_told(layout: Layout) -> None:
    jobs(layout)
    lines = layout.shop(SELECT.replace("FROM jobs", "FROM no_jobs")).verify()
    assert [line.partition(":")[0] for line in lines] == ["booking.select"]


def test_a_server_in_another_zone_is_told_where_the_profile_uses_its_clock(maria: Layout) -> None:
    jobs(maria)
    write = {"set_status": "UPDATE jobs SET state = :status, notes = NOW() WHERE id = :key"}
    assert [line.partition(":")[0] for line in maria.shop(SELECT, write).verify()] == ["timezone"]
    assert maria.shop(SELECT, write, timezone="UTC").verify() == []


def test_a_time_in_the_servers_zone_that_no_statement_names_is_no_fault(maria: Layout) -> None:
    """`updated_at` of many a framework: whoever does not read it need not load zone tables."""
    jobs(maria)
    maria.run("ALTER TABLE jobs ADD COLUMN updated_at TIMESTAMP NULL")
    assert maria.shop(SELECT, WRITE).verify() == []
    stamped = SELECT.replace("notes AS job_notes", "notes AS job_notes, updated_at AS changed_at")
    assert [line.partition(":")[0] for line in maria.shop(stamped, WRITE).verify()] == ["timezone"]


def test_a_table_without_transactions_is_told(maria: Layout) -> None:
    jobs(maria)
    maria.run("ALTER TABLE jobs ENGINE = MyISAM")
    assert maria.shop(SELECT).verify() == []
    (line,) = maria.shop(SELECT, WRITE).verify()
    assert line.startswith("write: the table jobs is MyISAM")


def test_checking_a_profile_changes_nothing(layout: Layout) -> None:
    jobs(layout)
    before = layout.rows("SELECT * FROM jobs ORDER BY id")
    create = [{"set": "key", "insert": "INSERT INTO jobs (id, state) VALUES (9, :status)"}]
    assert layout.shop(SELECT, {**WRITE, "create": create, "cancel": "DELETE FROM jobs"}).verify() == []
    assert layout.rows("SELECT * FROM jobs ORDER BY id") == before


def test_the_identity_follows_the_tables_that_the_statements_name(layout: Layout) -> None:
    jobs(layout)
    layout.run("CREATE TABLE elsewhere (id INTEGER)")
    shop = layout.shop(SELECT, WRITE)
    before = shop.identity()
    layout.run("ALTER TABLE jobs ADD COLUMN bay INTEGER")
    after = shop.identity()
    assert before.keys() == {"", "jobs"}
    assert after["jobs"] == before["jobs"] + ", bay integer"
