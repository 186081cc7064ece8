"""Layout 5: an app on Frappe, MariaDB. Documents have names, a vehicle's is its plate; stamps have microseconds.

An appointment and its job card each have a status: the card's is the true one until the appointment is over.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime, timedelta

from tests.shops.maria import may_read
from tests.shops.program import ZONE, Planned, Program, Row, email, name, phone, plate

STORED = {"pending": "Scheduled", "processing": "Checked-In", "done": "Completed", "cancelled": "Cancelled"}
WORDS = {
    "Scheduled": "pending", "Checked-In": "pending", "In Progress": "processing", "Completed": "done", "Cancelled": "cancelled",
    "Draft": "pending", "Inspection": "processing", "Ready for Delivery": "done", "Delivered": "done",
}  # fmt: skip
ZERO = "0000-00-00 00:00:00"
STAMPS = "creation DATETIME(6), modified DATETIME(6), owner VARCHAR(140), docstatus INT NOT NULL DEFAULT 0"
DOCUMENT = f"name VARCHAR(140) PRIMARY KEY, {STAMPS}"
TABLES = (
    f"CREATE TABLE `tabCustomer` ({DOCUMENT}, customer_name VARCHAR(140), mobile_no VARCHAR(140), email_id VARCHAR(140))",
    f"CREATE TABLE `tabVehicle` ({DOCUMENT}, customer VARCHAR(140), make VARCHAR(140), model VARCHAR(140), vin VARCHAR(140))",
    f"""CREATE TABLE `tabService Appointment` ({DOCUMENT}, status VARCHAR(140) DEFAULT 'Scheduled', scheduled_start DATETIME(6),
          scheduled_end DATETIME(6), customer VARCHAR(140), vehicle VARCHAR(140), remarks TEXT, KEY modified (modified))""",
    f"""CREATE TABLE `tabJob Card` ({DOCUMENT}, appointment VARCHAR(140), status VARCHAR(140), complaint_summary TEXT,
          KEY appointment (appointment))""",
    "CREATE TABLE `tabSeries` (name VARCHAR(100) PRIMARY KEY, current INT NOT NULL)",
)
CUSTOMER = "REPLACE INTO `tabCustomer` VALUES (:id, :now, :now, 'desk', 0, :name, :phone, :email)"
VEHICLE = "REPLACE INTO `tabVehicle` VALUES (:plate, :now, :now, 'desk', 0, :customer, 'Toyota', 'Corolla', NULL)"
APPOINTMENT = """
INSERT INTO `tabService Appointment` VALUES (:id, :now, :now, 'desk', :docstatus, :status, :start, :end, :customer, :plate, NULL)
"""
CARD = "REPLACE INTO `tabJob Card` VALUES (:id, :now, :now, 'desk', :docstatus, :appointment, :status, NULL)"
ROW = """
SELECT IF(a.status IN ('Completed', 'Cancelled'), a.status, COALESCE(j.status, a.status)), a.scheduled_start,
  COALESCE(a.remarks, ''), a.vehicle, c.mobile_no
FROM `tabService Appointment` a JOIN `tabCustomer` c ON c.name = a.customer
LEFT JOIN `tabJob Card` j ON j.appointment = a.name AND j.docstatus < 2
WHERE a.name = :key
"""


class Frappe(Program):
    name = "frappe"
    engine = "mariadb"
    profile = "frappe-garage"
    can = frozenset({"create", "move", "note", "start", "finish", "cancel"})
    traits = frozenset({"unreadable", "undated"})

    def make(self) -> None:
        for sql in TABLES:
            self.run(sql)

    def fill(self, bookings: list[Planned]) -> None:
        self.run_many(CUSTOMER, [_customer(number) for number in sorted({one.customer for one in bookings})])
        self.run_many(VEHICLE, [_vehicle(one.number, one.customer) for one in bookings])
        self.run_many(APPOINTMENT, [_appointment(one, f"APT-2025-{one.number:05}") for one in bookings])
        cards = [f"APT-2025-{one.number:05}" for one in bookings if one.status == "processing"]
        here = {"status": "Inspection", "docstatus": 0, "now": _now()}
        self.run_many(CARD, [{"id": f"JC-{key}", "appointment": key, **here} for key in cards])

    def book(self, number: int, start: datetime) -> str:
        """The series counts up; the name of the document is the key."""
        self.run_many(CUSTOMER, [_customer(number)])
        self.run_many(VEHICLE, [_vehicle(number, number)])
        series = f"APT-{_now().year}-"
        self.run("INSERT INTO `tabSeries` VALUES (:series, 1) ON DUPLICATE KEY UPDATE current = current + 1", series=series)
        ((current,),) = self.run("SELECT current FROM `tabSeries` WHERE name = :series", series=series)
        key = f"{series}{current:05}"
        self.run(APPOINTMENT, **_appointment(Planned(number, number, start, "pending", ""), key))
        return key

    def row(self, key: str) -> Row | None:
        found = self.run(ROW, key=key)
        if not found:
            return None
        status, start, remarks, its_plate, its_phone = found[0]
        notes = "\n".join(line for line in remarks.splitlines() if not line.startswith("[Repairy "))
        return Row(key, WORDS[status], start, notes, its_plate, its_phone)

    def keys_of(self, plate: str) -> list[str]:
        sql = "SELECT name FROM `tabService Appointment` WHERE REPLACE(vehicle, ' ', '') = :plate ORDER BY creation"
        return [key for (key,) in self.run(sql, plate=plate)]

    def move(self, key: str, start: datetime) -> None:
        self._edit(key, "scheduled_start = :start, scheduled_end = :end", start=start, end=start + timedelta(hours=2))

    def note(self, key: str, text: str) -> None:
        self._edit(key, "remarks = CONCAT_WS(CHAR(10), NULLIF(remarks, ''), :text)", text=text)

    def start(self, key: str) -> None:
        """Work is on a job card; the appointment stays as it is."""
        self.card(key, "Inspection")

    def finish(self, key: str) -> None:
        self.card(key, "Ready for Delivery")

    def cancel(self, key: str) -> None:
        self._edit(key, "status = 'Cancelled', docstatus = 2")

    def card(self, key: str, status: str, docstatus: int = 0) -> None:
        self.run(CARD, id=f"JC-{key}", appointment=key, status=status, docstatus=docstatus, now=_now())

    def _edit(self, key: str, what: str, **values: object) -> None:
        self.run(f"UPDATE `tabService Appointment` SET {what}, modified = :now WHERE name = :key", key=key, now=_now(), **values)

    def rename_column(self) -> tuple[str, str]:
        self.run("ALTER TABLE `tabService Appointment` RENAME COLUMN scheduled_start TO starts_on")
        return "scheduled_start", "starts_on"

    def rename_written(self) -> tuple[str, str]:
        self.run("ALTER TABLE `tabCustomer` RENAME COLUMN creation TO created_on")
        return "creation", "created_on"

    def purge(self, before: datetime) -> None:
        self.run("DELETE FROM `tabService Appointment` WHERE scheduled_start < :before", before=before)

    def hide_view(self) -> None:
        self.run("RENAME TABLE `tabService Appointment` TO `tabService Appointment old`")

    def show_view(self) -> None:
        self.run("RENAME TABLE `tabService Appointment old` TO `tabService Appointment`")

    def lock(self, key: str) -> AbstractContextManager[None]:
        return self.held_open("UPDATE `tabService Appointment` SET owner = 'somebody' WHERE name = :key", key=key)

    def unmapped_status(self, key: str) -> str:
        self.card(key, "Test Drive")
        return "Test Drive"

    def two_with_one_phone(self, phone: str) -> None:
        self.run_many(CUSTOMER, [{**_customer(number), "phone": phone} for number in (990, 991)])
        self.run_many(VEHICLE, [_vehicle(number, number) for number in (990, 991)])

    def read_only_url(self) -> str:
        return may_read(self.database, self.url)


def _now() -> datetime:
    return datetime.now(ZONE).replace(tzinfo=None)


def _customer(number: int) -> dict[str, object]:
    return {"id": f"CUST-{number}", "name": " ".join(name(number)), "phone": phone(number), "email": email(number), "now": _now()}


def _vehicle(number: int, customer: int) -> dict[str, object]:
    return {"plate": plate(number), "customer": f"CUST-{customer}", "now": _now()}


def _appointment(one: Planned, key: str) -> dict[str, object]:
    undated, odd = one.trait == "undated", one.trait == "unreadable"
    return {
        "id": key,
        "now": _now(),
        "docstatus": 2 if one.status == "cancelled" else 0,
        "status": STORED[one.status],
        "start": ZERO if undated else one.start,
        "end": ZERO if undated else one.start.strftime("%Y-%m-00 %H:%M") if odd else one.start + timedelta(hours=2),
        "customer": f"CUST-{one.customer}",
        "plate": plate(one.number),
    }
