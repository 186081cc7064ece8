"""What the lines of the mapping journal add up to."""

from __future__ import annotations

from typing import Any

from sync.engine.told import Told, told

REFERENCE = {"kind": "reference", "reference": "N-1", "shop_key": "1", "op": "a"}
LINK = {"kind": "link", "reference": "N-1", "shop_key": "1", "repairy_id": "r1"}
SENDING = {"kind": "sending", "reference": "N-1", "repairy_id": "r1", "op": "b"}


def read(*lines: dict[str, Any]) -> list[Told]:
    return told([{"workshop": "W", **line} for line in lines], "W")


def test_a_link_ends_the_create_that_made_it() -> None:
    assert read(REFERENCE, LINK) == [Told("N-1", "1", "r1")]


def test_a_reference_without_a_link_may_have_been_sent() -> None:
    (one,) = read(REFERENCE)
    assert one.sent
    assert not one.messaging


def test_what_was_withdrawn_was_not_sent() -> None:
    (one,) = read(REFERENCE, {"kind": "unsent", "reference": "N-1"})
    assert not one.sent


def test_a_message_is_open_until_its_end_is_told() -> None:
    assert read(LINK, SENDING)[0].messaging
    (one,) = read(LINK, SENDING, {"kind": "visible", "repairy_id": "r1", "sent": ["done"], "op": "b"})
    assert not one.messaging
    assert one.visible == {"done"}


def test_of_moves_the_last_is_told_and_what_goes_once_stays() -> None:
    (one,) = read(
        LINK, *({"kind": "visible", "repairy_id": "r1", "sent": sent} for sent in (["created", "moved:1"], ["moved:2"]))
    )
    assert one.visible == {"created", "moved:2"}


def test_two_halves_become_one_with_what_both_sent() -> None:
    sent = {"kind": "visible", "reference": None, "repairy_id": "r1", "sent": ["cancelled"]}
    assert read(REFERENCE, sent, LINK) == [Told("N-1", "1", "r1", frozenset({"cancelled"}))]


def test_lines_of_others_and_lines_of_later_versions_are_passed_over() -> None:
    assert told([{"workshop": "X", **LINK}, {"workshop": "W", "kind": "new", "reference": "N-2"}, {"workshop": "W"}], "W") == []
