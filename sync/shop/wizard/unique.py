"""Which columns a table declares never to repeat: there a second row with the same value is refused. It reads only."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from sync.errors import SyncError
from sync.shop import connect
from sync.shop.wizard.explore import Explorer, Table


def columns(explorer: Explorer, table: Table) -> frozenset[str]:
    """Each by itself. None where the engine cannot say it."""
    try:
        with connect.reading(explorer.engine) as connection:
            found = frozenset(_declared(sa.inspect(connection), table)) if not table.view else frozenset()
    except (SyncError, sa.exc.SQLAlchemyError, NotImplementedError):
        return frozenset()
    return found


def _declared(inspector: sa.Inspector, table: Table) -> Iterator[str]:
    """By a key, a constraint or an index; not by one over some of the rows."""
    groups: list[list[str | None]] = [
        list(one["column_names"]) for one in inspector.get_unique_constraints(table.name, table.schema)
    ]
    for index in inspector.get_indexes(table.name, table.schema):
        partial = any(name.endswith("_where") and value is not None for name, value in index.get("dialect_options", {}).items())
        groups += [list(index["column_names"])] if index["unique"] and not partial else []
    groups += [list(table.key)] if not table.implied else []
    yield from (name for group in groups if len(group) == 1 and (name := group[0]) in table.columns and name)
