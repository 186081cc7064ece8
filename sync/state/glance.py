"""Statements for people who look: what the status page asks, counted and narrowed by the database. Nothing is written.

Another process may work meanwhile: each method is one consistent look, two of them are not.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from sync.core.booking import Link
from sync.core.times import parse, stamp
from sync.records import Decision, Run, Standing
from sync.state import tables
from sync.state.desk import Statements

_LINK, _HOLD, _INTENT, _RUN, _EVENT = tables.link, tables.hold, tables.intent, tables.run, tables.event
_MANY = 500  # bookings or standings in one answer


@dataclass(frozen=True)
class Backlog:
    """How much is to be done: `count`, and since when the oldest (None: nothing)."""

    count: int
    oldest: datetime | None = None


@dataclass(frozen=True)
class Past:
    """What stood once; `closed_by` is empty where its cause went away by itself."""

    standing: Standing
    closed_at: datetime | None
    closed_by: str


@dataclass(frozen=True)
class Written:
    """One write that was tried. `since`: when its newest value was first seen; None where a person decided on it."""

    side: str
    outcome: str | None
    started_at: datetime
    finished_at: datetime | None
    since: datetime | None


class Glance(Statements):
    """Looks at the state."""

    def due(self, workshop: str, now: datetime) -> Backlog:
        """Bookings to be decided on now."""
        return self._backlog(_LINK.c.due_at, _LINK.c.workshop == workshop, _LINK.c.due_at <= stamp(now))

    def overdue(self, workshop: str, now: datetime) -> Backlog:
        """Bookings whose turn it is to be read at Repairy."""
        known = _LINK.c.repairy_id.is_not(None)
        return self._backlog(_LINK.c.poll_at, _LINK.c.workshop == workshop, _LINK.c.poll_at <= stamp(now), known)

    def last_writes(self, workshop: str) -> dict[str, datetime]:
        """Side -> when a write to it last took."""
        c = _INTENT.c
        query = (
            sa.select(c.side, sa.func.max(c.finished_at)).where(c.workshop == workshop, c.outcome == "accepted").group_by(c.side)
        )
        with self._reading() as connection:
            return dict(connection.execute(query).all())

    def counts(self, workshop: str) -> dict[str, int]:
        """Kind of what stands open (waiting, noted, held, plan) -> how many; what a held plan holds counts as the plan."""
        wanted = (_HOLD.c.workshop == workshop, _HOLD.c.closed_at.is_(None))
        plans = sa.select(_HOLD.c.digest).where(*wanted, _HOLD.c.kind == "plan")
        alone = sa.or_(_HOLD.c.kind != "held", _HOLD.c.digest.not_in(plans))
        query = sa.select(_HOLD.c.kind, sa.func.count()).where(*wanted, alone).group_by(_HOLD.c.kind)
        with self._reading() as connection:
            return dict(connection.execute(query).all())

    def starting(self, workshop: str, first: date, last: date) -> list[Link]:
        """Open bookings that start on these days on either side; a day more at both ends, whatever the zone."""
        low, high = (first - timedelta(days=1)).isoformat(), (last + timedelta(days=2)).isoformat()
        starts = [sa.type_coerce(_LINK.c[side], sa.JSON)["starts_at"].as_string() for side in ("shop", "repairy")]
        near = sa.or_(*[sa.and_(start >= low, start < high) for start in starts])
        columns = tables.columns(_LINK, Link)
        wanted = (_LINK.c.workshop == workshop, _LINK.c.state.in_(("open", "baseline")), near)
        query = sa.select(*columns).where(*wanted).order_by(sa.func.coalesce(*starts), _LINK.c.id).limit(_MANY)
        with self._reading() as connection:
            return [Link(*row) for row in connection.execute(query)]

    def standing(self, workshop: str, link_ids: Collection[int]) -> dict[int, list[Standing]]:
        """What stands open for these bookings."""
        columns = tables.columns(_HOLD, Standing)
        wanted = (_HOLD.c.workshop == workshop, _HOLD.c.closed_at.is_(None), _HOLD.c.link_id.in_(sorted(link_ids)))
        found: dict[int, list[Standing]] = {}
        with self._reading() as connection:
            for row in connection.execute(sa.select(*columns).where(*wanted).order_by(_HOLD.c.since)):
                one = Standing(*row)
                found.setdefault(one.link_id or 0, []).append(one)
        return found

    def noted(self, workshop: str) -> list[tuple[str, int, list[int]]]:
        """Reason -> how many bookings it is noted for, and some of them; the most frequent first."""
        wanted = (_HOLD.c.workshop == workshop, _HOLD.c.kind == "noted", _HOLD.c.closed_at.is_(None))
        query = sa.select(_HOLD.c.reason, sa.func.count()).where(*wanted).group_by(_HOLD.c.reason)
        some = sa.select(_HOLD.c.link_id).where(*wanted, _HOLD.c.reason == sa.bindparam("why")).order_by(_HOLD.c.since).limit(20)
        with self._reading() as connection:
            reasons = connection.execute(query.order_by(sa.func.count().desc(), _HOLD.c.reason).limit(50)).all()
            return [(why, count, list(connection.scalars(some, {"why": why}))) for why, count in reasons]

    def links_by_id(self, ids: Collection[int]) -> dict[int, Link]:
        columns = tables.columns(_LINK, Link)
        with self._reading() as connection:
            rows = connection.execute(sa.select(*columns).where(_LINK.c.id.in_(sorted(ids)[:_MANY])))
            return {row[0]: Link(*row) for row in rows}

    # one booking's past

    def past(self, link_id: int) -> list[Past]:
        """Everything that stood for it, open or closed."""
        query = sa.select(*tables.columns(_HOLD, Standing), _HOLD.c.closed_at, _HOLD.c.closed_by)
        with self._reading() as connection:
            rows = connection.execute(query.where(_HOLD.c.link_id == link_id).order_by(_HOLD.c.since).limit(_MANY))
            return [Past(Standing(*row[:-2]), row[-2], row[-1] or "") for row in rows]

    def decided(self, workshop: str, kind: str, target: str) -> list[Decision]:
        """What people decided about it, taken up or not."""
        columns, c = tables.columns(tables.decision, Decision), tables.decision.c
        query = sa.select(*columns).where(c.workshop == workshop, c.kind == kind, c.target == target)
        with self._reading() as connection:
            return [Decision(*row) for row in connection.execute(query.order_by(c.id).limit(_MANY))]

    def in_hand(self, workshop: str) -> list[Decision]:
        """Decisions not carried out yet: nobody took them up, or the pass that did has not ended."""
        columns, c, run = tables.columns(tables.decision, Decision), tables.decision.c, tables.run.c
        ended = sa.select(sa.func.max(run.finished_at)).where(run.workshop == workshop).scalar_subquery()
        under_way = sa.or_(c.taken_at.is_(None), ended.is_(None), c.taken_at > ended)
        with self._reading() as connection:
            rows = connection.execute(sa.select(*columns).where(c.workshop == workshop, under_way).order_by(c.id))
            return [Decision(*row) for row in rows]

    def told(self, workshop: str, booking_id: str) -> list[tuple[datetime, str]]:
        """When Repairy told of this booking, and of what."""
        wanted = (_EVENT.c.workshop == workshop, _EVENT.c.booking_id == booking_id)
        query = sa.select(_EVENT.c.received_at, _EVENT.c.action).where(*wanted).order_by(_EVENT.c.received_at).limit(_MANY)
        with self._reading() as connection:
            return [(at, action) for at, action in connection.execute(query)]

    # figures over time

    def passes(self, workshop: str, since: datetime) -> list[Run]:
        """Those that wrote or could not read a side; the others in one row for each half hour, counted as `quiet`."""
        query = sa.select(*tables.columns(_RUN, Run)).where(_RUN.c.workshop == workshop, _RUN.c.started_at >= since)
        with self._reading() as connection:
            return [Run(*row) for row in connection.execute(query)]

    def written(self, workshop: str, since: datetime, limit: int = 50_000) -> list[Written]:
        """The newest writes since then."""
        c = _INTENT.c
        query = sa.select(c.side, c.outcome, c.started_at, c.finished_at, c.context).where(c.workshop == workshop)
        with self._reading() as connection:
            rows = connection.execute(query.where(c.started_at >= since).order_by(c.started_at.desc()).limit(limit))
            return [Written(*row[:4], parse(row[4]["since"]) if row[4].get("since") else None) for row in rows]

    def _backlog(self, moment: sa.ColumnElement[Any], *wanted: sa.ColumnElement[bool]) -> Backlog:
        with self._reading() as connection:
            count, oldest = connection.execute(sa.select(sa.func.count(), sa.func.min(moment)).where(*wanted)).one()
            return Backlog(count, parse(oldest) if oldest else None)
