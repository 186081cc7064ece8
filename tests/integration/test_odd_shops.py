"""Shops kept in unusual ways, each said in a profile's SELECT or statements alone, on every engine that runs here."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sync.ports import Names, Window
from tests.layouts import Layout

MARCH = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
JOB = "CREATE TABLE job (id INTEGER PRIMARY KEY, state VARCHAR(10), at VARCHAR(20), note VARCHAR(80))"
ONE = "INSERT INTO job VALUES (1, 'open', '2026-03-06 09:00:00', 'AAA001 Toyota Corolla')"
PLAIN = "j.id AS key, j.state AS status, j.at AS starts_at"
START = "2026-03-05T22:00:00Z"
# What the shop has -> the statements that make it, its SELECT, and what a booking of it shows.
KEPT: dict[str, tuple[list[str], str, dict[str, str | None]]] = {
    "starts in rows of work sessions": (
        [
            JOB, ONE, "CREATE TABLE session (job INTEGER, began VARCHAR(20))",
            "INSERT INTO session VALUES (1, '2026-03-06 11:00:00'), (1, '2026-03-06 10:00:00')",
        ],
        "SELECT j.id AS key, j.state AS status, (SELECT MIN(s.began) FROM session s WHERE s.job = j.id) AS starts_at FROM job j",
        {"starts_at": "2026-03-05T23:00:00Z"},
    ),
    "no start but the day on which it was entered": (
        [JOB, ONE],
        "SELECT j.id AS key, j.state AS status, SUBSTRING(j.at, 1, 10) AS date FROM job j",
        {"starts_at": "2026-03-06"},
    ),
    "several cars in one booking": (
        [
            JOB, ONE, "CREATE TABLE car (job INTEGER, id INTEGER, plate VARCHAR(10))",
            "INSERT INTO car VALUES (1, 8, 'AAA008'), (1, 7, 'AAA007')",
        ],
        f"SELECT {PLAIN}, c.plate AS rego FROM job j"
        " LEFT JOIN car c ON c.job = j.id AND c.id = (SELECT MIN(id) FROM car WHERE job = j.id)",
        {"rego": "AAA007"},
    ),
    "values by their names in a side table": (
        [
            JOB, ONE, "CREATE TABLE fact (job INTEGER, name VARCHAR(10), value VARCHAR(20))",
            "INSERT INTO fact VALUES (1, 'plate', 'AAA001'), (1, 'phone', '0400 000 001')",
        ],
        f"SELECT {PLAIN}, (SELECT f.value FROM fact f WHERE f.job = j.id AND f.name = 'plate') AS rego,"
        " (SELECT f.value FROM fact f WHERE f.job = j.id AND f.name = 'phone') AS phone FROM job j",
        {"rego": "AAA001", "phone": "0400 000 001"},
    ),
    "phones in rows of their own": (
        [
            JOB, ONE, "CREATE TABLE number (job INTEGER, kind VARCHAR(10), digits VARCHAR(20))",
            "INSERT INTO number VALUES (1, 'fax', '0300000001'), (1, 'mobile', '0400000001')",
        ],
        f"SELECT {PLAIN}, (SELECT MIN(n.digits) FROM number n WHERE n.job = j.id AND n.kind = 'mobile') AS phone FROM job j",
        {"phone": "0400000001"},
    ),
    "plate, make and model as one text": (
        [JOB, ONE],
        f"SELECT {PLAIN}, SUBSTRING(j.note, 1, 6) AS rego, SUBSTRING(j.note, 8) AS make FROM job j",
        {"rego": "AAA001", "make": "Toyota Corolla"},
    ),
    "a status of two columns, one of them null": (
        [
            "CREATE TABLE job (id INTEGER PRIMARY KEY, at VARCHAR(20), finished INTEGER, gone VARCHAR(20))",
            "INSERT INTO job VALUES (1, '2026-03-06 09:00:00', NULL, NULL)",
        ],
        "SELECT j.id AS key, j.at AS starts_at,"
        " CASE WHEN j.gone IS NOT NULL THEN 'cancelled' WHEN j.finished = 1 THEN 'done' ELSE 'open' END AS status FROM job j",
        {"status": "pending"},
    ),
}  # fmt: skip
JSON = {
    "sqlite": "json_extract(j.facts, '$.{0}')",
    "postgresql": "j.facts::json ->> '{0}'",
    "mariadb": "JSON_VALUE(j.facts, '$.{0}')",
}


@pytest.mark.parametrize("case", KEPT)
def test_a_select_says_it(layout: Layout, case: str) -> None:
    tables, select, shown = KEPT[case]
    layout.run(*tables)
    (seen,) = layout.shop(select).window(MARCH).rows
    assert {name: seen.fields[name] for name in shown} == shown


def test_a_select_reads_a_column_of_json(layout: Layout) -> None:
    layout.run(
        "CREATE TABLE job (id INTEGER PRIMARY KEY, facts VARCHAR(200))",
        """INSERT INTO job VALUES (1, '{"state": "open", "start": "2026-03-06 09:00:00", "plate": "AAA001"}')""",
    )
    state, start, plate = (JSON[layout.engine.dialect.name].format(name) for name in ("state", "start", "plate"))
    shop = layout.shop(f"SELECT j.id AS key, {state} AS status, {start} AS starts_at, {plate} AS rego FROM job j")
    (seen,) = shop.window(MARCH).rows
    assert (seen.fields["status"], seen.fields["starts_at"], seen.fields["rego"]) == ("pending", START, "AAA001")


def test_procedures_of_mariadb_are_called(maria: Layout) -> None:
    maria.run(
        JOB, ONE,
        "CREATE PROCEDURE set_state(k INTEGER, s VARCHAR(10)) UPDATE job SET state = s WHERE id = k",
        "CREATE PROCEDURE add_job(s VARCHAR(10), a VARCHAR(20), n VARCHAR(80))"
        " BEGIN INSERT INTO job SELECT MAX(id) + 1, s, a, n FROM job; SELECT MAX(id) FROM job; END",
    )  # fmt: skip
    shop = maria.shop(
        f"SELECT {PLAIN}, SUBSTRING(j.note, 1, 6) AS rego FROM job j",
        {
            "set_status": "CALL set_state(:key, :status)",
            "create": [{"set": "key", "insert": "CALL add_job(:status, :starts_at, :rego)"}],
        },
    )
    (row,) = shop.window(MARCH).rows
    assert shop.change("1", row.fields, {"status": "done"}, Names("W-1")).fields["status"] == "done"
    made = shop.create({"starts_at": START, "rego": "AAA002"}, Names("W-2", "r2"))
    assert (made.key, made.fields["rego"], made.fields["status"]) == ("2", "AAA002", "pending")
