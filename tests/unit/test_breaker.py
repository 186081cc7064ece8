"""The breaker opens on a storm, lets one read try, and bounds the share of retries; a Repairy that fails on command."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sync.core.booking import Ability, Fields, Sighting
from sync.engine.breaker import FEWEST, HOUR, STORM, Breaker, Guarded
from sync.errors import NotFound, NotSent, Rejected, SyncError, Unknown, Unreachable
from tests.fakes import FakeClock


class Target:
    """Repairy as the breaker sees it: `error` is what every call raises; `calls` is what reached it."""

    ability = Ability("repairy", frozenset())

    def __init__(self) -> None:
        self.error: SyncError | None = None
        self.calls: list[str] = []

    def read(self, booking_id: str) -> Sighting:
        return self._answer(f"read {booking_id}")

    def create(self, fields: Fields, reference: str, *, silent: bool = True) -> Sighting:
        return self._answer("create")

    def update(self, booking_id: str, fields: Fields, *, reference: str | None = None) -> Sighting:
        return self._answer("update")

    def set_status(self, booking_id: str, status: str) -> Sighting:
        return self._answer("set_status")

    def _answer(self, call: str) -> Sighting:
        self.calls.append(call)
        if self.error:
            raise self.error
        return Sighting("b1", {})


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def target() -> Target:
    return Target()


@pytest.fixture
def breaker(clock: FakeClock) -> Breaker:
    return Breaker(clock)


@pytest.fixture
def guarded(target: Target, breaker: Breaker) -> Guarded:
    return Guarded(target, breaker)


def fail(guarded: Guarded, target: Target, times: int, error: SyncError | None = None) -> None:
    target.error = error or Unreachable("down")
    for _ in range(times):
        with pytest.raises((Unreachable, NotSent, Unknown, NotFound, Rejected)):
            guarded.read("b1")
    target.error = None


def test_it_opens_after_so_many_failures_in_a_row(guarded: Guarded, target: Target, breaker: Breaker) -> None:
    fail(guarded, target, STORM - 1)
    assert breaker.until is None
    fail(guarded, target, 1)
    assert breaker.until is not None


def test_an_answer_between_begins_the_count_anew(guarded: Guarded, target: Target, breaker: Breaker) -> None:
    fail(guarded, target, STORM - 1)
    guarded.read("b2")
    fail(guarded, target, STORM - 1)
    assert breaker.until is None


@pytest.mark.parametrize("error", [NotFound("gone"), Rejected("no"), Unreachable("later", 60.0), NotSent("later", 60.0)])
def test_a_refusal_and_a_call_for_patience_are_answers(
    guarded: Guarded, target: Target, breaker: Breaker, error: SyncError
) -> None:
    fail(guarded, target, 3 * STORM, error)
    assert breaker.until is None


def test_while_it_is_open_nothing_reaches_the_target(guarded: Guarded, target: Target) -> None:
    fail(guarded, target, STORM, Unknown("lost"))
    before = len(target.calls)
    with pytest.raises(Unreachable):
        guarded.read("b1")
    for write in (lambda: guarded.create({}, "N-1"), lambda: guarded.update("b1", {}), lambda: guarded.set_status("b1", "done")):
        with pytest.raises(NotSent) as told:
            write()
        assert told.value.retry_after == 30.0
    assert len(target.calls) == before


def test_half_open_a_write_goes_only_after_a_read_that_answers(guarded: Guarded, target: Target, clock: FakeClock) -> None:
    guarded.read("b9")
    fail(guarded, target, STORM)
    clock.sleep(31)
    target.calls.clear()
    guarded.create({}, "N-1")
    assert target.calls == ["read b9", "create"]


def test_half_open_a_read_that_fails_keeps_the_write_back(guarded: Guarded, target: Target, clock: FakeClock) -> None:
    guarded.read("b9")
    fail(guarded, target, STORM)
    clock.sleep(31)
    target.calls.clear()
    target.error = Unreachable("still down")
    with pytest.raises(NotSent):
        guarded.create({}, "N-1")
    assert target.calls == ["read b9"]


def test_each_opening_lasts_longer_up_to_a_quarter_of_an_hour(
    guarded: Guarded, target: Target, breaker: Breaker, clock: FakeClock
) -> None:
    lasted = []
    fail(guarded, target, STORM)
    for _ in range(7):
        assert breaker.until is not None
        lasted.append((breaker.until - clock.now()).total_seconds())
        clock.sleep(lasted[-1] + 1)
        fail(guarded, target, 1)
    assert lasted == [30, 60, 120, 240, 480, 900, 900]


def test_a_read_that_answers_closes_it(guarded: Guarded, target: Target, breaker: Breaker, clock: FakeClock) -> None:
    fail(guarded, target, STORM)
    clock.sleep(31)
    guarded.read("b1")
    assert (breaker.until, breaker.half_open) == (None, False)


def test_a_booking_that_fails_for_ever_does_not_stop_the_others(
    guarded: Guarded, target: Target, breaker: Breaker, clock: FakeClock
) -> None:
    """It opens where nothing else is asked; a write then tries the booking that answered, not the one that never does."""
    guarded.read("good")
    fail(guarded, target, STORM)
    clock.sleep(31)
    guarded.set_status("good", "done")
    assert target.calls[-2:] == ["read good", "set_status"]
    assert breaker.until is None


def test_retries_that_fail_are_bounded_by_the_hour(breaker: Breaker, clock: FakeClock) -> None:
    for _ in range(FEWEST - 1):
        breaker.wasted()
    assert breaker.spent() is None
    breaker.wasted()
    assert breaker.spent() == clock.now() + HOUR
    clock.sleep(HOUR.total_seconds() + 1)
    assert breaker.spent() is None


def test_the_more_calls_succeed_the_more_retries_may_fail(breaker: Breaker, clock: FakeClock) -> None:
    for _ in range(1000):
        breaker.good()
    for _ in range(199):
        breaker.wasted()
    assert breaker.spent() is None
    breaker.wasted()
    assert breaker.spent() is not None
    clock.sleep(timedelta(minutes=61).total_seconds())
    assert breaker.spent() is None


def test_calls_that_went_are_told_once_whatever_came_of_them(guarded: Guarded, target: Target, breaker: Breaker) -> None:
    """Those that the open breaker stopped never went."""
    guarded.read("b1")
    fail(guarded, target, STORM)
    with pytest.raises(NotSent):
        guarded.update("b1", {})
    assert (breaker.went(), breaker.went()) == (1 + STORM, 0)
