"""Every layout with its shipped profile: what was there before, what staff do, what customers do, and then nothing more."""

from __future__ import annotations

from datetime import timedelta

from tests.shops.program import plate
from tests.shops.site import Site, soon, utc, workshop

DAYS = 11  # of the population's coming days, five bookings each


def test_what_was_there_is_pushed_and_nothing_else(site: Site) -> None:
    """Of 2,000 bookings the open ones of the days asked for: no placeholder, no other branch, none that is over; silently."""
    went = site.program.populate(2_000, 7)
    until = soon(DAYS, 0)
    did = workshop(site.run("backfill", "--nothing-at-repairy", "--until", until.date().isoformat()))
    coming = [one for one in went if soon(1, 0) <= one.start < until + timedelta(days=1)]
    wanted = {plate(one.number): utc(one.start) for one in coming if site.program.reaches(one)}
    assert {one["car"]["rego"]: one["bookingTime"] for one in site.bookings()} == wanted
    assert len(wanted) > DAYS * 3
    assert (did["held"], site.messages()) == ([], [])
    writes = site.writes
    assert site.sync()["actions"] == []
    assert site.writes == writes
