"""Bookings between our fields and the wire: names in parts or whole, what is sent along, and what Repairy can hold."""

from __future__ import annotations

import tomllib
from datetime import UTC
from typing import Any

import pytest

from sync.errors import Unsupported
from sync.repairy.bodies import create_body, named, update_body
from sync.repairy.contract import Contract, load
from sync.repairy.workshop import ability
from sync.share import CONFIG

FIELDS = {
    "name": "Customer One",
    "phone": "0400000001",
    "rego": "AAA001",
    "starts_at": "2026-03-05T22:00:00Z",
    "service_category": "service",
}


def contract(confirmed: tuple[str, ...] = (), **tables: Any) -> Contract:
    whole = tomllib.loads((CONFIG / "repairy-api.toml").read_text("utf-8"))
    return Contract.parse({**whole, "confirmed": confirmed, **{name: {**whole[name], **keys} for name, keys in tables.items()}})


WHOLE = contract(
    booking={"name": "customer.name", "first_name": "", "last_name": "", "company": "customer.company"},
    required={"create": []}, update={"editable": []},
)  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "parts"),
    [
        ({"name": "Customer One"}, {"first_name": "Customer", "last_name": "One"}),
        ({"name": "Customer Van One"}, {"first_name": "Customer Van", "last_name": "One"}),
        ({"name": "Customer"}, {"first_name": "Customer", "last_name": None}),
        ({"name": None}, {"first_name": None, "last_name": None}),
        (
            {"first_name": "Customer Van", "last_name": "One", "name": "Customer Van One"},
            {"first_name": "Customer Van", "last_name": "One"},
        ),
        ({"last_name": None}, {"last_name": None}),
        ({"first_name": None, "last_name": None, "name": "Customer One"}, {"first_name": "Customer", "last_name": "One"}),
        ({"name": None, "company": "Example Pty Ltd"}, {"first_name": "Example Pty", "last_name": "Ltd"}),
        ({"rego": "AAA001"}, {"rego": "AAA001"}),
    ],
)
def test_a_name_goes_in_parts_where_the_wire_has_parts(fields: dict[str, str | None], parts: dict[str, str | None]) -> None:
    assert named(load(), fields) == parts


@pytest.mark.parametrize(
    ("fields", "whole"),
    [
        ({"name": "Customer One"}, {"name": "Customer One"}),
        ({"first_name": "Customer", "last_name": "One"}, {"name": "Customer One"}),
        ({"first_name": "Customer", "last_name": None}, {"name": "Customer"}),
        ({"name": "Customer One", "company": "Example"}, {"name": "Customer One", "company": "Example"}),
        ({"name": None}, {"name": None}),
    ],
)
def test_a_name_goes_whole_where_the_wire_has_one(fields: dict[str, str | None], whole: dict[str, str | None]) -> None:
    assert named(WHOLE, fields) == whole


def test_constants_and_silence_are_sent_along_in_the_wires_own_dotted_names() -> None:
    rules = contract(constants={"create": {"customer.source": "shop"}}, silence={"create": {"notify": {"sms": False}}})
    body = create_body(rules, FIELDS, "w1", "NS-1", silent=True)
    assert (body["customer"]["source"], body["customer"]["firstName"], body["notify"]) == ("shop", "Customer", {"sms": False})


def test_a_year_that_is_no_number_stops_no_booking() -> None:
    assert "year" not in create_body(load(), {**FIELDS, "year": "about 2015"}, "w1", "NS-1", silent=True)["car"]


def test_a_start_without_a_time_of_day_makes_no_booking() -> None:
    with pytest.raises(Unsupported, match="starts_at"):
        create_body(load(), {**FIELDS, "starts_at": "2026-03-06"}, "w1", "NS-1", silent=True)


def test_an_emptied_field_is_sent_in_the_contracts_form() -> None:
    assert update_body(load(), {"job_notes": None}, {}) == {"jobNotes": None}
    assert update_body(contract(formats={"empty": "text"}), {"job_notes": None}, {}) == {"jobNotes": ""}


def test_an_update_leaves_the_body_that_it_is_laid_into_as_it_was() -> None:
    before = {"car": {"rego": "AAA001", "owner": {"id": 1}}}
    assert update_body(load(), {"rego": "AAA002"}, before) == {"car": {"rego": "AAA002", "owner": {"id": 1}}}
    assert before["car"]["rego"] == "AAA001"


def test_a_silence_hides_an_update_only_once_it_is_confirmed() -> None:
    silence = {"update": {"hush": True}, "set_status": {"hush": True}}
    assumed = ability(contract(silence=silence), UTC)
    known = ability(contract(("silence.*",), silence=silence), UTC)
    assert (assumed.visible_update, assumed.visible_statuses, assumed.silence_confirmed) == (
        {"starts_at"},
        {"done", "cancelled"},
        False,
    )
    assert (known.visible_update, known.visible_statuses, known.silence_confirmed) == (set(), set(), True)


def test_a_create_that_nothing_silences_is_visible() -> None:
    assert ability(contract(silence={"create": {}}), UTC).visible_create
    assert not ability(contract(silence={"create": {}}, visible={"create": False}), UTC).visible_create
    assert not ability(load(), UTC).visible_create
