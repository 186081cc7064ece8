"""Shops in which init once took one thing for another, and would have written there: what it takes now, and leaves open."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from sync.machine import SystemClock
from sync.shop import rights, wizard
from sync.shop.profile import Profile
from sync.shop.wizard import propose
from tests.layouts import Layout

ZONE = ZoneInfo("Australia/Melbourne")
COUNT = 160
TO_COME = 100  # from this one on
BOOKING = {"id": "INTEGER PRIMARY KEY", "rego": "TEXT", "customer_name": "TEXT", "phone": "TEXT"}
Row = Mapping[str, object]


def start(number: int) -> datetime:
    """By day, on full quarters; from TO_COME on it is yet to come."""
    midnight = datetime.now(ZONE).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    return midnight + timedelta(days=number - TO_COME + 1, hours=8 + number % 8, minutes=15 * (number % 4))


def stamp(number: int) -> datetime:
    """When its row was entered, at no chosen minute."""
    return start(number) - timedelta(days=4, minutes=number % 53 + 1, seconds=number % 47 + 1)


def past(number: int) -> bool:
    return number < TO_COME


def status(number: int) -> str:
    return "Done" if past(number) else "Booked"


@dataclass(frozen=True)
class Made:
    profile: Profile
    draft: wizard.Draft
    written: str

    def unsure(self, *parts: str) -> bool:
        """Whether one line has all these parts."""
        return any(all(part in line for part in parts) for line in self.draft.unsure)

    @property
    def statements(self) -> set[str]:
        """The tables of `[write]` that were proposed."""
        write = self.profile.write
        return {name for name in ("set_status", "reschedule", "create") if getattr(write, name)}


def fill(file: Path, table: str, kinds: Mapping[str, str], row: Callable[[int], Row], count: int = COUNT) -> None:
    with closing(sqlite3.connect(file)) as shop, shop:
        shop.execute(f"CREATE TABLE {table} ({', '.join(f'{name} {kind}' for name, kind in kinds.items())})")
        names = ", ".join(f":{name}" for name in kinds)
        shop.executemany(f"INSERT INTO {table} VALUES ({names})", [dict(row(number)) for number in range(count)])


def bookings(
    file: Path, kinds: Mapping[str, str], row: Callable[[int], Row], table: str = "bookings", count: int = COUNT
) -> None:
    """A table of bookings with its customer and plate, and these columns beside them."""
    fill(file, table, BOOKING | dict(kinds), lambda n: {**whose(n), **row(n)}, count)


def whose(number: int) -> Row:
    return {
        "id": number + 1,
        "rego": f"AAA{number:03}",
        "customer_name": f"Customer {number}",
        "phone": f"0400 000 {number:03}",
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "shop.db"


def made(url: Path | str) -> Made:
    """What init proposes; the profile fits the database."""
    where = url if isinstance(url, str) else f"sqlite:///{url}"
    now = datetime.now(ZONE).replace(tzinfo=None)
    looked = wizard.explorer(where, None, ZONE)
    drafted = wizard.draft(looked, wizard.likely(looked, now)[0], now, ZONE)
    written = propose.profile(drafted, wizard.words_of(looked, drafted), "Northside")
    profile = propose.parsed(written)
    faults = wizard.preview(where, None, profile, ZONE, SystemClock())[1]
    assert not [fault for fault in faults if not fault.startswith("status.read")], faults
    return Made(profile, drafted, written)


def cancelled(file: Path, one: Made) -> set[int]:
    """The bookings that the proposed SELECT reads as deleted."""
    with closing(sqlite3.connect(file)) as shop:
        return {row[0] for row in shop.execute(f"SELECT key FROM ({one.profile.booking.select}) WHERE status = 'deleted'")}


# Cancelled beside the status


@pytest.mark.parametrize(
    ("column", "kind", "yes", "no"),
    [
        ("is_cancelled", "INTEGER", 1, 0), ("Storniert", "INTEGER NOT NULL DEFAULT 0", 1, 0), ("annule", "INTEGER", 1, 0),
        ("FG_CANCELADO", "CHAR(1)", "S", "N"), ("deleted", "TEXT", "Y", "N"), ("GELOESCHT", "TEXT", "J", "N"),
        ("baja", "INTEGER", 1, 0), ("anulado_em", "TEXT", "2026-01-05 09:00:00", ""),
        ("cancelled_at", "TEXT", "2026-01-05 09:00:00", None),
    ],
)  # fmt: skip
def test_a_cancelled_booking_is_read_as_one(file: Path, column: str, kind: str, yes: object, no: object) -> None:
    """Whatever its status says, in six languages, as a flag, a letter or a time."""
    kinds = {"start_at": "TEXT", "status": "TEXT", column: kind}
    bookings(file, kinds, lambda n: {"start_at": str(start(n)), "status": status(n), column: no if n % 9 else yes})
    one = made(file)
    assert cancelled(file, one) == {n + 1 for n in range(0, COUNT, 9)}
    assert one.profile.words["deleted"] == "cancelled"


def test_two_ways_of_cancelling_both_count(file: Path) -> None:
    kinds = {"start_at": "TEXT", "status": "TEXT", "deleted": "TEXT", "cancelled_at": "TEXT", "cancel_reason": "TEXT"}
    bookings(
        file,
        kinds,
        lambda n: {
            "start_at": str(start(n)), "status": status(n), "deleted": "N" if n % 9 else "Y",
            "cancelled_at": None if n % 7 else str(stamp(n)), "cancel_reason": None if n % 7 else f"changed mind {n}",
        },
    )  # fmt: skip
    one = made(file)
    assert cancelled(file, one) == {n + 1 for n in range(COUNT) if not (n % 9 and n % 7)}


def test_what_only_may_say_cancelled_is_said_and_not_read(file: Path) -> None:
    """A fee, a reason, and a letter that nobody knows."""
    kinds = {"start_at": "TEXT", "status": "TEXT", "cancellation_fee": "INTEGER", "cancel_reason": "TEXT", "storno": "TEXT"}
    bookings(
        file,
        kinds,
        lambda n: {
            "start_at": str(start(n)), "status": status(n), "cancellation_fee": 50 + n, "cancel_reason": f"reason {n}",
            "storno": "AB"[n % 2],
        },
    )  # fmt: skip
    one = made(file)
    assert "deleted" not in one.profile.words
    assert all(one.unsure("status: ", name, "may say") for name in ("cancellation_fee", "cancel_reason", "storno"))


@pytest.mark.parametrize("flag", ["BIT(1)"])
def test_a_bit_of_mariadb_says_cancelled(maria: Layout, flag: str) -> None:
    maria.run(
        f"CREATE TABLE bookings (id INTEGER PRIMARY KEY, start_at DATETIME, rego VARCHAR(9), status VARCHAR(9), baja {flag})"
    )
    for n in range(70, 130):
        maria.run(f"INSERT INTO bookings VALUES ({n}, '{start(n)}', 'AAA{n:03}', '{status(n)}', {int(n % 9 == 0)})")
    one = made(maria.url)
    assert one.profile.words["deleted"] == "cancelled"
    assert "b.baja = 1" in one.profile.booking.select


# Times


def test_the_time_of_entry_is_not_the_bookings(file: Path) -> None:
    """Though it stands first, and both are times of day."""
    kinds = {"ErfDatum": "TEXT", "ErfZeit": "TEXT", "Datum": "TEXT", "Uhrzeit": "TEXT", "Status": "TEXT"}
    bookings(
        file,
        kinds,
        lambda n: {
            "ErfDatum": f"{stamp(n):%d.%m.%Y}", "ErfZeit": f"{stamp(n):%H:%M}", "Datum": f"{start(n):%d.%m.%Y}",
            "Uhrzeit": f"{start(n):%H:%M}", "Status": "Geplant",
        },
    )  # fmt: skip
    one = made(file)
    assert (one.draft.picked["date"].sql, one.draft.picked["time"].sql) == ('b."Datum"', 'b."Uhrzeit"')
    assert "Erf" not in one.profile.write.reschedule[0]


def test_of_two_clocks_that_are_as_likely_none_is_written(file: Path) -> None:
    kinds = {"start_date": "TEXT", "hr_a": "TEXT", "hr_b": "TEXT", "status": "TEXT"}
    bookings(
        file,
        kinds,
        lambda n: {
            "start_date": f"{start(n):%Y-%m-%d}", "hr_a": f"{start(n):%H:%M}",
            "hr_b": f"{start(n) + timedelta(hours=n % 3 - 1):%H:%M}", "status": status(n),
        },
    )  # fmt: skip
    one = made(file)
    assert one.unsure("time: hr_a was taken", "hr_b")
    assert one.statements == {"set_status"}


@pytest.mark.parametrize(("kind", "lengths"), [("REAL", (0.5, 1, 1.5, 3)), ("INTEGER", (1, 2, 3, 8))])
def test_a_duration_in_hours_is_not_minutes(file: Path, kind: str, lengths: Sequence[float]) -> None:
    kinds = {"start_at": "TEXT", "status": "TEXT", "dauer": kind}
    bookings(file, kinds, lambda n: {"start_at": str(start(n)), "status": status(n), "dauer": lengths[n % len(lengths)]})
    one = made(file)
    assert "minutes" not in one.profile.columns
    assert "dauer" not in one.profile.write.reschedule[0]
    assert one.unsure("minutes: dauer", "b.dauer * 60 AS minutes")


def test_nothing_is_written_into_the_time_of_entry(file: Path) -> None:
    """The real start is a number that nobody reads."""
    kinds = {"job_date": "INTEGER", "job_time": "INTEGER", "created_at": "TEXT", "status": "TEXT"}
    bookings(
        file,
        kinds,
        lambda n: {
            "job_date": int(f"{start(n):%Y%m%d}"), "job_time": start(n).hour * 100 + start(n).minute,
            "created_at": str(stamp(n)), "status": status(n),
        },
    )  # fmt: skip
    one = made(file)
    assert one.unsure("starts_at: created_at", "entered")
    assert one.statements == {"set_status"}


@pytest.mark.parametrize("form", ["%d/%m/%y %H:%M", "%d.%m.%y %H:%M", "%m/%d/%y %H:%M"])
def test_a_year_of_two_digits_is_read(file: Path, form: str) -> None:
    kinds = {"booked_for": "TEXT", "entered": "TEXT", "status": "TEXT"}
    bookings(file, kinds, lambda n: {"booked_for": f"{start(n):{form}}", "entered": str(stamp(n)), "status": status(n)})
    one = made(file)
    assert one.draft.picked["starts_at"].sql == "b.booked_for"
    assert one.profile.formats == {"starts_at": form}


def test_what_is_due_later_is_not_the_start(file: Path) -> None:
    kinds = {"date_in": "TEXT", "next_service_due": "TEXT", "due_date": "TEXT", "status": "TEXT"}
    later = {"next_service_due": 182, "due_date": 2}
    bookings(
        file,
        kinds,
        lambda n: {
            "date_in": f"{start(n):%Y-%m-%d}", "status": status(n),
            **{name: f"{start(n) + timedelta(days=days):%Y-%m-%d}" for name, days in later.items()},
        },
    )  # fmt: skip
    assert made(file).draft.picked["date"].sql == "b.date_in"


def test_of_two_days_that_are_as_likely_none_is_written(file: Path) -> None:
    kinds = {"date_a": "TEXT", "date_b": "TEXT", "status": "TEXT"}
    bookings(
        file,
        kinds,
        lambda n: {"date_a": f"{start(n):%Y-%m-%d}", "date_b": f"{start(n + n % 3):%Y-%m-%d}", "status": status(n)},
    )
    one = made(file)
    assert one.unsure("starts_at: date_a was taken", "date_b")
    assert one.statements == {"set_status"}


# Statuses


@pytest.mark.parametrize(("own", "of_money"), [("status", "payment_status"), ("stage", "payment")])
def test_paid_is_not_done(file: Path, own: str, of_money: str) -> None:
    """What is called status wins, though its numbers say nothing."""
    kinds = {"start_at": "TEXT", own: "INTEGER", of_money: "TEXT"}
    bookings(
        file,
        kinds,
        lambda n: {"start_at": str(start(n)), own: 4 if past(n) else 1 + n % 2, of_money: "Paid" if past(n) else "Open"},
    )
    one = made(file)
    assert one.draft.status.column is not None
    assert one.draft.status.column.name == own
    assert "done" not in one.profile.words.values()


@pytest.mark.parametrize("title", [("Safety Inspection", "Diagnosis", "Logbook", "Delivered"), ("Inspection", "Ready", "Paid")])
def test_kinds_of_work_are_no_statuses(file: Path, title: Sequence[str]) -> None:
    fill(
        file,
        "service_types",
        {"id": "INTEGER PRIMARY KEY", "title": "TEXT"},
        lambda n: {"id": n + 1, "title": title[n]},
        len(title),
    )
    kinds = {"start_at": "TEXT", "service_type_id": "INTEGER REFERENCES service_types"}
    bookings(file, kinds, lambda n: {"start_at": str(start(n)), "service_type_id": n % len(title) + 1})
    one = made(file)
    assert one.draft.status.column is None
    assert "set_status" not in one.statements


def test_notes_of_few_words_are_no_status(file: Path) -> None:
    kinds = {"start_at": "TEXT", "notes": "TEXT"}
    bookings(file, kinds, lambda n: {"start_at": str(start(n)), "notes": ("Call", "Paid", "OK", "Waiting parts")[n % 4]})
    assert made(file).draft.status.column is None


def test_the_words_of_quotes_are_no_jobs_status(file: Path) -> None:
    """They are neither counted nor written."""
    kinds = {"kind": "TEXT", "start_at": "TEXT", "status": "TEXT"}
    bookings(
        file,
        kinds,
        lambda n: {
            "kind": "job" if n % 4 else "quote", "start_at": str(start(n)),
            "status": ("Done" if past(n) else "Open") if n % 4 else ("Declined" if past(n) else "Pending"),
        },
    )  # fmt: skip
    one = made(file)
    assert one.profile.words == {"done": "done", "open": "pending"}
    assert one.profile.status.write == {"pending": "Open", "done": "Done"}


def test_a_word_that_is_in_use_is_written_before_one_that_is_not() -> None:
    found = [propose.Word("Booked", "Booked", 0, "pending"), propose.Word("Open", "Open", 9, "pending")]
    assert propose.writing(found) == {"pending": "Open"}


def test_a_word_that_stands_twice_in_its_list_is_not_written(file: Path) -> None:
    """Two sites have their own lists in one table."""
    words = ("Booked", "Done", "Cancelled")
    fill(
        file,
        "statuses",
        {"id": "INTEGER PRIMARY KEY", "site": "INTEGER", "name": "TEXT"},
        lambda n: {"id": n + 11, "site": n // 3 + 1, "name": words[n % 3]},
        6,
    )
    kinds = {"start_at": "TEXT", "status_id": "INTEGER REFERENCES statuses"}
    bookings(file, kinds, lambda n: {"start_at": str(start(n)), "status_id": 15 if past(n) else 14})
    one = made(file)
    assert one.unsure("status: statuses lists booked, cancelled, done more than once")
    assert one.statements == {"reschedule"}


# Tables


@pytest.mark.parametrize("name", ["bookings_archive", "bookings_old", "bookings_2019"])
def test_the_archive_is_not_the_table_in_use(file: Path, name: str) -> None:
    """Though it has many more rows, and was filled until last month."""
    kinds = {"start_at": "TEXT", "status": "TEXT"}
    old = lambda n: {"start_at": str(start(TO_COME - 45 - (8000 - n) // 9)), "status": "Done"}  # noqa: E731
    bookings(file, kinds, old, name, 8000)
    bookings(file, kinds, lambda n: {"start_at": str(start(n)), "status": status(n)})
    assert made(file).draft.booking.table.name == "bookings"


def test_a_view_of_the_bookings_does_not_win_over_their_table(file: Path) -> None:
    """Nothing could be written there."""
    fill(file, "customers", {"id": "INTEGER PRIMARY KEY", "name": "TEXT", "phone": "TEXT"},
         lambda n: {"id": n + 1, "name": f"Customer {n}", "phone": f"0400 000 {n:03}"})  # fmt: skip
    fill(file, "vehicles", {"id": "INTEGER PRIMARY KEY", "customer_id": "INTEGER REFERENCES customers", "rego": "TEXT"},
         lambda n: {"id": n + 1, "customer_id": n + 1, "rego": f"AAA{n:03}"})  # fmt: skip
    kinds = {"id": "INTEGER PRIMARY KEY", "vehicle_id": "INTEGER REFERENCES vehicles", "start_at": "TEXT", "status": "TEXT"}
    fill(file, "bookings", kinds,
         lambda n: {"id": n + 1, "vehicle_id": n + 1, "start_at": str(start(n)), "status": status(n)})  # fmt: skip
    with closing(sqlite3.connect(file)) as shop:
        shop.execute(
            "CREATE VIEW v_bookings AS SELECT b.id AS id, start_at, status, c.name AS customer_name, c.phone AS customer_phone, "
            "rego FROM bookings b JOIN vehicles v ON v.id = b.vehicle_id JOIN customers c ON c.id = v.customer_id"
        )
    assert made(file).draft.booking.table.name == "bookings"


# Servers


def test_json_is_looked_at_as_text(postgres: Layout) -> None:
    """A column of JSON that is called a branch."""
    postgres.run("CREATE TABLE bookings (id serial PRIMARY KEY, start_at timestamp, status text, rego text, location jsonb)")
    for n in range(70, 130):
        postgres.run(
            f"INSERT INTO bookings (start_at, status, rego, location) VALUES ('{start(n)}', '{status(n)}', 'AAA{n:03}', "
            f"'[{n % 2}]')"
        )
    assert made(postgres.url).unsure("rows of several branches", "[0], [1]")


@pytest.mark.parametrize(
    ("grant", "over"),
    [
        ("GRANT ALL PRIVILEGES ON `my shop`.* TO `x`@`y`", True), ("GRANT DROP ON `my shop`.`the jobs` TO `x`@`y`", True),
        ("GRANT ALL PRIVILEGES ON `another shop`.* TO `x`@`y`", False), ("GRANT ALL PRIVILEGES ON *.* TO `x`@`y`", True),
    ],
)  # fmt: skip
def test_a_grant_over_a_database_with_a_blank_in_its_name(grant: str, over: bool) -> None:
    assert rights._grants(grant, "my shop", rights._ALTERS) is over
