"""The SELECT's rows on a connection, as Sightings or as they are stored.

Two things are remembered between reads: the last reading, of which the rows that are still the same are not worked out
again, and the type of the shop's keys, which reach the rest of the program as text.
"""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

import sqlalchemy as sa

from sync.core.booking import Sighting
from sync.ports import Names
from sync.shop import connect
from sync.shop.fetch import fetched
from sync.shop.profile import Profile
from sync.shop.select import Query, Select, batches
from sync.shop.values import Reader, Row, key_text, key_value

_MANY = 10_000


class Rows:
    """One shop's."""

    def __init__(self, profile: Profile, select: Select, reader: Reader) -> None:
        self._refs = "repairy_ref" in profile.columns
        self._select = select
        self._reader = reader
        self._last: tuple[Sequence[tuple[Any, ...]], Sequence[Sighting]] = (), ()
        self._key_type: type | None = None  # as keys were read; learnt from the first row seen

    def sightings(self, connection: sa.Connection, query: Query) -> list[Sighting]:
        """Every row of the query. One that is as it was in the reading before is not worked out again."""
        names, every = fetched(connection, query)
        self._learn_from(names, every)
        try:
            before = dict(zip(*self._last, strict=True))
            fresh = self._made(names, [row for row in every if row not in before] if before else every)
            seen = [before.get(row) or next(fresh) for row in every] if before else list(fresh)
        except TypeError:  # a value that cannot be looked up, such as a bytearray
            seen = list(self._made(names, every))
        self._last = every, tuple(seen)  # the list is the caller's
        if len(seen) > _MANY:  # they stay until the next reading: so they go among the old objects unexamined
            gc.freeze()
            gc.unfreeze()
        return seen

    def by_key(self, connection: sa.Connection, keys: Collection[str]) -> list[Row]:
        """These rows; a key that is not of this shop's type is not there."""
        values = [value for key in sorted(keys) if (value := self.key(key)) is not None]
        found = [row for batch in batches(values) for row in self._stored(connection, self._select.having("key", batch))]
        return [row for row in found if key_text(row["key"]) in keys]

    def at(self, connection: sa.Connection, key: object) -> Row | None:
        """The row with this key, in the type in which the shop stores it."""
        return self._first(connection, self._select.having("key", [key]))

    def remembered(self, connection: sa.Connection, names: Names) -> Row | None:
        """The row that remembers this booking of Repairy's."""
        called = [name for name in (names.repairy_id, names.code) if name]
        return self._first(connection, self._select.having("repairy_ref", called)) if called and self._refs else None

    def learn(self, engine: sa.Engine) -> None:
        """See one row, so that the type of keys is known; not within a write, where it would fix what the re-read sees."""
        if self._key_type is None:
            with connect.reading(engine) as connection:
                self._first(connection, self._select.all.limit(1))

    def key(self, key: str) -> object:
        """A key in the type it was read in; None where it cannot be one, or where the shop has no rows at all."""
        if self._key_type is None:
            return None
        try:
            return key_value(key, self._key_type)
        except (ValueError, ArithmeticError):
            return None

    def _made(self, names: list[str], found: Sequence[tuple[Any, ...]]) -> Iterator[Sighting]:
        return chain.from_iterable(self._reader.sightings(names, part) for part in batches(found))

    def _first(self, connection: sa.Connection, query: Query) -> Row | None:
        return next(iter(self._stored(connection, query)), None)

    def _stored(self, connection: sa.Connection, query: Query) -> list[Row]:
        names, found = fetched(connection, query)
        self._learn_from(names, found)
        return [dict(zip(names, row, strict=True)) for row in found]

    def _learn_from(self, names: list[str], found: Sequence[tuple[Any, ...]]) -> None:
        if found and self._key_type is None:
            self._key_type = type(found[0][names.index("key")])


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the cycle collector: a hundred thousand rows call it time and again, and none of them is in a cycle."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
