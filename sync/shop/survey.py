"""A live look at the shop's database: does the profile fit it, and which database is it. It reads, and never writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from sync.ports import Clock
from sync.shop import connect, firebird, statement
from sync.shop.profile import Profile
from sync.shop.select import Select
from sync.shop.values import text

_MARIA = {"mysql", "mariadb"}
_NO_TRANSACTIONS = {"MyISAM", "Aria", "MEMORY", "CSV"}
_OWN_TIMES = {"now", "current_timestamp", "localtime", "sysdate", "curdate", "curtime", "unix_timestamp", "from_unixtime"}


def identity(connection: sa.Connection, profile: Profile) -> dict[str, str]:
    """Each table that the statements name, with its columns in one line; "" says which database it is."""
    inspector = sa.inspect(connection)
    named = statement.words(" ".join([profile.booking.select, *(sql for _, sql in profile.statements())]))
    tables = {"": f"{connect.engine_name(connection.dialect)} {_database(connection.engine.url)}"}
    schemas = [] if connect.engine_name(connection.dialect) == "firebird" else inspector.get_schema_names()
    others = (name for name in schemas if name.lower() in named and name != inspector.default_schema_name)
    for schema in (None, *others):
        for table in [*inspector.get_table_names(schema), *inspector.get_view_names(schema)]:
            if table.lower() in named:
                columns = inspector.get_columns(table, schema)
                tables[f"{schema}.{table}" if schema else table] = ", ".join(f"{c['name']} {_type(c['type'])}" for c in columns)
    return tables


def words(connection: sa.Connection, select: Select) -> dict[str, int]:
    """Status words as stored, and how many rows have each."""
    counts: dict[str, int] = {}
    for stored, rows in (tuple(row) for row in connection.execute(select.words)):
        counts[text(stored) or ""] = counts.get(text(stored) or "", 0) + int(rows)
    return counts


def verify(engine: sa.Engine, profile: Profile, select: Select, zone: ZoneInfo, clock: Clock) -> list[str]:
    """What is wrong, a line each, its profile key first. Raises Unreachable where the database cannot be asked."""
    with connect.reading(engine) as connection:
        connection.execute(sa.select(1))
        faults = [*_dialect(engine, profile), *_select(connection, profile, select)]
        if not faults:
            faults = [*_rows(connection, profile, select), *_maria(connection, profile, zone, clock)]
        return faults + [line for key, sql in profile.statements() if (line := _compiled(connection, key, sql))]


def _dialect(engine: sa.Engine, profile: Profile) -> Iterator[str]:
    name = connect.engine_name(engine.dialect)
    same = _MARIA if name in _MARIA else {name}
    if profile.dialects and same.isdisjoint(profile.dialects):
        yield f"dialects: made for {', '.join(profile.dialects)}, but shop_url is {name}"


def _select(connection: sa.Connection, profile: Profile, select: Select) -> Iterator[str]:
    try:
        shown = {name.lower() for name in connection.execute(select.none).keys()}  # noqa: SIM118 (a result is no dict)
    except sa.exc.SQLAlchemyError as error:
        connection.rollback()
        yield f"booking.select: does not run: {connect.said(error)}"
        return
    for name in set(profile.columns) - shown:
        yield f"booking.select: yields no column `{name}`"


def _rows(connection: sa.Connection, profile: Profile, select: Select) -> Iterator[str]:
    repeated = len(connection.execute(select.repeated).all())
    if repeated:
        yield f"booking.select: shows {repeated} bookings more than once: a JOIN repeats them"
    for stored, count in words(connection, select).items():
        if stored.casefold() not in profile.words:
            yield f'status.read: "{stored}" stands in {count} rows and is not listed'


def _maria(connection: sa.Connection, profile: Profile, zone: ZoneInfo, clock: Clock) -> Iterator[str]:
    """What MariaDB alone gets wrong silently: times in the server's own zone, and tables without transactions."""
    if connection.dialect.name not in _MARIA:
        return
    tables = identity(connection, profile)
    used = statement.words(" ".join([profile.booking.select, *(sql for _, sql in profile.statements())]))
    stamps = {
        column.partition(" ")[0].lower() for line in tables.values() for column in line.split(", ") if " timestamp" in column
    }
    own_times = not used.isdisjoint(_OWN_TIMES | stamps)
    if own_times and not _same_offset(connection, profile.zone("", zone), clock):
        yield "timezone: the server's NOW() and TIMESTAMP columns are in another zone: load its zone tables, or set timezones"
    kinds = connection.exec_driver_sql("SELECT table_name, engine FROM information_schema.tables WHERE table_schema = DATABASE()")
    for table, kind in (tuple(row) for row in kinds):
        if table in tables and kind in _NO_TRANSACTIONS and profile.write.model_fields_set:
            yield f"write: the table {table} is {kind}, which has no transactions: a write that fails could stay half done"


def _same_offset(connection: sa.Connection, zone: ZoneInfo, clock: Clock) -> bool:
    minutes = connection.exec_driver_sql("SELECT TIMESTAMPDIFF(MINUTE, UTC_TIMESTAMP(), NOW())").scalar_one()
    meant = clock.now().astimezone(zone).utcoffset() or timedelta()
    return abs(meant.total_seconds() / 60 - float(minutes)) <= 1


def _compiled(connection: sa.Connection, key: str, sql: str) -> str | None:
    """What the engine says against a statement, asked without running it; nothing where it cannot be asked."""
    name = connect.engine_name(connection.dialect)
    if not statement.on_rows(sql) or name not in ("sqlite", "postgresql", "mysql", "mariadb", "firebird"):
        return None
    nothing: Mapping[str, object] = dict.fromkeys(statement.parameters(sql))
    try:
        if name == "firebird":
            firebird.prepare(connection.connection, str(statement.clause(sql).compile(dialect=connection.dialect)))
        else:
            connection.execute(statement.clause(f"EXPLAIN {sql}"), nothing).close()
    except (sa.exc.SQLAlchemyError, getattr(connection.dialect.loaded_dbapi, "Error", sa.exc.DBAPIError)) as error:
        connection.rollback()
        return f"{key}: {connect.said(error)}"
    return None


def _database(url: sa.URL) -> str:
    return (url.database or "").replace("\\", "/").rpartition("/")[2]


def _type(kind: object) -> str:
    return str(kind).lower()
