"""A shop's own program on its own database, as the layouts' tests drive it: what its staff do, and what befalls it.

RULE: a second program. It knows nothing of the profile, the daemon or its state; plain SQL, short transactions.
Times are on the shop's wall (`ZONE`, naive). People, phones and plates are plainly made up, by their number.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import Any, ClassVar, NoReturn
from zoneinfo import ZoneInfo

import sqlalchemy as sa

ZONE = ZoneInfo("Australia/Sydney")
ACTS = ("book", "move", "note", "start", "finish", "cancel")  # by the shop's staff
DRILLS = (
    "rename_column",
    "rename_written",
    "purge",
    "hide_view",
    "lock",
    "unmapped_status",
    "two_with_one_phone",
    "read_only_url",
)
CUSTOMERS = 600  # in a population; higher numbers are free for a test's own
A_DAY = 5  # bookings on each day to come
AHEAD = {15: "processing", 17: "cancelled"}  # of every twenty to come; a small population has neither
# What is odd about a row of a population. Whoever has no place for one leaves those rows out.
TRAITS = ("dummy", "deleted", "branch", "unreadable", "undated")


class NotThere(Exception):
    """This layout has no such thing; the reason stands in the program's `absent`."""


@dataclass(frozen=True)
class Row:
    """One booking as the program's own screen shows it. `status`: pending | processing | done | cancelled."""

    key: str
    status: str
    start: datetime
    notes: str
    plate: str
    phone: str


@dataclass(frozen=True)
class Planned:
    """One booking of a population. `trait`: "" for an ordinary one, else one of TRAITS."""

    number: int
    customer: int
    start: datetime
    status: str
    trait: str


class Program(ABC):
    """One layout. `can`: what its profile can have written (create, move, note, start, finish, cancel).

    `absent`: acts and drills that the layout has no way for, each with the reason; their methods raise NotThere."""

    name: ClassVar[str]
    engine: ClassVar[str]  # postgresql | mariadb | sqlite | firebird
    profile: ClassVar[str]  # a built-in name: config/profiles
    can: ClassVar[frozenset[str]]
    absent: ClassVar[Mapping[str, str]] = {}
    traits: ClassVar[frozenset[str]] = frozenset()  # of TRAITS, those that it has a place for

    url: str  # of the owner of the database
    shop_url: str  # of the bridge's own user
    database: sa.Engine

    def install(self, url: str) -> None:
        """Make the tables in the empty database at `url`, and the bridge's user."""
        self.url = self.shop_url = url
        self.database = sa.create_engine(url, poolclass=sa.NullPool)
        self.make()

    def close(self) -> None:
        self.database.dispose()

    def profile_in(self, folder: Path) -> str:
        """The `profile` of the configuration; a program whose engine is stood in lays a file over it in `folder`."""
        del folder
        return self.profile

    def populate(self, count: int, seed: int) -> list[Planned]:
        """So many bookings around today, in bulk. What is returned is what went in."""
        went = [one for one in planned(count, seed, datetime.now(ZONE).date()) if one.trait in ("", *self.traits)]
        self.fill(went)
        return went

    def reaches(self, one: Planned) -> bool:
        """Whether this booking, once it is in the window, is to be brought to Repairy."""
        return one.trait == "" and one.status != "cancelled"

    @abstractmethod
    def make(self) -> None:
        """The tables, empty but for their lists; `shop_url` where the bridge has a user of its own."""

    @abstractmethod
    def fill(self, bookings: list[Planned]) -> None:
        """All of them in few statements."""

    # what staff do

    @abstractmethod
    def book(self, number: int, start: datetime) -> str:
        """Customer `number` stands at the counter; the booking's key."""

    @abstractmethod
    def row(self, key: str) -> Row | None:
        """As it is stored; None where it is gone."""

    @abstractmethod
    def keys_of(self, plate: str) -> list[str]:
        """The bookings of a plate, in any spelling, oldest first."""

    def move(self, key: str, start: datetime) -> None:
        self.lacks("move")

    def note(self, key: str, text: str) -> None:
        """One more line under what is written."""
        self.lacks("note")

    def start(self, key: str) -> None:
        self.lacks("start")

    def finish(self, key: str) -> None:
        self.lacks("finish")

    def cancel(self, key: str) -> None:
        self.lacks("cancel")

    # what befalls it

    def rename_column(self) -> tuple[str, str]:
        """The vendor's upgrade: a column that the profile reads is called otherwise now (old name, new name)."""
        self.lacks("rename_column")

    def rename_written(self) -> tuple[str, str]:
        """Another upgrade: a column that a statement alone names, so that the SELECT still runs (old name, new name)."""
        self.lacks("rename_written")

    def purge(self, before: datetime) -> None:
        """Everything that started before is deleted."""
        self.lacks("purge")

    def hide_view(self) -> None:
        """The view or table that bookings are read from is gone while it is refilled."""
        self.lacks("hide_view")

    def show_view(self) -> None:
        self.lacks("hide_view")

    def lock(self, key: str) -> AbstractContextManager[None]:
        """The program keeps this booking open in a transaction of its own."""
        self.lacks("lock")

    def unmapped_status(self, key: str) -> str:
        """A new word of the vendor's or the staff's on this booking; the word."""
        self.lacks("unmapped_status")

    def two_with_one_phone(self, phone: str) -> None:
        """Two customers, with other plates than anybody's, who gave the same number."""
        self.lacks("two_with_one_phone")

    def read_only_url(self) -> str:
        """Of a user that may read what the profile reads, and nothing else."""
        self.lacks("read_only_url")

    # for the layouts

    def lacks(self, what: str) -> NoReturn:
        raise NotThere(self.absent[what])

    def run(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        """One short transaction of the program's; the rows, where there are any."""
        with self.database.begin() as connection:
            result = connection.execute(sa.text(sql), values)
            return [tuple(row) for row in result] if result.returns_rows else []

    def run_many(self, sql: str, values: list[dict[str, Any]]) -> None:
        if values:
            with self.database.begin() as connection:
                connection.execute(sa.text(sql), values)

    @contextmanager
    def held_open(self, sql: str, **values: Any) -> Iterator[None]:
        """A transaction that has run this and is not ended yet."""
        with self.database.begin() as connection:
            connection.execute(sa.text(sql), values)
            yield


def plate(number: int) -> str:
    return f"AA{'ABCDEFGH'[number // 1000]}{number % 1000:03}"


def phone(number: int) -> str:
    """Numbers below 1,000 only: made-up phones end in three digits."""
    return f"0400 000 {number:03}"


def email(number: int) -> str:
    return f"customer{number}@example.com"


def name(number: int) -> tuple[str, str]:
    """First and last, of letters only."""
    tens = ["Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine"]
    return "Customer", "-".join(tens[int(digit)] for digit in str(number))


def planned(count: int, seed: int, today: date) -> list[Planned]:
    """A population: `A_DAY` on each of the twenty days from tomorrow on, each of a customer of its own, and of every twenty one
    whose car is here already and one that was cancelled; the rest lies behind and comes first."""
    random = Random(seed)
    ahead = min(20 * A_DAY, count // 2)
    found = []
    for number in range(count):
        coming = number < ahead
        day = today + timedelta(days=1 + number // A_DAY) if coming else today - timedelta(days=random.randint(40, 700))
        start = datetime.combine(day, time(random.randint(7, 16), random.choice((0, 15, 30, 45))))
        customer = number + 1 if coming else random.randint(1, CUSTOMERS)
        over = random.choices(("done", "cancelled", "pending", "processing"), (89, 8, 2, 1))[0]
        status = AHEAD.get(number % 20, "pending") if coming else over
        trait = random.choice(TRAITS) if random.random() < 0.1 else ""
        found.append(Planned(number, customer, start, status, trait))
    return sorted(found, key=lambda one: one.start)  # keys grow with time, as they do where people book
