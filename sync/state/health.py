"""Damage to the state file: found by reading all of it, and moved aside, never deleted. A state that was lost is known
by the mapping journal beside it.

SQLite's own check misses almost a third of the bit flips that change data; so every row is read through its types, its
words are compared with those that exist, and links with the journal.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext

from sync.core.times import parse
from sync.errors import Unreachable
from sync.state import migrate, tables
from sync.state.database import Database, sqlite_file
from sync.state.store import StateStore

Line = Mapping[str, Any]
_BESIDE = ("", "-wal", "-shm", "-journal")
_AWAY = (3, 5, 6, 8, 10, 13, 14, 23)  # SQLite's codes for rights, locks, disks and files: not what is in the file
_SIDES = frozenset({"shop", "repairy"})
_WORDS: Mapping[str, Mapping[str, frozenset[str | None]]] = {
    "booking_link": {"state": frozenset({"baseline", "open", "closed", "skipped"})},
    "intent": {
        "side": _SIDES,
        "kind": frozenset({"create", "change", "done", "cancel", "link"}),
        "outcome": frozenset({None, "accepted", "rejected", "not_sent", "unknown", "stale"}),
    },
    "hold": {"kind": frozenset({"waiting", "noted", "held", "plan"})},
    "source": {"side": _SIDES},
    "workshop": {"paused": frozenset({"", "all", "visible"})},
}  # fmt: skip
_SNAPSHOTS = ("shop", "repairy", "shop_base", "repairy_base", "before", "after")
_FIELD = re.compile("[a-z_0-9]+")
_MOMENTS = ("due_at", "poll_at")
_PLAIN = (sa.Text, sa.Integer)


def damage(url: str, lines: Iterable[Line] = ()) -> str:
    """What is wrong with a SQLite state file, in one line; "" where nothing is found, or there is no file.

    `lines`: of the mapping journal. Raises Unreachable where it cannot be read for another reason."""
    path = sqlite_file(url)
    if path is None or not path.exists():
        return ""
    database = Database(url)
    try:
        with closing(database), database.reading() as connection:
            return next(_wrong(connection, lines), "")
    except Unreachable as error:
        if _code(error) in _AWAY:
            raise
        return f"SQLite says: {_first(error.__cause__)}"
    except (ValueError, TypeError, LookupError):
        return "a value in it cannot be understood"


def _code(error: Unreachable) -> int:
    cause = getattr(error.__cause__, "orig", None)
    return int(getattr(cause, "sqlite_errorcode", 0) or 0) & 0xFF


def _first(error: BaseException | None) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0]


def _wrong(connection: sa.Connection, lines: Iterable[Line]) -> Iterator[str]:
    for (said,) in connection.exec_driver_sql("PRAGMA integrity_check"):
        if said != "ok":
            yield f"SQLite says: {said}"
    if connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        yield "rows belong to a booking that is not there"
    if MigrationContext.configure(connection).get_current_revision() == migrate.head():
        for table in tables.metadata.sorted_tables:
            yield from _odd_rows(connection, table)
        yield from _against(connection, lines)


def _odd_rows(connection: sa.Connection, table: sa.Table) -> Iterator[str]:
    words = _WORDS.get(table.name, {})
    for row in connection.execute(sa.select(table)).mappings():
        if any(row[name] not in allowed for name, allowed in words.items()) or not _sound(table, dict(row)):
            yield f"a row of {table.name} holds what this program never writes"


def _sound(table: sa.Table, row: Mapping[str, Any]) -> bool:
    """Texts are texts and numbers numbers, names of fields are names; a moment that is none raises ValueError."""
    for name in _MOMENTS:
        if row.get(name) is not None:
            parse(row[name])
    plain = [column for column in table.c if isinstance(column.type, _PLAIN) and row[column.name] is not None]
    named = [field for name in _SNAPSHOTS if isinstance(row.get(name), dict) for field in row[name]]
    return all(isinstance(row[one.name], one.type.python_type) for one in plain) and all(map(_FIELD.fullmatch, named))


def _against(connection: sa.Connection, lines: Iterable[Line]) -> Iterator[str]:
    """A reference stands with a booking that the journal never gave it."""
    given: dict[tuple[Any, Any], set[Any]] = defaultdict(set)
    for line in lines:
        if line.get("kind") == "link" and line.get("reference") and line.get("repairy_id"):
            given[line.get("workshop"), line["reference"]].add(line["repairy_id"])
    link = tables.link.c
    for workshop, reference, booking in connection.execute(sa.select(link.workshop, link.reference, link.repairy_id)):
        if booking is not None and (workshop, reference) in given and booking not in given[workshop, reference]:
            yield f"{reference} stands with another booking than in the mapping journal"


def lost(store: StateStore, workshop: str, lines: Iterable[Line]) -> bool:
    """Whether the journal tells of links of this workshop and the state has none. Raises Unreachable."""
    told = any(line.get("workshop") == workshop and line.get("kind") in ("link", "reference") for line in lines)
    return told and (migrate.current(store.database.url) is None or not store.count(workshop))


def move_aside(url: str, now: datetime) -> Path | None:
    """The file, and what SQLite keeps beside it, under a dated name; the new name. Raises Unreachable."""
    path = sqlite_file(url)
    if path is None:
        return None
    aside = path.with_name(f"{path.name}.damaged-{now:%Y%m%d-%H%M%S}")
    try:
        for end in _BESIDE:
            with suppress(FileNotFoundError):
                path.with_name(path.name + end).rename(aside.with_name(aside.name + end))
    except OSError as error:
        raise Unreachable(f"{path} is damaged and could not be moved aside: {error.strerror}") from error
    return aside
