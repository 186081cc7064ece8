"""How Alembic reaches the state database: over the connection that `sync.state.migrate` lends, or `-x url=…` by hand.

All steps of one run are one transaction, on SQLite too, so that a failed one leaves nothing behind. Logging is left alone.
"""

import sqlalchemy as sa
from alembic import context

from sync.state.migrate import steps
from sync.state.tables import metadata


def _run(connection: sa.Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


def _by_hand() -> None:
    url = context.get_x_argument(as_dictionary=True).get("url")
    if not url:
        raise SystemExit("say which database: alembic -c migrations/alembic.ini -x url=sqlite:////path/state.db …")
    with steps(url) as connection:
        _run(connection)


lent = context.config.attributes.get("connection")
if lent is not None:
    _run(lent)
else:
    _by_hand()
