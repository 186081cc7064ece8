"""Where a time that was taken for the start is no more than a guess: it is said, and nothing is written there. No database."""

from __future__ import annotations

from datetime import date, datetime

from sync.shop.wizard import ends, recognise, words
from sync.shop.wizard.candidates import against, start_score
from sync.shop.wizard.draft import Draft
from sync.shop.wizard.explore import Column, Table

_ENTRY = ("created_at", "changed_at")
_NEAR = 0.75  # of `start_score`
_CLOSE = 0.2  # of `_weight`


def clocks(own: Table) -> list[Column]:
    """The times of day at which bookings may begin, the likeliest first: none at which a row was entered, or work ended."""
    there = [one for one in own.columns.values() if one.kind == "clock" and not words.hint("ends_at", one.name)]
    return sorted((one for one in there if not against(one.name)), key=_weight, reverse=True)


def _weight(clock: Column) -> float:
    """People choose full five minutes."""
    found = [at for value in clock.values if (at := recognise.clock(value))]
    grid = recognise.on_the_grid([datetime.combine(date.min, at) for at in found])
    return words.hint("starts_at", clock.name) + grid - clock.empty


def say(draft: Draft, start: Column, now: datetime) -> None:
    """What else the start could be, or why it may be none."""
    if any(words.hint(what, start.name) for what in _ENTRY):
        _withhold(draft, f"starts_at: {start.name} is by its name the time at which a row was entered or changed")
    rivals = [column.name for column in _rivals(draft, start, now)]
    if rivals:
        _withhold(draft, f"starts_at: {start.name} was taken; by name and values it could as well be {', '.join(rivals)}")
    taken = draft.picked.get("time")
    near = _near_clocks(draft.booking.table) if taken else []
    if taken and taken.column and near:
        _withhold(draft, f"time: {taken.column.name} was taken; by name and values it could as well be {', '.join(near)}")


def _withhold(draft: Draft, why: str) -> None:
    draft.withhold(f"{why}. No statement that writes a time was proposed", "reschedule", "create")


def _rivals(draft: Draft, start: Column, now: datetime) -> list[Column]:
    """Other times that are nearly as likely; no ends."""
    least = start_score(start, now) - _NEAR
    times = (one for one in draft.booking.table.columns.values() if one.kind in ("moment", "day") and one is not start)
    return [one for one in times if start_score(one, now) >= least and ends.weight(one) <= ends.ENOUGH]


def _near_clocks(own: Table) -> list[str]:
    found = clocks(own)
    return [one.name for one in found[1:] if _weight(one) >= _weight(found[0]) - _CLOSE]
