"""Planted bugs: every known-wrong variant of the program is caught, by its recorded case here, by search with `make prove`.

A case is a history's seed, or a scripted story with the point at which the process ends in it. Without the bug it is
clean; with it a promise of `proof` is broken, and the test prints which.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain, zip_longest
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest

from sync.errors import LeaseLost
from sync.state import tables
from sync.state.lease import TTL, RowLease
from sync.state.store import StateStore
from tests.fakes import FakeClock
from tests.simulation.planted import VARIANTS, Bug
from tests.simulation.proof import broken
from tests.simulation.scripted import COURSES, Scripted
from tests.simulation.story import History
from tests.simulation.traps import TRAPS
from tests.simulation.world import Setting

LEASES = "two holders of one lease"
STORIES = {name: (course, Setting()) for name, course in COURSES.items()} | dict(TRAPS)
SEEDS = 400  # that a search tries
POINTS = 60  # of each story, at which a search lets the process end


@dataclass(frozen=True)
class Case:
    """One course of events: a seed's history, or a story and the point at which the process ends in it, if any.

    `here`: that point is counted from the moment that the course itself marks."""

    what: int | str
    label: str = ""
    times: int = 0
    here: bool = False

    def __str__(self) -> str:
        if isinstance(self.what, int):
            return f"seed {self.what}"
        return f"{self.what}, ended at {self.label} {self.times}" if self.label else self.what


CASES = {
    "intent_missing": Case("booked_online"),
    "in_flight_reset_at_start": Case("done_arrives_late", "state.finish:after", 1, here=True),
    "bases_in_a_second_commit": Case("reworded_by_each", "state.finish:after", 1, here=True),
    "retried_blindly": Case("an_update_never_arrives"),
    "no_quarantine": Case("done_arrives_late"),
    "unknown_taken_for_not_sent": Case("done_arrives_late"),
    "base_before_outcome": Case("an_update_never_arrives"),
    "payload_applied": Case("an_event_comes_late"),
    "event_dropped": Case("booked_while_repairy_fails"),
    "cursor_ahead": Case("two_rows_edited", "state.save_all:before", 1, here=True),
    "deleted_by_absence": Case("a_part_is_read"),
    "hour_that_comes_twice_ignored": Case("in_the_hour_that_comes_twice"),
    "written_unread": Case("done_arrives_late"),
    "shop_not_compared": Case("a_staff_edit_in_between"),
    "echo": Case("reworded_twice"),
    "guard_lets_all_pass": Case("all_cancelled_at_once"),
    "once_for_ever_forgotten": Case("done_reopened_done"),
    "freshness_ignored": Case("a_long_outage"),
    "permission_ignored": Case("nothing_allowed"),
    "paired_by_name_alone": Case("two_of_one_name"),
    "no_fencing": Case(LEASES),
}


def told(case: Case) -> list[str]:
    """The promises that this course of events breaks."""
    if case.what == LEASES:
        with TemporaryDirectory() as folder:
            return list(_two_holders(Path(folder)))
    if isinstance(case.what, int):
        return _ended(history := History(case.what), lambda: broken(history.run()))
    course, setting = STORIES[str(case.what)]
    story = Scripted(0, setting)
    if case.here:
        story.here = lambda: story.world.machine.crash_at(case.label, case.times)
    elif case.label:
        story.world.machine.crash_at(case.label, case.times)

    def run() -> list[str]:
        course(story)
        story.world.machine.disarm()
        return story.broken()

    return _ended(story, run)


def _ended(one: History | Scripted, run: Callable[[], list[str]]) -> list[str]:
    """An error that left a pass is a broken promise too."""
    try:
        return run()
    except Exception as error:
        return [f"the pass ended in {type(error).__name__}: {error}"]
    finally:
        one.world.close()


def _two_holders(folder: Path) -> Iterator[str]:
    """A process that slept through its lease commits nothing (15)."""
    url, clock = f"sqlite:///{folder / 'state.db'}", FakeClock()
    (folder / "state.db").touch()
    old = StateStore(url, clock)
    tables.metadata.create_all(old.database.engine)
    slept = RowLease(url, "Northside", "run", clock, TTL)
    late = old.under(slept)
    link = late.add("Northside", reference="N-1")
    clock.sleep(TTL.total_seconds())
    RowLease(url, "Northside", "run", clock, TTL).release()
    try:
        late.save(link, error="late")
        yield "single_writer: a process that had lost its lease committed"
    except LeaseLost:
        pass
    finally:
        old.close()


@cache
def clean(case: Case) -> list[str]:
    """What it breaks without any bug."""
    return told(case)


def caught(name: str, case: Case) -> tuple[list[str], int]:
    """What it breaks with this bug, and how often the wrong code ran."""
    with pytest.MonkeyPatch.context() as patch:
        bug = Bug(patch)
        VARIANTS[name](bug)
        return told(case), bug.ran


@pytest.fixture(autouse=True)
def _collected() -> None:
    """What is loaded once need not be looked through again for every history."""
    gc.freeze()


@pytest.mark.parametrize("name", VARIANTS)
def test_a_planted_bug_is_caught_by_its_recorded_case(name: str) -> None:
    """Clean without it, a broken promise with it; and it was really there."""
    case = CASES[name]
    assert clean(case) == [], f"{case} is not clean without any bug"
    lines, ran = caught(name, case)
    sys.stdout.write("\n  ".join([f"{name}: {case}: the wrong code ran {ran} times", *lines[:3]]))
    assert ran > 0, f"{name} never ran in {case}"
    assert lines, f"{name} is not caught by {case}"


# Search


def _points(name: str) -> Iterator[Case]:
    """Some of the points that a story passes, each another one's turn."""
    story = Scripted(0, STORIES[name][1])
    STORIES[name][0](story)
    passed = sorted((label, times) for label, most in story.world.machine.points.items() for times in range(1, most + 1))
    story.close()
    Random(name).shuffle(passed)
    return (Case(name, *one) for one in passed[:POINTS])


def _cases() -> Iterator[Case]:
    """Seeds and stories, in turn: each story as it is, then with the process ended at one of its points."""
    stories = chain((Case(name) for name in STORIES), chain.from_iterable(zip_longest(*(_points(name) for name in STORIES))))
    pairs: Iterable[tuple[Case | None, Case | None]] = zip_longest((Case(seed) for seed in range(SEEDS)), stories)
    yield Case(LEASES)
    yield from (one for both in pairs for one in both if one)


@pytest.mark.prove
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", VARIANTS)
def test_a_planted_bug_is_found_by_search(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing known of it, some seed or story finds it."""
    for tries, case in enumerate(_cases(), 1):
        lines, ran = caught(name, case)
        if lines and ran and clean(case) == []:
            with capsys.disabled():
                sys.stdout.write(f"\n{name}: caught by {case} after {tries} tries: {lines[0]}\n")
            return
    pytest.fail(f"{name} was not caught in {tries} tries")
