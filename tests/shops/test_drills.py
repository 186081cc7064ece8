"""What befalls a shop's database over the years, to every layout that has a place for it: nothing is lost, nothing is doubled.

A layout without such a thing says why, in its table `absent`; `has` asserts that it does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from sync.sandbox.faults import Fault
from tests.shops.program import ACTS, DRILLS, ZONE, NotThere, Program, plate
from tests.shops.site import Site, at_work, soon, utc

pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]

WIDE = '[schedule]\nwindow_future = "400d"'  # two days on which clocks change lie within it
WITHIN = 20.0
# How each drill is begun: asked of layouts that say they have no place for it.
BEGIN: dict[str, Callable[[Program], object]] = {
    "rename_column": lambda shop: shop.rename_column(),
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


def test_a_renamed_column_stops_all_writing_and_is_named(busy: Site) -> None:
    if not has(busy.program, "rename_column"):
        return
    booking, writes = busy.bookings()[0], busy.writes
    old, new = busy.program.rename_column()
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
    """While Repairy is slow to answer, staff write: no lock of ours is held across a call."""
    keys = [key for one in busy.bookings()[:4] for key in busy.program.keys_of(str(one["car"]["rego"]))]
    for key in keys:
        busy.program.move(key, soon(8, 10))
    for one in busy.bookings()[4:8]:
        busy.edit(str(one["id"]), bookingTime=utc(soon(8, 15)))
    with busy.sandbox.lock:
        busy.sandbox.partner.faults.append(Fault("slow", times=6, seconds=0.3))
    passing = threading.Thread(target=busy.run, args=("sync",))
    passing.start()
    waited = []
    while passing.is_alive():
        began = time.monotonic()
        busy.program.move(keys[0], soon(8, 11))
        waited.append(time.monotonic() - began)
        passing.join(0.05)
    assert len(waited) > 2
    assert max(waited) < 1.0


def test_both_days_on_which_clocks_change_keep_the_time_on_the_wall(site: Site) -> None:
    """Sydney's: the hour that happens twice is the earlier, the one that does not exist is an hour later."""
    site.configure(safety=WIDE)
    days = list(islice(clock_changes(datetime.now(ZONE)), 2))
    walls = [day.replace(hour=hour, minute=30) + timedelta(days=later) for day in days for later, hour in HOURS]
    keys = {number: site.program.book(number, wall) for number, wall in enumerate(walls, 910)}
    site.begin()
    assert {number: site.at_repairy(number)["bookingTime"] for number in keys} == {
        number: utc(wall) for number, wall in enumerate(walls, 910)
    }
    site.edit(str(site.at_repairy(910)["id"]), bookingTime=utc(days[0].replace(hour=14)))
    site.edit(str(site.at_repairy(911)["id"]), bookingTime=utc(days[1].replace(hour=8)))
    site.sync()
    if "move" in site.program.can:
        shown = [site.program.row(keys[number]) for number in (910, 911)]
        assert [row and row.start for row in shown] == [days[0].replace(hour=14), days[1].replace(hour=8)]
    writes = site.writes
    assert [one for one in site.sync()["actions"] if one["outcome"]] == []
    assert site.writes == writes


HOURS = ((-1, 16), (0, 2), (0, 9), (1, 7))  # the day before, the hour of the change, that morning, the day after


def clock_changes(now: datetime) -> Iterator[datetime]:
    """The days to come whose end is not as far from UTC as their beginning: one in autumn, one in spring."""
    for later in range(1, 380):
        day = (now + timedelta(days=later)).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        offsets = {(day + timedelta(hours=hour)).replace(tzinfo=ZONE).utcoffset() for hour in (0, 23)}
        if len(offsets) == 2:
            yield day


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
