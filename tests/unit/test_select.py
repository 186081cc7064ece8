"""The queries that wrap a profile's SELECT, on the engine that cannot run here: SQL Server, by the SQL it compiles to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy.dialects import mssql

from sync.core.booking import Sighting
from sync.ports import Window
from sync.shop.profile import Profile
from sync.shop.select import Select, inside
from tests.fakes import MELBOURNE

MARCH = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
SOURCE = "SELECT a.ID AS key, a.State AS status, a.[Date] AS starts_at, a.Stamp AS changed_at FROM dbo.Appointment a"


def select(**tables: Any) -> Select:
    profile = Profile.parse({"name": "x", "booking": {"select": SOURCE}, "status": {"read": {"a": "pending"}}, **tables})
    return Select(profile, mssql.dialect(), MELBOURNE)


def compiled(query: Any) -> str:
    """The SQL, each value where it is bound."""
    made = query.compile(dialect=mssql.dialect(paramstyle="pyformat"), compile_kwargs={"render_postcompile": True})
    return " ".join((str(made) % {name: repr(value) for name, value in made.params.items()}).split())


WRAPPED = "FROM ( " + SOURCE.replace("AS key", "AS [key]") + " ) AS booking"


def test_the_reserved_word_key_is_quoted_for_the_author() -> None:
    assert compiled(select().all) == f"SELECT * {WRAPPED}"


def test_rows_by_key() -> None:
    assert compiled(select().having("key", [1, 2])) == f"SELECT * {WRAPPED} WHERE [key] IN (1, 2)"


def test_one_row_to_learn_the_type_of_keys_from() -> None:
    assert compiled(select().all.limit(1)) == f"SELECT TOP 1 * {WRAPPED}"


def test_the_window_is_asked_for_a_day_wider() -> None:
    assert compiled(select().within(MARCH)).endswith("WHERE starts_at >= '2026-02-28' AND starts_at < '2026-04-03'")


def test_text_that_does_not_sort_by_time_is_filtered_on_the_rows() -> None:
    assert compiled(select(formats={"starts_at": "%d/%m/%Y"}).within(MARCH)) == f"SELECT * {WRAPPED}"
    assert select(formats={"changed_at": "%d/%m/%Y"}).since("2026-03-05T22:00:00Z") is None


SINCE = {
    "2026-03-05T22:00:00Z": "2026-03-06 08:59:58",
    "2026-03-05": "2026-03-04",
    "2026-04-04T15:30:00Z": "2026-04-05 01:29:58",
}


@pytest.mark.parametrize("cursor", SINCE)
def test_changes_are_asked_for_with_an_overlap_on_the_clock_of_the_stamps(cursor: str) -> None:
    query = select().since(cursor)
    assert compiled(query).endswith(f"WHERE changed_at >= '{SINCE[cursor]}'")


INSIDE = {
    "2026-03-01T00:00:00Z": True,
    "2026-03-31T23:59:59Z": True,
    "2026-02-28T23:59:59Z": False,
    "2026-04-01T00:00:00Z": False,
    "2026-03-01": True,
    "2026-04-01": True,
    "2026-04-02": False,
    "2026-02-28": False,
    None: False,
}


@pytest.mark.parametrize("start", INSIDE)
def test_a_start_in_the_window_a_plain_day_where_any_of_it_is(start: str | None) -> None:
    one = Sighting("1", {"starts_at": start})
    assert inside(MARCH, MELBOURNE, [one]) == ([one] if INSIDE[start] else [])
