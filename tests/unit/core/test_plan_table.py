"""The planner's table: every state of one field group, in every group, under every policy. What is expected is
written here by hand; nothing of it is worked out by the code under test.

    .  nothing to do            =  agreement that nobody recorded: recorded, not written
    >  written to Repairy       <  written to the shop        P  both changed: the policy decides
    -  noted                    ?  held for a person          w  waits
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from sync.core.action import Outlook
from sync.core.booking import CUSTOMER, GROUPS, VEHICLE
from tests.unit.core.carry_out import BOOKING, SHOP, World, agree, booking, linked, rules

# Rows: what the shop shows. Columns: what Repairy shows. "same": as the shop has it now.
AGREED_BEFORE = """
            equal  same  other  empty
equal       .      <     <      <
changed     >      =     P      P
empty       >      P     P      =
no-column   .      .     .      .
"""
NEVER_AGREED = """
            equal  same  other  empty
equal       =      P     P      >
changed     P      =     P      >
empty       <      <     <      .
no-column   .      .     .      .
"""
# Of a group: what replaces a mark of the tables above, by (row, column, mark). "*": any.
EXCEPT: dict[str, dict[tuple[str, str, str], str]] = {
    # the customer and the vehicle of a shop are changed by a person only
    **{group: {("*", "*", "<"): "-"} for group in CUSTOMER + VEHICLE},
    # a booking always has a start: one that lost it waits
    "time": {("empty", "*", "*"): "w", ("*", "empty", "*"): "w"},
}
for _group in ("phone", "rego", "name"):  # Repairy needs these: an emptied one is noted, it stays there
    EXCEPT[_group] = {**EXCEPT[_group], ("empty", "*", ">"): "-"}
# What "P" stands for.
POLICY = {"shop": ">", "repairy": "<", "hold": "?", "merge": "?"}
NOTES_MERGED = "m"  # notes, policy merge: both texts take both edits
# Notes that never agreed, policy merge: the lines that one lacks; what holds all lines of the other takes nothing.
NOTES_NEVER = {("equal", "same"): "<", ("equal", "other"): "<", ("changed", "equal"): ">"}

FIELD = {"time": "starts_at", "service": "description", "notes": "job_notes"}  # of the other groups: the group's own name
VALUES: dict[str, tuple[str, str, str]] = {  # agreed before, changed in the shop, changed otherwise at Repairy
    "time": ("2026-03-10T22:00:00Z", "2026-03-11T22:00:00Z", "2026-03-12T22:00:00Z"),
    "service": ("Logbook service", "Brakes", "Tyres"),
    "notes": ("keys at the desk", "keys at the desk\ncall first", "keys at the desk\nblue car"),
    "name": ("Customer One", "Customer Two", "Customer Three"),
    "phone": ("0400000001", "0400000002", "0400000003"),
    "email": ("one@example.com", "two@example.com", "three@example.com"),
    "rego": ("AAA001", "AAA002", "AAA003"),
    "make": ("Make", "Other make", "Third make"),
    "model": ("Model", "Other model", "Third model"),
    "badge": ("Badge", "Other badge", "Third badge"),
    "year": ("2019", "2020", "2021"),
    "vin": ("VIN00000000000001", "VIN00000000000002", "VIN00000000000003"),
}
POLICIES = {group: ("shop", "hold") if group in CUSTOMER + VEHICLE else ("shop", "repairy", "hold") for group in VALUES}
POLICIES["notes"] = ("shop", "repairy", "hold", "merge")


def cells(table: str) -> Iterator[tuple[str, str, str]]:
    """(row, column, mark) of a table above."""
    head, *rows = (line.split() for line in table.strip().splitlines())
    for name, *marks in rows:
        yield from ((name, column, mark) for column, mark in zip(head, marks, strict=True))


def expected(group: str, row: str, column: str, mark: str, word: str, met: bool) -> str:
    if mark == "P" and group == "notes" and word == "merge":
        return NOTES_MERGED if met else NOTES_NEVER.get((row, column), NOTES_MERGED)
    mark = POLICY[word] if mark == "P" else mark
    special = EXCEPT.get(group, {})
    return next(
        (special[key] for key in ((row, "*", mark), (row, "*", "*"), ("*", "*", mark), ("*", column, "*")) if key in special),
        mark,
    )


def world_of(group: str, row: str, column: str, word: str, met: bool) -> World:
    name, (agreed, changed, otherwise) = FIELD.get(group, group), VALUES[group]
    shop = {"equal": agreed, "changed": changed, "empty": None, "no-column": agreed}[row]
    same = changed if row != "changed" else shop
    repairy = {"equal": agreed, "same": same, "other": otherwise, "empty": None}[column]
    never = () if met else GROUPS["time"] if group == "time" else (name,)
    base = {key: value for key, value in BOOKING.items() if key not in never}
    able = replace(SHOP, reads=SHOP.reads - set(GROUPS[group])) if row == "no-column" else SHOP
    ends: dict[str, str | None] = {"ends_at": None} if group == "time" else {}
    base |= ends if met else {}
    return linked(booking(**{name: shop}, **ends), booking(**{name: repairy}, **ends), base, shop=able, rules=rules(word))


def mark_of(out: Outlook, group: str) -> str:
    """The decision about this group, as one mark."""
    stands = {stand.kind for stand in out.stands if stand.scope == group}
    sides = {action.side for action in out.actions if group in action.groups}
    assert len(stands) + bool(sides) + (group in out.record) <= 1, "one group, one answer"
    if stands:
        return {"held": "?", "noted": "-", "waiting": "w"}[stands.pop()]
    if sides == {"shop", "repairy"}:
        return NOTES_MERGED
    return {"shop": "<", "repairy": ">"}[sides.pop()] if sides else "=" if group in out.record else "."


COMBINATIONS = [(group, word, met) for group in VALUES for word in POLICIES[group] for met in (True, False)]


@pytest.mark.parametrize(
    ("group", "word", "met"), COMBINATIONS, ids=lambda value: {True: "agreed", False: "never"}.get(value, value)
)
def test_every_state_of_a_group(group: str, word: str, met: bool) -> None:
    """Each cell of the tables gives what is written there, touches no other group, and comes to rest."""
    wrong = []
    for row, column, mark in cells(AGREED_BEFORE if met else NEVER_AGREED):
        world, want = world_of(group, row, column, word, met), expected(group, row, column, mark, word, met)
        out = world.decide()
        if (got := mark_of(out, group)) != want:
            wrong.append(f"shop {row}, Repairy {column}: {want} expected, {got} decided ({out.stands})")
        elif {other for action in out.actions for other in action.groups} - {group}:
            wrong.append(f"shop {row}, Repairy {column}: another group was written")
        else:
            world.quiet()
            if want in "<>=" and not agree(world, group):
                wrong.append(f"shop {row}, Repairy {column}: {want}, and the sides still differ")
    assert not wrong, "\n".join(wrong)


def test_no_combination_is_skipped() -> None:
    """12 groups (status has its own table) × policies × base × 4 rows × 4 columns."""
    tables = [list(cells(AGREED_BEFORE)), list(cells(NEVER_AGREED))]
    assert [len(table) for table in tables] == [16, 16]
    assert {*VALUES, "status"} == set(GROUPS)
    assert sum(16 for _ in COMBINATIONS) == 16 * 2 * (3 + 3 + 4 + 9 * 2)
