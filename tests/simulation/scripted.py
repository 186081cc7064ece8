"""Short stories with a fixed course, for proofs that repeat one many times with another fault in it each time.

RULE: what happens is written here, never drawn; what must hold in the end is `proof`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sync.sandbox.faults import Fault
from tests.simulation.people import Case, People
from tests.simulation.proof import broken
from tests.simulation.world import NAME, Setting, World

STEP = 60.0  # seconds between two passes
REST = [130.0, 200.0, 400.0, 700.0, 700.0, 1300.0, 4000.0, 40_000.0]  # seconds between those of the end
LATER = [90_000.0, 130.0, 400.0, 700.0, 1300.0]  # where a clock was ahead, what it put off is due only now
Course = Callable[["Scripted"], None]


class Scripted:
    """One world and its people. `proof` takes it for a history."""

    def __init__(self, seed: int = 0, setting: Setting | None = None) -> None:
        self.world = World(seed, setting or Setting())
        self.people = People(self.world)
        self.pass_: Callable[[], None] = self.world.turn  # a test may lay a fault over it
        self.here: Callable[[], None] = lambda: None  # and arm one at the moment at which a course is worth it

    def passes(self, times: int = 1, seconds: float = STEP) -> None:
        for _ in range(times):
            self.world.deliver()
            self.pass_()
            self.world.later(seconds)

    def opened(self) -> None:
        """The first pass that goes through: what comes later is not of the baseline."""
        for _ in range(5):
            self.passes()
            if self.world.state.store.desk(NAME).baseline_at is not None:
                return

    def settled(self) -> None:
        """Past the settling of a new value."""
        self.passes(2, 200.0)
        self.passes()

    def until_on_both(self, case: Case) -> None:
        """On, while a fault keeps a booking from one side: nobody there can act on it before."""
        for seconds in (*[400.0] * 9, *LATER):
            if self.people.bookings(case) and self.people.rows(case):
                return
            self.passes(seconds=seconds)

    def rest(self, seconds_between: Sequence[float] = REST) -> None:
        for seconds in seconds_between:
            self.passes(seconds=seconds)

    def broken(self) -> list[str]:
        """Broken promises, after a rest without faults."""
        self.rest()
        return broken(self)  # type: ignore[arg-type]

    def close(self) -> None:
        self.world.close()


def booked_at_the_counter(story: Scripted) -> None:
    story.opened()
    case = story.people.staff_book()
    story.settled()
    story.people.staff_phone(case)
    story.passes(2)


def booked_online(story: Scripted) -> None:
    story.opened()
    story.people.book_online()
    story.passes(2)


def worked_on_and_done(story: Scripted) -> None:
    story.opened()
    case = story.people.staff_book()
    story.settled()
    story.people.staff_move(case)
    story.people.staff_notes(case)
    story.settled()
    story.people.staff_status(case, "processing")
    story.passes()
    story.people.staff_status(case, "done")
    story.settled()


def changed_and_cancelled_online(story: Scripted) -> None:
    story.opened()
    case = story.people.book_online()
    story.passes(2)
    story.people.online_move(case)
    story.people.online_notes(case)
    story.passes()
    story.people.online_cancel(case)
    story.passes(2)


def both_at_once(story: Scripted) -> None:
    story.opened()
    case = story.people.staff_book()
    story.settled()
    story.until_on_both(case)
    story.people.staff_notes(case)
    story.people.online_notes(case)
    story.people.staff_work(case)
    story.people.online_move(case)
    story.passes(2)
    story.people.staff_status(case, "cancelled")
    story.settled()


def an_answer_is_lost(story: Scripted) -> None:
    """The create's, then the update's: both are settled by looking."""
    story.opened()
    case = story.people.staff_book()
    story.world.partner.faults.append(Fault("lost_answer", 1, "create"))
    story.settled()
    story.passes(2, 600.0)
    story.people.staff_move(case)
    story.world.partner.faults.append(Fault("lost_answer", 1, "update"))
    story.settled()
    story.passes(3, 600.0)


def a_locked_row(story: Scripted) -> None:
    story.opened()
    case = story.people.book_online()
    story.passes(2)
    story.until_on_both(case)
    story.people.staff_lock(case, True)
    story.people.online_notes(case)
    story.people.online_move(case)
    story.passes(2)
    story.people.staff_lock(case, False)
    story.passes(2)


def two_of_one_day(story: Scripted) -> None:
    """Two bookings that are written in one pass, and a baseline that stays alone."""
    story.people.staff_book(baseline=True)
    story.opened()
    story.people.staff_book()
    other = story.people.book_online()
    story.settled()
    story.until_on_both(other)
    story.people.staff_status(other, "processing")
    story.passes(2)


COURSES: Mapping[str, Course] = {
    one.__name__: one
    for one in (
        booked_at_the_counter, booked_online, worked_on_and_done, changed_and_cancelled_online, both_at_once,
        an_answer_is_lost, a_locked_row, two_of_one_day,
    )
}  # fmt: skip
