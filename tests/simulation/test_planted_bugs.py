"""Planted bugs: every known-wrong variant of the program is caught, by its recorded case here, by search with `make prove`.

A case is a history's seed, or a scripted story with the point at which the process ends in it. Without the bug it is
clean; with it a promise of `proof` is broken, and the test prints which (`-rP` shows it, and what a search found).
"""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice, zip_longest
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


def told(case: Case) -> tuple[list[str], bool]:
    """The promises that this course of events breaks, and whether the process ended where it should."""
    if case.what == LEASES:
        with TemporaryDirectory() as folder:
            return list(_two_holders(Path(folder))), True
    if isinstance(case.what, int):
        return _ended(history := History(case.what), lambda: broken(history.run())), True
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

    lines = _ended(story, run)
    return lines, not case.label or story.world.machine.fired["crash"] > 0


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
    lines, ended = told(case)
    return lines if ended else [f"inconclusive: no process ended at {case.label}"]


def caught(name: str, case: Case) -> tuple[list[str], int]:
    """What it breaks with this bug, and how often the wrong code ran."""
    with pytest.MonkeyPatch.context() as patch:
        bug = Bug(patch)
        VARIANTS[name](bug)
        lines, ended = told(case)
        return lines if ended else [], bug.ran


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


@cache
def _points(name: str) -> tuple[Case, ...]:
    """Some of the points behind a commit or an effect that a story passes, from the moment that it marks, in no order."""
    course, setting = STORIES[name]
    story, marked = Scripted(0, setting), list[Counter[str]]()
    story.here = lambda: marked.append(Counter(story.world.machine.points))
    course(story)
    passed = Counter(story.world.machine.points) - (marked[0] if marked else Counter())
    story.close()
    found = [(label, times) for label in sorted(passed) if label.endswith(":after") for times in range(1, passed[label] + 1)]
    Random(name).shuffle(found)
    return tuple(Case(name, *one, here=bool(marked)) for one in found[:POINTS])


def _ended_stories() -> Iterator[Case]:
    """A point of each story, then another of each."""
    for turn in zip_longest(*map(_points, STORIES)):
        yield from (one for one in turn if one)


def _cases() -> Iterator[Case]:
    """Stories as they are, then with the process ended at one of their points in turn; a seed after every third."""
    yield Case(LEASES)
    stories, seeds = chain(map(Case, STORIES), _ended_stories()), map(Case, range(SEEDS))
    while some := [*islice(stories, 3), *islice(seeds, 1)]:
        yield from some


@pytest.mark.prove
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", VARIANTS)
def test_a_planted_bug_is_found_by_search(name: str) -> None:
    """Nothing known of it, some seed or story finds it."""
    for tries, case in enumerate(_cases(), 1):
        lines, ran = caught(name, case)
        if lines and ran and clean(case) == []:
            sys.stdout.write(f"{name}: caught by {case} after {tries} tries: {lines[0]}")
            return
    pytest.fail(f"{name} was not caught in {tries} tries")
