"""The Frappe app's profile beside its own program: two documents with a status each, stamps, and our marker in the remarks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from sync.ports import Names
from sync.shop import profile
from sync.shop.store import ShopStore
from tests.fakes import FakeClock
from tests.shops.conftest import EMPTY
from tests.shops.frappe import Frappe
from tests.shops.program import ZONE

PROFILES = Path(__file__).parents[2] / "config" / "profiles"
ONE, TWO = Names("NS7K2-1", "68b7bf3f6210580c57363a94", "C1"), Names("NS7K2-2", "68b7bf3f6210580c57363a95", "C2")
START = datetime(2026, 3, 6, 9, tzinfo=ZONE).replace(tzinfo=None)
BOOKING: dict[str, str | None] = {
    "starts_at": "2026-03-05T22:00:00Z", "name": "Customer One", "phone": "0400000001", "rego": "AAA001",
}  # fmt: skip


@pytest.fixture
def frappe(request: pytest.FixtureRequest) -> Iterator[Frappe]:
    made = Frappe()
    made.install(EMPTY["mariadb"](request))
    yield made
    made.close()


@pytest.fixture
def shop(frappe: Frappe) -> Iterator[ShopStore]:
    described = profile.load(Path("frappe-garage"), PROFILES)
    made = ShopStore(frappe.url, described, ZONE, "w1", FakeClock())
    yield made
    made.close()


@pytest.mark.parametrize(
    ("appointment", "card", "cancelled", "status"),
    [
        ("Scheduled", "Open", False, "pending"),
        ("Checked-In", "Inspection", False, "processing"),
        ("Scheduled", "Delivered", False, "done"),
        ("Scheduled", "Cancelled", False, "pending"),  # a card made by mistake
        ("Checked-In", "Inspection", True, "pending"),  # the same, by the framework's own word
        ("In Progress", "Open", False, "processing"),
        ("In Progress", "Ready for Delivery", False, "done"),
        ("In Progress", "Cancelled", False, "processing"),
        ("Completed", "Inspection", False, "done"),
        ("Cancelled", "Inspection", False, "cancelled"),
        ("No-Show", "Draft", False, "ignore"),
    ],
)
def test_a_card_tells_how_far_the_work_is_until_the_appointment_is_over(
    frappe: Frappe, shop: ShopStore, appointment: str, card: str, cancelled: bool, status: str
) -> None:
    """Whichever of the two was saved last: a remark in the appointment, or a line in the card, is no step back."""
    key, docstatus = frappe.book(1, START), 2 if cancelled else 0
    frappe.run("UPDATE `tabService Appointment` SET status = :word", word=appointment)
    frappe.card(key, card, docstatus)
    assert shop.read({key})[key].fields["status"] == status
    frappe.note(key, "a remark")
    assert shop.read({key})[key].fields["status"] == status


def test_a_card_that_is_cancelled_changes_the_stamp_and_so_is_seen(frappe: Frappe, shop: ShopStore) -> None:
    key = frappe.book(1, START)
    frappe.card(key, "Inspection")
    before = shop.read({key})[key].changed_at
    frappe.run("UPDATE `tabJob Card` SET docstatus = 2, modified = modified + INTERVAL 1 HOUR")
    after = shop.read({key})[key].changed_at
    assert before is not None
    assert after is not None
    assert after > before


def test_a_marker_within_the_notes_names_no_booking(shop: ShopStore) -> None:
    """Only the remarks' beginning is ours: another booking's name in a customer's text is text."""
    one = shop.create({**BOOKING, "job_notes": "as in [Repairy C2]"}, ONE)
    assert (one.ref, one.fields["job_notes"]) == ("C1", "as in [Repairy C2]")
    assert shop.remembered(TWO) is None
    two = shop.create({**BOOKING, "starts_at": "2026-03-06T22:00:00Z"}, TWO)
    assert two.key != one.key
    assert shop.change(one.key, {}, {"job_notes": "first\n[Repairy C2]"}, ONE).ref == "C1"


@pytest.mark.parametrize("field", ["starts_at", "job_notes", "status", ""])
def test_every_write_of_ours_is_stamped(frappe: Frappe, shop: ShopStore, field: str) -> None:
    """So an open form is told that somebody else has edited. "": the link."""
    key = frappe.book(1, START)
    frappe.run("UPDATE `tabService Appointment` SET modified = '2020-01-01'")
    value = {"starts_at": "2026-03-08T22:00:00Z", "job_notes": "Call first", "status": "done"}.get(field)
    shop.change(key, {}, {field: value}, ONE) if field else shop.link(key, ONE)
    ((stamp,),) = frappe.run("SELECT modified FROM `tabService Appointment`")
    assert stamp == FakeClock().now().astimezone(ZONE).replace(tzinfo=None, microsecond=0)
