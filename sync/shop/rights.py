"""What the database user of `shop_url` may do: whether it can write at all, and whether it may do more than it needs.

Asked of each engine's own catalog; nothing is written. What a single statement lacks, `survey.verify` is told by the engine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase

import sqlalchemy as sa

from sync.shop import connect

_READ_ONLY = {
    "postgresql": "SELECT current_setting('transaction_read_only') = 'on'",  # of the role, the database, or a replica
    "mysql": "SELECT @@read_only",
    "firebird": "SELECT mon$read_only FROM mon$database",
}
# Whether the user may alter or drop one of the tables named: it owns it, or is above all owners.
_OWNS = {
    "postgresql": "SELECT count(*) FROM pg_class c JOIN pg_roles r ON r.rolname = current_user"
    " WHERE c.relkind IN ('r', 'p', 'v') AND (r.rolsuper OR pg_has_role(current_user, c.relowner, 'MEMBER'))"
    " AND c.relname IN :tables",
    "firebird": "SELECT count(*) FROM rdb$relations"
    " WHERE (CURRENT_USER = 'SYSDBA' OR rdb$owner_name = CURRENT_USER) AND trim(rdb$relation_name) IN :tables",
}
# Whether rows may be deleted from one of them.
_DELETES = {
    "postgresql": "SELECT count(*) FROM pg_class c WHERE c.relkind IN ('r', 'p')"
    " AND has_table_privilege(c.oid, 'DELETE, TRUNCATE') AND c.relname IN :tables",
    "firebird": "SELECT count(*) FROM rdb$user_privileges WHERE rdb$privilege = 'D'"
    " AND trim(rdb$user) IN (CURRENT_USER, 'PUBLIC') AND trim(rdb$relation_name) IN :tables",
}
ASKED = frozenset({"sqlite", "mysql", "mariadb", *_OWNS})  # engines of which anything is known here; a file has no users
_GRANT = re.compile(r"GRANT (.+?) ON (?:TABLE )?(`[^`]+`\.(?:`[^`]+`|\S+)|\S+) TO ")  # a name in backticks may have blanks
_REMOVES = re.compile(r"\bDELETE\b(?! HISTORY)")
_ALTERS = re.compile(r"\bALL PRIVILEGES\b|\b(?:ALTER|DROP)\b(?! ROUTINE)")


def cannot_write(engine: sa.Engine) -> bool:
    """Whether this session is read-only whatever is granted. A SQLite file is tried."""
    with connect.reading(engine) as connection:
        if engine.dialect.name == "sqlite":
            return _lite_refuses(connection)
        sql = _READ_ONLY.get(_family(engine))
        return bool(sql and connection.exec_driver_sql(sql).scalar())


def may_alter(engine: sa.Engine, tables: list[str]) -> bool:
    """Whether the user may alter or drop these tables. False where the engine knows no users, or cannot be asked."""
    return _may(engine, tables, _OWNS, _ALTERS)


def may_delete(engine: sa.Engine, tables: list[str]) -> bool:
    """Whether the user may delete rows of these tables. False as above."""
    return _may(engine, tables, _DELETES, _REMOVES)


def _may(engine: sa.Engine, tables: list[str], queries: Mapping[str, str], grants: re.Pattern[str]) -> bool:
    family = _family(engine)
    with connect.reading(engine) as connection:
        if family == "mysql":
            shown = connection.exec_driver_sql("SHOW GRANTS").scalars()
            return any(_grants(line, str(engine.url.database), grants) for line in shown)
        if family not in queries or not tables:
            return False
        named = [table.rpartition(".")[2] for table in tables]
        spelt = sorted({spelling for name in named for spelling in (name, name.upper())})
        query = sa.text(queries[family]).bindparams(sa.bindparam("tables", expanding=True))
        return bool(connection.execute(query, {"tables": spelt}).scalar())


def _lite_refuses(connection: sa.Connection) -> bool:
    """A write that is taken back: only so does SQLite open its journal, for which the folder too must be writable."""
    version = connection.exec_driver_sql("PRAGMA user_version").scalar()
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        connection.exec_driver_sql(f"PRAGMA user_version = {version}")
    except sa.exc.OperationalError as error:
        return getattr(error.orig, "sqlite_errorname", "").startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN"))  # in use is no lack
    finally:
        connection.rollback()
    return False


def _grants(grant: str, database: str, rights: re.Pattern[str]) -> bool:
    """One line of SHOW GRANTS: whether it gives one of these rights over tables of this database."""
    found = _GRANT.match(grant)
    if found is None or not rights.search(found[1]):
        return False
    scope = found[2].partition(".")[0].strip("`").replace(r"\_", "_").replace("%", "*")
    return fnmatchcase(database, scope)


def _family(engine: sa.Engine) -> str:
    name = connect.engine_name(engine.dialect)
    return "mysql" if name == "mariadb" else name
