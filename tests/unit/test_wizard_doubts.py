"""The wizard on small made-up shops in SQLite where what is seen does not say enough: what it leaves open, and what it says."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sync.cli import init
from sync.cli.init import Questions
from sync.core.canonical import view
from sync.machine import SystemClock
from sync.ports import Names
from sync.shop.profile import Profile
from sync.shop.store import ShopStore
from sync.shop.wizard import Word
from tests.unit.test_wizard_layouts import COUNT, ZONE, Shop, expected, plate, start

BOOKINGS = "CREATE TABLE bookings (id INTEGER PRIMARY KEY, starts TEXT, rego TEXT, customer_name TEXT, phone TEXT"
HOUR = timedelta(hours=1)
AHEAD = range(COUNT // 2, COUNT)  # bookings that are yet to come


def bookings(folder: Path, more: str, values: Callable[[int], Sequence[object]]) -> Shop:
    """A shop of one table, with further columns."""
    shop = Shop(folder, f"{BOOKINGS}, {more});")
    shop.fill(
        f"INSERT INTO bookings VALUES (?, ?, ?, ?, ?{', ?' * len(values(0))})",
        lambda n: (n + 1, str(start(n)), plate(n), f"Customer {n}", f"0400 000 {n:03}", *values(n)),
    )
    return shop


def end(number: int) -> datetime:
    """Some of them on the next day."""
    return start(number) + timedelta(hours=3 + number % 2 * 24)


def utc(moment: datetime) -> str:
    return moment.replace(tzinfo=ZONE).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def move(shop: Shop, profile: Profile, key: str, start: str, end: str) -> Mapping[str, str | None]:
    """What the shop shows after a booking was moved there."""
    store = ShopStore(shop.url, profile, ZONE, "w1", SystemClock())
    try:
        before = store.read([key])[key].fields
        store.change(key, before, {"starts_at": start, "ends_at": end}, Names("r1", "64a1b2c3d4e5f60718293a4b", "CODE1"))
        return view(store.read([key])[key].fields)
    finally:
        store.close()


def said(lines: Sequence[str], *parts: str) -> bool:
    """Whether one of the lines has all these parts."""
    return any(all(part in line for part in parts) for line in lines)


# Statuses


def test_a_flag_that_is_called_status_says_done_of_nothing(tmp_path: Path) -> None:
    """1 stands on all that is to come: it is no "done"."""
    profile, drafted, _ = bookings(tmp_path, "status INTEGER", lambda n: (int(n in AHEAD),)).made()
    assert profile.words == {"1": "pending"}
    assert profile.status.write == {"pending": 1}
    assert said(drafted.unsure, "status is yes or no")


def test_a_flag_beside_a_soft_delete_is_no_clearer(tmp_path: Path) -> None:
    profile, _, _ = bookings(tmp_path, "status INTEGER, deleted_at TEXT", lambda n: (int(n in AHEAD), None)).made()
    assert "done" not in profile.words.values()


def test_a_flag_whose_name_says_finished_means_done(tmp_path: Path) -> None:
    profile, drafted, _ = bookings(tmp_path, "finished INTEGER", lambda n: (int(n not in AHEAD),)).made()
    assert profile.words == {"0": "pending", "1": "done"}
    assert profile.status.write == {"pending": 0, "done": 1}
    assert not said(drafted.unsure, "yes or no")


def test_a_flag_whose_name_says_finished_of_all_that_is_to_come_means_nothing(tmp_path: Path) -> None:
    profile, drafted, _ = bookings(tmp_path, "finished INTEGER", lambda n: (int(n in AHEAD),)).made()
    assert "done" not in profile.words.values()
    assert said(drafted.unsure, "finished is yes or no")


def test_work_that_was_begun_does_not_make_a_flag_say_done(tmp_path: Path) -> None:
    shop = bookings(tmp_path, "status INTEGER", lambda n: (int(n in AHEAD),))
    with closing(sqlite3.connect(tmp_path / "shop.db")) as file:
        file.execute("CREATE TABLE work (id INTEGER PRIMARY KEY, booking_id INTEGER REFERENCES bookings, started_at TEXT)")
    shop.fill("INSERT INTO work VALUES (?, ?, ?)", lambda n: (n + 1, n + 1, str(start(n))), 9)
    profile, _, _ = shop.made()
    assert "done" not in profile.words.values()


def test_a_status_that_only_begins_like_a_known_one_is_left_open(tmp_path: Path) -> None:
    """Neither read as sure nor written; what a part of it would mean stands beside it as UNSURE."""
    stored = ("Booked", "Deposit paid", "Cancellation requested", "Ready to start")
    shop = bookings(tmp_path, "status TEXT", lambda n: (stored[n % 4],))
    profile, _, _ = shop.made()
    assert profile.words == {"booked": "pending"}
    assert profile.status.write == {"pending": "Booked"}
    assert '# UNSURE: "Deposit paid" = "done"' in shop.written()


@dataclass(frozen=True)
class Enter(Questions):
    """Somebody who presses Enter, and what was asked."""

    asked: list[str] = field(default_factory=list)

    def text(self, question: str, proposed: str, *, among: Sequence[str] = (), hidden: bool = False) -> str:
        self.asked.append(question)
        return proposed


def test_a_guess_is_shown_where_it_is_asked_and_enter_takes_none() -> None:
    """A wrong "done" messages a customer."""
    someone = Enter(silent=True)
    found = [Word("Booked", "Booked", 2, "pending"), Word("Deposit paid", "Deposit paid", 1, None)]
    assert [word.means for word in init._statuses(found, someone)] == ["pending", None]
    assert someone.asked == ['"Booked" (2 rows)', '"Deposit paid" (1 rows; UNSURE: done?)']


# Tables without foreign keys


@pytest.mark.parametrize(
    ("people", "cars", "to_person", "to_car"),
    [
        ("CREATE TABLE clients (id INTEGER PRIMARY KEY, ", "CREATE TABLE cars (id INTEGER PRIMARY KEY, ", "client_id", "car_id"),
        ("CREATE TABLE Customers (ID INTEGER PRIMARY KEY, ", "CREATE TABLE Cars (ID INTEGER PRIMARY KEY, ", "CustID", "CarID"),
        ("CREATE TABLE Kunden (KdNr INTEGER PRIMARY KEY, ", "CREATE TABLE Autos (FzNr INTEGER PRIMARY KEY, ", "KdNr", "FzNr"),
    ],
)
def test_short_names_lead_to_customer_and_vehicle(tmp_path: Path, people: str, cars: str, to_person: str, to_car: str) -> None:
    """No foreign key, and three letters or fewer to tell by: the values do the rest."""
    shop = Shop(
        tmp_path,
        f"""{people} name TEXT, phone TEXT); {cars} rego TEXT, make TEXT);
        CREATE TABLE bookings (nr INTEGER PRIMARY KEY, {to_person} INTEGER, {to_car} INTEGER, starts TEXT, status TEXT);""",
    )
    names = (people.split()[2], cars.split()[2])
    shop.fill(f"INSERT INTO {names[0]} VALUES (?, ?, ?)", lambda n: (n + 501, f"Customer {n}", f"0400 000 {n:03}"))
    shop.fill(f"INSERT INTO {names[1]} VALUES (?, ?, 'Toyota')", lambda n: (n + 901, plate(n)))
    shop.fill("INSERT INTO bookings VALUES (?, ?, ?, ?, 'Booked')", lambda n: (n + 1, n + 501, n + 901, str(start(n))))
    _, drafted, rows = shop.made()
    assert [one and one.table.name for one in (drafted.customer, drafted.vehicle)] == [*names]
    assert {(row["name"], row["rego"]) for row in rows} <= {(f"Customer {n}", plate(n)) for n in range(COUNT)}


# Customer and texts


def one_table(folder: Path, columns: str, values: Callable[[int], Sequence[object]], *, starts: bool = True) -> Shop:
    """A shop of one table with a plate, a status, a start where wanted, and these columns."""
    shop = Shop(
        folder, f"CREATE TABLE bookings (id INTEGER PRIMARY KEY, rego TEXT, status TEXT, {'starts TEXT,' * starts} {columns});"
    )
    shop.fill(
        f"INSERT INTO bookings VALUES (?, ?, 'Booked'{', ?' * starts}{', ?' * len(values(0))})",
        lambda n: (n + 1, plate(n), *[str(start(n))] * starts, *values(n)),
    )
    return shop


def phones(number: int) -> tuple[str, str]:
    return f"0400 111 {number:03}", f"0400 000 {number:03}"


def test_the_mechanics_phone_is_not_the_customers(tmp_path: Path) -> None:
    """Though it stands first, and its values are phones."""
    shop = one_table(
        tmp_path, "mechanic_phone TEXT, customer TEXT, phone TEXT", lambda n: (phones(n)[0], "Customer One", phones(n)[1])
    )
    _, drafted, rows = shop.made()
    assert {row["phone"] for row in rows} <= {phones(n)[1].replace(" ", "") for n in range(COUNT)}
    assert "mechanic_phone" not in shop.written()
    assert not said(drafted.unsure, "phone: ")


def test_a_phone_that_is_only_the_mechanics_is_not_taken(tmp_path: Path) -> None:
    shop = one_table(tmp_path, "mechanic_phone TEXT, customer TEXT", lambda n: (phones(n)[0], "Customer One"))
    profile, drafted, _ = shop.made()
    assert "phone" not in profile.columns
    assert said(drafted.unsure, "phone: mechanic_phone", "was not taken")


@pytest.mark.parametrize(("table", "column", "taken"), [("clients", "mechanic_phone", False), ("users", "user_phone", True)])
def test_a_linked_rows_phone_may_be_called_a_users_where_all_are_users(
    tmp_path: Path, table: str, column: str, taken: bool
) -> None:
    shop = Shop(
        tmp_path,
        f"""CREATE TABLE {table} (id INTEGER PRIMARY KEY, full_name TEXT, {column} TEXT);
        CREATE TABLE bookings (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES {table}, starts TEXT, rego TEXT,
          status TEXT);""",
    )
    shop.fill(f"INSERT INTO {table} VALUES (?, ?, ?)", lambda n: (n + 1, f"Customer {n}", phones(n)[1]))
    shop.fill("INSERT INTO bookings VALUES (?, ?, ?, ?, 'Booked')", lambda n: (n + 1, n + 1, str(start(n)), plate(n)))
    profile, _, _ = shop.made()
    assert ("phone" in profile.columns) is taken


def test_two_columns_that_are_as_likely_are_said(tmp_path: Path) -> None:
    shop = one_table(
        tmp_path, "home_phone TEXT, customer TEXT, phone TEXT", lambda n: (phones(n)[0], "Customer One", phones(n)[1])
    )
    profile, drafted, _ = shop.made()
    assert "b.phone AS phone" in profile.booking.select
    assert said(drafted.unsure, "phone: phone was taken", "home_phone")


@pytest.mark.parametrize(
    ("first", "last"), [("nombre", "apellidos"), ("nome", "cognome"), ("prenom", "nom"), ("Vorname", "Name"), ("nome", "apelido")]
)
def test_a_name_in_two_columns_of_which_one_is_called_the_name(tmp_path: Path, first: str, last: str) -> None:
    shop = one_table(tmp_path, f"{first} TEXT, {last} TEXT, telefon TEXT", lambda n: (f"First {n}", f"Last {n}", phones(n)[1]))
    profile, drafted, rows = shop.made()
    assert {row["name"] for row in rows} <= {f"First {n} Last {n}" for n in range(COUNT)}
    assert {"first_name", "last_name"} <= set(profile.columns)
    assert said(drafted.unsure, f"name: {first} and {last}")


def test_a_whole_name_with_a_part_of_it_beside_stays_whole(tmp_path: Path) -> None:
    shop = one_table(
        tmp_path, "name TEXT, first_name TEXT, phone TEXT", lambda n: (f"First {n} Last", f"First {n}", phones(n)[1])
    )
    _, drafted, rows = shop.made()
    assert {row["name"] for row in rows} <= {f"First {n} Last" for n in range(COUNT)}
    assert not said(drafted.unsure, "name: ")


def test_a_part_of_a_name_without_the_rest_is_said(tmp_path: Path) -> None:
    shop = one_table(tmp_path, "surname TEXT, phone TEXT", lambda n: (f"Last {n}", phones(n)[1]))
    profile, drafted, _ = shop.made()
    assert "name" in profile.columns
    assert said(drafted.unsure, "name: only surname was found")


@pytest.mark.parametrize("name", ["Kunde", "nome", "nom", "cliente"])
@pytest.mark.parametrize("phone", ["Rufnummer", "telefono"])
def test_other_words_for_name_phone_and_notes(tmp_path: Path, name: str, phone: str) -> None:
    """A phone that is kept as free text is known by its name only."""
    shop = one_table(
        tmp_path,
        f"{name} TEXT, {phone} TEXT, notas TEXT",
        lambda n: (f"Customer {n}", None if n % 2 else "ask his wife", "made up"),
    )
    profile, _, _ = shop.made()
    assert {"name", "phone", "job_notes"} <= set(profile.columns)


def test_a_soft_delete_in_spanish(tmp_path: Path) -> None:
    profile, _, _ = bookings(tmp_path, "status TEXT, eliminado INTEGER", lambda n: ("Booked", int(n % 9 == 0))).made()
    assert profile.words["deleted"] == "cancelled"


# Ends


@pytest.mark.parametrize(
    ("form", "day", "clock"),
    [
        ("%Y-%m-%d", "finish_date", "finish_time"),
        ("%d.%m.%Y", '"Abhol Tag"', '"Abhol Uhrzeit"'),
        ("%Y%m%d", "fin_fecha", "hora_fin"),
    ],
)
def test_an_end_in_a_day_and_a_clock_moves_along(tmp_path: Path, form: str, day: str, clock: str) -> None:
    shop = one_table(
        tmp_path,
        f"customer TEXT, phone TEXT, datum TEXT, uhrzeit TEXT, {day} TEXT, {clock} TEXT",
        lambda n: ("Customer One", phones(n)[1], *(f"{at(n):{kind}}" for at in (start, end) for kind in (form, "%H:%M"))),
        starts=False,
    )
    profile, drafted, rows = shop.made()
    assert {(row["starts_at"], row["ends_at"]) for row in rows} <= {(expected(n), utc(end(n))) for n in range(COUNT)}
    moved = move(shop, profile, "9", "2027-03-05T22:00:00Z", "2027-03-08T01:30:00Z")
    assert (moved["starts_at"], moved["ends_at"]) == ("2027-03-05T22:00:00Z", "2027-03-08T01:30:00Z")
    assert not said(drafted.unsure, "ends_at:")


@pytest.mark.parametrize("clock", ["end_time", "hora_fin", "time_to"])
def test_an_end_on_the_day_of_the_start_moves_along(tmp_path: Path, clock: str) -> None:
    """One on another day cannot be kept there, and none is: never a wrong one."""
    shop = one_table(
        tmp_path,
        f"customer TEXT, phone TEXT, day TEXT, time TEXT, {clock} TEXT",
        lambda n: ("Customer One", phones(n)[1], f"{start(n):%Y-%m-%d}", f"{start(n):%H:%M}", f"{start(n) + HOUR:%H:%M:%S}"),
        starts=False,
    )
    profile, _, rows = shop.made()
    assert {(row["starts_at"], row["ends_at"]) for row in rows} <= {(expected(n), utc(start(n) + HOUR)) for n in range(COUNT)}
    assert move(shop, profile, "9", "2027-03-05T22:00:00Z", "2027-03-06T01:30:00Z")["ends_at"] == "2027-03-06T01:30:00Z"
    assert move(shop, profile, "9", "2027-03-05T22:00:00Z", "2027-03-08T01:30:00Z")["ends_at"] is None


def test_an_end_that_cannot_be_said_is_said_to_stay_behind(tmp_path: Path) -> None:
    """Its time of day stands beside a start that is one column."""
    shop = bookings(tmp_path, "status TEXT, end_time TEXT", lambda n: ("Booked", f"{start(n) + HOUR:%H:%M}"))
    profile, drafted, _ = shop.made()
    assert "ends_at" not in profile.columns
    assert said(drafted.unsure, "ends_at: end_time", "keeps its old end")
