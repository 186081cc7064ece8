"""Sides that hold less than the other: days only, no end, shortened texts, appended notes, names in parts, refused values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from sync.core.booking import Ability, Fields, Side
from sync.core.fold import folded
from sync.core.project import is_shortened, project, shorten
from tests.unit.core.carry_out import BOOKING, MELBOURNE, REPAIRY, SHOP, WHOLE, Habit, World, booking, half, linked, plain, rules

# -- days only

DAYS = replace(SHOP, grain="day", reads=WHOLE - {"ends_at"}, writes=SHOP.writes - {"ends_at"}, default_time="07:30")


def days_only(shop_day: str = "2026-03-11", repairy_start: str = "2026-03-10T22:00:00Z") -> World:
    """Agreed: Wednesday 11 March, 9 in the morning in Melbourne to 4 in the afternoon; the shop keeps the day."""
    at_shop = {name: value for name, value in booking(starts_at="2026-03-11").items() if name != "ends_at"}
    world = linked(at_shop, booking(), (at_shop, booking()), shop=DAYS)
    if shop_day != "2026-03-11":
        world.edit("shop", starts_at=shop_day)
    if repairy_start != "2026-03-10T22:00:00Z":
        world.edit("repairy", starts_at=repairy_start)
    return world


def times(world: World) -> tuple[str | None, str | None, str | None]:
    """The shop's start, Repairy's start and end."""
    shop, repairy = world.holds["shop"] or {}, world.holds["repairy"] or {}
    return shop["starts_at"], repairy["starts_at"], repairy["ends_at"]


def test_the_day_and_the_time_of_that_day_agree() -> None:
    """9 in the morning in Melbourne is the day before in UTC: days are the workshop's."""
    world = days_only()
    world.quiet()
    assert not world.sent


def test_moving_the_day_keeps_the_time_of_day_and_the_duration() -> None:
    world = days_only(shop_day="2026-03-13")
    world.quiet()
    assert times(world) == ("2026-03-13", "2026-03-12T22:00:00Z", "2026-03-13T05:00:00Z")


def test_moving_the_day_over_the_end_of_summer_time_keeps_the_clock() -> None:
    """From 5 April Melbourne is at +10: 9 in the morning is 23:00 UTC of the day before."""
    world = days_only(shop_day="2026-04-08")
    world.quiet()
    assert times(world)[:2] == ("2026-04-08", "2026-04-07T23:00:00Z")


def test_another_time_on_the_same_day_is_recorded_and_not_written() -> None:
    world = days_only(repairy_start="2026-03-11T02:00:00Z")
    world.quiet()
    assert not world.sent
    assert world.link.repairy_base is not None
    assert world.link.repairy_base["starts_at"] == "2026-03-11T02:00:00Z"


def test_another_day_at_repairy_moves_the_shops_day() -> None:
    world = days_only(repairy_start="2026-03-11T22:00:00Z")
    world.quiet()
    assert times(world)[0] == "2026-03-12"


def test_a_new_row_with_a_day_only_is_booked_at_the_default_time() -> None:
    world = half("shop", {name: value for name, value in booking(starts_at="2026-03-11").items() if name != "ends_at"}, shop=DAYS)
    world.quiet()
    assert (world.holds["repairy"] or {})["starts_at"] == "2026-03-10T20:30:00Z"  # 07:30 in Melbourne


def test_a_new_booking_reaches_a_shop_of_days_as_its_day() -> None:
    world = half("repairy", booking(), shop=DAYS)
    world.quiet()
    assert (world.holds["shop"] or {})["starts_at"] == "2026-03-11"


# -- ends

NO_END = replace(SHOP, reads=WHOLE - {"ends_at"}, writes=SHOP.writes - {"ends_at"})


def test_the_end_moves_along_where_the_shop_has_none() -> None:
    at_shop = {name: value for name, value in booking().items() if name != "ends_at"}
    world = linked(at_shop, booking(), (at_shop, booking()), shop=NO_END)
    world.edit("shop", starts_at="2026-03-10T23:30:00Z")
    world.quiet()
    assert times(world)[1:] == ("2026-03-10T23:30:00Z", "2026-03-11T06:30:00Z")


def test_an_end_that_moves_at_repairy_alone_reaches_a_shop_whose_end_is_empty() -> None:
    """No end means that none is known, not that there is none."""
    unknown = booking(ends_at=None)
    world = linked(unknown, unknown, unknown)
    world.edit("repairy", ends_at="2026-03-11T06:00:00Z")
    world.quiet()
    assert (world.holds["shop"] or {})["ends_at"] == "2026-03-11T06:00:00Z"


def test_an_end_that_only_repairy_keeps_counts_as_its_change() -> None:
    """Alone it is recorded; with a start that moved in the shop, both changed the time."""
    world = linked(booking(), booking(), booking(), shop=NO_END, rules=rules("hold"))
    world.edit("repairy", ends_at="2026-03-11T06:00:00Z")
    assert world.decide().record == {"time"}
    world.edit("shop", starts_at="2026-03-10T23:00:00Z")
    assert [(stand.kind, stand.scope) for stand in world.decide().stands] == [("held", "time")]


def test_start_and_end_are_changed_as_one() -> None:
    """The start moved in the shop and the end at Repairy: both changed the time."""
    world = linked(booking(), booking(), booking(), rules=rules("hold"))
    world.edit("shop", starts_at="2026-03-10T23:00:00Z")
    world.edit("repairy", ends_at="2026-03-11T06:00:00Z")
    assert [(stand.kind, stand.scope) for stand in world.decide().stands] == [("held", "time")]


def test_minutes_agree_with_the_seconds_of_them() -> None:
    minutes = replace(SHOP, grain="minute")
    at_shop, at_repairy = booking(starts_at="2026-03-10T22:00:00Z"), booking(starts_at="2026-03-10T22:00:30Z")
    world = linked(at_shop, at_repairy, (at_shop, at_repairy), shop=minutes)
    world.edit("repairy", starts_at="2026-03-10T22:00:45Z")
    world.quiet()
    assert not world.sent


# -- texts that do not fit

SHORT = replace(SHOP, limits={"description": 60, "job_notes": 60}, overflow="shorten")
LONG = "Logbook service, brake pads in front, wiper blades, and a look at the noise at the rear left"


def shortened(field: str) -> World:
    """The long text came from Repairy; the shop holds it shortened."""
    world = linked(booking(), booking(), booking(), shop=SHORT)
    world.edit("repairy", **{field: LONG})
    world.quiet()
    return world


@pytest.mark.parametrize("field", ["description", "job_notes"])
def test_a_text_too_long_is_shortened_and_says_where_the_rest_is(field: str) -> None:
    world = shortened(field)
    text = (world.holds["shop"] or {})[field] or ""
    assert len(text) <= 60
    assert text.endswith("… (Repairy QX7)")
    assert (world.holds["repairy"] or {})[field] == LONG


BY_STAFF: Mapping[str, Callable[[str], str | None]] = {
    "in front of it": lambda text: f"Please: {text}",
    "after its mark": lambda text: f"{text} - done",
    "the mark removed": lambda text: text.partition("…")[0],
    "all of it replaced": lambda text: "New text",
    "emptied": lambda text: None,
}


@pytest.mark.parametrize("how", BY_STAFF)
@pytest.mark.parametrize("word", ["shop", "merge"])
@pytest.mark.parametrize("field", ["description", "job_notes"])
def test_an_edit_of_a_shortened_text_is_held_with_both_texts_left_alone(field: str, word: str, how: str) -> None:
    world = shortened(field)
    world.rules = rules(word)
    after = BY_STAFF[how]((world.holds["shop"] or {})[field] or "")
    world.edit("shop", **{field: after})
    world.quiet()
    (stand,) = world.decide().stands
    assert (stand.kind, stand.reason) == ("held", "the shop holds this text only shortened; an edit of it needs a person")
    assert [(world.holds[side] or {})[field] for side in ("shop", "repairy")] == [after, LONG]


@pytest.mark.parametrize("how", BY_STAFF)
@pytest.mark.parametrize(("field", "group"), [("description", "service"), ("job_notes", "notes")])
def test_of_a_shortened_text_and_its_edit_a_person_says_which_is_right(field: str, group: str, how: str) -> None:
    for choice in ("shop", "repairy"):
        world = shortened(field)
        before = (world.holds["shop"] or {})[field] or ""
        world.edit("shop", **{field: BY_STAFF[how](before)})
        world.link = replace(world.link, choice={group: choice})
        world.quiet()
        right = (BY_STAFF[how](before),) * 2 if choice == "shop" else (before, LONG)
        assert ((world.holds["shop"] or {})[field], (world.holds["repairy"] or {})[field]) == right
        assert not world.decide().stands


def test_a_text_that_was_shortened_under_a_limit_taken_away_since_is_held() -> None:
    world = shortened("description")
    world.shop = SHOP
    world.edit("shop", description="New text")
    world.quiet()
    assert (world.holds["repairy"] or {})["description"] == LONG


def test_what_a_person_left_apart_is_held_again_at_the_shops_next_edit() -> None:
    """No mark stands there any more."""
    world = shortened("description")
    world.edit("shop", description="New text")
    world.link = replace(world.link, choice={"service": "skip"})
    world.quiet()
    assert [stand.kind for stand in world.decide().stands] == ["noted"]
    world.edit("shop", description="Newer text")
    world.quiet()
    assert [stand.kind for stand in world.decide().stands] == ["held"]
    assert (world.holds["repairy"] or {})["description"] == LONG


@pytest.mark.parametrize("at_shop", ["Logbook service, brake", "New text"])
def test_a_text_longer_than_the_shop_holds_is_held_where_the_two_never_agreed(at_shop: str) -> None:
    """As after the state was rebuilt: what stands in the shop may be what was left of a shortened text."""
    world = linked(booking(description=at_shop), booking(description=LONG), None, shop=SHORT)
    world.quiet()
    assert [(stand.kind, stand.scope) for stand in world.decide().stands] == [("held", "service")]
    assert (world.holds["repairy"] or {})["description"] == LONG


FREE: Mapping[str, tuple[Ability, str | None, tuple[str, str] | None]] = {  # the shop, Repairy's text, what was agreed
    "it fits": (SHORT, "x" * 60, None),
    "there is none": (SHORT, None, None),
    "the shop never shortens": (replace(SHORT, overflow="hold"), LONG, None),
    "it was whole in the shop before the limit": (SHORT, LONG, (LONG, LONG)),
    "it has grown since, and the policy says shop": (SHORT, LONG, ("Logbook", "Logbook")),
    "it has a mark, and no more at Repairy": (SHORT, "Brakes… (Repairy QX7)", ("Brakes… (Repairy QX7)", "Brakes… (Repairy QX7)")),
}


@pytest.mark.parametrize("case", FREE)
def test_a_text_that_the_shop_shows_whole_is_the_shops_to_edit(case: str) -> None:
    able, theirs, agreed = FREE[case]
    both = (booking(description=agreed[0]), booking(description=agreed[1])) if agreed else None
    world = linked(booking(description="Tyres"), booking(description=theirs), both, shop=able)
    world.quiet()
    assert (world.holds["repairy"] or {})["description"] == "Tyres"


def test_a_text_that_ends_in_the_mark_is_held_whatever_was_agreed() -> None:
    world = linked(booking(description="Tyres… (Repairy QX7)"), booking(), booking(), shop=SHORT)
    world.quiet()
    assert [stand.kind for stand in world.decide().stands] == ["held"]
    assert (world.holds["repairy"] or {})["description"] == BOOKING["description"]


def test_what_is_edited_together_with_a_shortened_text_is_held_with_it() -> None:
    world = shortened("description")
    world.edit("shop", service_code="BRK-1", description="New text")
    world.quiet()
    assert [stand.kind for stand in world.decide().stands] == ["held"]
    assert [(world.holds["repairy"] or {})[name] for name in ("service_code", "description")] == ["LOG-1", LONG]


def test_what_is_edited_beside_a_shortened_text_goes_across() -> None:
    world = shortened("description")
    world.edit("shop", service_code="BRK-1")
    world.quiet()
    assert not world.decide().stands
    assert [(world.holds["repairy"] or {})[name] for name in ("service_code", "description")] == ["BRK-1", LONG]


@pytest.mark.parametrize("field", ["description", "job_notes"])
def test_an_edit_of_the_full_text_is_shortened_anew(field: str) -> None:
    world = shortened(field)
    world.edit("repairy", **{field: "Also: " + LONG})
    world.quiet()
    assert ((world.holds["shop"] or {})[field] or "").startswith("Also: Logbook")


@pytest.mark.parametrize(("field", "group"), [("description", "service"), ("job_notes", "notes")])
def test_a_text_too_long_is_held_where_the_profile_says_so(field: str, group: str) -> None:
    world = linked(booking(), booking(), booking(), shop=replace(SHORT, overflow="hold"))
    world.edit("repairy", **{field: LONG})
    world.quiet()
    (stand,) = world.decide().stands
    assert (stand.kind, stand.scope) == ("held", group)
    assert stand.reason.startswith(f"{field} is longer than the 60 ")
    assert (world.holds["shop"] or {})[field] == BOOKING[field]


# -- notes


def noted(mine: str | None, theirs: str | None, **parts: Any) -> World:
    """Agreed: two lines; then both were edited."""
    agreed = "keys at the desk\ncall before noon"
    both = booking(job_notes=agreed)
    world = linked(both, both, both, **{"rules": rules("merge"), **parts})
    world.edit("shop", job_notes=mine)
    world.edit("repairy", job_notes=theirs)
    world.quiet()
    return world


NOTES: Mapping[str, tuple[str, str, str, str]] = {  # the shop's text, Repairy's, and what they become
    "both append the same line": ("A\nB\nnew", "A\nB\nnew", "A\nB\nnew", "A\nB\nnew"),
    "each appends its own": ("A\nB\nmine", "A\nB\nyours", "A\nB\nmine\nyours", "A\nB\nyours\nmine"),
    "the same and one more": ("A\nB\nnew", "A\nB\nnew\nyours", "A\nB\nnew\nyours", "A\nB\nnew\nyours"),
    "one line is edited, one appended": ("A\nB, please", "A\nB\nyours", "A\nB, please\nyours", "A\nyours\nB, please"),
    "one removes what the other keeps": ("A", "A\nB\nyours", "A\nyours", "A\nyours"),
    "both remove the same line": ("A", "A", "A", "A"),
    "both edit the same line": ("A\nB 1", "A\nB 2", "A\nB 1\nB 2", "A\nB 2\nB 1"),
}


@pytest.mark.parametrize("name", NOTES)
def test_notes_merge_line_by_line(name: str) -> None:
    shop, repairy, *after = (text.replace("A", "keys at the desk").replace("B", "call before noon") for text in NOTES[name])
    world = noted(shop, repairy)
    assert [(world.holds["shop"] or {})["job_notes"], (world.holds["repairy"] or {})["job_notes"]] == after


def test_both_appending_the_same_note_without_a_base_is_agreement() -> None:
    world = linked(booking(job_notes="call first"), booking(job_notes="call first"), None, rules=rules("merge"))
    world.quiet()
    assert not world.sent


def test_where_notes_are_only_appended_only_the_new_lines_are_sent() -> None:
    able = replace(SHOP, append_notes=True)
    world = noted("keys at the desk\ncall before noon", "keys at the desk\ncall before noon\nblue car", shop=able)
    assert [action.added for action in world.sent if action.side == "shop"] == ["blue car"]


def test_what_an_appending_shop_adds_itself_reaches_repairy() -> None:
    world = linked(booking(), booking(), booking(), shop=replace(SHOP, append_notes=True))
    world.edit("shop", job_notes="keys at the desk\nblue car")
    world.quiet()
    assert (world.holds["repairy"] or {})["job_notes"] == "keys at the desk\nblue car"
    assert [action.side for action in world.sent] == ["repairy"]


@pytest.mark.parametrize("append", [True, False])
def test_lines_in_another_order_are_recorded(append: bool) -> None:
    """Nothing was added and nothing removed."""
    agreed = booking(job_notes="one\ntwo")
    world = linked(agreed, agreed, agreed, shop=replace(SHOP, append_notes=append))
    world.edit("repairy", job_notes="two\none")
    out = world.decide()
    assert (out.record, out.actions, out.stands) == ({"notes"}, (), ())


def test_a_removal_is_noted_where_notes_are_only_appended() -> None:
    able = replace(SHOP, append_notes=True)
    world = linked(booking(job_notes="one\ntwo"), booking(job_notes="one\ntwo"), booking(job_notes="one\ntwo"), shop=able)
    world.edit("repairy", job_notes="one")
    assert [(stand.kind, stand.scope) for stand in world.decide().stands] == [("noted", "notes")]
    assert not world.decide().actions


# -- names

PARTS = replace(SHOP, reads=(WHOLE - {"name"}) | {"first_name", "last_name", "name"})


def in_parts(first: str, last: str) -> dict[str, str | None]:
    return {**{name: value for name, value in booking().items() if name != "name"}, "first_name": first, "last_name": last}


def test_a_whole_name_equals_its_parts_joined() -> None:
    world = linked(in_parts("Customer", "One"), booking(), None, shop=PARTS)
    world.quiet()
    assert not world.sent


def test_a_name_changed_in_parts_goes_in_parts() -> None:
    """No guess is made where the shop knows the parts."""
    agreed = in_parts("Customer", "van One"), booking(name="Customer van One")
    world = linked(*agreed, agreed, shop=PARTS)
    world.edit("shop", first_name="Client")
    world.quiet()
    assert [dict(action.fields) for action in world.sent] == [{"first_name": "Client", "last_name": "van One"}]


def test_a_name_goes_whole_to_a_repairy_that_writes_its_parts() -> None:
    """Splitting it is the adapter's."""
    able = replace(REPAIRY, writes=(REPAIRY.writes - {"name"}) | {"first_name", "last_name"})
    world = linked(booking(name="Client Two"), booking(), booking(), repairy=able)
    assert [dict(action.fields) for action in world.decide().actions] == [{"name": "Client Two"}]


def test_a_name_may_be_emptied_where_repairy_needs_none() -> None:
    able = replace(REPAIRY, required=REPAIRY.required - {"first_name"})
    world = linked(booking(name=None), booking(), booking(), repairy=able)
    assert [dict(action.fields) for action in world.decide().actions] == [{"name": None}]


def test_a_name_that_did_not_change_is_not_split() -> None:
    """Customer van / One and Customer / van One are the same name: nothing to write."""
    world = linked(in_parts("Customer van", "One"), booking(name="Customer van One"), None, shop=PARTS)
    world.quiet()
    assert not world.sent


def test_a_whole_name_that_a_person_sends_to_parts_is_split_at_the_last_space() -> None:
    agreed = in_parts("Customer", "One")
    world = linked(agreed, booking(name="Client van Two"), (agreed, booking()), shop=PARTS)
    world.link = replace(world.link, choice={"name": "repairy"})
    world.quiet()
    shop = world.holds["shop"] or {}
    assert (shop["first_name"], shop["last_name"]) == ("Client van", "Two")


# -- sides with habits of their own


def shouting(field: str, value: str | None) -> str | None:
    """A shop that upper-cases plates and pads texts."""
    return value.upper() if field == "rego" and value else value + "  " if field in ("description", "make") and value else value


def tidy(field: str, value: str | None) -> str | None:
    """A Repairy that trims, rewrites phones and drops seconds."""
    if field == "phone" and value:
        return "+61 " + value[1:]
    return value.strip().replace("  ", " ") if field != "job_notes" and value else value


def test_a_side_that_respells_what_it_is_given_starts_no_ping_pong() -> None:
    world = linked(booking(rego="aaa-001"), booking(rego="AAA 001"), None, habits={"shop": shouting, "repairy": tidy})
    world.quiet()
    world.edit("shop", description="brake  pads", rego="aaa 002", phone="0400 000 002")
    world.quiet()
    world.edit("repairy", description="brake pads and discs")
    world.quiet()
    assert len(world.sent) == 2


# -- refusals


def deaf(*fields: str, to: Fields = BOOKING) -> Habit:
    """A side that keeps the old value of these fields, whatever it is sent."""
    return lambda field, value: to[field] if field in fields else value


def test_a_refused_value_is_not_sent_again_until_it_changes() -> None:
    world = linked(booking(), booking(), booking(), habits={"shop": plain, "repairy": deaf("description")})
    world.edit("shop", description="Brakes")
    world.quiet()
    assert len(world.sent) == 1
    assert [(stand.kind, stand.scope) for stand in world.decide().stands] == [("noted", "service")]
    world.edit("shop", description="Tyres")
    world.quiet()
    assert [action.fields["description"] for action in world.sent] == ["Brakes", "Tyres"]


@pytest.mark.parametrize(
    ("why", "kind", "said"),
    [(None, "noted", "the shop did not take this value"), ("a trigger refused it", "held", "a trigger refused it")],
)
def test_what_the_shop_refused_is_noted_or_held_where_a_person_must_act(why: str | None, kind: str, said: str) -> None:
    world = linked(booking(), booking(description="Brakes"), booking())
    refused = {"shop.service": world.decide().actions[0].signature, "shop.service.held": why}
    world.link = replace(world.link, refused=refused)
    (stand,) = world.decide().stands
    assert (stand.kind, stand.scope) == (kind, "service")
    assert stand.reason.endswith(said)


def test_a_refused_value_that_went_and_came_back_is_tried_again() -> None:
    world = linked(booking(), booking(), booking(), habits={"shop": plain, "repairy": deaf("description")})
    world.edit("shop", description="Brakes")
    world.quiet()
    world.edit("shop", description=BOOKING["description"])
    world.quiet()
    world.habits["repairy"] = plain
    world.holds["repairy"] = booking()
    world.edit("shop", description="Brakes")
    world.quiet()
    assert len(world.sent) == 2
    assert (world.holds["repairy"] or {})["description"] == "Brakes"


def test_one_refused_field_of_a_group_does_not_undo_the_other() -> None:
    world = linked(booking(), booking(), booking(), habits={"shop": plain, "repairy": deaf("service_code")})
    world.edit("shop", description="Brakes", service_code="BRK-1")
    world.quiet()
    assert (world.holds["shop"] or {})["service_code"] == "BRK-1"
    assert (world.holds["repairy"] or {})["description"] == "Brakes"
    assert len(world.sent) == 1
    assert [(stand.kind, stand.scope) for stand in world.decide().stands] == [("noted", "service")]


def test_a_newer_edit_in_the_answer_is_theirs_and_comes_back() -> None:
    """What is there after the write is neither the old value nor what was sent: somebody was there after us."""
    world = linked(booking(), booking(), booking())
    world.edit("shop", description="Brakes")
    action = world.decide().actions[0]
    held = world.holds["repairy"]
    assert held is not None
    held["description"] = "Clutch"
    then: dict[Side, Fields | None] = {"shop": world.link.shop, "repairy": world.link.repairy}
    changes, refused = folded(world.link, action, then, world.show("repairy"), "2026-03-05T22:00:00.000000Z")
    world._take(changes)
    world.quiet()
    assert not refused
    assert (world.holds["shop"] or {})["description"] == "Clutch"


def test_what_repairy_cannot_change_is_noted() -> None:
    able = replace(REPAIRY, writes=REPAIRY.writes - {"description", "service_code"})
    world = linked(booking(description="Brakes", service_code="BRK-1"), booking(), booking(), repairy=able)
    world.quiet()
    (stand,) = world.decide().stands
    assert (stand.kind, stand.scope) == ("noted", "service")
    assert stand.reason.endswith("change description, service_code")


def test_what_the_profile_cannot_write_is_noted() -> None:
    able = replace(SHOP, writes=frozenset())
    world = linked(booking(), booking(description="Brakes", service_code="BRK-1"), booking(), shop=able)
    world.quiet()
    (stand,) = world.decide().stands
    assert (stand.kind, stand.scope) == ("noted", "service")
    assert stand.reason.endswith("writes description, service_code")


def test_a_note_that_took_says_nothing_of_the_time_sent_with_it() -> None:
    """One write to the shop, notes appended; the time stands as it did."""
    habits = {"shop": deaf("starts_at"), "repairy": plain}
    world = linked(booking(), booking(), booking(), shop=replace(SHOP, append_notes=True), habits=habits)
    world.edit("repairy", job_notes="keys at the desk\nblue car", starts_at="2026-03-11T22:00:00Z", ends_at=None)
    world.quiet()
    assert [(stand.kind, stand.scope) for stand in world.decide().stands] == [("noted", "time")]
    assert (world.holds["repairy"] or {})["starts_at"] == "2026-03-11T22:00:00Z"


# -- what never agreed


def test_a_status_that_a_new_row_already_has_is_the_shops_edit() -> None:
    """A row begins as pending; one that shows another status was taken up meanwhile."""
    busy: Habit = lambda field, value: "processing" if field == "status" else value  # noqa: E731
    world = half("repairy", booking(), habits={"shop": busy, "repairy": plain})
    world.quiet()
    assert (world.holds["repairy"] or {})["status"] == "processing"


def test_the_policy_decides_a_clash_and_what_one_side_lacks_is_filled() -> None:
    mine, theirs = booking(description="Brakes", service_code=None), booking(description="Tyres", service_code="TYR-1")
    world = linked(mine, theirs, None, rules=rules("shop"))
    world.quiet()
    for side in ("shop", "repairy"):
        held = world.holds[side] or {}  # type: ignore[index]
        assert (held["description"], held["service_code"]) == ("Brakes", "TYR-1")


def test_each_side_fills_what_the_other_lacks_without_a_clash() -> None:
    mine, theirs = booking(description="Brakes", service_code=None), booking(description=None, service_code="BRK-1")
    world = linked(mine, theirs, None, rules=rules("hold"))
    world.quiet()
    assert {action.side for action in world.sent} == {"shop", "repairy"}
    assert not world.decide().stands


def test_a_side_that_changed_alone_sends_its_own_edits_only() -> None:
    """A difference that a person accepted earlier is not touched by the next edit."""
    mine, theirs = booking(service_code="A"), booking(service_code="B")
    world = linked(mine, theirs, (mine, theirs))
    world.edit("shop", description="Brakes")
    world.quiet()
    assert [dict(action.fields) for action in world.sent] == [{"description": "Brakes"}]


def test_an_edit_that_makes_a_field_alike_is_recorded_whatever_differs_beside_it() -> None:
    """Both differences were accepted by a person; one of them is gone."""
    mine, theirs = booking(service_code="A", description="Tyres"), booking(service_code="B", description="Brakes")
    world = linked(mine, theirs, (mine, theirs))
    world.edit("shop", description="Brakes")
    out = world.decide()
    assert (set(out.record), out.actions, out.stands) == ({"service"}, (), ())


@pytest.mark.parametrize(("word", "sent"), [("hold", []), ("shop", [{"service_code": "BRK-1"}])])
def test_a_field_that_both_changed_alike_makes_it_a_change_on_both_sides(word: str, sent: list[Fields]) -> None:
    """A group is won or held as one."""
    world = linked(booking(), booking(), booking(), rules=rules(word))
    world.edit("repairy", description="Brakes")
    world.edit("shop", description="Brakes", service_code="BRK-1")
    out = world.decide()
    assert [dict(action.fields) for action in out.actions] == sent
    assert [stand.kind for stand in out.stands] == ["held" for _ in range(not sent)]


# -- projections, one by one


def test_seconds_are_kept_where_they_are_kept() -> None:
    times = {"starts_at": "2026-03-10T22:00:30Z", "ends_at": "2026-03-11T05:00:45Z"}
    assert project("time", times, SHOP, REPAIRY, BOOKING) == times
    cut = {"starts_at": "2026-03-10T22:00:00Z", "ends_at": "2026-03-11T05:00:00Z"}
    assert project("time", times, REPAIRY, replace(SHOP, grain="minute"), BOOKING) == cut


def test_an_end_that_is_only_a_day_says_nothing_to_a_side_with_times() -> None:
    """Its own end moves along."""
    day = {"starts_at": "2026-03-12", "ends_at": "2026-03-12"}
    moved = {"starts_at": "2026-03-11T22:00:00Z", "ends_at": "2026-03-12T05:00:00Z"}
    assert project("time", day, replace(SHOP, grain="day"), REPAIRY, BOOKING) == moved
    assert project("time", BOOKING, REPAIRY, replace(SHOP, grain="day"), day) == {
        "starts_at": "2026-03-11",
        "ends_at": "2026-03-11",
    }
    two = {"starts_at": "2026-03-12", "ends_at": "2026-03-13"}
    assert project("time", two, replace(SHOP, grain="day"), replace(REPAIRY, grain="day"), day) == two


def test_a_shortened_text_is_the_full_one_where_that_stands() -> None:
    """Also one that spoke of Repairy itself."""
    for full in (LONG, "Ask … (Repairy) first, " + LONG):
        short = {"description": shorten(full, 60, "QX7"), "service_code": "LOG-1"}
        assert project("service", short, SHOP, REPAIRY, {"description": full})["description"] == full
        other = project("service", short, SHOP, REPAIRY, {"description": "Tyres"})
        assert other["description"] == short["description"]


def test_the_limit_of_appended_notes_is_of_one_line_and_not_of_all() -> None:
    able = replace(SHORT, append_notes=True)
    assert project("notes", {"job_notes": LONG}, REPAIRY, able, None) == {"job_notes": LONG}
    assert len(project("service", {"description": LONG}, REPAIRY, able, None)["description"] or "") == 60


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("Brakes… (Repairy QX7)", True),
        ("… (Repairy)", True),
        ("Brakes… (Repairy QX7-AND-A-LONG-CODE-OF-A-BOOKING)", True),
        ("… (Repairy QX7) and after it a good deal more (so)", False),
        ("… (Repairy QX7), yes", False),
        ("Brakes (Repairy)", False),
        (None, False),
    ],
)
def test_what_says_of_itself_that_it_is_shortened(text: str | None, cut: bool) -> None:
    assert is_shortened(text) is cut


#  start and end of a source that keeps both, start and end there -> as they would be there
DAY, MOMENT, END = "2026-03-10", "2026-03-09T22:00:00Z", "2026-03-10T05:00:00Z"
MIXED = {
    "no time stands there: the usual one": ((DAY, None), (DAY, END), ("2026-03-09T21:00:00Z", END)),
    "a day there, an end with a time": ((MOMENT, None), (DAY, END), (MOMENT, END)),
    "a start there, an end of a day": ((MOMENT, None), (END, DAY), (MOMENT, DAY)),
    "the second of two equal hours stays": (
        ("2026-04-05", None),
        ("2026-04-04T16:30:00Z", "2026-04-04T17:30:00Z"),
        ("2026-04-04T16:30:00Z", "2026-04-04T17:30:00Z"),
    ),
}


@pytest.mark.parametrize("case", MIXED)
def test_a_time_where_days_and_times_are_mixed(case: str) -> None:
    source, there, after = (dict(zip(("starts_at", "ends_at"), times, strict=True)) for times in MIXED[case])
    assert project("time", source, SHOP, REPAIRY, there) == after


def test_the_end_stays_where_a_side_of_days_shows_one_with_a_time() -> None:
    there = {"starts_at": MOMENT, "ends_at": END}
    assert project("time", {"starts_at": "2026-03-12T22:00:00Z"}, NO_END, replace(SHOP, grain="day"), there)["ends_at"] == END


def test_an_end_that_the_shop_shows_no_more_says_nothing() -> None:
    """The profile changed; the last snapshot is older."""
    old = {**BOOKING, "ends_at": "2026-03-11T01:00:00Z"}
    assert project("time", old, NO_END, REPAIRY, BOOKING)["ends_at"] == BOOKING["ends_at"]


@pytest.mark.parametrize(
    ("text", "limit", "cut"),
    [
        (" Brake pads", 17, " Brake… (Repairy)"),
        (" Brake pads", 18, " Brake… (Repairy)"),
        ("Brakes", 11, "… (Repairy)"),
        ("Brakes", 3, "… (Repairy)"),
    ],
)
def test_what_is_cut_ends_with_its_last_word_kept_and_where_the_rest_is(text: str, limit: int, cut: str) -> None:
    assert shorten(text, limit, None) == cut


def test_a_text_as_long_as_the_limit_stays_whole() -> None:
    text = {"description": "x" * 60, "service_code": None}
    assert project("service", text, REPAIRY, SHORT, None)["description"] == "x" * 60


def test_a_shortened_text_of_another_is_not_the_full_one() -> None:
    """Not even where both speak of Repairy in the same words."""
    full, shown = "Ask … (Repairy) first: brakes", "Ask … (Repairy) first: tyres… (Repairy QX7)"
    assert project("notes", {"job_notes": shown}, SHOP, REPAIRY, {"job_notes": full}) == {"job_notes": shown}


@pytest.mark.parametrize("moment", ["2026-04-04T15:30:00Z", "2026-04-04T16:30:00Z"], ids=["first", "second"])
def test_both_of_two_equal_hours_are_one_on_the_shops_wall(moment: str) -> None:
    """A booking online in the hour that comes twice is no edit of the shop's when its row shows the first of the two."""
    shop = Ability("shop", frozenset({"starts_at"}), zone=MELBOURNE, naive=MELBOURNE)
    repairy = Ability("repairy", frozenset({"starts_at", "ends_at"}), zone=MELBOURNE)
    assert project("time", {"starts_at": moment}, repairy, shop, None) == {"starts_at": "2026-04-04T15:30:00Z"}
    assert project("time", {"starts_at": moment}, shop, repairy, None)["starts_at"] == moment
