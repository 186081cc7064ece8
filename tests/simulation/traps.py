"""Courses in which a known mistake shows: one or more for each planted bug, with the setting in which it does.

RULE: as in `scripted`. What a right program makes of them breaks no promise.
"""

from __future__ import annotations

from collections.abc import Mapping

from sync.sandbox.faults import Fault
from tests.simulation.scripted import Course, Scripted, worked_on_and_done
from tests.simulation.world import POLICY, Setting


def reworded_twice(story: Scripted) -> None:
    """Staff reword what was just sent, before the program looked again."""
    story.opened()
    case = story.people.staff_book()
    story.settled()
    for _ in range(2):
        story.people.staff_work(case)
        story.passes()


def reworded_by_each(story: Scripted) -> None:
    """Staff reword the work, and when that is on both sides the customer does."""
    story.opened()
    case = story.people.staff_book()
    story.settled()
    story.passes(2)
    story.people.staff_work(case)
    story.here()
    story.passes(seconds=5.0)
    story.people.online_work(case)
    story.passes(2)


def an_update_never_arrives(story: Scripted) -> None:
    story.opened()
    case = story.people.staff_book()
    story.settled()
    story.people.staff_work(case)
    story.world.partner.faults.append(Fault("lost_request", 1, "update"))
    story.passes(2)


def done_arrives_late(story: Scripted) -> None:
    """The write that messages the customer is under way longer than anybody waits for its answer."""
    story.opened()
    case = story.people.staff_book()
    story.settled()
    story.passes(2)
    story.people.staff_status(case, "done")
    story.here()
    story.world.partner.faults.append(Fault("late", 1, "set_status", seconds=280.0))
    story.passes(2)
    story.passes(8, 100.0)


def done_reopened_done(story: Scripted) -> None:
    """Repairy's own staff reopen what was finished; the shop finishes it again."""
    story.opened()
    case = story.people.staff_book()
    story.settled()
    story.people.staff_status(case, "done")
    story.settled()
    story.people.online_status(case, "processing")
    story.passes(2)
    story.people.staff_status(case, "done")
    story.settled()


def a_staff_edit_in_between(story: Scripted) -> None:
    """Staff add a note at the moment at which the customer's is to be written into the row."""
    story.opened()
    case = story.people.staff_book()
    story.settled()
    story.people.online_notes(case)
    story.world.machine.interrupt_at("shop.change:before", 1, lambda _: story.people.staff_notes(case))
    story.passes(2)


def two_rows_edited(story: Scripted) -> None:
    """Half a minute after each other, and read at once."""
    story.opened()
    one, other = story.people.staff_book(), story.people.staff_book()
    story.settled()
    story.passes(2)
    story.people.staff_work(one)
    story.world.later(30.0)
    story.people.staff_work(other)
    story.here()
    story.passes(2)


def a_part_is_read(story: Scripted) -> None:
    """Readings that leave out rows and do not say so."""
    story.opened()
    for _ in range(3):
        story.people.staff_book()
    story.settled()
    story.world.shop.plan.extend(["shop_partial"] * 3)
    story.passes(4)


def all_cancelled_at_once(story: Scripted) -> None:
    """More than an ordinary afternoon: the shop says of every booking that it is off."""
    story.opened()
    for _ in range(2):
        for _ in range(8):
            story.people.staff_book()
        story.settled()
    for case in story.people.cases:
        story.people.staff_status(case, "cancelled")
    story.settled()


def a_long_outage(story: Scripted) -> None:
    """Repairy comes back when the customer has long left."""
    story.opened()
    case = story.people.staff_book()
    story.settled()
    story.world.partner.faults.append(Fault("down", None))
    story.people.staff_status(case, "done")
    story.passes(16, 8 * 3600.0)
    story.world.partner.faults = []


def two_of_one_name(story: Scripted) -> None:
    """Two customers who share nothing but their name."""
    story.opened()
    case, other = story.people.staff_book(), story.people.book_online()
    story.world.desk.execute("UPDATE customers SET name = ? WHERE email = ?", (f"Customer N{other.number}", case.email))
    story.settled()


def in_the_hour_that_comes_twice(story: Scripted) -> None:
    """Moved online into the second of two equal hours."""
    story.opened()
    case = story.people.book_online()
    story.settled()
    story.people.online_move(case, "2026-04-04T16:30:00Z")
    story.settled()


def booked_while_repairy_fails(story: Scripted) -> None:
    """The event is taken; the booking that it tells of cannot be read at once."""
    story.opened()
    story.people.book_online()
    story.world.partner.faults.append(Fault("500_before", 3, "read"))
    story.passes(2)


def an_event_comes_late(story: Scripted) -> None:
    """When it does, what it carries has long been overtaken."""
    story.opened()
    case = story.people.staff_book()
    story.settled()
    story.passes(2)
    story.world.partner.faults.append(Fault("webhook_late", 1, seconds=1000.0))
    story.people.online_work(case)
    story.people.staff_status(case, "done")
    story.passes(10, 150.0)


TRAPS: Mapping[str, tuple[Course, Setting]] = {
    reworded_twice.__name__: (reworded_twice, Setting(policy={**POLICY, "service": "repairy"})),
    a_part_is_read.__name__: (a_part_is_read, Setting("plain")),
    "nothing_allowed": (worked_on_and_done, Setting(visible=frozenset())),
} | {
    one.__name__: (one, Setting())
    for one in (
        reworded_by_each, an_update_never_arrives, done_arrives_late, done_reopened_done, a_staff_edit_in_between,
        two_rows_edited, all_cancelled_at_once, a_long_outage, two_of_one_name, in_the_hour_that_comes_twice,
        booked_while_repairy_fails, an_event_comes_late,
    )
}  # fmt: skip
