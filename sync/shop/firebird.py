"""What a Firebird database needs that no other engine does: its address, its sessions, its texts, its words for errors.

Used by `shop.connect` and `shop.survey`. Nothing here runs a statement.
"""

from __future__ import annotations

import codecs
from contextlib import suppress
from functools import partial
from typing import Any, Literal

import sqlalchemy as sa

_TOLERANT = "repairy_sync_tolerant_"
# What the server gives for a character that the connection's character set does not have.
_LOST_CHARACTER = "\0"
_BUSY = frozenset({"40001"})
_IN_USE = 335544453  # the table itself, by somebody who alters it
# The database is shut down, the connection was cut, the password is wrong (its SQLSTATE is also that of a right which lacks).
_GONE = frozenset({335544528, 335544741, 335544856, 335544472})
_NO_CHARACTER = 335544565  # transliteration between character sets
_EMPTY_LINES = ("Dynamic SQL Error", "SQL error code", "Problematic key value")


def arguments(url: sa.URL, connect_within: int) -> dict[str, Any]:
    """For the driver: the database's whole address, and UTF8 where the URL names no character set.

    Without it the driver finds the server by the database's path alone, and two shops with one path are mixed up."""
    from firebird.driver import driver_config  # type: ignore[import-untyped]  # noqa: PLC0415 (an extra of Firebird's shops)

    driver_config.db_defaults.timeout.value = connect_within
    charset = {} if "charset" in url.query else {"charset": "UTF8"}
    port = f"/{url.port}" if url.port else ""
    return charset | ({"database": f"{url.host}{port}:{url.database}"} if url.host else {})


def let_go(connection: Any) -> None:
    """End a connection that may be broken. The dialect's own way calls a method that the driver does not have."""
    with suppress(Exception):  # whatever is wrong with it, it is of no more use
        connection.close()


def begin(connection: Any, lock_wait: int) -> None:
    """READ COMMITTED: the driver's own SNAPSHOT would not see what somebody committed while we waited for his lock."""
    from firebird.driver import Isolation, tpb  # noqa: PLC0415

    way = tpb(Isolation.READ_COMMITTED_RECORD_VERSION, lock_timeout=lock_wait)
    connection.default_tpb = connection.main_transaction.default_tpb = way
    connection._encoding = _TOLERANT + (connection._encoding or "latin_1")  # it decodes strictly, and has no option
    connection._statements = _Statements(connection._statements)


class _Statements(list[Any]):
    """A connection's open statements. Each is a cycle, so that its end is seen by the collector, in whatever thread runs it: one
    that another thread has just taken off by closing the connection is no error (the driver's 2.1.0 prints one)."""

    def remove(self, value: Any) -> None:
        with suppress(ValueError):
            super().remove(value)


def prepare(connection: Any, sql: str) -> None:
    """Have the server compile it, and no more: it has no EXPLAIN. Raises the driver's error."""
    cursor = connection.cursor()
    try:
        cursor.prepare(sql).free()
    finally:
        cursor.close()


def kind_of(error: Any) -> Literal["busy", "lost", "refused"]:
    """As `connect.kind_of`, by SQLSTATE and Firebird's own codes."""
    state, codes = getattr(error, "sqlstate", None) or "", set(getattr(error, "gds_codes", None) or ())
    if state in _BUSY or _IN_USE in codes:
        return "busy"
    lost = state[:2] == "08" or not codes.isdisjoint(_GONE) or type(error).__name__ == "InterfaceError"
    return "lost" if lost else "refused"


def clashes(error: Any) -> bool:
    """Whether a constraint said no; the driver has one class for all errors."""
    return getattr(error, "sqlstate", None) == "23000"


def lacks_character(error: Any) -> bool:
    """Whether a character set lacks a character; the SQLSTATE is that of any text that cannot be another type."""
    return _NO_CHARACTER in (getattr(error, "gds_codes", None) or ())


def line(message: str) -> str:
    """The telling lines of a message in one, without the key that a constraint names."""
    lines = (part.lstrip("-").strip() for part in message.splitlines())
    return ", ".join(part for part in lines if part and not part.startswith(_EMPTY_LINES))


def _decoded(name: str, raw: bytes | memoryview, _errors: str = "strict") -> tuple[str, int]:
    text = bytes(raw).decode(name, "surrogateescape").replace(_LOST_CHARACTER, "\udc00")
    return text, len(raw)


def _tolerant(name: str) -> codecs.CodecInfo | None:
    """A character set by `_TOLERANT` and its name: what does not decode becomes a lone surrogate; encoding stays strict."""
    if not name.startswith(_TOLERANT):
        return None
    strict = codecs.lookup(name.removeprefix(_TOLERANT))
    return codecs.CodecInfo(encode=strict.encode, decode=partial(_decoded, strict.name), name=name)


codecs.register(_tolerant)
