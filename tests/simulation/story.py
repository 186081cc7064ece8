"""What happens in a history: edits on both sides, faults, crashes and time, drawn from the seed; then the quiet end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sync.sandbox.faults import AFTER, BEFORE, PACE, WEBHOOK, Fault
from tests.simulation.frail import SHOP_FAULTS
from tests.simulation.people import NEXT, Case, People
from tests.simulation.world import Setting, World

API = BEFORE + AFTER + PACE
OURS = ("crash", "edit_in_pass", "state_full", "row_locked", "webhook_out_of_order")
KINDS = API + WEBHOOK + SHOP_FAULTS + OURS  # each must really have fired over a whole run
QUIET = [300.0] * 10 + [1200.0] * 3 + [3700.0] * 3 + [30_000.0] * 5  # seconds between the passes of the end: about two days


# Points at which the process may end: anywhere, or between an effect and the commit that knows of it.
CRASHES = (
    ("", 3), ("", 11), ("", 29), ("", 53),
    ("state.", 7), ("api.create:after", 1), ("api.update:after", 1), ("api.done:after", 1),
    ("api.cancelled:after", 1), ("api.p", 2),
    ("api.read:after", 2), ("shop.change:after", 1), ("shop.create:after", 1),
    ("shop.link:after", 1), ("state.intend:after", 1),
    ("state.finish:before", 1), ("state.finish:after", 1), ("state.join:after", 1),
    ("state.add:after", 2), ("state.settle_event:before", 1),
    ("state.stand_all:after", 2), ("state.save_all:after", 3), ("journal:", 2),
)  # fmt: skip
# Points at which somebody edits the very booking that is worked on.
MEETINGS = (
    ("", 17), ("shop.change:before", 1), ("shop.change:after", 1),
    ("shop.create:after", 1), ("api.read:after", 2), ("api.read:after", 5),
    ("api.update:before", 1), ("api.update:after", 1),
    ("api.create:after", 1), ("api.done:before", 1), ("state.intend:after", 1),
    ("shop.changed:before", 2), ("state.finish:after", 1),
)  # fmt: skip


@dataclass
class History:
    """One seed's story, told."""

    world: World
    people: People

    def __init__(self, seed: int, setting: Setting | None = None) -> None:
        self.world = World(seed, setting)
        self.people = People(self.world)
        self.chance = self.world.chance
        self.armed: list[Fault] = []

    def run(self) -> History:
        """All of it. `proof.broken` then says what did not hold."""
        for _ in range(self.chance.choice((0, 0, 1, 2))):
            self.people.staff_book(baseline=True)
        self.world.turn()
        must = KINDS[self.world.seed % len(KINDS)]  # so that none is left out by chance
        for step in range(self.chance.randint(10, 20)):
            self._step(must if step % 4 == 2 else "")
        self.end()
        return self

    def _step(self, must: str) -> None:
        if self.chance.random() < 0.5:  # an outage ends
            self.world.partner.faults = [fault for fault in self.world.partner.faults if fault.kind != "down"]
        for _ in range(self.chance.choice((0, 1, 1, 2))):
            self.edit()
        if must or self.chance.random() < 0.4:
            self.trouble(must or self.chance.choice(KINDS))
        for _ in range(self.chance.choice((1, 1, 1, 2))):
            self.world.deliver(self.chance.random() < 0.3)
            self.world.turn()
            self.world.later(self.chance.choice((5, 60, 60, 200, 400, 700)))
        if self.chance.random() < 0.12:
            self.world.later(self.chance.choice((3600, 6 * 3600, 26 * 3600)))

    # Edits

    def edit(self) -> None:
        """Somebody does something that they can do."""
        people, chance = self.people, self.chance
        cases = [case for case in people.cases if not case.baseline]
        if len(cases) < 2 or (len(cases) < 7 and chance.random() < 0.25):
            chance.choice((people.staff_book, people.book_online))()
            return
        case = chance.choice(cases)
        choices = [*self._by_staff(case), *self._by_customer(case)]
        if not choices:  # gone on both sides
            return
        chance.choice(choices)()
        if chance.random() < 0.15:  # the other side too, at once
            both = self._by_customer(case) if chance.random() < 0.5 else self._by_staff(case)
            if both:
                chance.choice(both)()

    def edit_there(self, about: str) -> None:
        """Somebody edits the booking of this shop key or Repairy id, or whichever."""
        people = self.people
        found = [case for case in people.cases if not case.baseline and about and about in people.names(case)]
        if not found:
            self.edit()
            return
        choices = [*self._by_staff(found[0]), *self._by_customer(found[0])]
        if choices:
            self.chance.choice(choices)()

    def _by_staff(self, case: Case) -> list[Callable[[], object]]:
        people, row = self.people, self.people.row(case)
        if row is None:
            return []
        steps = [lambda status=status: people.staff_status(case, status) for status in NEXT[row["status"]]]
        work = [lambda: people.staff_move(case), lambda: people.staff_work(case), lambda: people.staff_notes(case)]
        if self.chance.random() < 0.02 and sum(bool(people.rows(one)) for one in people.cases) > 1:  # no rows is no answer
            return [lambda: people.staff_delete(case)]
        rest = [*work, lambda: people.staff_phone(case)] if row["status"] in ("pending", "processing") else work[1:]
        return [*steps, *rest]

    def _by_customer(self, case: Case) -> list[Callable[[], object]]:
        people, status = self.people, self.people.shown(case, "repairy", "status")
        if status is None:
            return []
        work = [lambda: people.online_work(case), lambda: people.online_notes(case)]
        if status not in ("pending", "processing"):
            return work[1:]
        odd = [lambda: people.online_status(case, "processing")] if status == "pending" else []
        return [*work, *odd, lambda: people.online_move(case), lambda: people.online_cancel(case)]

    # Faults

    def trouble(self, kind: str) -> None:
        """Arm one fault."""
        chance, world = self.chance, self.world
        if kind in API + WEBHOOK:
            late = chance.choice((5, 100, 280))
            operation = "*" if kind in WEBHOOK else chance.choice(("*", "*", "create", "update", "set_status", "read"))
            seconds = {"429": 90, "late": late, "race": late, "webhook_late": 200}.get(kind, chance.choice((2.0, 40.0)))
            self.armed.append(Fault(kind, chance.choice((1, 1, 2, 4)), operation, seconds=seconds))
            world.partner.faults.append(self.armed[-1])
        elif kind in SHOP_FAULTS:
            world.shop.plan.extend([kind] * chance.choice((1, 1, 2)))
        else:
            self._ours(kind)

    def _ours(self, kind: str) -> None:
        chance, world = self.chance, self.world
        if kind == "crash":
            world.machine.crash_at(*chance.choice(CRASHES))
        elif kind == "edit_in_pass":
            world.machine.interrupt_at(*chance.choice(MEETINGS), self.edit_there)
        elif kind == "state_full":
            world.state.full = chance.choice((1, 1, 2, 5))
        elif kind == "row_locked":
            rows = [case for case in self.people.cases if self.people.row(case)]
            if rows:
                self.people.staff_lock(chance.choice(rows), True)

    # The end

    def calm(self) -> None:
        """No more faults, and nobody edits any more."""
        world = self.world
        world.machine.say("calm")
        world.partner.faults = []
        for fault in self.armed:
            world.machine.fired[fault.kind] += fault.fired if fault.kind in WEBHOOK else 0
        world.shop.plan.clear()
        world.state.full = 0
        world.machine.disarm()
        for case in self.people.cases:
            row = self.people.row(case)
            if row and row["in_use"]:
                self.people.staff_lock(case, False)

    def end(self) -> None:
        self.calm()
        for seconds in QUIET:
            self.world.deliver()
            self.world.turn()
            self.world.later(seconds)
