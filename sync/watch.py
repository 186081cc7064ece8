"""Looks once a minute whether something is wrong, and tells the owner by Apprise. What is wrong stands in `sync.alerts`.

What was told is kept in a small file beside the state, so that a restart repeats nothing; where it cannot be written, it
is remembered until the end of the process.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from apprise import Apprise, AppriseAsset

from sync.alerts import Look, Machine, Memory, News, Place, look, message, news, tell
from sync.errors import ConfigError, SyncError
from sync.machine import Rounds
from sync.ports import Clock, Log
from sync.pulse import Pulse
from sync.settings import Workshop
from sync.state.database import sqlite_file
from sync.web.hearing import habit
from sync.web.webhooks import Intake
from sync.wiring import App

EVERY_SECONDS = 60.0
SEND_SECONDS = 30.0
REFUSED_FOR = timedelta(hours=1)


class Addresses:
    """Where messages go. Raises ConfigError naming those that are not understood, by their place and never by their text."""

    def __init__(self, urls: Sequence[str]) -> None:
        logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it tells whole addresses, and they hold passwords
        self._apprise = Apprise(asset=AppriseAsset(app_id="repairy-sync", app_desc="", storage_mode="memory"))
        wrong = [place for place, url in enumerate(urls, 1) if not self._apprise.add(url)]
        if wrong:
            raise ConfigError(*[f"alerts.notify: address {place} is not one that Apprise knows" for place in wrong])

    def send(self, title: str, text: str) -> tuple[bool, str]:
        """Whether anybody was told, and who was not: kinds of service only."""
        results = list(self._apprise.notify(body=text, title=title, timeout=SEND_SECONDS))
        missed = sorted({str(one.name) for one in results if not one})
        return any(map(bool, results)), ", ".join(missed)


class Watch(Rounds):
    """Looks, and tells what is new."""

    def __init__(
        self, looking: Callable[[], Look], send: Callable[[str, str], tuple[bool, str]], file: Path, clock: Clock, log: Log
    ) -> None:
        self._looking, self._send, self._file, self._clock, self._log = looking, send, file, clock, log
        self._memory = self._remembered()
        self._missed = ""  # who was not reached the last time
        self._problem = ""
        super().__init__("alerts", self.once, EVERY_SECONDS, at_once=False)

    def once(self) -> None:
        """One look, and a message where there is news. Never raises: what goes wrong here is told once in the log."""
        try:
            self._say(self._told())
        except SyncError as error:
            self._say(str(error))
        except Exception as error:  # noqa: BLE001  a fault here must not silence the next look
            self._say(f"{type(error).__name__}, a fault of the program: please report it")

    def _told(self) -> str:
        """What went wrong in telling; "" where nothing did. What reached nobody is sent again after the next look."""
        now = self._clock.now()
        found = news(self._memory, self._looking(), now)
        if found:
            reached, self._missed = self._send(*message(found))
            if reached:
                tell(self._memory, found, now)
                self._keep(found)
        return f"not reached: {self._missed}" if self._missed else ""

    def _say(self, problem: str) -> None:
        before, self._problem = self._problem, problem
        if problem and problem != before:
            self._log.warning("alerts failed", problem=problem)
        elif before and not problem:
            self._log.info("alerts are good again")

    def _keep(self, found: News) -> None:
        self._log.info("told", new=len(found.begun), over=len(found.over), still=len(found.still))
        part = self._file.with_suffix(".part")
        try:
            part.write_text(json.dumps(self._memory.written, indent=1), encoding="utf-8")
            os.replace(part, self._file)
        except OSError as error:
            self._log.warning("what was told is not kept: a restart would tell it again", problem=error.strerror)

    def _remembered(self) -> Memory:
        try:
            return Memory.read(json.loads(self._file.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError):  # never written, or not by us: telling twice is the lesser evil
            return Memory()


class Looking:
    """Gathers the facts, from the state and this process."""

    def __init__(self, app: App, workshops: Sequence[Workshop], pulse: Pulse, intake: Intake) -> None:
        self._app, self._workshops, self._pulse, self._intake = app, workshops, pulse, intake
        self._hears = bool(app.settings.webhooks.public_url or app.settings.webhooks.relay)

    def __call__(self) -> Look:
        """Raises Unreachable where the state cannot be read."""
        now = self._app.clock.now()
        return look([self._place(one, now) for one in self._workshops], self._machine(now), now)

    def _place(self, workshop: Workshop, now: datetime) -> Place:
        state, name = self._app.state, workshop.name
        return Place(
            name,
            workshop.hours,
            workshop.zone,
            [state.source(name, "shop"), state.source(name, "repairy")],
            [*state.standings(name, "held"), *state.plans(name)],
            self._pulse.problems().get(name, ""),
            name in self._pulse.late(),
            habit(state, workshop, now) if self._hears else None,
        )

    def _machine(self, now: datetime) -> Machine:
        return Machine(self._free(), self._copy_age(now), self._refused(now), self._intake.unfetched)

    def _free(self) -> int | None:
        try:
            return shutil.disk_usage(self._app.settings.state.journal_path.parent).free
        except OSError:
            return None

    def _copy_age(self, now: datetime) -> timedelta | None:
        """Of the newest copy; None where none is kept, or none was made yet."""
        file = sqlite_file(self._app.state_url)
        copies = (file.parent / "backups").glob(f"{file.name}.*.bak") if file and self._app.settings.state.backups else ()
        try:
            newest = max((one.stat().st_mtime for one in copies), default=None)
        except OSError:  # the oldest one just went
            return None
        return None if newest is None else timedelta(seconds=now.timestamp() - newest)

    def _refused(self, now: datetime) -> str:
        """The last within the hour that carried a signature: strangers who only try the door are no problem."""
        rules = self._app.contract.webhook
        recent = [one for one in self._intake.refusals if now - one.at < REFUSED_FOR]
        signed = [one.reason for one in recent if rules.algorithm == "path" or rules.signature.lower() in one.headers]
        return signed[-1] if signed else ""
