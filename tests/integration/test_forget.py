"""Personal data goes from the state when it was asked to, and by the calendar; what prevents a repeat stays."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.demo.shop import email, name, phone, plate
from sync.machine import SystemClock
from sync.state.lease import acquire
from tests.integration.installation import Installation, installed


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path) as made:
        made.configure(visible='["done"]')
        made.run("backfill", "--nothing-at-repairy")
        made.run("sync")
        made.office.note(3, "Ring Customer Three first")
        made.office.note(4, "Another one's note")
        made.run("sync")
        yield made


def over(site: Installation, number: int) -> None:
    site.office.status(number, "Ready")
    site.run("sync")
    assert site.booking(number)["status"] == "done"


def known_of(site: Installation, number: int) -> list[str]:
    """What of a customer stands anywhere in the state's file, in its free pages too."""
    raw = b"".join(path.read_bytes() for path in (site.folder).glob("state.db*"))
    raw += (site.folder / "journal.jsonl").read_bytes()
    told = (name(number), phone(number), phone(number).replace(" ", ""), email(number), plate(number))
    return [text for text in told if text.encode() in raw]


def test_a_customer_is_erased_from_the_state(site: Installation) -> None:
    over(site, 3)
    assert known_of(site, 3)
    said = site.run("forget", "NS-3")
    assert said.code == 0
    assert said.json == {"forgotten": ["NS-3"], "done": True}
    assert [text for text in known_of(site, 3) if text != name(3)] == []
    assert known_of(site, 4)


def test_the_state_does_not_learn_it_again(site: Installation) -> None:
    """Neither from the next passes, nor from a sweep, an edit of the finished row or a late webhook."""
    over(site, 3)
    site.run("forget", "NS-3")
    site.office.note(3, "one more line")
    site.tell(site.id_of(3), "bookingUpdated")
    for _ in range(2):
        assert site.run("sync").code == 0
    with contextlib.closing(sqlite3.connect(site.folder / "state.db")) as state, state:
        state.execute("UPDATE workshop SET last_sweep = NULL")
    assert site.run("sync").code == 0
    assert [text for text in known_of(site, 3) if text != name(3)] == []


def test_what_prevents_a_repeat_stays(site: Installation) -> None:
    over(site, 3)
    site.run("forget", "NS-3")
    shown = site.run("show", "NS-3").json
    assert shown["visible"] == ["done"]
    assert (shown["shop_key"], shown["repairy_id"], shown["state"]) == ("3", site.id_of(3), "closed")
    assert shown["journal"][0]["kind"] == "create"
    writes, messages = site.writes, site.messages()
    site.office.status(3, "Collected")
    site.run("sync")
    site.run("backfill", "--nothing-at-repairy")
    assert (site.writes, site.messages()) == (writes, messages)


def test_it_is_refused_while_the_booking_is_open(site: Installation) -> None:
    said = site.run("forget", "NS-3")
    assert said.code == 1
    assert "NS-3" in said.err
    assert known_of(site, 3)


def test_it_is_refused_while_another_booking_of_the_customer_is_open(site: Installation) -> None:
    over(site, 3)
    site.office.book(3, site.office.at(4, 15))
    site.run("sync")
    assert site.run("forget", "NS-3").code == 1


def test_a_row_that_becomes_a_booking_again_is_another_one(site: Installation) -> None:
    over(site, 3)
    site.run("forget", "NS-3")
    site.office.status(3, "Booked in")
    site.office.move(3, site.office.at(4, 15))
    site.run("sync")
    again = [one for one in site.bookings() if one["externalId"] == "NS-3~2"]
    assert [one["status"] for one in again] == ["pending"]
    assert site.messages() == ["done"]


def test_where_the_daemon_holds_the_lease_it_does_it(site: Installation) -> None:
    over(site, 3)
    with acquire(f"sqlite:///{site.folder / 'state.db'}", "Northside", "run", SystemClock()):
        assert site.run("forget", "NS-3").json["done"] is False
    assert known_of(site, 3)
    site.run("sync")
    assert [text for text in known_of(site, 3) if text != name(3)] == []


def test_what_is_over_for_longer_than_the_retention_goes_with_the_sweep(site: Installation) -> None:
    """Booking 61 was over nine days before the first day, which is today or after a weekend."""
    assert known_of(site, 61)
    text = (site.folder / "repairy-sync.toml").read_text(encoding="utf-8")
    text = text.replace("[state]\n", '[state]\nretention = "6d"\n')
    (site.folder / "repairy-sync.toml").write_text(text, encoding="utf-8")
    with contextlib.closing(sqlite3.connect(site.folder / "state.db")) as state, state:
        state.execute("UPDATE workshop SET last_sweep = NULL")
    site.run("sync")
    assert [text for text in known_of(site, 61) if text != name(61)] == []
    assert known_of(site, 4)
