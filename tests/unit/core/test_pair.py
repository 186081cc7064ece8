"""Which shop row and which Repairy booking are the same one: certain, in doubt, or strangers."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

import pytest

from sync.core.booking import Link
from sync.core.pair import Pairing, pair
from tests.unit.core.carry_out import BOOKING, MELBOURNE, booking


def row(number: int, **parts: object) -> Link:
    names = {name: parts.pop(name) for name in ("reference", "shop_ref", "choice") if name in parts}
    return Link(number, "w", **{"reference": f"W-{number}", **names}, shop_key=str(number), shop=booking(**parts))  # type: ignore[arg-type]


def online(number: int, **parts: object) -> Link:
    names = {name: parts.pop(name) for name in ("repairy_ref", "repairy_code", "choice") if name in parts}
    return Link(number, "w", repairy_id=f"r{number}", **names, repairy=booking(**parts))  # type: ignore[arg-type]


def paired(found: Pairing) -> set[tuple[int, int]]:
    return {(one.id, other.id) for one, other in found.pairs}


NOBODY: dict[str, object] = {"phone": None, "email": None}
ELSE: dict[str, object] = {"phone": "0400000009", "email": "nine@example.com", "name": "Customer Nine"}
# What the Repairy booking 9 has that differs from the shop's row 1 -> what becomes of the two.
CASES: Mapping[str, tuple[dict[str, object], str]] = {
    "plate, day, phone and e-mail": ({}, "pair"),
    "another time that day": ({"starts_at": "2026-03-11T05:00:00Z"}, "pair"),
    "the phone alone": ({"email": None}, "pair"),
    "the e-mail alone": ({"phone": "0400000009"}, "pair"),
    "spelt otherwise": ({"rego": "aaa-001", "phone": "+61 400 000 001", "email": None}, "pair"),
    "plate and day, no contact": (NOBODY, "doubt"),
    "plate and day, another's contact": (ELSE, "doubt"),
    "plate, the next day in Melbourne": ({"starts_at": "2026-03-11T13:00:00Z"}, "doubt"),
    "plate, 14 days later": ({"starts_at": "2026-03-24T22:00:00Z"}, "doubt"),
    "plate, 15 days later": ({"starts_at": "2026-03-25T22:00:00Z"}, "strangers"),
    "phone that day, another plate": ({"rego": "AAA009"}, "doubt"),
    "phone another day, another plate": ({"rego": "AAA009", "starts_at": "2026-03-12T22:00:00Z"}, "strangers"),
    "the name alone": ({"rego": "AAA009", **NOBODY}, "strangers"),
    "name and day, no plate": ({"rego": None, **NOBODY}, "strangers"),
    "cancelled online": ({"status": "cancelled"}, "strangers"),
    "by reference, whatever else": (
        {"repairy_ref": "W-1", "rego": "AAA009", **ELSE, "starts_at": "2026-05-12T22:00:00Z"},
        "pair",
    ),
    "by reference, though cancelled": ({"repairy_ref": "W-1", "status": "cancelled"}, "pair"),
    "another's reference": ({"repairy_ref": "X-1", "rego": "AAA009", **ELSE}, "strangers"),
    "a person said it is new": ({"choice": {"create": "person"}, **NOBODY}, "strangers"),
}


@pytest.mark.parametrize("case", CASES)
def test_one_row_and_one_booking(case: str) -> None:
    parts, want = CASES[case]
    found = pair([row(1)], [online(9, **parts)], [], MELBOURNE)
    got = "pair" if paired(found) == {(1, 9)} else "doubt" if set(found.doubts) == {1, 9} else "strangers"
    assert got == want
    assert got == "strangers" or not (found.pairs and found.doubts)


@pytest.mark.parametrize("memory", ["r9", "QX7"])
def test_a_row_that_remembers_its_booking_by_id_or_code(memory: str) -> None:
    found = pair([row(1, shop_ref=memory, rego="AAA009", **ELSE)], [online(9, repairy_code="QX7")], [], MELBOURNE)
    assert paired(found) == {(1, 9)}


@pytest.mark.parametrize(("rows", "bookings"), [((1, 2), (9,)), ((1,), (8, 9)), ((1, 2), (8, 9))])
def test_two_candidates_go_to_a_person(rows: tuple[int, ...], bookings: tuple[int, ...]) -> None:
    found = pair([row(number) for number in rows], [online(number) for number in bookings], [], MELBOURNE)
    assert not found.pairs
    assert set(found.doubts) == {*rows, *bookings}
    assert all(why.startswith("more than one booking could be this one") for why in found.doubts.values())


def test_two_bookings_under_one_reference_are_not_both_the_row() -> None:
    found = pair([row(1)], [online(8, repairy_ref="W-1"), online(9, repairy_ref="W-1")], [], MELBOURNE)
    assert paired(found) == {(1, 8)}


def test_a_certain_pair_leaves_its_rival_in_no_pair() -> None:
    """The reference decides; the other booking of that plate and day is new, or a second one."""
    found = pair([row(1)], [online(8), online(9, repairy_ref="W-1")], [], MELBOURNE)
    assert paired(found) == {(1, 9)}
    assert 1 not in found.doubts


def test_a_booking_with_plate_and_day_of_a_linked_row_is_a_second_booking() -> None:
    linked = Link(1, "w", "W-1", "1", "r1", shop=booking(), repairy=booking())
    found = pair([], [online(9)], [linked], MELBOURNE)
    assert not found.pairs
    assert "second booking" in found.doubts[9]


@pytest.mark.parametrize("other", [{"rego": "AAA009"}, {"starts_at": "2026-03-12T22:00:00Z"}])
def test_with_another_plate_or_day_it_is_no_second_booking(other: dict[str, object]) -> None:
    linked = Link(1, "w", "W-1", "1", "r1", shop=booking(), repairy=booking())
    assert pair([], [online(9, **other)], [linked], MELBOURNE) == Pairing((), {})


@pytest.mark.parametrize(("mine", "theirs"), [(None, None), (None, BOOKING["starts_at"]), (BOOKING["starts_at"], None)])
def test_without_a_day_nothing_is_near(mine: str | None, theirs: str | None) -> None:
    found = pair([row(1, starts_at=mine)], [online(9, starts_at=theirs)], [], MELBOURNE)
    assert found == Pairing((), {})


def test_without_a_plate_nothing_is_a_second_booking() -> None:
    linked = Link(1, "w", "W-1", "1", "r1", shop=booking(rego=None), repairy=booking())
    assert pair([], [online(9, rego=None)], [linked], MELBOURNE) == Pairing((), {})


@pytest.mark.parametrize(("code", "name"), [("QX7", "QX7"), (None, "r9")])
def test_a_doubt_names_the_other_sides_booking(code: str | None, name: str) -> None:
    found = pair([row(1)], [online(9, repairy_code=code, **NOBODY)], [], MELBOURNE)
    assert f"Repairy's booking {name}:" in found.doubts[1]
    assert "the shop's booking 1:" in found.doubts[9]


@pytest.mark.parametrize(("reference", "name"), [("W-1", "W-1"), (None, "1")])
def test_a_second_booking_names_the_first(reference: str | None, name: str) -> None:
    linked = Link(1, "w", reference, "1", "r1", shop=booking(), repairy=booking())
    assert f"? {name} has" in pair([], [online(9)], [linked], MELBOURNE).doubts[9]


@pytest.mark.parametrize("seed", range(20))
def test_pairs_are_one_to_one_in_any_order(seed: int) -> None:
    random = Random(seed)
    few = {"rego": ["AAA001", "AAA002", None], "phone": ["0400000001", "0400000002", None], "email": [None]}
    pick = lambda: {name: random.choice(values) for name, values in few.items()}  # noqa: E731
    rows, bookings = [row(n, **pick()) for n in range(6)], [online(10 + n, **pick()) for n in range(6)]
    found = pair(rows, bookings, [], MELBOURNE)
    again = pair(rows[::-1], random.sample(bookings, 6), [], MELBOURNE)
    ids = [half.id for both in found.pairs for half in both]
    assert len(ids) == len(set(ids))
    assert not set(ids) & set(found.doubts)
    assert (paired(found), set(found.doubts)) == (paired(again), set(again.doubts))


def test_a_finished_visit_of_last_week_is_no_near_match() -> None:
    """A regular customer who books again is not held for the visit that is over; an open one is."""
    start = "2026-03-05T22:00:00Z"
    visit = Link(9, "N", repairy_id="r9", repairy={"rego": "AAA001", "starts_at": start, "status": "pending"})
    for status, held in (("done", False), ("cancelled", False), ("pending", True)):
        before = Link(1, "N", "P-1", "1", shop={"rego": "AAA001", "starts_at": "2026-02-27T22:00:00Z", "status": status})
        assert bool(pair([before], [visit], [], MELBOURNE).doubts) is held
