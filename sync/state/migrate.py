"""Bringing the state database up to date with Alembic. All steps of one call are one transaction: all or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from sync.errors import ConfigError, SyncError, Unreachable
from sync.share import MIGRATIONS
from sync.state.backup import backup, private
from sync.state.database import open_engine, sqlite_file, translated, wal_is_safe

_LOCK = 7247479  # one number that all our migrations on a PostgreSQL server queue at


def upgrade(url: str, *, backups: Path | None = None, keep: int = 7, scripts: Path = MIGRATIONS) -> list[str]:
    """Bring it to the newest schema, after a copy of a SQLite file that holds something; the revisions applied.

    Makes a missing SQLite file (0600). Raises ConfigError where the place is not ours, Unreachable where a step failed
    (nothing is changed then)."""
    if _in_memory(url):
        return []
    _make(url)
    before, revisions = current(url), _scripts(scripts)
    _check_ours(url, before, revisions)
    applied = [one.revision for one in revisions.iterate_revisions("heads", before)][::-1]
    if applied:
        if before is not None:
            backup(url, backups, f"before-{applied[-1]}", keep)
        _migrate(url, scripts, lambda config: command.upgrade(config, "head"))
    _set_journal(url)
    return applied


def downgrade(url: str, revision: str, *, backups: Path | None = None, keep: int = 7, scripts: Path = MIGRATIONS) -> None:
    """Back to that revision (`base`: no tables), after a copy as in `upgrade`. What the older schema lacks is lost."""
    backup(url, backups, f"before-{revision}", keep)
    _migrate(url, scripts, lambda config: command.downgrade(config, revision))


def current(url: str) -> str | None:
    """The revision that the database is at; None where it holds none yet. Raises Unreachable, ConfigError."""
    path = sqlite_file(url)
    if _in_memory(url) or (path is not None and not path.exists()):
        return None
    with _connected(url) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head(scripts: Path = MIGRATIONS) -> str | None:
    """The newest revision that this program knows."""
    return _scripts(scripts).get_current_head()


def pending(url: str) -> bool:
    """Whether `upgrade` would change something."""
    return not _in_memory(url) and current(url) != head()


@contextmanager
def steps(url: str) -> Iterator[sa.Connection]:
    """A connection inside the one transaction that all steps run in; committed at the end, undone by any error.

    SQLite changes a table by copying it, so foreign keys rest meanwhile and are checked before the commit."""
    engine = open_engine(url, foreign_keys=False)
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            yield connection
            if engine.dialect.name == "sqlite" and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                raise Unreachable("a migration of the state database left rows without their link")
    finally:
        engine.dispose()


def _migrate(url: str, scripts: Path, run: Callable[[Config], None]) -> None:
    config = _config(scripts)
    try:
        with steps(url) as connection:
            config.attributes["connection"] = connection
            run(config)
    except SyncError:
        raise
    except Exception as error:  # a step may fail in any way
        line = (str(getattr(error, "orig", None) or error).splitlines() or [type(error).__name__])[0]
        raise Unreachable(f"the state database could not be migrated and is as it was before: {line}") from error


def _config(scripts: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _scripts(scripts: Path) -> ScriptDirectory:
    return ScriptDirectory.from_config(_config(scripts))


def _in_memory(url: str) -> bool:
    return url.startswith("sqlite") and sqlite_file(url) is None


def _make(url: str) -> None:
    path = sqlite_file(url)
    if path is None:
        return
    if not path.parent.is_dir():
        raise ConfigError(f"state.url: the folder {path.parent} is not there; make it, owned by the user that runs this program")
    try:
        private(path)
    except OSError as error:
        raise ConfigError(f"state.url: {path} cannot be written: {error.strerror}") from error


def _check_ours(url: str, before: str | None, revisions: ScriptDirectory) -> None:
    """Refuse a database of another program, and one that a newer version of this one has migrated."""
    if before is None:
        with _connected(url) as connection:
            if connection.dialect.name == "sqlite" and set(sa.inspect(connection).get_table_names()) - {"alembic_version"}:
                raise ConfigError("state.url: that database holds tables of another program; name a file of its own")
        return
    try:
        revisions.get_revision(before)
    except CommandError:
        raise ConfigError(
            f"state.url: a newer version of this program has migrated it (to {before}); "
            "install that version, or put the copy made before the migration back"
        ) from None


def _set_journal(url: str) -> None:
    """WAL where this SQLite does it safely, else the rollback journal; kept in the file."""
    wanted = "wal" if wal_is_safe() else "delete"
    with _connected(url) as connection:
        if connection.dialect.name == "sqlite":
            connection.rollback()  # the mode cannot change inside a transaction
            connection.connection.cursor().execute(f"PRAGMA journal_mode={wanted}")


@contextmanager
def _connected(url: str) -> Iterator[sa.Connection]:
    engine = open_engine(url)
    try:
        with translated(), engine.connect().execution_options(reading=True) as connection:
            yield connection
    finally:
        engine.dispose()
