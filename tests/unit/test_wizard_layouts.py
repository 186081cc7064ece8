"""The wizard on small made-up shops in SQLite, one oddity each: what it proposes, and what it says it is unsure of."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from sync.machine import SystemClock
from sync.shop import wizard
from sync.shop.profile import Profile
from sync.shop.wizard import propose

ZONE = ZoneInfo("Australia/Melbourne")
COUNT = 60
PEOPLE = """
CREATE TABLE clients (id INTEGER PRIMARY KEY, surname TEXT, given_name TEXT, mobile TEXT, mail TEXT);
CREATE TABLE cars (id INTEGER PRIMARY KEY, client_id INTEGER REFERENCES clients, rego TEXT, brand TEXT);
"""


def start(number: int) -> datetime:
    """Half of them to come, on full quarters, by day."""
    day = datetime.now(ZONE).date() + timedelta(days=number - COUNT // 2 + 1)
    return datetime.combine(day, time(8 + number % 8, 15 * (number % 4)))


def plate(number: int) -> str:
    return f"AAA{number:03}"


def mail(number: int) -> str:
    return f"c{number}@example.com"


class Shop:
    """A database file, filled; what the wizard makes of it."""

    def __init__(self, folder: Path, schema: str) -> None:
        self.url = f"sqlite:///{folder}/shop.db"
        self._file = folder / "shop.db"
        with closing(sqlite3.connect(self._file)) as shop:
            shop.executescript(schema)

    def fill(self, sql: str, row: Callable[[int], Sequence[object]], count: int = COUNT) -> None:
        with closing(sqlite3.connect(self._file)) as shop, shop:
            shop.executemany(sql, [row(number) for number in range(count)])

    def people(self) -> None:
        self.fill(
            "INSERT INTO clients VALUES (?, 'Last', ?, ?, ?)",
            lambda n: (n + 1, f"First {n}", f"0400 000 {n:03}", mail(n)),
        )
        self.fill("INSERT INTO cars VALUES (?, ?, ?, 'Toyota')", lambda n: (n + 1, n + 1, plate(n)))

    def made(self) -> tuple[Profile, wizard.Draft, list[Mapping[str, str | None]]]:
        """Profile, draft, and ten bookings as Repairy would see them; the profile fits the database."""
        drafted, written = self.proposed()
        profile = propose.parsed(written)
        rows, faults = wizard.preview(self.url, None, profile, ZONE, SystemClock())
        assert not [fault for fault in faults if not fault.startswith("status.read")], faults
        return profile, drafted, list(rows)

    def written(self) -> str:
        """The profile's file."""
        return self.proposed()[1]

    def proposed(self) -> tuple[wizard.Draft, str]:
        now = datetime.now(ZONE).replace(tzinfo=None)
        looked = wizard.explorer(self.url, None, ZONE)
        drafted = wizard.draft(looked, wizard.likely(looked, now)[0], now, ZONE)
        return drafted, propose.profile(drafted, wizard.words_of(looked, drafted), "Northside")


def coming(rows: Sequence[Mapping[str, str | None]]) -> set[str | None]:
    """The starts that were shown, in UTC, as they should be."""
    assert len(rows) == 10
    return {row["starts_at"] for row in rows}


def expected(number: int) -> str:
    return start(number).replace(tzinfo=ZONE).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_the_table_in_use_wins_over_the_one_with_the_fine_name(tmp_path: Path) -> None:
    """Nine old appointments beside the orders that the shop works with."""
    shop = Shop(
        tmp_path,
        PEOPLE
        + """
        CREATE TABLE appointments (id INTEGER PRIMARY KEY, client_id INTEGER REFERENCES clients, starts TEXT, status TEXT);
        CREATE TABLE orders (id INTEGER PRIMARY KEY, client_id INTEGER REFERENCES clients, car_id INTEGER REFERENCES cars,
          date_in TEXT, state TEXT);""",
    )
    shop.people()
    shop.fill("INSERT INTO appointments VALUES (?, 1, ?, 'Booked')", lambda n: (n, f"2021-03-{n + 1:02} 09:00:00"), 9)
    shop.fill("INSERT INTO orders VALUES (?, ?, ?, ?, 'Open')", lambda n: (n + 1, n + 1, n + 1, str(start(n))))
    now = datetime.now(ZONE).replace(tzinfo=None)
    candidates = wizard.likely(wizard.explorer(shop.url, None, ZONE), now)
    assert [one.table.name for one in candidates[:2]] == ["orders", "appointments"]
    assert "not used of late" in candidates[1].why


def test_a_day_and_a_clock_in_two_columns_of_text(tmp_path: Path) -> None:
    """The day as the shop writes it, the time HH:MM, minutes instead of an end; no keys declared between the tables."""
    shop = Shop(
        tmp_path,
        """CREATE TABLE kunden (kundennr INTEGER PRIMARY KEY, vorname TEXT, nachname TEXT, handy TEXT);
        CREATE TABLE fahrzeuge (fahrzeugnr INTEGER PRIMARY KEY, kennzeichen TEXT, marke TEXT);
        CREATE TABLE termine (nr INTEGER PRIMARY KEY, kunden_nr INTEGER, fahrzeug_nr INTEGER, datum TEXT, uhrzeit TEXT,
          dauer INTEGER, zustand TEXT, bemerkung TEXT);""",
    )
    shop.fill("INSERT INTO kunden VALUES (?, 'First', ?, ?)", lambda n: (n + 1, f"Last {n}", f"0400 000 {n:03}"))
    shop.fill("INSERT INTO fahrzeuge VALUES (?, ?, 'Opel')", lambda n: (n + 1, plate(n)))
    shop.fill(
        "INSERT INTO termine VALUES (?, ?, ?, ?, ?, 90, ?, NULL)",
        lambda n: (n + 1, n + 1, n + 1, f"{start(n):%d.%m.%Y}", f"{start(n):%H:%M}", "Geplant" if n > COUNT // 2 else "Erledigt"),
    )
    profile, _, rows = shop.made()
    assert {"date", "time", "minutes", "rego", "phone", "first_name", "last_name", "job_notes"} <= set(profile.columns)
    assert profile.formats == {"date": "%d.%m.%Y"}
    assert coming(rows) <= {expected(number) for number in range(COUNT)}
    assert ":date" in profile.write.reschedule[0]
    assert ":time" in profile.write.reschedule[0]


def test_a_date_only(tmp_path: Path) -> None:
    shop = Shop(
        tmp_path,
        """CREATE TABLE bookings (id INTEGER PRIMARY KEY, day TEXT, plate TEXT, customer TEXT, phone TEXT, status TEXT,
        notes TEXT);""",
    )
    shop.fill(
        "INSERT INTO bookings VALUES (?, ?, ?, ?, ?, 'Booked', NULL)",
        lambda n: (n + 1, start(n).date().isoformat(), plate(n), f"Customer {n}", f"0400 000 {n:03}"),
    )
    profile, drafted, rows = shop.made()
    assert {"date", "rego", "phone", "name", "job_notes"} <= set(profile.columns)
    assert "time" not in profile.columns
    assert any("no time of day" in line for line in drafted.unsure)
    assert {row["starts_at"] for row in rows} <= {start(number).date().isoformat() for number in range(COUNT)}


def test_kinds_of_rows_in_one_table(tmp_path: Path) -> None:
    """Estimates and invoices are no bookings; a new row carries the kind that bookings have."""
    shop = Shop(
        tmp_path,
        """CREATE TABLE jobs (id INTEGER PRIMARY KEY, doc_type TEXT NOT NULL, start_at TEXT, rego TEXT, customer_name TEXT,
        phone TEXT, status TEXT);""",
    )
    kinds = ("JOB", "ESTIMATE", "INVOICE")
    shop.fill(
        "INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?, 'Open')",
        lambda n: (n + 1, kinds[n % 3], str(start(n)), plate(n), f"Customer {n}", f"0400 000 {n:03}"),
    )
    profile, _, rows = shop.made()
    assert "doc_type IN ('JOB')" in profile.booking.select
    assert {row["rego"] for row in rows} <= {plate(number) for number in range(0, COUNT, 3)}
    assert "'JOB'" in profile.write.create[-1].insert[0]


def test_statuses_as_numbers_that_say_nothing(tmp_path: Path) -> None:
    """The one whose bookings are to come is pending; the others stay open, and the profile says so."""
    shop = Shop(
        tmp_path,
        """CREATE TABLE bookings (id INTEGER PRIMARY KEY, begins TEXT, rego TEXT, customer_name TEXT, phone TEXT,
        status INTEGER);""",
    )
    shop.fill(
        "INSERT INTO bookings VALUES (?, ?, ?, ?, ?, ?)",
        lambda n: (n + 1, str(start(n)), plate(n), f"Customer {n}", f"0400 000 {n:03}", 3 if n < COUNT // 2 else 7),
    )
    profile, drafted, _ = shop.made()
    assert profile.words == {"7": "pending"}
    assert profile.status.write == {"pending": 7}
    assert any("no stored word says what it means" in line for line in drafted.unsure)


def test_a_soft_delete_is_a_cancellation_that_nothing_writes(tmp_path: Path) -> None:
    shop = Shop(
        tmp_path,
        """CREATE TABLE bookings (id INTEGER PRIMARY KEY, starts TEXT, rego TEXT, customer_name TEXT, phone TEXT, status TEXT,
        deleted_at TEXT);""",
    )
    shop.fill(
        "INSERT INTO bookings VALUES (?, ?, ?, ?, ?, 'Booked', ?)",
        lambda n: (
            n + 1,
            str(start(n)),
            plate(n),
            f"Customer {n}",
            f"0400 000 {n:03}",
            str(start(n)) if n % 9 == 0 else None,
        ),
    )
    profile, _, _ = shop.made()
    assert profile.words["deleted"] == "cancelled"
    assert "cancelled" not in profile.status.write


def test_phones_and_mails_as_rows_of_their_own(tmp_path: Path) -> None:
    """Told apart by their type; of several numbers the mobile one, whichever stands first."""
    shop = Shop(
        tmp_path,
        """CREATE TABLE customers (id INTEGER PRIMARY KEY, full_name TEXT);
        CREATE TABLE customer_numbers (customer_id INTEGER REFERENCES customers, line INTEGER, kind TEXT, value TEXT,
          PRIMARY KEY (customer_id, line));
        CREATE TABLE bookings (id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers, starts TEXT, rego TEXT,
          status TEXT);""",
    )
    shop.fill("INSERT INTO customers VALUES (?, ?)", lambda n: (n + 1, f"Customer {n}"))
    shop.fill("INSERT INTO customer_numbers VALUES (?, 1, 'home', ?)", lambda n: (n + 1, f"(03) 9000 {n + 1000}"))
    shop.fill("INSERT INTO customer_numbers VALUES (?, 2, 'mobile', ?)", lambda n: (n + 1, f"0400 000 {n:03}"), COUNT - 1)
    shop.fill("INSERT INTO customer_numbers VALUES (?, 3, 'mail', ?)", lambda n: (n + 1, mail(n)))
    shop.fill("INSERT INTO bookings VALUES (?, ?, ?, ?, 'Booked')", lambda n: (n + 1, n + 1, str(start(n)), plate(n)))
    _, _, rows = shop.made()
    for row in rows:
        number = int((row["rego"] or "")[3:])
        assert row["email"] == f"c{number}@example.com"
        assert row["phone"] == (f"0400000{number:03}" if number < COUNT - 1 else f"039000{number + 1000}")


def test_times_that_lie_at_night_are_utc(tmp_path: Path) -> None:
    shop = Shop(
        tmp_path,
        "CREATE TABLE bookings (id INTEGER PRIMARY KEY, starts TEXT, rego TEXT, customer_name TEXT, phone TEXT, status TEXT);",
    )
    shop.fill(
        "INSERT INTO bookings VALUES (?, ?, ?, ?, ?, 'Booked')",
        lambda n: (n + 1, expected(n).replace("T", " ")[:-1], plate(n), f"Customer {n}", f"0400 000 {n:03}"),
    )
    profile, _, rows = shop.made()
    assert profile.timezone == "UTC"
    assert coming(rows) <= {expected(number) for number in range(COUNT)}


def test_a_second_branch_is_said(tmp_path: Path) -> None:
    shop = Shop(
        tmp_path,
        """CREATE TABLE bookings (id INTEGER PRIMARY KEY, branch INTEGER, starts TEXT, rego TEXT, customer_name TEXT, phone TEXT,
        status TEXT);""",
    )
    shop.fill(
        "INSERT INTO bookings VALUES (?, ?, ?, ?, ?, ?, 'Booked')",
        lambda n: (n + 1, 12 if n % 5 else 30, str(start(n)), plate(n), f"Customer {n}", f"0400 000 {n:03}"),
    )
    _, drafted, _ = shop.made()
    assert any("branch is 12, 30" in line and "branch = 12" in line for line in drafted.unsure)


def test_a_column_that_must_be_filled_and_that_nobody_knows_keeps_creates_out(tmp_path: Path) -> None:
    shop = Shop(
        tmp_path,
        """CREATE TABLE bookings (id INTEGER PRIMARY KEY, starts TEXT, rego TEXT, customer_name TEXT, phone TEXT, status TEXT,
        tax_number TEXT NOT NULL);""",
    )
    shop.fill(
        "INSERT INTO bookings VALUES (?, ?, ?, ?, ?, 'Booked', ?)",
        lambda n: (n + 1, str(start(n)), plate(n), f"Customer {n}", f"0400 000 {n:03}", f"T{n}"),
    )
    profile, _, _ = shop.made()
    assert not profile.write.create
    assert profile.write.set_status


def test_a_column_that_must_be_filled_and_is_the_same_everywhere_is_filled_so(tmp_path: Path) -> None:
    shop = Shop(
        tmp_path,
        """CREATE TABLE bookings (id INTEGER PRIMARY KEY, starts TEXT, rego TEXT, customer_name TEXT, phone TEXT, status TEXT,
        entered_by TEXT NOT NULL);""",
    )
    shop.fill(
        "INSERT INTO bookings VALUES (?, ?, ?, ?, ?, 'Booked', 'desk')",
        lambda n: (n + 1, str(start(n)), plate(n), f"Customer {n}", f"0400 000 {n:03}"),
    )
    profile, _, _ = shop.made()
    assert "entered_by" in profile.write.create[0].insert[0]
    assert "'desk'" in profile.write.create[0].insert[0]


def test_what_the_database_refuses_is_left_out_and_said() -> None:
    """Its word against a statement, or against any step of a create."""
    faults = ["write.set_status: no permission", "write.create 2.insert: no such column", "status.read: open"]
    assert propose.refused(faults) == {"set_status": "no permission", "create": "no such column"}


def test_a_view_is_never_written(tmp_path: Path) -> None:
    shop = Shop(
        tmp_path,
        """CREATE TABLE raw (id INTEGER PRIMARY KEY, a TEXT, b TEXT, c TEXT, d TEXT, e TEXT);
        CREATE VIEW bookings AS
          SELECT id AS booking_no, a AS starts, b AS plate, c AS customer_name, d AS phone, e AS status FROM raw;""",
    )
    shop.fill(
        "INSERT INTO raw VALUES (?, ?, ?, ?, ?, 'Booked')",
        lambda n: (n + 1, str(start(n)), plate(n), f"Customer {n}", f"0400 000 {n:03}"),
    )
    profile, drafted, rows = shop.made()
    assert drafted.booking.table.name == "bookings"
    assert {row["key"] for row in rows} <= {str(number + 1) for number in range(COUNT)}
    assert not list(profile.statements())


@pytest.mark.parametrize("word", ["Geplant für morgen", 'With "quotes"', "back\\slash", "Prévu"])
def test_stored_words_come_through_the_file_as_they_are(tmp_path: Path, word: str) -> None:
    shop = Shop(
        tmp_path,
        "CREATE TABLE bookings (id INTEGER PRIMARY KEY, starts TEXT, rego TEXT, customer_name TEXT, phone TEXT, status TEXT);",
    )
    shop.fill(
        "INSERT INTO bookings VALUES (?, ?, ?, ?, ?, ?)",
        lambda n: (n + 1, str(start(n)), plate(n), f"Customer {n}", f"0400 000 {n:03}", word),
    )
    now = datetime.now(ZONE).replace(tzinfo=None)
    looked = wizard.explorer(shop.url, None, ZONE)
    drafted = wizard.draft(looked, wizard.likely(looked, now)[0], now, ZONE)
    (found,) = wizard.words_of(looked, drafted)
    profile = propose.parsed(
        propose.profile(drafted, [propose.Word(found.stored, found.raw, found.rows, "pending")], "Northside")
    )
    assert profile.words == {word.casefold(): "pending"}
