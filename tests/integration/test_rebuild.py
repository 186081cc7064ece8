"""A state that was lost or damaged: found, told, moved aside, and rebuilt without a write or a message to anybody."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sync.machine import SystemClock
from sync.sandbox.faults import Fault
from sync.state.health import damage
from sync.state.lease import acquire
from tests.integration.installation import Installation, installed

pytestmark = pytest.mark.soak

OPEN = 40
LINKS = OPEN + 1  # with the one booked online


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path) as made:
        yield made


@pytest.fixture
def lived(site: Installation) -> Installation:
    """A backfill, an online booking, an edit, and a car that was ready, of which the customer was told."""
    assert site.run("backfill", "--nothing-at-repairy").code == 0
    site.configure(visible='["done"]')
    site.office.status(2, "Ready")
    site.office.note(3, "one line")
    site.tell(site.book_online(55, site.office.at(3, 9)))
    assert site.run("sync").code == 0
    assert site.messages().count("done") == 1
    return site


def lose(site: Installation) -> None:
    (site.folder / "state.db").unlink()


def entries(site: Installation) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (site.folder / "journal.jsonl").read_text(encoding="utf-8").splitlines()]


def add_line(site: Installation, **facts: Any) -> None:
    with (site.folder / "journal.jsonl").open("a", encoding="utf-8") as journal:
        journal.write(json.dumps({"workshop": "Northside", **facts}) + "\n")


def sides(site: Installation) -> tuple[str, str, list[str]]:
    """All that stands on both sides, and what was messaged."""
    return site.shop_digest(), json.dumps(site.bookings(), sort_keys=True, default=str), site.messages()


def report(site: Installation) -> Any:
    said = site.run("rebuild")
    return said.json["workshops"][0]


def rebuilt(site: Installation) -> Any:
    said = site.run("rebuild", "--apply", report(site)["digest"])
    assert said.code in (0, 3), said.err
    return said.json["workshops"][0]


# -- found


@pytest.mark.parametrize("word", ["sync", "plan", "backfill", "status", "migrate", "run"])
def test_nothing_begins_anew_where_the_journal_tells_of_links(lived: Installation, word: str) -> None:
    before = sides(lived)
    lose(lived)
    said = lived.run(word)
    assert said.code == 1
    assert "repairy-sync rebuild" in said.err
    assert sides(lived) == before
    assert not (lived.folder / "state.db").exists()


def test_a_state_that_was_emptied_is_lost_too(lived: Installation) -> None:
    (lived.folder / "state.db").write_bytes(b"")
    said = lived.run("sync")
    assert said.code == 1
    assert "repairy-sync rebuild" in said.err


def test_check_finds_a_lost_state(lived: Installation) -> None:
    lose(lived)
    said = lived.run("check", "--offline")
    assert said.code == 1
    assert any(one["level"] == "error" and "rebuild" in one["says"] for one in said.json["findings"])


def test_a_fresh_installation_is_not_a_lost_one(site: Installation) -> None:
    assert site.run("rebuild").json["workshops"][0]["actions"] == []
    assert site.run("sync").code == 0


def overwrite(file: Path, at: int, with_what: bytes) -> None:
    with file.open("r+b") as opened:
        opened.seek(at)
        opened.write(with_what)


def misname(file: Path) -> None:
    """A booking's id at Repairy, one bit of it: SQLite's own check sees nothing."""
    with closing(sqlite3.connect(file)) as state:
        ((id,),) = state.execute("SELECT repairy_id FROM booking_link WHERE reference = 'NS-1'")
    raw = file.read_bytes()
    other = bytes([id.encode()[0] ^ 1]) + id.encode()[1:]
    file.write_bytes(raw.replace(id.encode(), other))
    with closing(sqlite3.connect(file)) as state:
        assert state.execute("PRAGMA quick_check").fetchone() == ("ok",)


DAMAGES = {
    "no database": lambda file: file.write_bytes(b"not a database " * 1000),
    "head": lambda file: overwrite(file, 0, b"\x00" * 32),
    "pages": lambda file: overwrite(file, 8192, b"\xff" * 4096),
    "cut off": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "a bit of an id": misname,
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_state_is_moved_aside_never_deleted(lived: Installation, name: str) -> None:
    file, before = lived.folder / "state.db", sides(lived)
    DAMAGES[name](file)
    raw = file.read_bytes()
    assert lived.run("check", "--offline").code == 1
    said = lived.run("sync")
    assert said.code == 1
    assert "damaged" in said.err
    (aside,) = lived.folder.glob("state.db.damaged-*")
    assert aside.read_bytes() == raw
    assert not file.exists()
    assert sides(lived) == before


def test_a_damaged_state_is_rebuilt_in_one_go(lived: Installation) -> None:
    """The report moves nothing; --apply moves the file aside itself."""
    DAMAGES["pages"](lived.folder / "state.db")
    planned = report(lived)
    assert not list(lived.folder.glob("state.db.damaged-*"))
    assert lived.run("rebuild", "--apply", planned["digest"]).code == 0
    assert list(lived.folder.glob("state.db.damaged-*"))
    assert lived.run("sync").json["workshops"][0]["actions"] == []


def test_a_file_in_use_elsewhere_is_not_moved(lived: Installation) -> None:
    DAMAGES["pages"](lived.folder / "state.db")
    with acquire(f"sqlite:///{lived.folder / 'state.db'}", "Northside", "run", SystemClock()):
        assert lived.run("sync").code == 75
    assert not list(lived.folder.glob("state.db.damaged-*"))


def test_a_sound_state_is_never_called_damaged(lived: Installation) -> None:
    """After everything that the fixture did: edits, holds, events, intents."""
    lived.office.move(4, lived.office.at(5, 9))
    lived.run("sync")
    assert damage(f"sqlite:///{lived.folder / 'state.db'}", entries(lived)) == ""


def test_more_flipped_bits_are_found_than_sqlite_finds(lived: Installation) -> None:
    """In the texts of rows SQLite's own check finds none."""
    raw, file, dice = (lived.folder / "state.db").read_bytes(), lived.folder / "flipped.db", random.Random(1)
    found, sqlites = 0, 0
    places = [at for at in range(len(raw)) if raw[at]]  # what is not empty
    for at in dice.sample(places, 60):
        file.write_bytes(raw[:at] + bytes([raw[at] ^ (1 << dice.randrange(8))]) + raw[at + 1 :])
        found += bool(damage(f"sqlite:///{file}", entries(lived)))
        sqlites += _sqlite_finds(file)
    assert found > sqlites


def _sqlite_finds(file: Path) -> bool:
    with closing(sqlite3.connect(file)) as state:
        try:
            return bool(state.execute("PRAGMA integrity_check").fetchone() != ("ok",))
        except sqlite3.DatabaseError:
            return True


# -- rebuilt


def test_rebuild_reports_first_and_writes_nothing(lived: Installation) -> None:
    before = sides(lived)
    lose(lived)
    planned = report(lived)
    assert {(one["side"], one["kind"], one["outcome"]) for one in planned["actions"]} == {(None, "link", None)}
    assert len(planned["actions"]) == LINKS
    assert set(planned) == {"name", "actions", "waiting", "noted", "held", "digest"}
    assert not (lived.folder / "state.db").exists()
    assert sides(lived) == before


def test_rebuild_acts_only_on_what_was_reported(lived: Installation) -> None:
    lose(lived)
    said = lived.run("rebuild", "--apply", "000000000000")
    assert said.code == 1
    assert report(lived)["digest"] in said.err
    assert not (lived.folder / "state.db").exists()


def test_after_a_rebuild_all_is_quiet_and_linked(lived: Installation) -> None:
    before = sides(lived)
    lose(lived)
    assert {one["outcome"] for one in rebuilt(lived)["actions"]} == {"accepted"}
    said = lived.run("sync")
    assert said.code == 0
    assert said.json["workshops"][0]["actions"] == []
    assert sides(lived) == before
    assert lived.run("rebuild").json["workshops"][0]["actions"] == []
    for number in range(1, OPEN + 1):
        shown = lived.run("show", f"NS-{number}").json
        assert shown["repairy_id"] == lived.id_of(number)
        assert shown["shop_base"]["rego"] == shown["repairy_base"]["rego"]


def test_after_a_rebuild_edits_go_across_again(lived: Installation) -> None:
    lose(lived)
    rebuilt(lived)
    lived.run("sync")
    lived.office.note(5, "after the rebuild")
    assert lived.run("sync").code == 0
    assert lived.booking(5)["jobNotes"] == "after the rebuild"


def test_done_goes_once_for_ever_also_after_a_rebuild(lived: Installation) -> None:
    """Both sides are opened again, and the car is ready again."""
    lose(lived)
    rebuilt(lived)
    lived.run("sync")
    two = lived.id_of(2)
    with lived.sandbox.lock:
        lived.sandbox.partner.bookings[two]["status"] = "pending"
    lived.tell(two, "bookingUpdated")
    lived.office.status(2, "Booked in")
    lived.run("sync")
    lived.office.status(2, "Ready")
    lived.run("sync")
    assert lived.messages().count("done") == 1
    assert lived.run("show", "NS-2").json["visible"] == ["done"]


def test_a_create_that_was_sent_is_repeated_silently(site: Installation) -> None:
    """Its answer was lost with the state: there is one booking, and it is linked."""
    with site.sandbox.lock:
        site.sandbox.partner.faults = [Fault("lost_answer", times=3, operation="create", after=10)]
    site.run("backfill", "--nothing-at-repairy")
    with site.sandbox.lock:
        site.sandbox.partner.faults = []
    lose(site)
    planned = report(site)
    assert [one["side"] for one in planned["actions"]].count("repairy") == 3
    rebuilt(site)
    site.run("sync")
    plates = [one["car"]["rego"] for one in site.bookings()]
    assert len(plates) == len(set(plates)) == OPEN
    assert site.messages() == []
    assert site.run("rebuild").json["workshops"][0]["actions"] == []


def test_creates_are_not_repeated_where_silence_is_only_assumed(lived: Installation) -> None:
    add_line(lived, kind="reference", reference="NS-61", shop_key="61", op="1")
    lived.office.book(56, lived.office.at(4, 9))
    key = str(lived.row(56)["id"])
    add_line(lived, kind="reference", reference=f"NS-{key}", shop_key=key, op="2")
    lose(lived)
    lived.contract("")
    writes = lived.writes
    said = lived.run("rebuild", "--apply", report(lived)["digest"])
    assert said.code == 78
    assert "silence.create" in said.err
    assert lived.writes == writes
    assert lived.run("sync").code in (0, 3)
    assert lived.writes == writes


def test_a_create_whose_row_is_over_is_held(lived: Installation) -> None:
    """Whether it is at Repairy cannot be told without making it."""
    add_line(lived, kind="reference", reference="NS-41", shop_key="41", op="1")
    lose(lived)
    (held,) = rebuilt(lived)["held"]
    assert "NS-41" in held["reason"]
    assert lived.run("sync").code == 3


def test_a_row_that_is_gone_is_held_never_cancelled(lived: Installation) -> None:
    lived.configure(safety='missing_row = "cancel"', visible='["done", "cancelled"]')
    lose(lived)
    with closing(sqlite3.connect(lived.folder / "shop.db")) as shop, shop:
        shop.execute("DELETE FROM bookings WHERE id = 7")
    rebuilt(lived)
    said = lived.run("sync")
    assert said.code == 3
    assert [one["reference"] for one in said.json["workshops"][0]["held"]] == ["NS-7"]
    assert lived.booking(7)["status"] == "pending"


def test_a_message_that_may_have_gone_out_is_looked_for_never_sent_again(lived: Installation) -> None:
    """The journal says that `done` was about to be sent, and nothing of what came of it."""
    lived.office.status(6, "Ready")
    six = {"reference": "NS-6", "repairy_id": lived.id_of(6)}
    after = {"groups": ["status"], "visible": ["done"], "fields": {"status": "done"}}
    add_line(lived, kind="sending", op="abc", action="done", **six, **after)
    lose(lived)
    rebuilt(lived)
    said = lived.run("sync")
    assert any(one["reference"] == "NS-6" for one in said.json["workshops"][0]["waiting"])
    assert lived.messages().count("done") == 1


def test_rows_name_their_bookings_where_the_journal_is_lost_too(lived: Installation) -> None:
    before = sides(lived)
    lose(lived)
    (lived.folder / "journal.jsonl").unlink()
    assert len(report(lived)["actions"]) == LINKS
    rebuilt(lived)
    assert lived.run("sync").json["workshops"][0]["actions"] == []
    assert sides(lived) == before
    assert len([one for one in entries(lived) if one["kind"] == "link"]) >= LINKS


def test_a_lost_journal_is_written_again_from_the_state(lived: Installation) -> None:
    (lived.folder / "journal.jsonl").unlink()
    assert lived.run("sync").code == 0
    lose(lived)
    assert len(report(lived)["actions"]) == LINKS


def test_rebuild_needs_the_lease(lived: Installation) -> None:
    lose(lived)
    digest = report(lived)["digest"]
    with acquire(f"sqlite:///{lived.folder / 'state.db'}", "Northside", "run", SystemClock()):
        assert lived.run("rebuild", "--apply", digest).code == 75


def test_the_journal_holds_nothing_of_a_customer(lived: Installation) -> None:
    text = (lived.folder / "journal.jsonl").read_text(encoding="utf-8")
    assert "NS-2" in text
    assert not any(word in text for word in ("AAA", "0400", "Customer", "example.com", "one line"))
