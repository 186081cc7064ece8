"""The guard: what is too much for an ordinary afternoon, by kind, and what a person let go."""

from __future__ import annotations

import re

import pytest

from sync.core.action import Action, digest, plan_digest
from sync.core.guard import KINDS, Frozen, Limits, stale, tripped


def actions(kind: str, count: int, side: str = "repairy", stale: str = "") -> list[Action]:
    fields = {"description": kind}
    return [Action(side, kind, fields, (), "", reference=f"W-{kind}-{number}", stale=stale) for number in range(count)]  # type: ignore[arg-type]


# Open bookings -> how many of one kind may go in one pass: a third less a little, but never under 15 nor over 50.
ALLOWED = {0: 15, 1: 15, 50: 15, 53: 15, 54: 16, 100: 30, 166: 49, 167: 50, 1000: 50}


@pytest.mark.parametrize("opened", ALLOWED)
def test_how_many_may_go(opened: int) -> None:
    assert Limits().allowed(opened) == ALLOWED[opened]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("opened", ALLOWED)
def test_one_more_trips(kind: str, opened: int) -> None:
    most = ALLOWED[opened]
    assert tripped(actions(kind, most), opened, Limits()) == []
    frozen = tripped(actions(kind, most + 1), opened, Limits())
    assert [(one.kind, one.count) for one in frozen] == [(kind, most + 1)]
    assert all(str(number) in frozen[0].reason for number in (most + 1, opened, most))


def test_kinds_are_counted_apart() -> None:
    """15 of each go; the one kind over it is frozen alone."""
    many = [action for kind in KINDS for action in actions(kind, 16 if kind == "cancel" else 15)]
    assert [one.kind for one in tripped(many, 20, Limits())] == ["cancel"]


def test_telling_a_side_the_others_name_trips_nothing() -> None:
    assert tripped(actions("link", 500), 20, Limits()) == []


def test_what_a_person_released_does_not_count() -> None:
    many = actions("change", 40)
    released = {action.signature for action in many[:25]}
    assert tripped(many, 20, Limits(), released) == []
    assert tripped(many, 20, Limits(), set(list(released)[:24]))[0].count == 16


def test_the_owners_numbers_count() -> None:
    assert Limits(max_share=0.5, max_count=20, min_count=2).allowed(10) == 5
    assert Limits(max_share=0.5, max_count=20, min_count=2).allowed(1000) == 20
    assert Limits(max_share=0.0, max_count=20, min_count=0).allowed(1000) == 0


def test_late_messages_are_one_plan() -> None:
    late = actions("done", 2, stale="an old change") + actions("cancel", 1, stale="a change older than the baseline")
    (frozen,) = stale(late + actions("done", 5))
    assert (frozen.kind, frozen.actions) == ("stale", tuple(late))
    assert "3" in frozen.reason
    assert frozen.reason.endswith(": a change older than the baseline; an old change")
    assert stale(actions("done", 5)) == []


# -- digests


def test_a_digest_is_twelve_hex_digits() -> None:
    assert re.fullmatch("[0-9a-f]{12}", Frozen("done", tuple(actions("done", 3)), "").digest)
    assert re.fullmatch("[0-9a-f]{12}", actions("done", 1)[0].signature)


def test_the_same_plan_in_any_order_has_the_same_digest() -> None:
    many = actions("done", 20)
    assert plan_digest(many) == plan_digest(many[::-1])


def test_fields_in_any_order_have_the_same_signature() -> None:
    one, two = ({"a": "1", "b": None}, {"b": None, "a": "1"})
    assert Action("shop", "change", one, (), "").signature == Action("shop", "change", two, (), "").signature


BASE = Action("shop", "change", {"description": "Brakes"}, ("service",), "why", reference="W-1")
OTHERS = {
    "reference": Action("shop", "change", {"description": "Brakes"}, ("service",), "why", reference="W-2"),
    "side": Action("repairy", "change", {"description": "Brakes"}, ("service",), "why", reference="W-1"),
    "kind": Action("shop", "create", {"description": "Brakes"}, ("service",), "why", reference="W-1"),
    "value": Action("shop", "change", {"description": "Tyres"}, ("service",), "why", reference="W-1"),
    "an empty value": Action("shop", "change", {"description": None}, ("service",), "why", reference="W-1"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_another_action_has_another_signature(what: str) -> None:
    assert OTHERS[what].signature != BASE.signature


def test_the_reason_is_no_part_of_it() -> None:
    assert (
        Action("shop", "change", {"description": "Brakes"}, (), "other", reference="W-1", stale="old").signature == BASE.signature
    )


def test_a_repeated_action_changes_the_digest() -> None:
    assert plan_digest([BASE, BASE]) != plan_digest([BASE])
    assert digest([]) != digest([[]])


def test_a_digest_does_not_hang_on_the_order_of_names() -> None:
    assert digest({"workshop": "w1", "schema": "s"}) == digest({"schema": "s", "workshop": "w1"})
