"""Profiles of products whose schema is public, on tables made equivalent to it: a booking's life, and what staff do beside it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from sync.errors import NotSent, Unsupported
from sync.ports import Names, Window
from sync.shop import profile
from sync.shop.store import ShopStore
from tests.fakes import FakeClock
from tests.shops.program import ZONE

PROFILES = Path(__file__).parents[2] / "config" / "profiles"
NAMES = Names("NS7K2-1", "68b7bf3f6210580c57363a94", "C1")
MARCH = Window(datetime(2026, 3, 1, tzinfo=ZONE), datetime(2026, 4, 1, tzinfo=ZONE))
BOOKING: dict[str, str | None] = {
    "starts_at": "2026-03-05T22:15:00Z", "job_notes": "Call first", "name": "Customer One", "phone": "0400000001",
    "email": "one@example.com", "rego": "AAA001", "make": "Make",
}  # fmt: skip
OPENAUTO = (
    """CREATE TABLE customers (customer_id INT AUTO_INCREMENT PRIMARY KEY, first_name VARCHAR(30) NOT NULL, last_name VARCHAR(30),
         phone VARCHAR(15), alt_phone VARCHAR(15), email VARCHAR(100), archived TINYINT(1) DEFAULT 0)""",
    """CREATE TABLE vehicles (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, customer_id INT, vin VARCHAR(17) UNIQUE,
         plate VARCHAR(16), year VARCHAR(30), make VARCHAR(30), model VARCHAR(30))""",
    """CREATE TABLE appointments (id INT AUTO_INCREMENT PRIMARY KEY, customer_id INT NOT NULL, vehicle_id INT UNSIGNED,
         vin VARCHAR(30), appointment_date DATE NOT NULL, appointment_time TIME NOT NULL, notes TEXT,
         status ENUM('scheduled', 'completed', 'missed', 'cancelled', 'rescheduled') DEFAULT 'scheduled',
         dropoff_type ENUM('drop', 'wait') DEFAULT 'drop', updated_at TIMESTAMP NULL ON UPDATE CURRENT_TIMESTAMP)""",
    """CREATE TABLE repair_orders (id INT AUTO_INCREMENT PRIMARY KEY, appointment_id INT, locked_by VARCHAR(255),
         status ENUM('open', 'approved', 'working', 'checkout', 'archived') NOT NULL DEFAULT 'open')""",
)
GARAGE_VISION = (
    """CREATE TABLE clients (id INT AUTO_INCREMENT PRIMARY KEY, first_name VARCHAR(255) NOT NULL, last_name VARCHAR(255),
         mobile VARCHAR(50), landline VARCHAR(50), client_type ENUM('fleet', 'local') DEFAULT 'fleet')""",
    """CREATE TABLE vehicles (id INT AUTO_INCREMENT PRIMARY KEY, licence_plate VARCHAR(20) UNIQUE NOT NULL, make VARCHAR(100),
         model VARCHAR(100), year INT, vin VARCHAR(50), client_id INT REFERENCES clients (id))""",
    """CREATE TABLE jobs (id INT AUTO_INCREMENT PRIMARY KEY, job_number VARCHAR(50) UNIQUE NOT NULL, title VARCHAR(255) NOT NULL,
         description TEXT, status VARCHAR(100) DEFAULT 'pending', client_id INT REFERENCES clients (id),
         vehicle_id INT REFERENCES vehicles (id), start_date DATE,
         updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP)""",
)


class Product:
    """Its database, and our shop over it."""

    def __init__(self, server: str, name: str, tables: tuple[str, ...]) -> None:
        database = name.replace("-", "_")
        with sa.create_engine(server, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {database}")
            connection.exec_driver_sql(f"CREATE DATABASE {database}")
        url = sa.make_url(server).set(database=database)
        self.engine = sa.create_engine(url, poolclass=sa.NullPool)
        self.run(*tables)
        described = profile.load(Path(name), PROFILES)
        self.shop = ShopStore(url.render_as_string(hide_password=False), described, ZONE, "w1", FakeClock())

    def run(self, *statements: str) -> None:
        with self.engine.begin() as connection:
            for sql in statements:
                connection.exec_driver_sql(sql)

    def one(self, sql: str) -> tuple[object, ...]:
        with self.engine.connect() as connection:
            return tuple(connection.exec_driver_sql(sql).one())


@pytest.fixture
def openauto(mariadb_url: str) -> Iterator[Product]:
    made = Product(mariadb_url, "openauto", OPENAUTO)
    yield made
    made.shop.close()


def test_openauto_a_booking_lives_its_life_in_two_columns_of_time(openauto: Product) -> None:
    shop = openauto.shop
    made = shop.create(BOOKING, NAMES)
    assert {name: made.fields.get(name) for name in BOOKING} | {"name": "Customer One"} == BOOKING
    assert (made.fields["first_name"], made.fields["last_name"]) == ("Customer", "One")
    assert openauto.one("SELECT CAST(appointment_date AS CHAR), CAST(appointment_time AS CHAR), notes FROM appointments") == (
        "2026-03-06", "09:15:00", "[Repairy C1]\nCall first",
    )  # fmt: skip
    assert shop.remembered(NAMES) == made
    assert shop.verify() == []
    moved = shop.change(made.key, made.fields, {"starts_at": "2026-03-08T23:00:00Z"}, NAMES)
    noted = shop.change(made.key, moved.fields, {"job_notes": "Call later"}, NAMES)
    assert (noted.fields["starts_at"], noted.fields["job_notes"], noted.ref) == ("2026-03-08T23:00:00Z", "Call later", "C1")
    assert shop.change(made.key, noted.fields, {"status": "done"}, NAMES).fields["status"] == "done"
    assert shop.change(made.key, {}, {"status": "cancelled"}, NAMES).fields["status"] == "cancelled"


def test_openauto_a_repair_order_knows_better_and_is_not_written_to_while_it_is_open(openauto: Product) -> None:
    key = openauto.shop.create(BOOKING, NAMES).key
    openauto.run(f"INSERT INTO repair_orders (appointment_id, status) VALUES ({key}, 'working')")
    assert openauto.shop.read({key})[key].fields["status"] == "processing"
    openauto.run("UPDATE repair_orders SET status = 'checkout', locked_by = 'desk'")
    assert openauto.shop.read({key})[key].fields["status"] == "done"
    with pytest.raises(NotSent):
        openauto.shop.change(key, {}, {"job_notes": "ours"}, NAMES)


def test_openauto_a_vehicle_that_changed_hands_is_booked_and_stays_its_owners(openauto: Product) -> None:
    """Its VIN stands once only: the new owner's row goes without, and the appointment has it."""
    openauto.run(
        "INSERT INTO customers (first_name, phone) VALUES ('Two', '0400 000 002')",
        "INSERT INTO vehicles (customer_id, plate, vin) VALUES (1, 'AAA 001', 'VIN00000000000001')",
    )
    made = openauto.shop.create({**BOOKING, "vin": "VIN00000000000001"}, NAMES)
    assert (made.fields["vin"], made.fields["phone"], made.fields["rego"]) == ("VIN00000000000001", "0400000001", "AAA001")
    assert openauto.one("SELECT customer_id, plate FROM vehicles WHERE vin IS NOT NULL") == (1, "AAA 001")
    assert openauto.one("SELECT customer_id, plate FROM vehicles WHERE vin IS NULL") == (2, "AAA001")
    other = openauto.shop.create({**BOOKING, "rego": "AAA009", "vin": "VIN00000000000009"}, Names("NS7K2-9", "r9", "C9"))
    assert openauto.one("SELECT plate FROM vehicles WHERE vin = 'VIN00000000000009'") == (other.fields["rego"],)


def test_openauto_work_is_begun_at_the_desk_alone(openauto: Product) -> None:
    key = openauto.shop.create(BOOKING, NAMES).key
    with pytest.raises(Unsupported):
        openauto.shop.change(key, {}, {"status": "processing"}, NAMES)


def test_openauto_a_staff_note_and_a_booking_of_theirs_are_linked_in_the_notes(openauto: Product) -> None:
    openauto.run(
        "INSERT INTO customers (first_name, phone) VALUES ('One', '0400 000 001')",
        "INSERT INTO appointments (customer_id, appointment_date, appointment_time, notes)"
        " VALUES (1, '2026-03-06', '9:00', 'Squeak')",
    )
    (key,) = openauto.shop.keys(MARCH)
    linked = openauto.shop.link(key, NAMES)
    assert (linked.ref, linked.fields["job_notes"], linked.fields["phone"]) == ("C1", "Squeak", "0400 000 001")


@pytest.fixture
def vision(mariadb_url: str) -> Iterator[Product]:
    made = Product(mariadb_url, "garage-vision", GARAGE_VISION)
    yield made
    made.shop.close()


def test_garage_vision_keeps_the_day_and_its_own_numbers(vision: Product) -> None:
    vision.run("INSERT INTO jobs (job_number, title) VALUES ('JOB-00041', 'Theirs')")
    made = vision.shop.create({**BOOKING, "description": "Logbook service"}, NAMES)
    assert (made.fields["starts_at"], made.fields["description"], made.ref) == ("2026-03-06", "Logbook service", "C1")
    assert vision.one(f"SELECT job_number, status, CAST(start_date AS CHAR) FROM jobs WHERE id = {made.key}") == (
        "JOB-00042", "unassigned", "2026-03-06",
    )  # fmt: skip
    assert vision.shop.remembered(NAMES) == made
    assert vision.shop.ability.grain == "day"
    assert vision.shop.verify() == []


def test_garage_vision_a_booking_is_moved_begun_and_done_and_never_cancelled(vision: Product) -> None:
    shop = vision.shop
    made = shop.create(BOOKING, NAMES)
    moved = shop.change(made.key, made.fields, {"starts_at": "2026-03-08T23:00:00Z"}, NAMES)
    assert moved.fields["starts_at"] == "2026-03-09"
    for status in ("processing", "done"):
        assert shop.change(made.key, {}, {"status": status}, NAMES).fields["status"] == status
    with pytest.raises(Unsupported):
        shop.change(made.key, {}, {"status": "cancelled"}, NAMES)


@pytest.mark.parametrize(("length", "ref"), [(220, "C1"), (230, None)])
def test_garage_vision_a_link_leaves_the_shops_title_whole(vision: Product, length: int, ref: str | None) -> None:
    """Where it has no room for ours it stands as it was."""
    vision.run(
        "INSERT INTO clients (first_name, mobile) VALUES ('One', '0400 000 001')",
        f"INSERT INTO jobs (job_number, title, client_id, start_date) VALUES ('JOB-1', REPEAT('x', {length}), 1, '2026-03-06')",
    )
    (key,) = vision.shop.keys(MARCH)
    assert vision.shop.link(key, NAMES).ref == ref
    assert vision.one("SELECT title FROM jobs")[0] == "x" * length + (" [Repairy C1]" if ref else "")


def test_garage_vision_a_word_that_staff_added_is_named(vision: Product) -> None:
    key = vision.shop.create(BOOKING, NAMES).key
    vision.run("UPDATE jobs SET status = 'On the road test'")
    assert vision.shop.read({key})[key].fields["status"] == "?On the road test"
    assert vision.shop.verify() == ['status.read: "On the road test" stands in 1 rows and is not listed']


def test_garage_vision_a_plate_that_changed_hands_stays_one_vehicle(vision: Product) -> None:
    vision.run(
        "INSERT INTO clients (first_name, mobile) VALUES ('Two', '0400 000 002')",
        "INSERT INTO vehicles (licence_plate, client_id) VALUES ('AAA 001', 1)",
    )
    made = vision.shop.create(BOOKING, NAMES)
    assert (made.fields["rego"], made.fields["phone"]) == ("AAA 001", "0400000001")
