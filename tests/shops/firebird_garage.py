"""A garage program on Firebird: upper-case names, WIN1252, padded text, blobs, keys by trigger and generator in two parts.

Quotes and invoices stand among the jobs, a second branch in the same table, and bytes that are no WIN1252 in a note.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import sqlalchemy as sa

from tests.shops.program import Planned, Program, Row, email, name, phone, plate

READER = "PORTALREADER"
NEVER = datetime(9999, 12, 31, tzinfo=UTC).replace(tzinfo=None)
STORED = {"pending": "B", "processing": "W", "done": "I", "cancelled": "X"}
WORDS = {"B": "pending", "P": "pending", "W": "processing", "F": "done", "I": "done", "X": "cancelled"}
TABLES = (
    """CREATE TABLE CUSTOMERS (CUSTNR INTEGER NOT NULL PRIMARY KEY, FULLNAME CHAR(60) NOT NULL, PHONE VARCHAR(20),
         EMAIL VARCHAR(60))""",
    """CREATE TABLE CARS (CARNR INTEGER NOT NULL PRIMARY KEY, CUSTNR INTEGER NOT NULL REFERENCES CUSTOMERS,
         PLATE CHAR(10), MAKE VARCHAR(20), MODEL VARCHAR(20), VIN CHAR(17))""",
    """CREATE TABLE JOBS (BRANCH SMALLINT NOT NULL, JOBNR INTEGER NOT NULL, KIND CHAR(1) NOT NULL,
         CUSTNR INTEGER NOT NULL REFERENCES CUSTOMERS, CARNR INTEGER NOT NULL REFERENCES CARS, STAT CHAR(1) NOT NULL,
         DROPOFF TIMESTAMP, PICKUP TIMESTAMP, WORKTEXT BLOB SUB_TYPE TEXT, MEMO BLOB SUB_TYPE TEXT, WEBREF VARCHAR(40) UNIQUE,
         USEDBY CHAR(8), PRIMARY KEY (BRANCH, JOBNR))""",
)
GENERATED = (("CUSTOMERS", "CUSTNR"), ("CARS", "CARNR"), ("JOBS", "JOBNR"))
TRIGGER = """
CREATE TRIGGER {0}_BI FOR {0} ACTIVE BEFORE INSERT POSITION 0 AS
BEGIN
  IF (NEW.{1} IS NULL) THEN NEW.{1} = GEN_ID(GEN_{1}, 1);
END
"""
CUSTOMER = "UPDATE OR INSERT INTO CUSTOMERS VALUES (:id, :name, :phone, :email) MATCHING (CUSTNR)"
CAR = "UPDATE OR INSERT INTO CARS VALUES (:id, :customer, :plate, 'Holden', 'Astra', NULL) MATCHING (CARNR)"
JOB = """
INSERT INTO JOBS (BRANCH, KIND, CUSTNR, CARNR, STAT, DROPOFF, PICKUP)
VALUES (:branch, :kind, :customer, :car, :status, :start, :end)
"""
ROW = """
SELECT J.STAT, J.DROPOFF, COALESCE(J.MEMO, ''), V.PLATE, C.PHONE
FROM JOBS J JOIN CARS V ON V.CARNR = J.CARNR JOIN CUSTOMERS C ON C.CUSTNR = J.CUSTNR
WHERE J.BRANCH = :branch AND J.JOBNR = :number
"""


class FirebirdGarage(Program):
    name = "firebird-garage"
    engine = "firebird"
    profile = "firebird-garage"
    can = frozenset({"create", "move", "note", "start", "finish", "cancel"})
    traits = frozenset({"dummy", "branch", "unreadable", "undated"})
    absent: ClassVar[Mapping[str, str]] = {
        "hide_view": "jobs are read from the table itself, which is never refilled, and Firebird renames no table",
        "rename_written": "every column that a statement names is read too",
    }

    def make(self) -> None:
        self._alter(*TABLES)
        self._alter(*(f"CREATE SEQUENCE GEN_{column}" for _, column in GENERATED))
        self._alter(*(TRIGGER.format(table, column) for table, column in GENERATED))
        self._alter(*(f"SET GENERATOR GEN_{column} TO 50000" for _, column in GENERATED))

    def _alter(self, *statements: str) -> None:
        with self.database.begin() as connection:
            for sql in statements:
                connection.exec_driver_sql(sql)

    def fill(self, bookings: list[Planned]) -> None:
        self.run_many(CUSTOMER, [_customer(number) for number in sorted({one.customer for one in bookings})])
        self.run_many(CAR, [_car(one.number, one.customer) for one in bookings])
        self.run_many(JOB, [_job(one) for one in bookings])

    def book(self, number: int, start: datetime) -> str:
        self.run_many(CUSTOMER, [_customer(number)])
        self.run_many(CAR, [_car(number, number)])
        values = _job(Planned(number, number, start, "pending", ""))
        ((branch, job),) = self.run(JOB + " RETURNING BRANCH, JOBNR", **values)
        return f"{branch}-{job}"

    def row(self, key: str) -> Row | None:
        found = self.run(ROW, **_parts(key))
        if not found:
            return None
        status, start, notes, its_plate, its_phone = found[0]
        return Row(key, WORDS[status], start, notes, its_plate.rstrip(), its_phone)

    def keys_of(self, plate: str) -> list[str]:
        sql = """SELECT J.BRANCH, J.JOBNR FROM JOBS J JOIN CARS V ON V.CARNR = J.CARNR
                 WHERE REPLACE(V.PLATE, ' ', '') = :plate ORDER BY J.JOBNR"""
        return [f"{branch}-{number}" for branch, number in self.run(sql, plate=plate)]

    def move(self, key: str, start: datetime) -> None:
        self._edit(key, "DROPOFF = :start, PICKUP = :end", start=start, end=start + timedelta(hours=2))

    def note(self, key: str, text: str) -> None:
        self._edit(key, "MEMO = COALESCE(MEMO || ASCII_CHAR(10), '') || CAST(:text AS VARCHAR(400))", text=text)

    def start(self, key: str) -> None:
        self._edit(key, "STAT = 'W'")

    def finish(self, key: str) -> None:
        self._edit(key, "STAT = 'F'")

    def cancel(self, key: str) -> None:
        self._edit(key, "STAT = 'X'")

    def _edit(self, key: str, what: str, **values: object) -> None:
        self.run(f"UPDATE JOBS SET {what} WHERE BRANCH = :branch AND JOBNR = :number", **_parts(key), **values)

    def rename_column(self) -> tuple[str, str]:
        self._alter("ALTER TABLE CUSTOMERS ALTER COLUMN PHONE TO MOBILE")
        return "PHONE", "MOBILE"

    def purge(self, before: datetime) -> None:
        self.run("DELETE FROM JOBS WHERE DROPOFF < :before", before=before)

    def lock(self, key: str) -> AbstractContextManager[None]:
        return self.held_open("UPDATE JOBS SET KIND = KIND WHERE BRANCH = :branch AND JOBNR = :number", **_parts(key))

    def unmapped_status(self, key: str) -> str:
        self._edit(key, "STAT = 'Z'")
        return "Z"

    def two_with_one_phone(self, phone: str) -> None:
        self.run_many(CUSTOMER, [{**_customer(number), "phone": phone} for number in (990, 991)])
        self.run_many(CAR, [_car(number, number) for number in (990, 991)])

    def read_only_url(self) -> str:
        """Users stand in the server's own security database, which all databases of a session share."""
        self._alter(f"CREATE OR ALTER USER {READER} PASSWORD 'reader'")
        self._alter(*(f"GRANT SELECT ON {table} TO USER {READER}" for table in ("CUSTOMERS", "CARS", "JOBS")))
        return sa.make_url(self.url).set(username=READER, password="reader").render_as_string(hide_password=False)


def _parts(key: str) -> dict[str, int]:
    branch, _, number = key.partition("-")
    return {"branch": int(branch), "number": int(number)}


def _id(number: int) -> int:
    return 10_000 + number


def _customer(number: int) -> dict[str, object]:
    return {"id": _id(number), "name": " ".join(name(number)), "phone": phone(number), "email": email(number)}


def _car(number: int, customer: int) -> dict[str, object]:
    return {"id": _id(number), "customer": _id(customer), "plate": plate(number)}


def _job(one: Planned) -> dict[str, object]:
    undated = one.trait == "undated"
    return {
        "branch": 2 if one.trait == "branch" else 1,
        "kind": "Q" if one.trait == "dummy" else "J",
        "customer": _id(one.customer),
        "car": _id(one.number),
        "status": STORED[one.status],
        "start": None if undated else one.start,
        "end": None if undated else NEVER if one.trait == "unreadable" else one.start + timedelta(hours=2),
    }
