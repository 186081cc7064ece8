"""A live look at the shop's database: does the profile fit it, and which database is it. It reads, and never writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.base import PGInspector

from sync.ports import Clock
from sync.shop import connect, firebird, rights, statement
from sync.shop.binding import start_column
from sync.shop.fetch import fetched
from sync.shop.profile import Profile
from sync.shop.select import Select
from sync.shop.values import key_text, text, zero

MILD = ("status.read", "starts_at")  # how a line of `verify` begins that concerns single bookings, and stops none of the others
_DAY = len("2026-03-06")
_MARIA = {"mysql", "mariadb"}
_NO_TRANSACTIONS = {"MyISAM", "Aria", "MEMORY", "CSV"}
_OWN_TIMES = {
    "now", "current_timestamp", "localtime", "localtimestamp", "sysdate", "curdate", "curtime", "unix_timestamp", "from_unixtime",
    "current_date", "current_time", "getdate", "sysdatetime",
}  # fmt: skip
# Columns that the engine converts to the session's zone, where that zone can be asked.
_CONVERTED = {"mysql": "timestamp", "mariadb": "timestamp", "postgresql": "timestamp with time zone"}
_PREPARED = ("sqlite", "postgresql", "mysql", "mariadb", "firebird")
_CALLED = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mysql": "MySQL", "mariadb": "MariaDB", "firebird": "Firebird",
           "mssql": "SQL Server"}  # fmt: skip
_ZONE = {
    "mysql": "timezone: the server's NOW() and TIMESTAMP columns are in another zone: load its zone tables, or set timezones",
    "postgresql": "timezone: the session is in another zone than it was told, so that now() and timestamptz columns are off: "
    "connect to the server itself and to no pooler, or set timezones",
}
_ZONE["mariadb"] = _ZONE["mysql"]


def identity(connection: sa.Connection, profile: Profile) -> dict[str, str]:
    """Each table that the statements name, with its columns in one line; "" says which database it is."""
    inspector = sa.inspect(connection)
    named = _used(profile)
    tables = {"": f"{connect.engine_name(connection.dialect)} {_database(connection.engine.url)}"}
    schemas = [] if connect.engine_name(connection.dialect) == "firebird" else inspector.get_schema_names()
    others = (name for name in schemas if name.lower() in named and name != inspector.default_schema_name)
    for schema in (None, *others):
        for table in _relations(inspector, schema):
            if table.lower() in named:
                columns = inspector.get_columns(table, schema)
                tables[f"{schema}.{table}" if schema else table] = ", ".join(f"{c['name']} {_type(c['type'])}" for c in columns)
    return tables


def _relations(inspector: sa.Inspector, schema: str | None) -> list[str]:
    """All that a SELECT can read from; a mirror often stands in PostgreSQL's other kinds."""
    usual = [*inspector.get_table_names(schema), *inspector.get_view_names(schema)]
    if not isinstance(inspector, PGInspector):
        return usual
    return [*usual, *inspector.get_materialized_view_names(schema), *inspector.get_foreign_table_names(schema)]


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
            faults = [*_rows(connection, profile, select), *_silent(connection, profile, zone, clock)]
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
    yield from _keys(connection, select)
    yield from _days(connection, profile, select)
    for stored, count in words(connection, select).items():
        if stored.casefold() not in profile.words:
            yield f'status.read: "{stored}" stands in {count} rows and is not listed'


def _keys(connection: sa.Connection, select: Select) -> Iterator[str]:
    """What keeps a row from being told by its key, or found by it."""
    keys = [raw for (raw,) in fetched(connection, select.keys)[1]]
    counts = Counter(map(key_text, keys))
    repeated = sum(count > 1 for count in counts.values())
    known = next((raw for raw in keys if key_text(raw)), None)
    if empty := counts.pop("", 0):
        yield f"booking.select: `key` is empty in {empty} rows: name what tells one booking from another and never changes"
    elif repeated:
        yield f"booking.select: shows {repeated} bookings more than once: a JOIN repeats them"
    elif known is not None and connection.execute(select.having("key", [known])).first() is None:
        yield "booking.select: a row is not found by the `key` that it shows: name a whole number, or a text that stays as it is"


def _days(connection: sa.Connection, profile: Profile, select: Select) -> Iterator[str]:
    """A column of days is to be called so: as a start it would be written with a time of day that it does not keep."""
    if start_column(profile) == "date" or "starts_at" in profile.formats:
        return
    starts = [raw for (raw,) in fetched(connection, select.starts)[1] if not zero(raw)]
    if starts and all(_is_day(raw) for raw in starts):
        yield "starts_at: shows days without a time of day: name the column `date` in the SELECT, and :date in the statements"


def _is_day(raw: object) -> bool:
    return len(text(raw) or "") == _DAY if isinstance(raw, str) else isinstance(raw, date) and not isinstance(raw, datetime)


def unchecked(engine: str, profile: Profile) -> str:
    """What `verify` and `rights` cannot ask of this engine, in one line; "" where nothing is left out."""
    calls = sorted({key for key, sql in profile.statements() if not _can_prepare(engine, sql)})
    gaps = [f"whether it accepts {', '.join(calls) if engine in _PREPARED else 'the statements'}"] if calls else []
    gaps += ["what the database user may do"] if engine not in rights.ASKED else []
    if clock := sorted(_used(profile) & _OWN_TIMES) if engine not in _CONVERTED else []:
        gaps.append(f"the zone of the database's own clock ({', '.join(clock)})")
    return f"not checked on {_CALLED.get(engine, engine)}: {'; '.join(gaps)}" if gaps else ""


def _silent(connection: sa.Connection, profile: Profile, zone: ZoneInfo, clock: Clock) -> Iterator[str]:
    """What an engine gets wrong without a word: times in another zone, and tables without transactions."""
    name = connect.engine_name(connection.dialect)
    if name not in _CONVERTED:
        return
    tables = {table.rpartition(".")[2] for table in identity(connection, profile)}
    kinds = sa.text("SELECT table_name, column_name FROM information_schema.columns WHERE data_type = :kind")
    found = connection.execute(kinds, {"kind": _CONVERTED[name]})
    stamps = {str(column).lower() for table, column in (tuple(row) for row in found) if table in tables}
    if not _used(profile).isdisjoint(_OWN_TIMES | stamps) and not _same_zone(connection, profile.zone("", zone), clock):
        yield _ZONE[name]
    if name in _MARIA:
        yield from _without_transactions(connection, profile, tables)


def _used(profile: Profile) -> frozenset[str]:
    """Every name in the profile's SQL."""
    return statement.words(" ".join([profile.booking.select, *(sql for _, sql in profile.statements())]))


def _without_transactions(connection: sa.Connection, profile: Profile, tables: Collection[str]) -> Iterator[str]:
    kinds = connection.exec_driver_sql("SELECT table_name, engine FROM information_schema.tables WHERE table_schema = DATABASE()")
    for table, kind in (tuple(row) for row in kinds):
        if table in tables and kind in _NO_TRANSACTIONS and profile.write.model_fields_set:
            yield f"write: the table {table} is {kind}, which has no transactions: a write that fails could stay half done"


def _same_zone(connection: sa.Connection, zone: ZoneInfo, clock: Clock) -> bool:
    """By name where a session tells it; MariaDB's may be just the server's own."""
    if connection.dialect.name == "postgresql":
        return str(connection.exec_driver_sql("SHOW TimeZone").scalar_one()).casefold() == str(zone).casefold()
    minutes = connection.exec_driver_sql("SELECT TIMESTAMPDIFF(MINUTE, UTC_TIMESTAMP(), NOW())").scalar_one()
    meant = clock.now().astimezone(zone).utcoffset() or timedelta()
    return abs(meant.total_seconds() / 60 - float(minutes)) <= 1


def _can_prepare(engine: str, sql: str) -> bool:
    """Firebird compiles a call of a procedure as it does all else."""
    return engine == "firebird" or (engine in _PREPARED and statement.on_rows(sql))


def _compiled(connection: sa.Connection, key: str, sql: str) -> str | None:
    """What the engine says against a statement, asked without running it; nothing where it cannot be asked (`unchecked`)."""
    name = connect.engine_name(connection.dialect)
    if not _can_prepare(name, sql):
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
