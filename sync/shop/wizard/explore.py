"""A live shop database, looked at: its tables with row counts, newest times, sample values, and which refers to which.

RULE: it reads, and never writes: the inspector and plain SELECTs, one at a time. Nothing is decided here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from sync.errors import SyncError
from sync.shop import connect
from sync.shop.values import text
from sync.shop.wizard import recognise, words

_SAMPLE = 400  # rows looked at in each table, the latest by its key
_SYSTEM = ("information_schema", "pg_catalog", "sys", "guest", "performance_schema", "mysql")
_LONGEST = 1000  # signs of a text that are kept of a row that was looked at
_KEYS = ("id", "nr", "no", "num", "number", "nummer", "numero", "key", "code", "uuid", "guid")
_SEVERAL_SCHEMAS = ("postgresql", "mssql")  # elsewhere another schema is another database


@dataclass(frozen=True)
class Column:
    """One column: how it is declared, and what a sample of its values shows."""

    name: str
    type: str
    nullable: bool
    default: str | None  # as the engine spells it; "" where the engine makes the value itself
    length: int | None
    sort: recognise.Sort
    values: tuple[object, ...]  # of the sample, those that are not empty
    empty: float  # share of the sample without a value

    @property
    def kind(self) -> recognise.Kind:
        return self.sort.kind

    def moments(self) -> list[datetime]:
        return [found for value in self.values if (found := recognise.moment(value, self.sort.form))]


@dataclass(frozen=True)
class Reference:
    """`column` of a table holds keys of another one. `declared`: by a foreign key; else names and values say so."""

    column: str
    table: str
    target: str
    declared: bool


@dataclass(frozen=True)
class Table:
    schema: str | None
    name: str
    view: bool
    columns: Mapping[str, Column]
    key: tuple[str, ...]
    declared: tuple[Reference, ...]
    rows: int
    implied: bool = False  # no primary key, or a view: the key is a column that never repeats in what is there
    newest: datetime | None = None  # of all its times
    sample: tuple[Mapping[str, object], ...] = field(default=(), repr=False)

    @property
    def id(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name

    def selectable(self) -> sa.TableClause:
        return sa.table(self.name, *(sa.column(name) for name in self.columns), schema=self.schema)


def unheard(done: int, of: int) -> None:
    """Nobody waits for it."""


class Explorer:
    """Reads one database. Every method raises Unreachable where it cannot be asked."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.tables: Mapping[str, Table] = {}

    def look(self, say: Callable[[int, int], None] = unheard) -> Mapping[str, Table]:
        """Every table and view that may be read, by name. A table that this user may not read is left out.

        `say` is told how many of how many were looked at."""
        with connect.reading(self.engine) as connection:
            names, found = list(self._names(connection)), list[Table | None]()
            for done, (schema, name, view) in enumerate(names, 1):
                found.append(_table(connection, schema, name, view))
                say(done, len(names))
        self.tables = {table.id: table for table in found if table}
        return self.tables

    def references(self, table: Table) -> list[Reference]:
        """What a table refers to: declared, or inferred from names and values."""
        declared = [one for one in table.declared if one.table in self.tables]
        taken = {one.column for one in declared}
        guessed = [self._guessed(table, column) for column in table.columns.values() if column.name not in taken]
        return declared + [one for one in guessed if one]

    def children(self, table: Table) -> list[tuple[Table, Reference]]:
        """The tables that refer to this one."""
        found: list[tuple[Table, Reference]] = []
        for other in self.tables.values():
            if other.id == table.id or not other.rows:
                continue
            mine = [one for one in other.declared if one.table == table.id]
            mine = mine or [one for c in other.columns.values() if (one := self._matches(c, table, other)) is not None]
            found += [(other, one) for one in mine[:1]]
        return found

    def share_of(self, table: Table, column: str, values: Sequence[object]) -> float:
        """How many of these values stand in a column."""
        wanted = list(dict.fromkeys(values))[:50]
        there: sa.ColumnClause[Any] = sa.column(column)
        query = sa.select(there).select_from(table.selectable()).where(there.in_(_bound(wanted))).distinct()
        try:
            with connect.reading(self.engine) as connection:
                found = {text(row[0]) for row in connection.execute(query)}
        except SyncError:
            return 0.0  # the engine would not compare the two
        return sum(text(value) in found for value in wanted) / len(wanted) if wanted else 0.0

    def fetch(self, sql: str, most: int | None = None) -> list[Mapping[str, object]]:
        """The rows of a SELECT of ours, by lower-case name."""
        with connect.reading(self.engine) as connection:
            result = connection.execute(sa.text(sql.replace(":", r"\:")))
            names = [name.lower() for name in result.keys()]  # noqa: SIM118 (a result is no dict)
            rows = result.fetchmany(most) if most else result.fetchall()
            return [dict(zip(names, row, strict=True)) for row in rows]

    def read_only(self) -> bool:
        """Whether this user may change nothing, where the engine says so."""
        name = self.engine.dialect.name
        try:
            if name in ("mysql", "mariadb"):
                grants = " ".join(str(next(iter(row.values()))) for row in self.fetch("SHOW GRANTS")).upper()
                return not any(right in grants for right in ("ALL PRIVILEGES", "INSERT", "UPDATE"))
            if name == "postgresql":
                quoted = ", ".join("'" + table.id.replace("'", "''") + "'" for table in self.tables.values() if not table.view)
                asked = f"SELECT bool_or(has_table_privilege(c.oid, 'UPDATE')) AS may FROM pg_class c WHERE c.relkind = 'r' AND c.relname IN ({quoted})"  # noqa: S608, E501 (names from the inspector)
                return bool(quoted) and self.fetch(asked)[0]["may"] is False
        except SyncError:
            return False
        return False

    def _names(self, connection: sa.Connection) -> Iterator[tuple[str | None, str, bool]]:
        inspector = sa.inspect(connection)
        schemas: list[str | None] = [None]
        if connection.dialect.name in _SEVERAL_SCHEMAS:
            usual = inspector.default_schema_name
            others = (name for name in inspector.get_schema_names() if name not in (*_SYSTEM, usual))
            schemas += [name for name in others if not name.startswith(("pg_", "db_"))]
        for schema in schemas:
            yield from ((schema, name, False) for name in inspector.get_table_names(schema))
            yield from ((schema, name, True) for name in inspector.get_view_names(schema))

    def _guessed(self, table: Table, column: Column) -> Reference | None:
        found = [one for other in self.tables.values() if (one := self._matches(column, other, table)) is not None]
        return max(found, key=lambda one: (words.akin(one.column, one.target), -len(one.table)), default=None)

    def _matches(self, column: Column, target: Table, source: Table) -> Reference | None:
        """A reference without a foreign key: the names are akin, and (nearly) all values stand there as keys."""
        if target.id == source.id or len(target.key) != 1 or not target.rows or not column.values:
            return None
        key = target.columns[target.key[0]]
        named = words.akin(column.name, target.name) or (words.akin(column.name, key.name) and column.name not in source.key)
        if not named or not _may_refer(column, key):
            return None
        if self.share_of(target, key.name, column.values) < 0.9:
            return None
        return Reference(column.name, target.id, key.name, declared=False)


def _may_refer(column: Column, key: Column) -> bool:
    """Whether values of the two could be the same: numbers with numbers, texts with texts, no times."""
    ways = {"number", "flag", "year", "phone"}
    if column.kind in ("moment", "day", "clock", "none"):
        return False
    return (column.kind in ways) == (key.kind in ways) and type(column.values[0]) is type((key.values or column.values)[0])


def _table(connection: sa.Connection, schema: str | None, name: str, view: bool) -> Table | None:
    inspector = sa.inspect(connection)
    try:
        declared = inspector.get_columns(name, schema)
        key = () if view else tuple(inspector.get_pk_constraint(name, schema)["constrained_columns"])
        foreign = [] if view else inspector.get_foreign_keys(name, schema)
        bare = sa.table(name, *(sa.column(one["name"]) for one in declared), schema=schema)
        rows = int(connection.execute(sa.select(sa.func.count()).select_from(bare)).scalar_one())
        bulky = {one["name"] for one in declared if isinstance(one["type"], sa.LargeBinary)} - set(key)
        sample = _sample(connection, bare, bulky, key)
    except sa.exc.SQLAlchemyError:
        connection.rollback()
        return None
    columns = {one["name"]: _column(one, sample) for one in declared}
    implied = () if key else _implied(connection, bare, rows, columns)
    references = tuple(
        Reference(one["constrained_columns"][0], _target(one, schema), (one["referred_columns"] or [""])[0], declared=True)
        for one in foreign
        if len(one["constrained_columns"]) == 1
    )
    newest = max((max(moments) for column in columns.values() if (moments := column.moments())), default=None)
    return Table(schema, name, view, columns, key or implied, references, rows, bool(implied), newest, tuple(sample))


def _target(foreign: Any, schema: str | None) -> str:
    other = foreign["referred_schema"]
    return f"{other}.{foreign['referred_table']}" if other and other != schema else str(foreign["referred_table"])


def _sample(
    connection: sa.Connection, bare: sa.TableClause, bulky: Collection[str], key: Sequence[str]
) -> list[dict[str, object]]:
    """The latest rows, without pictures and documents, and without the ends of long texts."""
    there = [column for column in bare.c if column.name not in bulky]
    order = [bare.c[name].desc() for name in key] or [column.desc() for column in there[:1]]
    result = connection.execute(sa.select(*there).order_by(*order).limit(_SAMPLE)) if there else None
    rows = result.all() if result else []
    nothing: dict[str, object] = dict.fromkeys(bulky)
    return [nothing | {column.name: _cut(value) for column, value in zip(there, row, strict=True)} for row in rows]


def _cut(value: object) -> object:
    """Short, and JSON as its text: a value is counted and compared."""
    if isinstance(value, (dict, list)):
        value = json.dumps(value, default=str)
    return value[:_LONGEST] if isinstance(value, (str, bytes)) else value


def _implied(connection: sa.Connection, bare: sa.TableClause, rows: int, columns: Mapping[str, Column]) -> tuple[str, ...]:
    """The column that never repeats; of several, one that is named as the number of a row."""
    for column in sorted(columns.values(), key=lambda one: not numbers_rows(one)):
        alone = len({text(value) for value in column.values}) == len(column.values) > 1 and not column.empty
        if alone and column.kind in ("number", "text", "plate", "flag", "year"):
            different = sa.select(sa.func.count(sa.distinct(bare.c[column.name]))).select_from(bare)
            if connection.execute(different).scalar_one() == rows:
                return (column.name,)
    return ()


def numbers_rows(column: Column) -> bool:
    """Whether a column that never repeats may be a booking's key: numbers and codes, and named so. A plate, a phone, a name, a
    text or another table's key only happens not to repeat yet."""
    last = (words.parts(column.name) or [""])[-1]
    named = last in _KEYS or any(last.endswith(end) and words.hint("booking table", last.removesuffix(end)) for end in _KEYS)
    others = any(words.hint(f"{whose} table", column.name) for whose in ("customer", "vehicle", "staff"))
    if (
        not named
        or column.kind not in ("number", "text", "flag", "year")
        or (others and not words.hint("booking table", column.name))
    ):
        return False
    told = any(words.hint(field, column.name) for field in ("rego", "phone", "vin"))
    return not told and not any(set(str(value)) & set(" \n\t") for value in column.values)


def _column(declared: Any, sample: Sequence[Mapping[str, object]]) -> Column:
    kind, values = declared["type"], [row[declared["name"]] for row in sample]
    there = tuple(value for value in values if text(value) is not None)
    made = declared.get("identity") or declared.get("computed") or declared.get("autoincrement") is True
    return Column(
        name=declared["name"],
        type=str(kind).lower() if not isinstance(kind, sa.types.NullType) else "",
        nullable=bool(declared.get("nullable", True)),
        default="" if made else declared.get("default"),
        length=getattr(kind, "length", None) if isinstance(kind, sa.String) else None,
        sort=recognise.sort(there),
        values=there,
        empty=1 - len(there) / len(values) if values else 1.0,
    )


def _bound(values: Sequence[object]) -> sa.BindParameter[Any]:
    return sa.bindparam("values", list(values), expanding=True, type_=sa.types.NullType())
