"""Statements on what concerns a workshop as a whole: its sources, its desk, people's decisions, the runs.

Also the ground that every group of statements stands on (`Statements`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from sync.core.booking import Side
from sync.errors import Conflict
from sync.ports import Clock
from sync.records import Decision, Desk, Run, Source
from sync.state import tables
from sync.state.database import Database, Fence

# Statements are made once: a pass asks some twenty of them, and making one takes as long as running it.
_WORKSHOP: sa.BindParameter[str] = sa.bindparam("workshop")
_SOURCE = sa.select(*tables.columns(tables.source, Source)).where(
    tables.source.c.workshop == _WORKSHOP, tables.source.c.side == sa.bindparam("side")
)
_DESK = sa.select(*tables.columns(tables.desk, Desk)).where(tables.desk.c.workshop == _WORKSHOP)
_DECISION = sa.select(*tables.columns(tables.decision, Decision)).order_by(tables.decision.c.id)
_WAITING = _DECISION.where(tables.decision.c.workshop == _WORKSHOP, tables.decision.c.taken_at.is_(None))
_RUN = sa.select(*tables.columns(tables.run, Run))
_QUIET = (
    sa.select(tables.run.c.id, tables.run.c.counts)
    .where(tables.run.c.workshop == _WORKSHOP, tables.run.c.started_at >= sa.bindparam("half"))
    .where(sa.type_coerce(tables.run.c.counts, sa.JSON)["quiet"].as_integer().is_not(None))
    .order_by(tables.run.c.id.desc())
    .limit(1)
)


class Statements:
    """A database, a clock, and the lease that every commit must still hold. Each method is one transaction."""

    def __init__(self, database: Database, clock: Clock, fence: Fence | None = None) -> None:
        self.database = database
        self.clock = clock
        self.fence = fence

    def _reading(self) -> AbstractContextManager[sa.Connection]:
        return self.database.reading()

    def _writing(self) -> AbstractContextManager[sa.Connection]:
        return self.database.writing(self.fence)


class Desks(Statements):
    """Sources, desks, decisions and runs."""

    def source(self, workshop: str, side: Side) -> Source:
        """How reading that side stands; a blank one before the first read."""
        with self._reading() as connection:
            row = connection.execute(_SOURCE, {"workshop": workshop, "side": side}).one_or_none()
        return Source(*row) if row else Source(workshop, side)

    def save_source(self, source: Source) -> None:
        with self._writing() as connection:
            _put(connection, tables.source, tables.values(source))

    def desk(self, workshop: str) -> Desk:
        """How the workshop stands; a blank one before the first pass."""
        with self._reading() as connection:
            row = connection.execute(_DESK, {"workshop": workshop}).one_or_none()
        return Desk(*row) if row else Desk(workshop)

    def save_desk(self, desk: Desk) -> None:
        with self._writing() as connection:
            _put(connection, tables.desk, tables.values(desk))

    def decide(self, workshop: str, kind: str, target: str, value: str) -> Decision:
        """Store a person's decision for whoever holds the lease."""
        values = {"workshop": workshop, "kind": kind, "target": target, "value": value, "at": self.clock.now()}
        with self._writing() as connection:
            key = connection.execute(tables.decision.insert().values(**values)).inserted_primary_key
            query = _DECISION.where(tables.decision.c.id == (key[0] if key else None))
            return Decision(*connection.execute(query).one())

    def decisions(self, workshop: str) -> list[Decision]:
        """Those not taken up yet, in the order they were made."""
        with self._reading() as connection:
            return [Decision(*row) for row in connection.execute(_WAITING, {"workshop": workshop})]

    def take(self, decision: Decision) -> None:
        """Mark it as taken up. Raises Conflict where that happened already."""
        wanted = (tables.decision.c.id == decision.id, tables.decision.c.taken_at.is_(None))
        with self._writing() as connection:
            if connection.execute(tables.decision.update().where(*wanted).values(taken_at=self.clock.now())).rowcount != 1:
                raise Conflict("that decision was taken up already")

    def record_run(
        self, workshop: str, started: datetime, finished: datetime, counts: Mapping[str, int], error: str = ""
    ) -> None:
        """A pass that wrote nothing shares one row with the others of its half hour: `quiet` says how many they are."""
        values = {"workshop": workshop, "started_at": started, "finished_at": finished, "counts": counts, "error": error}
        with self._writing() as connection:
            if error or set(counts) - {"calls"}:
                connection.execute(tables.run.insert().values(**values))
            else:
                _add_quiet(connection, {**values, "counts": {"quiet": 1, **counts}})

    def last_runs(self, workshop: str, n: int) -> list[Run]:
        """The newest first."""
        query = _RUN.where(tables.run.c.workshop == workshop).order_by(tables.run.c.id.desc()).limit(n)
        with self._reading() as connection:
            return [Run(*row) for row in connection.execute(query)]


def _put(connection: sa.Connection, table: sa.Table, values: Mapping[str, Any]) -> None:
    """Replace the row with this primary key, or make it."""
    keys = {f"_{column.name}": values[column.name] for column in table.primary_key}
    if connection.execute(_update(table), {**values, **keys}).rowcount == 0:
        connection.execute(table.insert().values(**values))


@cache
def _update(table: sa.Table) -> sa.Update:
    """Of the row whose primary key is `_` and the names of its columns."""
    return table.update().where(*(column == sa.bindparam(f"_{column.name}") for column in table.primary_key))


def _add_quiet(connection: sa.Connection, values: Mapping[str, Any]) -> None:
    """Half an hour, since there are zones whose hours begin there."""
    run, started = tables.run, values["started_at"]
    half = started.replace(minute=started.minute // 30 * 30, second=0, microsecond=0)
    if (before := connection.execute(_QUIET, {"workshop": values["workshop"], "half": half}).first()) is None:
        connection.execute(run.insert().values(**values))
        return
    total = dict(Counter(before.counts) + Counter(values["counts"]))
    connection.execute(run.update().where(run.c.id == before.id).values(counts=total, finished_at=values["finished_at"]))
