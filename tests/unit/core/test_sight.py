"""What a new sighting changes in a link: snapshots, since when a value stands, what is forgotten."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from sync.core.booking import GROUPS, Link, Sighting
from sync.core.sight import fingerprint, sight
from tests.unit.core.carry_out import booking

T0, T1, T2 = (f"2026-03-05T22:0{minute}:00.000000Z" for minute in range(3))
LINK = Link(1, "w", "W-1", "1", "r1", shop=booking(), repairy=booking())


def test_the_first_sighting_has_no_old_value() -> None:
    changes = sight(Link(1, "w"), "shop", Sighting("1", booking()), T0, None)
    assert changes["seen"] == {f"shop.{group}": {"first": T0} for group in GROUPS}


def test_only_what_changed_is_new() -> None:
    changes = sight(LINK, "shop", Sighting("1", booking(description="Brakes")), T2, T1)
    assert changes["seen"] == {"shop.service": {"first": T2, "old": T1}}


@pytest.mark.parametrize(
    ("changed_at", "last_good", "old"), [(None, T1, T1), (T0, T1, T0), (T2, T1, T1), (T0, None, T0), (None, None, T2)]
)
def test_the_old_value_was_there_until_the_last_good_read_or_its_stamp(
    changed_at: str | None, last_good: str | None, old: str
) -> None:
    """Whichever is earlier: a message is never fresher than it could be."""
    row = Sighting("1", booking(description="Brakes"), changed_at=changed_at)
    assert sight(LINK, "shop", row, T2, last_good)["seen"]["shop.service"]["old"] == old


def test_a_value_spelt_otherwise_is_not_new_but_kept_as_it_is() -> None:
    changes = sight(LINK, "shop", Sighting("1", booking(rego="aaa 001")), T2, T1)
    assert changes["seen"] == {}
    assert changes["shop"]["rego"] == "aaa 001"


def test_a_row_that_is_back_is_missing_no_more() -> None:
    link = replace(LINK, missing={"shop": T0, "shop_gone": T1, "repairy": T0})
    assert sight(link, "shop", Sighting("1", booking()), T2, T1)["missing"] == {"repairy": T0}


def test_a_move_may_go_again_once_repairy_shows_another_time() -> None:
    start = booking()["starts_at"]
    link = replace(LINK, visible=frozenset({"done", f"moved:{start}", "moved:2026-03-12T22:00:00Z"}))
    assert sight(link, "repairy", Sighting("r1", booking()), T2, T1)["visible"] == {"done", f"moved:{start}"}


@pytest.mark.parametrize(("side", "left"), [("shop", {"repairy.time": "b"}), ("repairy", {"repairy.time": "b"})])
def test_a_refusal_is_forgotten_when_either_side_shows_another_value(side: str, left: dict[str, str]) -> None:
    """And why a person should have acted on it, which a later refusal would repeat."""
    link = replace(LINK, refused={"repairy.service": "a", "repairy.service.held": "why", "repairy.time": "b"})
    changes = sight(link, side, Sighting("1", booking(description="Brakes")), T2, T1)  # type: ignore[arg-type]
    assert changes["refused"] == left


def test_an_answer_without_a_code_forgets_none() -> None:
    link = replace(LINK, repairy_code="QX7")
    assert sight(link, "repairy", Sighting("r1", booking()), T2, T1)["repairy_code"] == "QX7"


OTHERWISE = {
    "a value": Sighting("1", booking(description="Brakes")),
    "its spelling": Sighting("1", booking(rego="aaa 001")),
    "the lock": Sighting("1", booking(), locked=True),
    "its memory": Sighting("1", booking(), ref="r1"),
    "a mark": Sighting("1", booking(), marks=("starts_at:twice",)),
}


@pytest.mark.parametrize("what", OTHERWISE)
def test_another_state_of_a_row_has_another_fingerprint(what: str) -> None:
    assert fingerprint(OTHERWISE[what]) != fingerprint(Sighting("1", booking()))


def test_a_fingerprint_is_32_hex_digits() -> None:
    assert re.fullmatch("[0-9a-f]{32}", fingerprint(Sighting("1", booking())))


def test_the_same_state_has_the_same_fingerprint() -> None:
    """Whatever order the columns come in, and whatever its stamp says."""
    turned = dict(reversed(booking().items()))
    assert fingerprint(Sighting("1", turned, changed_at=T1)) == fingerprint(Sighting("1", booking()))
