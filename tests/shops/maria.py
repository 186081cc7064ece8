"""What the layouts on MariaDB share: a user of the bridge's that may only read."""

from __future__ import annotations

import sqlalchemy as sa

READER = "portal_reader"


def may_read(database: sa.Engine, url: str) -> str:
    """The URL of a user that may read this database's tables and nothing else."""
    here = sa.make_url(url)
    with database.connect() as connection:
        connection.exec_driver_sql(f"CREATE OR REPLACE USER {READER}@'127.0.0.1' IDENTIFIED BY 'reader'")
        connection.exec_driver_sql(f"GRANT SELECT ON `{here.database}`.* TO {READER}@'127.0.0.1'")
    return here.set(username=READER, password="reader").render_as_string(hide_password=False)
