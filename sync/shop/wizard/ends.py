"""An end whose time of day is kept in a column of its own: found, put together for reading, and taken apart for writing.

An end in one column is found in `wizard.hours`. No database.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from itertools import product

from sync.shop.wizard import recognise, words
from sync.shop.wizard.draft import Draft, Picked
from sync.shop.wizard.explore import Column, Table

ENOUGH = 0.2  # of `weight`
_A_DAY = date(2026, 11, 22)
_CLOCKS = {5: "%H:%M", 8: "%H:%M:%S"}  # by length
_TEXTS = ("sqlite", "postgresql", "mysql", "mariadb")  # engines that know SUBSTR
# For columns of time types: a day and a time of day as one, by engine.
_TYPED: Mapping[str, str] = {"postgresql": "({0} + {1})", "mysql": "TIMESTAMP({0}, {1})", "mariadb": "TIMESTAMP({0}, {1})"}


def weight(column: Column) -> float:
    """How much a column's name says that it ends something, not that it did."""
    return words.hint("ends_at", column.name) - words.hint("done_at", column.name) - column.empty


def apart(table: Table, start: Column, clock: Column | None) -> tuple[Column | None, Column] | None:
    """The end's day (None: the day of the start) and its time of day, that together are later than the start. `clock`: the
    start's."""
    days, clocks = _named(table, "day", start), _named(table, "clock", start)
    for ends_at, day in product(clocks, (*days, None)):
        rows = [(_moment(row, start, clock), _moment(row, day or start, ends_at)) for row in table.sample]
        if recognise.in_order(rows):
            return day, ends_at
    return None


def pick(draft: Draft, start: Column, day: Column | None, clock: Column) -> bool:
    """The end into the draft, where a SELECT and an UPDATE can say it; else False."""
    on = day or start
    made = _of_texts(draft, on, clock) or _of_types(draft, on, clock)
    if made is None or on.kind != "day":
        return False
    sql, form, writes_day, writes_clock = made
    if form:
        draft.formats |= {"ends_at": form} | ({} if day else {"date": form.partition(" ")[0]})
    if day is None:  # an end on another day cannot be kept there: none is
        same = f"CAST(:date AS {start.type})" if draft.engine == "postgresql" else ":date"
        written = {clock.name: f"CASE WHEN {writes_day} = {same} THEN {writes_clock} END"}
    else:
        written = {day.name: writes_day, clock.name: writes_clock}
    draft.picked["ends_at"] = Picked(sql, draft.booking, apart=written)
    return True


def say(draft: Draft, start: Column) -> None:
    """What looks like an end, where none was taken."""
    found = [column.name for kind in ("moment", "day", "clock") for column in _named(draft.booking.table, kind, start)]
    if found:
        draft.unsure.append(
            f"ends_at: {' and '.join(found)} looks like the end, and is not read: a booking that is moved at Repairy keeps its "
            "old end there. Say it in the SELECT as ends_at or minutes, and in [write] reschedule"
        )


def _named(table: Table, kind: str, start: Column) -> list[Column]:
    found = [one for one in table.columns.values() if one.kind == kind and one is not start and weight(one) > ENOUGH]
    return sorted(found, key=weight, reverse=True)


def _moment(row: Mapping[str, object], day: Column, clock: Column | None) -> datetime | None:
    found = recognise.moment(row[day.name], day.sort.form)
    if found is None or clock is None:
        return found
    at = recognise.clock(row[clock.name])
    return None if at is None else datetime.combine(found.date(), at)


def _of_texts(draft: Draft, day: Column, clock: Column) -> tuple[str, str, str, str] | None:
    """SQL that reads both texts as one, its form, and SQL that writes each of them."""
    values = [*day.values, *clock.values]
    form, shape = day.sort.form or "%Y-%m-%d", _shape(clock)
    if draft.engine not in _TEXTS or not shape or not all(isinstance(value, str) for value in values):
        return None
    if None in [recognise.moment(value, form) for value in day.values]:
        return None
    filled = [f"NULLIF(TRIM({draft.of(draft.booking, column)}), '')" for column in (day, clock)]
    long = len(_A_DAY.strftime(form))
    end = _end(draft, "VARCHAR")
    parts = f"SUBSTR({end}, 1, {long})", f"SUBSTR({end}, {long + 2})"
    return draft.together(filled[0], "' '", filled[1]), f"{form} {shape}", *parts


def _shape(clock: Column) -> str:
    """The form of all its texts; "" where they have none in common."""
    shapes = {_CLOCKS.get(len(str(value).strip().zfill(5)), "") for value in clock.values}
    whole = all(recognise.clock(value) is not None for value in clock.values)
    return shapes.pop() if whole and len(shapes) == 1 else ""


def _of_types(draft: Draft, day: Column, clock: Column) -> tuple[str, str, str, str] | None:
    typed = all(isinstance(one, date) for one in day.values) and all(isinstance(one, (time, timedelta)) for one in clock.values)
    if draft.engine not in _TYPED or not typed:
        return None
    sql = _TYPED[draft.engine].format(*(draft.of(draft.booking, column) for column in (day, clock)))
    end = _end(draft, "TIMESTAMP")
    return sql, "", f"CAST({end} AS DATE)", f"CAST({end} AS TIME)"


def _end(draft: Draft, kind: str) -> str:
    """The parameter; PostgreSQL wants to be told of what type it is where two are possible."""
    return f"CAST(:ends_at AS {kind})" if draft.engine == "postgresql" else ":ends_at"
