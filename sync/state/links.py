"""Statements on `booking_link`: the mapping itself. Every change of a row compares its version first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from sync.core.booking import Link
from sync.core.times import stamp
from sync.errors import Conflict, NotFound
from sync.state import tables
from sync.state.desk import Desks

_T = tables.link
_LINK = sa.select(*tables.columns(_T, Link))
_OF_WORKSHOP = _LINK.where(_T.c.workshop == sa.bindparam("workshop"))
_ALL = _OF_WORKSHOP.order_by(_T.c.id)
_HALVES = _ALL.where(sa.or_(_T.c.shop_key.is_(None), _T.c.repairy_id.is_(None)), _T.c.state != "closed")
_TO_POLL = (
    _OF_WORKSHOP.where(_T.c.poll_at <= sa.bindparam("now"), _T.c.repairy_id.is_not(None))
    .order_by(_T.c.poll_at, _T.c.id)
    .limit(sa.bindparam("most"))
)
_BY_SHOP_KEY, _BY_REPAIRY_ID, _BY_REFERENCE = (
    _ALL.where(column.in_(sa.bindparam("keys", expanding=True))) for column in (_T.c.shop_key, _T.c.repairy_id, _T.c.reference)
)
_DIGESTS = (
    sa.select(_T.c.shop_key, _T.c.shop_digest)
    .where(_T.c.workshop == sa.bindparam("workshop"), _T.c.shop_key.is_not(None), _T.c.shop_digest.is_not(None))
    .order_by(_T.c.id)
)
_FRESH = {name: value for name, value in asdict(Link(0, "")).items() if name not in ("id", "workshop")}
_CHUNK = 500  # keys in one IN
Change = tuple[Link, Mapping[str, Any]]


class Links(Desks):
    """The mapping rows."""

    def add(self, workshop: str, **values: Any) -> Link:
        """A new row. Raises Conflict where the reference or Repairy id is taken in this workshop, Unreachable."""
        with self._writing() as connection:
            key = connection.execute(_T.insert().values(workshop=workshop, **{**_FRESH, **values})).inserted_primary_key
            return _one(connection, _T.c.id == key[0] if key else sa.false())

    def add_all(self, workshop: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Many new rows, all or none. Raises as `add`."""
        if rows:
            with self._writing() as connection:
                connection.execute(_T.insert(), [{"workshop": workshop, "shop_digest": None, **_FRESH, **row} for row in rows])

    def save(self, link: Link, **changes: Any) -> Link:
        """The row with these columns changed, one version on. Raises Conflict where it changed since it was read."""
        return self.save_all([(link, changes)])[0]

    def save_all(self, pairs: Sequence[Change]) -> list[Link]:
        """As `save`, for many: all or none, in one transaction."""
        if not pairs:
            return []
        with self._writing() as connection:
            return _store(connection, pairs)

    def link(self, id: int) -> Link:
        """Raises NotFound, Unreachable."""
        with self._reading() as connection:
            return _one(connection, _T.c.id == id)

    def links(self, workshop: str, *, due: datetime | None = None, states: Collection[str] | None = None) -> list[Link]:
        """All of a workshop, by id; or those due by then, or in these states."""
        given = {"due": stamp(due) if due else None, "states": sorted(states) if states is not None else None}
        wanted = {name: value for name, value in given.items() if value is not None}
        return self._links(_narrowed(*wanted), workshop=workshop, **wanted)

    def halves(self, workshop: str) -> list[Link]:
        """Links that know one side only and are not closed: what pairing looks at."""
        return self._links(_HALVES, workshop=workshop)

    def to_poll(self, workshop: str, now: datetime, limit: int) -> list[Link]:
        """Links whose turn it is to be read at Repairy, longest overdue first."""
        return self._links(_TO_POLL, workshop=workshop, now=stamp(now), most=limit)

    def by_shop_keys(self, workshop: str, keys: Iterable[str]) -> dict[str, list[Link]]:
        """The links of these shop keys, oldest first; a key without one is absent."""
        found: dict[str, list[Link]] = defaultdict(list)
        for one in self._among(workshop, _BY_SHOP_KEY, keys):
            found[str(one.shop_key)].append(one)
        return dict(found)

    def by_repairy_ids(self, workshop: str, ids: Iterable[str]) -> dict[str, Link]:
        """The links of these Repairy bookings; an id without one is absent."""
        return {str(one.repairy_id): one for one in self._among(workshop, _BY_REPAIRY_ID, ids)}

    def by_references(self, workshop: str, references: Iterable[str]) -> dict[str, Link]:
        """The links that have these references; one that is free is absent."""
        return {str(one.reference): one for one in self._among(workshop, _BY_REFERENCE, references)}

    def digests(self, workshop: str) -> dict[str, str]:
        """Shop key -> digest of its row as last read (of the newest link, where a key has several)."""
        with self._reading() as connection:
            return dict(connection.execute(_DIGESTS, {"workshop": workshop}).all())

    def find(self, ref: str, workshop: str | None = None) -> list[Link]:
        """Links that a person may mean: a reference, a shop key, a Repairy id or code, or the id of a hold."""
        named = [column == ref for column in (_T.c.reference, _T.c.shop_key, _T.c.repairy_id, _T.c.repairy_code)]
        held = _T.c.id.in_(sa.select(tables.hold.c.link_id).where(tables.hold.c.id == ref))
        here = _T.c.workshop == workshop if workshop is not None else sa.true()
        return self._links(_LINK.where(sa.or_(*named, held), here).order_by(_T.c.id))

    def join(self, keep: Link, drop: Link, **changes: Any) -> Link:
        """Make two half-links one: `drop` goes, its journal and holds move to `keep`. Raises Conflict, Unreachable."""
        with self._writing() as connection:
            for table in (tables.intent, tables.hold):
                connection.execute(table.update().where(table.c.link_id == drop.id).values(link_id=keep.id))
            gone = connection.execute(_T.delete().where(_T.c.id == drop.id, _T.c.version == drop.version))
            if gone.rowcount != 1:
                raise _changed(drop)
            return _store(connection, [(keep, changes)])[0]

    def count(self, workshop: str) -> dict[str, int]:
        """State -> number of links."""
        query = sa.select(_T.c.state, sa.func.count()).where(_T.c.workshop == workshop).group_by(_T.c.state)
        with self._reading() as connection:
            return dict(connection.execute(query).all())

    def open_count(self, workshop: str) -> int:
        """Links in state `open`: what the guard's share is a share of."""
        return self.count(workshop).get("open", 0)

    def _among(self, workshop: str, query: sa.Select[Any], keys: Iterable[str]) -> Iterator[Link]:
        wanted = sorted(set(keys))
        for start in range(0, len(wanted), _CHUNK):
            yield from self._links(query, workshop=workshop, keys=wanted[start : start + _CHUNK])

    def _links(self, query: sa.Select[Any], **given: object) -> list[Link]:
        with self._reading() as connection:
            return [Link(*row) for row in connection.execute(query, given)]


@cache
def _narrowed(*names: str) -> sa.Select[Any]:
    """All of a workshop, where `due` or `states` or both are given."""
    ways = {"due": _T.c.due_at <= sa.bindparam("due"), "states": _T.c.state.in_(sa.bindparam("states", expanding=True))}
    return _ALL.where(*(ways[name] for name in names))


def _one(connection: sa.Connection, wanted: sa.ColumnElement[bool]) -> Link:
    row = connection.execute(_LINK.where(wanted)).one_or_none()
    if row is None:
        raise NotFound("the state holds no such booking")
    return Link(*row)


def store_link(connection: sa.Connection, link: Link, changes: Mapping[str, Any]) -> Link:
    """One compare-and-set inside somebody else's transaction; without changes the row is left alone."""
    return _store(connection, [(link, changes)])[0] if changes else link


def _store(connection: sa.Connection, pairs: Sequence[Change]) -> list[Link]:
    """One statement per set of changed columns, however many rows. Raises Conflict where any row moved on."""
    batches: dict[tuple[str, ...], list[Change]] = defaultdict(list)
    for link, changes in pairs:
        batches[tuple(sorted(changes))].append((link, changes))
    for names, batch in batches.items():
        _update(connection, names, batch)
    return [_after(link, changes) for link, changes in pairs]


def _update(connection: sa.Connection, names: tuple[str, ...], batch: Sequence[Change]) -> None:
    rows = [
        {"_id": link.id, "_version": link.version, **{f"_{name}_": changes[name] for name in names}} for link, changes in batch
    ]
    if connection.execute(_compared_and_set(names), rows).rowcount != len(rows):
        raise _changed(batch[0][0])


@cache
def _compared_and_set(names: tuple[str, ...]) -> sa.Update:
    """Of these columns; the values' names stand between underscores."""
    row = _T.update().where(_T.c.id == sa.bindparam("_id"), _T.c.version == sa.bindparam("_version"))
    return row.values(version=_T.c.version + 1, **{name: sa.bindparam(f"_{name}_", type_=_T.c[name].type) for name in names})


def _after(link: Link, changes: Mapping[str, Any]) -> Link:
    kept = {name: value for name, value in changes.items() if name != "shop_digest"}
    return replace(link, version=link.version + 1, **kept)


def _changed(link: Link) -> Conflict:
    name = link.reference or link.repairy_code or f"link {link.id}"
    return Conflict(f"the state of booking {name} was changed by somebody else meanwhile; it is read again")
