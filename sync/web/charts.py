"""Passes, calls and lag over a day or a month, in buckets of the workshop's own clock. The page draws them from its tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from statistics import median
from typing import Literal

from sync.core.times import start_of
from sync.engine.site import Site
from sync.ports import Clock
from sync.records import Run
from sync.state.glance import Glance, Written

Span = Literal["24h", "30d"]
FRESH = 60.0  # seconds for which figures are shown again without counting anew


@dataclass
class Bucket:
    """One hour or one day. `calls` are all that went to Repairy, the writes among them; `lags` are seconds from when a
    value was first seen until the other side had taken it."""

    at: datetime
    label: str
    passes: int = 0
    unread: int = 0
    calls: int = 0
    shop: int = 0
    repairy: int = 0
    failed: int = 0
    lags: list[float] = field(default_factory=list)

    @property
    def usual(self) -> float | None:
        return round(median(self.lags), 1) if self.lags else None

    @property
    def longest(self) -> float | None:
        return round(max(self.lags), 1) if self.lags else None


class Charts:
    """Figures of all workshops together, counted at most once a minute."""

    def __init__(self, sites: Sequence[Site], glance: Glance, clock: Clock) -> None:
        self._sites, self._glance, self._clock = sites, glance, clock
        self._kept: dict[str, tuple[float, list[Bucket]]] = {}

    @property
    def zone(self) -> tzinfo:
        """Whose hours and days are counted: the first workshop's."""
        return self._sites[0].rules.zone

    def buckets(self, span: Span) -> list[Bucket]:
        """Oldest first; the last one is not over yet."""
        kept = self._kept.get(span)
        if kept is None or self._clock.monotonic() - kept[0] > FRESH:
            kept = self._kept[span] = (self._clock.monotonic(), self._counted(span))
        return kept[1]

    def _counted(self, span: Span) -> list[Bucket]:
        made = _empty(span, self._clock.now(), self.zone)
        for site in self._sites:
            for run in self._glance.passes(site.name, made[0].at):
                _count_passes(_of(made, run.started_at), run)
            for one in self._glance.written(site.name, made[0].at):
                _count_write(_of(made, one.started_at), one)
        return made


def _empty(span: Span, now: datetime, zone: tzinfo) -> list[Bucket]:
    if span == "24h":
        here = now.astimezone(zone).replace(minute=0, second=0, microsecond=0)
        hours = [now - (now - here) - timedelta(hours=back) for back in range(23, -1, -1)]
        return [Bucket(hour, f"{hour.astimezone(zone):%H:%M}") for hour in hours]
    today = now.astimezone(zone).date()
    days = [today - timedelta(days=back) for back in range(29, -1, -1)]
    return [Bucket(start_of(day, zone), f"{day.day} {day:%b}") for day in days]


def _of(made: Sequence[Bucket], at: datetime) -> Bucket:
    return next((one for one in reversed(made) if one.at <= at), made[0])


def _count_passes(bucket: Bucket, run: Run) -> None:
    bucket.passes += run.counts.get("quiet", 1)
    bucket.unread += bool(run.error)
    bucket.calls += run.counts.get("calls", 0)


def _count_write(bucket: Bucket, one: Written) -> None:
    if one.outcome == "accepted":
        bucket.shop += one.side == "shop"
        bucket.repairy += one.side == "repairy"
        if one.since and one.finished_at:
            bucket.lags.append(max(0.0, (one.finished_at - one.since).total_seconds()))
    elif one.outcome is not None:
        bucket.failed += 1
