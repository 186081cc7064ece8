"""The seams: what the engine asks of the two sides and of the machine it runs on.

The engine, the tests' fakes and the real adapters meet here and nowhere else. Times that cross a seam as `datetime`
are aware and in UTC. Errors are those of `sync.errors`; each method names the ones it raises.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from sync.core.booking import Ability, Fields, Sighting

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
        """Insert a booking and return it as re-read. A row that already carries `names.repairy_id` or `.code` is returned instead.

        Raises NotSent, Rejected, Unsupported, Unknown."""
        ...

    def link(self, key: str, names: Names) -> Sighting:
        """Make the row remember its booking at Repairy. Raises as `change`."""
        ...

    def remembered(self, names: Names) -> Sighting | None:
        """The row that already carries this Repairy id or code; None where there is none or the shop keeps no `repairy_ref`.

        Raises Unreachable."""
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


@dataclass(frozen=True)
class Event:
    """A verified webhook, as stored: a hint to read one booking again."""

    id: str
    action: str  # our word: created | updated | cancelled | done, or the wire's where it is unknown
    booking_id: str
    workshop_id: str | None
    received_at: datetime
