"""Short stories of what an installation lives through, told so that a crash anywhere in them must not change their end.

RULE: after each step the story goes on until all is quiet, so that a crash costs time and nothing else; what must hold in
the end is `proof`'s, and `outcome` is what is compared. Persons decide here as they would: the one release that a crash
may call for is `Tale._asked`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from sync import decisions
from sync.core.booking import Link
from sync.core.times import parse
from sync.engine import Engine
from sync.engine.backfill import Span, backfill
from sync.engine.rebuild import rebuild
from sync.engine.suspicion import STOPS
from sync.sandbox.faults import Fault
from tests.simulation.people import Case
from tests.simulation.proof import broken
from tests.simulation.scripted import Scripted, booked_at_the_counter, two_of_one_day, worked_on_and_done
from tests.simulation.world import NAME, VISIBLE, ZONE, Setting

NOT_KNOWN = "it is not known whether"  # how the hold begins of a visible write that a crash left unknown
ROUNDS = 40  # of passes until all is quiet, at most
NIGHT = 18 * 3600.0  # seconds from the morning on which a story begins until after the sweep
Rows = list[tuple[Any, ...]]


class Tale(Scripted):
    """A scripted story in which nobody acts before all is quiet. What people draw does not hang on what the wire drew."""

    def __init__(self) -> None:
        super().__init__(setting=Setting(visible=VISIBLE, confirmed=True))
        self.people.chance = Random("people")
        self.pass_ = self.work
        self.asked = list[str]()  # what stood before a person, whenever one decided
        self.released = 0  # visible writes that a person let go again, because a crash left them unknown

    def work(self, work: Callable[[Engine], object] = Engine.run) -> None:
        """A pass or a command; a process that ended is started again at once."""
        while not self.world.turn(work) and self.world.crashed:
            pass

    def calm(self) -> None:
        """On until nothing waits and nothing is on its way."""
        for _ in range(ROUNDS):
            self.world.deliver()
            self.work()
            self._asked()
            if (until := self._until()) is None:
                return
            self.world.later(max(1.0, (until - self.world.clock.now()).total_seconds() + 1))
        raise AssertionError("it did not come to rest")

    settled = calm

    def _until(self) -> datetime | None:
        """When there is something to do again; None: never, as far as anybody knows."""
        store, now = self.world.state.store, self.world.clock.now()
        if any(one.scope in STOPS for one in store.plans(NAME)):
            return now if store.decisions(NAME) else None  # until a person has decided
        times = [one.due_at for one in self.world.partner.outbox]
        times += [one.look_at or one.started_at + timedelta(minutes=10) for one in store.open_intents(NAME)]
        times += [one.until or now for one in store.standings(NAME, kind="waiting")]
        parked = {one.booking_id for one in store.events(NAME, parked=True)}  # these wait for an intent
        fresh = [one for one in store.events(NAME, parked=False) if one.booking_id not in parked]
        times += [parse(link.due_at) for link in store.links(NAME) if link.due_at]
        times += [now] if store.decisions(NAME) or fresh else []
        return min(times, default=None)

    def _asked(self) -> None:
        """A visible write that a crash left unknown is held, never repeated: the owner looks, and lets it go."""
        store = self.world.state.store
        for one in store.standings(NAME, kind="held"):
            if one.reason.startswith(NOT_KNOWN) and not store.decisions(NAME):
                self.released += 1
                decisions.resolve(store, store.link(one.link_id), "use", "shop")

    def link(self, case: Case) -> Link:
        """The newest of a booking."""
        names = self.people.names(case)
        links: list[Link] = self.world.state.store.links(NAME)
        return [one for one in links if {one.shop_key, one.repairy_id} & names][-1]

    def resolve(self, link: Link, way: str, value: str = "") -> None:
        stands = self.world.state.store.standings(NAME, kind="held", link_id=link.id)
        self.asked.append(f"{way}: {', '.join(sorted(one.scope for one in stands))}")
        decisions.resolve(self.world.state.store, link, way, value)

    def approve(self, use: str = "") -> None:
        """Every held plan, and on."""
        for one in self.world.state.store.plans(NAME):
            self.asked.append(f"approve: {one.count} of {one.details.get('kind', one.scope)}")
            decisions.approve(self.world.state.store, [NAME], one.digest, use)
        self.calm()

    def pause(self, how: decisions.Paused) -> None:
        decisions.pause(self.world.state.store, [NAME], how)

    def broken(self, forgiven: str = "") -> list[str]:
        """Broken promises when all is quiet, but for one that a person's order goes before."""
        self.calm()
        return [line for line in broken(self) if not (forgiven and line.startswith(f"{forgiven}: "))]  # type: ignore[arg-type]

    def booked(self) -> Case:
        """One that came in over the counter and is on both sides."""
        case = self.people.staff_book()
        self.calm()
        return case

    def rows(self) -> Rows:
        return self.world.desk.execute("SELECT * FROM bookings").fetchall()

    def restart(self) -> None:
        self.world.crashed = True  # what a start does is done with the next pass
        self.world.boot()


# -- the stories


def booked_online(tale: Tale) -> None:
    tale.opened()
    tale.people.book_online()
    tale.calm()


def moved_in_the_shop(tale: Tale) -> None:
    tale.opened()
    tale.people.staff_move(tale.booked())
    tale.calm()


def changed_online(tale: Tale) -> None:
    tale.opened()
    case = tale.people.book_online()
    tale.calm()
    tale.people.online_move(case)
    tale.people.online_notes(case)
    tale.calm()


def cancelled_in_the_shop(tale: Tale) -> None:
    tale.opened()
    tale.people.staff_status(tale.booked(), "cancelled")
    tale.calm()


def cancelled_online(tale: Tale) -> None:
    tale.opened()
    tale.people.online_cancel(tale.booked())
    tale.calm()


def changed_on_both_sides(tale: Tale) -> None:
    tale.opened()
    case = tale.booked()
    tale.people.staff_notes(case)
    tale.people.online_notes(case)
    tale.people.staff_work(case)
    tale.people.online_move(case)
    tale.calm()


def held_and_resolved(tale: Tale) -> None:
    tale.opened()
    case = tale.booked()
    tale.people.staff_move(case)
    tale.people.online_move(case)
    tale.calm()
    tale.resolve(tale.link(case), "use", "repairy")
    tale.calm()


def held_and_the_shops_taken(tale: Tale) -> None:
    tale.opened()
    case = tale.booked()
    tale.people.staff_move(case)
    tale.people.online_move(case)
    tale.calm()
    tale.resolve(tale.link(case), "use", "shop")
    tale.calm()


def row_gone_and_cancelled(tale: Tale) -> None:
    tale.opened()
    tale.people.staff_book()
    case = tale.booked()
    link = tale.link(case)
    tale.people.staff_delete(case)
    tale.world.later(NIGHT)
    tale.calm()
    tale.resolve(tale.world.state.store.link(link.id), "use", "shop")
    tale.calm()


def row_gone_and_inserted_again(tale: Tale) -> None:
    tale.opened()
    tale.people.staff_book()
    case = tale.booked()
    tale.people.staff_delete(case)
    tale.world.later(NIGHT)
    tale.calm()
    tale.resolve(tale.link(case), "use", "repairy")
    tale.calm()


def answers_are_lost(tale: Tale) -> None:
    tale.opened()
    tale.world.partner.faults.append(Fault("lost_answer", 1, "create"))
    case = tale.booked()
    tale.world.partner.faults.append(Fault("lost_answer", 1, "update"))
    tale.people.staff_move(case)
    tale.calm()
    tale.world.partner.faults.append(Fault("lost_request", 1, "update"))
    tale.people.staff_work(case)
    tale.calm()


def paused_and_resumed(tale: Tale) -> None:
    tale.opened()
    case = tale.booked()
    tale.pause("all")
    tale.people.staff_move(case)
    tale.passes(3, 200.0)
    tale.pause("")
    tale.calm()


def late_and_approved(tale: Tale) -> None:
    """A pause of five days: what would message the customer now is old."""
    tale.opened()
    case = tale.booked()
    tale.pause("visible")
    tale.people.staff_status(case, "done")
    tale.passes(2, 5 * 86_400.0)
    tale.pause("")
    tale.calm()
    tale.approve()


def profile_changed_and_approved(tale: Tale) -> None:
    tale.opened()
    case = tale.booked()
    tale.people.staff_move(case)
    tale.passes(1, 400.0)  # it has settled, and would go with the next pass
    tale.world.profile_digest = "edited"
    tale.restart()
    tale.calm()
    tale.approve()


def backfilled(tale: Tale) -> None:
    tale.people.staff_book()
    tale.people.staff_book()
    tale.opened()
    tale.work(lambda engine: backfill(engine, Span(_today(tale)), create=True))
    tale.calm()
    tale.work(lambda engine: backfill(engine, Span(_today(tale)), create=True))
    tale.calm()


def _today(tale: Tale) -> date:
    return tale.world.clock.now().astimezone(ZONE).date()


def state_lost_and_rebuilt(tale: Tale) -> None:
    tale.opened()
    tale.people.book_online()
    tale.people.staff_status(tale.booked(), "done")
    tale.calm()
    tale.world.lose_state()
    tale.work(lambda engine: rebuild(engine, tale.world.journal.read()))
    tale.calm()


def older_copy_put_back(tale: Tale) -> None:
    tale.opened()
    case = tale.booked()
    copy = tale.world.state.store.copy()
    tale.people.staff_status(case, "done")
    tale.booked()
    tale.world.lose_state(copy)
    tale.calm()


def shop_restored(tale: Tale) -> None:
    tale.opened()
    cases = [tale.people.staff_book() for _ in range(3)]
    tale.calm()
    backup = tale.rows()
    for case in cases:
        tale.people.staff_status(case, "processing")
    tale.calm()
    tale.world.desk.execute("DELETE FROM bookings")
    tale.world.desk.executemany(f"INSERT INTO bookings VALUES ({', '.join('?' * len(backup[0]))})", backup)
    tale.calm()
    tale.approve("repairy")


def schema_changed_and_approved(tale: Tale) -> None:
    tale.opened()
    case = tale.booked()
    tale.world.desk.execute("ALTER TABLE bookings ADD COLUMN bay TEXT")
    tale.restart()
    tale.people.staff_move(case)
    tale.calm()
    tale.approve()


def second_booking_of_one_plate(tale: Tale) -> None:
    """It is booked online while nobody knows whether our own create of that plate arrived."""
    tale.opened()
    tale.world.partner.faults.append(Fault("lost_answer", 1, "create"))
    tale.people.staff_book()
    tale.passes(3, 200.0)
    other = tale.people.book_online()
    tale.world.partner.edit(other.repairy_id, car={"rego": "AAA000"})
    tale.calm()


def forgotten(tale: Tale) -> None:
    tale.opened()
    case = tale.booked()
    tale.people.staff_status(case, "cancelled")
    tale.calm()
    tale.world.state.store.decide(NAME, "forget", str(tale.link(case).id), "")
    tale.calm()


def cleared_after_its_time(tale: Tale) -> None:
    tale.opened()
    tale.people.staff_status(tale.booked(), "cancelled")
    tale.calm()
    for days in (402, 1, 1):  # what a crash keeps from its night goes the next, and there may be a second crash
        tale.world.later(days * 86_400.0)
        tale.calm()


def back_and_forth(tale: Tale) -> None:
    tale.opened()
    case = tale.booked()
    for _ in range(3):
        tale.people.staff_work(case)
        tale.calm()
        tale.people.online_work(case)
        tale.calm()


def key_used_again(tale: Tale) -> None:
    """The row of one customer becomes another's, with everything in it; what becomes of the first one's booking is asked."""
    tale.opened()
    old = tale.booked()
    new = Case(1, "shop")
    tale.people.cases.append(new)
    tale.world.desk.execute("UPDATE customers SET name = 'Customer N1', phone = '0400 000 777', email = ?", (new.email,))
    tale.world.desk.execute("UPDATE vehicles SET plate = 'AAA001'")
    tale.people.staff_move(new)
    old.deleted = True
    tale.calm()
    tale.resolve(tale.link(new), "create")
    tale.calm()
    tale.resolve(tale.link(old), "use", "shop")
    tale.calm()


def key_given_out_again(tale: Tale) -> None:
    """The shop deletes its newest row, and our own insert gets the key before anybody saw that."""
    tale.opened()
    tale.booked()  # the shop is never without any row
    tale.people.staff_delete(tale.booked())
    tale.people.book_online()
    tale.calm()


def key_of_the_baseline_given_out_again(tale: Tale) -> None:
    """The same of a row that was there before this installation and never became a booking at Repairy."""
    tale.people.staff_book(baseline=True)
    case = tale.people.staff_book(baseline=True)
    tale.opened()
    tale.people.staff_delete(case)
    tale.people.book_online()
    tale.calm()


def key_of_a_row_whose_create_is_not_settled_given_out_again(tale: Tale) -> None:
    """The same while nobody knows whether the booking of the deleted row is at Repairy: it is, and somebody is asked."""
    tale.opened()
    tale.booked()
    tale.world.partner.faults.append(Fault("lost_answer", 1, "create"))
    case = tale.people.staff_book()
    tale.passes(1, 60.0)
    tale.people.book_online()
    tale.passes(2, 240.0)
    tale.people.staff_delete(case)
    tale.calm()


SCENARIOS: Mapping[str, Callable[[Any], None]] = {
    one.__name__: one
    for one in (
        booked_at_the_counter, booked_online, worked_on_and_done, two_of_one_day, moved_in_the_shop, changed_online,
        cancelled_in_the_shop, cancelled_online, changed_on_both_sides, held_and_resolved, held_and_the_shops_taken,
        row_gone_and_cancelled, row_gone_and_inserted_again, answers_are_lost, paused_and_resumed, late_and_approved,
        profile_changed_and_approved, backfilled, state_lost_and_rebuilt, older_copy_put_back, shop_restored,
        schema_changed_and_approved, second_booking_of_one_plate, forgotten, cleared_after_its_time, back_and_forth,
        key_used_again, key_given_out_again, key_of_the_baseline_given_out_again,
        key_of_a_row_whose_create_is_not_settled_given_out_again,
    )
}  # fmt: skip

# What a person orders goes before the promise that the program keeps by itself.
ORDERED = {"late_and_approved": "fresh", "shop_restored": "no_echo"}


# -- the end of a story, but for times, attempts and ids


def outcome(tale: Tale) -> dict[str, Any]:
    """What both sides show of each booking, what links them, what was messaged, and what stands."""
    world, people = tale.world, tale.people
    mine = [(one.email, booking) for one in people.cases for _, booking in people.bookings(one)]
    codes = {booking[name]: email for email, booking in mine for name in ("id", "code")}

    def plain(text: str) -> str:
        for code, email in codes.items():
            text = text.replace(str(code), f"booking of {email}")
        return text

    links = {link.id: link for link in world.state.store.links(NAME)}
    stands = world.state.store.standings(NAME)
    return {
        "shop": [_row(row) for one in people.cases for row in people.rows(one)],
        "rows": len(tale.rows()),
        "repairy": [_booking(booking) for _, booking in mine],
        "bookings": len(world.partner.bookings),
        "links": sorted(repr(_linked(link, codes)) for link in links.values()),
        "refused": sorted((str(link.reference), sorted(link.refused)) for link in links.values()),
        "messages": Counter((codes[one.booking_id], one.kind) for one in world.partner.messages if one.by == "api"),
        "asked": tale.asked,
        "stands": sorted((one.kind, one.scope, plain(one.reason), one.link_id is None) for one in stands),
    }


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {**{name: value for name, value in row.items() if name != "id"}, "notes": sorted((row["notes"] or "").splitlines())}


_IDS = ("id", "customerId")


def _booking(booking: dict[str, Any]) -> dict[str, Any]:
    told = {name: booking[name] for name in ("status", "bookingTime", "pickupTime", "productDescription", "externalId")}
    parts = [{name: value for name, value in booking[part].items() if name not in _IDS} for part in ("customer", "car")]
    return {**told, "of": parts, "notes": sorted((booking["jobNotes"] or "").splitlines())}


def _linked(link: Link, codes: Mapping[str, str]) -> tuple[Any, ...]:
    named = tuple(codes.get(name or "", name) for name in (link.repairy_id, link.shop_ref))
    views = tuple(sorted((side or {}).items()) for side in (link.shop, link.shop_base, link.repairy, link.repairy_base))
    return (
        link.reference, link.shop_key, *named, link.repairy_ref, link.state, sorted(link.visible),
        sorted(link.choice), sorted(link.missing), link.locked, link.error, *views,
    )  # fmt: skip
