"""Local times of day to UTC text, a hundred thousand of them at once.

On a day that keeps one offset, a half hour of the local clock is a half hour of UTC wherever the offset is made of half
hours: it is worked out once, and its times differ in minutes and seconds only. All other times are `core.times`'s.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

_HALF = timedelta(minutes=30)
_CLOCKS = [f":{at // 60:02}:{at % 60:02}Z" for at in range(3600)]
_SECONDS = {clock[:-1] + fraction: at for at, clock in enumerate(_CLOCKS) for fraction in ("", ".000", ".000000")}
_MANY = 1 << 16
Half = tuple[str, int]  # the UTC hour, `2026-03-05T22`, and what to add to the seconds of the local hour


def plain(zone: ZoneInfo, raw: object) -> str | None:
    """A time without offset, or `2026-03-06 09:00:00`, as UTC text in whole seconds; None: it is not so plain a case."""
    if isinstance(raw, str):
        at = _SECONDS.get(raw[13:], -1)
        half = _spelled(raw[:13], at >= 1800, zone) if at >= 0 else None
    elif isinstance(raw, datetime) and raw.tzinfo is None:
        at = raw.minute * 60 + raw.second
        half = _half(raw.toordinal(), raw.hour, at >= 1800, zone)
    else:
        return None
    return half[0] + _CLOCKS[at + half[1]] if half else None


@lru_cache(maxsize=_MANY)
def _half(day: int, hour: int, second: bool, zone: ZoneInfo) -> Half | None:
    offset = _offset(day, zone)
    if offset is None or offset % _HALF:
        return None
    local = datetime.combine(date.fromordinal(day), time(hour, 30 if second else 0))
    try:
        utc = local - offset
    except OverflowError:
        return None
    return utc.isoformat()[:13], (utc.minute - local.minute) * 60


@lru_cache(maxsize=_MANY)
def _spelled(hour: str, second: bool, zone: ZoneInfo) -> Half | None:
    try:
        local = datetime.fromisoformat(hour) if hour[4] == "-" else None
    except ValueError:
        return None
    return None if local is None else _half(local.toordinal(), local.hour, second, zone)


@lru_cache(maxsize=_MANY)
def _offset(day: int, zone: ZoneInfo) -> timedelta | None:
    """That of the whole day; None where it changes on it."""
    ends = [datetime.combine(date.fromordinal(day), clock, zone) for clock in (time.min, time.max)]
    offsets = {end.replace(fold=fold).utcoffset() for end in ends for fold in (0, 1)}
    return offsets.pop() if len(offsets) == 1 else None
