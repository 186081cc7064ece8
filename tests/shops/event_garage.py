"""Layout 3: an event-sourced garage. What can be read is a projection that is rebuilt from events; nothing writes to it.

Keys are GUIDs; there is no status, only times that something happened; times are UTC without a zone; plates are keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import ClassVar
from uuid import UUID, uuid5

import sqlalchemy as sa

from tests.shops.program import ZONE, Planned, Program, Row, email, name, phone, plate

READER = "garage_reader"
SPACE = UUID(int=3)
TABLES = """
CREATE TABLE "Customer" ("CustomerId" uuid PRIMARY KEY, "Name" varchar(80) NOT NULL, "TelephoneNumber" varchar(20) NOT NULL,
  "EmailAddress" varchar(80));
CREATE TABLE "Vehicle" ("LicenseNumber" varchar(12) PRIMARY KEY, "Brand" varchar(30), "Type" varchar(30));
CREATE TABLE "MaintenanceJob" ("Id" uuid PRIMARY KEY, "StartTime" timestamp NOT NULL, "EndTime" timestamp NOT NULL,
  "ActualStartTime" timestamp, "ActualEndTime" timestamp, "CustomerId" uuid NOT NULL,
  "VehicleLicenseNumber" varchar(12) NOT NULL, "Description" varchar(200) NOT NULL, "Notes" varchar(500));
"""
USER = f"""
DO $$ BEGIN
  IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '{READER}') THEN CREATE ROLE {READER} LOGIN; END IF;
END $$;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO {READER};
"""
CUSTOMER = 'INSERT INTO "Customer" VALUES (:id, :name, :phone, :email) ON CONFLICT DO NOTHING'
VEHICLE = """INSERT INTO "Vehicle" VALUES (:plate, 'Mazda', 'CX-5') ON CONFLICT DO NOTHING"""
JOB = """
INSERT INTO "MaintenanceJob" VALUES (:id, CAST(:start AS timestamp), CAST(:end AS timestamp), :started, :ended, :customer, :plate,
  'Logbook service', NULL)
"""
ROW = """
SELECT j."Id", j."ActualStartTime", j."ActualEndTime", j."StartTime", coalesce(j."Notes", ''), j."VehicleLicenseNumber",
  c."TelephoneNumber" FROM "MaintenanceJob" j JOIN "Customer" c ON c."CustomerId" = j."CustomerId" WHERE j."Id" = :key
"""


class EventGarage(Program):
    name = "event-garage"
    engine = "postgresql"
    profile = "event-garage"
    can: ClassVar[frozenset[str]] = frozenset()
    traits = frozenset({"unreadable"})
    absent: ClassVar[Mapping[str, str]] = {
        "cancel": "a cancelled job leaves the projection, and a missing row is no cancellation",
        "unmapped_status": "the status is worked out from times and is always one of three",
        "two_with_one_phone": "nothing is ever created in a projection",
        "rename_written": "nothing is written, so every column of the profile's is read",
    }

    def make(self) -> None:
        with self.database.begin() as connection:
            connection.exec_driver_sql(TABLES)
            connection.exec_driver_sql(USER)
        self.shop_url = self.read_only_url()

    def read_only_url(self) -> str:
        return sa.make_url(self.url).set(username=READER).render_as_string(hide_password=False)

    def fill(self, bookings: list[Planned]) -> None:
        self.run_many(CUSTOMER, [_customer(number) for number in sorted({one.customer for one in bookings})])
        self.run_many(VEHICLE, [{"plate": _license(one.number)} for one in bookings])
        self.run_many(JOB, [_job(one) for one in bookings if one.status != "cancelled"])

    def book(self, number: int, start: datetime) -> str:
        self.run_many(CUSTOMER, [_customer(number)])
        self.run_many(VEHICLE, [{"plate": _license(number)}])
        bookings = len(self.keys_of(plate(number)))
        job = _job(Planned(number, number, start, "pending", "")) | {"id": uuid5(SPACE, f"job {number} {bookings}")}
        self.run_many(JOB, [job])
        return str(job["id"])

    def row(self, key: str) -> Row | None:
        found = self.run(ROW, key=UUID(key))
        if not found:
            return None
        its_key, started, ended, start, notes, its_plate, its_phone = found[0]
        status = "done" if ended else "processing" if started else "pending"
        wall = start.replace(tzinfo=UTC).astimezone(ZONE).replace(tzinfo=None)
        return Row(str(its_key), status, wall, notes, its_plate, its_phone)

    def keys_of(self, plate: str) -> list[str]:
        sql = """SELECT "Id" FROM "MaintenanceJob" WHERE replace("VehicleLicenseNumber", '-', '') = :plate
                 ORDER BY "StartTime" """
        return [str(key) for (key,) in self.run(sql, plate=plate)]

    def move(self, key: str, start: datetime) -> None:
        self._edit(key, '"StartTime" = :start, "EndTime" = :end', start=_utc(start), end=_utc(start + timedelta(hours=2)))

    def note(self, key: str, text: str) -> None:
        self._edit(key, """"Notes" = concat_ws(E'\\n', nullif("Notes", ''), CAST(:text AS varchar))""", text=text)

    def start(self, key: str) -> None:
        self._edit(key, '"ActualStartTime" = :now', now=datetime.now(UTC).replace(tzinfo=None))

    def finish(self, key: str) -> None:
        self._edit(key, '"ActualEndTime" = :now', now=datetime.now(UTC).replace(tzinfo=None))

    def _edit(self, key: str, what: str, **values: object) -> None:
        self.run(f'UPDATE "MaintenanceJob" SET {what} WHERE "Id" = :key', key=UUID(key), **values)

    def rename_column(self) -> tuple[str, str]:
        self.run('ALTER TABLE "MaintenanceJob" RENAME COLUMN "StartTime" TO "PlannedStartTime"')
        return "StartTime", "PlannedStartTime"

    def purge(self, before: datetime) -> None:
        self.run('DELETE FROM "MaintenanceJob" WHERE "StartTime" < :before', before=_utc(before))

    def hide_view(self) -> None:
        """A rebuild of the projection begins."""
        self.run('ALTER TABLE "MaintenanceJob" RENAME TO "MaintenanceJobOld"')

    def show_view(self) -> None:
        self.run('ALTER TABLE "MaintenanceJobOld" RENAME TO "MaintenanceJob"')

    def lock(self, key: str) -> AbstractContextManager[None]:
        return self.held_open('UPDATE "MaintenanceJob" SET "Notes" = "Notes" WHERE "Id" = :key', key=UUID(key))


def _utc(wall: datetime) -> datetime:
    """As it is stored: UTC, without a zone."""
    return wall.replace(tzinfo=ZONE).astimezone(UTC).replace(tzinfo=None)


def _license(number: int) -> str:
    """As people write it here: with a dash."""
    return f"{plate(number)[:3]}-{plate(number)[3:]}"


def _customer(number: int) -> dict[str, object]:
    whole = " ".join(name(number))
    return {"id": uuid5(SPACE, f"customer {number}"), "name": whole, "phone": phone(number), "email": email(number)}


def _job(one: Planned) -> dict[str, object]:
    start = _utc(one.start)
    over = one.status == "done"
    return {
        "id": uuid5(SPACE, f"planned {one.number}"),
        "start": start,
        "end": "infinity" if one.trait == "unreadable" else start + timedelta(hours=2),
        "started": start if over or one.status == "processing" else None,
        "ended": start + timedelta(hours=2) if over else None,
        "customer": uuid5(SPACE, f"customer {one.customer}"),
        "plate": _license(one.number),
    }
