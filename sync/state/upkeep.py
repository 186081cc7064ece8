"""Statements that keep the state small and free of personal data that is no longer needed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from sync.core.booking import Fields, Link
from sync.records import Intent
from sync.state import tables
from sync.state.inbox import Inbox
from sync.state.links import store_link

# What may be known of a finished booking for ever; every other field says something about a customer.
_KEPT = frozenset({"status", "starts_at", "ends_at", "service_category", "service_code"})
_KEPT_CONTEXT = frozenset({"groups", "visible", "since"})


class Upkeep(Inbox):
    """Forgetting."""

    def erase(self, link: Link, **changes: Any) -> Link:
        """Clear personal data from a link, its journal and its holds; the link stays, with what was accepted once for ever.

        In one transaction. Raises Conflict where the link changed since it was read."""
        blank: dict[str, Any] = {side: _bare(getattr(link, side)) for side in ("shop", "repairy", "shop_base", "repairy_base")}
        blank |= {"refused": {}, "choice": {}, "error": ""}
        intents = self.intents(link.id)
        with self._writing() as connection:
            for one in intents:
                connection.execute(tables.intent.update().where(tables.intent.c.op == one.op).values(**_bare_intent(one)))
            connection.execute(tables.hold.delete().where(tables.hold.c.link_id == link.id))
            return store_link(connection, link, {**blank, **changes})

    def prune(self, before: datetime) -> None:
        """Drop what ended before then and tells nothing more: closed holds, settled events, decisions, runs, unsent attempts."""
        ended = {
            tables.hold: tables.hold.c.closed_at,
            tables.event: tables.event.c.settled_at,
            tables.decision: tables.decision.c.taken_at,
            tables.run: tables.run.c.finished_at,
        }
        with self._writing() as connection:
            for table, moment in ended.items():
                connection.execute(sa.delete(table).where(moment < before))
            never = (tables.intent.c.outcome == "not_sent", tables.intent.c.finished_at < before)
            connection.execute(sa.delete(tables.intent).where(*never))


def _bare(fields: Fields | None) -> Fields | None:
    return None if fields is None else {name: value for name, value in fields.items() if name in _KEPT}


def _bare_intent(intent: Intent) -> Mapping[str, Any]:
    kept = {name: _bare(getattr(intent, name)) for name in ("before", "after", "shop", "repairy")}
    return {**kept, "context": {name: value for name, value in intent.context.items() if name in _KEPT_CONTEXT}, "error": ""}
