"""Statements on `intent`, the journal: what was about to be written, and what came of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from sync.core.booking import Link
from sync.errors import Conflict
from sync.records import Intent
from sync.state import tables
from sync.state.links import Links, store_link

_T = tables.intent
_UNSETTLED = sa.or_(_T.c.outcome.is_(None), _T.c.outcome == "unknown")
_INTENT = sa.select(*tables.columns(_T, Intent)).order_by(_T.c.started_at, _T.c.op)
_OPEN = _INTENT.where(_T.c.workshop == sa.bindparam("workshop"), _UNSETTLED)
_OF_LINK = _INTENT.where(_T.c.link_id == sa.bindparam("link_id"))


class Intents(Links):
    """The journal."""

    def intend(self, intent: Intent) -> None:
        """Committed when this returns: only then may the write be tried. Raises Unreachable, LeaseLost."""
        with self._writing() as connection:
            connection.execute(_T.insert().values(**tables.values(intent), visible=bool(intent.context.get("visible"))))

    def finish(
        self, intent: Intent, outcome: str, error: str, link: Link, /, *, look_at: datetime | None = None, **link_changes: Any
    ) -> Link:
        """What came of it and the link it changed, in one transaction; `look_at` where the outcome is unknown.

        An intent that was settled before is not settled twice. Raises Conflict (nothing is stored then), Unreachable."""
        values = {"outcome": outcome, "error": error, "finished_at": self.clock.now(), "look_at": look_at}
        with self._writing() as connection:
            done = connection.execute(_T.update().where(_T.c.op == intent.op, _UNSETTLED).values(**values))
            if done.rowcount != 1:
                raise Conflict("that write was settled already")
            return store_link(connection, link, link_changes)

    def open_intents(self, workshop: str) -> list[Intent]:
        """Those without an outcome and those whose outcome is unknown, oldest first."""
        return self._intents(_OPEN, workshop=workshop)

    def intents(self, link_id: int) -> list[Intent]:
        """The journal of one booking, oldest first."""
        return self._intents(_OF_LINK, link_id=link_id)

    def look_again(self, op: str, look_at: datetime | None) -> None:
        """It was looked at and is still unknown; look at it again then."""
        with self._writing() as connection:
            connection.execute(_T.update().where(_T.c.op == op).values(looks=_T.c.looks + 1, look_at=look_at))

    def visible_since(self, workshop: str, since: datetime) -> int:
        """Visible writes begun since then that were accepted or may have been: what the hourly cap counts."""
        wanted = (_T.c.workshop == workshop, _T.c.visible, _T.c.started_at >= since)
        counted = sa.or_(_UNSETTLED, _T.c.outcome == "accepted")
        with self._reading() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(_T).where(*wanted, counted)).scalar_one())

    def _intents(self, query: sa.Select[Any], **given: object) -> list[Intent]:
        with self._reading() as connection:
            return [Intent(*row) for row in connection.execute(query, given)]
