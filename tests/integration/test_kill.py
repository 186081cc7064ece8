"""SIGKILL on the daemon at random moments, while the workshop and its customers go on: in the end both sides agree.

The moments are seeded; what a killed process was about is not, so a run in which no kill fell into a write proves nothing
and fails as inconclusive (three kills are too few to ask for it).
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import pytest

from sync.demo.shop import OPEN, plate
from tests.integration.daemon_process import HELD, UNSETTLED, Ground, ground_on, until

QUICK = {
    'timeout = "2s"': 'timeout = "1s"',
    'quarantine = "4s"': 'quarantine = "2s"',
    'settle = "1s"': 'settle = "200ms"\nvisible_per_hour = 100000\nmax_share = 1.0\nmax_count = 1000\nmin_count = 1000',
}
ROUND = 20  # kills of one installation
EARLY = 0.2  # of the kills fall before the daemon is ready, or whenever so soon after its start
LONGEST = 2.0  # seconds until a kill, counted from the start or else from the moment the daemon works
START = 30.0  # seconds that a start may take on a machine with other things to do
GAP = 0.5  # seconds between two acts, at most
CONVERGED = 90.0
ENGINES = ("sqlite", "postgres")
OPEN_INTENTS = "SELECT op FROM intent WHERE outcome IS NULL"
FREE = range(OPEN + 1, 61)  # plates that have no booking yet


@dataclass
class Life:
    """What people do, seeded. Plates with an odd number are moved and cancelled by their customers, all else is the staff's."""

    ground: Ground
    chance: Random
    wanted: dict[str, dict[str, str]] = field(default_factory=dict)  # plate -> what both sides must show in the end
    over: set[int] = field(default_factory=set)
    moves: Counter[int] = field(default_factory=Counter)  # by the staff
    booked: int = 0
    acts: int = 0
    begun: set[int] = field(init=False)  # in progress before the program comes

    def __post_init__(self) -> None:
        self.begun = {number for number in range(1, OPEN + 1) if self.ground.shop(number)["status"] == "processing"}

    def act(self) -> None:
        """One act; while the backfill runs there is none."""
        if len(self.ground.sandbox.partner.bookings) < OPEN:
            return
        self.acts += 1
        self.chance.choice((self.book, self.move, self.move, self.note, self.job, self.hoist, self.ready, self.cancel))()

    def book(self) -> None:
        """Half at the counter, half online."""
        if self.booked == len(FREE):
            return
        number = FREE[self.booked]
        self.booked += 1
        start = self.ground.office.at(5 + self.booked // 8, 8 + self.booked % 8)
        if number % 2:
            self.ground.book_online(number, start)
        else:
            self.ground.office.book(number, start)
        self.want(number, status="pending", start=str(start))

    def move(self) -> None:
        number = self.one()
        start = self.ground.office.at(10 + self.acts // 16, 8 + self.acts % 8, self.acts // 8 % 2 * 30)
        if number % 2:
            self.ground.online("move", number, start)
        else:
            self.ground.office.move(number, start)
            self.moves[number] += 1
        self.want(number, start=str(start))

    def note(self) -> None:
        number = self.one(of=0)
        text = f"Note {self.acts}"
        self.ground.office.note(number, text)
        before = self.wanted.get(plate(number), {}).get("notes")
        self.want(number, notes=f"{before}\n{text}" if before else text)

    def job(self) -> None:
        number = self.one(of=0)
        self.ground.office.job(number, f"Job {self.acts}")
        self.want(number, job=f"Job {self.acts}")

    def hoist(self) -> None:
        number = self.one(of=0)
        self.ground.office.status(number, "On hoist")
        self.want(number, status="processing")

    def ready(self) -> None:
        self._ended(self.one(of=0), "Ready", "done")

    def cancel(self) -> None:
        number = self.one()
        if number % 2:
            self.ground.online("cancel", number)
            self.over.add(number)
            self.want(number, status="cancelled")
        else:
            self._ended(number, "Cancelled", "cancelled")

    def _ended(self, number: int, label: str, status: str) -> None:
        if len(self.over) > OPEN // 2 or number in self.moves:
            return  # the time of a booking that is over is left as it was, and noted
        if number in self.begun and self.ground.repairy(number)["status"] == "pending":
            return  # in progress since before the first pairing: its end would be a difference found then, and held
        self.ground.office.status(number, label)
        self.over.add(number)
        self.want(number, status=status)

    def one(self, of: int | None = None) -> int:
        """An open booking that has arrived (one that ends before it is seen stays where it is); `of`: 0 is the staff's."""
        shop, repairy = self.ground.sides()
        there = [number for number in range(1, OPEN + self.booked + 1) if plate(number) in shop.keys() & repairy.keys()]
        return self.chance.choice([number for number in there if number not in self.over and of in (None, number % 2)])

    def want(self, number: int, **fields: str) -> None:
        self.wanted.setdefault(plate(number), {}).update(fields)

    def lost(self) -> list[str]:
        """What somebody entered and a side does not show."""
        return [
            f"{plate} {name} should be {value!r} and is {side.get(plate, {}).get(name)!r} in {where}"
            for where, side in zip(("shop", "Repairy"), self.ground.sides(), strict=True)
            for plate, fields in self.wanted.items()
            for name, value in fields.items()
            if side.get(plate, {}).get(name) != value
        ]


@dataclass
class Kills:
    """What the kills of one test fell into."""

    moments: int = 0
    starting: int = 0  # before the daemon was ready
    writing: int = 0  # between an intent and its outcome
    seen: set[str] = field(default_factory=set)

    def count(self, ground: Ground, ready: bool) -> None:
        """After a kill: an intent that has no outcome was under way, unless an earlier kill left it."""
        left = {row[0] for row in ground.query(OPEN_INTENTS)} if ground.has("intent") else set()
        self.moments += 1
        self.starting += not ready
        self.writing += bool(left - self.seen)
        self.seen |= left


def lived_through(ground: Ground, chance: Random, kills: int, count: Kills) -> None:
    """One installation: backfilled and run, killed so often on the way, and left to come to rest."""
    life = Life(ground, chance)
    for kind in ("create", "update", "set_status"):
        ground.fault("slow", kind, times=None, share=0.7, seconds=0.4)
    begun = ground.begin("backfill", "--nothing-at-repairy")
    for number in range(kills):
        ready = lived_on(life, at_work=ground._is_ready if number else lambda: bool(ground.sandbox.partner.bookings))
        begun.kill()
        begun.wait()
        ground.age_lease()
        count.count(ground, ready)
        if number == 0:
            until("backfill", lambda: ground.tried("backfill", "--nothing-at-repairy").returncode in (0, 3), ground)
        begun = ground.begin("run")
        ground.redeliver()
    ground.daemon = begun
    at_rest(ground, life)
    ground.stop()
    judged(ground, life)


def lived_on(life: Life, at_work: Callable[[], bool]) -> bool:
    """People act until the seeded moment, counted from the start or from when it is at work; whether it came to be."""
    early, moment, ready = life.chance.random() < EARLY, life.chance.uniform(0, LONGEST), False
    over = time.monotonic() + (moment if early else START)
    while (now := time.monotonic()) < over:
        life.act()
        time.sleep(min(over - now, life.chance.uniform(0, GAP)))
        if not ready and at_work():
            ready, over = True, over if early else time.monotonic() + moment
    return ready


def at_rest(ground: Ground, life: Life) -> None:
    """Until nothing is open. Whoever was killed before a message left asks a person whether to send it: yes."""
    asked: set[str] = set()
    until("the daemon is ready", ground._is_ready, ground)
    ground.redeliver()

    def quiet() -> bool:
        assert not ground.ended(), ground.said()
        for id, reason in ground.query(HELD):
            assert "it is not known whether" in reason, reason
            if id not in asked:
                asked.add(id)
                ground.command("resolve", id, "--retry")
        return not (ground.wrong() or life.lost() or ground.query(UNSETTLED) or ground.query(HELD))

    until(f"both sides agree; {life.lost()}", quiet, ground, within=CONVERGED)


def judged(ground: Ground, life: Life) -> None:
    """No booking twice, no message twice, none without its act."""
    bookings = list(ground.sandbox.partner.bookings.values())
    assert len(bookings) == OPEN + life.booked
    assert len({one["externalId"] for one in bookings}) == len(bookings)
    told = Counter((one.booking_id, one.kind) for one in ground.sandbox.partner.messages if one.by == "api")
    assert not {kind for _, kind in told} - {"moved", "done", "cancelled"}
    moves = {ground.repairy_id(number): many for number, many in life.moves.items()}
    again = {each: many for each, many in told.items() if many > (moves.get(each[0], 0) if each[1] == "moved" else 1)}
    assert not again


def killed(request: pytest.FixtureRequest, engine: str, seed: int, kills: int) -> Kills:
    """So many kills in rounds of fresh installations, each round of a seed of its own."""
    count = Kills()
    for number in range(0, kills, ROUND):
        with ground_on(engine, request, QUICK) as ground:
            lived_through(ground, Random(f"{seed} {engine} {number}"), min(ROUND, kills - number), count)
    return count


@pytest.mark.parametrize("engine", ENGINES)
def test_three_kills_lose_and_double_nothing(request: pytest.FixtureRequest, engine: str) -> None:
    """The first in `backfill`, the others in `run`."""
    assert killed(request, engine, 1, 3).moments == 3


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("engine", ENGINES)
def test_fifty_kills_lose_and_double_nothing(request: pytest.FixtureRequest, engine: str) -> None:
    """Fifty on both engines together."""
    told(killed(request, engine, 2, 25))


@pytest.mark.prove
@pytest.mark.timeout(0)
@pytest.mark.parametrize("engine", ENGINES)
def test_two_thousand_kills_lose_and_double_nothing(request: pytest.FixtureRequest, engine: str) -> None:
    told(killed(request, engine, 3, 1000))


def told(count: Kills) -> None:
    """How many fell where; none inside a write proves nothing."""
    words = f"{count.moments} kills: {count.writing} between an intent and its outcome, {count.starting} before it was ready\n"
    sys.stdout.write(words)
    assert count.writing, "inconclusive: no kill fell between an intent and its outcome"
