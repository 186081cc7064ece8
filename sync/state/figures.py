"""Statements that count: what metrics and alerts ask of the state. They read, and load no booking."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from sync.core.times import parse, stamp
from sync.state import tables
from sync.state.upkeep import Upkeep


class Figures(Upkeep):
    """Counts of one workshop."""

    def standing_counts(self, workshop: str) -> dict[str, int]:
        """Kind (waiting, noted, held, plan) -> how many stand open."""
        hold = tables.hold
        return dict(self._counted(hold, workshop, hold.c.kind, where=hold.c.closed_at.is_(None)))

    def intent_counts(self, workshop: str) -> dict[tuple[str, str, str], int]:
        """(side, kind, outcome) -> how many writes of the whole journal; the outcome is `open` where none is known yet."""
        intent = tables.intent
        return {(side, kind, outcome or "open"): n for side, kind, outcome, n in self._counted(
            intent, workshop, intent.c.side, intent.c.kind, intent.c.outcome
        )}  # fmt: skip

    def due_counts(self, workshop: str, now: datetime) -> tuple[int, datetime | None]:
        """How many bookings are due, and since when the oldest of them is."""
        due = tables.link.c.due_at
        query = sa.select(sa.func.count(), sa.func.min(due)).where(tables.link.c.workshop == workshop, due <= stamp(now))
        with self._reading() as connection:
            count, oldest = connection.execute(query).one()
        return count, parse(oldest) if oldest else None

    def events_between(self, workshop: str, since: datetime, until: datetime) -> int:
        """How many webhook events came in [since, until)."""
        came = tables.event.c.received_at
        query = sa.select(sa.func.count()).where(tables.event.c.workshop == workshop, came >= since, came < until)
        with self._reading() as connection:
            return int(connection.execute(query).scalar_one())

    def _counted(self, table: sa.Table, workshop: str, *by: sa.Column[Any], where: sa.ColumnElement[bool] | None = None) -> Any:
        """Rows of the grouping columns' values and a count."""
        wanted = [table.c.workshop == workshop, *([] if where is None else [where])]
        query = sa.select(*by, sa.func.count()).where(*wanted).group_by(*by)
        with self._reading() as connection:
            return connection.execute(query).all()
