"""The seams: what the engine asks of the two sides and of the machine it runs on.

The engine, the tests' fakes and the real adapters meet here and nowhere else. Times that cross a seam as `datetime`
are aware and in UTC. Errors are those of `sync.errors`; each method names the ones it raises.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

from sync.core.booking import Ability, Fields, Link, Side, Sighting
from sync.records import Decision, Desk, Intent, Run, Source, Standing

A = TypeVar("A")
B = TypeVar("B")


class Clock(Protocol):
    """Time, so that tests own it."""

    def now(self) -> datetime:
        """Aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        ...

    def sleep(self, seconds: float) -> None: ...


class Fan(Protocol):
    """Runs a function over many things; a bounded thread pool, or one after the other in tests."""

    def map(self, work: Callable[[A], B], items: Iterable[A]) -> Sequence[B]: ...


@dataclass(frozen=True)
class Window:
    """Bookings whose start lies in [since, until), UTC."""

    since: datetime
    until: datetime


@dataclass(frozen=True)
class Reading:
    """What one good read of the shop brought.

    `whole` is true when every row of the window is here, so that a linked key that is not here may be gone.
    `cursor` is given back at the next `changed`. `unreadable` names the keys of rows that could not be understood.
    """

    rows: Sequence[Sighting]
    cursor: str | None = None
    whole: bool = False
    unreadable: Sequence[str] = ()


@dataclass(frozen=True)
class Names:
    """How one booking is called: parameters of shop statements, and what a shop row is to remember."""

    reference: str | None = None
    repairy_id: str | None = None
    code: str | None = None


class Shop(Protocol):
    """A workshop's own database."""

    ability: Ability

    def identity(self) -> Mapping[str, str]:
        """Which database this is and what its tables look like: table name -> a line of its columns, and "" -> the database.

        Raises Unreachable."""
        ...

    def changed(self, cursor: str | None, window: Window) -> Reading:
        """Rows changed since `cursor`, or the whole window where the shop keeps no stamp or `cursor` is None.

        Raises Unreachable; a partial read raises too."""
        ...

    def window(self, window: Window) -> Reading:
        """Every row in the window. Raises Unreachable."""
        ...

    def read(self, keys: Collection[str]) -> Mapping[str, Sighting]:
        """These rows, by key; an absent key is not there. Raises Unreachable."""
        ...

    def change(self, key: str, expected: Fields, fields: Fields, names: Names, *, added: str | None = None) -> Sighting:
        """Write `fields` (any of them, status included) where the row still shows `expected`; return the row as re-read.

        One short compare-and-set transaction. `added` is the new text alone, for shops where notes are appended.
        Raises Stale, NotSent (locked, unreachable, deadlock: nothing was written), Rejected, Unsupported, Unknown."""
        ...

    def create(self, fields: Fields, names: Names) -> Sighting:
        """Insert a booking and return it as re-read. A row that already carries `names.repairy_id` or `.code` comes back instead.

        Raises NotSent, Rejected, Unsupported, Unknown."""
        ...

    def link(self, key: str, names: Names) -> Sighting:
        """Make the row remember its booking at Repairy. Raises as `change`."""
        ...

    def remembered(self, names: Names) -> Sighting | None:
        """The row that carries this Repairy id or code; None where there is none or the shop keeps no `repairy_ref`.

        Raises Unreachable."""
        ...

    def candidates(self, fields: Fields) -> list[Sighting]:
        """Rows that agree with these values in two of plate, start (as the shop stores it) and phone. Raises Unreachable."""
        ...

    def keys(self, window: Window) -> set[str]:
        """The keys of all rows in the window. Raises Unreachable."""
        ...


class Repairy(Protocol):
    """The Partner API, for one workshop."""

    ability: Ability

    def read(self, booking_id: str) -> Sighting:
        """Raises NotFound, Unreachable."""
        ...

    def create(self, fields: Fields, reference: str, *, silent: bool = True) -> Sighting:
        """Book, or get back the booking that has this reference already (documented): compare before adopting it.

        Raises NotSent, Rejected, Unknown."""
        ...

    def update(self, booking_id: str, fields: Fields, *, reference: str | None = None) -> Sighting:
        """Replace these fields (never the status); the answer is the booking as it stands then.

        Raises NotSent, Rejected, Unknown, NotFound."""
        ...

    def set_status(self, booking_id: str, status: str) -> Sighting:
        """One step to a status that is directly allowed. Raises NotSent, Rejected (`transition`), Unknown, NotFound."""
        ...


PROBED = "repairy-sync-check"  # the action of an event that we sent to ourselves: stored as looked at, so nothing is read


@dataclass(frozen=True)
class Event:
    """A verified webhook, as stored: a hint to read one booking again."""

    id: str
    action: str  # our word: created | updated | cancelled | done, or the wire's where it is unknown
    booking_id: str
    workshop_id: str | None
    received_at: datetime


class State(Protocol):
    """Our own database: every statement by name. Each is one transaction; all raise Unreachable, writes LeaseLost too."""

    def add(self, workshop: str, **values: Any) -> Link: ...
    def add_all(self, workshop: str, rows: Sequence[Mapping[str, Any]]) -> None: ...
    def save(self, link: Link, **changes: Any) -> Link: ...
    def save_all(self, pairs: Sequence[tuple[Link, Mapping[str, Any]]]) -> list[Link]: ...
    def link(self, id: int) -> Link: ...
    def links(self, workshop: str, *, due: datetime | None = None, states: Collection[str] | None = None) -> list[Link]: ...
    def halves(self, workshop: str) -> list[Link]: ...
    def to_poll(self, workshop: str, now: datetime, limit: int) -> list[Link]: ...
    def by_shop_keys(self, workshop: str, keys: Iterable[str]) -> dict[str, list[Link]]: ...
    def by_repairy_ids(self, workshop: str, ids: Iterable[str]) -> dict[str, Link]: ...
    def by_references(self, workshop: str, references: Iterable[str]) -> dict[str, Link]: ...
    def digests(self, workshop: str) -> dict[str, str]: ...
    def find(self, ref: str, workshop: str | None = None) -> list[Link]: ...
    def join(self, keep: Link, drop: Link, **changes: Any) -> Link: ...
    def count(self, workshop: str) -> dict[str, int]: ...
    def open_count(self, workshop: str) -> int: ...
    def erase(self, link: Link, **changes: Any) -> Link: ...
    def prune(self, before: datetime) -> None: ...

    def intend(self, intent: Intent) -> None: ...
    def finish(
        self, intent: Intent, outcome: str, error: str, link: Link, /, *, look_at: datetime | None = None, **link_changes: Any
    ) -> Link: ...
    def open_intents(self, workshop: str) -> list[Intent]: ...
    def intents(self, link_id: int) -> list[Intent]: ...
    def look_again(self, op: str, look_at: datetime | None) -> None: ...
    def visible_since(self, workshop: str, since: datetime) -> int: ...

    def stand(
        self, workshop: str, link_id: int | None, items: Sequence[Standing], *, kinds: Collection[str] | None = None
    ) -> None: ...
    def stand_all(
        self, workshop: str, items: Mapping[int | None, Sequence[Standing]], *, kinds: Collection[str] | None = None
    ) -> None: ...
    def standings(self, workshop: str | None = None, kind: str | None = None, link_id: int | None = None) -> list[Standing]: ...
    def plans(self, workshop: str) -> list[Standing]: ...
    def close_standing(self, id: str, by: str) -> None: ...

    def events(self, workshop: str, *, parked: bool | None = None) -> list[Event]: ...
    def settle_event(self, ids: Collection[str], workshop: str | None = None) -> None: ...
    def park_event(self, ids: Collection[str], workshop: str | None = None) -> None: ...

    def source(self, workshop: str, side: Side) -> Source: ...
    def save_source(self, source: Source) -> None: ...
    def desk(self, workshop: str) -> Desk: ...
    def save_desk(self, desk: Desk) -> None: ...
    def decisions(self, workshop: str) -> list[Decision]: ...
    def take(self, decision: Decision) -> None: ...
    def record_run(
        self, workshop: str, started: datetime, finished: datetime, counts: Mapping[str, int], error: str = ""
    ) -> None: ...
    def last_runs(self, workshop: str, n: int) -> list[Run]: ...


class Log(Protocol):
    """One line an event; the values are never personal data."""

    def info(self, event: str, **facts: Any) -> Any: ...
    def warning(self, event: str, **facts: Any) -> Any: ...
