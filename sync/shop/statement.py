"""A profile's SQL as text: which parameters it names, which columns its SELECT yields, and the clause that runs it.

Nothing here knows what a parameter means, and nothing runs. Quoted text, quoted names, comments and `::` casts hold no
parameters. A quote inside quoted text is doubled (standard SQL); a backslash is an ordinary character.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

_TOKEN = re.compile(
    r"""(?P<skip>\s+|--[^\n]*|/\*.*?\*/)
      | (?P<text>'(?:[^']|'')*')
      | (?P<name>"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\])
      | (?P<cast>::)
      | :(?P<parameter>[A-Za-z_]\w*)
      | (?P<word>\w+)
      | (?P<other>.)""",
    re.DOTALL | re.VERBOSE,
)
_ON_ROWS = ("select", "insert", "update", "delete", "with", "replace")


def parameters(sql: str) -> frozenset[str]:
    """The names after a colon."""
    return frozenset(token["parameter"] for token in _TOKEN.finditer(sql) if token["parameter"])


@lru_cache(maxsize=1024)
def clause(sql: str) -> sa.TextClause:
    """The statement for SQLAlchemy: its parameters bound, every other colon an ordinary one."""
    return sa.text("".join(t[0] if t["parameter"] else t[0].replace(":", r"\:") for t in _TOKEN.finditer(sql)))


def aliased(select: str, dialect: Dialect) -> str:
    """The SELECT with the alias `key` quoted where the engine reserves that word (MariaDB, SQL Server)."""
    quoted, out, after_as = dialect.identifier_preparer.quote("key"), [], False
    for token in _TOKEN.finditer(select):
        word = (token["word"] or "").lower()
        out.append(quoted if after_as and word == "key" else token[0])
        after_as = word == "as" or (after_as and token["skip"] is not None)
    return "".join(out)


def words(sql: str) -> frozenset[str]:
    """Every name in it, lower-case and without its quotes: where table names are looked for."""
    return frozenset(name.lower() for t in _TOKEN.finditer(sql) if (name := t["word"] or (t["name"] or "")[1:-1]))


def on_rows(sql: str) -> bool:
    """Whether an engine can compile it without running it; a procedure call it cannot."""
    return next(iter(_outermost(sql)), "").lower() in _ON_ROWS


def columns(select: str) -> tuple[str, ...]:
    """What the SELECT's columns are called, lower-case; "" for one without a name, "*" for an asterisk."""
    names, last = [], ""
    tokens = iter(_outermost(select))
    for token in tokens:
        if token.lower() == "select":
            break
    for token in tokens:
        if token.lower() == "from" and last.lower() != "distinct":  # IS DISTINCT FROM compares
            break
        if token == ",":
            names.append(_name(last))
        last = token
    return (*names, _name(last))


def faults(select: str) -> Iterator[str]:
    """What keeps a SELECT from being wrapped as a sub-query."""
    tokens = [token.lower() for token in _outermost(select)]
    if not tokens or tokens[0] not in ("select", "with"):
        yield "begins with SELECT (or WITH)"
    if ";" in tokens:
        yield "has no `;`: it is one SELECT"
    if any(pair == ("order", "by") for pair in pairwise(tokens)):
        yield "has no ORDER BY of its own: the program adds what it needs (inside brackets it may stand)"
    if parameters(select):
        yield f"takes no parameters (found :{min(parameters(select))})"


def _name(token: str) -> str:
    if token[:1] in ('"', "`", "["):
        return token[1:-1].lower()
    return token.lower() if token == "*" or token.isidentifier() else ""


def _outermost(sql: str) -> Iterator[str]:
    """Its tokens outside brackets; what stands in brackets is one token, `()`."""
    depth = 0
    for token in _TOKEN.finditer(sql):
        if token["skip"]:
            continue
        if token[0] == ")":
            depth -= 1
        if depth == 0:
            yield "()" if token[0] == ")" else "''" if token["text"] else token[0]
        if token[0] == "(":
            depth += 1
