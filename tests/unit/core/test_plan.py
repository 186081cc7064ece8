"""Decisions about halves, names, modes and identity: what is made, what is left alone, and in which order."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from sync.core.action import Outlook
from sync.core.booking import GROUPS, STATUSES, Side, other
from sync.core.times import iso, stamp
from tests.unit.core.carry_out import NOW, REPAIRY, SHOP, WHOLE, booking, half, linked, rules

LATER, EARLIER = iso(NOW + timedelta(days=5)), iso(NOW - timedelta(days=1))

# -- a booking that one side has: what is made of it on the other

#  status, start, what the shop's row becomes at Repairy, what Repairy's becomes in the shop
HALVES = [
    ("pending", LATER, "create", "create"),
    ("processing", LATER, "create", "create"),
    ("pending", "2026-03-05T20:00:00Z", "create", "create"),  # two hours ago: its day is not over
    ("pending", "2026-03-05T12:00:00Z", "noted", "noted"),  # 11 in the evening of 5 March in Melbourne
    ("done", LATER, "noted", "noted"),
    ("cancelled", LATER, "noted", "noted"),
    ("pending", EARLIER, "noted", "noted"),
    ("?On hold", LATER, "held", "held"),
    ("ignore", LATER, "nothing", "nothing"),
    ("pending", None, "nothing", "nothing"),
]


def outcome(out: Outlook) -> str:
    kinds = [action.kind for action in out.actions] + [stand.kind for stand in out.stands]
    assert len(kinds) <= 1
    return kinds[0] if kinds else "nothing"


@pytest.mark.parametrize(("status", "start", "at_repairy", "in_the_shop"), HALVES)
def test_what_is_made_of_half_a_booking(status: str, start: str | None, at_repairy: str, in_the_shop: str) -> None:
    fields = booking(status=status, starts_at=start, ends_at=None)
    assert outcome(half("shop", fields).decide()) == at_repairy
    assert outcome(half("repairy", fields).decide()) == in_the_shop


@pytest.mark.parametrize("side", ["shop", "repairy"])
@pytest.mark.parametrize("state", ["baseline", "skipped", "closed"])
def test_what_was_there_before_is_not_created(side: Side, state: str) -> None:
    """Also after edits."""
    world = half(side, booking())
    world.link = replace(world.link, state=state)
    world.edit(side, description="Brakes")
    assert world.decide() == Outlook()


@pytest.mark.parametrize("side", ["shop", "repairy"])
def test_a_person_creates_from_the_baseline_at_once(side: Side) -> None:
    world = half(side, booking())
    world.link = replace(world.link, state="baseline", choice={"create": "person"})
    world.edit(side, description="Brakes")
    assert outcome(world.decide()) == "create"


@pytest.mark.parametrize("word", ["identity", "doubt"])
@pytest.mark.parametrize("side", ["shop", "repairy"])
def test_a_half_in_doubt_is_held_whole(side: Side, word: str) -> None:
    world = half(side, booking())
    world.link = replace(world.link, choice={word: "looks like another"})
    assert [(stand.kind, stand.scope, stand.reason) for stand in world.decide().stands] == [
        ("held", "identity", "looks like another")
    ]


@pytest.mark.parametrize("side", ["shop", "repairy"])
def test_a_half_that_its_only_side_lost_is_closed(side: Side) -> None:
    world = half(side, booking())
    world.link = replace(world.link, missing={f"{side}_gone": stamp(NOW)})
    assert world.decide() == Outlook(close=True)


@pytest.mark.parametrize("side", ["shop", "repairy"])
def test_a_create_says_what_it_is_and_messages_nobody(side: Side) -> None:
    action = half(side, booking()).decide().actions[0]
    assert (action.kind, action.visible, action.groups) == ("create", frozenset(), tuple(GROUPS))
    assert action.reference == ("W-1" if side == "shop" else None)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"starts_at": EARLIER}, "over:"),
        ({"status": "done"}, "done:"),
        ({"status": "cancelled", "starts_at": EARLIER}, "cancelled:"),
    ],
)
def test_what_is_not_created_says_why(fields: dict[str, str | None], why: str) -> None:
    (stand,) = half("shop", booking(**fields)).decide().stands
    assert stand.reason.startswith(why)


@pytest.mark.parametrize(("status", "word"), [("?On hold", "'On hold'"), (None, "''")])
def test_a_word_that_nobody_mapped_is_told_as_the_side_says_it(status: str | None, word: str) -> None:
    (stand,) = half("shop", booking(status=status)).decide().stands
    assert stand.reason.startswith(f"status {word} ")


@pytest.mark.parametrize("lacking", [("rego",), ("name",), ("phone",), ("phone", "rego"), ("phone", "name")])
def test_what_repairy_requires_is_noted_by_name(lacking: tuple[str, ...]) -> None:
    out = half("shop", booking(**dict.fromkeys(lacking))).decide()
    assert outcome(out) == "noted"
    assert out.stands[0].reason.endswith(f"needs {', '.join(lacking)}")


@pytest.mark.parametrize("parts", [{"first_name"}, {"last_name"}, {"first_name", "last_name"}])
def test_a_part_of_a_name_that_is_required_asks_for_the_name(parts: set[str]) -> None:
    """However the shop keeps it."""
    able = replace(REPAIRY, required=frozenset(parts))
    assert outcome(half("shop", booking(), repairy=able).decide()) == "create"
    assert outcome(half("shop", booking(name=None), repairy=able).decide()) == "noted"


def test_a_side_that_requires_no_name_gets_none() -> None:
    assert outcome(half("repairy", booking(name=None)).decide()) == "create"


def test_a_service_category_that_is_empty_is_the_profiles_default() -> None:
    world = half("shop", booking(service_category=None), shop=replace(SHOP, default_category="tyres"))
    assert world.decide().actions[0].fields["service_category"] == "tyres"


def test_a_service_category_that_is_there_is_kept() -> None:
    world = half("shop", booking(service_category="repair"), shop=replace(SHOP, default_category="tyres"))
    assert world.decide().actions[0].fields["service_category"] == "repair"


def test_a_new_row_gets_no_category_that_nobody_gave() -> None:
    assert "service_category" not in half("repairy", booking(service_category=None)).decide().actions[0].fields


def test_a_new_row_takes_what_the_select_does_not_bring() -> None:
    """The create statement may use it; of the time it takes what the shop keeps."""
    able = replace(SHOP, reads=frozenset({"status", "starts_at", "rego"}))
    fields = half("repairy", booking(), shop=able).decide().actions[0].fields
    assert set(fields) == WHOLE - {"ends_at"}


def test_a_create_carries_names_in_parts_where_the_shop_has_them() -> None:
    parts = {**booking(), "first_name": "Customer", "last_name": "van One"}
    del parts["name"]
    world = half("shop", parts, shop=replace(SHOP, reads=WHOLE | {"first_name", "last_name"}))
    fields = world.decide().actions[0].fields
    assert (fields["first_name"], fields["last_name"]) == ("Customer", "van One")


def test_a_booking_reaches_the_shop_as_pending_whatever_it_is() -> None:
    """Its status follows like any other edit."""
    world = half("repairy", booking(status="processing"))
    assert world.decide().actions[0].fields["status"] == "pending"
    world.quiet()
    assert (world.holds["shop"] or {})["status"] == "processing"


def test_a_row_in_progress_is_created_and_then_moved_on() -> None:
    world = half("shop", booking(status="processing"))
    world.quiet()
    assert (world.holds["repairy"] or {})["status"] == "processing"
    assert [action.kind for action in world.sent] == ["create", "change"]


def test_a_side_that_takes_no_bookings_is_noted() -> None:
    assert outcome(half("repairy", booking(), shop=replace(SHOP, creates=False)).decide()) == "noted"


def test_a_refused_create_is_noted_until_a_value_changes() -> None:
    """Or held, where a person must act."""
    world = half("shop", booking())
    action = world.decide().actions[0]
    world.link = replace(world.link, refused={"repairy.create": action.signature}, error="no such service")
    assert outcome(world.decide()) == "noted"
    assert "no such service" in world.decide().stands[0].reason
    world.link = replace(world.link, refused={**world.link.refused, "repairy.create.held": "no right"})
    assert outcome(world.decide()) == "held"
    assert "no right" in world.decide().stands[0].reason
    world.edit("shop", description="Brakes")
    world.now += timedelta(minutes=10)
    assert outcome(world.decide()) == "create"


def test_an_online_booking_that_the_shop_refused_is_held() -> None:
    """Whatever the reason: a customer comes on that day, and the shop's program shows nothing of it."""
    world = half("repairy", booking())
    action = world.decide().actions[0]
    world.link = replace(world.link, refused={"shop.create": action.signature}, error="a column may not be null")
    assert outcome(world.decide()) == "held"
    assert world.decide().stands[0].reason == "the shop did not take this booking: a column may not be null"


def test_a_text_too_long_for_a_new_row_is_held() -> None:
    world = half("repairy", booking(description="x" * 99), shop=replace(SHOP, limits={"description": 40}))
    out = world.decide()
    assert outcome(out) == "held"
    assert "description is longer than the 40" in out.stands[0].reason


def test_a_text_shortened_for_a_new_row_says_where_the_rest_is() -> None:
    able = replace(SHOP, limits={"description": 40}, overflow="shorten")
    fields = half("repairy", booking(description="x" * 99), shop=able).decide().actions[0].fields
    assert str(fields["description"]).endswith("… (Repairy QX7)")


@pytest.mark.parametrize("side", ["shop", "repairy"])
def test_a_side_that_was_not_read_yet_is_waited_for(side: Side) -> None:
    world = linked(booking(description="Brakes"), booking(), booking())
    world.link = replace(world.link, **{side: None})
    assert [(stand.kind, stand.scope) for stand in world.decide().stands] == [("waiting", "link")]


# -- another booking under the same key


def another(**fields: str | None) -> Outlook:
    world = linked(booking(), booking(), booking())
    world.edit("shop", **fields)
    world.now += timedelta(minutes=10)
    return world.decide()


NEW = {"rego": "AAA009", "phone": "0400000009", "email": "nine@example.com", "starts_at": "2026-03-12T22:00:00Z"}


def test_plate_contact_and_start_changed_at_once_is_another_booking() -> None:
    out = another(**NEW)
    assert [(stand.kind, stand.scope) for stand in out.stands] == [("held", "identity")]
    assert not out.actions
    assert not out.record


def test_plate_contact_and_name_changed_at_once_is_another_booking() -> None:
    """At the same start too."""
    out = another(rego=NEW["rego"], phone=NEW["phone"], email=NEW["email"], name="Customer Nine")
    assert [stand.scope for stand in out.stands] == ["identity"]


@pytest.mark.parametrize("kept", ["rego", "starts_at", "phone", "email"])
def test_with_one_of_them_unchanged_it_is_the_same_booking(kept: str) -> None:
    """Both contacts must have changed."""
    out = another(**{name: text for name, text in NEW.items() if name != kept})
    assert not any(stand.scope == "identity" for stand in out.stands)
    assert out.actions


def test_a_row_is_compared_with_what_it_was_itself_and_not_with_repairys() -> None:
    """A person linked the two, though they differ in everything."""
    mine, theirs = booking(), booking(**NEW)
    assert not any(stand.scope == "identity" for stand in linked(mine, theirs, (mine, theirs)).decide().stands)


@pytest.mark.parametrize("empty", ["phone", "email"])
def test_a_contact_that_neither_had_tells_nothing(empty: str) -> None:
    """Plate, start and the other contact changed: it is another booking still."""
    world = linked(*[booking(**{empty: None})] * 3)
    world.edit("shop", **{**NEW, empty: None})
    assert [stand.scope for stand in world.decide().stands] == ["identity"]


@pytest.mark.parametrize(
    ("before", "after", "another"),
    [("Customer One", "Customer Nine", True), (None, None, True), ("Customer One", "Customer One", False)],
)
def test_where_the_shop_shows_no_contact_the_name_counts(before: str | None, after: str | None, another: bool) -> None:
    """One that is empty tells nothing either; one that stayed says that it is the same booking."""
    agreed = booking(name=before)
    world = linked(agreed, agreed, agreed, shop=replace(SHOP, reads=WHOLE - {"phone", "email"}))
    world.edit("shop", rego=NEW["rego"], starts_at=NEW["starts_at"], name=after)
    assert any(stand.scope == "identity" for stand in world.decide().stands) is another


def test_a_key_that_comes_back_with_another_plate_is_another_booking() -> None:
    world = linked(booking(rego="AAA009"), booking(), booking())
    world.link = replace(world.link, missing={"shop": stamp(NOW)})
    assert [stand.scope for stand in world.decide().stands] == ["identity"]


@pytest.mark.parametrize("mode", ["two-way", "to-shop"])
def test_a_person_who_says_it_is_the_same_is_heard_until_it_is_agreed(mode: str) -> None:
    """The answer outlasts decisions that may write nothing of it."""
    world = linked(booking(), booking(), booking(), rules=rules(mode=mode))
    world.edit("shop", **NEW)
    world.link = replace(world.link, choice={"identity": "same"})
    for _ in range(4):
        world.now += timedelta(minutes=10)
        assert not any(stand.scope == "identity" for stand in world.step().stands)
    assert bool(world.link.choice) is (mode == "to-shop")


# -- names


def test_each_side_is_told_the_others_name_once() -> None:
    world = linked(booking(), booking(), booking(), shop=replace(SHOP, links=True), repairy=replace(REPAIRY, links=True))
    world.link = replace(world.link, shop_ref=None, repairy_ref=None)
    world.quiet()
    assert [(action.side, dict(action.fields)) for action in world.sent] == [
        ("repairy", {"reference": "W-1"}),
        ("shop", {"repairy_id": "r1"}),
    ]


def test_telling_a_name_counts_as_no_message() -> None:
    """It goes once, whatever the contract says of later changes of it."""
    able = replace(REPAIRY, links=True, visible_update=frozenset({"reference"}))
    world = linked(booking(), booking(), booking(), repairy=able)
    world.link = replace(world.link, repairy_ref=None)
    assert [action.visible for action in world.decide().actions] == [frozenset()]


def test_names_are_written_after_values() -> None:
    world = linked(booking(description="Brakes", status="processing"), booking(), booking(), repairy=replace(REPAIRY, links=True))
    world.link = replace(world.link, repairy_ref=None)
    assert [action.kind for action in world.decide().actions] == ["change", "change", "link"]


# -- modes

MODES = {"observe": {"shop", "repairy"}, "two-way": {"shop", "repairy"}, "to-repairy": {"repairy"}, "to-shop": {"shop"}}


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_writes_only_what_it_says(mode: str) -> None:
    """Observe plans everything; what a mode leaves out is noted. Names count as writes."""
    able = {"shop": replace(SHOP, links=True), "repairy": replace(REPAIRY, links=True)}
    world = linked(booking(description="Brakes"), booking(status="processing"), booking(), rules=rules(mode=mode), **able)
    world.link = replace(world.link, shop_ref=None, repairy_ref=None)
    out = world.decide()
    assert {action.side for action in out.actions} == MODES[mode]
    assert len(out.actions) == 2 * len(MODES[mode])
    assert {stand.kind for stand in out.stands} == (set() if len(MODES[mode]) == 2 else {"noted"})


@pytest.mark.parametrize(("mode", "side"), [("to-repairy", "repairy"), ("to-shop", "shop")])
def test_a_mode_creates_only_where_it_writes(mode: str, side: Side) -> None:
    """The half of the side that may be written stays alone, and is noted."""
    assert outcome(half(side, booking(), rules=rules(mode=mode)).decide()) == "noted"
    assert outcome(half(other(side), booking(), rules=rules(mode=mode)).decide()) == "create"


# -- one write a side


def test_silent_fields_go_in_one_update_and_visible_ones_apart() -> None:
    world = linked(
        booking(description="Brakes", job_notes="new", starts_at=NEW["starts_at"], status="processing"), booking(), booking()
    )
    out = world.decide()
    assert [sorted(action.fields) for action in out.actions] == [["description", "job_notes"], ["starts_at"], ["status"]]


def test_the_shop_takes_all_in_one_transaction() -> None:
    world = linked(
        booking(), booking(description="Brakes", job_notes="new", starts_at=NEW["starts_at"], status="cancelled"), booking()
    )
    (action,) = world.decide().actions
    assert sorted(action.fields) == ["description", "job_notes", "starts_at", "status"]
    assert action.kind == "cancel"


def test_what_goes_to_the_shop_as_one_keeps_what_each_part_said() -> None:
    """Its groups, its reasons once each, and the note that is to be appended."""
    theirs = booking(description="Brakes", job_notes="keys at the desk\nblue car", starts_at=NEW["starts_at"])
    world = linked(booking(), theirs, booking(), shop=replace(SHOP, append_notes=True))
    (action,) = world.decide().actions
    assert (action.kind, action.groups, action.added) == ("change", ("time", "service", "notes"), "blue car")
    assert action.reason == "time changed at Repairy; service changed at Repairy; notes were added or edited"


def test_what_the_shop_refused_as_one_is_tried_apart() -> None:
    world = linked(booking(), booking(description="Brakes", job_notes="blue car"), booking())
    (both,) = world.decide().actions
    world.link = replace(world.link, refused={"shop.change": both.signature})
    assert [dict(action.fields) for action in world.decide().actions] == [{"description": "Brakes"}, {"job_notes": "blue car"}]


def test_a_status_goes_after_every_other_visible_write() -> None:
    able = replace(REPAIRY, visible_update=frozenset({"rego", "starts_at"}))
    mine = booking(status="done", rego="AAA002", job_notes="blue car")
    out = linked(mine, booking(), booking(), repairy=able).decide()
    assert [sorted(action.fields) for action in out.actions] == [["job_notes"], ["status"]]
    mine = booking(status="processing", rego="AAA002", job_notes="blue car")
    out = linked(mine, booking(), booking(), repairy=able).decide()
    assert [sorted(action.fields) for action in out.actions] == [["job_notes"], ["rego"], ["status"]]


def test_a_refused_status_is_noted() -> None:
    world = linked(booking(status="done"), booking(), booking())
    (action,) = world.decide().actions
    world.link = replace(world.link, refused={"repairy.status": action.signature})
    assert [(stand.kind, stand.scope, stand.reason) for stand in world.decide().stands] == [
        ("noted", "status", "Repairy refused to make this booking done")
    ]


def test_what_repairy_needs_is_not_emptied() -> None:
    able = replace(REPAIRY, required=REPAIRY.required | {"service_code"})
    (stand,) = linked(booking(service_category=None, service_code=None), booking(), booking(), repairy=able).decide().stands
    assert (stand.kind, stand.scope) == ("noted", "service")
    assert stand.reason.endswith("needs a value for service_category, service_code")


# -- what customers of finished bookings are spared


@pytest.mark.parametrize(
    ("start", "status", "goes"), [(LATER, "pending", True), (EARLIER, "pending", False), (LATER, "done", False)]
)
def test_customer_and_vehicle_go_to_repairy_for_open_bookings_to_come(start: str, status: str, goes: bool) -> None:
    agreed = booking(starts_at=start, ends_at=None, status=status)
    out = linked({**agreed, "phone": "0400000009"}, agreed, agreed).decide()
    assert bool(out.actions) is goes
    assert [stand.kind for stand in out.stands] == ([] if goes else ["noted"])


def test_of_a_day_only_the_workshops_own_calendar_says_whether_it_is_to_come() -> None:
    """It is 6 March in Melbourne and 5 March in UTC."""
    mine = {name: text for name, text in booking(starts_at="2026-03-05").items() if name != "ends_at"}
    theirs = booking(starts_at="2026-03-04T22:00:00Z")
    days = replace(SHOP, grain="day", reads=WHOLE - {"ends_at"})
    out = linked({**mine, "phone": "0400000009"}, theirs, (mine, theirs), shop=days).decide()
    assert [(stand.kind, stand.scope) for stand in out.stands] == [("noted", "phone")]


@pytest.mark.parametrize("status", ["done", "cancelled"])
def test_the_time_of_a_finished_booking_stays_unless_a_person_sends_it(status: str) -> None:
    """The rest of it goes."""
    agreed = booking(status=status)
    world = linked({**agreed, "starts_at": NEW["starts_at"], "description": "Brakes"}, agreed, agreed)
    out = world.decide()
    assert [dict(action.fields) for action in out.actions] == [{"description": "Brakes"}]
    assert [(stand.kind, stand.scope) for stand in out.stands] == [("noted", "time")]
    world.link = replace(world.link, choice={"time": "shop"})
    assert [sorted(action.fields) for action in world.decide().actions] == [["description"], ["starts_at"]]


@pytest.mark.parametrize("status", STATUSES)
def test_a_booking_finished_on_both_sides_closes(status: str) -> None:
    fields = booking(status=status)
    assert linked(fields, fields, fields).decide().close is (status in ("done", "cancelled"))


# -- why

BRAKES, TYRES = booking(description="Brakes"), booking(description="Tyres")
WHY = {
    "the shop's edit": (BRAKES, booking(), booking(), "shop", "service changed at the shop"),
    "Repairy's edit": (booking(), TYRES, booking(), "shop", "service changed at Repairy"),
    "both, a rule": (BRAKES, TYRES, booking(), "repairy", "both changed; the policy says repairy"),
    "both, no rule": (BRAKES, TYRES, booking(), "hold", "service was changed on both sides"),
    "never agreed": (BRAKES, TYRES, None, "hold", "service differs on both sides"),
}


@pytest.mark.parametrize("case", WHY)
def test_a_write_or_a_hold_says_who_changed_what(case: str) -> None:
    mine, theirs, agreed, word, why = WHY[case]
    out = linked(mine, theirs, agreed, rules=rules(word)).decide()
    assert [one.reason for one in (*out.actions, *out.stands)] == [why]


# -- a person's choice


@pytest.mark.parametrize("choice", ["shop", "repairy"])
def test_a_person_may_take_back_what_the_other_side_alone_changed(choice: Side) -> None:
    world = linked(booking(), booking(), booking())
    world.holds[other(choice)] = booking(description="Brakes")
    world.look(other(choice))
    world.link = replace(world.link, choice={"service": choice})
    (action,) = world.decide().actions
    assert (action.side, action.fields) == (other(choice), {"description": "Logbook service"})


@pytest.mark.parametrize(
    ("choice", "shop", "repairy"), [("shop", "Brakes", "Brakes"), ("repairy", "Tyres", "Tyres"), ("skip", "Brakes", "Tyres")]
)
def test_a_person_decides_what_is_held(choice: str, shop: str, repairy: str) -> None:
    world = linked(booking(description="Brakes"), booking(description="Tyres"), booking(), rules=rules("hold"))
    world.quiet()
    assert [stand.kind for stand in world.decide().stands] == ["held"]
    world.link = replace(world.link, choice={"service": choice})
    world.quiet()
    assert [(world.holds[side] or {})["description"] for side in ("shop", "repairy")] == [shop, repairy]  # type: ignore[index]
    assert not world.link.choice
    assert not any(stand.kind == "held" for stand in world.decide().stands)


def test_a_skipped_difference_lasts_until_the_next_edit() -> None:
    world = linked(booking(description="Brakes"), booking(description="Tyres"), booking(), rules=rules("hold"))
    world.link = replace(world.link, choice={"service": "skip"})
    world.quiet()
    world.edit("shop", description="Clutch")
    world.quiet()
    assert (world.holds["repairy"] or {})["description"] == "Clutch"


def test_a_skipped_booking_is_left_alone() -> None:
    world = linked(booking(description="Brakes"), booking(), booking())
    world.link = replace(world.link, choice={"all": "skip"})
    assert world.decide() == Outlook()
    world.link = replace(world.link, choice={}, state="skipped")
    assert world.decide() == Outlook()


@pytest.mark.parametrize("group", ["phone", "rego"])
def test_a_person_may_change_the_shops_customer_and_vehicle(group: str) -> None:
    world = linked(booking(), booking(**{group: "0400000009"}), booking())
    world.link = replace(world.link, choice={group: "repairy"})
    world.quiet()
    assert (world.holds["shop"] or {})[group] == "0400000009"


def test_a_difference_that_neither_side_made_is_listed() -> None:
    world = linked(booking(description="Brakes"), booking(), (booking(description="Brakes"), booking()))
    assert [(stand.kind, stand.scope) for stand in world.decide().stands] == [("noted", "service")]
