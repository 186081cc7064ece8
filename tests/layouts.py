"""Shop databases to test with, plainly made up: the demo layout on each engine, and the profile that describes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from sync.shop.profile import Profile
from sync.shop.store import ShopStore
from tests.fakes import MELBOURNE, FakeClock

SELECT = """
SELECT b.id AS key, b.modified AS changed_at, s.name AS status, b.dropoff AS starts_at, b.pickup AS ends_at,
       b.work AS description, b.notes AS job_notes, b.online_ref AS repairy_ref, b.in_use AS locked,
       c.name AS name, c.phone AS phone, c.email AS email, v.plate AS rego, v.make AS make
FROM bookings b JOIN statuses s ON s.id = b.status_id JOIN customers c ON c.id = b.customer_id
     LEFT JOIN vehicles v ON v.id = b.vehicle_id
WHERE b.kind = 'job'
"""
_STATUS = "(SELECT id FROM statuses WHERE name = {})"
_BARE_PHONE = "REPLACE(REPLACE(REPLACE(REPLACE(c.phone, ' ', ''), '-', ''), '(', ''), ')', '')"
_BARE_PLATE = "REPLACE(REPLACE(UPPER(plate), ' ', ''), '-', '')"

_OURS = {"pending": "Booked", "processing": "In progress", "done": "Finished", "cancelled": "Cancelled"}

DEMO: dict[str, Any] = {
    "name": "Demo layout",
    "timezone": "workshop",
    "limits": {"job_notes": 200},
    "booking": {"select": SELECT},
    "status": {
        "read": {stored: ours for ours, stored in _OURS.items()} | {"Lunch": "ignore"},
        "write": _OURS,
    },
    "write": {
        "set_status": f"UPDATE bookings SET status_id = {_STATUS.format(':status')}, modified = :now"
        f" WHERE id = :key AND status_id = {_STATUS.format(':old_status')}",
        "reschedule": "UPDATE bookings SET dropoff = :starts_at, pickup = :ends_at, modified = :now WHERE id = :key",
        "set_notes": "UPDATE bookings SET notes = :job_notes, modified = :now WHERE id = :key",
        "set_service": "UPDATE bookings SET work = :description WHERE id = :key",
        "set_customer": "UPDATE customers SET name = :name, phone = :phone, email = :email"
        " WHERE id = (SELECT customer_id FROM bookings WHERE id = :key)",
        "link": "UPDATE bookings SET online_ref = :repairy_id WHERE id = :key",
        "create": [
            {
                "set": "customer_id",
                "find": "SELECT c.id, v.plate FROM customers c LEFT JOIN vehicles v ON v.customer_id = c.id"
                f" WHERE {_BARE_PHONE} = :phone",
                "insert": "INSERT INTO customers (name, phone, email) VALUES (:name, :phone, :email)",
            },
            {
                "set": "vehicle_id",
                "find": [f"SELECT id FROM vehicles WHERE {_BARE_PLATE} = :rego AND customer_id = :customer_id"],
                "insert": "INSERT INTO vehicles (customer_id, plate, make) VALUES (:customer_id, :rego, :make)",
            },
            {
                "set": "key",
                "insert": "INSERT INTO bookings (customer_id, vehicle_id, status_id, kind, dropoff, pickup, work, notes,"
                f" online_ref, modified) VALUES (:customer_id, :vehicle_id, {_STATUS.format(':status')}, 'job', :starts_at,"
                " :ends_at, :description, :job_notes, :repairy_id, :now)",
            },
        ],
    },
}  # fmt: skip


def returning(profile: dict[str, Any]) -> dict[str, Any]:
    """The same for an engine that tells a generated key only by RETURNING."""
    steps = [{**step, "insert": f"{step['insert']} RETURNING id"} for step in profile["write"]["create"]]
    return {**profile, "write": {**profile["write"], "create": steps}}


WORDS = ("Booked", "In progress", "Finished", "Cancelled", "Lunch", "On hold")


def demo_tables(metadata: sa.MetaData) -> None:
    """The tables of the demo layout; their times are naive, in the workshop's zone."""
    sa.Table("statuses", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(20), unique=True))
    sa.Table(
        "customers", metadata,
        sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(80), nullable=False),
        sa.Column("phone", sa.String(20)), sa.Column("email", sa.String(80)),
    )  # fmt: skip
    sa.Table(
        "vehicles", metadata,
        sa.Column("id", sa.Integer, primary_key=True), sa.Column("customer_id", sa.ForeignKey("customers.id")),
        sa.Column("plate", sa.String(10)), sa.Column("make", sa.String(40)),
    )  # fmt: skip
    sa.Table(
        "bookings", metadata,
        sa.Column("id", sa.Integer, primary_key=True), sa.Column("customer_id", sa.ForeignKey("customers.id"), nullable=False),
        sa.Column("vehicle_id", sa.ForeignKey("vehicles.id")),
        sa.Column("status_id", sa.ForeignKey("statuses.id"), nullable=False), sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("dropoff", sa.DateTime), sa.Column("pickup", sa.DateTime), sa.Column("work", sa.String(200)),
        sa.Column("notes", sa.String(400)), sa.Column("online_ref", sa.String(40), unique=True),
        sa.Column("in_use", sa.Integer), sa.Column("modified", sa.DateTime),
    )  # fmt: skip


def demo_database(engine: sa.Engine) -> sa.MetaData:
    """The demo layout, empty but for its statuses, in place of whatever was there."""
    metadata = sa.MetaData()
    demo_tables(metadata)
    metadata.drop_all(engine)
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(metadata.tables["statuses"].insert(), [{"name": word} for word in WORDS])
    return metadata


STATES = {"read": {"open": "pending", "done": "done", "cancelled": "cancelled"}, "write": {"pending": "open", "done": "done"}}


class Layout:
    """A database with some tables in it, and the shop made of it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = sa.create_engine(url, poolclass=sa.NullPool)
        self.lite = self.engine.dialect.name == "sqlite"
        self.clock = FakeClock()
        self._shops: list[ShopStore] = []

    def run(self, *statements: str) -> None:
        with self.engine.begin() as connection:
            for sql in statements:
                connection.exec_driver_sql(sql)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]

    def shop(self, select: str, write: Mapping[str, Any] | None = None, **tables: Any) -> ShopStore:
        profile = Profile.parse({"name": "x", "booking": {"select": select}, "status": STATES, "write": write or {}, **tables})
        self._shops.append(ShopStore(self.url, profile, MELBOURNE, "w1", self.clock))
        return self._shops[-1]

    def close(self) -> None:
        for shop in self._shops:
            shop.close()
        self.engine.dispose()
