"""Histories: the real engine, store and client against two sides that fail, on one seeded clock, end in agreement.

`HISTORY=seed` tells one seed's whole trace; `HISTORIES=n` sets how many the soak and the proof run. n clean histories
bound the rate of failure at 3/n.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable

import pytest

from tests.simulation.owner import OwnersHistory
from tests.simulation.proof import broken
from tests.simulation.story import KINDS, History

CHUNK = 50  # histories of one test: what a worker takes at once
TESTED, SOAKED, PROVED = 200, 1_800, 100_000
OWNED = 200  # histories of the soak in which somebody decides
TAIL = 120  # lines of a trace that a failure shows


def told(seed: int, tail: int | None = TAIL, kind: type[History] = History) -> tuple[list[str], Counter[str]]:
    """One seed's history: what it broke, as lines to read, and the faults that really fired."""
    history = kind(seed)
    try:
        lines = _outcome(history)
        if not lines:
            return [], history.world.machine.fired
        trace = history.world.machine.trace[-tail:] if tail else history.world.machine.trace
        return [f"seed {seed}: {history.world.setting}", *trace, *lines, ""], history.world.machine.fired
    finally:
        history.world.close()


def _outcome(history: History) -> list[str]:
    """Broken promises; an error that left a pass is one too."""
    try:
        return broken(history.run())
    except Exception as error:
        return [f"seed {history.world.seed}: the pass ended in {type(error).__name__}: {error}"]


def check(seeds: Iterable[int], kind: type[History] = History) -> Counter[str]:
    """Every promise holds in each of these; the faults that fired are counted."""
    fired, failed = Counter[str](), list[str]()
    for seed in seeds:
        lines, struck = told(seed, kind=kind)
        fired += struck
        failed += [] if failed else lines  # the first is enough to read
        if lines:
            failed.append(f"FAILED seed {seed}: HISTORY={seed}{' OWNER=1' if kind is OwnersHistory else ''} tells all of it")
    assert not failed, "\n".join(failed)
    return fired


def chunks(first: int, count: int) -> list[range]:
    return [range(at, min(at + CHUNK, first + count)) for at in range(first, first + count, CHUNK)]


def _count(default: int) -> int:
    return int(os.environ.get("HISTORIES", default))


@pytest.fixture(autouse=True)
def _collected() -> None:
    """What is loaded once need not be looked through again for every history."""
    gc.freeze()


@pytest.mark.parametrize("seeds", chunks(0, TESTED), ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_histories_converge(seeds: range) -> None:
    """Every promise of `proof` holds at the end of each history, and no fault stayed away: that would prove nothing."""
    fired = check(seeds)

    assert sorted(kind for kind in KINDS if not fired[kind]) == []


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("seeds", chunks(TESTED, _count(SOAKED)), ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_many_histories_converge(seeds: range) -> None:
    """The same for the seeds that follow."""
    assert check(seeds)


def test_what_a_person_decides_is_carried_out_once() -> None:
    """The same promises where an owner clicks on what is held: twice, late, in the middle of a pass."""
    clicks = check(range(8), OwnersHistory)

    assert min(clicks["owner_clicks"], clicks["owner_clicks_again"]) > 0


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("seeds", chunks(8, OWNED), ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_what_many_people_decide_is_carried_out_once(seeds: range) -> None:
    """The same for the seeds that follow."""
    clicks = check(seeds, OwnersHistory)

    assert min(clicks["owner_clicks"], clicks["owner_clicks_again"]) > 0


@pytest.mark.prove
@pytest.mark.timeout(0)
@pytest.mark.parametrize("tens", range(10), ids=lambda tenth: f"part-{tenth}")
def test_very_many_histories_converge(tens: int) -> None:
    """The same, in ten parts, from another range of seeds."""
    part = _count(PROVED) // 10

    assert check(range(1_000_000 + tens * part, 1_000_000 + (tens + 1) * part))
    print(f"{part} histories, none failed: the rate of failure is below {3 / part:.3%} (19 times in 20)")  # noqa: T201


@pytest.mark.parametrize("seed", [0, 7, 42])
def test_a_seed_tells_the_same_story_twice(seed: int) -> None:
    """One seed, one trace, also in a process whose hashes differ."""
    code = f"from tests.simulation.story import History; print(History({seed}).run().world.machine.digest())"

    digests = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": hashes}
        ).stdout
        for hashes in ("1", "2")
    }

    assert len(digests) == 1


@pytest.mark.skipif("HISTORY" not in os.environ, reason="HISTORY=seed tells that history")
def test_one_history() -> None:
    """To look at one seed: its whole trace. With OWNER=1 somebody decides."""
    kind = OwnersHistory if "OWNER" in os.environ else History
    lines, _ = told(int(os.environ.get("HISTORY", "0")), tail=None, kind=kind)

    assert not lines, "\n".join(lines)
