"""Whether Repairy's events reach this program: what was refused, also before the last restart, and days on which none came.

`Keeper` writes what the running program has refused to a small file beside the state, header names and lengths only;
`status` and `check`, which are other processes, read it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from sync.alerts import WEEKS, Habit, silence
from sync.core.times import iso, parse, start_of
from sync.errors import SyncError
from sync.machine import Rounds
from sync.settings import Settings, Workshop
from sync.state import migrate
from sync.state.store import StateStore
from sync.web.webhooks import KEPT, Intake, Refusal
from sync.web.wording import ago, count, sentence
from sync.wiring import App

EVERY_SECONDS = 5.0
RECENT = timedelta(days=1)
# Headers that every request has: they say nothing of how Repairy signs.
PLAIN = frozenset(["accept", "accept-encoding", "connection", "content-length", "host", "transfer-encoding", "user-agent"])


@dataclass(frozen=True)
class Heard:
    """What was refused since `since`; the last few, oldest first."""

    since: datetime
    refused: int = 0
    refusals: Sequence[Refusal] = ()


def place(settings: Settings) -> Path:
    """The file, beside the mapping journal."""
    return settings.state.journal_path.with_name("webhooks.json")


def read(file: Path) -> Heard | None:
    """None where there is none, or it is not ours."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        refusals = [Refusal(parse(one["at"]), str(one["reason"]), dict(one["headers"])) for one in found["refusals"]]
        return Heard(parse(found["since"]), int(found["refused"]), refusals)
    except (OSError, ValueError, KeyError, TypeError):
        return None


class Keeper(Rounds):
    """Keeps the file while the daemon runs. What an earlier process refused stays in it."""

    def __init__(self, file: Path, intake: Intake) -> None:
        self._file, self._intake = file, intake
        self._before = read(file) or Heard(intake.clock.now())
        self._kept = 0
        super().__init__("webhooks refused", self.once, EVERY_SECONDS, at_once=False)

    def stop(self) -> None:
        super().stop()
        self.once()

    def once(self) -> None:
        """Writes where something was refused since the last time. Never raises: it is for looking only."""
        mine = self._intake.refused
        if mine == self._kept:
            return
        refusals = [*self._before.refusals, *self._intake.refusals][-KEPT:]
        with suppress(OSError):
            _write(self._file, replace(self._before, refused=self._before.refused + mine, refusals=refusals))
            self._kept = mine


def _write(file: Path, heard: Heard) -> None:
    refusals = [{"at": iso(one.at), "reason": one.reason, "headers": dict(one.headers)} for one in heard.refusals]
    part = file.with_suffix(".part")
    part.touch(mode=0o600)
    said = {"since": iso(heard.since), "refused": heard.refused, "refusals": refusals}
    part.write_text(json.dumps(said, indent=1), encoding="utf-8")
    os.replace(part, file)


def refused(many: int, since: str, last: Refusal | None, now: datetime) -> Iterator[str]:
    """A sentence, where the last was not long ago: `since` is when the count began, in words."""
    if last and now - last.at < RECENT:
        deliveries = count(many, "webhook delivery was", "webhook deliveries were")
        carried = ", ".join(f"{name} ({length})" for name, length in last.headers.items() if name.lower() not in PLAIN)
        headers = f" It carried these headers (with their lengths): {carried}." if carried else ""
        yield f"{deliveries} refused since {since}, the last {ago(last.at, now)}. {sentence(last.reason)}{headers}"


def remarks(app: App, workshops: Sequence[Workshop]) -> list[str]:
    """What `status` and `check` say of it, from the file and the state."""
    now, heard, found = app.clock.now(), read(place(app.settings)), list[str]()
    if heard and heard.refusals:
        found += refused(heard.refused, f"{heard.since:%Y-%m-%d}", heard.refusals[-1], now)
    return found + silent(app, workshops)


def silent(app: App, workshops: Sequence[Workshop]) -> list[str]:
    """Workshops that are open and heard nothing today, where they usually do."""
    given, now = app.settings.webhooks, app.clock.now()
    if not given.public_url and not given.relay:
        return []
    found = []
    with suppress(SyncError):  # a state that cannot be read is told of elsewhere
        for one in workshops if not migrate.pending(app.state_url) else ():
            is_open = one.hours.contains(now.astimezone(one.zone).replace(tzinfo=None))
            if is_open and (says := silence(habit(app.state, one, now))):
                found.append(f"{one.name}: {says}.")
    return found


def habit(state: StateStore, workshop: Workshop, now: datetime) -> Habit | None:
    """Counted only while nothing came today, which is seldom. Raises Unreachable."""
    local = now.astimezone(workshop.zone)
    midnight = start_of(local.date(), workshop.zone)
    if state.events_between(workshop.name, midnight, now):
        return None
    weeks = [timedelta(weeks=n) for n in range(1, WEEKS + 1)]
    return Habit(0, [state.events_between(workshop.name, midnight - back, now - back) for back in weeks])
