"""Whose booking is it? Customers and vehicles when a booking made online is put into the shop, through store and engine.

By phone or e-mail, never by name; of several a person chooses. No row of a customer or vehicle that is there is changed.
"""

from __future__ import annotations

import contextlib
import copy
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sync.core import canonical
from sync.errors import Rejected
from sync.ports import Names
from sync.share import CONFIG
from sync.shop import statement
from sync.shop.profile import Profile, load
from sync.shop.store import ShopStore
from tests.fakes import MELBOURNE
from tests.integration.installation import Installation, Said, installed
from tests.layouts import DEMO, Layout, demo_database

BOOKING = {
    "starts_at": "2026-03-05T22:00:00Z", "rego": "AAA001", "phone": "0400000001", "email": "one@example.com",
    "name": "Customer One", "make": "Make",
}  # fmt: skip
BY_EMAIL = (
    "SELECT c.id, v.plate FROM customers c LEFT JOIN vehicles v ON v.customer_id = c.id WHERE lower(c.email) = lower(:email)"
)


class Garage:
    """The demo layout on one engine, with people and cars in it."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        demo_database(layout.engine)
        self._shops: list[ShopStore] = []

    def shop(self, several: str | int = "hold") -> ShopStore:
        profile: dict[str, Any] = copy.deepcopy(DEMO)
        customer = profile["write"]["create"][0]
        customer |= {"find": [customer["find"], BY_EMAIL], "several": several}
        self._shops.append(ShopStore(self.layout.url, Profile.parse(profile), MELBOURNE, "w1", self.layout.clock))
        return self._shops[-1]

    def person(self, name: str, phone: str = "", email: str = "", plate: str = "") -> None:
        self.layout.run(f"INSERT INTO customers (name, phone, email) VALUES ('{name}', '{phone}', '{email}')")
        if plate:
            self.layout.run(f"INSERT INTO vehicles (customer_id, plate) SELECT max(id), '{plate}' FROM customers")

    def booked(self) -> list[tuple[Any, ...]]:
        """Of each booking: its customer's name, its vehicle's plate, and whose that vehicle is."""
        return self.layout.rows(
            "SELECT c.name, v.plate, o.name FROM bookings b JOIN customers c ON c.id = b.customer_id"
            " JOIN vehicles v ON v.id = b.vehicle_id JOIN customers o ON o.id = v.customer_id ORDER BY b.id"
        )

    def people(self) -> list[tuple[Any, ...]]:
        return self.layout.rows("SELECT name, phone, email FROM customers ORDER BY id")

    def cars(self) -> list[tuple[Any, ...]]:
        return self.layout.rows("SELECT plate, customer_id FROM vehicles ORDER BY id")

    def close(self) -> None:
        for shop in self._shops:
            shop.close()


@pytest.fixture
def garage(layout: Layout) -> Iterator[Garage]:
    made = Garage(layout)
    yield made
    made.close()


#  people there (name, phone, e-mail, plate) -> whose the booking is; its own car is AAA001
CHOSEN: dict[str, tuple[list[tuple[str, ...]], str]] = {
    "nobody yet": ([("A", "0400000002", "two@example.com")], "Customer One"),
    "the one with this phone": ([("A", "0400000001"), ("B", "0400000002")], "A"),
    "the one with this e-mail": ([("A", "0400000002"), ("B", "", "ONE@example.com")], "B"),
    "by phone before e-mail": ([("A", "", "one@example.com"), ("B", "0400000001")], "B"),
    "of several the one with this plate": ([("A", "0400000001", "", "BBB002"), ("B", "0400000001", "", "aaa-001")], "B"),
    "of several by e-mail too": ([("A", "", "one@example.com"), ("B", "", "one@example.com", "AAA 001")], "B"),
    "one name is no customer": ([("Customer One", "0400000002")], "Customer One"),
}


@pytest.mark.parametrize("case", CHOSEN)
def test_whose_it_becomes(garage: Garage, case: str) -> None:
    people, whose = CHOSEN[case]
    for one in people:
        garage.person(*one)
    before = garage.people()
    garage.shop().create(BOOKING, Names(repairy_id="r1"))
    assert [row[0] for row in garage.booked()] == [whose]
    assert garage.people()[: len(before)] == before, "nobody who was there is changed"
    assert len(garage.people()) == len(before) + (case in ("nobody yet", "one name is no customer"))
    there = [plate for *_, plate in people if plate in ("aaa-001", "AAA 001")]
    assert [car[0] for car in garage.cars() if canonical.plate(car[0]) == "AAA001"] == (there or ["AAA001"]), "one car, as it was"


SPELLINGS = (
    "0400000001", "0400 000 001", "0400-000-001", "(04) 0000 0001", "+61400000001", "+61 400 000 001", "61400000001",
    "0061 400 000 001", "+61 (0)400 000 001", "400000001", "400 000 001",
)  # fmt: skip


@pytest.mark.parametrize("there", SPELLINGS)
def test_the_same_phone_in_any_spelling_is_the_same_customer(garage: Garage, there: str) -> None:
    garage.person("B", "0400 000 010")
    garage.person("A", there, "", "AAA001")
    before = garage.people(), garage.cars()
    for number, given in enumerate((there, *SPELLINGS[::5])):
        garage.shop().create({**BOOKING, "phone": given, "email": None}, Names(repairy_id=f"r{number}"))
    assert (set(garage.booked()), (garage.people(), garage.cars())) == ({("A", "AAA001", "A")}, before)


@pytest.mark.parametrize(
    "other", ["0400000002", "040000001", "04000000011", "+44 7400 000 001", "+1 400 000 001", "0300000001", "00001"]
)
def test_another_phone_is_another_customer(garage: Garage, other: str) -> None:
    """Among them those that end in the same digits."""
    garage.person("A", other)
    garage.shop().create({**BOOKING, "email": None}, Names(repairy_id="r1"))
    assert [row[0] for row in garage.booked()] == ["Customer One"]


def test_two_spellings_of_a_phone_are_two_customers_of_whom_a_person_chooses(garage: Garage) -> None:
    garage.person("A", "0400 000 001")
    garage.person("B", "+61 400 000 001")
    with pytest.raises(Rejected, match="2 rows that could be this customer"):
        garage.shop().create(BOOKING, Names(repairy_id="r1"))


def test_a_column_too_small_for_a_spelling_does_not_hold_it(layout: Layout) -> None:
    """A number that lost its 0 fits where the same with 61 in front does not."""
    demo_database(layout.engine)
    layout.run("CREATE TABLE phones (number INTEGER, customer INTEGER)", "INSERT INTO phones VALUES (400000001, 2)")
    layout.run("INSERT INTO customers (name) VALUES ('A'), ('B')")
    profile = copy.deepcopy(DEMO)
    find = "SELECT customer FROM phones WHERE number = :phone"
    profile["write"]["create"][0] |= {"find": find}
    shop = ShopStore(layout.url, Profile.parse(profile), MELBOURNE, "w1", layout.clock)
    shop.create({**BOOKING, "email": None}, Names(repairy_id="r1"))
    shop.close()
    assert layout.rows("SELECT customer_id FROM bookings") == [(2,)]


@pytest.mark.parametrize("plates", [("", ""), ("BBB002", "CCC003"), ("AAA001", "AAA001")])
def test_of_several_that_cannot_be_told_apart_a_person_chooses(garage: Garage, plates: tuple[str, str]) -> None:
    for name, plate in zip("AB", plates, strict=True):
        garage.person(name, "0400000001", "", plate)
    with pytest.raises(Rejected, match="the shop has 2 rows that could be this customer: a person must choose") as refusal:
        garage.shop().create(BOOKING, Names(repairy_id="r1"))
    assert (refusal.value.code, garage.booked()) == ("several", [])


def test_or_the_placeholder_that_the_profile_names(garage: Garage) -> None:
    for name in ("Online bookings", "A", "B"):
        garage.person(name, "0400000001" if len(name) == 1 else "")
    garage.shop(several=1).create(BOOKING, Names(repairy_id="r1"))
    assert [row[0] for row in garage.booked()] == ["Online bookings"]


def test_a_car_of_that_customer_is_used_again(garage: Garage) -> None:
    garage.person("A", "0400000001", "", "AAA001")
    before = garage.cars()
    garage.shop().create(BOOKING, Names(repairy_id="r1"))
    assert (garage.booked(), garage.cars()) == ([("A", "AAA001", "A")], before)


def test_a_plate_that_changed_hands_does_not_take_the_car_from_its_former_owner(garage: Garage) -> None:
    """The new owner gets a car of his own; the earlier booking stays with the one who brought it."""
    shop = garage.shop()
    shop.create({**BOOKING, "name": "Former", "phone": "0400000009", "email": None}, Names(repairy_id="r0"))
    before = garage.cars()
    shop.create(BOOKING, Names(repairy_id="r1"))
    assert garage.booked() == [("Former", "AAA001", "Former"), ("Customer One", "AAA001", "Customer One")]
    assert garage.cars()[:1] == before


def test_a_second_booking_changes_nothing_of_the_first(garage: Garage) -> None:
    """Same phone, another name and e-mail: the shop's own customer stays as staff wrote him."""
    shop = garage.shop()
    first = shop.create(BOOKING, Names(repairy_id="r1"))
    people = garage.people()
    shop.create({**BOOKING, "name": "Somebody Else", "email": "else@example.com", "rego": "BBB002"}, Names(repairy_id="r2"))
    assert garage.people() == people
    assert shop.read({first.key})[first.key].fields == first.fields


BUILTIN = {file.stem: load(file, file.parent) for file in sorted((CONFIG / "profiles").glob("*.toml"))}


@pytest.mark.parametrize("name", [name for name, profile in BUILTIN.items() if profile.write.create])
def test_a_built_in_profile_looks_behind_what_stands_between_digits_and_letters(name: str) -> None:
    marks = {"phone": " -()", "rego": " -"}
    finds = [sql for step in BUILTIN[name].write.create for sql in step.find]
    for parameter, between in marks.items():
        (sql,) = [sql for sql in finds if parameter in statement.parameters(sql)]
        assert [mark for mark in between if f"'{mark}', ''" not in sql] == []


# -- the whole engine, on the demo's shop


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path) as made:
        made.run("sync")
        yield made


def held(said: Said) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = said.json["workshops"][0]["held"]
    return found


def sql(site: Installation, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(site.folder / "shop.db")) as shop, shop:
        for one in statements:
            shop.execute(one)


def people(site: Installation) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(site.folder / "shop.db")) as shop:
        return shop.execute("SELECT id, name, phone, email FROM customers ORDER BY id").fetchall()


@pytest.fixture
def two(site: Installation) -> tuple[Installation, str]:
    """Two customers in the shop share a phone, and somebody books online with it."""
    sql(site, "INSERT INTO customers (name, phone) VALUES ('Twin A', '0400 000 045'), ('Twin B', '0400 000 045')")
    booking = site.book_online(45, site.office.at(4, 9))
    site.tell(booking)
    return site, booking


def test_of_two_customers_a_person_chooses_and_is_told_so_in_words(two: tuple[Installation, str]) -> None:
    site, booking = two
    before = people(site)
    said = site.run("sync")
    assert said.code == 3
    (one,) = held(said)
    assert one["repairy_id"] == booking
    assert one["reason"] == (
        "the shop did not take this booking: the shop has 2 rows that could be this customer: a person must choose"
    )
    assert people(site) == before
    assert held(site.run("sync"))[0]["id"] == one["id"]


def test_retry_goes_on_once_the_two_were_made_one(two: tuple[Installation, str]) -> None:
    site, booking = two
    site.run("sync")
    sql(site, "DELETE FROM customers WHERE name = 'Twin B'")
    assert site.run("resolve", booking, "--retry").code == 0
    assert site.run("sync").code == 0
    assert site.row(45)["name"] == "Twin A"


def test_link_goes_on_with_the_row_that_staff_made_by_hand(two: tuple[Installation, str]) -> None:
    site, booking = two
    site.run("sync")
    site.office.book(45, site.office.at(4, 9))
    key = str(site.row(45)["id"])
    assert site.run("resolve", booking, "--link", key).code == 0
    said = site.run("sync")
    assert said.code == 0, said.out
    assert site.row(45)["online_ref"] == booking
    assert len([row for row in site.office.rows() if row["plate"] == "AAA045"]) == 1


def test_a_new_row_that_the_shop_refuses_is_held_with_its_own_words_and_made_once_it_takes_it(site: Installation) -> None:
    sql(site, "CREATE TRIGGER no BEFORE INSERT ON bookings BEGIN SELECT RAISE(ABORT, 'no bay is free'); END")
    before = people(site)
    booking = site.book_online(45, site.office.at(4, 9))
    site.tell(booking)
    said = site.run("sync")
    assert (said.code, held(said)[0]["repairy_id"]) == (3, booking)
    assert held(said)[0]["reason"].endswith("no bay is free")
    assert people(site) == before
    sql(site, "DROP TRIGGER no")
    assert site.run("resolve", booking, "--retry").code == 0
    assert (site.run("sync").code, site.row(45)["online_ref"]) == (0, booking)


def test_an_online_booking_of_a_known_customer_changes_neither_side_of_him(site: Installation) -> None:
    """Another name and e-mail with his phone: the shop's customer stays, and so does what was typed online."""
    before = people(site)
    booking = site.book_online(45, site.office.at(4, 9), phone="0400 000 001", first_name="Somebody", email="else@example.com")
    site.tell(booking)
    for _ in range(3):
        site.run("sync")
    assert site.row(45)["name"] == "Customer One"
    assert people(site) == before
    there = site.booking(45)["customer"]
    assert (there["firstName"], there["email"]) == ("Somebody", "else@example.com")
    assert site.calls("update") <= 1, "its reference alone"


def test_a_known_customer_and_his_car_are_found_as_staff_spelled_them(site: Installation) -> None:
    sql(
        site,
        "INSERT INTO customers (id, name, phone) VALUES (90, 'Known', '+61 (0)400-000-045')",
        "INSERT INTO vehicles (id, customer_id, plate) VALUES (90, 90, 'aaa-045')",
    )
    before = people(site)
    site.tell(site.book_online(45, site.office.at(4, 9), email="else@example.com"))
    assert site.run("sync").code == 0
    assert people(site) == before
    assert [(row["name"], row["plate"]) for row in site.office.rows()][-1] == ("Known", "aaa-045")


def test_a_plate_is_put_into_the_shop_without_what_a_customer_typed_between(site: Installation) -> None:
    site.tell(site.book_online(45, site.office.at(4, 9), rego="aaa-0 45"))
    site.run("sync")
    assert site.row(45)["plate"] == "AAA045"


def test_a_name_in_parts_is_put_into_the_shop_in_these_parts(tmp_path: Path) -> None:
    """`Customer` and `van One` are not `Customer van` and `One`."""
    demo = (CONFIG / "profiles" / "demo.toml").read_text(encoding="utf-8")
    parts = demo.replace("VALUES (:name, :phone", "VALUES (:first_name || '/' || :last_name, :phone")
    (tmp_path / "parts.toml").write_text(parts, encoding="utf-8")
    with installed(tmp_path) as site:
        site.configure(profile="parts.toml")
        site.run("sync")
        site.tell(site.book_online(45, site.office.at(4, 9), last_name="van One"))
        site.run("sync")
        assert site.row(45)["name"] == "Customer/van One"


def test_a_customer_edited_at_repairy_is_noted_and_never_written_over_the_shops(site: Installation) -> None:
    """His row serves his other bookings too."""
    booking = site.book_online(45, site.office.at(4, 9))
    site.tell(booking)
    site.run("sync")
    before = people(site)
    with site.sandbox.lock:
        site.sandbox.partner.edit(booking, customer={"firstName": "Another", "email": "another@example.com"})
    site.tell(booking, "bookingUpdated")
    said = site.run("sync")
    assert people(site) == before
    noted = [one["reason"] for one in said.json["workshops"][0]["noted"]]
    assert "name differs at Repairy; customers and vehicles of the shop are changed by a person only" in noted
