"""Keys that are empty, or whose text does not lead back to the row: told, and never the end of the rest."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sync.ports import Names, Window
from sync.shop.store import ShopStore
from tests.layouts import Layout

MARCH = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
NAMES = Names("NS-1", "r1")
AT = "'2026-03-06 09:00:00'"
SELECT = "SELECT {} AS key, state AS status, at AS starts_at FROM job"
UNION = "SELECT id AS key, state AS status, at AS starts_at FROM job UNION ALL SELECT 'E' || id, state, at FROM estimate"


def found(shop: ShopStore) -> list[str]:
    return sorted(row.key for row in shop.window(MARCH).rows)


def done(shop: ShopStore, key: str) -> str | None:
    return shop.change(key, {}, {"status": "done"}, NAMES).fields["status"]


# Empty keys


def keyless(layout: Layout) -> ShopStore:
    """Two bookings; the one without a branch comes first."""
    key = "CONCAT(branch, '-', id)" if layout.engine.dialect.name == "mariadb" else "branch || '-' || id"
    layout.run("CREATE TABLE job (id INTEGER PRIMARY KEY, branch VARCHAR(3), state VARCHAR(10), at VARCHAR(20))")
    layout.run(f"INSERT INTO job VALUES (1, NULL, 'open', {AT}), (2, 'A', 'open', {AT})")
    return layout.shop(SELECT.format(key), {"set_status": f"UPDATE job SET state = :status WHERE {key} = :key"})


def test_a_row_without_a_key_is_left_out_and_the_rest_go_on(layout: Layout) -> None:
    shop = keyless(layout)
    reading = shop.window(MARCH)
    assert ([row.key for row in reading.rows], reading.unreadable) == (["A-2"], ["(no key)"])
    assert shop.read({"A-2"}).keys() == {"A-2"}


def test_the_type_of_keys_is_learnt_from_a_row_that_has_one(layout: Layout) -> None:
    assert done(keyless(layout), "A-2") == "done"


def test_a_single_row_without_a_key_is_told(layout: Layout) -> None:
    (line,) = keyless(layout).verify()
    assert line.startswith("booking.select: `key` is empty in 1 rows")


# Keys whose text does not lead back


def padded(layout: Layout) -> ShopStore:
    layout.run("CREATE TABLE job (no VARCHAR(10) PRIMARY KEY, state VARCHAR(10), at VARCHAR(20))")
    layout.run(f"INSERT INTO job VALUES ('J1', 'open', {AT}), ('J2 ', 'open', {AT})")
    return layout.shop(SELECT.format("no"), {"set_status": "UPDATE job SET state = :status WHERE no = :key"})


def test_a_key_with_a_blank_behind_it_is_found_again(layout: Layout) -> None:
    shop = padded(layout)
    assert found(shop) == ["J1", "J2"]
    assert shop.read({"J2"}).keys() == {"J2"}
    assert done(shop, "J2") == "done"


@pytest.mark.parametrize("first", ["read", "change"])
def test_so_it_is_by_a_process_that_has_read_nothing_else(layout: Layout, first: str) -> None:
    shop = padded(layout)
    assert (shop.read({"J2"}).keys() == {"J2"}) if first == "read" else (done(shop, "J2") == "done")


def test_numbers_and_texts_in_one_column_are_both_found(lite: Layout) -> None:
    for table in ("job", "estimate"):
        lite.run(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, state TEXT, at TEXT)")
        lite.run(f"INSERT INTO {table} VALUES (1, 'open', {AT})")
    shop = lite.shop(UNION)
    assert shop.read({"1", "E1"}).keys() == {"1", "E1"}
    assert found(shop) == ["1", "E1"]
    assert shop.read({"1", "E1"}).keys() == {"1", "E1"}


def test_a_column_of_numbers_that_became_one_of_texts_is_right_after_the_next_reading(layout: Layout) -> None:
    layout.run("CREATE TABLE job (id INTEGER PRIMARY KEY, state VARCHAR(10), at VARCHAR(20))")
    layout.run(f"INSERT INTO job VALUES (1, 'open', {AT})")
    shop = layout.shop(SELECT.format("id"))
    assert found(shop) == ["1"]
    layout.run("DROP TABLE job", "CREATE TABLE job (id VARCHAR(10) PRIMARY KEY, state VARCHAR(10), at VARCHAR(20))")
    layout.run(f"INSERT INTO job VALUES ('1', 'open', {AT}), ('A1', 'open', {AT})")
    assert found(shop) == ["1", "A1"]
    assert shop.read({"1", "A1"}).keys() == {"1", "A1"}


def test_a_key_of_a_type_that_is_made_of_no_text_is_found_once_it_was_read(maria: Layout) -> None:
    maria.run("CREATE TABLE job (day DATE PRIMARY KEY, state VARCHAR(10), at VARCHAR(20))")
    maria.run(f"INSERT INTO job VALUES ('2026-03-06', 'open', {AT})")
    shop = maria.shop(SELECT.format("day"), {"set_status": "UPDATE job SET state = :status WHERE day = :key"})
    assert done(shop, "2026-03-06") == "done"


def test_a_key_by_which_no_row_is_found_is_told(maria: Layout) -> None:
    maria.run("CREATE TABLE job (id INTEGER PRIMARY KEY, state VARCHAR(10), at VARCHAR(20))")
    maria.run(f"INSERT INTO job VALUES (1, 'open', {AT})")
    (line,) = maria.shop(SELECT.format("UUID()")).verify()
    assert line.startswith("booking.select: a row is not found by the `key` that it shows")
