"""Layout 1: the read-only mirror of a dealer's system, on PostgreSQL. The vendor shows views; the tables are his own.

A customer is linked, or only written into the appointment; phones and e-mails are child rows; placeholders and suppliers
stand among the customers; a second branch stands in the same table.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import date, datetime, timedelta
from typing import ClassVar

import sqlalchemy as sa

from tests.shops.program import ZONE, Planned, Program, Row, email, name, phone, plate

READER = "portal_reader"
BASE = 10_000  # customer and vehicle numbers begin here; below it are placeholders and suppliers
PLACEHOLDER, SUPPLIER_ID = 1, 2
WORDS = {0: "pending", 1: "pending", 2: "processing", 3: "processing", 4: "done", 5: "done", 9: "cancelled"}
STORED = {"pending": 1, "processing": 3, "done": 4, "cancelled": 9}
OWED = "an inline customer has no phone, and Repairy takes no booking without one"

TABLES = """
CREATE SCHEMA dms;
CREATE SCHEMA portal;
CREATE TABLE dms.customers_suppliers (customer_number int PRIMARY KEY, is_supplier bool NOT NULL, is_dummy_customer bool NOT NULL,
  first_name varchar(40), family_name varchar(40), updated_date date);
CREATE TABLE dms.customer_com_numbers (customer_number int, counter int, com_type varchar(8), is_reference bool,
  address varchar(80), PRIMARY KEY (customer_number, counter));
CREATE TABLE dms.vehicles (internal_number int PRIMARY KEY, license_plate varchar(12), vin varchar(17),
  free_form_make_text varchar(30), free_form_model_text varchar(30));
CREATE TABLE dms.appointments (id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, subsidiary int NOT NULL, customer_number int,
  vehicle_number int, comment varchar(500), bring_timestamp timestamp, return_timestamp timestamp,
  pseudo_customer_name varchar(80), pseudo_license_plate varchar(12), pseudo_make_text varchar(30), progress_status int,
  modified_timestamp timestamp, lock_time timestamp);
CREATE TABLE dms.appointments_text (appointment_id int PRIMARY KEY, description text);
"""
VIEWS = ("appointments", "appointments_text", "customers_suppliers", "customer_com_numbers", "vehicles")
SHOW = "CREATE VIEW portal.{0} AS SELECT * FROM dms.{0}; GRANT SELECT ON portal.{0} TO " + READER
USER = f"""
DO $$ BEGIN
  IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '{READER}') THEN CREATE ROLE {READER} LOGIN; END IF;
END $$;
ALTER ROLE {READER} SET search_path = portal;
GRANT USAGE ON SCHEMA portal TO {READER};
"""
CUSTOMER = "INSERT INTO dms.customers_suppliers VALUES (:id, false, :dummy, :first, :last, :day) ON CONFLICT DO NOTHING"
SUPPLIER = "INSERT INTO dms.customers_suppliers VALUES (:id, true, false, NULL, 'Parts on wheels', '2020-01-01')"
NUMBERS = "INSERT INTO dms.customer_com_numbers VALUES (:id, :counter, :kind, :main, :address) ON CONFLICT DO NOTHING"
VEHICLE = "INSERT INTO dms.vehicles VALUES (:id, :plate, :vin, 'Toyota', 'Corolla') ON CONFLICT DO NOTHING"
APPOINTMENT = """
INSERT INTO dms.appointments (subsidiary, customer_number, vehicle_number, comment, bring_timestamp, return_timestamp,
  pseudo_customer_name, pseudo_license_plate, progress_status, modified_timestamp)
VALUES (:branch, :customer, :vehicle, :comment, CAST(:start AS timestamp), CAST(:end AS timestamp),
  :inline, :inline_plate, :status, :now)
"""
ROW = """
SELECT a.id, a.progress_status, a.bring_timestamp, coalesce(a.comment, ''), coalesce(v.license_plate, a.pseudo_license_plate, ''),
  (SELECT address FROM dms.customer_com_numbers n WHERE n.customer_number = a.customer_number AND com_type = 'MOBILE')
FROM dms.appointments a LEFT JOIN dms.vehicles v ON v.internal_number = a.vehicle_number
WHERE a.id = :key
"""


class DmsMirror(Program):
    name = "dms-mirror"
    engine = "postgresql"
    profile = "dms-mirror"
    can: ClassVar[frozenset[str]] = frozenset()
    traits = frozenset({"dummy", "branch", "unreadable", "undated"})
    absent: ClassVar[Mapping[str, str]] = {
        "two_with_one_phone": "nothing is ever created in a mirror",
        "rename_written": "nothing is written, so every column of the profile's is read",
    }

    def make(self) -> None:
        with self.database.begin() as connection:
            for sql in (TABLES, USER, *(SHOW.format(view) for view in VIEWS)):
                connection.exec_driver_sql(sql)
        placeholder = {"id": PLACEHOLDER, "dummy": True, "first": None, "last": "Workshop closed", "day": date(2020, 1, 1)}
        self.run_many(CUSTOMER, [placeholder])
        self.run(SUPPLIER, id=SUPPLIER_ID)
        self.shop_url = self.read_only_url()

    def read_only_url(self) -> str:
        return sa.make_url(self.url).set(username=READER).render_as_string(hide_password=False)

    def reaches(self, one: Planned) -> bool:
        return super().reaches(one) and not _inline(one)

    def fill(self, bookings: list[Planned]) -> None:
        customers = sorted({one.customer for one in bookings})
        self._customers(customers)
        self.run_many(VEHICLE, [_vehicle(number) for number in {one.number for one in bookings}])
        self.run_many(APPOINTMENT, [_appointment(one) for one in bookings])

    def _customers(self, numbers: list[int]) -> None:
        self.run_many(CUSTOMER, [_person(number) for number in numbers])
        self.run_many(NUMBERS, [row for number in numbers for row in _numbers(number)])

    def book(self, number: int, start: datetime) -> str:
        self._customers([number])
        self.run_many(VEHICLE, [_vehicle(number)])
        values = _appointment(Planned(number, number, start, "pending", ""), linked=True)
        ((key,),) = self.run(APPOINTMENT + " RETURNING id", **values)
        return str(key)

    def row(self, key: str) -> Row | None:
        found = self.run(ROW, key=int(key))
        if not found:
            return None
        key, status, start, notes, its_plate, its_phone = found[0]
        return Row(str(key), WORDS[status], start, notes, its_plate, its_phone or "")

    def keys_of(self, plate: str) -> list[str]:
        return [str(key) for (key,) in self.run(
            "SELECT a.id FROM dms.appointments a JOIN dms.vehicles v ON v.internal_number = a.vehicle_number"
            " WHERE v.license_plate = :plate ORDER BY a.id", plate=plate)]  # fmt: skip

    def move(self, key: str, start: datetime) -> None:
        self._edit(key, "bring_timestamp = :start, return_timestamp = :end", start=start, end=start + timedelta(hours=2))

    def note(self, key: str, text: str) -> None:
        self._edit(key, "comment = concat_ws(E'\\n', nullif(comment, ''), CAST(:text AS varchar))", text=text)

    def start(self, key: str) -> None:
        self._edit(key, "progress_status = 3")

    def finish(self, key: str) -> None:
        self._edit(key, "progress_status = 4")

    def cancel(self, key: str) -> None:
        self._edit(key, "progress_status = 9")

    def _edit(self, key: str, what: str, **values: object) -> None:
        sql = f"UPDATE dms.appointments SET {what}, modified_timestamp = :now WHERE id = :key"
        self.run(sql, key=int(key), now=_now(), **values)

    def rename_column(self) -> tuple[str, str]:
        self.run("ALTER VIEW portal.appointments RENAME COLUMN bring_timestamp TO arrival_timestamp")
        return "bring_timestamp", "arrival_timestamp"

    def purge(self, before: datetime) -> None:
        self.run("DELETE FROM dms.appointments WHERE bring_timestamp < :before", before=before)

    def hide_view(self) -> None:
        self.run("DROP VIEW portal.appointments")

    def show_view(self) -> None:
        self.run(SHOW.format("appointments"))

    def lock(self, key: str) -> AbstractContextManager[None]:
        return self.held_open("UPDATE dms.appointments SET lock_time = :now WHERE id = :key", key=int(key), now=_now())

    def unmapped_status(self, key: str) -> str:
        self._edit(key, "progress_status = 7")
        return "7"


def _now() -> datetime:
    return datetime.now(ZONE).replace(tzinfo=None)


def _inline(one: Planned) -> bool:
    """Every tenth is only written into the appointment."""
    return one.number % 10 == 3


def _person(number: int) -> dict[str, object]:
    first, last = name(number)
    return {"id": BASE + number, "dummy": False, "first": first, "last": last, "day": date(2026, 1, 1)}


def _numbers(number: int) -> list[dict[str, object]]:
    """The ones marked are to be used; older ones stand before them, which nobody has marked either way."""
    older = (("PHONE", None, "0400 000 000"), ("EMAIL", None, "before@example.com"))
    shown = (*older, ("MOBILE", True, phone(number)), ("EMAIL", True, email(number)))
    return [
        {"id": BASE + number, "counter": counter, "kind": kind, "main": main, "address": address}
        for counter, (kind, main, address) in enumerate(shown, 1)
    ]


def _vehicle(number: int) -> dict[str, object]:
    return {"id": BASE + number, "plate": plate(number), "vin": None}


def _appointment(one: Planned, *, linked: bool = False) -> dict[str, object]:
    inline = _inline(one) and not linked
    return {
        "branch": 2 if one.trait == "branch" else 1,
        "customer": (PLACEHOLDER, SUPPLIER_ID)[one.number % 2]
        if one.trait == "dummy"
        else None
        if inline
        else BASE + one.customer,
        "vehicle": None if inline or one.trait == "dummy" else BASE + one.number,
        "comment": None,
        "start": None if one.trait == "undated" else one.start,
        "end": "infinity" if one.trait == "unreadable" else None if one.trait else one.start + timedelta(hours=2),
        "inline": " ".join(name(one.customer)) if inline else None,
        "inline_plate": plate(one.number) if inline else None,
        "status": STORED[one.status],
        "now": _now(),
    }
