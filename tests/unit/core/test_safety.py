"""What may message a customer: allowed, settled, fresh, once; and what a person's release goes before."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from sync.core.action import Action, Outlook
from sync.core.booking import GROUPS, Fields, Link
from sync.core.safety import passed
from sync.core.scene import Scene
from sync.core.times import stamp
from tests.unit.core.carry_out import NOW, REPAIRY, SHOP, World, booking, half, linked, rules

SETTLE, FRESH = timedelta(minutes=5), timedelta(days=4)
TICK = timedelta(microseconds=1)


def changed(first: datetime, old: datetime | None = None, world: World | None = None, **changes: str | None) -> World:
    """A booking edited in the shop; the new values stand there since `first`, the old were last seen at `old`."""
    world = world or linked(booking(), booking(), booking())
    world.edit("shop", **changes)
    entry = {"first": stamp(first), "old": stamp(old or first)}
    world.link = replace(world.link, seen={**world.link.seen, **{f"shop.{group}": entry for group in GROUPS}})
    return world


def verdict(out: Outlook, scope: str = "status") -> str:
    """go | stale | waiting | noted | held"""
    stands = [stand.kind for stand in out.stands if stand.scope == scope]
    if stands:
        return stands[0]
    assert out.actions
    return "stale" if any(action.stale for action in out.actions) else "go"


# -- permission


@pytest.mark.parametrize(
    ("change", "kind"),
    [({"status": "done"}, "done"), ({"status": "cancelled"}, "cancelled"), ({"starts_at": "2026-03-11T22:00:00Z"}, "moved")],
)
def test_a_kind_goes_only_where_it_is_allowed(change: dict[str, str | None], kind: str) -> None:
    scope = "time" if kind == "moved" else "status"
    world = changed(NOW - timedelta(hours=1), **change)
    assert verdict(world.decide(), scope) == "go"
    world.rules = rules(visible=rules().visible - {kind})
    out = world.decide()
    assert verdict(out, scope) == "noted"
    assert f'"{kind}"' in next(stand.reason for stand in out.stands)
    assert not out.actions
    world.rules = rules(visible=frozenset({kind}))
    assert verdict(world.decide(), scope) == "go"


def test_what_messages_nobody_needs_no_permission() -> None:
    world = changed(NOW, description="Brakes", status="processing")
    world.rules = rules(visible=frozenset())
    assert len(world.decide().actions) == 2
    assert not world.decide().stands


def test_a_quiet_change_is_not_kept_back_by_a_visible_one() -> None:
    """The move waits for permission; the description goes."""
    world = changed(NOW, starts_at="2026-03-11T22:00:00Z", description="Brakes")
    world.rules = rules(visible=frozenset())
    out = world.decide()
    assert [dict(action.fields) for action in out.actions] == [{"description": "Brakes"}]
    assert verdict(out, "time") == "noted"


def test_every_kind_that_is_not_allowed_is_named() -> None:
    world = linked(booking(), booking(), booking(), rules=rules(visible=frozenset({"done"})))
    both = Action("repairy", "change", {}, ("time",), "why", frozenset({"updated", "moved", "done"}))
    scene = Scene(world.link, world.shop, world.repairy, world.rules, world.now)
    (stand,) = passed(scene, [both], "shop", "time", released=False).stands
    assert 'add "moved", "updated" to' in stand.reason


# -- settle


@pytest.mark.parametrize(("later", "want"), [(timedelta(0), "waiting"), (SETTLE - TICK, "waiting"), (SETTLE, "go")])
def test_it_settles_until_exactly_then(later: timedelta, want: str) -> None:
    world = changed(NOW, status="done")
    world.now = NOW + later
    out = world.decide()
    assert verdict(out) == want
    assert want == "go" or out.stands[0].until == stamp(NOW + SETTLE)


def test_another_value_starts_the_settling_anew() -> None:
    world = changed(NOW, status="done")
    world.now = NOW + timedelta(minutes=4)
    world.edit("shop", status="cancelled")
    world.now = NOW + timedelta(minutes=8)
    assert world.decide().stands[0].until == stamp(NOW + timedelta(minutes=9))


def test_an_edit_of_something_else_does_not() -> None:
    world = changed(NOW - timedelta(hours=1), status="done")
    world.edit("shop", description="Brakes")
    assert verdict(world.decide()) == "go"


def test_the_same_value_spelt_otherwise_does_not() -> None:
    world = linked(booking(), booking(), booking())
    first = world.link.seen["shop.rego"]
    world.now = NOW + timedelta(minutes=4)
    world.edit("shop", rego="aaa-001")
    assert world.link.seen["shop.rego"] == first


def test_a_create_settles_until_its_last_edit_has() -> None:
    """Even a silent one, and whichever field was touched."""
    world = half("shop", booking())
    assert [action.kind for action in world.decide().actions] == ["create"]
    world.edit("shop", description="Brakes")
    assert world.decide().stands[0].until == stamp(NOW + SETTLE)


# -- freshness and baseline


@pytest.mark.parametrize(("age", "want"), [(FRESH, "go"), (FRESH + TICK, "stale")])
def test_it_is_fresh_for_so_long_since_the_old_value_was_last_seen(age: timedelta, want: str) -> None:
    """Not since the new one was first seen: an outage does not make an old change new."""
    assert verdict(changed(NOW - timedelta(hours=1), NOW - age, status="done").decide()) == want


@pytest.mark.parametrize(("start", "want"), [("2026-03-10T22:00:00Z", "go"), ("2026-03-04T22:00:00Z", "stale")])
def test_a_late_cancellation_goes_while_the_booking_is_to_come(start: str, want: str) -> None:
    at = booking(starts_at=start, ends_at=None)
    world = changed(NOW - timedelta(hours=1), NOW - timedelta(days=5), linked(at, at, at), status="cancelled")
    assert verdict(world.decide()) == want


@pytest.mark.parametrize(("old", "want"), [(NOW - timedelta(hours=2), "go"), (NOW - timedelta(hours=2) - TICK, "stale")])
@pytest.mark.parametrize("status", ["done", "cancelled"])
def test_nothing_older_than_the_baseline_goes(status: str, old: datetime, want: str) -> None:
    world = changed(NOW - timedelta(hours=1), old, status=status)
    world.rules = rules(baseline_at=stamp(NOW - timedelta(hours=2)))
    assert verdict(world.decide()) == want


@pytest.mark.parametrize("base", [None, ({"rego": "AAA001"}, booking())], ids=["never agreed", "not on the status"])
def test_a_difference_found_at_the_first_pairing_is_stale(base: tuple[Fields, Fields] | None) -> None:
    world = linked(booking(status="done"), booking(), base)
    assert verdict(world.decide()) == "stale"


# -- once


@pytest.mark.parametrize(("status", "kind"), [("done", "done"), ("cancelled", "cancelled")])
def test_once_for_ever(status: str, kind: str) -> None:
    world = changed(NOW - timedelta(hours=1), status=status)
    world.link = replace(world.link, visible=frozenset({kind}))
    assert verdict(world.decide()) == "held"


def test_a_visible_create_goes_once() -> None:
    world = half("shop", booking(), repairy=replace(REPAIRY, visible_create=True))
    assert world.decide().actions[0].visible == {"created"}
    world.link = replace(world.link, visible=frozenset({"created"}))
    assert verdict(world.decide(), "create") == "held"


def test_a_move_to_a_time_goes_again_only_after_repairy_showed_another() -> None:
    world = linked(booking(), booking(), booking())
    there, here = "2026-03-11T22:00:00Z", "2026-03-10T22:00:00Z"
    for start in (there, here, there):
        world.edit("shop", starts_at=start)
        world.quiet()
    assert [action.fields["starts_at"] for action in world.sent] == [there, here, there]


def test_a_time_that_went_already_is_held_until_repairy_is_seen_with_another() -> None:
    there = "2026-03-11T22:00:00Z"
    world = changed(NOW - timedelta(hours=1), starts_at=there)
    world.link = replace(world.link, visible=frozenset({f"moved:{there}"}))
    assert verdict(world.decide(), "time") == "held"
    world.look("repairy")
    assert verdict(world.decide(), "time") == "go"


# -- release

RELEASES = {
    "permission": (rules(visible=frozenset()), NOW - timedelta(hours=1), NOW - timedelta(hours=1)),
    "settling": (rules(), NOW, NOW),
    "freshness": (rules(), NOW - timedelta(hours=1), NOW - timedelta(days=9)),
}


@pytest.mark.parametrize("gate", RELEASES)
@pytest.mark.parametrize("way", ["resolve", "approve"])
def test_a_persons_release_goes_before(gate: str, way: str) -> None:
    asked, first, old = RELEASES[gate]
    world = changed(first, old, status="done")
    signature = next(action.signature for action in world.decide().actions) if gate == "freshness" else _signature(world)
    world.rules = asked
    assert verdict(world.decide()) != "go"
    world.link = replace(world.link, choice={"status": "shop"} if way == "resolve" else {"release": f"aaaaaaaaaaaa {signature}"})
    assert verdict(world.decide()) == "go"


def test_a_person_who_sends_a_move_goes_before_permission() -> None:
    world = changed(NOW - timedelta(hours=1), starts_at="2026-03-11T22:00:00Z")
    world.rules = rules(visible=frozenset())
    assert verdict(world.decide(), "time") == "noted"
    world.link = replace(world.link, choice={"time": "shop"})
    assert verdict(world.decide(), "time") == "go"


def _signature(world: World) -> str:
    """Of the action once nothing is in its way."""
    later = replace(world, now=NOW + timedelta(hours=1))
    return later.decide().actions[0].signature


@pytest.mark.parametrize("way", ["resolve", "approve"])
def test_a_persons_release_does_not_go_before_once(way: str) -> None:
    world = changed(NOW - timedelta(hours=1), status="done")
    signature = world.decide().actions[0].signature
    choice = {"status": "shop"} if way == "resolve" else {"release": signature}
    world.link = replace(world.link, visible=frozenset({"done"}), choice=choice)
    assert verdict(world.decide()) == "held"


def test_what_is_released_is_that_action_and_no_other() -> None:
    """Approved: done. Then the shop says cancelled: that waits for its own release."""
    world = changed(NOW - timedelta(hours=1), NOW - timedelta(days=9), status="done")
    world.link = replace(world.link, choice={"release": world.decide().actions[0].signature})
    world.holds["shop"] = booking(status="cancelled", starts_at="2026-03-04T22:00:00Z")
    world.look("shop")
    entry = {"first": stamp(NOW - timedelta(hours=1)), "old": stamp(NOW - timedelta(days=9))}
    world.link = replace(world.link, seen={**world.link.seen, "shop.status": entry, "shop.time": entry})
    world.link = replace(
        world.link, repairy=booking(starts_at="2026-03-04T22:00:00Z"), repairy_base=booking(starts_at="2026-03-04T22:00:00Z")
    )
    assert verdict(world.decide()) == "stale"


# -- a write whose outcome was never learnt


def test_a_stuck_visible_write_is_held_until_a_person_says() -> None:
    world = changed(NOW - timedelta(hours=1), status="done")
    world.link = replace(world.link, choice={"stuck.status": "it is not known whether done reached Repairy"})
    assert verdict(world.decide()) == "held"
    world.link = replace(world.link, choice={**world.link.choice, "status": "shop"})
    assert verdict(world.decide()) == "go"


def test_a_stuck_write_that_meets_an_edit_is_held_for_what_it_was_stuck_for() -> None:
    world = linked(booking(description="Brakes"), booking(description="Tyres"), booking(), rules=rules("hold"))
    world.link = replace(world.link, choice={"stuck.service": "it is not known whether it went"})
    assert [(stand.kind, stand.reason) for stand in world.decide().stands] == [("held", "it is not known whether it went")]


def test_a_stuck_write_to_the_shop_is_held_until_a_person_says() -> None:
    world = linked(booking(), booking(description="Brakes"), booking())
    world.link = replace(world.link, choice={"stuck.service": "it is not known whether the shop took it"})
    assert verdict(world.decide(), "service") == "held"
    world.link = replace(world.link, choice={**world.link.choice, "service": "repairy"})
    assert verdict(world.decide(), "service") == "go"


# -- what counts as visible


def test_shop_writes_message_nobody() -> None:
    world = linked(
        booking(), booking(status="cancelled", starts_at="2026-03-11T22:00:00Z"), booking(), rules=rules(visible=frozenset())
    )
    assert {action.side for action in world.decide().actions} == {"shop"}
    assert not any(action.visible for action in world.decide().actions)


def test_no_step_on_the_way_is_visible_unless_it_is_the_goal() -> None:
    """pending to done by way of processing: only done messages, and both wait together."""
    able = replace(REPAIRY, next={"pending": ("processing",), "processing": ("done",)})
    world = changed(NOW, world=linked(booking(), booking(), booking(), repairy=able), status="done")
    assert not world.decide().actions
    world.now = NOW + SETTLE
    out = world.decide()
    assert [(action.fields["status"], sorted(action.visible), action.groups) for action in out.actions] == [
        ("processing", [], ()),
        ("done", ["done"], ("status",)),
    ]


def test_a_locked_row_waits_and_the_other_direction_goes_on() -> None:
    world = linked(booking(description="Brakes"), booking(status="processing"), booking(), shop=SHOP)
    world.link = replace(world.link, locked=True)
    out = world.decide()
    assert {action.side for action in out.actions} == {"repairy"}
    assert [(stand.kind, stand.scope) for stand in out.stands] == [("waiting", "status")]
    assert isinstance(world.link, Link)
