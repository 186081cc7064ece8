"""`check --test-booking`: one made-up booking in the shop to look at, never synced, taken out again or named."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from sync.engine.gather import MADE_UP
from sync.machine import SystemClock
from sync.share import CONFIG
from sync.state.store import StateStore
from tests.integration.installation import Installation, Said, installed

PUT, TAKE = ("check", "--test-booking"), ("check", "--test-booking", "--remove")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path) as made:
        yield made


def about_it(said: Said) -> list[tuple[str, str]]:
    return [(one["level"], one["says"]) for one in said.json["findings"] if one["about"] == "Northside: test booking"]


def made_up(site: Installation) -> list[dict[str, Any]]:
    return [row for row in site.office.rows() if row["name"] == "Test Booking"]


def without(site: Installation, *lines: str) -> None:
    """The demo's profile without these lines."""
    text = (CONFIG / "profiles" / "demo.toml").read_text(encoding="utf-8")
    kept = [line for line in text.splitlines() if not line.startswith(lines)]
    (site.folder / "own.toml").write_text("\n".join(kept), encoding="utf-8")
    site.configure(profile="own.toml")


def test_it_stands_in_the_shop_and_says_where_to_look(site: Installation) -> None:
    said = site.run(*PUT)
    assert said.code == 0, said.out
    (row,) = made_up(site)
    ((level, says),) = about_it(said)
    assert level == "good"
    assert f"row {row['id']} stands in the shop: Test Booking, plate {row['plate']}" in says
    assert "is it where staff look, on the right day and time? Then `repairy-sync check --test-booking --remove`" in says


def execute(site: Installation, sql: str, *values: object) -> None:
    with contextlib.closing(sqlite3.connect(site.folder / "shop.db")) as shop, shop:
        shop.execute(sql, values)


def test_it_says_the_day_and_time_on_the_workshops_clock(site: Installation) -> None:
    """Nine in the morning in Melbourne is the day before in UTC."""
    ((_, says),) = about_it(site.run(*PUT))
    start = datetime.fromisoformat(made_up(site)[0]["dropoff"])
    assert start.hour == 9
    assert f", {start:%Y-%m-%d} at 09:00. Look at it" in says


def test_a_shop_that_keeps_days_is_told_the_day(site: Installation) -> None:
    text = (CONFIG / "profiles" / "demo.toml").read_text(encoding="utf-8")
    text = text.replace("b.dropoff AS starts_at, b.pickup AS ends_at", "date(b.dropoff) AS date")
    text = text.replace("= :starts_at", "= :date")
    text = text.replace(", :starts_at, :ends_at", ", :date, NULL").replace(", pickup = :ends_at", "")
    (site.folder / "own.toml").write_text(text, encoding="utf-8")
    site.configure(profile="own.toml")
    ((_, says),) = about_it(site.run(*PUT))
    assert f", {made_up(site)[0]['dropoff'][:10]}. Look at it" in says


def test_every_row_that_was_made_is_named_and_at_removal_again(site: Installation) -> None:
    """By table and key: no statement of a profile deletes a customer or a vehicle."""
    ((_, says),) = about_it(site.run(*PUT))
    with contextlib.closing(sqlite3.connect(site.folder / "shop.db")) as shop:
        ((customer,),) = shop.execute("SELECT id FROM customers WHERE name = 'Test Booking'")
        ((vehicle,),) = shop.execute("SELECT id FROM vehicles WHERE customer_id = ?", (customer,))
    by_hand = f". Made with it, and to be deleted by hand there: customers {customer}, vehicles {vehicle}"
    assert says.endswith(by_hand)
    ((_, says),) = about_it(site.run(*TAKE))
    assert says.endswith(by_hand)


@pytest.mark.parametrize(
    ("what", "sql", "value"),
    [
        ("phone", "UPDATE customers SET phone = ? WHERE id = 1", "0491 570 006"),
        ("email", "UPDATE customers SET email = ? WHERE id = 1", "Repairy-Sync-Test@example.com"),
    ],
)
def test_nothing_is_put_in_where_a_customer_has_the_made_up_phone_or_e_mail(
    site: Installation, what: str, sql: str, value: str
) -> None:
    """The shop keeps it as a placeholder, and its `find` would give the test booking that customer."""
    execute(site, sql, value)
    before = site.shop_digest()
    said = site.run(*PUT)
    assert said.code == 1
    ((level, says),) = about_it(said)
    assert level == "error"
    assert f"already has the made-up {what} " in says
    assert "nothing was put in: row " in says
    assert site.shop_digest() == before
    assert about_it(site.run("check")) == []


def test_a_common_placeholder_is_nobody_the_test_booking_becomes(site: Installation) -> None:
    """Also of a customer who has no booking, whom the SELECT does not show."""
    execute(site, "INSERT INTO customers (name, phone, email) VALUES ('Customer Zero', '0400 000 000', 'test@example.com')")
    assert site.run(*PUT).code == 0
    with contextlib.closing(sqlite3.connect(site.folder / "shop.db")) as shop:
        names = shop.execute("SELECT c.name FROM bookings b JOIN customers c ON c.id = b.customer_id WHERE b.id = ?",
                             (made_up(site)[0]["id"],))  # fmt: skip
        assert names.fetchall() == [("Test Booking",)]


def test_a_second_test_may_use_the_customer_of_the_first(site: Installation) -> None:
    """Its cancelled row has the same phone, and is ours."""
    site.run(*PUT)
    site.run(*TAKE)
    ((level, says),) = about_it(site.run(*PUT))
    assert level == "good"
    assert "to be deleted by hand there: vehicles " in says


def test_a_short_plate_column_gets_what_it_takes_and_is_found_again(site: Installation) -> None:
    text = (CONFIG / "profiles" / "demo.toml").read_text(encoding="utf-8")
    (site.folder / "own.toml").write_text(text.replace("[status.read]", "[limits]\nrego = 5\n\n[status.read]"), encoding="utf-8")
    site.configure(profile="own.toml")
    site.run(*PUT)
    assert len(made_up(site)[0]["plate"]) == 5
    assert about_it(site.run(*TAKE))[0][1].startswith(f"row {made_up(site)[0]['id']} was cancelled in the shop")


@pytest.mark.parametrize("begun", [False, True])
def test_it_never_reaches_repairy(site: Installation, begun: bool) -> None:
    """Put in before the first pass or after it, touched by staff, through passes and a backfill."""
    if begun:
        site.run("sync")
    site.run(*PUT)
    (row,) = made_up(site)
    for _ in range(2):
        site.run("sync")
    with contextlib.closing(sqlite3.connect(site.folder / "shop.db")) as shop, shop:
        shop.execute("UPDATE bookings SET notes = 'touched' WHERE id = ?", (row["id"],))
    site.run("sync")
    assert site.run("backfill", "--nothing-at-repairy").code == 0
    assert row["plate"] not in [one["car"]["rego"] for one in site.bookings()]
    assert len(site.bookings()) == 40


def test_it_is_left_alone_where_the_process_ended_before_its_key_was_known(site: Installation) -> None:
    """A pass finds the row by the plate that was recorded first."""
    site.run("sync")
    site.run(*PUT)
    (row,) = made_up(site)
    with contextlib.closing(StateStore(f"sqlite:///{site.folder / 'state.db'}", SystemClock())) as state:
        (link,) = state.find(str(row["id"]), "Northside")
        state.save(link, shop_key=f"{MADE_UP}{row['plate']}", shop_digest=None)
    site.run("sync")
    assert site.writes == 0
    with contextlib.closing(StateStore(f"sqlite:///{site.folder / 'state.db'}", SystemClock())) as state:
        assert [one.id for one in state.find(str(row["id"]), "Northside")] == [link.id]
    assert about_it(site.run(*TAKE))[0][0] == "good"


def test_it_is_taken_out_by_its_plate_where_no_pass_came_between(site: Installation) -> None:
    site.run(*PUT)
    (row,) = made_up(site)
    with contextlib.closing(StateStore(f"sqlite:///{site.folder / 'state.db'}", SystemClock())) as state:
        (link,) = state.find(str(row["id"]), "Northside")
        state.save(link, shop_key=f"{MADE_UP}{row['plate']}", shop_digest=None)
    assert site.run(*TAKE).code == 0
    assert [row["label"] for row in made_up(site)] == ["Cancelled"]


def test_it_is_taken_out_by_the_profiles_cancel(site: Installation) -> None:
    site.run(*PUT)
    said = site.run(*TAKE)
    assert said.code == 0
    ((level, says),) = about_it(said)
    assert (level, "was cancelled in the shop by the profile" in says) == ("good", True)
    assert [row["label"] for row in made_up(site)] == ["Cancelled"]
    assert about_it(site.run("check")) == []
    assert about_it(site.run(*TAKE)) == []


def test_a_shop_that_cannot_cancel_names_the_row_for_removal_by_hand(site: Installation) -> None:
    without(site, "cancelled = ")
    site.run(*PUT)
    (row,) = made_up(site)
    ((level, says),) = about_it(site.run(*TAKE))
    assert level == "warning"
    assert says.startswith(f"row {row['id']} is to be removed by hand, on the shop's own screen: ")
    with contextlib.closing(sqlite3.connect(site.folder / "shop.db")) as shop, shop:
        shop.execute("DELETE FROM bookings WHERE id = ?", (row["id"],))
    ((level, says),) = about_it(site.run(*TAKE))
    assert level == "good"
    assert says.startswith(f"row {row['id']} no longer stands in the shop as a booking to come. Made with it")


def test_one_that_stands_is_told_and_no_second_is_made(site: Installation) -> None:
    site.run(*PUT)
    for words in (PUT, ("check",)):
        ((level, says),) = about_it(site.run(*words))
        assert level == "warning"
        assert "may still stand in the shop: look at it on the shop's own screen, then `repairy-sync check" in says
    assert len(made_up(site)) == 1


def test_a_create_that_the_shop_refuses_is_an_error_and_leaves_nothing(site: Installation) -> None:
    with contextlib.closing(sqlite3.connect(site.folder / "shop.db")) as shop, shop:
        shop.execute("CREATE TRIGGER no BEFORE INSERT ON bookings BEGIN SELECT RAISE(ABORT, 'no bay'); END")
    said = site.run(*PUT)
    assert said.code == 1
    ((level, says),) = about_it(said)
    assert (level, says) == (
        "error",
        "it could not be put into the shop, and so could no booking made online: the shop's database refused it: no bay",
    )
    assert about_it(site.run("check")) == []


def test_a_mode_that_writes_nothing_to_the_shop_puts_none_in(site: Installation) -> None:
    site.configure(mode="to-repairy")
    before = site.shop_digest()
    assert about_it(site.run(*PUT)) == [("error", "mode to-repairy writes nothing to the shop")]
    assert site.shop_digest() == before


def test_in_observe_it_is_put_in_as_it_was_asked_for(site: Installation) -> None:
    site.configure(mode="observe")
    assert site.run(*PUT).code == 0
    assert len(made_up(site)) == 1


def test_an_installation_that_was_exported_puts_none_in(site: Installation) -> None:
    site.run("sync")
    assert site.run("export", str(site.folder / "box")).code == 0
    before = site.shop_digest()
    assert site.run(*PUT).code == 78
    assert site.shop_digest() == before


def test_remove_alone_is_a_mistake(site: Installation) -> None:
    said = site.run("check", "--remove")
    assert said.code == 2
    assert "--remove goes with --test-booking" in said.err


def test_a_customer_who_gets_its_number_is_a_customer(site: Installation) -> None:
    """The row was deleted by hand, and the shop gave its number to the next: neither left alone nor cancelled."""
    site.run("sync")
    site.run(*PUT)
    site.run("sync")
    (row,) = made_up(site)
    with contextlib.closing(sqlite3.connect(site.folder / "shop.db")) as shop, shop:
        shop.execute("DELETE FROM bookings WHERE id = ?", (row["id"],))
    site.office.book(45, site.office.at(5, 9))
    assert site.row(45)["id"] == row["id"]
    ((level, says),) = about_it(site.run(*TAKE))
    assert level == "good"
    assert says.startswith(f"row {row['id']} no longer stands in the shop as a booking to come")
    assert site.row(45)["label"] == "Booked in"
    site.run("sync")
    assert [one["car"]["rego"] for one in site.bookings()] == ["AAA045"]


def test_a_shop_that_shows_no_plate_gets_none(site: Installation) -> None:
    """It could not be told from a customer's."""
    text = (CONFIG / "profiles" / "demo.toml").read_text(encoding="utf-8").replace("v.plate AS rego, ", "")
    (site.folder / "own.toml").write_text(text, encoding="utf-8")
    site.configure(profile="own.toml")
    before = site.shop_digest()
    ((level, says),) = about_it(site.run(*PUT))
    assert (level, says) == ("error", "the profile's SELECT shows no `rego`, so it could not be told from a customer's booking")
    assert site.shop_digest() == before
