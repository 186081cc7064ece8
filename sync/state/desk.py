"""Statements on what concerns a workshop as a whole: its sources, its desk, people's decisions, the runs.

Also the ground that every group of statements stands on (`Statements`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from sync.core.booking import Side
from sync.errors import Conflict
from sync.ports import Clock
from sync.records import Decision, Desk, Run, Source
from sync.state import tables
from sync.state.database import Database, Fence

_SOURCE = tables.columns(tables.source, Source)
_DESK = tables.columns(tables.desk, Desk)
_DECISION = tables.columns(tables.decision, Decision)
_RUN = tables.columns(tables.run, Run)


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
        wanted = (tables.source.c.workshop == workshop, tables.source.c.side == side)
        with self._reading() as connection:
            row = connection.execute(sa.select(*_SOURCE).where(*wanted)).one_or_none()
        return Source(*row) if row else Source(workshop, side)

    def save_source(self, source: Source) -> None:
        with self._writing() as connection:
            _put(connection, tables.source, tables.values(source))

    def desk(self, workshop: str) -> Desk:
        """How the workshop stands; a blank one before the first pass."""
        with self._reading() as connection:
            row = connection.execute(sa.select(*_DESK).where(tables.desk.c.workshop == workshop)).one_or_none()
        return Desk(*row) if row else Desk(workshop)

    def save_desk(self, desk: Desk) -> None:
        with self._writing() as connection:
            _put(connection, tables.desk, tables.values(desk))

    def decide(self, workshop: str, kind: str, target: str, value: str) -> Decision:
        """Store a person's decision for whoever holds the lease."""
        values = {"workshop": workshop, "kind": kind, "target": target, "value": value, "at": self.clock.now()}
        with self._writing() as connection:
            key = connection.execute(tables.decision.insert().values(**values)).inserted_primary_key
            query = sa.select(*_DECISION).where(tables.decision.c.id == (key[0] if key else None))
            return Decision(*connection.execute(query).one())

    def decisions(self, workshop: str) -> list[Decision]:
        """Those not taken up yet, in the order they were made."""
        wanted = (tables.decision.c.workshop == workshop, tables.decision.c.taken_at.is_(None))
        with self._reading() as connection:
            rows = connection.execute(sa.select(*_DECISION).where(*wanted).order_by(tables.decision.c.id))
            return [Decision(*row) for row in rows]

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
        query = sa.select(*_RUN).where(tables.run.c.workshop == workshop).order_by(tables.run.c.id.desc()).limit(n)
        with self._reading() as connection:
            return [Run(*row) for row in connection.execute(query)]


def _put(connection: sa.Connection, table: sa.Table, values: Mapping[str, Any]) -> None:
    """Replace the row with this primary key, or make it."""
    wanted = [column == values[column.name] for column in table.primary_key]
    if connection.execute(table.update().where(*wanted).values(**values)).rowcount == 0:
        connection.execute(table.insert().values(**values))


def _add_quiet(connection: sa.Connection, values: Mapping[str, Any]) -> None:
    """Half an hour, since there are zones whose hours begin there."""
    run, started = tables.run, values["started_at"]
    half = started.replace(minute=started.minute // 30 * 30, second=0, microsecond=0)
    is_quiet = sa.type_coerce(run.c.counts, sa.JSON)["quiet"].as_integer().is_not(None)
    query = sa.select(run.c.id, run.c.counts).where(run.c.workshop == values["workshop"], run.c.started_at >= half, is_quiet)
    if (before := connection.execute(query.order_by(run.c.id.desc()).limit(1)).first()) is None:
        connection.execute(run.insert().values(**values))
        return
    total = dict(Counter(before.counts) + Counter(values["counts"]))
    connection.execute(run.update().where(run.c.id == before.id).values(counts=total, finished_at=values["finished_at"]))
