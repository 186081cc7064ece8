"""Long troubles: Repairy is down for a month while the workshop works on; and a backfill that is killed again and again.

`DAYS`, `OUTAGES`, `BOOKINGS` and `KILLS` set the sizes of the proof.
"""

from __future__ import annotations

import gc
import os
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from sync.engine.backfill import Filled, Span, backfill
from sync.errors import Unreachable
from sync.sandbox.faults import Fault
from sync.state import tables
from tests.simulation.machine import Crash
from tests.simulation.people import NEXT, People
from tests.simulation.proof import broken
from tests.simulation.scripted import Scripted
from tests.simulation.world import NAME, PREFIX, ZONE, Setting, World

EVERY = 900.0  # seconds between two passes of the outage
HOUR = timedelta(hours=1)
FRESH = timedelta(days=4, hours=2)  # as configured, and what the backlog takes
CAP = 30  # visible writes an hour, as configured


def _size(name: str, default: int) -> int:
    return int(os.environ.get(name, default))


@pytest.fixture(autouse=True)
def _collected() -> None:
    gc.freeze()


# -- an outage


class Outage(Scripted):
    """A workshop that was in step, a Repairy that is down for so many days, and the backlog."""

    def __init__(self, seed: int, days: int) -> None:
        super().__init__(seed, Setting())
        self.days, self.chance = days, self.world.chance
        self.asked: list[int] = []  # calls that reached for Repairy, by day
        self.edits: dict[str, datetime] = {}  # e-mail of a case -> its last edit
        self.longest = 0  # passes in a row that claimed to have moved something

    def tell(self) -> None:
        self.passes()
        for _ in range(8):
            self.chance.choice((self.people.staff_book, self.people.book_online))()
        self.settled()
        self.rest()
        down = Fault("down")
        self.world.partner.faults.append(down)
        for _ in range(self.days):
            before = down.fired
            self._day()
            self.asked.append(down.fired - before)
        self.world.machine.fired["down"] = down.fired
        self.world.partner.faults = []

    def _day(self) -> None:
        edits = sorted(self.chance.randrange(96) for _ in range(self.chance.choice((0, 1, 2, 4))))
        for quarter in range(96):
            for _ in range(edits.count(quarter)):
                self._edit()
            if quarter % 8 == 0:
                self.world.deliver()  # webhooks come by another way
            self._turn()
            self.world.later(EVERY)

    def _turn(self) -> None:
        moved = 0
        while self.world.engine.run().moved and moved < 50:
            moved += 1
        self.longest = max(self.longest, moved)

    def _edit(self) -> None:
        """What staff and customers do meanwhile. A customer can book where our API calls fail."""
        people, cases = self.people, self.people.cases
        case = self.chance.choice(cases)
        row = people.row(case)
        self.edits[case.email] = self.world.clock.now()
        kind = self.chance.choice(("book", "online", "status", "move", "notes", "work", "online notes"))
        if kind == "book":
            people.staff_book()
        elif kind == "online":
            people.book_online()
        elif kind == "online notes":
            people.online_notes(case) if people.bookings(case) else None
        elif row and kind == "status":
            people.staff_status(case, self.chance.choice(NEXT[row["status"]]))
        elif row and row["status"] in ("pending", "processing"):
            {"move": people.staff_move, "notes": people.staff_notes, "work": people.staff_work}[kind](case)

    def backlog(self) -> None:
        """Repairy is back: passes as the daemon makes them, until all is quiet."""
        for _ in range(40):
            self.passes(seconds=120.0)
        self.rest()

    def most_in_an_hour(self) -> int:
        """Messages that we caused, in the fullest hour."""
        ours = [one.at for one in self.world.partner.messages if one.by == "api"]
        return max((sum(start <= one < start + HOUR for one in ours) for start in ours), default=0)

    def edited(self, email: str) -> datetime:
        """When staff or the customer last did anything about that booking."""
        return self.edits.get(email, datetime.max.replace(tzinfo=UTC))

    def rows(self) -> Counter[str]:
        engine = self.world.state.store.database.engine
        with engine.connect() as connection:
            counted = {
                table.name: connection.execute(sa.select(sa.func.count()).select_from(table))
                for table in tables.metadata.sorted_tables
            }
            return Counter({name: int(found.scalar_one()) for name, found in counted.items()})


def outage(seed: int, days: int) -> None:
    """After the backlog every promise holds, nothing stale was sent, and neither calls nor state grew without bound."""
    story = Outage(seed, days)
    world = story.world
    try:
        story.tell()
        bookings, rows = len(story.people.cases), story.rows()
        assert world.machine.fired["down"] > 0, f"seed {seed}: no call was lost"
        assert story.longest < 20, f"seed {seed}: {story.longest} passes in a row while nothing could be written"
        # 24 readings an hour and what is tried again: never a storm, however much waits
        assert max(story.asked) < 96 * (bookings + 5), f"seed {seed}: {story.asked} calls a day for {bookings} bookings"
        assert rows["booking_link"] <= 2 * bookings, f"seed {seed}: {rows}"
        assert rows["hold"] <= 6 * bookings + 200, f"seed {seed}: {rows}"
        assert rows["pass_run"] <= 5_000, f"seed {seed}: {rows}"
        story.backlog()
        lines = broken(story)  # type: ignore[arg-type]
        assert story.most_in_an_hour() <= CAP, f"seed {seed}"
        assert not lines, "\n".join([f"seed {seed}", *world.machine.trace[-60:], *lines])
        assert not _stale(story), f"seed {seed}: customers were told of what is long over: {_stale(story)}"
    finally:
        story.close()


def _stale(story: Outage) -> list[str]:
    """Messages that we caused more than four days after anybody did anything about their booking (14)."""
    bookings = story.world.partner.bookings
    ours = [one for one in story.world.partner.messages if one.by == "api"]
    return [one.kind for one in ours if one.at - story.edited(bookings[one.booking_id]["customer"]["email"]) > FRESH]


def test_repairy_is_down_for_a_day() -> None:
    outage(1, 1)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_repairy_is_down_for_a_month() -> None:
    outage(2, 30)


@pytest.mark.prove
@pytest.mark.timeout(0)
@pytest.mark.parametrize("seed", range(100, 100 + _size("OUTAGES", 20)))
def test_repairy_is_down_for_a_month_many_times(seed: int) -> None:
    outage(seed, _size("DAYS", 30))


# -- a backfill that is killed


class Backfill:
    """A shop with so many bookings made long ago, a backfill of it, and a process that may end at any moment."""

    def __init__(self, seed: int, bookings: int) -> None:
        self.world = World(seed, Setting())
        self.people = People(self.world)
        for _ in range(bookings):
            self.people.staff_book()
        self._boot()

    def _boot(self) -> None:
        """A new process; Repairy has confirmed that a create can be silent."""
        self.world.boot()
        self.world.site.repairy.ability = replace(self.world.site.repairy.ability, silence_confirmed=True)

    def attempt(self) -> Filled | None:
        """One run of the command; None where it was killed or could not go on."""
        since: date = self.world.clock.now().astimezone(ZONE).date()
        try:
            return backfill(self.world.engine, Span(since), create=True)
        except Crash:
            self._boot()
        except Unreachable:
            pass
        return None

    def killed(self, times: int, apart: int) -> int:
        """So many runs that end somewhere within the next so many points; how many were killed before they were done."""
        before = self.world.machine.fired["crash"]
        for _ in range(times):
            self.world.machine.crash_at("", self.world.chance.randint(1, apart))
            if self.attempt() is not None:
                break
            self.world.later(self.world.chance.choice((1.0, 30.0, 700.0)))
        self.world.machine.disarm()
        return self.world.machine.fired["crash"] - before

    def finish(self) -> None:
        """Run it until it has nothing to do, past the quarantine of what a kill left open."""
        for _ in range(6):
            self.attempt()
            self.world.later(700.0)

    def wrong(self) -> list[str]:
        world = self.world
        made = Counter(one["externalId"] for one in world.partner.bookings.values())
        keys = [str(key) for (key,) in world.desk.execute("SELECT id FROM bookings")]
        lines = [f"{key} has {made[PREFIX + key]} bookings at Repairy" for key in keys if made[PREFIX + key] != 1]
        lines += [f"a customer was messaged: {one.kind}" for one in world.partner.messages]
        linked = world.desk.execute("SELECT count(*) FROM bookings WHERE online_ref IS NOT NULL").fetchone()[0]
        lines += [f"{len(keys) - linked} rows do not know their booking"] if linked != len(keys) else []
        lines += [f"{len(made)} references for {len(keys)} rows"] if len(made) != len(keys) else []
        return lines + [f"left open: {one.kind}" for one in world.state.store.open_intents(NAME)] + world.wrong


def killed_backfill(seed: int, bookings: int, kills: int) -> None:
    """No visible write, one booking each, whenever it was killed; and every kill came while there was work."""
    run = Backfill(seed, bookings)
    try:
        # a booking takes about a dozen points; all kills fall into the work there is
        killed = run.killed(kills, max(4, 2 * 9 * bookings // kills))
        run.finish()
        lines = run.wrong()
        assert not lines, "\n".join([f"seed {seed}", *run.world.machine.trace[-40:], *lines[:20]])
        assert killed >= kills * 0.8, f"seed {seed}: killed only {killed} times"
    finally:
        run.world.close()


def test_a_backfill_that_is_killed_twelve_times() -> None:
    killed_backfill(3, 40, 12)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_a_backfill_that_is_killed_fifty_times() -> None:
    killed_backfill(4, 400, 50)


@pytest.mark.prove
@pytest.mark.timeout(0)
def test_a_backfill_of_years_that_is_killed_fifty_times() -> None:
    killed_backfill(5, _size("BOOKINGS", 20_000), _size("KILLS", 50))
