"""Statements on `hold`: what waits, is noted or is held. A row whose cause has gone is closed and kept."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from hashlib import sha256
from itertools import count
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from sync.records import Standing
from sync.state import tables
from sync.state.intents import Intents

_T = tables.hold
_OPEN = _T.c.closed_at.is_(None)
_STANDING = sa.select(*tables.columns(_T, Standing)).where(_OPEN).order_by(_T.c.since, _T.c.id)
_Same = tuple[int | None, str, str, str]


class Standings(Intents):
    """What stands open."""

    def stand(
        self, workshop: str, link_id: int | None, items: Sequence[Standing], *, kinds: Collection[str] | None = None
    ) -> None:
        """From now on these stand for that link (None: for the workshop as a whole), and no others (of these kinds).

        One whose kind, scope and reason are unchanged keeps its id and `since`; those gone are closed."""
        self.stand_all(workshop, {link_id: items}, kinds=kinds)

    def stand_all(
        self, workshop: str, items: Mapping[int | None, Sequence[Standing]], *, kinds: Collection[str] | None = None
    ) -> None:
        """As `stand`, for many links in one transaction. Where nothing changed, nothing is written."""
        if not items:
            return
        wanted = [_T.c.workshop == workshop, sa.true() if kinds is None else _T.c.kind.in_(sorted(kinds))]
        wanted += [_concerns(link_id) for link_id in items] if len(items) == 1 else []
        before = {_same(one): one for one in self._standings(_STANDING.where(*wanted)) if one.link_id in items}
        after = {_same(one): one for link_id, those in items.items() for one in _placed(those, link_id)}
        gone = [one.id for key, one in before.items() if key not in after]
        fresh = [one for key, one in after.items() if key not in before]
        kept = {key: replace(one, id=before[key].id, since=before[key].since) for key, one in after.items() if key in before}
        changed = [one for key, one in kept.items() if one != before[key]]
        if gone or fresh or changed:
            with self._writing() as connection:
                _close(connection, gone, self.clock.now(), "")
                _update(connection, changed)
                _insert(connection, fresh)

    def standings(self, workshop: str | None = None, kind: str | None = None, link_id: int | None = None) -> list[Standing]:
        """The open ones, oldest first."""
        given = {"workshop": workshop, "kind": kind, "link_id": link_id}
        wanted = {name: value for name, value in given.items() if value is not None}
        return self._standings(_with(*wanted), wanted)

    def plans(self, workshop: str) -> list[Standing]:
        """Frozen plans that wait for `approve`."""
        return self.standings(workshop, kind="plan")

    def close_standing(self, id: str, by: str) -> None:
        """A person released it. One that is closed already stays as it is."""
        with self._writing() as connection:
            _close(connection, [id], self.clock.now(), by)

    def _standings(self, query: sa.Select[Any], given: Mapping[str, object] = MappingProxyType({})) -> list[Standing]:
        with self._reading() as connection:
            return [Standing(*row) for row in connection.execute(query, given)]


@cache
def _with(*names: str) -> sa.Select[Any]:
    """The open ones of which these columns are as given."""
    return _STANDING.where(*(_T.c[name] == sa.bindparam(name) for name in names))


def _same(one: Standing) -> _Same:
    return (one.link_id, one.kind, one.scope, one.reason)


def _placed(those: Iterable[Standing], link_id: int | None) -> list[Standing]:
    return [replace(one, link_id=link_id) for one in those]


def _concerns(link_id: int | None) -> sa.ColumnElement[bool]:
    return _T.c.link_id.is_(None) if link_id is None else _T.c.link_id == link_id


def _update(connection: sa.Connection, changed: Iterable[Standing]) -> None:
    for one in changed:
        connection.execute(_T.update().where(_T.c.id == one.id).values(**tables.values(one)))


def _close(connection: sa.Connection, ids: Sequence[str], at: datetime, by: str) -> None:
    """What a person was asked stays as history; a wait that is over says nothing, and an outage makes thousands."""
    if ids:
        over = _T.delete().where(_T.c.id == sa.bindparam("_id"), _T.c.kind == "waiting")
        connection.execute(over, [{"_id": id} for id in ids])
        closed = _T.update().where(_T.c.id == sa.bindparam("_id"), _OPEN).values(closed_at=at, closed_by=by)
        connection.execute(closed, [{"_id": id} for id in ids])


def _insert(connection: sa.Connection, fresh: Iterable[Standing]) -> None:
    for one in fresh:
        connection.execute(_T.insert().values(**{**tables.values(one), "id": _free_id(connection, one)}))


def _free_id(connection: sa.Connection, one: Standing) -> str:
    """Eight hex digits that no other row has had: the one given, else drawn from what stands."""
    said = f"{one.workshop}/{one.link_id}/{one.kind}/{one.scope}/{one.reason}/{one.since.isoformat()}"
    for turn in count():
        id = one.id if one.id and not turn else sha256(f"{said}/{turn}".encode()).hexdigest()[:8]
        if connection.execute(sa.select(_T.c.id).where(_T.c.id == id)).first() is None:
            return id
    raise AssertionError("count() does not end")
