"""The sandbox keeps its own description: schemathesis fires at it over real sockets, with the built-in contract and with another.

What a schema cannot say is allowed for by name: too many days of availability, a reference that another booking has.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sync.repairy import contract
from sync.sandbox.server import Sandbox

ALLOWED = """
[[operations]]
include-operation-id = ["availability", "report"]
[operations.checks.positive_data_acceptance]
expected-statuses = [200, 400, 422]
[[operations]]
include-operation-id = "update"
[operations.checks.positive_data_acceptance]
expected-statuses = [200, 400, 404, 422]
"""
# Another site's answers from Repairy Support, as far from the built-in ones as the contract can say.
OTHER = """
[operations]
set_status = "PATCH /appointments/{booking_id}/to/{status}"
report = "GET /reports/bookings"
call_lead = "POST /leads/calls"
[headers]
partner_id = "X-Other-Partner"
[token]
access = "session.token"
[answer]
envelope = "result.body"
created_id = "newId"
[booking]
starts_at = "when.start"
ends_at = "when.end"
rego = "vehicle.plate"
company = "customer.company"
[create]
reference = "partnerReference"
[formats]
time = "epoch-ms"
phone = "e164"
empty = "text"
[update]
objects = "merge"
editable = ["reference", "starts_at", "rego", "first_name", "phone", "service_code"]
[status.words]
done = "completed"
[status]
path = { done = "complete" }
[silence]
update = { quiet = "yes" }
[errors]
invalid = [400]
code = "error.code"
message = "error.text"
[availability]
list = "days"
"""


@pytest.fixture(params=["", OTHER], ids=["built-in", "another"])
def sandbox(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sandbox]:
    site = tmp_path / "contract.toml"
    site.write_text(request.param)
    running = Sandbox(contract.load(site))
    running.start()
    yield running
    running.stop()


def authorized(sandbox: Sandbox) -> dict[str, str]:
    """The headers of a partner that has a token."""
    tables = sandbox.partner.shapes.tables
    names = tables["token"]
    body = {names["app_key"]: "sandbox-key", names["app_secret"]: "sandbox-secret"}
    answer = httpx.post(f"{sandbox.base_url}{tables['operations']['token'].split()[1]}", json=body).json()
    for step in names["access"].split("."):
        answer = answer[step]
    return {"Authorization": f"Bearer {answer}", tables["headers"]["partner_id"]: "sandbox-partner"}


def seed(sandbox: Sandbox, headers: dict[str, str]) -> None:
    """One booking and one reminder, so that the description has ids to name."""
    (workshop,) = sandbox.partner.diary.workshops
    form = {"workshop_id": workshop, "starts_at": "2026-12-01T09:00", "rego": "AAA001", "first_name": "Customer One",
            "phone": "0400 000 001", "service_category": "service"}  # fmt: skip
    assert httpx.post(f"{sandbox.base_url}/sandbox/book", data=form).status_code == 303
    reminder = {"workshopId": workshop, "customerPhone": "0400000001"}
    assert httpx.post(f"{sandbox.base_url}/reminders/services", json=reminder, headers=headers).status_code == 200


@pytest.mark.soak
def test_schemathesis_finds_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    """All checks pass, and every operation was really carried out at least once."""
    settings = tmp_path / "schemathesis.toml"
    settings.write_text(ALLOWED)
    headers = authorized(sandbox)
    seed(sandbox, headers)
    sandbox.partner.calls.clear()

    found = subprocess.run(
        [str(Path(sys.executable).with_name("st")), "--config-file", str(settings), "run", f"{sandbox.base_url}/openapi.json",
         *(part for name, value in headers.items() for part in ("-H", f"{name}: {value}")),
         "--seed", "7", "--max-examples", "15", "--continue-on-failure", "--no-color", "--warnings", "off"],
        cwd=tmp_path, env=os.environ | {"PYTHONUTF8": "1"}, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip

    assert found.returncode == 0, found.stdout[-6000:] + found.stderr[-2000:]
    switched_on = {name for name, call in sandbox.partner.shapes.tables["operations"].items() if call}
    carried_out = {call.operation for call in sandbox.partner.calls if call.took}
    assert switched_on - carried_out <= {"token", "refresh"}  # credentials and refresh tokens are not to be guessed


def test_only_what_is_switched_on_is_described(sandbox: Sandbox) -> None:
    """The description names every operation of the contract and no other; none lists or searches bookings unasked."""
    paths = httpx.get(f"{sandbox.base_url}/openapi.json").json()["paths"]
    described = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert described == {call for call in sandbox.partner.shapes.tables["operations"].values() if call}
