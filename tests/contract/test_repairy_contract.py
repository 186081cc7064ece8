"""The wire contract drives every name: the same client and webhook check work against the sandbox speaking the built-in
contract and another one, in which everything that is only assumed is different. No line of code differs between the two.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sync.core.times import iso
from sync.errors import ConfigError, NotFound, NotSent, Rejected, Unknown, Unsupported, WriteFailed
from sync.machine import SystemClock
from sync.repairy.client import Client
from sync.repairy.contract import Contract, load
from sync.repairy.webhook import Refused, verify
from sync.repairy.workshop import WorkshopRepairy
from sync.sandbox.faults import Fault
from sync.sandbox.partner import APP_KEY, APP_SECRET, PARTNER_ID, WEBHOOK_SECRET, WORKSHOPS
from sync.sandbox.server import Sandbox
from tests.integration.scripted_server import Answer, Request, Server, serving

OTHER = Path(__file__).parent / "other-api.toml"
WORKSHOP = next(iter(WORKSHOPS))
START = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=8)
FIELDS = {
    "name": "Customer One", "phone": "0400 000 001", "email": "one@example.com", "rego": "AAA001", "make": "Make", "year": "2015",
    "starts_at": iso(START), "service_category": "service", "job_notes": "Brakes",
}  # fmt: skip


@dataclass
class Stage:
    """A sandbox that speaks one contract, a client for it, and where its webhooks arrive."""

    contract: Contract
    sandbox: Sandbox
    client: Client
    workshop: WorkshopRepairy
    hooks: Server

    def hook(self, at: int) -> Request:
        """The webhook of this number; they come within a few seconds."""
        end = time.monotonic() + 10
        while len(self.hooks.seen) <= at and time.monotonic() < end:
            threading.Event().wait(0.02)
        return self.hooks.seen[at]


@pytest.fixture(params=["built-in", "other"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    contract = load(OTHER if request.param == "other" else None)
    with serving(lambda _: Answer(204)) as hooks:
        sandbox = Sandbox(contract, webhook_url=f"{hooks.url}/webhooks/repairy")
        url = sandbox.start()
        client = Client(url, PARTNER_ID, APP_KEY, APP_SECRET, contract, SystemClock(), timeout=10, requests_per_second=1000)
        try:
            yield Stage(contract, sandbox, client, client.workshop(WORKSHOP, ZoneInfo("Australia/Melbourne")), hooks)
        finally:
            client.close()
            sandbox.stop()


def name_of(fields: Any) -> str:
    return fields.get("name") or f"{fields.get('first_name')} {fields.get('last_name')}"


def test_the_other_contract_differs_in_everything_assumed() -> None:
    """Else this file would prove less than it says."""
    ours, others = dict(load().unconfirmed()), dict(load(OTHER).unconfirmed())
    assert [key for key, value in ours.items() if others[key] == value] == []


def test_a_booking_is_made_read_changed_and_finished(stage: Stage) -> None:
    w = stage.workshop
    made = w.create(FIELDS, "NS-1")
    assert (made.ref, made.workshop_id, made.fields["status"]) == ("NS-1", WORKSHOP, "pending")
    assert (made.fields["starts_at"], made.fields["rego"], made.fields["year"]) == (iso(START), "AAA001", "2015")
    assert name_of(made.fields) == "Customer One"
    assert made.fields["phone"] == stage.contract.phone_out("0400000001")
    assert w.read(made.key).fields == made.fields

    moved = w.update(made.key, {"starts_at": iso(START + timedelta(hours=2)), "job_notes": None, "model": "Model X"})
    assert (moved.fields["starts_at"], moved.fields["model"]) == (iso(START + timedelta(hours=2)), "Model X")
    assert not moved.fields.get("job_notes")
    assert (moved.fields["rego"], moved.fields["make"]) == ("AAA001", "Make")

    assert w.set_status(made.key, "processing").fields["status"] == "processing"
    assert w.set_status(made.key, "done").fields["status"] == "done"


def test_the_same_reference_gives_the_same_booking(stage: Stage) -> None:
    first = stage.workshop.create(FIELDS, "NS-1")
    assert stage.workshop.create(FIELDS, "NS-1").key == first.key


def test_a_transition_that_is_not_allowed_is_told_from_other_refusals(stage: Stage) -> None:
    made = stage.workshop.create(FIELDS, "NS-1")
    stage.workshop.set_status(made.key, "cancelled")
    with pytest.raises(Rejected) as caught:
        stage.workshop.set_status(made.key, "done")
    assert caught.value.transition


def test_a_wrong_request_is_rejected_and_says_why(stage: Stage) -> None:
    with pytest.raises(Rejected) as caught:
        stage.workshop.create({**FIELDS, "service_category": "nonsense"}, "NS-1")
    assert not caught.value.transition
    assert caught.value.code


def test_a_booking_that_is_not_there_is_not_found(stage: Stage) -> None:
    with pytest.raises(NotFound):
        stage.workshop.read("f" * 24)


def test_ability_is_what_the_contract_says(stage: Stage) -> None:
    able, contract = stage.workshop.ability, stage.contract
    assert able.next == contract.next()
    assert able.required == set(contract.required.create)
    assert able.writes - {"name"} == set(contract.update.editable) - {"reference", "name"}
    assert (able.visible_create, able.silence_confirmed) == (False, False)
    assert able.visible_statuses == set(contract.visible.statuses)
    assert able.visible_update == set(contract.visible.update)


def test_a_field_that_is_not_editable_is_not_sent(stage: Stage) -> None:
    made = stage.workshop.create(FIELDS, "NS-1")
    fixed = next(field for field in ("vin", "service_code") if field not in stage.workshop.ability.writes)
    with pytest.raises(Unsupported, match=fixed):
        stage.workshop.update(made.key, {fixed: "logbook"})


def test_slots_catalog_quotes_and_reminders(stage: Stage) -> None:
    w, day = stage.workshop, START.date()
    offers = w.catalog()
    assert "logbook" in {offer.code for offer in offers}
    days = w.availability(day, day + timedelta(days=8), catalog_id=offers[0].catalog_id)
    assert [found.date for found in days] == [(day + timedelta(days=at)).isoformat() for at in range(9)]
    assert any(found.slots and found.opens and found.closes for found in days)
    assert w.quote({**FIELDS, "address": "1 Example Street", "description": "Brakes"})
    told = w.remind(phone="+61 400 000 001")
    assert w.reminder(str(told["id"]))["code"] == told["code"]


def test_a_service_code_becomes_the_catalogs_service(stage: Stage) -> None:
    made = stage.workshop.create({**FIELDS, "service_code": "logbook"}, "NS-1")
    assert made.fields["service_code"] == "logbook"


def test_the_report_lists_where_the_contract_has_it(stage: Stage) -> None:
    made = stage.workshop.create(FIELDS, "NS-1")
    since, until = START.date() - timedelta(days=1), START.date() + timedelta(days=1)
    if not stage.contract.operations.report:
        with pytest.raises(ConfigError):
            stage.workshop.report(since, until)
        return
    assert [found.key for found in stage.workshop.report(since, until)] == [made.key]


def test_a_webhook_is_verified_and_names_the_booking(stage: Stage) -> None:
    made = stage.workshop.create(FIELDS, "NS-1")
    hook = stage.hook(0)
    given = (hook.method, hook.path, hook.headers, hook.raw, datetime.now(UTC))
    event = verify(stage.contract, ["wrong", WEBHOOK_SECRET], *given)
    assert (event.action, event.booking_id, event.workshop_id) == ("created", made.key, WORKSHOP)
    with pytest.raises(Refused):
        verify(stage.contract, ["wrong"], *given)


def test_webhooks_of_the_other_contract_do_not_pass_for_ours(stage: Stage) -> None:
    stage.workshop.create(FIELDS, "NS-1")
    hook = stage.hook(0)
    rival = load(None if stage.contract.headers.partner_id == "X-Tenant" else OTHER)
    with pytest.raises(Refused):
        verify(rival, [WEBHOOK_SECRET], hook.method, hook.path, hook.headers, hook.raw, datetime.now(UTC))


def test_a_token_that_is_refused_once_is_renewed(stage: Stage) -> None:
    made = stage.workshop.create(FIELDS, "NS-1")
    with stage.sandbox.lock:
        stage.sandbox.partner.faults = [Fault("401", operation="read")]
    assert stage.workshop.read(made.key).key == made.key
    assert stage.client.calls["refresh"] == 1


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("500_before", Unknown), ("500_after", Unknown), ("lost_request", Unknown), ("lost_answer", Unknown),
        ("cut", Unknown), ("garbled", Unknown), ("429", NotSent),
    ],
)  # fmt: skip
def test_each_fault_of_the_sandbox_has_its_outcome(stage: Stage, kind: str, error: type[WriteFailed]) -> None:
    made = stage.workshop.create(FIELDS, "NS-1")
    with stage.sandbox.lock:
        stage.sandbox.partner.faults = [Fault(kind, operation="set_status", seconds=30.0)]
    with pytest.raises(WriteFailed) as caught:
        stage.workshop.set_status(made.key, "processing")
    assert type(caught.value) is error
    assert getattr(caught.value, "retry_after", None) == (pytest.approx(30, abs=2) if kind == "429" else None)
