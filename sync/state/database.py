"""Opening the state database, and its transactions. What SQLite needs to be safe stands here; no statements.

SQLite: a transaction that writes begins with BEGIN IMMEDIATE (the default of the driver loses updates without an error),
every commit reaches the disk, foreign keys count, and a missing file is an error: only `migrate` makes one.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import StaticPool

from sync.errors import ConfigError, Conflict, Unreachable

BUSY_SECONDS = 10
_ALLOWED = "state.url: sqlite:///… (four slashes for an absolute path) or postgresql+psycopg://…"
_UNPREPARED = ("no such table", "no such column", "unable to open database file", 'relation "', 'column "')


class Fence(Protocol):
    """What a store under a lease asks in every transaction that writes."""

    def verify(self, connection: sa.Connection) -> None:
        """Raises LeaseLost; otherwise nobody else may write for this workshop until the transaction ends."""
        ...


def parsed(url: str) -> sa.URL:
    """The URL in parts. Raises ConfigError where it is not one that state can live at."""
    try:
        found = sa.make_url(url)
    except ArgumentError:
        raise ConfigError(_ALLOWED) from None
    if found.get_backend_name() not in ("sqlite", "postgresql"):
        raise ConfigError(_ALLOWED)
    return found


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite URL; None in memory and for PostgreSQL."""
    found = parsed(url)
    if found.get_backend_name() != "sqlite" or found.database in (None, "", ":memory:"):
        return None
    return Path(str(found.database))


def wal_is_safe(version: tuple[int, int, int] = sqlite3.sqlite_version_info) -> bool:
    """Whether this SQLite has the fix of the WAL-reset bug: 3.51.3 on, or the patched 3.50.7 and 3.44.6."""
    patched = {(3, 50): 7, (3, 44): 6}
    return version >= (3, 51, 3) or version[2] >= patched.get(version[:2], 1 << 30)


def open_engine(url: str, *, foreign_keys: bool = True) -> sa.Engine:
    """An engine for the state database; nothing is opened, made or changed yet. Raises ConfigError."""
    if parsed(url).get_backend_name() == "sqlite":
        return _sqlite(sqlite_file(url), foreign_keys)
    try:
        return sa.create_engine(url, hide_parameters=True, pool_pre_ping=True, connect_args={"connect_timeout": BUSY_SECONDS})
    except ImportError:
        raise ConfigError('state.url: PostgreSQL needs its driver: pip install "repairy-sync[postgres]"') from None


def _sqlite(path: Path | None, foreign_keys: bool) -> sa.Engine:
    def connect() -> sqlite3.Connection:
        target = ":memory:" if path is None else f"file:{quote(str(path.absolute()))}?mode=rw"
        return sqlite3.connect(target, uri=True, timeout=BUSY_SECONDS, check_same_thread=False)

    pool: dict[str, Any] = {"poolclass": StaticPool} if path is None else {}
    place = "sqlite://" if path is None else f"sqlite:///{path}"
    engine = sa.create_engine(place, creator=connect, hide_parameters=True, json_deserializer=_json, **pool)

    @event.listens_for(engine, "connect")
    def opened(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself
        connection.execute(f"PRAGMA foreign_keys={'ON' if foreign_keys else 'OFF'}")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA secure_delete=ON")  # what `forget` erases does not stay behind in free pages

    @event.listens_for(engine, "begin")
    def begun(connection: sa.Connection) -> None:
        reading = connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _json(text: str) -> Any:
    """Most JSON columns of most rows are empty, and a state of 100,000 bookings has a million of them."""
    return {} if text == "{}" else [] if text == "[]" else json.loads(text)


@contextmanager
def translated() -> Iterator[None]:
    """Errors of the database as ours: Conflict where a row must be unique, else Unreachable."""
    try:
        yield
    except IntegrityError as error:
        raise Conflict("the state database already holds a row with that reference, id or event") from error
    except (DBAPIError, PoolTimeout) as error:
        raise Unreachable(_said(error)) from error


def _said(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    line = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
    hint = " (repairy-sync migrate prepares it)" if any(word in line for word in _UNPREPARED) else ""
    return f"the state database could not be used: {line}{hint}"


class Turns:
    """A lock taken in the order in which it is asked for, so that a webhook is not kept waiting by a busy pass. Re-entrant."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[tuple[int, threading.Lock]] = deque()
        self._owner, self._depth = 0, 0

    def __enter__(self) -> None:
        me, gate = threading.get_ident(), threading.Lock()
        with self._guard:
            if self._owner in (0, me):
                self._owner, self._depth = me, self._depth + 1
                return
            gate.acquire()
            self._waiting.append((me, gate))
        gate.acquire()  # whoever leaves hands the turn over by opening the gate

    def __exit__(self, *_: object) -> None:
        with self._guard:
            self._depth -= 1
            if self._depth == 0 and self._waiting:
                (self._owner, gate), self._depth = self._waiting.popleft(), 1
                gate.release()
            elif self._depth == 0:
                self._owner = 0


class Database:
    """Transactions on the state database, from any thread.

    Writers of one process queue at a lock, so that SQLite's busy timeout is kept for other processes; in memory
    there is one connection, so readers queue too.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = open_engine(url)
        self.in_memory = self.engine.dialect.name == "sqlite" and sqlite_file(url) is None
        lock = Turns()
        self._one_writer: AbstractContextManager[Any] = lock if self.engine.dialect.name == "sqlite" else nullcontext()
        self._one_reader: AbstractContextManager[Any] = lock if self.in_memory else nullcontext()
        self._reader = self.engine.execution_options(reading=True)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One consistent look. Raises Unreachable."""
        with translated(), self._one_reader, self._reader.begin() as connection:
            yield connection

    @contextmanager
    def writing(self, fence: Fence | None = None) -> Iterator[sa.Connection]:
        """One transaction, committed at the end, undone by any error. Raises Unreachable, Conflict, LeaseLost."""
        with translated(), self._one_writer, self.engine.begin() as connection:
            if fence is not None:
                fence.verify(connection)
            yield connection

    def close(self) -> None:
        self.engine.dispose()
