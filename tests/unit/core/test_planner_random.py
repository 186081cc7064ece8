"""Many bookings, edited at random on both sides, carried out in any order and stopped anywhere: it comes to rest.

What holds in every history, whatever the two sides can hold:
planning is pure · one pass writes a side at most once per group · a link settles within few passes, and then another
look writes nothing · no message goes twice · at rest a group agrees, as far as the other side can hold it, or it stands ·
no value is made up: what a side shows at rest was typed by somebody, or is what was merged, cut or rounded from that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from sync.core.action import plan_digest
from sync.core.booking import GROUPS, STATUSES, Ability, Fields, Side
from sync.core.canonical import view
from sync.core.merge import Case
from sync.core.times import iso
from tests.unit.core.carry_out import (
    BOOKING,
    NOW,
    REPAIRY,
    SHOP,
    WHOLE,
    Habit,
    World,
    booking,
    half,
    linked,
    plain,
    rules,
)

TEXTS = ("", "Brakes", "Tyres and more", "a line\nanother", "x" * 70, "Logbook service  ", "<b>bold</b>", "same")


def _spaced(field: str, value: str | None) -> str | None:
    return f" {value} " if value and field in ("description", "make", "badge", "job_notes") else value


def _upper(field: str, value: str | None) -> str | None:
    return value.upper() if value and field == "rego" else value


def _trimmed(field: str, value: str | None) -> str | None:
    return (" ".join(value.split()) if field != "job_notes" else value.strip()) or None if value is not None else None


SHOPS: tuple[tuple[Ability, Habit], ...] = (
    (SHOP, plain),
    (SHOP, _upper),
    (replace(SHOP, grain="day", reads=WHOLE - {"ends_at"}, writes=SHOP.writes - {"ends_at"}), plain),
    (replace(SHOP, grain="minute", reads=WHOLE - {"ends_at", "service_category"}), _spaced),
    (replace(SHOP, limits={"description": 40, "job_notes": 40}, overflow="shorten"), plain),
    (replace(SHOP, limits={"description": 40, "job_notes": 40}), plain),
    (replace(SHOP, append_notes=True), plain),
    (replace(SHOP, writes=frozenset(), statuses=frozenset({"pending", "processing", "done"})), plain),
    (replace(SHOP, reads=frozenset({"status", "starts_at", "rego", "name", "phone"})), _upper),
)
REPAIRIES: tuple[tuple[Ability, Habit], ...] = (
    (REPAIRY, plain),
    (REPAIRY, _trimmed),
    (replace(REPAIRY, writes=REPAIRY.writes - {"description"}, visible_update=frozenset()), plain),
    (replace(REPAIRY, next={"pending": ("processing", "cancelled"), "processing": ("pending", "done", "cancelled")}), plain),
)


def value(random: Random, field: str) -> str | None:
    if field == "status":
        return random.choice(STATUSES)
    if field in ("starts_at", "ends_at"):
        return iso(NOW + timedelta(hours=random.randrange(24, 24 * 40), seconds=random.choice((0, 0, 30))))
    if field in ("job_notes", "description"):
        return random.choice(TEXTS) or None
    return (
        random.choice((BOOKING[field], f"{field}2", f"{field} 3", None))
        if field != "phone"
        else f"040000000{random.randrange(9)}"
    )


def born(random: Random) -> World:
    """A booking with some past on two sides of some kind."""
    (shop, shop_habit), (repairy, repairy_habit) = random.choice(SHOPS), random.choice(REPAIRIES)
    word = random.choice(("shop", "repairy", "hold", "merge"))
    asked = rules(
        word,
        visible=random.choice((rules().visible, frozenset())),
        mode=random.choice(("two-way",) * 4 + ("to-shop", "to-repairy")),
    )
    parts: dict[str, Any] = {
        "shop": shop,
        "repairy": repairy,
        "rules": asked,
        "habits": {"shop": shop_habit, "repairy": repairy_habit},
    }
    mine, theirs = stored(shop, booking()), booking()
    kind = random.choice(("linked", "first", "shop", "repairy"))
    if kind == "linked":
        return linked(mine, theirs, (mine, theirs), **parts)
    return linked(mine, theirs, None, **parts) if kind == "first" else half(kind, mine if kind == "shop" else theirs, **parts)  # type: ignore[arg-type]


def stored(able: Ability, fields: Fields) -> dict[str, str | None]:
    """As a side of this grain keeps it."""
    kept = {name: text for name, text in fields.items() if name in able.reads}
    if able.grain == "day" and kept.get("starts_at"):
        kept["starts_at"] = "2026-03-11"
    return kept


def edit(random: Random, world: World) -> None:
    """Somebody changes one to three fields on one side."""
    side: Side = random.choice(("shop", "repairy"))
    held = world.holds[side]
    if held is None:
        return
    for field in random.sample(sorted(held), random.randrange(1, 4)):
        text = value(random, field)
        if world.able(side).grain == "day" and field == "starts_at":
            text = f"2026-03-{random.randrange(10, 28)}"
        if field in ("starts_at", "rego", "phone", "name") and text is None:
            continue
        held[field] = text
    if random.random() < 0.8:
        world.look(side, timedelta(minutes=random.randrange(12)))


def history(seed: int) -> None:
    random = Random(seed)
    world = born(random)
    for _ in range(random.randrange(1, 8)):
        for _ in range(random.randrange(3)):
            edit(random, world)
        if random.random() < 0.7:
            stopped(random, world)
    rest(world)


def stopped(random: Random, world: World) -> None:
    """A pass that may be stopped between two writes; a side may have moved since it was read: then nothing is sent."""
    out = world.decide()
    assert out == world.decide(), "planning is pure"
    written = [(action.side, group) for action in out.actions for group in action.groups]
    assert len(written) == len(set(written)), "one write per side and group"
    shuffled = random.sample(out.actions, len(out.actions))
    assert plan_digest(shuffled) == plan_digest(list(out.actions))
    world.step(random.randrange(len(out.actions) + 1) if random.random() < 0.3 else None)


def rest(world: World) -> None:
    for side in ("shop", "repairy"):
        if world.holds[side] is not None:
            world.look(side)
    world.quiet(8)
    told = [kind for action in world.sent for kind in action.visible if kind != "moved"]
    assert len([kind for kind in told if kind in ("done", "cancelled", "created")]) == len(
        {kind for kind in told if kind in ("done", "cancelled", "created")}
    ), "a message went twice"
    assert not (world.rules.mode == "to-shop" and any(action.side == "repairy" for action in world.sent))
    assert not (world.rules.mode == "to-repairy" and any(action.side == "shop" for action in world.sent))
    settled(world)


def settled(world: World) -> None:
    """Each group agrees as far as both can hold it, or says why not."""
    link, out = world.link, world.decide()
    if (
        not link.paired
        or out.split
        or any(stand.scope in ("identity", "time", "status") and stand.kind == "waiting" for stand in out.stands)
    ):
        return
    if any(stand.scope == "identity" for stand in out.stands):
        return
    standing = {stand.scope for stand in out.stands}
    views: dict[Side, Fields] = {"shop": view(link.shop or {}), "repairy": view(link.repairy or {})}
    for group in GROUPS:
        case = Case(group, world.shop, world.repairy, views, {"shop": {}, "repairy": {}}, link.repairy_code)
        assert group in standing or not case.apart, f"{group} differs and nobody is told"


def run(seeds: range, check: Callable[[int], None] = history) -> None:
    for seed in seeds:
        try:
            check(seed)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error


@pytest.mark.parametrize("part", range(4))
def test_bookings_edited_at_random_come_to_rest(part: int) -> None:
    run(range(part * 60, part * 60 + 60))


@pytest.mark.soak
@pytest.mark.parametrize("part", range(20))
def test_twenty_thousand_bookings_come_to_rest(part: int) -> None:
    run(range(part * 1000, part * 1000 + 1000))


@pytest.mark.prove
@pytest.mark.parametrize("part", range(40))
def test_a_million_bookings_come_to_rest(part: int) -> None:
    run(range(part * 25_000, part * 25_000 + 25_000))
