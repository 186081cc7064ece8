"""Copies of the state: one a day, the newest kept; an older one put back sends nothing again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.installation import Installation, installed


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path) as made:
        made.configure(visible='["done", "moved"]')
        assert made.run("backfill", "--nothing-at-repairy").code == 0
        yield made


def copies(site: Installation) -> list[Path]:
    return sorted((site.folder / "backups").glob("state.db.*.bak"))


def keep(site: Installation) -> Path:
    return Path(shutil.copy(site.folder / "state.db", site.folder / "older.db"))


def put_back(site: Installation, copy: Path) -> None:
    shutil.copy(copy, site.folder / "state.db")


def test_one_copy_a_day(site: Installation) -> None:
    for _ in range(3):
        site.run("sync")
    (copy,) = copies(site)
    assert copy.stat().st_mode & 0o777 == 0o600


def test_the_newest_are_kept(site: Installation) -> None:
    folder = site.folder / "backups"
    folder.mkdir(exist_ok=True)
    for day in range(1, 10):
        file = folder / f"state.db.2020-01-0{day}.bak"
        file.write_bytes(b"")
        os.utime(file, (day, day))
    site.run("sync")
    names = [copy.name for copy in copies(site)]
    assert len(names) == 7
    assert names[0] == "state.db.2020-01-04.bak"


def test_a_copy_is_a_whole_state(site: Installation) -> None:
    site.run("sync")
    put_back(site, copies(site)[0])
    assert site.run("sync").json["workshops"][0]["actions"] == []


def test_a_damaged_state_is_not_copied(site: Installation) -> None:
    raw = bytearray((site.folder / "state.db").read_bytes())
    raw[8192:12288] = b"\xff" * 4096
    (site.folder / "state.db").write_bytes(raw)
    assert site.run("sync").code == 1
    assert copies(site) == []


def test_an_older_copy_books_nothing_twice(site: Installation) -> None:
    older = keep(site)
    site.office.book(56, site.office.at(4, 9))
    site.tell(site.book_online(55, site.office.at(3, 9)))
    site.run("sync")
    site.run("sync")
    writes, digest = site.writes, site.shop_digest()
    put_back(site, older)
    said = site.run("sync")
    assert said.code == 0
    assert said.json["workshops"][0]["actions"] == []
    assert (site.writes, site.shop_digest()) == (writes, digest)
    for number in (55, 56):
        assert site.run("show", site.id_of(number)).json["shop_key"] == str(site.row(number)["id"])


def test_an_older_copy_sends_no_message_twice(site: Installation) -> None:
    older = keep(site)
    site.office.status(2, "Ready")
    site.office.move(4, site.office.at(5, 9))
    site.run("sync")
    writes, messages = site.writes, site.messages()
    assert messages.count("done") == 1
    assert len(messages) == 2
    put_back(site, older)
    assert site.run("sync").code == 0
    assert (site.writes, site.messages()) == (writes, messages)
    assert "done" in site.run("show", "NS-2").json["visible"]


def test_done_is_not_sent_again_though_repairy_was_reopened(site: Installation) -> None:
    """What an older copy does not know the journal does."""
    older = keep(site)
    site.office.status(2, "Ready")
    site.run("sync")
    put_back(site, older)
    two = site.id_of(2)
    with site.sandbox.lock:
        site.sandbox.partner.bookings[two]["status"] = "pending"
    said = site.run("sync")
    assert said.code == 3
    assert [one["reference"] for one in said.json["workshops"][0]["held"]] == ["NS-2"]
    assert site.messages().count("done") == 1


def test_an_older_copy_from_before_a_backfill_is_lost_not_begun_anew(site: Installation) -> None:
    (site.folder / "state.db").unlink()
    assert site.run("sync").code == 1
    assert site.run("status").code == 1


def test_a_plan_on_an_older_copy_shows_what_sync_will_do(site: Installation) -> None:
    older = keep(site)
    site.office.book(56, site.office.at(4, 9))
    site.run("sync")
    put_back(site, older)
    assert site.run("plan").json["workshops"][0]["actions"] == []
