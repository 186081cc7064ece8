"""The state store: every statement on the state database by name, each one transaction.

The statements stand beside their tables: `links`, `intents` (the journal), `standings` (table `hold`), `inbox`
(webhook events), `desk` (sources, desk, decisions, runs). Here: opening, closing, copying.
"""

from __future__ import annotations

import sqlalchemy as sa

from sync.errors import Unreachable
from sync.ports import Clock
from sync.state import tables
from sync.state.database import Database, Fence, sqlite_file
from sync.state.inbox import Inbox


class StateStore(Inbox):
    """What the program remembers, at `url`; `sqlite://` is an empty one in memory. Safe to use from any thread.

    Everything may raise Unreachable; every write, LeaseLost where `workshop_lease` (also `fence`) is given and was lost.
    """

    def __init__(self, url: str, clock: Clock, *, workshop_lease: Fence | None = None) -> None:
        super().__init__(Database(url), clock, workshop_lease)
        if self.database.in_memory:
            tables.metadata.create_all(self.database.engine)

    def under(self, lease: Fence) -> StateStore:
        """This store for the lease's holder: the same connections, its own fence."""
        other = StateStore.__new__(StateStore)
        Inbox.__init__(other, self.database, self.clock, lease)
        return other

    def ready(self) -> None:
        """Raises Unreachable where the state cannot be written."""
        with self.database.writing() as connection:
            probe = connection.begin_nested()
            connection.execute(tables.run.insert().values(**_PROBE, started_at=self.clock.now(), finished_at=self.clock.now()))
            probe.rollback()

    def copy(self, workshop: str | None = None) -> StateStore:
        """All of it, or one workshop's, in memory. Writes nothing here; a state that was never made copies as empty."""
        target = StateStore("sqlite://", self.clock)
        path = sqlite_file(self.database.url)
        if path is not None and not path.exists():
            return target
        with self._reading() as here, target.database.writing() as there:
            present = set(sa.inspect(here).get_table_names())
            for table in tables.metadata.sorted_tables:
                if table.name in present:
                    _copy_rows(here, there, table, workshop)
        return target

    def close(self) -> None:
        self.database.close()


_PROBE = {"workshop": "", "counts": {}, "error": ""}
_ROWS = 1000


def _copy_rows(here: sa.Connection, there: sa.Connection, table: sa.Table, workshop: str | None) -> None:
    """Row by row as stored; a column that the source does not have yet is refused with what to do."""
    missing = set(table.c.keys()) - {column["name"] for column in sa.inspect(here).get_columns(table.name)}
    if missing:
        raise Unreachable("the state database is older than this program: run repairy-sync migrate first")
    wanted = sa.true() if workshop is None else table.c.workshop == workshop
    for rows in here.execute(sa.select(table).where(wanted)).mappings().partitions(_ROWS):
        there.execute(table.insert(), [dict(row) for row in rows])
