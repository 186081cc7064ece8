"""One writer per workshop: the lease that `run`, `sync`, `backfill`, `rebuild` and `import` hold.

SQLite: a lock file, let go by the system when its process ends. PostgreSQL: a row with a fencing number that grows
with each holder; a store under the lease checks it in every commit, so that a process that slept through its lease
commits nothing. The lease's end by the clock only says when another may take it; safety rests on the number.
"""

from __future__ import annotations

import os
import re
import socket
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self

import sqlalchemy as sa
from filelock import FileLock, Timeout

from sync.core.times import iso
from sync.errors import ConfigError, Conflict, LeaseHeld, LeaseLost, Unreachable
from sync.ports import Clock
from sync.state import tables
from sync.state.backup import private
from sync.state.database import Database, parsed, sqlite_file

TTL = timedelta(seconds=60)
FOREVER = datetime(9999, 12, 31, tzinfo=UTC)  # the end of a lease that `export` took for good, also on SQLite
_T = tables.lease


class Lease:
    """The right to write for one workshop, until `release` or the end of the `with`. In memory it is just this."""

    fence: int | None = None  # the fencing number, on PostgreSQL

    def __init__(self, workshop: str, holder: str) -> None:
        self.workshop = workshop
        self.holder = holder
        self.lost = False

    def verify(self, connection: sa.Connection) -> None:
        """Inside a transaction: nobody else writes for this workshop until it ends. Raises LeaseLost."""
        self._check()

    def _check(self) -> None:
        if self.lost:
            raise LeaseLost(f"this process no longer holds the lease of workshop {self.workshop}; it writes nothing more")

    def renew(self) -> None:
        """To be called several times per TTL while holding it. Raises LeaseLost, Unreachable."""
        self._check()

    def release(self) -> None:
        """Let another have it; harmless when repeated or lost."""
        self.lost = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()


def acquire(url: str, workshop: str, holder: str, clock: Clock, *, ttl: timedelta = TTL) -> Lease:
    """The lease of a workshop for `holder` (the command). Never waits.

    Raises LeaseHeld naming the command, process, host and since when; Unreachable; ConfigError."""
    path = sqlite_file(url)
    who = f"{holder} (process {os.getpid()} on {socket.gethostname()}, since {iso(clock.now())})"
    if path is not None:
        return FileLease(path, workshop, who)
    if parsed(url).get_backend_name() == "sqlite":
        return Lease(workshop, who)
    return RowLease(url, workshop, who, clock, ttl)


class FileLease(Lease):
    """`STATE.WORKSHOP.lock`, and beside it in `.holder` who has it, for people. Deleting the lock file ends the lease."""

    def __init__(self, state: Path, workshop: str, holder: str) -> None:
        super().__init__(workshop, holder)
        stem = f"{state.name}.{_file_word(workshop)}"
        self._note, self._path = state.with_name(f"{stem}.holder"), state.with_name(f"{stem}.lock")
        self._lock = FileLock(self._path, timeout=0, mode=0o600, thread_local=False)
        try:
            self._lock.acquire()
            self._inode = self._path.stat().st_ino
            private(self._note)
            self._note.write_text(holder, encoding="utf-8")
        except Timeout:
            raise _held(workshop, _read(self._note)) from None
        except OSError as error:
            self._lock.release()
            raise Unreachable(f"the lock file beside {state} could not be made: {error.strerror or error}") from error

    def renew(self) -> None:
        """Another may hold a new file of that name by now: what counts is that ours is still there."""
        try:
            self.lost = self.lost or self._path.stat().st_ino != self._inode
        except OSError:
            self.lost = True
        self._check()

    def verify(self, connection: sa.Connection) -> None:
        self.renew()

    def release(self) -> None:
        if not self.lost:
            self.lost = True
            self._note.unlink(missing_ok=True)
        self._lock.release()


class RowLease(Lease):
    """A row of table `lease`."""

    def __init__(self, url: str, workshop: str, holder: str, clock: Clock, ttl: timedelta) -> None:
        super().__init__(workshop, holder)
        self._clock, self._ttl = clock, ttl
        self._database = Database(url)
        try:
            self.fence = self._taken()
        except BaseException:
            self._database.close()
            raise

    def _taken(self) -> int:
        try:
            with self._database.writing() as connection:
                return self._take(connection)
        except Conflict:  # two first comers at once
            raise _held(self.workshop, "a process that was faster just now") from None

    def _take(self, connection: sa.Connection) -> int:
        now = self._clock.now()
        mine = {"holder": self.holder, "since": now, "expires_at": now + self._ttl}
        row = connection.execute(sa.select(_T).where(_T.c.workshop == self.workshop).with_for_update()).one_or_none()
        if row is None:
            connection.execute(_T.insert().values(workshop=self.workshop, fence=1, **mine))
            return 1
        if row.expires_at == FOREVER:
            raise _left(self.workshop, row.holder)
        if row.expires_at > now:
            raise _held(self.workshop, row.holder)
        connection.execute(_T.update().where(_T.c.workshop == self.workshop).values(fence=row.fence + 1, **mine))
        return int(row.fence) + 1

    def verify(self, connection: sa.Connection) -> None:
        self._check()
        # FOR SHARE: whoever takes the lease over waits until this transaction has ended
        found = connection.execute(sa.select(_T.c.fence).where(_T.c.workshop == self.workshop).with_for_update(read=True))
        if found.scalar_one_or_none() != self.fence:
            self.lost = True
            self._check()

    def renew(self) -> None:
        with self._database.writing() as connection:
            self.verify(connection)
            self._until(connection, self._clock.now() + self._ttl)

    def release(self) -> None:
        if self.lost:
            return
        try:
            with self._database.writing() as connection:
                self._until(connection, self._clock.now())
        except Unreachable:
            pass  # it ends by the clock
        finally:
            self.lost = True
            self._database.close()

    def _until(self, connection: sa.Connection, moment: object) -> None:
        mine = (_T.c.workshop == self.workshop, _T.c.fence == self.fence)
        connection.execute(_T.update().where(*mine).values(expires_at=moment))


def leave(database: Database, workshop: str, why: str, now: datetime) -> None:
    """Nobody works for this workshop on this state any more, whoever holds its lease now included. Raises Unreachable."""
    with database.writing() as connection:
        fence = connection.execute(sa.select(_T.c.fence).where(_T.c.workshop == workshop)).scalar_one_or_none() or 0
        connection.execute(_T.delete().where(_T.c.workshop == workshop))
        connection.execute(_T.insert().values(workshop=workshop, holder=why, fence=fence + 1, since=now, expires_at=FOREVER))


def come_back(database: Database, workshop: str, now: datetime) -> bool:
    """The opposite; whether it had left. Raises Unreachable."""
    with database.writing() as connection:
        left = _T.update().where(_T.c.workshop == workshop, _T.c.expires_at == FOREVER).values(expires_at=now)
        return bool(connection.execute(left).rowcount)


def refuse_left(database: Database, workshop: str) -> None:
    """Raises ConfigError where the workshop was exported from here; Unreachable."""
    with database.reading() as connection:
        found = sa.select(_T.c.holder).where(_T.c.workshop == workshop, _T.c.expires_at == FOREVER)
        if (why := connection.execute(found).scalar_one_or_none()) is not None:
            raise _left(workshop, why)


def _left(workshop: str, why: str) -> ConfigError:
    """Exit 78: a service manager does not start it again."""
    return ConfigError(
        f"workshop {workshop} was moved away: {why}. Only one installation may work for it. If the export was imported nowhere, "
        "`repairy-sync export --undo` takes it back; else stop and disable this one"
    )


def _held(workshop: str, who: str) -> LeaseHeld:
    return LeaseHeld(f"another process works for workshop {workshop}: {who or 'unknown'}; stop it first, or wait until it ends")


def _read(note: Path) -> str:
    try:
        return note.read_text(encoding="utf-8")
    except OSError:
        return ""


def _file_word(workshop: str) -> str:
    """A workshop's name as part of a file name; two names never give the same one."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", workshop)
    return plain if plain == workshop else f"{plain}-{sha256(workshop.encode()).hexdigest()[:6]}"
