"""A shop that was restored from a backup, another database, another workshop: nothing is written until a person decided.

The shop's real file is copied, worked on, and put back; both sides are read directly.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.installation import Installation, Said, installed

pytestmark = pytest.mark.soak


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path) as made:
        made.run("backfill", "--nothing-at-repairy")
        made.run("sync")
        yield made


def backup(site: Installation) -> None:
    shutil.copy(site.folder / "shop.db", site.folder / "backup.db")


def restore(site: Installation) -> None:
    shutil.copy(site.folder / "backup.db", site.folder / "shop.db")


def execute(site: Installation, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(site.folder / "shop.db")) as shop, shop:
        for one in statements:
            shop.execute(one)


def passes(site: Installation, times: int = 3) -> Said:
    """Over the quarantine of two seconds, which is the machine's own time here."""
    for _ in range(times):
        said = site.run("sync")
        threading.Event().wait(1.2)
    return said


@pytest.fixture
def restored(site: Installation) -> Installation:
    """Two edits and one booking made online came after the backup, and were in step."""
    backup(site)
    site.office.note(3, "after the backup")
    site.office.job(4, "Gearbox")
    online = site.book_online(55, site.office.at(3, 9))
    site.tell(online)
    site.run("sync")
    assert site.booking(3)["jobNotes"] == "after the backup"
    assert site.row(55)["online_ref"] == online
    restore(site)
    return site


def test_it_is_held_as_one_plan_and_nothing_is_written_either_way(restored: Installation) -> None:
    shop, writes = restored.shop_digest(), restored.writes
    said = restored.run("sync")
    restored.office.note(9, "a new edit")
    shop = restored.shop_digest()
    assert passes(restored).code == 3
    assert said.code == 3
    (plan,) = restored.run("held").json["plans"]
    assert plan["kind"] == "restored"
    assert "restored from a backup" in plan["reason"]
    assert (restored.shop_digest(), restored.writes) == (shop, writes)


def test_it_needs_a_side_to_be_approved(restored: Installation) -> None:
    restored.run("sync")
    (plan,) = restored.run("held").json["plans"]
    assert restored.run("approve", plan["digest"]).code == 1
    restored.run("sync")
    assert restored.run("held").json["plans"] == [plan]


def test_repairys_values_are_written_back_and_rows_gone_inserted_again(restored: Installation) -> None:
    restored.run("sync")
    (plan,) = restored.run("held").json["plans"]
    assert restored.run("approve", plan["digest"], "--use", "repairy").code == 0
    passes(restored)
    assert restored.row(3)["notes"] == "after the backup"
    assert restored.row(4)["job"] == "Gearbox"
    assert restored.row(55)["online_ref"] == restored.id_of(55)
    assert restored.booking(3)["jobNotes"] == "after the backup"
    assert [one["car"]["rego"] for one in restored.bookings()].count("AAA055") == 1
    assert restored.run("sync").json["workshops"][0]["actions"] == []
    assert restored.run("held").json == {"held": [], "plans": []}


def test_the_shops_rows_are_merged_as_any_edit_and_a_row_gone_goes_to_a_person(restored: Installation) -> None:
    restored.run("sync")
    (plan,) = restored.run("held").json["plans"]
    assert restored.run("approve", plan["digest"], "--use", "shop").code == 0
    passes(restored)
    assert not restored.booking(3)["jobNotes"]
    assert restored.booking(4)["productDescription"] == restored.row(4)["job"] != "Gearbox"
    assert restored.booking(55)["status"] == "pending"
    held = restored.run("held").json
    assert held["plans"] == []
    assert [one["repairy_id"] for one in held["held"]] == [restored.id_of(55)]


def test_putting_the_right_file_back_ends_it(site: Installation) -> None:
    backup(site)
    for number in (3, 4, 5):
        site.office.note(number, "after the backup")
    site.run("sync")
    shutil.copy(site.folder / "shop.db", site.folder / "right.db")
    restore(site)
    assert site.run("sync").code == 3
    shutil.copy(site.folder / "right.db", site.folder / "shop.db")
    assert site.run("sync").code == 0
    assert site.run("held").json == {"held": [], "plans": []}
    assert site.run("sync").json["workshops"][0]["actions"] == []


def test_keys_given_anew_after_the_restore_are_seen(site: Installation) -> None:
    backup(site)
    for number in (56, 57, 58):
        site.office.book(number, site.office.at(4, 9))
    site.run("sync")
    writes = site.writes
    restore(site)
    for number in (65, 66, 67):
        site.office.book(number, site.office.at(6, 11))
    assert site.run("sync").code == 3
    assert [one["kind"] for one in site.run("held").json["plans"]] == ["restored"]
    assert site.writes == writes


def test_two_undone_edits_are_an_ordinary_afternoon(site: Installation) -> None:
    for number in (3, 4):
        site.office.job(number, "Second thoughts")
    site.run("sync")
    for number in (3, 4):
        execute(site, f"UPDATE bookings SET job = (SELECT job FROM bookings WHERE id = {number} + 4) WHERE id = {number}")
    assert site.run("sync").code == 0
    assert site.run("held").json["plans"] == []


def test_another_database_stops_the_writing_and_the_difference_is_named(site: Installation) -> None:
    execute(site, "ALTER TABLE bookings ADD COLUMN bay TEXT")
    site.office.note(3, "after the upgrade")
    writes = site.writes
    said = site.run("sync")
    assert said.code == 3
    assert "bay text" in said.json["workshops"][0]["held"][0]["reason"]
    assert site.writes == writes
    found = [one for one in site.run("check").json["findings"] if "approve" in one["says"]]
    assert [one["level"] for one in found] == ["error"]
    assert site.run("backfill", "--nothing-at-repairy").code == 1
    (plan,) = site.run("held").json["plans"]
    site.run("approve", plan["digest"])
    assert site.run("sync").code == 0
    assert site.booking(3)["jobNotes"] == "after the upgrade"


def test_an_upgrade_taken_back_ends_the_hold(site: Installation) -> None:
    backup(site)
    execute(site, "ALTER TABLE bookings ADD COLUMN bay TEXT")
    assert site.run("sync").code == 3
    restore(site)
    assert site.run("sync").code == 0
    assert site.run("held").json["plans"] == []


def test_another_workshop_stops_the_writing(site: Installation) -> None:
    right = site.folder / "repairy-sync.toml"
    text = right.read_text(encoding="utf-8")
    site.office.note(3, "for the first workshop")
    writes = site.writes
    right.write_text(text.replace('id = "', 'id = "0'), encoding="utf-8")
    said = site.run("sync")
    assert said.code == 3
    assert "another workshop" in said.json["workshops"][0]["held"][0]["reason"]
    assert site.writes == writes
    right.write_text(text, encoding="utf-8")
    assert site.run("sync").code == 0
    assert site.booking(3)["jobNotes"] == "for the first workshop"


def test_a_booking_that_belongs_to_another_workshop_is_not_written(site: Installation) -> None:
    three = site.id_of(3)
    with site.sandbox.lock:
        site.sandbox.partner.bookings[three]["workshopId"] = "somebody-else"
    writes = site.writes
    site.office.note(3, "for our own")
    for _ in range(2):  # seen twice, a quarantine apart
        site.tell(three, "bookingUpdated")
        passes(site, 2)
    assert site.writes == writes
    assert [one["reference"] for one in site.run("held").json["held"]] == ["NS-3"]
