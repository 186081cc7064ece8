"""The same world as the histories', with each step chosen by Hypothesis: a failure is cut down to the few steps that it needs.

What is drawn within a step comes from a seed that Hypothesis chooses, too.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.simulation.proof import broken
from tests.simulation.story import KINDS, History
from tests.simulation.world import Setting

PROFILES = ("demo", "plain", "mute", "remarks", "days")
SEEDS = st.integers(0, 2**16)
TESTED, SOAKED, PROVED = 10, 100, 5_000


class Steps(RuleBasedStateMachine):
    """Each step is one that a history takes."""

    history: History

    @initialize(profile=st.sampled_from(PROFILES), booked=st.integers(0, 2))
    def opened(self, profile: str, booked: int) -> None:
        self.history = History(0, Setting(profile))
        for _ in range(booked):
            self.history.people.staff_book(baseline=True)
        self.history.world.turn()

    @precondition(lambda self: len(self.history.people.cases) < 5)
    @rule(online=st.booleans(), seed=SEEDS)
    def book(self, online: bool, seed: int) -> None:
        self.history.chance.seed(seed)
        people = self.history.people
        _ = people.book_online() if online else people.staff_book()

    @rule(seed=SEEDS)
    def edit(self, seed: int) -> None:
        self.history.chance.seed(seed)
        self.history.edit()

    @rule(kind=st.sampled_from(KINDS), seed=SEEDS)
    def trouble(self, kind: str, seed: int) -> None:
        self.history.chance.seed(seed)
        self.history.trouble(kind)

    @rule(seconds=st.sampled_from((5.0, 60.0, 400.0, 3600.0, 90_000.0)), shuffled=st.booleans(), seed=SEEDS)
    def turn(self, seconds: float, shuffled: bool, seed: int) -> None:
        world = self.history.world
        world.chance.seed(seed)
        world.deliver(shuffled)
        world.turn()
        world.later(seconds)

    def teardown(self) -> None:
        if not hasattr(self, "history"):
            return
        try:
            self.history.end()
            lines = broken(self.history)
            assert not lines, "\n".join([*self.history.world.machine.trace[-120:], *lines])
        finally:
            self.history.world.close()


def _run(examples: int) -> None:
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    each = settings(
        max_examples=int(os.environ.get("EXAMPLES", examples)), stateful_step_count=20, deadline=None, derandomize=True,
        suppress_health_check=slow, database=None, print_blob=False,
    )  # fmt: skip
    run_state_machine_as_test(Steps, settings=each)


def test_chosen_steps_converge() -> None:
    _run(TESTED)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_many_chosen_steps_converge() -> None:
    _run(SOAKED)


@pytest.mark.prove
@pytest.mark.timeout(0)
def test_very_many_chosen_steps_converge() -> None:
    _run(PROVED)
