"""The demo's workshop: a shop program's own SQLite file, and what its staff do in it, by plain SQL.

RULE: a second program. It knows nothing of the daemon, its profile or its state. Times are Melbourne's, without a zone;
plates, phones and names are plainly made up.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Australia/Melbourne")
OPEN = 40  # bookings to come at the start of the day
A_DAY = 8
LABELS = ("Booked in", "On hoist", "Waiting for parts", "Ready", "Collected", "Cancelled", "No show")
JOBS = (("Service", "Logbook service"), ("Tyres", "Four tyres"), ("Repairs", "Brake pads, front"), ("Other", "Roadworthy"))
CARS = (("Toyota", "Corolla", 2016), ("Mazda", "CX-5", 2019), ("Ford", "Ranger", 2021), ("Hyundai", "i30", 2014))
# What must stay in the shop: label, and the day it is for, counted from the first.
OVER = (("Collected", -9), ("Collected", -7), ("Ready", -1), ("No show", -2), ("Booked in", -5),
        ("Cancelled", 1), ("Ready", 0), ("No show", 0))  # fmt: skip
FIRST_OVER = 61
ONES = ("", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve", "Thirteen",
        "Fourteen", "Fifteen", "Sixteen", "Seventeen", "Eighteen", "Nineteen")  # fmt: skip
TENS = ("", "", "Twenty", "Thirty", "Forty", "Fifty", "Sixty")

SCHEMA = """
CREATE TABLE statuses (id INTEGER PRIMARY KEY, label TEXT NOT NULL UNIQUE);
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, phone TEXT, email TEXT);
CREATE TABLE vehicles (
  id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers,
  plate TEXT NOT NULL, make TEXT, model TEXT, year INTEGER);
CREATE TABLE bookings (
  id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers, vehicle_id INTEGER NOT NULL REFERENCES vehicles,
  status_id INTEGER NOT NULL REFERENCES statuses, dropoff TEXT NOT NULL, pickup TEXT,
  work TEXT NOT NULL, job TEXT, notes TEXT, online_ref TEXT,
  modified TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')));
CREATE TRIGGER bookings_modified AFTER UPDATE ON bookings BEGIN
  UPDATE bookings SET modified = strftime('%Y-%m-%d %H:%M:%f', 'now') WHERE id = new.id;
END;
"""
ROWS = """
SELECT b.id, s.label, b.dropoff, b.pickup, b.work, b.job, b.notes, b.online_ref,
       c.name, c.phone, c.email, v.plate, v.make, v.model, v.year
FROM bookings b JOIN statuses s ON s.id = b.status_id
JOIN customers c ON c.id = b.customer_id JOIN vehicles v ON v.id = b.vehicle_id
ORDER BY b.id
"""


def plate(number: int) -> str:
    return f"AAA{number:03}"


def stay() -> frozenset[str]:
    """Plates whose booking was over before the play began: Repairy must never hear of them."""
    return frozenset(map(plate, range(FIRST_OVER, FIRST_OVER + len(OVER))))


def name(number: int) -> str:
    """As in "Customer Forty-One"."""
    tens, ones = (0, number) if number < len(ONES) else divmod(number, 10)
    return "Customer " + "-".join(filter(None, (TENS[tens], ONES[ones])))


def phone(number: int) -> str:
    return f"0400 000 {number:03}"


def email(number: int) -> str:
    return f"customer{number}@example.com"


def first_day(now: datetime) -> date:
    """The workshop's day: today, or the next one on which it is open; shortly before midnight it is tomorrow already."""
    return _open_from((now + timedelta(minutes=5)).astimezone(ZONE).date())


def day(first: date, later: int) -> date:
    """The open day so many open days after the first; below zero plain days before it."""
    if later <= 0:
        return first + timedelta(days=later)
    return day(_open_from(first + timedelta(days=1)), later - 1)


def _open_from(found: date) -> date:
    while found.weekday() > 4:
        found += timedelta(days=1)
    return found


class Office:
    """The shop's program, as its staff use it. Every method is one short transaction of its own connection."""

    def __init__(self, file: Path, first: date) -> None:
        self.file, self.first = file, first

    def open_shop(self) -> None:
        """Make the file: forty bookings to come, and a few that are over."""
        with closing(self._connect()) as shop, shop:
            shop.executescript(SCHEMA)
            shop.executemany("INSERT INTO statuses (label) VALUES (?)", [(label,) for label in LABELS])
            for number, start, label in self._bookings():
                self._add(shop, number, start, label)

    def _bookings(self) -> Iterator[tuple[int, datetime, str]]:
        for number in range(1, OPEN + 1):
            label = "Waiting for parts" if number == A_DAY else "Booked in"
            yield number, self.at((number - 1) // A_DAY, 8 + (number - 1) % A_DAY), label
        for number, (label, later) in enumerate(OVER, FIRST_OVER):
            yield number, self.at(later, 9, 30), label

    def at(self, later: int, hour: int, minute: int = 0) -> datetime:
        """A time on the shop's wall: so many open days after the first."""
        return datetime.combine(day(self.first, later), time(hour, minute))

    def book(self, number: int, start: datetime) -> None:
        """A customer who stands at the counter."""
        with closing(self._connect()) as shop, shop:
            self._add(shop, number, start, "Booked in")

    def status(self, number: int, label: str) -> None:
        self._change(number, "status_id = (SELECT id FROM statuses WHERE label = ?)", label)

    def move(self, number: int, start: datetime) -> None:
        self._change(number, "dropoff = ?, pickup = ?", str(start), str(start + timedelta(hours=2)))

    def note(self, number: int, text: str) -> None:
        """One more line under what is written already."""
        self._change(number, "notes = trim(coalesce(notes, '') || char(10) || ?, char(10))", text)

    def job(self, number: int, text: str) -> None:
        self._change(number, "job = ?", text)

    def rows(self) -> list[dict[str, object]]:
        """Every booking as it is stored."""
        with closing(self._connect()) as shop:
            return [dict(row) for row in shop.execute(ROWS)]

    def _change(self, number: int, what: str, *values: str) -> None:
        found = "id = (SELECT b.id FROM bookings b JOIN vehicles v ON v.id = b.vehicle_id WHERE v.plate = ?)"
        with closing(self._connect()) as shop, shop:
            shop.execute(f"UPDATE bookings SET {what} WHERE {found}", (*values, plate(number)))  # noqa: S608 (no input)

    def _add(self, shop: sqlite3.Connection, number: int, start: datetime, label: str) -> None:
        (work, job), car = JOBS[number % len(JOBS)], CARS[number % len(CARS)]
        who = shop.execute(
            "INSERT INTO customers (name, phone, email) VALUES (?, ?, ?)", (name(number), phone(number), email(number))
        ).lastrowid
        vehicle = shop.execute(
            "INSERT INTO vehicles (customer_id, plate, make, model, year) VALUES (?, ?, ?, ?, ?)", (who, plate(number), *car)
        ).lastrowid
        shop.execute(
            "INSERT INTO bookings (customer_id, vehicle_id, status_id, dropoff, pickup, work, job) "
            "VALUES (?, ?, (SELECT id FROM statuses WHERE label = ?), ?, ?, ?, ?)",
            (who, vehicle, label, str(start), str(start + timedelta(hours=2)), work, job),
        )

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.file, timeout=10)
        connection.row_factory = sqlite3.Row
        return connection
