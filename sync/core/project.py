"""Projection: what the other side would show of a value, given what it can hold and what stands there now.

A side is coarse (days only), short (limits) or blind (fields that it does not have). What it cannot hold is kept
from what stands there: moving the day keeps the time of day, moving the start moves the end along.
Works on canonical views (`canonical.view`); answers in the same form.
"""

from __future__ import annotations

import re
from datetime import timedelta

from sync.core.booking import GROUPS, Ability, Fields
from sync.core.times import at, day_of, is_day, iso, local, parse

_TAIL = re.compile(r"… \(Repairy[^()]*\)\Z")  # how `shorten` ends a text


class TooLong(Exception):
    """A text does not fit and the profile says `overflow = "hold"`."""

    def __init__(self, field: str, limit: int) -> None:
        super().__init__(f"{field} is longer than the {limit} characters that the other side holds")


def shared(group: str, a: Ability, b: Ability) -> tuple[str, ...]:
    """The fields of a group that both sides show; only these are compared and sent."""
    return tuple(field for field in GROUPS[group] if field in a.reads and field in b.reads)


def project(
    group: str, source: Fields, of: Ability, onto: Ability, there: Fields | None, code: str | None = None
) -> dict[str, str | None]:
    """The group's values as `onto` would show them. `there` is its view now, None for a booking yet to be made.

    Raises TooLong."""
    if group == "time":
        return _time(source, of, onto, there)
    both = shared(group, of, onto)
    return {field: fit(field, source.get(field), onto, there, code) for field in both}


def fit(field: str, value: str | None, onto: Ability, there: Fields | None, code: str | None) -> str | None:
    """A text within the limit; one that is the shortened form of what stands there is what stands there."""
    full = (there or {}).get(field)
    if value and full and value != full and _is_head(full, value):
        return full
    if value is None or not _over(field, value, onto):
        return value
    if onto.overflow == "hold":
        raise TooLong(field, onto.limits[field])
    return shorten(value, onto.limits[field], code)


def _over(field: str, value: str, onto: Ability) -> bool:
    """Whether a text is longer than this side holds; notes that are appended have no limit as a whole."""
    limit = onto.limits.get(field)
    return limit is not None and len(value) > limit and not (onto.append_notes and field == "job_notes")


def shortens(field: str, value: str | None, onto: Ability) -> bool:
    """Whether this side shows no more of a text than its shortened form."""
    return value is not None and onto.overflow == "shorten" and _over(field, value, onto)


def shorten(value: str, limit: int, code: str | None) -> str:
    """Cut so that it fits and says where the rest is."""
    tail = f"… (Repairy {code})" if code else "… (Repairy)"
    return value[: max(limit - len(tail), 0)].rstrip() + tail


def is_shortened(value: str | None) -> bool:
    """Whether a text says of itself that the rest is at Repairy."""
    return value is not None and _TAIL.search(value) is not None


def _is_head(full: str, value: str) -> bool:
    """Whether this is the full text cut short at some limit."""
    return is_shortened(value) and full.startswith(_TAIL.sub("", value))


def _time(source: Fields, of: Ability, onto: Ability, there: Fields | None) -> dict[str, str | None]:
    start = _start(source.get("starts_at"), of, onto, there)
    result = {"starts_at": start}
    if "ends_at" in onto.reads:
        result["ends_at"] = _end(start, source, of, onto, there)
    return result


def _start(start: str | None, of: Ability, onto: Ability, there: Fields | None) -> str | None:
    if start is None:
        return None
    if onto.grain == "day":
        return day_of(start, onto.zone).isoformat()
    if is_day(start):
        return _with_time_of_day(start, of, onto, there)
    return _grain(start, onto)


def _with_time_of_day(day: str, of: Ability, onto: Ability, there: Fields | None) -> str:
    """The day at the time of day that stands there, or at the shop's usual one."""
    now = (there or {}).get("starts_at")
    clock = parse(now).astimezone(onto.zone).strftime("%H:%M:%S") if now and not is_day(now) else of.default_time
    if now and not is_day(now) and day_of(now, onto.zone).isoformat() == day:
        return now
    return iso(at(day_of(day, onto.zone), clock, onto.zone))


def _end(start: str | None, source: Fields, of: Ability, onto: Ability, there: Fields | None) -> str | None:
    """No end means that none is known, never that there is none: the other side's moves along."""
    end = source.get("ends_at") if "ends_at" in of.reads else None
    if end is None or (is_day(end) and onto.grain != "day"):
        return _moved_along(start, there)
    return day_of(end, onto.zone).isoformat() if onto.grain == "day" else _grain(end, onto)


def _moved_along(start: str | None, there: Fields | None) -> str | None:
    """The end that stands there, moved as far as the start: the duration is kept."""
    old_start, old_end = (there or {}).get("starts_at"), (there or {}).get("ends_at")
    if not (start and old_start and old_end) or is_day(start) or is_day(old_start) or is_day(old_end):
        return old_end
    return iso(parse(old_end) + (parse(start) - parse(old_start)))


def _grain(value: str, onto: Ability) -> str:
    """As finely as it is kept. A wall clock shows the second of two equal hours as the first."""
    moment = parse(value)
    if onto.naive is not None:
        moment = local(moment.astimezone(onto.naive).replace(tzinfo=None), onto.naive)[0]
    return iso(moment - timedelta(seconds=moment.second) if onto.grain == "minute" else moment)
