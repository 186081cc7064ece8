"""What a decision looks at: whether a booking is over or to come by the workshop's calendar, and what may message."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sync.core.action import Action, memory
from sync.core.scene import is_past, starts_after, visible_kinds
from tests.unit.core.carry_out import MELBOURNE, NOW, REPAIRY, SHOP, booking, linked

#  start -> over, to come; now it is 9 in the morning of 6 March in Melbourne, and 5 March in UTC
STARTS = [
    (None, False, False),
    ("2026-03-05", True, False),
    ("2026-03-06", False, True),
    ("2026-03-05T12:59:59Z", True, False),
    ("2026-03-05T13:00:00Z", False, False),
    ("2026-03-05T22:00:00Z", False, False),
    ("2026-03-05T22:00:01Z", False, True),
]


@pytest.mark.parametrize(("start", "over", "to_come"), STARTS)
def test_over_and_to_come_by_the_workshops_calendar(start: str | None, over: bool, to_come: bool) -> None:
    assert (is_past(start, MELBOURNE, NOW), starts_after(start, MELBOURNE, NOW)) == (over, to_come)


KINDS = [
    ({"starts_at": "x"}, {"moved"}),
    ({"ends_at": "x"}, {"moved"}),
    ({"rego": "x"}, {"updated"}),
    ({"status": "done"}, {"done"}),
    ({"status": "cancelled"}, {"cancelled"}),
    ({"status": "processing"}, {"updated"}),
    ({"status": "pending", "make": "x"}, set()),
]


@pytest.mark.parametrize(("fields", "kinds"), KINDS)
def test_what_a_field_may_message(fields: dict[str, str | None], kinds: set[str]) -> None:
    able = replace(
        REPAIRY,
        visible_update=frozenset({"starts_at", "ends_at", "rego"}),
        visible_statuses=frozenset({"done", "cancelled", "processing"}),
    )
    assert visible_kinds(able, fields) == kinds


@pytest.mark.parametrize(("refused", "stopped"), [({"starts_at": "2026-03-11T22:00:00Z"}, True), ({"ends_at": None}, False)])
def test_a_refused_start_stops_its_end_too(refused: dict[str, str | None], stopped: bool) -> None:
    """The end would move along each time."""
    world = linked(booking(starts_at="2026-03-11T22:00:00Z", ends_at="2026-03-12T05:00:00Z"), booking(), booking())
    (action,) = world.decide().actions
    world.link = replace(world.link, refused={"repairy.time": replace(action, fields=refused).signature})
    assert bool(world.decide().actions) is not stopped


def test_a_step_on_the_way_is_remembered_as_the_status() -> None:
    assert memory(Action("repairy", "change", {"status": "processing"}, (), "")) == "repairy.status"
    assert memory(Action("repairy", "link", {"reference": "W-1"}, (), "")) == "repairy.link"


@pytest.mark.parametrize(("limit", "written"), [(None, "<p>a</p><br>b"), (13, "<p>a</p><br>b"), (12, "a\nb")])
def test_notes_that_only_come_on_leave_the_others_as_they_are_spelt_where_they_fit_so(limit: int | None, written: str) -> None:
    marked = booking(job_notes="<p>a</p>")
    shop = replace(SHOP, limits={} if limit is None else {"job_notes": limit})
    world = linked(marked, booking(job_notes="a\nb"), (marked, booking(job_notes="a")), shop=shop)
    (action,) = world.decide().actions
    assert action.fields == {"job_notes": written}
