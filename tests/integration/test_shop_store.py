"""The shop adapter on layouts as they are found: times, keys, statuses, notes and customers in every shape."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sync.core.booking import Sighting
from sync.errors import Rejected, Stale, Unsupported
from sync.ports import Names, Window
from sync.shop.store import ShopStore
from tests.layouts import Layout

MARCH = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
NAMES = Names("NS7K2-1", "r1", "C1")


def keys(sightings: Any) -> list[str]:
    return [sighting.key for sighting in sightings]


def only(shop: ShopStore) -> Sighting:
    (row,) = shop.window(MARCH).rows
    return row


# Times


def test_times_kept_as_text_in_another_form_are_read_moved_and_created(layout: Layout) -> None:
    layout.run("CREATE TABLE jobs (id INTEGER PRIMARY KEY, state VARCHAR(10), at VARCHAR(20))")
    layout.run("INSERT INTO jobs VALUES (1, 'open', '06/03/2026 09:00'), (2, 'open', '06/05/2026 09:00'), (3, 'open', '')")
    write = {
        "reschedule": "UPDATE jobs SET at = :starts_at WHERE id = :key AND at = :old_starts_at",
        "create": [{"set": "key", "insert": ["INSERT INTO jobs VALUES (9, :status, :starts_at)", "SELECT 9"]}],
    }
    shop = layout.shop(
        "SELECT id AS key, state AS status, at AS starts_at FROM jobs", write, formats={"starts_at": "%d/%m/%Y %H:%M"}
    )
    before = only(shop)
    assert before.fields["starts_at"] == "2026-03-05T22:00:00Z"
    shop.change("1", before.fields, {"starts_at": "2026-03-09T23:30:00Z"}, NAMES)
    shop.create({"starts_at": "2026-03-12T23:30:00Z"}, NAMES)
    assert layout.rows("SELECT at FROM jobs WHERE id IN (1, 9) ORDER BY id") == [("10/03/2026 10:30",), ("13/03/2026 10:30",)]


def test_a_form_with_an_offset_is_written_with_it(layout: Layout) -> None:
    layout.run("CREATE TABLE jobs (id INTEGER PRIMARY KEY, state VARCHAR(10), at VARCHAR(30))")
    layout.run("INSERT INTO jobs VALUES (1, 'open', '2026-03-06T09:00:00+1100')")
    write = {"reschedule": "UPDATE jobs SET at = :starts_at WHERE id = :key"}
    form = {"starts_at": "%Y-%m-%dT%H:%M:%S%z"}
    shop = layout.shop("SELECT id AS key, state AS status, at AS starts_at FROM jobs", write, formats=form)
    moved = shop.change("1", only(shop).fields, {"starts_at": "2026-03-09T22:00:00Z"}, NAMES)
    assert moved.fields["starts_at"] == "2026-03-09T22:00:00Z"
    assert layout.rows("SELECT at FROM jobs") == [("2026-03-10T09:00:00+1100",)]


def test_a_time_that_cannot_be_read_back_is_not_kept(lite: Layout) -> None:
    lite.run("CREATE TABLE jobs (id INTEGER PRIMARY KEY, state VARCHAR(10), at VARCHAR(30))")
    lite.run("INSERT INTO jobs VALUES (1, 'open', '2026-03-06 09:00:00')")
    odd = "'at ' || :starts_at"
    write = {
        "reschedule": f"UPDATE jobs SET at = {odd} WHERE id = :key",
        "create": [{"set": "key", "insert": [f"INSERT INTO jobs VALUES (9, :status, {odd})", "SELECT 9"]}],
    }
    shop = lite.shop("SELECT id AS key, state AS status, at AS starts_at FROM jobs", write)
    with pytest.raises(Rejected, match="shows starts_at in a form that cannot be read back; nothing was kept"):
        shop.change("1", {}, {"starts_at": "2026-03-09T22:00:00Z"}, NAMES)
    with pytest.raises(Rejected, match="nothing was kept"):
        shop.create({"starts_at": "2026-03-09T22:00:00Z"}, NAMES)
    assert lite.rows("SELECT * FROM jobs") == [(1, "open", "2026-03-06 09:00:00")]


def days_as_starts(layout: Layout) -> ShopStore:
    """A DATE column that the profile calls a start; the customer is there."""
    layout.run("CREATE TABLE people (id INTEGER PRIMARY KEY, phone VARCHAR(20))", "INSERT INTO people VALUES (1, '0400000001')")
    layout.run("CREATE TABLE jobs (id INTEGER PRIMARY KEY, person INTEGER, state VARCHAR(10), day DATE, rego VARCHAR(10))")
    layout.run("INSERT INTO jobs VALUES (1, 1, 'open', '2026-03-06', 'AAA001')")
    insert = "INSERT INTO jobs VALUES (9, :person, :status, :{}, :rego)".format("date" if layout.lite else "starts_at")
    create = [
        {
            "set": "person",
            "find": "SELECT id FROM people WHERE phone = :phone",
            "insert": "INSERT INTO people VALUES (2, :phone)",
        },
        {"set": "key", "insert": [insert, "SELECT 9"]},
    ]
    return layout.shop(
        "SELECT j.id AS key, j.state AS status, j.day AS starts_at, j.rego AS rego, p.phone AS phone"
        " FROM jobs j JOIN people p ON p.id = j.person",
        {"create": create},
    )


def test_a_start_that_is_shown_as_a_day_is_the_new_rows(layout: Layout) -> None:
    booking = {"starts_at": "2026-03-09T22:00:00Z", "rego": "AAA002", "phone": "0400000001"}
    assert days_as_starts(layout).create(booking, NAMES).fields["starts_at"] == "2026-03-10"


def test_a_column_of_days_that_is_called_a_start_is_told(layout: Layout) -> None:
    (line,) = days_as_starts(layout).verify()
    assert line.startswith("starts_at: shows days without a time of day: name the column `date`")


def test_a_shop_of_days_keeps_the_day_of_the_workshops_calendar(layout: Layout) -> None:
    layout.run(
        "CREATE TABLE jobs (id INTEGER PRIMARY KEY, state VARCHAR(10), day DATE)",
        "INSERT INTO jobs VALUES (1, 'open', '2026-03-06')",
    )
    write = {"reschedule": "UPDATE jobs SET day = :date WHERE id = :key"}
    shop = layout.shop("SELECT id AS key, state AS status, day AS date FROM jobs", write)
    before = only(shop)
    assert before.fields["starts_at"] == "2026-03-06"
    assert shop.change("1", before.fields, {"starts_at": "2026-03-09T22:00:00Z"}, NAMES).fields["starts_at"] == "2026-03-10"


def test_a_day_is_not_written_when_only_its_time_of_day_differs(lite: Layout) -> None:
    lite.run(
        "CREATE TABLE jobs (id INTEGER PRIMARY KEY, state, day DATE, edits INTEGER)",
        "INSERT INTO jobs VALUES (1, 'open', '2026-03-06', 0)",
    )
    write = {"reschedule": "UPDATE jobs SET day = :date, edits = edits + 1 WHERE id = :key"}
    shop = lite.shop("SELECT id AS key, state AS status, day AS date FROM jobs", write)
    shop.change("1", {}, {"starts_at": "2026-03-05T23:00:00Z"}, NAMES)
    assert lite.rows("SELECT edits FROM jobs") == [(0,)]


def test_day_time_and_minutes_in_three_columns(layout: Layout) -> None:
    layout.run("CREATE TABLE jobs (id INTEGER PRIMARY KEY, state VARCHAR(10), d DATE, t VARCHAR(5), m INTEGER)")
    layout.run("INSERT INTO jobs VALUES (1, 'open', '2026-03-06', '09:00', 90)")
    write = {"reschedule": "UPDATE jobs SET d = :date, t = :time, m = :minutes WHERE id = :key AND t = :old_time"}
    shop = layout.shop("SELECT id AS key, state AS status, d AS date, t AS time, m AS minutes FROM jobs", write)
    before = only(shop)
    assert before.fields["ends_at"] == "2026-03-05T23:30:00Z"
    shop.change("1", before.fields, {"starts_at": "2026-03-10T01:15:00Z", "ends_at": "2026-03-10T02:00:00Z"}, NAMES)
    assert [tuple(map(str, row)) for row in layout.rows("SELECT d, t, m FROM jobs")] == [("2026-03-10", "12:15", "45")]


def test_moving_the_start_alone_keeps_the_end_where_it_stands(lite: Layout) -> None:
    lite.run(
        "CREATE TABLE jobs (id INTEGER PRIMARY KEY, state, a, b)",
        "INSERT INTO jobs VALUES (1, 'open', '2026-03-06 09:00', '2026-03-06 12:00')",
    )
    write = {"reschedule": "UPDATE jobs SET a = :starts_at, b = :ends_at WHERE id = :key"}
    shop = lite.shop("SELECT id AS key, state AS status, a AS starts_at, b AS ends_at FROM jobs", write)
    after = shop.change("1", {}, {"starts_at": "2026-03-05T23:00:00Z"}, NAMES)
    assert (after.fields["starts_at"], after.fields["ends_at"]) == ("2026-03-05T23:00:00Z", "2026-03-06T01:00:00Z")


def test_a_zero_date_is_no_date(maria: Layout) -> None:
    maria.run("SET sql_mode = ''", "CREATE TABLE jobs (id INTEGER PRIMARY KEY, state VARCHAR(10), at DATETIME)")
    with maria.engine.begin() as connection:
        connection.exec_driver_sql("SET sql_mode = ''")
        connection.exec_driver_sql("INSERT INTO jobs VALUES (1, 'open', '0000-00-00 00:00:00')")
    shop = maria.shop("SELECT id AS key, state AS status, at AS starts_at FROM jobs")
    assert shop.read({"1"})["1"].fields["starts_at"] is None


def test_mariadb_timestamps_are_utc_in_a_profile_that_says_so(maria: Layout) -> None:
    maria.run("CREATE TABLE jobs (id INTEGER PRIMARY KEY, state VARCHAR(10), at TIMESTAMP NULL)")
    with maria.engine.begin() as connection:
        connection.exec_driver_sql("SET time_zone = '+05:00'")
        connection.exec_driver_sql("INSERT INTO jobs VALUES (1, 'open', '2026-03-06 09:00:00')")
    shop = maria.shop("SELECT id AS key, state AS status, at AS starts_at FROM jobs", timezone="UTC")
    assert only(shop).fields["starts_at"] == "2026-03-06T04:00:00Z"


def test_postgresql_times_with_a_zone_are_what_they_say_and_infinity_costs_one_row(postgres: Layout) -> None:
    postgres.run("CREATE TABLE jobs (id INTEGER PRIMARY KEY, state TEXT, at TIMESTAMPTZ)")
    postgres.run("INSERT INTO jobs VALUES (1, 'open', '2026-03-06 09:00+02'), (2, 'open', 'infinity')")
    shop = postgres.shop("SELECT id AS key, state AS status, at AS starts_at FROM jobs")
    assert only(shop).fields["starts_at"] == "2026-03-06T07:00:00Z"
    assert shop.read({"2"})["2"].locked


def test_the_end_of_a_day_as_a_time_costs_one_row(postgres: Layout) -> None:
    postgres.run("CREATE TABLE jobs (id INTEGER PRIMARY KEY, state TEXT, day DATE, clock TIME)")
    postgres.run("INSERT INTO jobs VALUES (1, 'open', '2026-03-06', '09:00'), (2, 'open', '2026-03-06', '24:00')")
    reading = postgres.shop("SELECT id AS key, state AS status, day AS date, clock AS time FROM jobs").window(MARCH)
    assert (keys(reading.rows), list(reading.unreadable)) == (["1"], ["2"])


def test_a_row_that_cannot_be_understood_is_named_and_the_rest_go_on(lite: Layout) -> None:
    lite.run("CREATE TABLE jobs (id INTEGER PRIMARY KEY, state, at)")
    lite.run("INSERT INTO jobs VALUES (1, 'open', '2026-03-06 09:00'), (2, 'open', '2026-03-06 at nine')")
    reading = lite.shop("SELECT id AS key, state AS status, at AS starts_at FROM jobs").window(MARCH)
    assert (keys(reading.rows), list(reading.unreadable)) == (["1"], ["2"])


# Changed since


def test_day_grained_stamps_overlap_by_a_day(layout: Layout) -> None:
    layout.run("CREATE TABLE jobs (id INTEGER PRIMARY KEY, state VARCHAR(10), at VARCHAR(20), stamp DATE)")
    layout.run(
        "INSERT INTO jobs VALUES (1, 'open', '2026-03-06 09:00', '2026-03-03'), (2, 'open', '2026-03-07 09:00', '2026-03-05')"
    )
    shop = layout.shop("SELECT id AS key, state AS status, at AS starts_at, stamp AS changed_at FROM jobs")
    cursor = shop.changed(None, MARCH).cursor
    layout.run("INSERT INTO jobs VALUES (3, 'open', '2026-03-08 09:00', '2026-03-04')")
    assert (cursor, sorted(keys(shop.changed(cursor, MARCH).rows))) == ("2026-03-05", ["2", "3"])


def test_a_stamp_in_the_future_does_not_hide_what_comes_until_then(lite: Layout) -> None:
    lite.run("CREATE TABLE jobs (id INTEGER PRIMARY KEY, state, at, stamp)")
    lite.run("INSERT INTO jobs VALUES (1, 'open', '2026-03-06 09:00', '2027-01-01 00:00:00')")
    shop = lite.shop("SELECT id AS key, state AS status, at AS starts_at, stamp AS changed_at FROM jobs")
    assert shop.changed(None, MARCH).cursor == "2026-03-05T22:00:00Z"


def test_through_the_hour_that_happens_twice_no_stamp_is_missed(lite: Layout) -> None:
    """02:50 the first time is read; then 02:10 comes by for the second time."""
    lite.clock.sleep(40 * 86400)
    lite.run("CREATE TABLE jobs (id INTEGER PRIMARY KEY, state, at, stamp)")
    lite.run("INSERT INTO jobs VALUES (1, 'open', '2026-03-06 09:00', '2026-04-05 02:50:00')")
    shop = lite.shop("SELECT id AS key, state AS status, at AS starts_at, stamp AS changed_at FROM jobs")
    cursor = shop.changed(None, MARCH).cursor
    lite.run("INSERT INTO jobs VALUES (2, 'open', '2026-03-06 09:00', '2026-04-05 02:10:00')")
    assert "2" in keys(shop.changed(cursor, MARCH).rows)


def test_without_stamps_the_whole_window_comes_each_time(lite: Layout) -> None:
    lite.run("CREATE TABLE jobs (id INTEGER PRIMARY KEY, state, at)", "INSERT INTO jobs VALUES (1, 'open', '2026-03-06 09:00')")
    shop = lite.shop("SELECT id AS key, state AS status, at AS starts_at FROM jobs")
    first = shop.changed(None, MARCH)
    second = shop.changed(first.cursor, MARCH)
    assert (first.cursor, keys(second.rows), second.whole) == (None, ["1"], True)


# Keys


def test_uuid_keys_are_text_outside_and_uuids_inside(postgres: Layout) -> None:
    key = "00000000-0000-0000-0000-0000000000aa"
    postgres.run("CREATE TABLE jobs (id UUID PRIMARY KEY, state TEXT, at TIMESTAMP, notes TEXT)")
    postgres.run(f"INSERT INTO jobs VALUES ('{key}', 'open', '2026-03-06 09:00', NULL)")
    write = {
        "set_notes": "UPDATE jobs SET notes = :job_notes WHERE id = :key",
        "create": [{"set": "key", "insert": "INSERT INTO jobs VALUES (:uuid, :status, :starts_at, NULL) RETURNING id"}],
    }
    shop = postgres.shop("SELECT id AS key, state AS status, at AS starts_at, notes AS job_notes FROM jobs", write)
    assert shop.read({key, "no uuid"}).keys() == {key}
    assert shop.change(key, {}, {"job_notes": "n"}, NAMES).fields["job_notes"] == "n"
    assert len(shop.create({"starts_at": "2026-03-07T22:00:00Z"}, NAMES).key) == 36


def test_a_uuid_made_by_us_is_the_key_where_the_engine_returns_no_row(layout: Layout) -> None:
    layout.run("CREATE TABLE jobs (id VARCHAR(36) PRIMARY KEY, state VARCHAR(10), at VARCHAR(20))")
    insert = ["INSERT INTO jobs VALUES (:uuid, :status, '2026-03-06 09:00:00')", "SELECT CAST(:uuid AS CHAR(36))"]
    shop = layout.shop(
        "SELECT id AS key, state AS status, at AS starts_at FROM jobs", {"create": [{"set": "key", "insert": insert}]}
    )
    made = shop.create({"starts_at": "2026-03-05T22:00:00Z"}, NAMES)
    assert shop.read({made.key})[made.key] == made


def test_the_parts_of_a_composed_key_travel_with_the_row(layout: Layout) -> None:
    layout.run("CREATE TABLE jobs (branch VARCHAR(5), no INTEGER, state VARCHAR(10), at VARCHAR(20))")
    layout.run("INSERT INTO jobs VALUES ('N', 1, 'open', '2026-03-06 09:00:00'), ('S', 1, 'open', '2026-03-06 10:00:00')")
    joined = "CONCAT(branch, '-', no)" if not layout.lite else "branch || '-' || no"
    locks = () if layout.lite else "SELECT no FROM jobs WHERE branch = :x_branch AND no = :x_no FOR UPDATE"
    select = f"SELECT {joined} AS key, branch AS x_branch, no AS x_no, state AS status, at AS starts_at FROM jobs"
    booking = {"select": select, "lock": locks}
    write = {"set_status": "UPDATE jobs SET state = :status WHERE branch = :x_branch AND no = :x_no AND state = :old_status"}
    shop = layout.shop(select, write, booking=booking)
    assert shop.change("S-1", {"status": "pending"}, {"status": "done"}, NAMES).key == "S-1"
    assert layout.rows("SELECT branch, state FROM jobs ORDER BY branch") == [("N", "open"), ("S", "done")]


def test_an_empty_shop_has_no_row_of_any_key(lite: Layout) -> None:
    lite.run("CREATE TABLE jobs (id INTEGER PRIMARY KEY, state, at)")
    shop = lite.shop(
        "SELECT id AS key, state AS status, at AS starts_at FROM jobs", {"set_status": "UPDATE jobs SET state = :status"}
    )
    assert shop.read({"1"}) == {}
    with pytest.raises(Stale):
        shop.change("1", {}, {"status": "done"}, NAMES)


# Statuses


@pytest.mark.parametrize(
    ("kind", "stored", "read", "write", "after"),
    [
        ("INTEGER", "1", {"1": "pending", "2": "done"}, {"done": 2}, 2),
        ("BOOLEAN", "FALSE", {"false": "pending", "0": "pending", "true": "done", "1": "done"}, {"done": True}, 1),
        ("BOOLEAN", "NULL", {"": "pending", "true": "done", "1": "done"}, {"done": True}, 1),
        ("CHAR(10)", "'OPEN'", {"Open": "pending", "ready": "done"}, {"done": "ready"}, "ready"),
    ],
    ids=["numbers", "booleans", "null", "padded text in another case"],
)
def test_statuses_of_any_type(layout: Layout, kind: str, stored: str, read: Any, write: Any, after: Any) -> None:
    layout.run(f"CREATE TABLE jobs (id INTEGER PRIMARY KEY, state {kind}, at VARCHAR(20))")
    layout.run(f"INSERT INTO jobs VALUES (1, {stored}, '2026-03-06 09:00:00')")
    statement = {"set_status": "UPDATE jobs SET state = :status WHERE id = :key"}
    select = "SELECT id AS key, state AS status, at AS starts_at FROM jobs"
    shop = layout.shop(select, statement, status={"read": read, "write": write})
    assert only(shop).fields["status"] == "pending"
    assert shop.change("1", {"status": "pending"}, {"status": "done"}, NAMES).fields["status"] == "done"
    assert [str(row[0]).strip() for row in layout.rows("SELECT state FROM jobs")] in ([str(after)], [str(bool(after))])


def test_a_soft_delete_cancels_though_the_select_no_longer_shows_the_row(layout: Layout) -> None:
    layout.run("CREATE TABLE jobs (id INTEGER PRIMARY KEY, state VARCHAR(10), at VARCHAR(20), gone INTEGER)")
    layout.run("INSERT INTO jobs VALUES (1, 'open', '2026-03-06 09:00:00', 0)")
    select = "SELECT id AS key, state AS status, at AS starts_at FROM jobs WHERE gone = 0"
    shop = layout.shop(select, {"cancel": "UPDATE jobs SET gone = 1 WHERE id = :key"})
    after = shop.change("1", only(shop).fields, {"status": "cancelled"}, NAMES)
    assert (after.fields["status"], layout.rows("SELECT gone FROM jobs")) == ("cancelled", [(1,)])


def test_a_write_that_makes_the_row_vanish_is_undone(lite: Layout) -> None:
    lite.run("CREATE TABLE jobs (id INTEGER PRIMARY KEY, state, at)", "INSERT INTO jobs VALUES (1, 'open', '2026-03-06 09:00')")
    select = "SELECT id AS key, state AS status, at AS starts_at FROM jobs WHERE state <> 'done'"
    shop = lite.shop(select, {"set_status": "UPDATE jobs SET state = :status WHERE id = :key"})
    with pytest.raises(Stale):
        shop.change("1", {}, {"status": "done"}, NAMES)
    assert lite.rows("SELECT state FROM jobs") == [("open",)]


# Texts


def test_notes_are_appended_as_rows_where_the_shop_keeps_them_so(layout: Layout) -> None:
    layout.run("CREATE TABLE jobs (id INTEGER PRIMARY KEY, state VARCHAR(10), at VARCHAR(20))")
    layout.run(
        "CREATE TABLE remarks (job INTEGER, note VARCHAR(20))", "INSERT INTO jobs VALUES (1, 'open', '2026-03-06 09:00:00')"
    )
    layout.run("INSERT INTO remarks VALUES (1, 'first')")
    together = "GROUP_CONCAT(note" if layout.engine.dialect.name != "postgresql" else "STRING_AGG(note, ','"
    notes = f"(SELECT {together}) FROM remarks WHERE job = id)"
    select = f"SELECT id AS key, state AS status, at AS starts_at, {notes} AS job_notes FROM jobs"
    shop = layout.shop(select, {"add_note": "INSERT INTO remarks VALUES (:key, :note)"}, limits={"job_notes": 10})
    after = shop.change("1", only(shop).fields, {"job_notes": "first and second"}, NAMES, added="second")
    assert after.fields["job_notes"] == "first,second"
    with pytest.raises(Rejected, match="job_notes is over the 10 characters"):
        shop.change("1", after.fields, {"job_notes": "x"}, NAMES, added="eleven char")


def test_padded_columns_read_without_their_padding_and_take_a_change(layout: Layout) -> None:
    layout.run("CREATE TABLE jobs (id INTEGER PRIMARY KEY, state CHAR(10), at VARCHAR(20), vin CHAR(17))")
    layout.run("INSERT INTO jobs VALUES (1, 'open      ', '2026-03-06 09:00:00', 'VIN123           ')")
    write = {"set_status": "UPDATE jobs SET state = :status WHERE id = :key AND state = :old_status"}
    shop = layout.shop("SELECT id AS key, state AS status, at AS starts_at, vin FROM jobs", write)
    before = only(shop)
    assert before.fields["vin"] == "VIN123"
    assert shop.change("1", before.fields, {"status": "done"}, NAMES).fields["status"] == "done"


def test_bytes_that_cannot_be_read_are_never_written_back(lite: Layout) -> None:
    lite.run("CREATE TABLE jobs (id INTEGER PRIMARY KEY, state, at, work, code)")
    lite.run("INSERT INTO jobs VALUES (1, 'open', '2026-03-06 09:00', CAST(x'636166e9' AS TEXT), 'a')")
    write = {
        "set_service": "UPDATE jobs SET work = :description, code = :service_code WHERE id = :key",
        "set_status": "UPDATE jobs SET state = :status WHERE id = :key",
    }
    select = "SELECT id AS key, state AS status, at AS starts_at, work AS description, code AS service_code FROM jobs"
    shop = lite.shop(select, write)
    with pytest.raises(Unsupported, match="description"):
        shop.change("1", {}, {"service_code": "b"}, NAMES)
    assert shop.change("1", {}, {"status": "done"}, NAMES).marks == ("description:undecodable",)
    assert lite.rows("SELECT hex(work) FROM jobs") == [("636166E9",)]


def test_colons_percent_signs_and_quotes_in_statements_and_texts_are_themselves(layout: Layout) -> None:
    layout.run("CREATE TABLE jobs (id INTEGER PRIMARY KEY, state VARCHAR(10), at VARCHAR(20), n VARCHAR(60))")
    layout.run("INSERT INTO jobs VALUES (1, 'open', '2026-03-06 09:00:00', 'a')")
    write = {"set_notes": "UPDATE jobs SET n = :job_notes WHERE id = :key AND n NOT LIKE '%:none 100%'"}
    shop = layout.shop("SELECT id AS key, state AS status, at AS starts_at, n AS job_notes FROM jobs WHERE at LIKE '%:%'", write)
    awkward = "50 % off: 'quoted' \"twice\" \\ :key %s 漢 Zoë"
    assert shop.change("1", {}, {"job_notes": awkward}, NAMES).fields["job_notes"] == awkward


@pytest.mark.parametrize(
    "kind",
    ["MATERIALIZED VIEW shown AS SELECT id, state FROM jobs", "FOREIGN TABLE shown (id INTEGER, state TEXT) SERVER mirror"],
)
def test_the_identity_follows_what_a_mirror_on_postgresql_is_made_of(postgres: Layout, kind: str) -> None:
    postgres.run(
        "DROP SERVER IF EXISTS mirror CASCADE", "DROP FOREIGN DATA WRAPPER IF EXISTS mirror CASCADE",
        "CREATE FOREIGN DATA WRAPPER mirror", "CREATE SERVER mirror FOREIGN DATA WRAPPER mirror",
        "CREATE TABLE jobs (id INTEGER, state TEXT)", f"CREATE {kind}",
    )  # fmt: skip
    shop = postgres.shop("SELECT id AS key, state AS status, state AS starts_at FROM shown")
    assert shop.identity()["shown"] == "id integer, state text"


def test_keys_that_a_shop_keeps_right_aligned_are_found_again(layout: Layout) -> None:
    layout.run("CREATE TABLE jobs (id VARCHAR(6) PRIMARY KEY, state VARCHAR(10), at VARCHAR(20))")
    layout.run("INSERT INTO jobs VALUES ('    12', 'open', '2026-03-06 09:00:00')")
    shop = layout.shop("SELECT id AS key, state AS status, at AS starts_at FROM jobs")
    (seen,) = shop.window(MARCH).rows
    assert shop.read([seen.key]).keys() == {seen.key}
