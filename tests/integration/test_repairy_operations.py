"""Each operation of the Partner API with the built-in contract: what goes out, and how the answer is understood."""

from __future__ import annotations

import tomllib
from datetime import date
from typing import Any

import pytest

from sync.core.booking import Sighting
from sync.errors import ConfigError, NotFound, Unknown, Unreachable, Unsupported
from sync.repairy.contract import Contract
from sync.share import CONFIG
from tests.integration.repairy_stage import (
    BOOKING,
    FIELDS,
    ZONE,
    always,
    client,
    tokens,
    workshop,
)
from tests.integration.scripted_server import Answer, Request, serving


def test_a_booking_is_read_in_our_fields() -> None:
    body = {
        **BOOKING,
        "updatedAt": "2026-03-01T00:00:00Z",
        "pickupTime": "2026-03-06T17:00:00+11:00",
        "jobNotes": "",
        "car": {"rego": "aaa 001", "year": 2015},
        "customer": {"firstName": "Customer", "lastName": None, "phone": 400000001},
        "services": [{"title": "own"}, {"catalogCode": "logbook"}],
        "unheard": ["of"],
    }
    with workshop(always(Answer(200, body))) as (w, _):
        assert w.read("b1") == Sighting(
            key="b1",
            fields={
                "status": "pending", "starts_at": "2026-03-05T22:00:00Z", "ends_at": "2026-03-06T06:00:00Z", "job_notes": None,
                "rego": "aaa 001", "year": "2015", "first_name": "Customer", "last_name": None, "phone": "400000001",
                "service_code": "logbook",
            },
            changed_at="2026-03-01T00:00:00Z", ref="NS-1", code="C1", workshop_id="w1",
        )  # fmt: skip


def test_an_unknown_status_word_is_kept_raw() -> None:
    with workshop(always(Answer(200, {**BOOKING, "status": "On Hold"}))) as (w, _):
        assert w.read("b1").fields["status"] == "?On Hold"


@pytest.mark.parametrize(
    "lacking", [{"id": None}, {"id": "b2"}, {"status": 0.5j}, {"status": ""}, {"bookingTime": "soon"}, {"bookingTime": None}]
)
def test_a_booking_without_what_is_needed_is_not_understood(lacking: dict[str, Any]) -> None:
    body = {name: value for name, value in {**BOOKING, **lacking}.items() if not isinstance(value, complex)}
    with workshop(always(Answer(200, body))) as (w, _):
        with pytest.raises(Unreachable, match="not understood"):
            w.read("b1")
        with pytest.raises(Unknown):
            w.set_status("b1", "done")


def test_a_create_sends_what_the_contract_says_and_gives_back_the_booking() -> None:
    def script(request: Request) -> Answer:
        return tokens(request) or Answer(201, {**BOOKING, **request.body, "bookingId": "b1"})

    with workshop(script) as (w, server):
        made = w.create({**FIELDS, "job_notes": None, "year": "2015", "vin": ""}, "NS-1")
        assert server.seen[-1].body == {
            "workshopId": "w1", "externalId": "NS-1", "bookingTime": "2026-03-05T22:00:00Z", "serviceCategory": "service",
            "skipNotification": True, "car": {"rego": "AAA001", "year": 2015},
            "customer": {"firstName": "Customer", "lastName": "One", "phone": "0400000001"},
        }  # fmt: skip
        assert (made.key, made.ref, made.fields["last_name"]) == ("b1", "NS-1", "One")


def test_a_create_that_is_meant_to_be_heard_is_not_silenced() -> None:
    with workshop(always(Answer(201, {**BOOKING, "bookingId": "b1"}))) as (w, server):
        w.create(FIELDS, "NS-1", silent=False)
        assert "skipNotification" not in next(request for request in server.seen if request.path == "/bookings").body


def test_a_create_answered_by_an_id_alone_is_read() -> None:
    def script(request: Request) -> Answer:
        return tokens(request) or Answer(200, {"bookingId": "b1"} if request.method == "POST" else BOOKING)

    with workshop(script) as (w, server):
        assert w.create(FIELDS, "NS-1").key == "b1"
        assert server.paths()[-1] == "GET /bookings/b1"


def test_an_accepted_write_that_cannot_be_read_back_is_unknown() -> None:
    def script(request: Request) -> Answer:
        return tokens(request) or (Answer(200, {"bookingId": "b1"}) if request.method == "POST" else Answer(500))

    with workshop(script) as (w, _), pytest.raises(Unknown, match="accepted"):
        w.create(FIELDS, "NS-1")


def test_a_create_that_lacks_a_required_field_is_not_sent() -> None:
    with workshop(always(Answer())) as (w, server):
        with pytest.raises(Unsupported, match="rego, phone"):
            w.create({"name": "Customer One", "starts_at": "2026-03-05T22:00:00Z", "service_category": "service"}, "NS-1")
        assert server.seen == []


CATALOG = [
    {"_id": "c" * 24, "catalogCode": "logbook", "title": "Logbook service", "category": "service", "cost": 150},
    {"odd": 1},
    7,
]


def test_a_service_code_is_sent_as_the_catalogs_service_and_the_catalog_is_kept() -> None:
    def script(request: Request) -> Answer:
        return tokens(request) or Answer(200, CATALOG if request.path.endswith("/services") else {**BOOKING, "bookingId": "b1"})

    with workshop(script) as (w, server):
        w.create({**FIELDS, "service_code": "LOGBOOK"}, "NS-1")
        w.create({**FIELDS, "service_code": "no such"}, "NS-2")
        creates = [request.body for request in server.seen if request.path == "/bookings"]
        assert creates[0]["services"] == [{"catalogId": "c" * 24, "catalogCode": "logbook", "title": "Logbook service"}]
        assert "services" not in creates[1]
        assert server.paths().count("GET /workshops/w1/services") == 1


def test_an_update_sends_objects_whole_since_a_part_may_replace_them() -> None:
    held = {**BOOKING, "car": {"id": "car1", "rego": "AAA001", "vin": "V1"}}

    def script(request: Request) -> Answer:
        return tokens(request) or Answer(200, {**held, **(request.body or {})})

    with workshop(script) as (w, server):
        seen = w.update("b1", {"model": "Model X", "job_notes": None})
        assert server.seen[-1].body == {
            "car": {"id": "car1", "rego": "AAA001", "vin": "V1", "model": "Model X"},
            "jobNotes": None,
        }
        assert (seen.fields["vin"], seen.fields["job_notes"]) == ("V1", None)


def test_an_update_writes_the_reference_where_asked() -> None:
    with workshop(always(Answer(200, BOOKING))) as (w, server):
        assert w.update("b1", {}, reference="NS-1").ref == "NS-1"
        assert server.seen[-1].body == {"externalId": "NS-1"}


@pytest.mark.parametrize(
    "fields", [{"status": "done"}, {"service_code": "logbook"}, {"starts_at": "2026-03-05"}, {"year": "old"}]
)
def test_an_update_that_repairy_cannot_hold_is_not_sent(fields: dict[str, str]) -> None:
    with workshop(always(Answer(200, BOOKING))) as (w, server):
        with pytest.raises(Unsupported):
            w.update("b1", fields)
        assert not [path for path in server.paths() if path.startswith("PUT")]


def test_an_empty_answer_to_a_status_is_followed_by_a_look() -> None:
    def script(request: Request) -> Answer:
        return tokens(request) or (Answer(204) if request.method == "POST" else Answer(200, {**BOOKING, "status": "done"}))

    with workshop(script) as (w, server):
        assert w.set_status("b1", "done").fields["status"] == "done"
        assert server.paths()[-2:] == ["POST /bookings/b1/done", "GET /bookings/b1"]


@pytest.mark.parametrize("booking_id", ["a/b", "a?b=c", "a b#c", "\u00e9"])
def test_an_id_cannot_leave_its_place_in_the_path(booking_id: str) -> None:
    with workshop(always(Answer(200, {**BOOKING, "id": booking_id}))) as (w, server):
        assert w.read(booking_id).key == booking_id
        assert server.seen[-1].path.count("/") == 2
        assert "?" not in server.seen[-1].path


@pytest.mark.parametrize("booking_id", ["", ".", ".."])
def test_what_cannot_be_an_id_is_not_found(booking_id: str) -> None:
    with workshop(always(Answer(200, BOOKING))) as (w, server):
        with pytest.raises(NotFound):
            w.read(booking_id)
        assert server.seen == []


def test_availability_is_asked_for_a_week_at_a_time() -> None:
    day = {"date": "2026-03-02", "opens": "07:00", "closes": "18:00", "slots": ["08:00", "09:30"], "pickups": None}
    with workshop(always(Answer(200, [day]))) as (w, server):
        days = w.availability(date(2026, 3, 1), date(2026, 3, 10), catalog_id="c1")
        assert [path.partition("?")[2] for path in server.paths()[1:]] == [
            "from=2026-03-01&to=2026-03-07&catalogId=c1", "from=2026-03-08&to=2026-03-10&catalogId=c1",
        ]  # fmt: skip
        assert (days[0].slots, days[0].pickups) == (("08:00", "09:30"), ())


def test_a_reminder_goes_to_the_phone_in_leading_zero_form() -> None:
    with workshop(always(Answer(200, {"id": "r1", "code": "ABCD1234", "carId": 5}))) as (w, server):
        told = w.remind(phone="+61 400 000 001")
        assert server.seen[-1].body == {"workshopId": "w1", "customerPhone": "0400000001"}
        assert (told["id"], told["code"], told["car_id"], told["reference"]) == ("r1", "ABCD1234", "5", None)


def test_a_quote_is_asked_for_and_named() -> None:
    with workshop(always(Answer(200, {"quoteId": "q1"}))) as (w, server):
        assert w.quote({**FIELDS, "description": "Brakes", "address": "1 Example Street"}) == "q1"
        assert server.seen[-1].body["customer"] == {
            "firstName": "Customer", "lastName": "One", "phone": "0400000001", "address": "1 Example Street",
        }  # fmt: skip


def test_the_report_is_off_until_the_contract_has_it() -> None:
    with workshop(always(Answer(200, []))) as (w, server):
        with pytest.raises(ConfigError, match=r"operations\.report"):
            w.report(date(2026, 3, 1), date(2026, 3, 2))
        assert server.seen == []


def test_calls_are_counted_by_operation() -> None:
    with serving(always(Answer(200, BOOKING))) as server, client(server.url) as made:
        made.workshop("w1", ZONE).read("b1")
        made.workshop("w2", ZONE).read("b1")
        assert made.calls == {"token": 1, "read": 2}


def test_a_service_is_changed_only_to_one_of_the_catalog() -> None:
    """Where the contract lets services be changed at all."""
    rules = tomllib.loads((CONFIG / "repairy-api.toml").read_text("utf-8"))
    rules["update"]["editable"].append("service_code")

    def script(request: Request) -> Answer:
        return tokens(request) or Answer(
            200, CATALOG if request.path.endswith("/services") else {**BOOKING, **(request.body or {})}
        )

    with workshop(script, contract=Contract.parse(rules)) as (w, server):
        assert w.update("b1", {"service_code": "logbook"}).fields["service_code"] == "logbook"
        assert server.seen[-1].body == {
            "services": [{"catalogId": "c" * 24, "catalogCode": "logbook", "title": "Logbook service"}]
        }
        for unknown in ("no such", None):
            with pytest.raises(Unsupported, match="catalog"):
                w.update("b1", {"service_code": unknown})
