"""The process ends at each durable point of each scenario, and once more while it recovers: the end is that without a crash.

A story is told without a crash, which counts its points and fixes its end; then once for each point, with a crash there.
Every promise of `proof` must hold, and `scenarios.outcome` must be the same. The one thing that may differ on the way is
`Tale.released`: a message of which nobody knows whether it left waits for a person, who lets it go, and only where the
crash fell between its announcement and its effect (`MAY_ASK`). `CRASH=scenario:label:n[:then]` tells one.
"""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from functools import cache
from random import Random
from typing import Any

import pytest

from sync.engine import Engine
from tests.simulation.branches import Answer, Branches
from tests.simulation.scenarios import ORDERED, SCENARIOS, Tale, outcome

TAIL = 100  # lines of a trace that a failure shows
AROUND = ("before", "after")
CALLS = ("create", "update", "done", "cancelled", "processing")
COMMITS = (
    "add", "add_all", "add_event", "close_standing", "erase", "finish", "intend", "join", "look_again", "park_event", "prune",
    "record_run", "save", "save_all", "save_desk", "save_source", "settle_event", "stand", "stand_all", "take",
)  # fmt: skip
# `intend` commits the intent, `take` a decision taken up, `add_event` a webhook that is about to be acknowledged.
DURABLE = frozenset(
    [f"state.{name}:{when}" for name in COMMITS for when in AROUND]
    + [f"shop.{name}:{when}" for name in ("change", "create", "link") for when in ("before", "commit", "after")]
    + [f"api.{name}:{when}" for name in CALLS for when in ("before", "after", "answered")]  # `after`: it took effect
    + [f"webhook.acknowledge:{when}" for when in AROUND]
    + [f"journal:{when}" for when in ("before", "fsync", "after")]
)
# What outlives nothing: to end there is to end at the durable point before.
READS = frozenset(
    [f"api.{name}:{when}" for name in ("read", "token", "refresh") for when in ("before", "after", "answered")]
    + [f"shop.{name}:before" for name in ("candidates", "changed", "identity", "read", "remembered", "window")]
)
# Where a message was announced and may have left, for all that the next process knows.
MAY_ASK = frozenset({"journal:after", "state.intend:before", "state.intend:after"} | {f"api.{name}:before" for name in CALLS})
TESTED = ("cancelled_in_the_shop",)
DOUBLES, CHUNK, FARTHEST = 500, 25, 40
PARTS = 4  # of one scenario's table
Point = tuple[str, int]  # a label, and which of its occurrences


class Crashing(Tale):
    """A story in which the process ends at this point, and `then` so many points later. `recovering`: only before the
    first work of the new process has come to its end."""

    def __init__(self, point: Point | None = None, then: int = 0, recovering: bool = False) -> None:
        super().__init__()
        self.recovering = recovering
        if point:
            self.world.machine.crash_at(*point, then)

    @property
    def crashes(self) -> int:
        return self.world.machine.fired["crash"]

    def work(self, work: Callable[[Engine], object] = Engine.run) -> None:
        super().work(work)
        if self.recovering and self.crashes:
            self.world.machine.disarm()


@cache
def clean(name: str) -> tuple[list[Point], set[str], dict[str, Any]]:
    """What one telling without a crash passes: the durable points in their order, all labels; and its end."""
    tale, seen = Crashing(), Counter[str]()
    try:
        SCENARIOS[name](tale)
        order = list(tale.world.machine.order)
        assert tale.broken(ORDERED.get(name, "")) == []
        assert tale.released == 0
        points = list[Point]()
        for label in order:
            seen[label] += 1
            points += [(label, seen[label])] if label in DURABLE else []
        return points, set(order), outcome(tale)
    finally:
        tale.close()


def told(name: str, point: Point, then: int = 0, recovering: bool = False) -> Answer:
    """How often the process ended, and what is wrong in the end, as lines to read."""
    tale = Crashing(point, then, recovering)
    try:
        return _answer(name, tale, lambda: point, then)
    finally:
        tale.close()


def _answer(name: str, tale: Crashing, where: Callable[[], Point], then: int = 0) -> Answer:
    try:
        lines = _wrong(name, tale, may_ask=lambda: bool(then) or where()[0] in MAY_ASK)
    except Exception as error:
        error.add_note(f"CRASH={name}:{where()[0]}:{where()[1]}:{then}")
        raise
    called = f"CRASH={name}:{where()[0]}:{where()[1]}:{then}"
    return tale.crashes, [called, *tale.world.machine.trace[-TAIL:], called, *lines] if lines else []


def each(name: str, points: Collection[Point]) -> dict[Point, Answer]:
    """The story with a crash at each of these, what came before it told once."""
    clean(name)
    branches, tale = Branches[Point](), Crashing()
    tale.world.machine.ends = lambda label, n: (label, n) in points and branches.at((label, n))
    try:
        return branches.tell(lambda: _answer(name, tale, lambda: branches.here or ("", 0)))
    finally:
        tale.close()


def _wrong(name: str, tale: Crashing, may_ask: Callable[[], bool]) -> list[str]:
    SCENARIOS[name](tale)
    lines = tale.broken(ORDERED.get(name, ""))
    end, expected = outcome(tale), clean(name)[2]
    compared = end.keys() - ({"refused"} if tale.released else set())  # `resolve --retry` forgets what was refused
    lines += [f"{part}: {end[part]}\n   instead of {expected[part]}" for part in sorted(compared) if end[part] != expected[part]]
    if tale.released and not may_ask():
        lines.append("a person was asked to release a message that cannot have left")
    return lines


def check(name: str, points: Collection[Point]) -> None:
    """Each crash really happens and changes nothing."""
    failed, answers = list[str](), each(name, points)
    for point in points:
        crashes, lines = answers.get(point, (0, []))
        if not crashes:
            lines = [f"CRASH={name}:{point[0]}:{point[1]} never happened", *lines]
        failed += lines[:1] if failed else lines  # the first is enough to read
    assert not failed, "\n".join(failed)


def every(name: str) -> list[Point]:
    """All durable points of a scenario."""
    return clean(name)[0]


def last(name: str) -> list[Point]:
    """Of each label the last."""
    return list(dict(every(name)).items())


def part(points: Sequence[Point], number: int) -> Sequence[Point]:
    return points[number::PARTS]


@pytest.fixture(autouse=True)
def _collected() -> None:
    gc.freeze()


def test_every_point_is_labelled_and_reached() -> None:
    """All scenarios together pass each durable label, and no label that is not in the lists."""
    passed = {label for name in SCENARIOS for label in clean(name)[1]}

    assert sorted(DURABLE - passed) == []
    assert sorted(passed - DURABLE - READS) == []


@pytest.mark.parametrize("name", TESTED)
def test_a_crash_changes_nothing(name: str) -> None:
    """At the last of each label."""
    check(name, last(name))


def test_a_changed_profile_is_not_forgotten() -> None:
    """It was remembered before its plan was held: after a crash in between the plan went ahead without anybody."""
    desk = [point for point in every("profile_changed_and_approved") if point[0] == "state.save_desk:after"]

    check("profile_changed_and_approved", desk[-2:])


def test_a_decision_outlives_a_write_of_unknown_outcome() -> None:
    """A person chose a side; while that write was not settled their choice was dropped, and a restored shop's values won."""
    check("held_and_resolved", [("shop.change:commit", 1)])
    check("shop_restored", [("shop.change:commit", 1)])


def test_a_note_that_arrived_on_one_side_still_goes_to_the_other() -> None:
    """Notes of both sides were merged into the shop; the process ended before Repairy got the shop's, and it never did."""
    check("changed_on_both_sides", [("state.finish:after", 3)])


def test_a_key_that_the_shop_gives_out_again_outlives_a_crash() -> None:
    """The new row's reference was another's still, and no pass came to its end; a restart dropped the question about the
    row that is gone."""
    some = {"journal:before", "journal:fsync", "journal:after", "state.join:after", "state.record_run:after"}
    for name in ("key_given_out_again", "key_of_the_baseline_given_out_again"):
        check(name, [point for point in last(name) if point[0] in some])


def test_a_message_that_a_person_let_go_is_not_sent_again_unasked() -> None:
    """The order stood after a write whose outcome nobody knew, and it went out a second time."""
    check("row_gone_and_cancelled", [("api.cancelled:before", 1), ("state.intend:before", 5)])
    check("held_and_the_shops_taken", [("api.update:before", 1)])


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("number", range(PARTS))
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_crash_anywhere_changes_nothing(name: str, number: int) -> None:
    check(name, part(every(name), number))


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("first", range(0, DOUBLES, CHUNK))
def test_a_second_crash_changes_nothing(first: int) -> None:
    """Seeded: anywhere, and again before long, while it recovers or just after."""
    failed = list[str]()
    for seed in range(first, first + CHUNK):
        crashes, lines = _twice(Random(f"double {seed}"))
        if crashes != 2:
            lines = [f"seed {seed}: {crashes} crashes instead of 2"]
        failed += lines[:1] if failed else lines
    assert not failed, "\n".join(failed)


def _twice(chance: Random) -> tuple[int, list[str]]:
    """Where the story is over before the second crash, it comes sooner; after the very last point another is drawn."""
    while True:
        name = chance.choice(sorted(SCENARIOS))
        point, then = chance.choice(every(name)), chance.randint(1, FARTHEST)
        while then:
            crashes, lines = told(name, point, then)
            if crashes == 2:
                return crashes, lines
            then //= 2


@pytest.mark.prove
@pytest.mark.timeout(0)
@pytest.mark.parametrize("number", range(PARTS))
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_second_crash_anywhere_in_recovery_changes_nothing(name: str, number: int) -> None:
    """Each point, and then each point of the work that the next process begins with, until none is left."""
    failed, doubles = list[str](), 0
    for point in part(every(name), number):
        for then in range(1, 10_000):
            crashes, lines = told(name, point, then, recovering=True)
            if crashes < 2:
                break
            doubles += 1
            failed += lines[:1] if failed else lines
    assert not failed, "\n".join(failed)
    assert doubles


@pytest.mark.skipif("CRASH" not in os.environ, reason="CRASH=scenario:label:n[:then] tells that one")
def test_one() -> None:
    name, place, moment, n, *then = os.environ.get("CRASH", "").split(":")
    crashes, lines = told(name, (f"{place}:{moment}", int(n)), int(then[0]) if then else 0)

    assert crashes
    assert not lines, "\n".join(lines)
