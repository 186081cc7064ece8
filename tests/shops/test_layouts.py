"""Every layout with its shipped profile: what was there before, what staff do, what customers do, and then nothing more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from tests.shops.program import NotThere, Program, Row, email, plate
from tests.shops.site import Site, soon, utc, workshop

pytestmark = pytest.mark.soak

DAYS = 11  # of the population's coming days, five bookings each


def test_what_was_there_is_pushed_and_nothing_else(site: Site) -> None:
    """Of 2,000 bookings the open ones of the days asked for: no placeholder, no other branch, none that is over; silently.

    A row that nobody can understand is told of, and the others go on."""
    went = site.program.populate(2_000, 7)
    until = soon(DAYS, 0)
    did = workshop(site.run("backfill", "--nothing-at-repairy", "--until", until.date().isoformat()))
    coming = [one for one in went if soon(1, 0) <= one.start < until + timedelta(days=1)]
    wanted = {plate(one.number): (utc(one.start), one.status) for one in coming if site.program.reaches(one)}
    assert {one["car"]["rego"]: (one["bookingTime"], one["status"]) for one in site.bookings()} == wanted
    assert {status for _, status in wanted.values()} == {"pending", "processing"}
    assert len(wanted) > DAYS * 3
    assert (did["held"], site.messages()) == ([], [])
    writes = site.writes
    site.tonight()
    said = site.sync()
    assert (said["actions"], site.writes) == ([], writes)
    odd = sum(one.trait == "unreadable" and one.start > soon(0) for one in went)
    told = [one["reason"] for one in said["noted"] if "cannot be understood" in one["reason"]]
    assert [one.partition(" ")[0] for one in told] == ([str(odd)] if odd else [])
    assert bool(odd) == ("unreadable" in site.program.traits)


# What a booking shows at Repairy after an act of the shop's staff, and its status then, in the order of a day. Comments of one
# layout need work begun.
STAFF: tuple[tuple[str, Callable[[Program, str], None], str, str, str], ...] = (
    ("move", lambda shop, key: shop.move(key, soon(4, 14)), "bookingTime", utc(soon(4, 14)), "pending"),
    ("start", lambda shop, key: shop.start(key), "status", "processing", "processing"),
    ("note", lambda shop, key: shop.note(key, "New tyres soon"), "jobNotes", "New tyres soon", "processing"),
    ("finish", lambda shop, key: shop.finish(key), "status", "done", "done"),
)


def test_what_staff_do_reaches_repairy(site: Site) -> None:
    site.sync()
    key = site.program.book(901, soon(3))
    site.sync()
    booked = site.at_repairy(901)
    assert (booked["bookingTime"], booked["status"]) == (utc(soon(3)), "pending")
    assert (booked["customer"]["phone"], booked["customer"]["email"]) == ("0400000901", email(901))
    for act, do, name, shown, status in STAFF:
        assert act not in site.program.absent
        do(site.program, key)
        site.sync()
        there = site.at_repairy(901)
        assert (act, there[name], there["status"]) == (act, shown, status)
    quiet(site)
    assert site.messages() == ["moved", "done"]


def test_a_booking_that_staff_cancel_is_cancelled_at_repairy(site: Site) -> None:
    """Where the shop's program has such a thing; a deleted row says nothing (`test_drills`)."""
    key = site.program.book(901, soon(3))
    if "cancel" in site.program.absent:
        with pytest.raises(NotThere):
            site.program.cancel(key)
        assert site.program.absent["cancel"].endswith("a missing row is no cancellation")
        return
    site.begin()
    site.program.cancel(key)
    quiet(site)
    assert site.at_repairy(901)["status"] == "cancelled"


# What the shop's row shows after an act at Repairy, and what the reason ends in where it cannot be written.
ONLINE: tuple[tuple[str, Mapping[str, str], str, object, str], ...] = (
    ("move", {"bookingTime": utc(soon(4, 14))}, "start", soon(4, 14), "starts_at"),
    ("start", {"status": "processing"}, "status", "processing", "processing"),
    ("note", {"jobNotes": "Please call first"}, "notes", "Please call first", "job_notes"),
    ("finish", {"status": "done"}, "status", "done", "done"),
)


def test_what_is_done_online_reaches_the_shop_or_is_noted(site: Site) -> None:
    booking, key = in_both(site, 902)
    for act, wire, name, shown, what in ONLINE:
        before = site.program.row(key)
        site.edit(booking, **wire)
        said = site.sync()
        after = site.program.row(key)
        if act in site.program.can:
            assert (act, getattr(after, name)) == (act, shown)
        else:
            assert (act, after) == (act, before)
            assert [one for one in reasons(said["noted"], key) if one.endswith(f" {what}")] == [reasons(said["noted"], key)[-1]]
    quiet(site)


def test_a_booking_made_online_is_made_in_the_shop_or_is_noted(site: Site) -> None:
    site.sync()
    booking = site.online(903, soon(5))
    site.tell(booking)
    said = quiet(site)
    keys = site.program.keys_of(plate(903))
    if "create" not in site.program.can:
        assert keys == []
        assert [one["reason"] for one in said["noted"] if one["repairy_id"] == booking] == ["the shop takes no new bookings here"]
        return
    (row,) = [site.program.row(key) for key in keys]
    assert row is not None
    assert (row.status, row.start, phoned(row)) == ("pending", soon(5), "0400000903")


def test_bookings_known_to_be_at_repairy_are_paired_or_made_in_the_shop(site: Site) -> None:
    """`backfill --known`: what staff had written down too is one booking, the others are made, once; else they are told."""
    key = site.program.book(906, soon(3))
    ids = [site.online(number, soon(3)) for number in (906, 907, 908)]
    known = site.folder / "known.csv"
    known.write_text("\n".join(["repairy_id", *ids]), encoding="utf-8")
    said = workshop(site.run("backfill", "--known", str(known)))
    assert site.program.keys_of(plate(906)) == [key]
    assert [one["id"] for one in site.bookings()] == ids
    made = [[site.program.row(key) for key in site.program.keys_of(plate(number))] for number in (907, 908)]
    if "create" in site.program.can:
        shown = [(row.status, row.start, phoned(row)) for rows in made for row in rows if row]
        assert shown == [("pending", soon(3), "0400000907"), ("pending", soon(3), "0400000908")]
        assert said["held"] == []
    else:
        assert made == [[], []]
        assert {one["repairy_id"] for one in said["noted"]} >= set(ids[1:])
    before = site.writes
    assert workshop(site.run("backfill", "--known", str(known)))["actions"] == []
    assert (site.writes, site.messages()) == (before, ["created"] * 3)  # to those who booked, by Repairy itself
    assert [site.program.keys_of(plate(number)) for number in (906, 907, 908)] == [
        [key], *([row.key for row in rows if row] for rows in made)
    ]  # fmt: skip


def test_an_online_cancellation_is_written_or_held(site: Site) -> None:
    booking, key = in_both(site, 904)
    site.edit(booking, status="cancelled")
    said = quiet(site)
    row = site.program.row(key)
    if "cancel" in site.program.can:
        assert row is None or row.status == "cancelled"
        assert said["held"] == []
    else:
        assert row is not None
        assert row.status == "pending"
        assert [one["shop_key"] for one in said["held"]] == [key]
        assert "cancel" in said["held"][0]["reason"]


def test_check_finds_nothing_wrong_with_the_profile(site: Site) -> None:
    site.program.populate(200, 3)
    said = site.run("check")
    assert [one for one in said.json["findings"] if one["level"] not in ("good", "warning")] == []
    assert said.code == 0


def quiet(site: Site) -> dict[str, Any]:
    """A pass, and another that has nothing left to do."""
    said = site.sync()
    writes = site.writes
    assert [one for one in site.sync()["actions"] if one["outcome"]] == []
    assert site.writes == writes
    return said


def in_both(site: Site, number: int) -> tuple[str, str]:
    """A booking that stands on both sides, and another beside it: Repairy's id and the shop's key."""
    key = site.program.book(number, soon(3))
    site.program.book(number + 50, soon(6))
    site.begin()
    return str(site.at_repairy(number)["id"]), key


def reasons(told: list[Mapping[str, Any]], key: str) -> list[str]:
    """Of this booking, oldest first."""
    return [one["reason"] for one in told if one["shop_key"] == key]


def phoned(row: Row) -> str:
    return row.phone.replace(" ", "")
