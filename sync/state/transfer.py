"""A workshop's state as lines of JSON, to move it to another server or from SQLite to PostgreSQL and back.

The first line says what it is; each other line is one row of one table. Leases stay where they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from sync.core.times import parse, stamp
from sync.errors import ConfigError
from sync.state import tables
from sync.state.store import StateStore

FORMAT = 1
# links first: what follows may name them
_MOVED = sorted(
    (table for table in tables.metadata.sorted_tables if table is not tables.lease), key=lambda table: table is not tables.link
)
_BY_LINK = ("links", "bookings")  # details of a held plan, by the id of a link
_ABOUT_LINK = ("resolve", "forget")  # decisions whose target is the id of a link
_NAMED = {table.name: table for table in _MOVED}
_REFUSED = "the file to import is not a whole export of this program's state ({})"


def dump(store: StateStore, workshop: str) -> Iterator[str]:
    """The lines, without line ends, as one consistent look. They hold personal data. Raises Unreachable."""
    counts: dict[str, int] = {}
    yield json.dumps({"repairy-sync": FORMAT, "workshop": workshop})
    with store.database.reading() as connection:
        for table in _MOVED:
            mine = sa.select(table).where(table.c.workshop == workshop)
            ordered = mine.order_by(*table.primary_key)  # of two links of one key the newer has the greater id, there too
            for row in connection.execute(ordered).mappings():
                counts[table.name] = counts.get(table.name, 0) + 1
                yield json.dumps({"table": table.name, "row": dict(row)}, default=_plain, ensure_ascii=False)
    yield json.dumps({"end": counts})


def load(store: StateStore, workshop: str, lines: Iterable[str]) -> dict[str, int]:
    """Take in what `dump` wrote, under this workshop's name; table -> rows. All or nothing.

    Raises ConfigError where the lines are not a whole export or the workshop has bookings here already; Conflict where
    its journal is here under another name; Unreachable."""
    counts: dict[str, int] = {}
    moved: dict[int, int] = {}
    with store.database.writing(store.fence) as connection:
        _check_empty(connection, workshop)
        for table, row in _rows(lines, counts):
            try:
                _insert(connection, table, {**_typed(table, row), "workshop": workshop}, moved)
            except (KeyError, ValueError, TypeError):  # a booking that did not come, a time that is none
                raise ConfigError(_REFUSED.format(f"a row of {table.name}")) from None
            counts[table.name] = counts.get(table.name, 0) + 1
    return counts


def _check_empty(connection: sa.Connection, workshop: str) -> None:
    link, taken = tables.link.c, (tables.desk, tables.source)
    if connection.execute(sa.select(link.id).where(link.workshop == workshop).limit(1)).first():
        raise ConfigError(f"workshop {workshop} has bookings in this state already; import into an empty one")
    for table in taken:  # what starting the program once has left
        connection.execute(table.delete().where(table.c.workshop == workshop))


def _rows(lines: Iterable[str], counts: Mapping[str, int]) -> Iterator[tuple[sa.Table, dict[str, Any]]]:
    """Each row with its table, once the first line has been checked; the last line must agree with what came."""
    end: object = None
    for number, line in enumerate(lines, 1):
        said = _object(line, number)
        if number == 1 and said.get("repairy-sync") != FORMAT:
            raise ConfigError(_REFUSED.format(f"line {number}"))
        if number > 1 and "table" in said:
            table, row = _NAMED.get(said["table"]), said.get("row")
            if table is None or not isinstance(row, dict) or end is not None:
                raise ConfigError(_REFUSED.format(f"line {number}"))
            yield table, row
        end = said.get("end", end)
    if end != counts:
        raise ConfigError(_REFUSED.format("it was cut off"))


def _object(line: str, number: int) -> dict[str, Any]:
    try:
        said = json.loads(line)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise ConfigError(_REFUSED.format(f"line {number}"))
    return said


def _typed(table: sa.Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """Times as times again; columns that this version does not know are refused, not dropped."""
    if unknown := row.keys() - table.c.keys():
        raise ConfigError(f"the export is of a newer version of this program: {table.name} has {', '.join(sorted(unknown))}")
    times = {name for name, value in row.items() if isinstance(table.c[name].type, tables.Stamp) and value is not None}
    return {name: parse(value) if name in times else value for name, value in row.items()}


def _insert(connection: sa.Connection, table: sa.Table, row: dict[str, Any], moved: dict[int, int]) -> None:
    """Counted ids are given anew; `moved` says which link is which, wherever one is named."""
    counted = row.pop("id") if isinstance(table.c.get("id", sa.column("id")).type, sa.Integer) else None
    if row.get("link_id") is not None:
        row["link_id"] = moved[row["link_id"]]
    if table is tables.decision and row["kind"] in _ABOUT_LINK:
        row["target"] = str(moved[int(row["target"])])
    if table is tables.hold:
        row["details"] = {name: _renumbered(told, moved) if name in _BY_LINK else told for name, told in row["details"].items()}
    key = connection.execute(table.insert().values(**row)).inserted_primary_key
    if table is tables.link and counted is not None and key is not None:
        moved[counted] = key[0]


def _renumbered(told: Mapping[str, Any], moved: Mapping[int, int]) -> dict[str, Any]:
    return {str(moved[int(one)]): about for one, about in told.items()}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no form in an export")
