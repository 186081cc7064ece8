"""The demo, as an owner runs it: it agrees with itself, says so in its exit code, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from sync.demo import compare, judged, shop
from sync.demo.play import Morning
from sync.demo.stage import Broken, Stage

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Run:
    code: int
    said: str
    left: list[str]


def begun(home: Path) -> subprocess.Popen[str]:
    """`repairy-sync demo`, with everything it makes under one folder."""
    return subprocess.Popen(
        [sys.executable, "-m", "sync", "demo"], cwd=home, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "TMPDIR": str(home), "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run of the command, in an empty folder that is its temporary folder too."""
    home = tmp_path_factory.mktemp("demo")
    process = begun(home)
    said, _ = process.communicate(timeout=180)
    return Run(process.returncode, said, [each.name for each in home.iterdir()])


@pytest.mark.xdist_group("demo")  # one run for all of them
def test_a_morning_ends_in_agreement(run: Run) -> None:
    """Through an outage, a kill and edits on both sides, every field of every booking is the same on both sides."""
    assert run.code == 0, run.said
    assert "both sides agree in every field, and no message went out twice" in run.said


@pytest.mark.xdist_group("demo")  # one run for all of them
def test_every_scene_is_told(run: Run) -> None:
    """Each step says what happened, and that it arrived."""
    for told in ("backfill", "books online", "cancels online", "both edits", "held for a person", "as the office has it",
                 "cannot be reached", "SIGKILL", "nothing more is written"):  # fmt: skip
        assert told in run.said


@pytest.mark.xdist_group("demo")  # one run for all of them
def test_bookings_messages_and_calls_are_shown(run: Run) -> None:
    """The tables: all 43 bookings, the calls by kind, the messages by kind."""
    assert len(re.findall(r"14 of 14", run.said)) == 43
    assert {"create", "set_status", "update"} <= set(re.findall(r"^ ?(\w+) +200", run.said, re.MULTILINE))
    assert re.search(r"done +the workshop, by this program +3", run.said)


@pytest.mark.xdist_group("demo")  # one run for all of them
def test_nothing_is_left_behind(run: Run) -> None:
    """Without --serve the folder is gone."""
    assert run.left == []


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc to see other processes")
def test_a_signal_ends_it_and_its_daemon(tmp_path: Path) -> None:
    """SIGTERM in the middle of the morning: exit 1, no folder and no process left."""
    process = begun(tmp_path)
    assert process.stdout
    next(line for line in process.stdout if "ready after" in line)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    running = [line for each in Path("/proc").glob("[0-9]*/cmdline") if str(tmp_path) in (line := cmdline(each))]
    assert (process.returncode, list(tmp_path.iterdir()), running) == (1, [], [])


def cmdline(file: Path) -> str:
    try:
        return file.read_bytes().decode(errors="replace")
    except OSError:  # it ended meanwhile
        return ""


def test_a_daemon_that_does_not_start_is_told_with_its_log() -> None:
    """What the daemon said last is part of the message."""
    with Stage(keep=False) as stage:
        stage.config.write_text(stage.config.read_text().replace("two-way", "sideways"))
        with pytest.raises(Broken, match="mode: must be"):
            stage.start()


def test_sides_that_differ_fail() -> None:
    """Before anything was pushed all forty are wrong: each is named, and the verdict is 1."""
    said: list[str] = []
    with Stage(keep=False) as stage:
        assert judged(stage, Morning(stage, said.append), said.append) == 1
    assert sum(line.startswith("WRONG") for line in said) == shop.OPEN
    assert "NOT in step" in said[-1]


def test_the_table_names_what_differs() -> None:
    """A difference is found, named and shown with both values."""
    pair = compare.Pair("AAA001", {"status": "done", "job": "Tyres"}, {"status": "pending", "job": "Tyres"})
    assert pair.differences == ["status"]
    assert "status: done | pending" in compare.booking_table([pair])


@pytest.mark.parametrize(
    ("sides", "said"),
    [
        (({"AAA001": {}}, {}), "not at Repairy"),
        (({}, {"AAA001": {}}), "not in the shop"),
        (({"AAA061": {}}, {"AAA061": {}}), "not in the shop"),
    ],
    ids=["never pushed", "never inserted", "pushed though it had to stay"],
)
def test_a_booking_on_one_side_only_is_a_fault(sides: compare.Sides, said: str) -> None:
    """So is one at Repairy that had to stay in the shop."""
    assert [pair.differences for pair in compare.pairs(sides, frozenset({"AAA061"}))] == [[said]]


def test_a_doubled_booking_is_a_fault() -> None:
    """The second booking of a plate never hides behind the first."""
    empty = dict.fromkeys(("externalId", "serviceCategory", "productDescription", "jobNotes", "pickupTime"))
    car = {"rego": "AAA001", "make": None, "model": None, "year": None}
    customer = dict.fromkeys(("firstName", "lastName", "phone", "email"))
    what = {"id": "0", "status": "pending", "bookingTime": "2026-03-05T22:00:00.000Z"}
    booking = {**empty, **what, "car": car, "customer": customer}
    assert list(compare.repairy_side([booking, booking])) == ["AAA001", "AAA001 again"]


def test_a_repeated_message_is_a_fault() -> None:
    """Two of one kind and cause for one booking; a customer's own move beside the workshop's is none."""
    done, moved = {"booking_id": "b", "kind": "done", "by": "api"}, {"booking_id": "b", "kind": "moved", "by": "api"}
    assert compare.repeated([done, moved, {**moved, "by": "online"}]) == []
    assert compare.repeated([done, moved, done]) == ["2 × done for b (api)"]


@pytest.mark.parametrize(
    ("now", "day"),
    [
        (datetime(2026, 3, 5, 22, 0, tzinfo=UTC), date(2026, 3, 6)),
        (datetime(2026, 3, 6, 12, 58, tzinfo=UTC), date(2026, 3, 9)),
        (datetime(2026, 3, 7, 1, 0, tzinfo=UTC), date(2026, 3, 9)),
    ],
    ids=["Friday morning", "just before Friday's midnight", "Saturday"],
)
def test_the_first_day_is_an_open_one_that_will_not_end_at_once(now: datetime, day: date) -> None:
    """Melbourne's day, not UTC's; the play never runs over its end."""
    assert shop.first_day(now) == day


def test_secrets_are_readable_by_the_owner_only() -> None:
    """The stage is set as the program asks for: the folder 0700, the files 0600."""
    with Stage(keep=False) as stage:
        folder = stage.folder / "secrets"
        modes = {path.stat().st_mode & 0o777 for path in folder.iterdir()}
        assert (folder.stat().st_mode & 0o777, modes) == (0o700, {0o600})


def test_the_stage_is_cleared(tmp_path: Path) -> None:
    """The folder goes with the play, whatever happened in it."""
    with pytest.raises(ZeroDivisionError), Stage(keep=False) as stage:
        raise ZeroDivisionError
    assert not stage.folder.exists()


def test_the_shop_holds_forty_open_bookings_and_a_few_that_are_over(tmp_path: Path) -> None:
    """Plates of what is over are exactly those that must stay."""
    office = shop.Office(tmp_path / "shop.db", date(2026, 3, 6))
    office.open_shop()
    with closing(sqlite3.connect(office.file)) as file:
        plates = {plate for (plate,) in file.execute("SELECT plate FROM vehicles")}
    assert len(plates) == shop.OPEN + len(shop.OVER)
    assert shop.stay() == plates - {shop.plate(number) for number in range(1, shop.OPEN + 1)}
