"""The SELECT's rows on a connection, as Sightings or as they are stored.

Two things are remembered between reads: the last reading, of which the rows that are still the same are not worked out
again, and the shop's keys as it stores them: they reach the rest of the program as text, which need not lead back (`J2 `).
"""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from operator import attrgetter, itemgetter
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from sync.core.booking import Sighting
from sync.ports import Names
from sync.shop import connect
from sync.shop.fetch import fetched
from sync.shop.profile import Profile
from sync.shop.select import Query, Select, batches
from sync.shop.values import Reader, Row, key_text, key_value

_KEY = attrgetter("key")
_MANY = 10_000
_MOST = 1_000_000  # keys that are remembered: a mirror may give every row a new one with each load
_EXACT = frozenset({int, UUID, bytes})  # types in which one text is one key


class Rows:
    """One shop's. `mixed`: its engine has values of several types in one column (SQLite)."""

    def __init__(self, profile: Profile, select: Select, reader: Reader, *, mixed: bool = False) -> None:
        self._refs = "repairy_ref" in profile.columns
        self._select = select
        self._reader = reader
        self._last: tuple[Sequence[tuple[Any, ...]], Sequence[Sighting]] = (), ()
        self._mixed = mixed
        self._kinds: set[type] = set()  # of the keys that were read
        self._raw: dict[str, object] = {}  # each key that was read, as the shop stores it
        self._scanned = False

    def sightings(self, connection: sa.Connection, query: Query) -> list[Sighting]:
        """Every row of the query. One that is as it was in the reading before is not worked out again."""
        names, every = fetched(connection, query)
        try:
            before = dict(zip(*self._last, strict=True))
            new = [row for row in every if row not in before] if before else every
        except TypeError:  # a value that cannot be looked up, such as a bytearray
            before, new = {}, every
        made = list(self._made(names, new))
        self._remember(map(_KEY, made), list(map(itemgetter(names.index("key")), new)))
        fresh = iter(made)
        seen = [before.get(row) or next(fresh) for row in every] if before else made
        self._last = every, tuple(seen)  # the list is the caller's
        if len(seen) > _MANY:  # they stay until the next reading: so they go among the old objects unexamined
            gc.freeze()
            gc.unfreeze()
        return seen

    def by_key(self, connection: sa.Connection, keys: Collection[str]) -> list[Row]:
        """These rows; a key that is not of this shop's type is not there."""
        values = [value for key in sorted(keys) for value in self._values(key)]
        found = [row for batch in batches(values) for row in self._stored(connection, self._select.having("key", batch))]
        return [row for row in found if key_text(row["key"]) in keys]

    def found(self, connection: sa.Connection, keys: Collection[str]) -> list[Row]:
        """`by_key`, those among them whose text does not lead back to them. Not within a write."""
        rows = self.by_key(connection, keys)
        if len(rows) >= len(keys) or self._scanned or self._kinds <= _EXACT or self._raw.keys() >= set(keys):
            return rows
        self._scan(connection)
        return self.by_key(connection, keys)

    def at(self, connection: sa.Connection, key: object) -> Row | None:
        """The row with this key, in the type in which the shop stores it."""
        return self._first(connection, self._select.having("key", [key]))

    def remembered(self, connection: sa.Connection, names: Names) -> Row | None:
        """The row that remembers this booking of Repairy's."""
        called = [name for name in (names.repairy_id, names.code) if name]
        return self._first(connection, self._select.having("repairy_ref", called)) if called and self._refs else None

    def learn(self, engine: sa.Engine, keys: Collection[str]) -> None:
        """See how these keys are stored; not within a write, where it would fix what the re-read sees."""
        if self._kinds and (self._kinds <= _EXACT or self._raw.keys() >= set(keys)):
            return
        with connect.reading(engine) as connection:
            if not self._kinds:
                self._first(connection, self._select.keyed.limit(1))
            self.found(connection, keys)

    def key(self, key: str) -> object:
        """A key as it is stored; None where it cannot be one, or where the shop has no rows at all."""
        return next(self._values(key), None)

    def _values(self, key: str) -> Iterator[object]:
        """As it was read; and in the type of the others, for one that was never seen."""
        known = self._raw.get(key)
        if known is not None:
            yield known
        for kind in sorted(self._kinds | ({str} if self._mixed else set()), key=str):
            with suppress(ValueError, ArithmeticError, TypeError):
                if (value := key_value(key, kind)) != known:
                    yield value

    def _made(self, names: list[str], found: Sequence[tuple[Any, ...]]) -> Iterator[Sighting]:
        return chain.from_iterable(self._reader.sightings(names, part) for part in batches(found))

    def _first(self, connection: sa.Connection, query: Query) -> Row | None:
        return next(iter(self._stored(connection, query)), None)

    def _stored(self, connection: sa.Connection, query: Query) -> list[Row]:
        names, found = fetched(connection, query)
        keys = [row[names.index("key")] for row in found]
        self._remember(map(key_text, keys), keys)
        return [dict(zip(names, row, strict=True)) for row in found]

    def _scan(self, connection: sa.Connection) -> None:
        """See every key, once: a process that has read no more than what changed knows few."""
        self._scanned = True
        keys = [raw for (raw,) in fetched(connection, self._select.keys)[1]]
        self._remember(map(key_text, keys), keys)

    def _remember(self, texts: Iterable[str], keys: Sequence[object]) -> None:
        """A type that was not there before says that the column was changed: what was known of its keys is void."""
        kinds = set(map(type, keys)) - {type(None)}
        if kinds and not self._mixed and kinds != self._kinds:
            self._kinds, self._scanned = kinds, False
            self._raw.clear()
        self._kinds = self._kinds | kinds  # another thread may walk through the old ones
        if len(self._raw) > _MOST:
            self._raw.clear()
        self._raw.update(zip(texts, keys, strict=True))


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
