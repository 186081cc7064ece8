"""A shop's local times to UTC text, a hundred thousand of them at once.

Where a zone's offsets are whole hours, a local time and UTC differ in day and hour only: these are worked out once for
every hour that occurs; in other zones once for every ten minutes. What is not so plain is left to `core.times`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any
from zoneinfo import ZoneInfo

from sync.shop.remembered import Remembered

YEARS = range(1900, 9991)  # a day outside is somebody's "never": it leaves no room to work out the day before or after it
_HOUR, _TEN_MINUTES, _SECOND = timedelta(hours=1), timedelta(minutes=10), timedelta(seconds=1)
_SEASONS = (datetime(2026, 1, 1), datetime(2026, 7, 1))  # noqa: DTZ001 (in any zone)
_FULL = "0000-00-00 00:00"


class LocalClock:
    """The clock of one zone. Safe to share between threads."""

    def __init__(self, zone: ZoneInfo) -> None:
        whole = not any(_offset(day, zone) % _HOUR for day in _SEASONS)
        self._heads = Remembered(partial(_head, zone, _HOUR if whole else _TEN_MINUTES))
        self._width = 13 if whole else 15  # of `2026-03-06 09`, of `2026-03-06 09:1`
        self._tails = _tails(self._width)

    def column(self, values: Sequence[Any]) -> list[str | None]:
        """`plain` of each."""
        heads, tails, width = self._heads, self._tails, self._width
        try:
            return [heads[raw[:width]] + tails[raw[width:]] for raw in values]
        except (TypeError, LookupError, ValueError):  # not all of them are texts, or not all plain
            return list(map(self.plain, values))

    def plain(self, raw: object) -> str | None:
        """A time without offset, or `2026-03-06 09:00:00`, as UTC text in whole seconds; None: it is not so plain a case."""
        spelled = raw.isoformat(" ", "seconds") if isinstance(raw, datetime) else raw
        if not isinstance(spelled, str):
            return None
        try:
            return self._heads[spelled[: self._width]] + self._tails[spelled[self._width :]]
        except LookupError:
            return None


def _head(zone: ZoneInfo, step: timedelta, head: str) -> str:
    """The beginning of a local time to that of the same time in UTC. Raises LookupError where this changes within the step."""
    try:
        first = datetime.fromisoformat(head + _FULL[len(head) :])
        offset = _offset(first, zone)
        last = (first + step - _SECOND).replace(fold=1)
        if head[4] == "-" and first.year in YEARS and not offset % step and offset == _offset(last, zone):
            return (first - offset).isoformat()[: len(head)]
    except (ValueError, OverflowError) as error:
        raise LookupError(head) from error
    raise LookupError(head)


@cache
def _tails(width: int) -> dict[str, str]:
    """What may follow a beginning of this width, to what follows it in UTC."""
    clocks = {f":{at // 60:02}:{at % 60:02}"[width - 13 :] for at in range(3600)}
    return {clock + fraction: clock + "Z" for clock in clocks for fraction in ("", ".000", ".000000")}


def _offset(naive: datetime, zone: ZoneInfo) -> timedelta:
    return zone.utcoffset(naive.replace(tzinfo=zone)) or timedelta()
