"""The connection to a shop's database: how each engine is opened, how long it waits, and what its errors mean.

Everything that differs between engines is in this file; Firebird's own ways are in `firebird`, and how drivers hand on
what they cannot read in `fetch`. No lock and no connection is held between two calls.
Time zone of a session, for times that the engine itself converts (MariaDB's TIMESTAMP, NOW()): the profile's, by name;
where MariaDB has no zone tables loaded, the server's own, which is the one the shop's program sees (`survey` compares).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Dialect

from sync.errors import CHARACTERS, TOO_LONG, NotSent, Rejected, SyncError, Unknown, Unreachable
from sync.shop import fetch, firebird

Kind = Literal["busy", "lost", "refused"]

CLASH = "clash"  # the code of a Rejected where a constraint said no: a number that somebody else took, for one
LOCK_WAIT = 2  # seconds; the shop's own program comes first
_CONNECT = 5  # seconds until a server that does not answer counts as off
_READ = 60  # seconds until a connection that has gone silent counts as lost

_ARGUMENTS: dict[str, dict[str, Any]] = {
    "sqlite": {"timeout": LOCK_WAIT},
    "postgresql": {"connect_timeout": _CONNECT, "tcp_user_timeout": _READ * 1000},
    "mysql": {"connect_timeout": _CONNECT, "read_timeout": _READ, "write_timeout": _READ},
    "mariadb": {"connect_timeout": _CONNECT, "read_timeout": _READ, "write_timeout": _READ},
    "mssql": {"login_timeout": _CONNECT, "timeout": _READ},
}
# What a new session is told; {zone} is the profile's zone. The second line of a pair stands in where the first is refused.
_SESSION: dict[str, tuple[tuple[str, ...], ...]] = {
    "postgresql": ((f"SET lock_timeout = '{LOCK_WAIT}s'",), ("SET TIME ZONE '{zone}'",)),
    "mysql": (
        (f"SET SESSION innodb_lock_wait_timeout = {LOCK_WAIT}, lock_wait_timeout = {LOCK_WAIT}",),
        ("SET SESSION time_zone = '{zone}'", "SELECT 1"),
    ),
    # Else a login in another language reads 2026-03-05 as the 3rd of May: bounds and times travel as text in that form.
    "mssql": ((f"SET LOCK_TIMEOUT {LOCK_WAIT * 1000}",), ("SET DATEFORMAT ymd",)),
}
_SESSION["mariadb"] = _SESSION["mysql"]

# Error codes that say "somebody else has it now" and "the server is gone"; every other code is a refusal.
_PG_BUSY, _PG_LOST = ("55P03", "40P01", "40001"), ("08", "53", "57", "58")
_MARIA_BUSY = (1205, 1213, 1020, 3572)
_MARIA_LOST = (1040, 1042, 1043, 1044, 1045, 1049, 1053, 1129, 1130, 1152, 1203, 1226, 1927)
# A text that is too long for its column, or has a character that its character set lacks: SQLSTATEs and MariaDB's numbers.
_LONG, _ODD = ("22001", 1406, 2628, 8152), ("22P05", "22021", 1366, 3988)
_SAYS = {
    TOO_LONG: "a text is longer than the shop's column takes; nothing was cut: shorten it, or state the column under [limits]",
    CHARACTERS: "a text has a character that the shop's database cannot store; nothing was replaced: write it in other letters",
}
_LITE_BUSY = ("SQLITE_BUSY", "SQLITE_LOCKED")
_LITE_LOST = ("SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_FULL", "SQLITE_NOTADB", "SQLITE_CORRUPT")
_DB_LIB_HEAD = re.compile(r"DB-Lib error message \d+, severity \d+:\s*")
_MSSQL_BUSY, _MSSQL_LOST = (1205, 1222, 3960), (18456, 18452, 4060, 233, 10054)
_DB_LIB = range(20000, 21000)  # the client library's own: no connection; from 50000 on they are the shop's procedures'
# From here on a message shows what stands in a row, or what was to stand there.
_QUOTED, _NAME = re.compile(r"""(['"])(.*?)\1"""), re.compile(r"[A-Za-z_][\w.$]*")
_VALUES = re.compile(r"(?i)(key value is|truncated value:|from string|(?:n?(?:var)?char|uniqueidentifier) value)\s.*")


def open_database(url: sa.URL | str, zone: str, password: str | None) -> sa.Engine:
    """An engine for the shop's database. Nothing is connected yet. Raises Unreachable where there is no driver for it."""
    try:
        address = sa.make_url(url)
        address = address.set(password=password) if password else address
        name = address.get_backend_name()
        arguments = firebird.arguments(address, _CONNECT) if name == "firebird" else _ARGUMENTS.get(name, {})
        engine = sa.create_engine(address, connect_args=arguments, pool_pre_ping=name != "sqlite", hide_parameters=True)
    except (exc.ArgumentError, ImportError) as error:
        form = "dialect+driver://user@host/database, and the driver must be installed"
        raise Unreachable(f"shop_url cannot be used ({type(error).__name__}): its form is {form}") from error
    _insist_on_charset(engine)
    if name == "firebird":
        engine.dialect.do_terminate = firebird.let_go  # type: ignore[method-assign, assignment]
    zone = "+00:00" if zone == "UTC" and name in ("mysql", "mariadb") else zone  # known there without zone tables
    sa.event.listen(engine, "connect", lambda connection, _record: _insist_on_letters(connection, name), insert=True)
    sa.event.listen(engine, "connect", lambda connection, _record: _begin_session(connection, name, zone))
    return engine


def there(engine: sa.Engine) -> None:
    """A SQLite file that is missing must not come to be by opening it. Raises Unreachable."""
    path = engine.url.database if engine.dialect.name == "sqlite" else None
    if path and not path.startswith((":memory:", "file:")) and not Path(path).exists():
        raise Unreachable(f"the shop's database file {Path(path).name} is not there: is shop_url right, the drive connected?")


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection for one read; every error is Unreachable."""
    there(engine)
    try:
        with engine.connect() as connection:
            yield connection
    except SyncError:
        raise
    except Exception as error:
        if not _foreign(error, engine):
            raise
        raise Unreachable(f"the shop's database could not be read: {said(error)}") from error


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One short transaction, committed at the end, rolled back on any error.

    Raises NotSent (nothing was written), Rejected, or Unknown where the connection is lost during the commit."""
    try:
        there(engine)
        with engine.connect() as connection:
            transaction = connection.begin()
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            _commit(connection, transaction, engine)
    except Unreachable as error:
        raise NotSent(str(error)) from error
    except SyncError:
        raise
    except Exception as error:
        if not _foreign(error, engine):
            raise
        raise _failed(error) from error


def _commit(connection: sa.Connection, transaction: sa.RootTransaction, engine: sa.Engine) -> None:
    """A connection whose commit failed is closed: it goes back with its transaction open, and keeps the shop's program out."""
    try:
        transaction.commit()
    except Exception as error:
        connection.invalidate(error)
        if _foreign(error, engine) and kind_of(error) == "lost":
            raise Unknown(f"the connection to the shop's database was lost while it stored the change: {said(error)}") from error
        raise


def _failed(error: BaseException) -> SyncError:
    kind = kind_of(error)
    if kind == "busy":
        return NotSent(f"the shop's program has this booking or table in use: {said(error)}; tried again later")
    if kind == "lost":
        return NotSent(f"the shop's database could not be reached: {said(error)}")
    code = _code(error)
    says = _SAYS.get(code, "the shop's database refused it")
    return Rejected(f"{says}: {said(error)}", code=code)


def _foreign(error: BaseException, engine: sa.Engine) -> bool:
    """Whether it comes from the libraries below, not from a fault of this program."""
    driver = getattr(engine.dialect.loaded_dbapi, "Error", exc.SQLAlchemyError)
    found = (exc.SQLAlchemyError, driver, OSError, UnicodeError, OverflowError)
    return isinstance(error, found) or (engine_name(engine.dialect) == "firebird" and isinstance(error, (ValueError, TypeError)))


def kind_of(error: BaseException) -> Kind:
    """busy: a lock, a deadlock · lost: no connection, no room · refused: the engine understood and said no."""
    if isinstance(error, exc.DBAPIError) and error.connection_invalidated:
        return "lost"
    orig = getattr(error, "orig", None) or error
    module = type(orig).__module__.partition(".")[0]
    if module == "psycopg":
        state = getattr(orig, "sqlstate", None) or ""
        lost = not state and type(orig).__name__ in ("OperationalError", "InterfaceError", "ConnectionTimeout")
        return "busy" if state in _PG_BUSY else "lost" if lost or state[:2] in _PG_LOST else "refused"
    if module == "sqlite3":
        name = getattr(orig, "sqlite_errorname", "")
        return "busy" if name.startswith(_LITE_BUSY) else "lost" if name.startswith(_LITE_LOST) else "refused"
    if module == "firebird":
        return firebird.kind_of(orig)
    number = _number(orig)
    if module == "pymysql":
        lost = number in _MARIA_LOST or 2000 <= number < 3000 or type(orig).__name__ == "InterfaceError"
        return "busy" if number in _MARIA_BUSY else "lost" if lost else "refused"
    if module == "pymssql":
        return "busy" if number in _MSSQL_BUSY else "lost" if number in _MSSQL_LOST or number in _DB_LIB else "refused"
    return "lost" if isinstance(orig, (OSError, exc.TimeoutError, exc.OperationalError, exc.InterfaceError)) else "refused"


def said(error: BaseException) -> str:
    """The engine's own words without the values in them: quoted text could be a customer's."""
    orig = getattr(error, "orig", None) or error
    line = _line(orig) or type(orig).__name__
    for value in sorted(_bound(error), key=len, reverse=True):
        line = line.replace(value, "…")
    line = _VALUES.sub(r"\1 …", line)
    return _QUOTED.sub(lambda quoted: quoted[0] if _NAME.fullmatch(quoted[2]) else "…", line)[:200]


def engine_name(dialect: Dialect) -> str:
    """As a profile's `dialects` has it; Firebird's dialect calls itself by its driver too."""
    return dialect.name.partition(".")[0]


def _facts(orig: BaseException) -> tuple[object, ...]:
    """An error's number and words. pymssql gives both in one, the words in bytes."""
    first = orig.args[0] if orig.args else None
    return first if isinstance(first, tuple) else orig.args


def _number(orig: BaseException) -> int:
    first = next(iter(_facts(orig)), None)
    return first if isinstance(first, int) else 0


def _line(orig: BaseException) -> str:
    last = (_facts(orig) or (orig,))[-1]
    words = last.decode("utf-8", "replace") if isinstance(last, bytes) else str(last)
    if type(orig).__module__.startswith("firebird."):
        return firebird.line(words)
    return next((line for line in _DB_LIB_HEAD.sub("\n", words).splitlines() if line.strip()), "")


def _bound(error: BaseException) -> set[str]:
    parameters = getattr(error, "params", None) or ()
    values = parameters.values() if isinstance(parameters, dict) else parameters
    return {str(value) for value in values if len(str(value)) > 2}


def _code(error: BaseException) -> str:
    orig = getattr(error, "orig", None) or error
    told = {getattr(orig, "sqlstate", None), _number(orig)}
    if not told.isdisjoint(_LONG):
        return TOO_LONG
    if isinstance(orig, UnicodeEncodeError) or not told.isdisjoint(_ODD) or firebird.lacks_character(orig):
        return CHARACTERS
    return CLASH if isinstance(error, exc.IntegrityError) or firebird.clashes(orig) else type(orig).__name__


def _insist_on_charset(engine: sa.Engine) -> None:
    """Raises Unreachable for one that the driver has no letters of, such as `binary`."""
    charset = engine.url.query.get("charset")
    if engine.driver != "pymysql" or charset is None:
        return
    try:
        codecs.lookup(import_module("pymysql.charset").charset_by_name(charset).encoding)
    except (AttributeError, LookupError) as error:
        raise Unreachable(f"shop_url cannot be used: charset={charset} has no letters: utf8mb4, or leave it out") from error


def _insist_on_letters(connection: Any, name: str) -> None:
    """A character set of which Python knows no letters: every text would come as bytes. Raises Unreachable."""
    if name == "postgresql" and connection.info.parameter_status("client_encoding") == "SQL_ASCII":
        raise Unreachable("the shop's database does not say in which letters it stores: add ?client_encoding=latin1 to shop_url")


def _begin_session(connection: Any, name: str, zone: str) -> None:
    if name == "sqlite":
        connection.isolation_level = None  # transactions begin where `writing` says so: the driver's own begin too late
    fetch.tolerate(connection, name)
    if name == "firebird":
        firebird.begin(connection, LOCK_WAIT)
        return
    cursor = connection.cursor()
    for alternatives in _SESSION.get(name, ()):
        _first_accepted(connection, cursor, [sql.format(zone=zone) for sql in alternatives])
    cursor.close()
    if name != "sqlite":
        connection.commit()


def _first_accepted(connection: Any, cursor: Any, alternatives: list[str]) -> None:
    for sql in alternatives[:-1]:
        try:
            cursor.execute(sql)
            return
        except Exception:  # noqa: BLE001 (the driver's own classes; the last alternative says what is wrong)
            connection.rollback()
    cursor.execute(alternatives[-1])
