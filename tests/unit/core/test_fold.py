"""Fold: what a link remembers after a write and after a decision, claim by claim; whole histories are in `test_coarse`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sync.core.action import Action, Outlook, Stand
from sync.core.booking import Fields, Link, Side, Sighting
from sync.core.fold import decided, folded, happened, memories, recorded, took
from tests.unit.core.carry_out import BOOKING, booking

NOW, LATER = "2026-03-05T22:00:00.000000Z", "2026-03-05T23:00:00.000000Z"
THERE = "2026-03-11T22:00:00Z"
LINK = Link(1, "w", "W-1", "1", "r1", "QX7", booking(), booking(), booking(), booking())


def change(fields: Fields, *groups: str, side: Side = "repairy", kind: str = "change", **parts: Any) -> Action:
    return Action(side, kind, fields, groups or ("service",), "why", reference="W-1", **parts)


def fold(action: Action, shown: Fields, *, link: Link = LINK, shop: Fields | None = None) -> tuple[dict[str, Any], list[str]]:
    """What a link takes from a write after which that side shows this; `shop`: the snapshot that it was planned on."""
    row = Sighting("r1" if action.side == "repairy" else "1", shown)
    return folded(link, action, {"shop": shop or link.shop, "repairy": link.repairy}, row, NOW)


# -- what a side took


def test_what_took_is_agreed_in_each_sides_own_spelling() -> None:
    changes, refused = fold(
        change({"description": "brake pads"}), booking(description="BRAKE PADS."), shop=booking(description="brake  pads")
    )
    assert (changes["shop_base"]["description"], changes["repairy_base"]["description"]) == ("brake  pads", "BRAKE PADS.")
    assert (refused, changes["refused"]) == ([], {})


@pytest.mark.parametrize("side", ["shop", "repairy"])
def test_what_was_not_sent_keeps_its_base(side: Side) -> None:
    """The make differs on both sides and nobody wrote it; each keeps its own spelling of what was agreed."""
    link = replace(LINK, shop_base=booking(make="MAKE"))
    shown, there = booking(description="Brakes", make="Other"), booking(description="Brakes", make="Third")
    row = Sighting("r1" if side == "repairy" else "1", shown)
    changes, _ = folded(link, change({"description": "Brakes"}, side=side), {"shop": there, "repairy": there}, row, NOW)
    assert (changes["shop_base"]["make"], changes["repairy_base"]["make"]) == ("MAKE", "Make")


def test_what_was_refused_keeps_its_bases_and_is_remembered() -> None:
    action = change({"description": "Brakes"})
    changes, refused = fold(action, booking(), shop=booking(description="Brakes"))
    assert refused == ["service"]
    assert (changes["shop_base"], changes["repairy_base"]) == (BOOKING, BOOKING)
    assert changes["refused"] == {"repairy.service": action.signature}


@pytest.mark.parametrize(("name", "other"), [("name", "Client Two"), ("email", "two@example.com"), ("make", "Other")])
def test_what_the_shop_knew_of_a_customer_and_his_car_is_no_edit_of_a_new_booking(name: str, other: str) -> None:
    """The row was found by his phone: what stands there is agreed as the shop's, and stays as it is at Repairy."""
    action = change({**BOOKING, name: "Sent"}, "name", "email", "make", side="shop", kind="create")
    changes, refused = fold(
        action, booking(**{name: other}), link=Link(1, "w", repairy_id="r1", repairy=booking(**{name: "Sent"}))
    )
    assert (changes["shop_base"][name], changes["repairy_base"][name], refused) == (other, "Sent", [])


def test_a_newer_edit_leaves_what_was_sent_as_the_base() -> None:
    changes, refused = fold(change({"description": "Brakes"}), booking(description="Clutch"), shop=booking(description="Brakes"))
    assert (changes["repairy_base"]["description"], changes["shop_base"]["description"]) == ("Brakes", "Brakes")
    assert refused == []


@pytest.mark.parametrize(("sent", "first", "last"), [("Client Two", "Client", "Two"), (None, "", "")])
def test_a_newer_name_leaves_what_was_sent_in_the_parts_that_the_side_shows(sent: str | None, first: str, last: str) -> None:
    parts = {name: text for name, text in BOOKING.items() if name != "name"}
    link = replace(LINK, shop={**parts, "first_name": "Customer", "last_name": "One"})
    shown = {**parts, "first_name": "Somebody", "last_name": "Else"}
    changes, _ = fold(change({"name": sent}, "name", side="shop"), shown, link=link)
    assert (changes["shop_base"]["first_name"], changes["shop_base"]["last_name"]) == (first, last)


#  field, sent, shown, shown before -> what became of it
FATES = [
    ("description", "Brake pads", "brake-pads", "x", "took"),
    ("description", "Brakes", "Tyres", "Tyres", "refused"),
    ("description", "Brakes", "Clutch", "Tyres", "newer"),
    ("starts_at", THERE, "2026-03-12T09:00:00+11:00", None, "took"),
    ("starts_at", THERE, BOOKING["starts_at"], BOOKING["starts_at"], "refused"),
    ("ends_at", THERE, "2026-03-12T09:00:00+11:00", None, "took"),
    ("status", "done", "done", "pending", "took"),
    ("status", "done", "Done.", "pending", "newer"),
    ("job_notes", "a\nb\nc", "a\nc", "a", "took"),  # c was to be added
    ("job_notes", "a\nb", "a", "a", "refused"),
]


@pytest.mark.parametrize(("name", "sent", "shown", "before", "fate"), FATES)
def test_what_became_of_a_field(name: str, sent: str, shown: str, before: str | None, fate: str) -> None:
    group = {"description": "service", "starts_at": "time", "ends_at": "time", "job_notes": "notes"}.get(name, name)
    action = change({name: sent}, group, added="c" if name == "job_notes" else None)
    assert took(group, action, {name: before}, {name: shown}) == {fate: {name}}
    assert happened(action, {name: shown}) is (fate == "took")


def test_added_notes_excuse_no_other_field() -> None:
    """One write of notes and a text; the text was refused."""
    action = change({"job_notes": "a\nc", "description": "Brakes"}, "notes", "service", added="c")
    assert took("service", action, {"description": "x"}, {"description": "x", "job_notes": "a\nc"}) == {
        "refused": {"description"}
    }
    assert not happened(action, {"description": "x", "job_notes": "a\nc"})


@pytest.mark.parametrize(("status", "kind"), [("processing", "change"), ("done", "done"), ("cancelled", "cancel")])
def test_a_refused_status_is_remembered_under_its_kind(status: str, kind: str) -> None:
    action = change({"status": status}, "status", kind=kind)
    changes, _ = fold(action, booking(), shop=booking(status=status))
    assert changes["refused"] == {"repairy.status": action.signature}


def test_what_stood_in_a_row_that_is_made_again_refuses_nothing() -> None:
    made = change({"description": "Brakes"}, kind="create")
    assert took("service", made, {"description": "x"}, {"description": "x"}) == {"newer": {"description"}}


def test_what_a_side_does_not_show_took() -> None:
    assert took("service", change({"description": "Brakes"}), {}, {}) == {"took": {"description"}}


def test_what_both_show_alike_is_agreed_along_with_what_was_written_beside_it() -> None:
    """Only the text was sent; the code stands on both sides and was never recorded."""
    base = {name: text for name, text in BOOKING.items() if name != "service_code"}
    link = replace(LINK, shop=booking(description="Brakes"), shop_base=base, repairy_base=base)
    changes, _ = fold(change({"description": "Brakes"}), booking(description="Brakes"), link=link)
    assert (changes["shop_base"], changes["repairy_base"]) == (booking(description="Brakes"), booking(description="Brakes"))


#  agreed, in the shop, at Repairy, what the shop shows after Repairy's lines were written to it -> the shop's base
OWED = {
    "added and removed": ("a\nold\ngone", "a\nboth\nmine", "a\nold\nboth\nyours", "a\nboth\nmine\nyours", "a\nboth\nyours\nold"),
    "added": ("a", "a\nmine", "a\nyours", "a\nmine\nyours", "a\nyours"),
    "removed": ("a\nold", "a", "a\nold\nyours", "a\nyours", "a\nyours\nold"),
    "nothing: as it is spelt": ("a", "a", "a\nyours", " a\n\nyours", " a\n\nyours"),
}


@pytest.mark.parametrize("case", OWED)
def test_notes_that_went_both_ways_and_arrived_on_one_are_still_owed_to_the_other(case: str) -> None:
    """What the shop added and removed itself was not written to Repairy yet."""
    base, mine, theirs, shown, after = (booking(job_notes=text) for text in OWED[case])
    link = replace(LINK, shop=mine, repairy=theirs, shop_base=base, repairy_base=base)
    changes, _ = fold(change({"job_notes": shown["job_notes"]}, "notes", side="shop", added="yours"), shown, link=link)
    assert (changes["shop_base"], changes["repairy_base"]) == (after, theirs)


# -- a create


def test_a_create_agrees_on_what_it_was_given_and_what_the_side_chose() -> None:
    """It begins as pending, whatever the shop shows; the badge that Repairy made up is Repairy's."""
    link = replace(LINK, shop=booking(status="processing", badge=None), repairy=None, shop_base=None, repairy_base=None)
    given = {name: text for name, text in BOOKING.items() if name not in ("status", "badge")}
    groups = ("time", "service", "notes", "status", "badge")
    changes, refused = fold(change(given, *groups, kind="create"), booking(status="processing"), link=link)
    assert changes["repairy_base"]["status"] == "pending"
    assert "status" not in changes["shop_base"]
    assert changes["repairy_base"]["badge"] == "Badge"
    assert "badge" not in changes["shop_base"]
    assert refused == []


def test_what_a_create_left_out_may_still_be_sent() -> None:
    """It counts as newer, not as refused, though nothing stood there before."""
    link = replace(LINK, repairy=None, shop_base=None, repairy_base=None)
    changes, refused = fold(change({"description": "Brakes"}, kind="create"), booking(description=None), link=link)
    assert (refused, changes["refused"]) == ([], {})


def test_a_refusal_that_another_value_forgot_is_forgotten() -> None:
    """The shop's row was shown with a new text meanwhile."""
    link = replace(LINK, refused={"repairy.service": "a", "repairy.time": "b"})
    changes, _ = fold(change({"description": "Brakes"}), booking(description="Brakes"), link=link)
    assert changes["refused"] == {"repairy.time": "b"}


def test_of_a_newer_edit_the_base_keeps_what_was_not_sent_as_it_is_shown() -> None:
    """A name in parts of which one was sent."""
    parts = {name: text for name, text in BOOKING.items() if name != "name"}
    link = replace(LINK, repairy={**parts, "first_name": "Customer", "last_name": "One"})
    shown = {**parts, "first_name": "Somebody", "last_name": "Else"}
    changes, _ = fold(change({"first_name": "Client"}, "name"), shown, link=link)
    assert (changes["repairy_base"]["first_name"], changes["repairy_base"]["last_name"]) == ("Client", "Else")


# -- what else it remembers


def test_an_edit_seen_in_the_answer_is_no_younger_than_the_answer() -> None:
    """Whatever the side's clock says of it."""
    row = Sighting("1", booking(description="Clutch"), changed_at=LATER)
    action = change({"make": "Other"}, "make", side="shop")
    changes, _ = folded(LINK, action, {"shop": LINK.shop, "repairy": LINK.repairy}, row, NOW)
    assert changes["seen"] == {"shop.service": {"first": NOW, "old": NOW}}


def test_a_write_takes_along_the_choices_that_it_carried_out() -> None:
    link = replace(LINK, choice={"service": "shop", "restore": "x", "missing": "shop", "notes": "hold"}, attempts=3, error="down")
    changes, _ = fold(change({"description": "Brakes"}), booking(description="Brakes"), link=link)
    assert (changes["choice"], changes["attempts"], changes["error"], changes["due_at"]) == ({"notes": "hold"}, 0, "", NOW)


def test_messages_that_went_are_remembered() -> None:
    """Done for ever, a move with its time; an update may go again."""
    link = replace(LINK, visible=frozenset({"created"}))
    action = change({"starts_at": THERE, "status": "done"}, "time", "status", visible=frozenset({"done", "moved", "updated"}))
    changes, _ = fold(action, booking(starts_at=THERE, status="done"), link=link)
    assert changes["visible"] == {"created", "done", f"moved:{THERE}"}


def test_a_move_from_there_forgets_the_move_to_there() -> None:
    link = replace(LINK, visible=frozenset({f"moved:{BOOKING['starts_at']}"}))
    action = change({"starts_at": THERE}, "time", visible=frozenset({"moved"}))
    assert fold(action, booking(starts_at=THERE), link=link)[0]["visible"] == {f"moved:{THERE}"}


def test_a_name_is_told_once_whether_it_is_shown_or_not() -> None:
    action = Action("repairy", "link", {"reference": "W-1"}, (), "why", reference="W-1")
    assert fold(action, booking())[0]["refused"] == {"repairy.link": action.signature}


# -- how a refusal is recognised


def test_each_group_of_a_refused_bundle_is_recognised_alone() -> None:
    both = change({"description": "Brakes", "name": "Client Two", "status": "cancelled"}, "service", "name", "status")
    alone = [
        change({"description": "Brakes"}, "service"),
        change({"name": "Client Two"}, "name"),
        change({"status": "cancelled"}, "status", kind="cancel"),
    ]
    assert memories(both) == {key: text for one in alone for key, text in memories(one).items()}
    assert set(memories(both)) == {"repairy.service", "repairy.name", "repairy.status"}


def test_what_the_shop_refused_together_is_recognised_together() -> None:
    """Its groups went in one transaction: one of them was refused, and it is not known which."""
    both = change({"description": "Brakes", "job_notes": "Rattle"}, "service", "notes", side="shop")
    assert memories(both) == {"shop.change": both.signature}


def test_a_refused_name_is_recognised_in_the_parts_it_went_in() -> None:
    parts = {"first_name": "Client", "last_name": "Two"}
    both = change({**parts, "description": "Brakes"}, "name", "service")
    assert memories(both)["repairy.name"] == change(parts, "name").signature


def test_a_refused_create_is_recognised_whole() -> None:
    action = change(BOOKING, "time", "service", kind="create")
    assert memories(action) == {"repairy.create": action.signature}


# -- after a decision


def test_recorded_agreement_takes_both_snapshots_for_its_groups_alone() -> None:
    link = replace(LINK, shop=booking(description="a", make="b"), repairy=booking(description="A", make="c"))
    changes = recorded(link, ["service"])
    assert (changes["shop_base"], changes["repairy_base"]) == (booking(description="a"), booking(description="A"))
    assert recorded(link, []) == {}


def stand(kind: Any, scope: str = "status", until: str | None = None) -> Outlook:
    return Outlook(stands=(Stand(kind, scope, "why", until),))


ACTION = change({"description": "Brakes"})
GOING, NOTHING = Outlook((ACTION,)), Outlook()
# choice, link, decision -> whether it is kept
LASTS: dict[str, tuple[dict[str, str], dict[str, Any], Outlook, bool]] = {
    "create, still half": ({"create": "person"}, {"repairy_id": None}, NOTHING, True),
    "create, paired": ({"create": "person"}, {}, NOTHING, False),
    "doubt, still half": ({"doubt": "why"}, {"repairy_id": None}, NOTHING, True),
    "doubt, paired": ({"doubt": "why"}, {}, NOTHING, False),
    "identity in doubt, still half": ({"identity": "why"}, {"repairy_id": None}, NOTHING, True),
    "identity in doubt, paired": ({"identity": "why"}, {}, NOTHING, False),
    "the same, plate not agreed": ({"identity": "same"}, {"shop": booking(rego="AAA009")}, NOTHING, True),
    "the same, plate agreed": ({"identity": "same"}, {}, NOTHING, False),
    "the same, half, plate agreed": ({"identity": "same"}, {"repairy_id": None}, NOTHING, False),
    "missing, still": ({"missing": "skip"}, {"missing": {"shop": NOW}}, NOTHING, True),
    "missing, back": ({"missing": "skip"}, {}, NOTHING, False),
    "all": ({"all": "skip"}, {}, NOTHING, True),
    "stuck, not agreed": ({"stuck.status": "why"}, {}, NOTHING, True),
    "stuck, agreed": ({"stuck.status": "why"}, {}, Outlook(record=frozenset({"status"})), False),
    "release of this": ({"release": f"aaaaaaaaaaaa {ACTION.signature}"}, {}, GOING, True),
    "release of another": ({"release": "aaaaaaaaaaaa"}, {}, GOING, False),
    "release, waits": ({"release": "aaaaaaaaaaaa"}, {}, stand("waiting", "notes"), True),
    "release, noted": ({"release": "aaaaaaaaaaaa"}, {}, stand("noted", "notes"), False),
    "restore, going": ({"restore": "7"}, {}, GOING, True),
    "restore, nothing": ({"restore": "7"}, {}, NOTHING, False),
    "group, going": ({"service": "shop"}, {}, GOING, True),
    "group, another going": ({"notes": "shop"}, {}, GOING, False),
    "group, waits": ({"status": "shop"}, {}, stand("waiting"), True),
    "group, another waits": ({"notes": "shop"}, {}, stand("waiting"), False),
    "group, the last write not settled": ({"notes": "shop"}, {}, stand("waiting", "intent"), True),
    "group, looked for again": ({"notes": "shop"}, {}, stand("waiting", "missing"), True),
    "group, not found": ({"notes": "shop"}, {}, stand("held", "missing"), False),
    "group, held": ({"status": "shop"}, {}, stand("held"), False),
}


@pytest.mark.parametrize("case", LASTS)
def test_how_long_a_persons_decision_lasts(case: str) -> None:
    choice, parts, out, lasts = LASTS[case]
    assert decided(replace(LINK, choice=choice, **parts), out, bool(out.actions)).get("choice", choice) == (
        choice if lasts else {}
    )


def test_it_is_looked_at_again_when_the_first_wait_is_over() -> None:
    waits = (Stand("waiting", "time", "why", LATER), Stand("waiting", "status", "why", NOW), Stand("noted", "make", "why"))
    assert decided(LINK, Outlook(stands=waits), going=False) == {"due_at": NOW}
    assert decided(replace(LINK, due_at=LATER), NOTHING, going=False) == {"due_at": None}


@pytest.mark.parametrize("how", [{"going": True}, {"going": False, "bulk": True}])
def test_what_goes_now_or_is_left_to_the_daemon_stays_due(how: dict[str, bool]) -> None:
    assert decided(replace(LINK, due_at=LATER), stand("waiting", until=NOW), **how) == {}


CLOSE = Outlook(close=True)
# state, decision, going, whether it is paired -> state after
STATES: list[tuple[str, Outlook, bool, bool, str]] = [
    ("open", CLOSE, False, True, "closed"),
    ("open", CLOSE, True, True, "open"),
    ("open", replace(stand("noted"), close=True), False, True, "open"),
    ("closed", NOTHING, False, True, "open"),
    ("closed", NOTHING, False, False, "closed"),
    ("closed", CLOSE, False, True, "closed"),
    ("baseline", NOTHING, False, True, "baseline"),
]


@pytest.mark.parametrize(("state", "out", "going", "whole", "after"), STATES)
def test_a_link_closes_when_nothing_is_left_and_opens_again(
    state: str, out: Outlook, going: bool, whole: bool, after: str
) -> None:
    link = replace(LINK, state=state, repairy_id="r1" if whole else None)
    assert decided(link, out, going).get("state", state) == after
