"""Every row of a query, as the driver's own tuples.

One odd value must not end a whole read: it arrives as text, bytes that are no UTF-8 as lone surrogates. Drivers that can
be told so are slower at it, so they are asked to be strict first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import cache
from operator import methodcaller
from typing import Any

import sqlalchemy as sa

Table = tuple[list[str], Sequence[tuple[Any, ...]]]  # lower-case column names, and rows


def fetched(connection: sa.Connection, query: sa.Executable) -> Table:
    """Every row at once: none is left to fetch while the shop's program waits for its tables. Raises the driver's errors."""
    driver = connection.connection.driver_connection
    engine = connection.dialect.name
    if engine not in _TOLERANCE:
        return _fetched(connection, query)
    _TOLERANCE[engine][1](driver)
    try:
        return _fetched(connection, query)
    except connection.dialect.loaded_dbapi.Error:  # not one of SQLAlchemy's: it came with the rows
        tolerate(driver, engine)
        return _fetched(connection, query)
    finally:
        tolerate(driver, engine)


def _fetched(connection: sa.Connection, query: sa.Executable) -> Table:
    """The driver's own tuples: of a hundred thousand rows they are compared with those of the reading before in no time."""
    with closing(connection.execute(query)) as result:
        return [name.lower() for name in result.keys()], result.cursor.fetchall()  # noqa: SIM118 (a result is no dict)


def tolerate(driver: Any, engine: str) -> None:
    """Let a new connection of the driver hand on as text what it cannot read."""
    if engine in _TOLERANCE:
        _TOLERANCE[engine][0](driver)


def _tolerate_odd_text(connection: Any) -> None:
    connection.text_factory = methodcaller("decode", "utf-8", "surrogateescape")


def _insist_on_text(connection: Any) -> None:
    connection.text_factory = str


def _tolerate_odd_times(connection: Any) -> None:
    """Let psycopg hand on as text what Python has no time for (`infinity`, `24:00`): one such row must not end the whole read."""
    for kind, strict in _loaders(connection):
        connection.adapters.register_loader(kind, _tolerant(strict))


def _insist_on_times(connection: Any) -> None:
    for kind, strict in _loaders(connection):
        connection.adapters.register_loader(kind, strict)


def _loaders(connection: Any) -> Iterator[tuple[str, Any]]:
    """The driver's own for times, in C where it has one."""
    from psycopg import adapters  # noqa: PLC0415 (an extra: only shops on PostgreSQL have it)
    from psycopg.pq import Format  # noqa: PLC0415

    for kind in ("date", "time", "timetz", "timestamp", "timestamptz", "interval"):
        yield kind, adapters.get_loader(connection.adapters.types[kind].oid, Format.TEXT)


@cache
def _tolerant(strict: Any) -> Any:
    from psycopg import DataError  # noqa: PLC0415
    from psycopg.adapt import Loader  # noqa: PLC0415

    class Tolerant(Loader):
        def load(self, raw: Any) -> Any:
            try:
                return strict(self.oid).load(raw)
            except DataError:
                return bytes(raw).decode()

    return Tolerant


# Engine -> how its driver hands on as text what it cannot read, and how it fails at it, which is several times as fast.
_TOLERANCE = {"sqlite": (_tolerate_odd_text, _insist_on_text), "postgresql": (_tolerate_odd_times, _insist_on_times)}
