"""What init would write into small made-up shops: never into a column that is only a guess, and creates that go through."""

from __future__ import annotations

import sqlite3
import tomllib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from sync.core.canonical import view
from sync.machine import SystemClock
from sync.ports import Names
from sync.shop.profile import Profile
from sync.shop.store import ShopStore
from tests.conftest import firebird_database
from tests.layouts import Layout
from tests.unit.test_wizard_writes import init

ZONE = ZoneInfo("Australia/Melbourne")
COUNT = 120
TEXTS = ("Logbook service", "Brake pads", "Oil change and filters")
NEW = {"starts_at": "2027-03-05T22:00:00Z", "name": "Nina Neu", "phone": "0400999999", "rego": "NEW100", "description": "x"}
CUSTOMERS = "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, phone TEXT, email TEXT{});"
VEHICLES = "CREATE TABLE vehicles (id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers, rego TEXT{});"
BOOKINGS = """CREATE TABLE bookings (id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers,
  vehicle_id INTEGER REFERENCES vehicles, start_at TEXT, status TEXT{});"""
Value = Callable[[int], object]


def start(number: int) -> str:
    """The last fifth to come, on full quarters, by day."""
    day = datetime.now(ZONE).date() + timedelta(days=(number - COUNT * 4 // 5))
    return str(datetime.combine(day, time(8 + number % 8, 15 * (number % 4))))


def status(number: int) -> str:
    return "Booked" if number >= COUNT * 4 // 5 else "Done"


def plate(number: int) -> str:
    return f"AAA{number:03}"


def phone(number: int) -> str:
    return f"0400 000 {number:03}"


class Shop:
    """A database file, filled; the profile that init makes of it, and what it writes."""

    def __init__(self, folder: Path, schema: str) -> None:
        self.url, self._file, self._out = f"sqlite:///{folder}/shop.db", folder / "shop.db", folder / "made"
        with closing(sqlite3.connect(self._file)) as shop:
            shop.executescript(schema)

    def fill(self, table: str, *values: Value) -> None:
        rows = [(number + 1, *(value(number) for value in values)) for number in range(COUNT)]
        with closing(sqlite3.connect(self._file)) as shop, shop:
            shop.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)

    def made(self) -> str:
        said = init(self.url, self._out)
        assert said.code == 0, said.err
        return (self._out / "our-shop.toml").read_text(encoding="utf-8")

    def create(self, **fields: str) -> Mapping[str, str | None]:
        return create(self.url, Profile.parse(tomllib.loads(self.made())), **fields)

    def last(self, table: str) -> dict[str, Any]:
        with closing(sqlite3.connect(self._file)) as shop:
            shop.row_factory = sqlite3.Row
            return dict(shop.execute(f"SELECT * FROM {table} ORDER BY id DESC").fetchone())


def create(url: str, profile: Profile, **fields: str) -> Mapping[str, str | None]:
    """The booking as the shop shows it."""
    store = ShopStore(url, profile, ZONE, "w1", SystemClock())
    try:
        return view(store.create(NEW | fields, Names("r1", "64a1b2c3d4e5f60718293a4b", "CODE1")).fields)
    finally:
        store.close()


def shop(folder: Path, more: str = "", *values: Value, person: str = "", people: Sequence[Value] = (), car: str = "",
         cars: Sequence[Value] = ()) -> Shop:  # fmt: skip
    """Customers, vehicles and bookings, each with further columns."""
    made = Shop(folder, CUSTOMERS.format(person) + VEHICLES.format(car) + BOOKINGS.format(more))
    made.fill("customers", lambda n: f"Customer {n}", phone, lambda n: f"c{n}@example.com", *people)
    made.fill("vehicles", lambda n: n + 1, plate, *cars)
    made.fill("bookings", lambda n: n + 1, lambda n: n + 1, start, status, *values)
    return made


def columns(written: str) -> Mapping[str, str]:
    """The SQL of each field that the profile reads."""
    select = tomllib.loads(written)["booking"]["select"].partition("\nFROM")[0].removeprefix("SELECT").split(",\n")
    return {alias.strip('"'): sql for sql, _, alias in (line.strip().rpartition(" AS ") for line in select)}


# Columns that only look like it


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("hoist", lambda n: f"Hoist {n % 3}"),
        ("loan_rego", lambda n: f"LOA{n:03}"),
        ("invoice_no", lambda n: f"INV{n:04}"),
        ("customer_notes", lambda n: f"call {n} first" if n % 4 else None),
    ],
)
def test_a_column_that_only_looks_like_a_plate_or_name_is_not_written(tmp_path: Path, column: str, value: Value) -> None:
    """Nor is it read where the customer's or the car's row says it."""
    made = shop(tmp_path, f", {column} TEXT", value)
    assert made.create()["rego"] == "NEW100"
    assert made.last("bookings")[column] is None
    assert "COALESCE" not in columns(_text(made))["name"]
    assert columns(_text(made))["rego"] == "v.rego"


def _text(made: Shop) -> str:
    return (made._out / "our-shop.toml").read_text(encoding="utf-8")


def test_a_note_about_the_client_is_no_name(tmp_path: Path) -> None:
    """`nom` is its word for a client, `notes_client` is none."""
    made = Shop(
        tmp_path,
        """CREATE TABLE rdv (id INTEGER PRIMARY KEY, debut TEXT, statut TEXT, immatriculation TEXT, prenom TEXT, telephone TEXT,
        notes_client TEXT);""",
    )
    made.fill("rdv", start, lambda n: "Prévu", plate, lambda n: f"First {n}", phone, lambda n: f"appeler {n}" if n % 3 else None)
    read = columns(made.made())
    assert {name for name, sql in read.items() if "notes_client" in sql} == {"job_notes"}


def test_a_plate_by_its_values_only_is_read_and_never_written(tmp_path: Path) -> None:
    made = Shop(
        tmp_path, "CREATE TABLE bookings (id INTEGER PRIMARY KEY, start_at TEXT, status TEXT, what TEXT, name TEXT, phone TEXT);"
    )
    made.fill("bookings", start, status, plate, lambda n: f"Customer {n}", phone)
    written = made.made()
    assert columns(written)["rego"] == "b.what"
    assert "# UNSURE: rego: what may be something else" in written
    assert "no column takes the plate" in written


@pytest.mark.parametrize("gap", [True, False])
def test_an_own_column_stands_in_only_where_there_is_no_row(tmp_path: Path, gap: bool) -> None:
    """It is said, and a new booking, which has its row, does not fill it."""
    made = shop(tmp_path, ", customer_name TEXT", lambda n: f"Walk-in {n}" if n % 5 == 0 else None)
    with closing(sqlite3.connect(made._file)) as file, file:
        file.execute("UPDATE bookings SET customer_id = NULL WHERE (id - 1) % 5 = 0" if gap else "SELECT 1")
    assert made.create()["name"] == "Nina Neu"
    assert ("COALESCE" in columns(_text(made))["name"]) is gap
    assert f"customer_name {'is read instead' if gap else 'of the bookings is neither read nor written'}" in _text(made)
    assert made.last("bookings")["customer_name"] is None


# Keys that no sequence makes


def _people(layout: Any, key: str, text: str, moment: str) -> None:
    layout(f"CREATE TABLE customers (id {key} PRIMARY KEY, name {text}, phone {text}, email {text} NOT NULL)")
    layout(f"CREATE TABLE vehicles (id {key} PRIMARY KEY, rego {text}, make {text} NOT NULL)")
    layout(
        f"CREATE TABLE bookings (id {key} PRIMARY KEY, customer_id {key.split(maxsplit=1)[0]} REFERENCES customers, "
        f"vehicle_id {key.split(maxsplit=1)[0]} REFERENCES vehicles, start_at {moment}, status {text}, description {text})"
    )


def _filled(run: Any, key: Callable[[int], str]) -> None:
    for n in range(40):
        at = start(n + 70)
        run(f"INSERT INTO customers VALUES ({key(n)}, 'Customer {n}', '{phone(n)}', 'c{n}@example.com')")
        run(f"INSERT INTO vehicles VALUES ({key(n)}, '{plate(n)}', 'Toyota')")
        run(f"INSERT INTO bookings VALUES ({key(n)}, {key(n)}, {key(n)}, '{at}', '{status(n + 70)}', '{TEXTS[n % 3]}')")


def test_a_key_that_postgresql_draws_is_returned(postgres: Layout, tmp_path: Path) -> None:
    _people(postgres.run, "uuid DEFAULT gen_random_uuid()", "text", "timestamp")
    _filled(postgres.run, lambda n: f"'00000000-0000-4000-8000-{n:012}'")
    assert init(postgres.url, tmp_path / "made").code == 0
    made = create(postgres.url, Profile.parse(tomllib.loads((tmp_path / "made" / "our-shop.toml").read_text())))
    assert {"name": NEW["name"], "phone": NEW["phone"], "rego": NEW["rego"]}.items() <= made.items()


def test_a_key_of_a_firebird_identity_is_returned(firebird_url: str, tmp_path: Path) -> None:
    """And a text that must be there is empty where the booking has none."""
    url = firebird_database(firebird_url, "returned", "UTF8")
    engine = sa.create_engine(url)

    def run(sql: str) -> None:
        with engine.begin() as connection:
            connection.exec_driver_sql(sql)

    _people(run, "INTEGER GENERATED BY DEFAULT AS IDENTITY", "VARCHAR(60)", "TIMESTAMP")
    _filled(run, lambda n: str(n + 1000))
    engine.dispose()
    assert init(url, tmp_path / "made").code == 0
    made = create(url, Profile.parse(tomllib.loads((tmp_path / "made" / "our-shop.toml").read_text())))
    assert {"name": NEW["name"], "phone": NEW["phone"], "rego": NEW["rego"]}.items() <= made.items()


# Texts


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("job_no", lambda n: f"JOB {n}"),
        ("work", lambda n: f"W-{n:05}"),
        ("cancel_reason", lambda n: "too dear" if n % 9 == 0 else None),
    ],
)
def test_a_number_or_the_reason_of_a_cancellation_is_no_description(tmp_path: Path, column: str, value: Value) -> None:
    assert "description" not in columns(shop(tmp_path, f", {column} TEXT", value).made())


@pytest.mark.parametrize(
    ("column", "taken"),
    [("carburant_type", False), ("job_type", False), ("tyre_model", False), ("type", True), ("car_type", True)],
)
def test_a_type_is_a_model_only_of_a_car(tmp_path: Path, column: str, taken: bool) -> None:
    made = shop(tmp_path, car=f", {column} TEXT", cars=[lambda n: ("Corolla", "Ranger", "Golf")[n % 3]])
    assert ("model" in columns(made.made())) is taken


@pytest.mark.parametrize("column", ["fault", "Averia", "maengel_mangel", "defaut"])
def test_what_is_wrong_with_the_car_is_the_description(tmp_path: Path, column: str) -> None:
    assert columns(shop(tmp_path, f", {column} TEXT", lambda n: f"Noise {n % 7} at the rear").made())["description"]


@pytest.mark.parametrize("column", ["workshop_notes", "mech_notes", "notes_atelier"])
def test_the_workshops_own_notes_are_not_the_customers(tmp_path: Path, column: str) -> None:
    """Those for the customer are."""
    notes = (lambda n: f"disputed bill {n}" if n % 5 == 0 else None, lambda n: f"call first {n}" if n % 4 == 0 else None)
    read = columns(shop(tmp_path, f", {column} TEXT, customer_notes TEXT", *notes).made())
    assert (read["internal_notes"], read["job_notes"]) == (f"b.{column}", "b.customer_notes")


def test_two_columns_of_notes_are_said(tmp_path: Path) -> None:
    values = (lambda n: f"first {n} of them", lambda n: f"second {n} of them")
    written = shop(tmp_path, ", notes TEXT, pickup_notes TEXT", *values).made()
    assert "# UNSURE: job_notes: notes was taken; by name and values it could as well be pickup_notes" in written


# Customers and cars that are there


@pytest.mark.parametrize(
    ("column", "gone", "there"),
    [("deleted INTEGER NOT NULL DEFAULT 0", 1, 0), ("deleted INTEGER", 1, None), ("deleted_at TEXT", start(1), None)],
)
def test_a_deleted_customer_is_not_linked(tmp_path: Path, column: str, gone: object, there: object) -> None:
    made = shop(tmp_path, person=f", {column}", people=[lambda n: gone if n % 3 == 0 else there])
    if column == "deleted INTEGER":
        with closing(sqlite3.connect(made._file)) as file, file:
            file.execute("UPDATE customers SET deleted = 0 WHERE id % 3 = 0")
    assert made.create(phone="0400000009")["name"] == "Nina Neu"
    assert made.last("bookings")["customer_id"] == COUNT + 1


def test_a_deletion_in_words_is_said(tmp_path: Path) -> None:
    written = shop(tmp_path, person=", geloscht TEXT", people=[lambda n: ("ja", "nein")[n % 2]]).made()
    assert "# UNSURE: geloscht may say that a row of customers is deleted" in written


def test_a_car_that_may_stand_there_once_is_linked_and_keeps_its_owner(tmp_path: Path) -> None:
    made = Shop(tmp_path, CUSTOMERS.format("") + VEHICLES.format(" UNIQUE") + BOOKINGS.format(""))
    made.fill("customers", lambda n: f"Customer {n}", phone, lambda n: None)
    made.fill("vehicles", lambda n: n + 1, plate)
    made.fill("bookings", lambda n: n + 1, lambda n: n + 1, start, status)
    assert made.create(rego="AAA007")["name"] == "Nina Neu"
    booked = made.last("bookings")
    assert (booked["customer_id"], booked["vehicle_id"]) == (COUNT + 1, 8)
    assert made.last("vehicles")["customer_id"] == COUNT
    assert "# UNSURE: vehicles takes a plate only once: a known one is linked" in _text(made)


# Fields that a booking may lack


def test_a_text_that_must_be_there_is_empty(tmp_path: Path) -> None:
    """A customer without a company, a car without a make."""
    made = shop(tmp_path, person=", company TEXT NOT NULL", people=[lambda n: f"Firm {n}"], car=", make TEXT NOT NULL",
                cars=[lambda n: "Toyota" if n % 2 else "Ford"])  # fmt: skip
    assert made.create()["rego"] == "NEW100"
    assert (made.last("customers")["company"], made.last("vehicles")["make"]) == ("", "")


def test_a_number_that_must_be_there_is_in_the_way(tmp_path: Path) -> None:
    made = shop(tmp_path, car=", year INTEGER NOT NULL", cars=[lambda n: 2000 + n % 20])
    assert "vehicles needs values that a booking may lack (year)" in made.made()


# Odd shapes


def test_customer_and_car_in_one_row(tmp_path: Path) -> None:
    """Both are read from it; a new booking's phone and plate make one row, and the same two find it again."""
    made = Shop(
        tmp_path,
        """CREATE TABLE cust (id INTEGER PRIMARY KEY, cust_name TEXT, mob TEXT, rego TEXT, make TEXT);
        CREATE TABLE bookings (id INTEGER PRIMARY KEY, cust_id INTEGER REFERENCES cust, start_at TEXT, status TEXT);""",
    )
    made.fill("cust", lambda n: f"Customer {n}", phone, plate, lambda n: "Toyota")
    made.fill("bookings", lambda n: n + 1, start, status)
    assert {"name": "Nina Neu", "phone": "0400999999", "rego": "NEW100"}.items() <= made.create().items()
    assert made.last("cust")["cust_name"] == "Nina Neu"
    store = create(made.url, Profile.parse(tomllib.loads(_text(made))), rego="AAA007", phone="0400000007")
    assert (store["name"], made.last("bookings")["cust_id"]) == ("Customer 7", 8)


@pytest.mark.parametrize("engine", ["maria", "postgres"])
def test_a_percent_sign_in_a_name(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """The driver wants it doubled; the profile has it as it is."""
    layout: Layout = request.getfixturevalue(engine)
    note = "`notes %`" if engine == "maria" else '"notes %"'
    with sa.create_engine(layout.url).begin() as connection:
        connection.execute(
            sa.text(
                f"CREATE TABLE bookings (id INTEGER PRIMARY KEY, start_at TIMESTAMP NULL, status VARCHAR(9), rego VARCHAR(9), "
                f"name VARCHAR(40), phone VARCHAR(20), {note} VARCHAR(40))"
            )
        )
        for n in range(40):
            values = f"{n}, '{start(n + 70)}', 'Booked', '{plate(n)}', 'Customer {n}', '{phone(n)}', 'call {n} first'"
            connection.execute(sa.text(f"INSERT INTO bookings VALUES ({values})".replace(":", r"\:")))
    said = init(layout.url, tmp_path / "made")
    assert said.code == 0, said.err
    written = (tmp_path / "made" / "our-shop.toml").read_text()
    assert f"b.{note} AS job_notes" in written
    store = ShopStore(layout.url, Profile.parse(tomllib.loads(written)), ZONE, "w1", SystemClock())
    assert not [fault for fault in store.verify() if "notes" in fault]
    assert store.read(["7"])["7"].fields["job_notes"] == "call 7 first"
    store.close()
