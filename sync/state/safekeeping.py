"""What keeps a state from being lost unseen: looked at before it is used, moved aside where it is damaged, copied daily."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from sync.errors import SyncError, Unreachable
from sync.ports import Clock, Log
from sync.state import health, migrate
from sync.state.backup import backup
from sync.state.database import sqlite_file
from sync.state.journal import MappingJournal
from sync.state.lease import acquire, refuse_left
from sync.state.store import StateStore


@dataclass
class Safekeeping:
    """Over one state and the mapping journal beside it. `names`: of all workshops; `keep`: copies, 0 for none a day."""

    store: StateStore
    journal: MappingJournal
    names: Sequence[str]
    keep: int
    clock: Clock
    log: Log
    _copied: date | None = None
    _one: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return self.store.database.url

    @property
    def copies(self) -> Path | None:
        """The folder of the copies; None where the state is no file."""
        file = sqlite_file(self.url)
        return file.parent / "backups" if file else None

    def migrate(self, *, rebuilding: bool = False) -> list[str]:
        """Look at all of it, then bring it up to date, after a copy; the revisions applied.

        Raises Unreachable, ConfigError; SyncError where it was lost or is damaged, unless it is to be rebuilt."""
        self.move_damaged(rebuilding)
        if not rebuilding:
            self.refuse_lost(self.names)
        return migrate.upgrade(self.url, backups=self.copies, keep=self.keep)

    def damage(self) -> str:
        """In one line; "" where none is found."""
        return health.damage(self.url, self.journal.read())

    def move_damaged(self, rebuilding: bool) -> None:
        """Under every lease, so that nobody works on the file that goes. Raises SyncError where it went."""
        if not (found := self.damage()):
            return
        with ExitStack() as leases:
            for name in self.names:
                leases.enter_context(acquire(self.url, name, "moving a damaged state aside", self.clock))
            self.store.close()
            aside = health.move_aside(self.url, self.clock.now())
        said = f"the state database is damaged ({found}) and was moved aside to {aside}"
        if not rebuilding:
            raise SyncError(f"{said}; neither side was written. {self._way_back()}")
        self.log.warning(said)

    def lost(self, names: Sequence[str]) -> list[str]:
        """Those of the workshops whose links the journal tells of and the state does not hold."""
        lines = self.journal.read()
        return [name for name in names if health.lost(self.store, name, lines)]

    def refuse_lost(self, names: Sequence[str]) -> None:
        """To begin anew beside the journal would double bookings. Raises SyncError."""
        if gone := self.lost(names):
            raise SyncError(
                f"the state of {', '.join(gone)} is lost: the mapping journal {self.journal.path} tells of bookings that it does "
                f"not hold; nothing was written to either side. {self._way_back()}"
            )

    def refuse_left(self, name: str) -> None:
        """Raises ConfigError where this workshop was exported from here; Unreachable."""
        refuse_left(self.store.database, name)

    def _way_back(self) -> str:
        copies = f", or put the newest copy from {self.copies} in its place" if self.copies else ""
        return f"Run `repairy-sync rebuild`, which recreates its links{copies}"

    def copy_daily(self) -> None:
        """One copy a day, the newest are kept; a damaged state is never copied over good ones. Cheap to call often."""
        with self._one:
            if self._copied == self.clock.now().date() or not self.keep or not any(map(self.store.count, self.names)):
                return
            self._copied = self.clock.now().date()
            try:
                self._copy(str(self._copied))
            except Unreachable as error:
                self.log.warning("no copy of the state today", problem=str(error))

    def _copy(self, label: str) -> None:
        file, folder = sqlite_file(self.url), self.copies
        if file is None or folder is None or any(folder.glob(f"{file.name}.{label}*.bak")):
            return
        if found := self.damage():
            raise Unreachable(f"the state database is damaged: {found}; stop the service, then start it again")
        backup(self.url, folder, label, self.keep)
