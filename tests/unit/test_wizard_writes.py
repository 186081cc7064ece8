"""init on small made-up shops in SQLite: what it would write, what it leaves out, and that it says so, asked or not."""

from __future__ import annotations

import contextlib
import io
import json
import sqlite3
import tomllib
from collections.abc import Callable, Sequence
from datetime import datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from sync.cli import main
from sync.machine import SystemClock
from sync.ports import Names
from sync.shop import wizard
from sync.shop.profile import Profile
from sync.shop.store import ShopStore
from sync.shop.wizard import address
from tests.integration.installation import Said

ZONE = ZoneInfo("Australia/Melbourne")
COUNT = 60
INLINE = "starts TEXT, rego TEXT, customer_name TEXT, phone TEXT, status TEXT"
PEOPLE = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, phone TEXT, email TEXT{});
CREATE TABLE vehicles (id INTEGER PRIMARY KEY, customer_id INTEGER, plate TEXT, make TEXT);
CREATE TABLE bookings (id INTEGER PRIMARY KEY, customer_id INTEGER, vehicle_id INTEGER, starts TEXT, status TEXT);
"""


def start(number: int) -> str:
    """Half of them to come, on full quarters, by day."""
    day = datetime.now(ZONE).date() + timedelta(days=number - COUNT // 2 + 1)
    return str(datetime.combine(day, time(8 + number % 8, 15 * (number % 4))))


def inline(number: int) -> tuple[str, ...]:
    return start(number), f"AAA{number:03}", f"Customer {number}", f"0400 000 {number:03}", "Booked"


class Shop:
    """A database file, and init on it."""

    def __init__(self, folder: Path, schema: str) -> None:
        self.folder = folder
        self.out = folder / "made"
        with contextlib.closing(sqlite3.connect(folder / "shop.db")) as shop:
            shop.executescript(schema)

    def fill(self, table: str, row: Callable[[int], Sequence[object]]) -> None:
        rows = [row(number) for number in range(COUNT)]
        with contextlib.closing(sqlite3.connect(self.folder / "shop.db")) as shop, shop:
            shop.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)

    def people(self, *more: object) -> None:
        self.fill("customers", lambda n: (n + 1, f"Customer {n}", f"0400 000 {n:03}", f"c{n}@example.com", *more))
        self.fill("vehicles", lambda n: (n + 1, n + 1, f"AAA{n:03}", "Toyota"))
        self.fill("bookings", lambda n: (n + 1, n + 1, n + 1, start(n), "Booked"))

    def init(self, *words: str, code: int = 0) -> Said:
        said = init(f"sqlite:///{self.folder}/shop.db", self.out, *words)
        assert said.code == code, said.err
        return said

    @property
    def text(self) -> str:
        return (self.out / "our-shop.toml").read_text(encoding="utf-8")

    @property
    def profile(self) -> Profile:
        """As it will be loaded."""
        return Profile.parse(tomllib.loads(self.text))


def init(url: str, out: Path, *words: str) -> Said:
    before = [word for word in words if word == "--json"]
    asked = [*before, "init", url, "--yes", "--timezone", str(ZONE), "--out", str(out), *(w for w in words if w not in before)]
    said, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(err):
        try:
            main(asked)
        except SystemExit as end:
            code = int(end.code or 0)
    return Said(code, said.getvalue(), err.getvalue())


def writes(profile: Profile) -> list[tuple[str, str]]:
    return list(profile.statements())


# The key


def test_a_plate_that_happens_to_be_unique_is_no_key(tmp_path: Path) -> None:
    """Nor is a phone or a name: without a number of its own a booking cannot be read, and init says so and fails."""
    shop = Shop(tmp_path, "CREATE TABLE auftraege (kennzeichen TEXT, beginn TEXT, kunde TEXT, telefon TEXT, zustand TEXT)")
    shop.fill("auftraege", lambda n: (f"AAA{n:03}", start(n), f"Customer {n}", f"0400 000 {n:03}", "Offen"))
    said = shop.init(code=1)
    assert "Not usable yet: auftraege has no primary key" in said.err
    assert "# UNSURE: key: auftraege has no primary key" in shop.text
    assert "kennzeichen AS rego" in shop.text
    assert writes(shop.profile) == []


def test_without_a_key_no_join_is_blamed(tmp_path: Path) -> None:
    shop = Shop(tmp_path, f"CREATE TABLE bookings ({INLINE})")
    shop.fill("bookings", inline)
    said = shop.init("--json", code=1)
    assert "JOIN" not in said.err + " ".join(said.json["unsure"])
    assert any(line.startswith("key: ") for line in said.json["unsure"])


def test_check_says_of_that_profile_that_the_key_is_empty(tmp_path: Path) -> None:
    shop = Shop(tmp_path, f"CREATE TABLE bookings ({INLINE})")
    shop.fill("bookings", inline)
    shop.init(code=1)
    store = ShopStore(f"sqlite:///{tmp_path}/shop.db", shop.profile, ZONE, "w1", SystemClock())
    assert [fault.partition(" in ")[0] for fault in store.verify()] == ["booking.select: `key` is empty"]
    store.close()


def test_a_number_that_never_repeats_is_a_key_that_one_is_unsure_of(tmp_path: Path) -> None:
    """It reads by it, says that it is a guess, and writes nothing by it."""
    shop = Shop(tmp_path, f"CREATE TABLE bookings (rego_2 TEXT, customer_id INTEGER, {INLINE}, booking_no INTEGER)")
    shop.fill("bookings", lambda n: (f"BBB{n:03}", 900 + n, *inline(n), 5000 + n))
    said = shop.init("--json")
    assert said.json["columns"]["key"] == "b.booking_no"
    assert "# UNSURE: key: bookings has no primary key; booking_no never repeats" in shop.text
    assert writes(shop.profile) == []
    assert len(said.json["sample"]) == 10


# Creates


def test_a_booking_without_a_person_or_a_car_is_not_created(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "CREATE TABLE Termine (Nr INTEGER PRIMARY KEY, Beginn TEXT, Zustand TEXT)")
    shop.fill("Termine", lambda n: (n + 1, start(n), "Geplant"))
    shop.init()
    assert not shop.profile.write.create
    assert "# [[write.create]]: no column takes the plate; no column takes the customer's phone or e-mail." in shop.text


def test_an_owner_without_a_foreign_key_is_used(tmp_path: Path) -> None:
    """The car is looked for among the customer's own, made with its owner, and of several customers the plate decides."""
    shop = Shop(tmp_path, PEOPLE.format(""))
    shop.people()
    shop.init()
    customer, vehicle, _ = shop.profile.write.create
    assert all("v.plate" in find and "v.customer_id = c.id" in find for find in customer.find)
    assert "AND customer_id = :customer" in vehicle.find[0]
    assert "customer_id" in vehicle.insert[0]
    assert ":customer" in vehicle.insert[0]
    assert "# UNSURE: vehicles.customer_id is the customer's key by its name and values only" in shop.text


def test_a_customer_and_a_car_are_found_however_they_are_written(tmp_path: Path) -> None:
    """Of those in the shop none has a blank or a dash; tomorrow's may."""
    shop = Shop(tmp_path, PEOPLE.format(""))
    shop.fill("customers", lambda n: (n + 1, f"Customer {n}", f"0400000{n:03}", None))
    shop.fill("vehicles", lambda n: (n + 1, n + 1, f"AAA{n:03}", "Toyota"))
    shop.fill("bookings", lambda n: (n + 1, n + 1, n + 1, start(n), "Booked"))
    shop.init()
    with contextlib.closing(sqlite3.connect(tmp_path / "shop.db")) as rows, rows:
        rows.execute("UPDATE customers SET phone = '(0400) 000-001' WHERE id = 2")
        rows.execute("UPDATE vehicles SET plate = 'aaa-0 01' WHERE id = 2")
    clock = SystemClock()
    made = ShopStore(f"sqlite:///{tmp_path}/shop.db", shop.profile, ZONE, "w1", clock)
    booked = {"starts_at": "2027-03-05T22:00:00Z", "rego": "AAA001", "name": "Customer 1", "phone": "0400000001"}
    made.create(booked, Names("r1", "64a1b2c3d4e5f60718293a4b", "CODE1"))
    made.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "shop.db")) as rows:
        assert rows.execute("SELECT customer_id, vehicle_id FROM bookings ORDER BY id DESC LIMIT 1").fetchall() == [(2, 2)]


def test_a_customer_whose_number_the_database_does_not_make_is_not_created(tmp_path: Path) -> None:
    """A number that only never repeats is no key that SQLite fills."""
    shop = Shop(tmp_path, PEOPLE.format("").replace("customers (id INTEGER PRIMARY KEY", "customers (id INTEGER"))
    shop.people()
    shop.init()
    assert not shop.profile.write.create
    assert "the key of customers is not made by the database" in shop.text


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("password", "made-up"),
        ("portal_token", "tok-MADE-UP-123"),
        ("PwdHash", "made-up"),
        ("api_key", "made-up"),
        ("pin", 73917391),
        ("session", "made-up"),
        ("access", "$2y$10$made.up.made.up.made.up"),
        ("reference", "9f86d081884c7d65"),
        ("guid", "00000000-0000-4000-8000-00000000000a"),
    ],
)
def test_what_could_be_a_secret_is_not_copied(tmp_path: Path, column: str, value: object) -> None:
    """By its name, or by how it looks: neither into the profile nor onto the screen; the create is left out."""
    shop = Shop(tmp_path, PEOPLE.format(f", {column} NOT NULL"))
    shop.people(value)
    said = shop.init()
    shown = shop.init("--print")
    assert str(value) not in shop.text + said.out + said.err + shown.out + shown.err
    assert not shop.profile.write.create
    assert f"customers needs values that Repairy has none for ({column})" in shop.text


def test_a_constant_is_said_to_be_what_was_looked_at(tmp_path: Path) -> None:
    shop = Shop(tmp_path, PEOPLE.format(", entered_by TEXT NOT NULL"))
    shop.people("desk")
    shop.init()
    assert "# UNSURE: new rows of customers carry entered_by = 'desk', as the 60 rows looked at do" in shop.text
    assert "'desk'" in shop.profile.write.create[0].insert[0]


# Comments


@pytest.mark.parametrize("value", ["1 Main St\nMelbourne", "1 Main St\r\nMelbourne", 'a """ b', "a\x01b\x7f", "a\u2028b\x85c"])
def test_a_constant_of_any_signs_gives_a_profile_that_loads(tmp_path: Path, value: str) -> None:
    shop = Shop(tmp_path, PEOPLE.format(", address TEXT NOT NULL"))
    shop.people(value)
    shop.init()
    assert f"'{value}'" in shop.profile.write.create[0].insert[0]


def test_kinds_and_branches_of_several_lines_give_a_profile_that_loads(tmp_path: Path) -> None:
    shop = Shop(tmp_path, f"CREATE TABLE bookings (id INTEGER PRIMARY KEY, kind TEXT, branch TEXT, {INLINE})")
    shop.fill("bookings", lambda n: (n, ("a\nb", "c\r\n\x1bd")[n % 2], ("North\nside", "South")[n % 3 == 0], *inline(n)))
    said = shop.init()
    assert "tells kinds of rows apart (a b, c d)" in said.err
    assert "tells kinds of rows apart (a b, c d)" in shop.text
    assert "branch is North side, South" in shop.text
    assert shop.profile.columns


# What is said when nothing is asked


def test_without_questions_doubts_and_faults_are_said_too(tmp_path: Path) -> None:
    shop = Shop(tmp_path, f"CREATE TABLE bookings (id INTEGER PRIMARY KEY, {INLINE})")
    shop.fill("bookings", lambda n: (n, *inline(n)[:-1], ("Booked", "Qwerty")[n % 2]))
    said = shop.init()
    assert 'still to do: status.read: "Qwerty" stands in 30 rows' in said.err
    assert '# UNSURE: "Qwerty" = "…"' in shop.text


def test_the_sample_is_in_what_is_printed(tmp_path: Path) -> None:
    """For people a table, in JSON its rows."""
    shop = Shop(tmp_path, f"CREATE TABLE bookings (id INTEGER PRIMARY KEY, {INLINE})")
    shop.fill("bookings", lambda n: (n, *inline(n)))
    said = shop.init("--print")
    assert "Bookings as Repairy would see them" in said.out
    assert "AAA030" in said.out
    rows = json.loads(shop.init("--print", "--json").out)["sample"]
    assert ("AAA030", "0400000030") in [(row["rego"], row["phone"]) for row in rows]


# Secrets that are there, secrets in the address


@pytest.mark.parametrize(("mode", "then"), [(0o644, 0o600), (0o640, 0o640)])
def test_a_secret_that_is_there_is_kept_and_said_and_is_nobody_elses_to_read(tmp_path: Path, mode: int, then: int) -> None:
    """The service's group may go on reading it."""
    shop = Shop(tmp_path, f"CREATE TABLE bookings (id INTEGER PRIMARY KEY, {INLINE})")
    shop.fill("bookings", lambda n: (n, *inline(n)))
    token = shop.out / "secrets" / "web_token"
    token.parent.mkdir(parents=True)
    token.write_text("made-up\n")
    token.chmod(mode)
    said = shop.init()
    assert f"kept {token} as it was" in said.out
    assert (token.read_text(), token.stat().st_mode & 0o777) == ("made-up\n", then)


@pytest.mark.parametrize("option", ["password", "PASSWD", "pwd"])
def test_a_password_among_the_options_is_taken_out(option: str) -> None:
    url, password = address.parted(f"postgresql://user@host/shop?{option}=made-up&sslmode=require")
    assert (url.render_as_string(hide_password=False), password) == ("postgresql://user@host/shop?sslmode=require", "made-up")


@pytest.mark.parametrize(
    "typed",
    ["mssql+pymssql://user@host/shop?odbc_connect=DRIVER=x;UID=u;PWD=made-up", "postgresql://host/shop?sslpassword=made-up"],
)
def test_a_password_that_cannot_be_taken_out_of_the_address_is_refused(tmp_path: Path, typed: str) -> None:
    said = init(typed, tmp_path / "made")
    assert said.code == 2
    assert "has a password in its option" in " ".join(said.err.split()).replace("│ ", "")
    assert "made-up" not in said.err + said.out
    assert not (tmp_path / "made").exists()


# What is looked at


def test_pictures_are_not_read_and_long_texts_not_kept(tmp_path: Path) -> None:
    shop = Shop(tmp_path, f"CREATE TABLE bookings (id INTEGER PRIMARY KEY, photo BLOB, notes TEXT, {INLINE})")
    shop.fill("bookings", lambda n: (n, b"x" * 5000, "long " * 5000, *inline(n)))
    looked = wizard.explorer(f"sqlite:///{tmp_path}/shop.db", None, ZONE).look()["bookings"]
    assert {row["photo"] for row in looked.sample} == {None}
    assert max(len(str(row["notes"])) for row in looked.sample) == 1000
    shop.init()
    assert "notes AS job_notes" in shop.text
