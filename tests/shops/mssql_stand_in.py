"""SQL Server stood in for where it cannot run: the batches that pymssql would send, run on SQLite after the least translation.

RULE: what it shows is our SQL, SQLAlchemy's dialect and the driver's own way of writing values; never how SQL Server behaves.
`sent` holds each batch as it would leave this machine.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pymssql
from pymssql import _mssql

Failing = Callable[[str], Exception | None]
# What SQLAlchemy asks of a server that it has not met.
_ABOUT: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("@@version", ("Microsoft SQL Server 2019 (RTM) - 15.0.2000.5 (X64)",)),
    ("schema_name()", ("dbo",)),
    ("system_views", ("dm_exec_sessions",)),
    ("transaction_isolation_level", ("READ COMMITTED",)),
    ("NVARCHAR(max)", ("test max support",)),
    ("fn_listextendedproperty", (0,)),
)
_LITE: tuple[tuple[str, str], ...] = (
    (r"\bN'", "'"),
    (r"SELECT TOP 1 ([\s\S]*)", r"SELECT \1 LIMIT 1"),
    (r" WITH \(UPDLOCK[^)]*\)", ""),
    (r"CAST\(SCOPE_IDENTITY\(\) AS BIGINT\)", "last_insert_rowid()"),
    (r"(\d\d:\d\d:\d\d)\.000'", r"\1'"),
)


class StandIn:
    """A connection, as the driver gives it."""

    def __init__(self, file: Path, sent: list[str], failing: Failing) -> None:
        self.lite = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self.sent, self.failing = sent, failing

    def cursor(self) -> Cursor:
        return Cursor(self)

    def send(self, batch: str) -> None:
        error = self.failing(batch)
        self.sent.append(batch)
        if error is not None:
            raise error

    def commit(self) -> None:
        self.send("COMMIT")
        self._end("COMMIT")

    def rollback(self) -> None:
        self._end("ROLLBACK")

    def close(self) -> None:
        self.lite.close()

    def _end(self, how: str) -> None:
        if self.lite.in_transaction:
            self.lite.execute(how)


class Cursor:
    def __init__(self, connection: StandIn) -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.arraysize = 1

    def execute(self, sql: str, values: Any = None) -> None:
        batch = _mssql.substitute_params(sql, values).decode() if values else sql
        self._connection.send(batch)
        known = next((row for part, row in _ABOUT if part in batch), None)
        if known is not None or batch.startswith("SET "):
            self.description, self._rows = (("", 1, None, None, None, None, None),) if known else None, [known] if known else []
            return
        for pattern, lite in _LITE:
            batch = re.sub(pattern, lite, batch)
        if not self._connection.lite.in_transaction:
            self._connection.lite.execute("BEGIN")
        try:
            result = self._connection.lite.execute(batch)
        except sqlite3.IntegrityError as error:
            raise pymssql.IntegrityError((2627, f"Violation of UNIQUE KEY constraint. {error}".encode())) from error
        self.description, self.rowcount = result.description, result.rowcount
        self._rows = result.fetchall() if result.description else []

    def fetchone(self) -> Any:
        return self._rows.pop(0) if self._rows else None

    def fetchmany(self, size: int | None = None) -> list[Any]:
        taken, self._rows = self._rows[: size or 1], self._rows[size or 1 :]
        return taken

    def fetchall(self) -> list[Any]:
        taken, self._rows = self._rows, []
        return taken

    def close(self) -> None:
        self._rows = []

    def setinputsizes(self, _sizes: Iterable[Any]) -> None: ...
