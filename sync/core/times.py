"""Times as text, and durations as people write them. Text is ISO 8601 UTC with Z; `datetime` values are aware, in UTC.

Two aware datetimes in one zone compare without regard to fold, so everything here goes to UTC first.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*")
_UNIT = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def duration(text: str) -> timedelta:
    """`"30s"`, `"5m"`, `"24h"`, `"2d"`. Raises ValueError saying what is allowed."""
    found = _DURATION.fullmatch(text)
    if not found:
        raise ValueError('a duration is a number with a unit, such as "30s", "5m", "24h" or "2d"')
    return timedelta(seconds=float(found[1]) * _UNIT[found[2]])


def iso(moment: datetime) -> str:
    """An aware datetime as booking text: UTC, whole seconds, Z."""
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def stamp(moment: datetime) -> str:
    """An aware datetime as state text: UTC, fixed width with microseconds, so that text sorts as time does."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse(text: str) -> datetime:
    """Any ISO 8601 instant with an offset or Z to aware UTC. Raises ValueError where there is no offset."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment.astimezone(UTC)


def is_day(text: str | None) -> bool:
    """Whether a time field holds a plain day, as shops do that keep no time of day."""
    return text is not None and len(text) == 10


def day_of(text: str, zone: tzinfo) -> date:
    """The workshop's own calendar day of a time field."""
    return date.fromisoformat(text) if is_day(text) else parse(text).astimezone(zone).date()


def local(naive: datetime, zone: tzinfo) -> tuple[datetime, str]:
    """A naive local time to UTC, and what was odd about it: "" | "twice" | "skipped".

    An hour that happens twice is taken as the earlier; one that does not exist is shifted forward by the gap.
    """
    first = naive.replace(tzinfo=zone, fold=0)
    second = naive.replace(tzinfo=zone, fold=1)
    earlier, later = first.astimezone(UTC), second.astimezone(UTC)
    if earlier == later:
        return earlier, ""
    if earlier < later:  # the offset falls: this hour happens twice
        return earlier, "twice"
    return earlier, "skipped"  # fold=0 uses the offset from before the gap: that shifts it forward


def at(day: date, clock_time: str, zone: tzinfo) -> datetime:
    """HH:MM on a day of the workshop's calendar, as UTC."""
    return local(datetime.combine(day, time.fromisoformat(clock_time)), zone)[0]


def start_of(day: date, zone: tzinfo) -> datetime:
    """When that day begins in the workshop's zone, as UTC."""
    return at(day, "00:00", zone)
