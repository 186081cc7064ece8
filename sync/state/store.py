"""The state store: every statement on the state database by name, each one transaction.

The statements stand beside their tables: `links`, `intents` (the journal), `standings` (table `hold`), `inbox`
(webhook events), `desk` (sources, desk, decisions, runs), `upkeep` (forgetting), `figures` (counts). Here: opening, closing,
copying.
"""

from __future__ import annotations

import sqlalchemy as sa

from sync.errors import Unreachable
from sync.ports import Clock
from sync.state import tables
from sync.state.database import Database, Fence, sqlite_file
from sync.state.figures import Figures


class StateStore(Figures):
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
        Figures.__init__(other, self.database, self.clock, lease)
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
_AS_IT_IS = (sa.Integer, sa.Boolean)


def _copy_rows(here: sa.Connection, there: sa.Connection, table: sa.Table, workshop: str | None) -> None:
    """Row by row as stored, JSON as its text: nothing is decoded on the way, which makes it several times faster."""
    names = [one.name for one in table.c]
    present = {column["name"] for column in sa.inspect(here).get_columns(table.name)}
    if not present.issuperset(names):
        raise Unreachable("the state database is older than this program: run repairy-sync migrate first")
    plain = sa.table(table.name, *[sa.column(name) for name in names])
    stored = [plain.c[one.name] if isinstance(one.type, _AS_IT_IS) else sa.cast(plain.c[one.name], sa.Text) for one in table.c]
    wanted = sa.true() if workshop is None else plain.c.workshop == workshop
    for rows in here.execute(sa.select(*stored).where(wanted)).partitions(_ROWS):
        there.execute(plain.insert(), [dict(zip(names, row, strict=True)) for row in rows])
