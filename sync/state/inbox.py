"""Statements on `webhook_event`: verified events, stored before they are acknowledged."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from sync.errors import Conflict
from sync.ports import PROBED, Event
from sync.state import tables
from sync.state.standings import Standings

_T = tables.event
_EVENT = (
    sa.select(*tables.columns(_T, Event))
    .where(_T.c.workshop == sa.bindparam("workshop"), _T.c.settled_at.is_(None))
    .order_by(_T.c.received_at, _T.c.id)
)
_MARKED = 500  # ids in one IN


class Inbox(Standings):
    """Webhook events."""

    def add_event(self, event: Event, workshop: str) -> bool:
        """Committed when it returns; False where that id is known. Raises Unreachable (a full disk, for one)."""
        settled = self.clock.now() if event.action == PROBED else None
        try:
            with self._writing() as connection:
                if connection.execute(_seen(event.id, workshop)).first():
                    return False
                row = {**tables.values(event), "workshop": workshop, "parked": False, "settled_at": settled}
                connection.execute(_T.insert().values(row))
        except Conflict:  # two deliveries at once, on PostgreSQL
            return False
        return True

    def events(self, workshop: str, *, parked: bool | None = None) -> list[Event]:
        """Those not settled, in the order they came; only the parked ones, or only the others, where asked."""
        query = _EVENT if parked is None else _EVENT.where(_T.c.parked.is_(parked))
        with self._reading() as connection:
            return [Event(*row) for row in connection.execute(query, {"workshop": workshop})]

    def settle_event(self, ids: Collection[str], workshop: str | None = None) -> None:
        """What they told has been looked at."""
        self._mark(ids, workshop, settled_at=self.clock.now())

    def park_event(self, ids: Collection[str], workshop: str | None = None) -> None:
        """They wait until a create that may be their booking is settled; never dropped."""
        self._mark(ids, workshop, parked=True)

    def event_seen(self, id: str, workshop: str | None = None) -> bool:
        with self._reading() as connection:
            return connection.execute(_seen(id, workshop)).first() is not None

    def drop_probe(self, id: str) -> bool:
        """Whether this event of our own came; it is gone when this returns, as if it had never come."""
        if not self.event_seen(id):
            return False
        with self._writing() as connection:
            connection.execute(_T.delete().where(_T.c.id == id, _T.c.action == PROBED))
        return True

    def _mark(self, ids: Collection[str], workshop: str | None, **values: object) -> None:
        if marked := sorted(ids):
            with self._writing() as connection:
                for start in range(0, len(marked), _MARKED):
                    these = _T.c.id.in_(marked[start : start + _MARKED])
                    connection.execute(_T.update().where(these, _of(workshop)).values(**values))


def _of(workshop: str | None) -> sa.ColumnElement[bool]:
    return sa.true() if workshop is None else _T.c.workshop == workshop


def _seen(id: str, workshop: str | None) -> sa.Select[tuple[str]]:
    return sa.select(_T.c.id).where(_T.c.id == id, _of(workshop))
