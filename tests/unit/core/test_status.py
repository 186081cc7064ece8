"""Statuses: the ways between them, and every (agreed before, in the shop, at Repairy) under every policy, by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from sync.core.action import Outlook
from sync.core.booking import GROUPS, STATUSES, Link, Side, other
from sync.core.status import FINAL, path, unmapped
from sync.core.times import iso, stamp
from tests.unit.core.carry_out import BOOKING, NEXT, NOW, SHOP, World, agree, booking, linked, rules

# -- ways

WAYS: dict[tuple[str, str], tuple[str, ...] | None] = {
    **{(status, status): () for status in STATUSES},
    ("pending", "processing"): ("processing",),
    ("pending", "done"): ("done",),
    ("pending", "cancelled"): ("cancelled",),
    ("processing", "pending"): ("pending",),
    ("processing", "done"): ("done",),
    ("processing", "cancelled"): ("cancelled",),
    ("done", "pending"): None,
    ("done", "processing"): None,
    ("done", "cancelled"): None,
    ("cancelled", "pending"): None,
    ("cancelled", "processing"): None,
    ("cancelled", "done"): None,
}


@pytest.mark.parametrize(("start", "goal"), WAYS, ids="-".join)
def test_the_way_under_the_built_in_contract(start: str, goal: str) -> None:
    assert path(start, goal, NEXT) == WAYS[start, goal]


def test_every_pair_has_its_way() -> None:
    assert set(WAYS) == set(product(STATUSES, STATUSES))


def test_a_status_not_directly_next_is_reached_by_the_shortest_way() -> None:
    allowed = {"pending": ("processing", "cancelled"), "processing": ("done",)}
    assert path("pending", "done", allowed) == ("processing", "done")


def test_no_way_leads_through_done_or_cancelled() -> None:
    """A message on the way to somewhere else is a message for nothing."""
    allowed = {"pending": ("done",), "done": ("processing",), "processing": ("cancelled",)}
    assert path("pending", "processing", allowed) is None
    assert path("pending", "done", allowed) == ("done",)


def test_without_a_table_any_status_follows_any() -> None:
    assert all(path(start, goal, None) == ((goal,) if start != goal else ()) for start, goal in WAYS)


def test_a_table_that_goes_in_circles_ends() -> None:
    circle = {"pending": ("processing",), "processing": ("pending",)}
    assert path("pending", "done", circle) is None
    assert path("done", "cancelled", {**circle, "done": ("pending",)}) is None


@pytest.mark.parametrize(
    ("status", "odd"), [("pending", False), ("ignore", False), ("?On hold", True), ("On hold", True), (None, True)]
)
def test_what_counts_as_mapped(status: str | None, odd: bool) -> None:
    assert unmapped(status) is odd


# -- the table: rows the shop, columns Repairy; marks as in test_plan_table, and * a new booking under an old key

TABLES = {
    "pending": """
                pending processing done cancelled
    pending     .       <          <    <
    processing  >       =          P    P
    done        >       P          =    P
    cancelled   >       P          P    =
    """,
    "processing": """
                pending processing done cancelled
    pending     =       >          P    P
    processing  <       .          <    <
    done        P       >          =    P
    cancelled   P       >          P    =
    """,
    "done": """
                pending processing done cancelled
    pending     =       P          >    P
    processing  P       =          >    P
    done        <       <          .    <
    cancelled   P       P          >    =
    """,
    "cancelled": """
                pending processing done cancelled
    pending     =       P          P    *
    processing  P       =          P    *
    done        P       P          =    >
    cancelled   <       <          <    .
    """,
    "never": """
                pending processing done cancelled
    pending     =       P          P    ?
    processing  P       =          P    ?
    done        P       P          =    P
    cancelled   P       P          P    =
    """,
}
POLICY = {"shop": ">", "repairy": "<", "hold": "?"}


def cells(table: str) -> Iterator[tuple[str, str, str]]:
    head, *rows = (line.split() for line in table.strip().splitlines())
    for name, *marks in rows:
        yield from ((name, column, mark) for column, mark in zip(head, marks, strict=True))


def expected(mark: str, repairy: str, word: str) -> str:
    """Repairy lets nothing follow done and cancelled: what should go there is noted."""
    mark = POLICY[word] if mark == "P" else mark
    return "-" if mark == ">" and repairy in FINAL else mark


def mark_of(out: Outlook) -> str:
    stands = [stand.kind for stand in out.stands if stand.scope == "status"]
    sides = {action.side for action in out.actions if "status" in action.fields}
    assert len(stands) + len(sides) + len(out.record) + out.split <= 1, "one answer"
    if stands:
        return {"held": "?", "noted": "-"}[stands[0]]
    return "*" if out.split else {"shop": "<", "repairy": ">"}[sides.pop()] if sides else "=" if out.record else "."


def world_of(base: str, shop: str, repairy: str, word: str) -> World:
    agreed = {name: value for name, value in BOOKING.items() if name != "status" or base != "never"}
    agreed |= {"status": base} if base != "never" else {}
    return linked(booking(status=shop), booking(status=repairy), agreed, rules=rules(word))


@pytest.mark.parametrize("word", POLICY)
@pytest.mark.parametrize("base", TABLES)
def test_every_status_against_every_other(base: str, word: str) -> None:
    wrong = []
    for shop, repairy, mark in cells(TABLES[base]):
        world, want = world_of(base, shop, repairy, word), expected(mark, repairy, word)
        if (got := mark_of(world.decide())) != want:
            wrong.append(f"shop {shop}, Repairy {repairy}: {want} expected, {got} decided")
        elif want != "*":
            world.quiet()
            if want in "<>=" and not agree(world, "status"):
                wrong.append(f"shop {shop}, Repairy {repairy}: {want}, and the sides still differ")
    assert not wrong, "\n".join(wrong)


def test_a_cancellation_met_at_the_first_pairing_is_a_persons_to_decide() -> None:
    world = world_of("never", "pending", "cancelled", "shop")
    world.link = replace(world.link, choice={"status": "repairy"})
    assert [(action.side, action.kind) for action in world.decide().actions] == [("shop", "cancel")]


def test_an_open_row_that_was_never_cancelled_is_no_new_booking() -> None:
    """A person left it open, though Repairy's is cancelled."""
    mine, theirs = booking(), booking(status="cancelled")
    assert not linked(mine, theirs, (mine, theirs)).decide().split


def test_no_status_is_skipped() -> None:
    assert set(TABLES) == {*STATUSES, "never"}
    assert all(
        {(row, column) for row, column, _ in cells(table)} == set(product(STATUSES, STATUSES)) for table in TABLES.values()
    )


# -- a side that no longer has the booking

MISSING = """
                        ignore  alert  cancel
    pending    ahead    -       ?      >
    processing ahead    -       ?      >
    done       ahead    x       x      x
    cancelled  ahead    x       x      x
    pending    over     x       x      x
    processing over     x       x      x
    done       over     x       x      x
    cancelled  over     x       x      x
"""  # what Repairy shows of a booking whose shop row is gone, under each missing_row; x: closed silently


def gone_world(side: str, status: str, when: str, missing: str = "alert", **link: object) -> World:
    start = NOW + timedelta(days=5 if when == "ahead" else -5)
    fields = booking(status=status, starts_at=iso(start), ends_at=None)
    world = linked(fields, fields, fields, rules=rules(missing=missing))
    since = stamp(NOW - timedelta(hours=1))
    world.link = replace(world.link, missing={side: since, f"{side}_gone": since}, **link)
    return world


def missing_cells() -> Iterator[tuple[str, str, str, str]]:
    head, *rows = (line.split() for line in MISSING.strip().splitlines())
    for status, when, *marks in rows:
        yield from ((status, when, word, mark) for word, mark in zip(head, marks, strict=True))


@pytest.mark.parametrize(("status", "when", "missing", "mark"), list(missing_cells()))
def test_a_shop_row_that_is_gone(status: str, when: str, missing: str, mark: str) -> None:
    out = gone_world("shop", status, when, missing).decide()
    kinds = {stand.kind for stand in out.stands}
    want = {"-": ({"noted"}, [], False), "?": ({"held"}, [], False), ">": (set(), ["cancel"], False), "x": (set(), [], True)}[
        mark
    ]
    assert (kinds, [action.kind for action in out.actions], out.close) == want


@pytest.mark.parametrize(("status", "when"), list(product(STATUSES, ("ahead", "over"))))
@pytest.mark.parametrize("missing", ["ignore", "alert", "cancel"])
def test_a_booking_that_repairy_no_longer_has(status: str, when: str, missing: str) -> None:
    """It is held while it is open and to come; the shop's row stays in any case."""
    out = gone_world("repairy", status, when, missing).decide()
    assert not out.actions
    held = when == "ahead" and status not in FINAL
    assert [(stand.kind, stand.reason) for stand in out.stands] == [
        ("held", "Repairy no longer has this booking; the shop's row stays") for _ in range(held)
    ]


def test_what_both_sides_lost_is_closed() -> None:
    world = gone_world("shop", "pending", "ahead", "cancel")
    world.link = replace(world.link, missing={**world.link.missing, "repairy_gone": stamp(NOW)})
    assert world.decide() == Outlook(close=True)


def test_once_missed_is_not_gone() -> None:
    """One sighting without it deletes nothing."""
    world = linked(booking(), booking(), booking(), rules=rules(missing="cancel"))
    world.link = replace(world.link, missing={"shop": stamp(NOW)})
    assert world.decide() == Outlook()


@pytest.mark.parametrize(("choice", "kind"), [("shop", "cancel"), ("repairy", "create")])
def test_a_person_decides_about_a_missing_row(choice: str, kind: str) -> None:
    out = gone_world("shop", "pending", "ahead", choice={"missing": choice}).decide()
    assert [(action.kind, action.reference) for action in out.actions] == [(kind, "W-1")]
    assert not out.stands


def test_a_row_inserted_again_is_all_that_repairy_shows_of_it() -> None:
    world = gone_world("shop", "pending", "ahead", choice={"missing": "repairy"})
    (action,) = world.decide().actions
    assert (action.side, action.groups) == ("shop", tuple(GROUPS))
    assert action.fields == {name: text for name, text in (world.link.repairy or {}).items() if text is not None}


@pytest.mark.parametrize("side", ["shop", "repairy"])
@pytest.mark.parametrize("last", [{"status": "done"}, {"starts_at": iso(NOW - timedelta(days=5))}], ids=["over", "past"])
def test_what_counts_is_what_the_side_shows_that_still_has_it(side: Side, last: dict[str, str]) -> None:
    """Not what the other one showed last."""
    world = gone_world(side, "pending", "ahead")
    world.link = replace(world.link, **{side: {**booking(), **last}})
    assert [stand.scope for stand in world.decide().stands] == ["missing"]
    world = gone_world(side, "pending", "ahead")
    world.link = replace(world.link, **{other(side): {**booking(), **last}})
    assert world.decide() == Outlook(close=True)


def test_a_cancellation_that_may_have_happened_is_held_until_a_person_says() -> None:
    world = gone_world("shop", "pending", "ahead", "cancel", choice={"stuck.missing": "it is not known whether it was cancelled"})
    (stand,) = world.decide().stands
    assert (stand.kind, stand.scope, stand.reason) == ("held", "missing", "it is not known whether it was cancelled")
    world.link = replace(world.link, choice={**world.link.choice, "missing": "shop"})
    assert [action.kind for action in world.decide().actions] == ["cancel"]
    world.link = replace(world.link, choice={"stuck.missing": "it is not known whether it was cancelled"})
    world.rules = rules(missing="ignore")
    assert [stand.kind for stand in world.decide().stands] == ["held"]


@pytest.mark.parametrize("side", ["shop", "repairy"])
def test_a_missing_booking_that_a_person_lets_go_is_closed(side: str) -> None:
    assert gone_world(side, "pending", "ahead", choice={"missing": "skip"}).decide() == Outlook(close=True)


def test_a_cancellation_for_a_missing_row_needs_permission_or_a_person() -> None:
    world = gone_world("shop", "pending", "ahead", "cancel")
    world.rules = rules(missing="cancel", visible=frozenset())
    assert [(stand.kind, stand.scope) for stand in world.decide().stands] == [("noted", "missing")]
    world.link = replace(world.link, choice={"missing": "shop"})
    assert [action.kind for action in world.decide().actions] == ["cancel"]


# -- done, reopened, done


def finished() -> World:
    """Done on both sides, and the customer has been told."""
    world = linked(booking(status="pending"), booking(status="pending"), booking(status="pending"))
    world.edit("shop", status="done")
    world.look("shop", timedelta(minutes=10))
    world.quiet()
    assert [action.kind for action in world.sent] == ["done"]
    assert world.link.visible == {"done"}
    return world


def test_reopened_and_done_again_sends_nothing() -> None:
    """While Repairy still says done there is nothing to say."""
    world = finished()
    world.edit("shop", status="processing")
    assert [(stand.kind, stand.reason) for stand in world.decide().stands] == [
        ("noted", "Repairy lets no done booking become processing")
    ]
    world.edit("shop", status="done")
    world.quiet()
    assert len(world.sent) == 1
    assert not world.decide().stands


def test_done_again_after_repairy_was_reopened_is_held() -> None:
    world = finished()
    world.edit("shop", status="processing")
    world.edit("repairy", status="processing")
    world.quiet()
    world.edit("shop", status="done")
    world.look("shop", timedelta(minutes=10))
    out = world.decide()
    assert [(stand.kind, stand.scope) for stand in out.stands] == [("held", "status")]
    assert not out.actions


def test_reopened_at_repairy_alone_reopens_the_shop_and_is_not_undone() -> None:
    world = finished()
    world.edit("repairy", status="processing")
    world.quiet()
    assert (world.holds["shop"] or {})["status"] == "processing"


# -- words that are not ours


def test_a_status_that_nobody_mapped_is_held_and_the_rest_goes_on() -> None:
    world = linked(booking(status="?On hold", description="Brakes"), booking(), booking())
    out = world.decide()
    assert [(stand.kind, stand.scope) for stand in out.stands] == [("held", "status")]
    assert "On hold" in out.stands[0].reason
    assert [action.fields for action in out.actions] == [{"description": "Brakes"}]


def test_a_row_that_the_profile_ignores_waits_whole() -> None:
    out = linked(booking(status="ignore", description="Brakes"), booking(), booking()).decide()
    assert [stand.kind for stand in out.stands] == ["waiting"]
    assert not out.actions


@pytest.mark.parametrize(("days", "kind"), [(5, "held"), (-5, "noted")])
def test_an_online_cancellation_that_the_shop_cannot_express(days: int, kind: str) -> None:
    """It is held while the booking is to come, and noted after."""
    fields = booking(starts_at=iso(NOW + timedelta(days=days)), ends_at=None)
    able = replace(SHOP, statuses=SHOP.statuses - {"cancelled"})
    out = linked(fields, {**fields, "status": "cancelled"}, fields, shop=able).decide()
    assert [stand.kind for stand in out.stands] == [kind]


def test_a_visible_difference_found_at_the_first_pairing_is_stale() -> None:
    """Even where the other groups agreed before, and though the value moved while the row was alone."""
    world = world_of("never", "done", "pending", "shop")
    assert [action.stale for action in world.decide().actions] == ["a difference found when first paired"]


def test_the_link_of_a_split_keeps_its_end() -> None:
    """The old link says split and nothing else: the engine closes it and the row goes on under the next reference."""
    world = world_of("cancelled", "pending", "cancelled", "shop")
    assert world.decide() == Outlook(split=True)
    assert isinstance(world.link, Link)
