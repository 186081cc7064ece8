"""What befalls a shop's database over the years, to every layout that has a place for it: nothing is lost, nothing is doubled.

A layout without such a thing says why, in its table `absent`; `has` asserts that it does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sync.sandbox.faults import Fault
from tests.shops.program import ACTS, DRILLS, NotThere, Program, plate
from tests.shops.site import Site, at_work, soon, utc

pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]

WITHIN = 20.0
SLOW = 2.5  # seconds of an answer of Repairy's
# How each drill is begun: asked of layouts that say they have no place for it.
BEGIN: dict[str, Callable[[Program], object]] = {
    "rename_column": lambda shop: shop.rename_column(),
    "rename_written": lambda shop: shop.rename_written(),
    "purge": lambda shop: shop.purge(soon(0)),
    "hide_view": lambda shop: shop.hide_view(),
    "lock": lambda shop: shop.lock("1"),
    "unmapped_status": lambda shop: shop.unmapped_status("1"),
    "two_with_one_phone": lambda shop: shop.two_with_one_phone("0400 000 990"),
    "read_only_url": lambda shop: shop.read_only_url(),
}


def has(program: Program, drill: str) -> bool:
    """Whether the layout has a place for this; where not, it refuses with its reason."""
    if drill not in program.absent:
        return True
    with pytest.raises(NotThere) as refusal:
        BEGIN[drill](program)
    assert str(refusal.value) == program.absent[drill]
    return False


@pytest.fixture
def busy(site: Site) -> Site:
    """A dozen bookings to come, in step on both sides."""
    site.program.populate(24, 5)
    site.begin()
    assert len(site.bookings()) > 6
    return site


def test_what_a_layout_lacks_is_one_of_the_drills_or_acts(program: Program) -> None:
    assert BEGIN.keys() == set(DRILLS)
    assert program.absent.keys() <= {*DRILLS, *ACTS}
    assert all(program.absent.values())


@pytest.mark.parametrize("drill", ["rename_column", "rename_written"])
def test_a_renamed_column_stops_all_writing_and_is_named(busy: Site, drill: str) -> None:
    """One that the SELECT reads, so that it fails; or one of a statement's alone, so that it runs as before."""
    if not has(busy.program, drill):
        return
    booking, writes = busy.bookings()[0], busy.writes
    old, new = getattr(busy.program, drill)()
    busy.edit(str(booking["id"]), jobNotes="Please call first")
    said = busy.run("sync")
    assert said.code in (3, 75)
    assert written(said.json) == []
    assert busy.writes == writes
    (plan,) = busy.run("held").json["plans"]
    assert old.lower() in plan["reason"].lower()
    assert new.lower() in plan["reason"].lower()
    check = busy.run("check")
    assert check.code == 1
    assert old.lower() in check.out.lower()


def test_a_yearly_purge_cancels_nothing(busy: Site) -> None:
    """What is over goes without a word; of what is to come every booking is held, and stands at Repairy as it did."""
    if not has(busy.program, "purge"):
        return
    busy.program.purge(soon(0, 0))
    assert busy.sync()["held"] == []
    busy.program.purge(soon(2, 0))
    gone = [one["id"] for one in busy.bookings() if one["bookingTime"] < utc(soon(2, 0))]
    assert gone
    busy.tonight()  # a shop with stamps is asked for what is gone in the night's sweep only
    said = until(busy, lambda said: len(said["held"]) == len(gone))
    assert {one["repairy_id"] for one in said["held"]} == set(gone)
    assert {one["status"] for one in busy.bookings()} == {"pending"}
    assert busy.messages() == []


def test_rows_that_are_all_gone_are_no_reading(busy: Site) -> None:
    if not has(busy.program, "purge"):
        return
    writes = busy.writes
    busy.program.purge(soon(900))
    busy.tonight()
    assert busy.run("sync").code == 75
    assert (busy.writes, {one["status"] for one in busy.bookings()}) == (writes, {"pending"})


def test_a_view_that_vanishes_makes_no_plan_and_all_goes_on_when_it_is_back(busy: Site) -> None:
    if not has(busy.program, "hide_view"):
        return
    booking, writes = busy.bookings()[0], busy.writes
    busy.program.hide_view()
    said = busy.run("sync")
    assert said.code in (3, 75)
    assert (written(said.json), busy.writes) == ([], writes)
    busy.program.show_view()
    key = busy.program.book(905, soon(3))
    assert busy.sync()["held"] == []
    assert busy.at_repairy(905)["externalId"] == f"NS-{key}"
    assert busy.run("held").json == {"held": [], "plans": []}
    assert {one["status"] for one in busy.bookings()} == {"pending"}
    assert booking in busy.bookings()


def test_a_booking_that_the_shops_program_has_open_waits_and_is_written_when_it_is_closed(busy: Site) -> None:
    """Reading goes on beside it; what is to be written waits, and nothing of it is lost."""
    if not has(busy.program, "lock"):
        return
    booking = busy.bookings()[0]
    (key,) = busy.program.keys_of(str(booking["car"]["rego"]))
    before = busy.program.row(key)
    with busy.program.lock(key):
        busy.program.book(905, soon(3))
        busy.edit(str(booking["id"]), bookingTime=utc(soon(9, 14)))
        said = busy.sync()
        assert busy.program.row(key) == before
        assert busy.at_repairy(905)
        tried = [one["outcome"] for one in said["actions"] if one["shop_key"] == key]
        assert tried == (["not_sent"] if "move" in busy.program.can else [])
    if "move" in busy.program.can:
        busy.edit(str(booking["id"]), jobNotes="Anything new makes it due at once")
        busy.sync()
        after = busy.program.row(key)
        assert after is not None
        assert after.start == soon(9, 14)


def test_the_shops_program_is_never_kept_waiting(busy: Site) -> None:
    """While Repairy is slow to answer, staff save the very rows that we write: no lock of ours is held across a call.

    On Firebird others than those: of two who write one row there at a time, one is refused, whoever he is."""
    if not has(busy.program, "lock"):
        return
    theirs, ours = ([key_of(busy, one) for one in busy.bookings()[these]] for these in (slice(0, 4), slice(4, 8)))
    for key in theirs:
        busy.program.move(key, soon(8, 10))
    for one in busy.bookings()[4:8]:
        busy.edit(str(one["id"]), bookingTime=utc(soon(8, 15)))
    file = busy.folder / "repairy-sync.toml"
    patient = file.read_text(encoding="utf-8").replace('timeout = "1s"', 'timeout = "9s"').replace('= "2s"', '= "18s"')
    file.write_text(patient, encoding="utf-8")
    with busy.sandbox.lock:
        busy.sandbox.partner.faults.append(Fault("slow", times=8, seconds=SLOW))
    passing = threading.Thread(target=busy.run, args=("sync",))
    passing.start()
    waited = []
    while passing.is_alive():
        for key in theirs if busy.program.engine == "firebird" else (*ours, *theirs):
            began = time.monotonic()
            with busy.program.lock(key):
                pass
            waited.append(time.monotonic() - began)
        passing.join(0.02)
    assert len(waited) > 16
    assert max(waited) < SLOW - 0.5
    for one in busy.bookings()[4:8]:
        busy.edit(str(one["id"]), jobNotes="Anything new makes it due at once, where staff were first")
    busy.sync()
    if "move" in busy.program.can:
        assert {row.start for key in ours if (row := busy.program.row(key))} == {soon(8, 15)}


def key_of(site: Site, booking: dict[str, Any]) -> str:
    (key,) = site.program.keys_of(str(booking["car"]["rego"]))
    return key


def test_a_status_that_nobody_mapped_is_held_and_told_once(busy: Site) -> None:
    if not has(busy.program, "unmapped_status"):
        return
    writes = busy.writes
    keys = [key for one in busy.bookings()[:2] for key in busy.program.keys_of(str(one["car"]["rego"]))]
    words = {busy.program.unmapped_status(key) for key in keys}
    said = busy.sync()
    assert {one["shop_key"] for one in said["held"]} == set(keys)
    assert len({one["reason"] for one in said["held"]}) == len(words) == 1
    assert words.pop() in said["held"][0]["reason"]
    assert busy.writes == writes


def test_two_customers_with_one_phone_are_for_a_person_to_choose(busy: Site) -> None:
    if not has(busy.program, "two_with_one_phone"):
        return
    busy.program.two_with_one_phone("0400 000 990")
    booking = busy.online(930, soon(5), phone="0400 000 990")
    busy.tell(booking)
    said = busy.sync()
    assert busy.program.keys_of(plate(930)) == []
    assert [one["repairy_id"] for one in said["held"]] == [booking]
    assert "a person must choose" in said["held"][0]["reason"]
    assert busy.sync()["actions"] == []


def test_a_user_that_may_only_read_is_noted_and_is_no_failure(program: Program, tmp_path: Path) -> None:
    """Staff's changes go on to Repairy; what would be written into the shop is noted."""
    if not has(program, "read_only_url"):
        return
    with at_work(program, tmp_path) as site:
        site.configure(shop_url=program.read_only_url())
        key = program.book(901, soon(3))
        site.begin()
        booking = site.at_repairy(901)
        before = program.row(key)
        site.edit(str(booking["id"]), bookingTime=utc(soon(5)))
        said = site.run("sync")
        assert said.code == 0
        assert program.row(key) == before
        assert key in [one["shop_key"] for one in said.json["workshops"][0]["noted"]]
        assert written(site.run("sync").json) == []


def test_the_rights_that_a_mode_does_not_need_are_not_asked_for(program: Program, tmp_path: Path) -> None:
    """With a user that may only read, `check` names each right that is lacking where the mode writes to the shop, else none."""
    if not has(program, "read_only_url"):
        return
    with at_work(program, tmp_path) as site:
        site.configure(shop_url=program.read_only_url())
        told = [one["says"] for one in site.run("check").json["findings"] if one["level"] == "error"]
        assert len(told) >= len(program.can)
        assert all("give the database user of shop_url that right" in one for one in told)
        site.configure(mode="to-repairy")
        assert site.run("check").code == 0


def written(said: Any) -> list[dict[str, Any]]:
    return [one for one in said["workshops"][0]["actions"] if one["outcome"]]


def until(site: Site, happened: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Passes until it has: a row counts as missing only a quarantine after it was first found so."""
    end = datetime.now(UTC) + timedelta(seconds=WITHIN)
    said = site.sync()
    while not happened(said) and datetime.now(UTC) < end:
        time.sleep(0.5)
        said = site.sync()
    return said
