"""The profile's SELECT as queries: wrapped as a sub-query, with the program's own predicates beside it.

Bounds of time are bound as days in text, which every engine compares with its own time types and with sortable text;
they are a day wider than asked for, and what is exact is decided on the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from sync.core import times
from sync.core.booking import Sighting
from sync.ports import Window
from sync.shop import connect, statement
from sync.shop.binding import start_column
from sync.shop.profile import Profile

_OVERLAP = timedelta(seconds=2)  # stamps are taken before they are committed
_DAY = timedelta(days=1)
_BATCH = 500
_LONGEST = 1000  # characters of a key or a name of Repairy's
_ANY: sa.types.TypeEngine[Any] = sa.types.NullType()  # none of SQLAlchemy's: the engine takes the type of the column beside it
_SORTABLE = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d")

Query = sa.Select[Any]
A = TypeVar("A")


class Select:
    """Queries over one profile's SELECT, for one engine."""

    def __init__(self, profile: Profile, dialect: Dialect, zone: ZoneInfo) -> None:
        self._texts: sa.types.TypeEngine[Any] = _texts(dialect)
        source = statement.clause(f"(\n{statement.aliased(profile.booking.select, dialect)}\n) AS booking")
        self._profile = profile
        self._zone = zone
        self.all: Query = sa.select(sa.text("*")).select_from(source)
        self.none: Query = self.all.where(sa.text("1 = 0"))
        status: sa.ColumnClause[Any] = sa.column("status")
        self.words: Query = sa.select(status, sa.func.count().label("rows")).select_from(source).group_by(status)

        key: sa.ColumnClause[Any] = sa.column("key")
        self.keys: Query = sa.select(key).select_from(source)
        self.keyed: Query = self.all.where(key.is_not(None))
        start: sa.ColumnClause[Any] = sa.column(start_column(profile))
        self.starts: Query = sa.select(start).select_from(source).where(start.is_not(None)).limit(_BATCH)

    def having(self, column: str, values: Iterable[object]) -> Query:
        """Rows whose column is one of these."""
        sought = list(values)
        kind = self._texts if sought and isinstance(sought[0], str) else _ANY
        return self.all.where(sa.column(column).in_(sa.bindparam(column, sought, expanding=True, type_=kind)))

    def within(self, window: Window) -> Query:
        """At least the rows of the window."""
        column = start_column(self._profile)
        form = self._day_form(column)
        if form is None:
            return self.all
        since, until = (moment.astimezone(self._zone).date() for moment in (window.since, window.until))
        start: sa.ColumnClause[Any] = sa.column(column)
        return self.all.where(
            start >= _bound("since", (since - _DAY).strftime(form)), start < _bound("until", (until + 2 * _DAY).strftime(form))
        )

    def since(self, cursor: str) -> Query | None:
        """At least the rows stamped since the cursor, those of the same stamp among them; None where stamps do not sort."""
        form = self._day_form("changed_at")
        if form is None:
            return None
        if times.is_day(cursor):
            bound = (date.fromisoformat(cursor) - _DAY).strftime(form)
        elif "changed_at" in self._profile.formats:
            bound = (self._naive(cursor) - _DAY).strftime(form)
        else:
            bound = self._naive(cursor).isoformat(" ")
        return self.all.where(sa.column("changed_at") >= _bound("since", bound))

    def _naive(self, cursor: str) -> datetime:
        """The cursor less the overlap, on the clock of the stamps; through an hour that happens twice, an hour earlier."""
        zone = self._profile.zone("changed_at", self._zone)
        naive = (times.parse(cursor) - _OVERLAP).astimezone(zone).replace(tzinfo=None)
        return naive - timedelta(hours=1) if times.local(naive, zone)[1] == "twice" else naive

    def _day_form(self, column: str) -> str | None:
        """How a day is spelled so that it compares with this column's text, or None where its text does not sort by time."""
        form = self._profile.formats.get(column, _SORTABLE[0])
        return next((sortable for sortable in _SORTABLE if form.startswith(sortable)), None)


def batches(many: Sequence[A]) -> Iterator[Sequence[A]]:
    """So many keys as one statement takes; so many rows as are worked out together."""
    return (many[at : at + _BATCH] for at in range(0, len(many), _BATCH))


def inside(window: Window, zone: ZoneInfo, found: list[Sighting]) -> list[Sighting]:
    """Those whose start lies in the window; a plain day does where any of it does."""
    since, until = times.iso(window.since), times.iso(window.until)  # whole seconds in UTC: as text they sort by time

    def lies(start: str | None) -> bool:
        if start is None or not times.is_day(start):
            return start is not None and since <= start < until
        day = date.fromisoformat(start)
        return times.start_of(day + _DAY, zone) > window.since and times.start_of(day, zone) < window.until

    starts = [sighting.fields["starts_at"] for sighting in found]
    every = set(starts)
    within = set(filter(lies, every))
    return found if within == every else [one for one, start in zip(found, starts, strict=True) if start in within]


def _texts(dialect: Dialect) -> sa.types.TypeEngine[Any]:
    """Firebird fails where a text is longer than the column beside it: it is told of a longer one."""
    return sa.String(_LONGEST) if connect.engine_name(dialect) == "firebird" else _ANY


def _bound(name: str, value: object) -> sa.BindParameter[Any]:
    return sa.bindparam(name, value, type_=_ANY)
