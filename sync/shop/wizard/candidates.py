"""Which table holds the bookings: every one that could is weighed by names, values, row counts and newest dates. No database.

An appointment table that exists but is not used must lose to the orders beside it: use weighs more than a fine name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import log10

from sync.shop.wizard import recognise, words
from sync.shop.wizard.explore import Column, Table

_UNUSED = timedelta(days=120)  # without a new date for so long, while another has them
_MIRRORS = (0.8, 1.25)  # rows of a view to those of the table that it shows


# What a time may be instead of a booking's start, and how much that weighs.
_AGAINST: Mapping[str, float] = {"created_at": 3, "changed_at": 4, "done_at": 3, "deleted_at": 3, "later": 3, "ends_at": 3}


@dataclass(frozen=True)
class Candidate:
    """A table that could hold the bookings; `why` is for the owner."""

    table: Table
    start: Column
    newest: datetime | None
    score: float
    why: str


def rank(tables: Iterable[Table], now: datetime) -> list[Candidate]:
    """The likeliest first. `now` is naive, on the shop's wall."""
    tables = list(tables)
    found = [(table, start) for table in tables if table.rows and (start := best_start(table, now)) is not None]
    latest = {table.id: max(start.moments(), default=None) for table, start in found}
    newest = max((moment for moment in latest.values() if moment), default=None)
    weighed = [_weighed(table, start, latest[table.id], newest, now) for table, start in found]
    weighed = [replace(one, score=one.score - _beside(one, weighed, tables, now)) for one in weighed]
    return sorted((one for one in weighed if one.score > 0), key=lambda one: -one.score)


def _beside(one: Candidate, others: Iterable[Candidate], tables: Iterable[Table], now: datetime) -> float:
    """What another table takes from this one: bookings to come, where it has none; or that it only shows that other's rows."""
    past = not _to_come(one, now) and any(_to_come(other, now) and _is_called_booking(other.table) for other in others)
    return 2.0 * past + 2.0 * any(_mirrors(one.table, table) for table in tables)


def _to_come(one: Candidate, now: datetime) -> bool:
    return one.newest is not None and one.newest > now


def _is_called_booking(table: Table) -> bool:
    return bool(words.hint("booking table", table.name)) and not _is_a_card(table) and not _is_detail(table)


def _mirrors(view: Table, table: Table) -> bool:
    """Whether the one is a view of the other, as far as name and count of rows say."""
    if not view.view or table.view or not words.akin(view.name, table.name):
        return False
    return _MIRRORS[0] <= view.rows / max(1, table.rows) <= _MIRRORS[1]


def best_start(table: Table, now: datetime) -> Column | None:
    """The column that looks most like when a customer comes."""
    weighed = [(start_score(column, now), column) for column in table.columns.values() if column.kind in ("moment", "day")]
    return max(weighed, key=lambda one: one[0], default=(0.0, None))[1] if weighed else None


def start_score(column: Column, now: datetime) -> float:
    """Names hint; times that people choose lie on full five minutes, and some of them are yet to come."""
    moments = column.moments()
    ahead = sum(moment > now for moment in moments) / len(moments) if moments else 0.0
    grid = recognise.on_the_grid(moments) if column.kind == "moment" else 0.5
    return 3 * words.hint("starts_at", column.name) + 2 * grid + min(2.0, 8 * ahead) - 2 * column.empty - against(column.name)


def against(name: str) -> float:
    """What a name says against a time as that at which a customer comes."""
    return sum(weight * words.hint(what, name) for what, weight in _AGAINST.items())


def _weighed(table: Table, start: Column, latest: datetime | None, newest: datetime | None, now: datetime) -> Candidate:
    unused = latest is not None and newest is not None and latest < min(newest, now) - _UNUSED
    named = words.hint("booking table", table.name)
    whom, car = points_to("customer table", table), points_to("vehicle table", table)
    score = 3 * named + log10(table.rows + 1) + 1.5 * whom + 2 * car + 1.5 * _has_status(table) + start_score(start, now) / 3
    score -= (
        4 * bool(words.hint("copy", table.name))
        + 4 * unused
        + 3 * (table.view and not named)
        + 2 * _is_detail(table)
        + 3 * _is_a_card(table)
    )
    facts = [f"{table.rows:,} rows", f"{start.name} up to {latest:%Y-%m-%d}" if latest else "no dates"]
    facts += ["its name"] if named else []
    facts += ["not used of late"] if unused else []
    facts += [f"leads to {who}" for who, there in (("the customer", whom), ("the vehicle", car)) if there]
    return Candidate(table, start, latest, score, ", ".join(facts))


def points_to(role: str, table: Table) -> bool:
    """Whether a column refers to such a table by name, or holds a plate or phone itself."""
    own = {"vehicle table": "plate", "customer table": "phone"}[role]
    return any(
        (words.hint(role, column.name) > 0 and column.kind not in ("moment", "day")) or column.kind == own
        for column in table.columns.values()
    )


def _has_status(table: Table) -> bool:
    return any(words.hint("status", column.name) and recognise.few(column.values) for column in table.columns.values())


def _is_detail(table: Table) -> bool:
    """Lines, sessions, logs and texts of something else."""
    details = ("item", "line", "log", "history", "detail", "text", "session", "report", "invoice", "payment", "audit")
    return any(part.startswith(detail) for part in words.parts(table.name) for detail in details)


def _is_a_card(table: Table) -> bool:
    """The customers and vehicles themselves have dates too."""
    cards = max(words.hint(role, table.name) for role in ("customer table", "vehicle table", "staff table"))
    return cards > words.hint("booking table", table.name)
