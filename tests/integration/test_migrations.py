"""The state database's schema: made, brought up to date, taken back, and left alone when a step fails."""

from __future__ import annotations

import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sync.errors import ConfigError, Unreachable
from sync.share import MIGRATIONS
from sync.state import migrate, tables
from sync.state.database import Database, open_engine, wal_is_safe
from sync.state.store import StateStore

ROOT = Path(__file__).parents[2]
_numbers = count(1)


class _Noon:
    """A clock that stands still."""

    def now(self) -> datetime:
        return datetime(2026, 3, 5, 12, tzinfo=UTC)

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None: ...


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty place for a state, on each kind of database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'state.db'}"
        return
    server = sa.create_engine(request.getfixturevalue("postgres_url"), isolation_level="AUTOCOMMIT")
    name = f"migrations_{next(_numbers)}"
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        yield server.url.set(database=name).render_as_string(hide_password=False)
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    server.dispose()


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """The real migrations, in a folder where a test may add one."""
    return Path(shutil.copytree(MIGRATIONS, tmp_path / "migrations", ignore=shutil.ignore_patterns("__pycache__")))


def add_step(scripts: Path, revision: str, after: str, up: str, down: str = "pass") -> None:
    """One more migration, its body given as source."""
    text = f"import sqlalchemy as sa\nfrom alembic import op\nrevision = {revision!r}\ndown_revision = {after!r}\n\n"
    text += f"def upgrade():\n    {up}\n\ndef downgrade():\n    {down}\n"
    (scripts / "versions" / f"{revision}_step.py").write_text(text)


def shape(url: str) -> dict[str, Any]:
    """Every table with its columns, indexes and keys, as the database tells."""
    engine = open_engine(url)
    looked = sa.inspect(engine)
    found = {name: (_told(looked, name)) for name in sorted(looked.get_table_names())}
    engine.dispose()
    return found


def _told(looked: sa.Inspector, name: str) -> tuple[Any, ...]:
    columns = [(one["name"], str(one["type"]), one["nullable"]) for one in looked.get_columns(name)]
    indexes = sorted((str(one["name"]), str(one["column_names"])) for one in looked.get_indexes(name))
    return columns, indexes, str(looked.get_foreign_keys(name))


def rows(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Everything stored, by table."""
    database = Database(url)
    with database.reading() as connection:
        found = {
            table.name: [tuple(row) for row in connection.execute(sa.select(table))] for table in tables.metadata.sorted_tables
        }
    database.close()
    return found


def filled(url: str) -> None:
    """A state with something in it that hangs together."""
    store = StateStore(url, _Noon())
    link = store.add("north", reference="N-1", shop_key="1", shop={"status": "pending", "rego": "AAA001"})
    store.save(link, repairy_id="R1", marks=("starts_at:twice",))
    store.decide("north", "pause", "", "all")
    store.close()


def test_a_new_state_is_made_whole(url: str) -> None:
    """A first upgrade makes every table that the store knows, and says which steps it took."""
    assert migrate.pending(url)
    assert migrate.upgrade(url) == ["0001"]
    assert set(shape(url)) == {*tables.metadata.tables, "alembic_version"}
    assert migrate.current(url) == migrate.head() == "0001"
    assert not migrate.pending(url)


def test_a_second_upgrade_does_nothing(url: str) -> None:
    migrate.upgrade(url)
    before = shape(url)
    assert migrate.upgrade(url) == []
    assert shape(url) == before


def test_the_migrations_make_what_the_tables_say(url: str) -> None:
    """`alembic check`, by its own command line, finds no difference between the migrations and `tables`."""
    migrate.upgrade(url)
    command = [sys.executable, "-m", "alembic", "-c", str(MIGRATIONS / "alembic.ini"), "-x", f"url={url}", "check"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "No new upgrade operations" in ended.stdout


def test_alembic_check_finds_a_difference_where_there_is_one(url: str) -> None:
    """The check above can fail: a column that no migration made is found."""
    migrate.upgrade(url)
    with open_engine(url).begin() as connection:
        connection.exec_driver_sql("ALTER TABLE source ADD COLUMN stray INTEGER")
    command = [sys.executable, "-m", "alembic", "-c", str(MIGRATIONS / "alembic.ini"), "-x", f"url={url}", "check"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode != 0
    assert "stray" in ended.stdout + ended.stderr


def test_up_down_and_up_again_keeps_the_schema(url: str) -> None:
    """Down to nothing and up again on data gives the same empty tables."""
    migrate.upgrade(url)
    first = shape(url)
    filled(url)
    migrate.downgrade(url, "base")
    assert set(shape(url)) == {"alembic_version"}
    assert migrate.upgrade(url) == ["0001"]
    assert shape(url) == first
    assert not any(rows(url).values())


def test_a_later_step_goes_up_down_and_up_on_data_and_loses_no_row(url: str, scripts: Path) -> None:
    """A table rebuilt under its foreign keys (as SQLite must) keeps every row, both ways."""
    migrate.upgrade(url)
    filled(url)
    before = rows(url)
    up = 'with op.batch_alter_table("booking_link", recreate="always") as t: t.add_column(sa.Column("later", sa.Text()))'
    down = 'with op.batch_alter_table("booking_link", recreate="always") as t: t.drop_column("later")'
    if url.startswith("postgresql"):
        up, down = (line.replace(', recreate="always"', "") for line in (up, down))
    add_step(scripts, "0002", "0001", up, down)
    assert migrate.upgrade(url, scripts=scripts) == ["0002"]
    assert "later" in str(shape(url)["booking_link"])
    assert rows(url) == before
    migrate.downgrade(url, "0001", scripts=scripts)
    assert rows(url) == before
    assert migrate.upgrade(url, scripts=scripts) == ["0002"]
    assert rows(url) == before


def test_a_failed_first_migration_leaves_nothing_behind(url: str, scripts: Path) -> None:
    """The first step succeeds, the second breaks after making a table: not even the first stays."""
    add_step(scripts, "0002", "0001", 'op.create_table("half", sa.Column("id", sa.Integer())); op.execute("broken")')
    with pytest.raises(Unreachable, match="is as it was before"):
        migrate.upgrade(url, scripts=scripts)
    assert shape(url) == {}
    assert migrate.upgrade(url) == ["0001"]


def test_a_failed_later_migration_leaves_schema_and_rows_as_they_were(url: str, scripts: Path) -> None:
    """Two steps on a filled state, the second raises: neither is there afterwards, and the store works on."""
    migrate.upgrade(url)
    filled(url)
    before = shape(url), rows(url)
    add_step(
        scripts, "0002", "0001", 'op.execute("DELETE FROM decision"); op.create_table("more", sa.Column("id", sa.Integer()))'
    )
    add_step(scripts, "0003", "0002", 'op.drop_table("pass_run"); raise RuntimeError("made up")')
    with pytest.raises(Unreachable, match="made up"):
        migrate.upgrade(url, scripts=scripts)
    assert (shape(url), rows(url)) == before
    assert migrate.current(url) == "0001"


def test_a_migration_killed_half_way_leaves_nothing_behind(url: str, scripts: Path, tmp_path: Path) -> None:
    """SIGKILL after the step has made its table and emptied another: the next start finds all as it was, and goes on."""
    migrate.upgrade(url)
    filled(url)
    before = shape(url), rows(url)
    stop = f"open({str(tmp_path / 'here')!r}, 'w').close(); __import__('time').sleep(60)"
    add_step(
        scripts,
        "0002",
        "0001",
        f'op.create_table("half", sa.Column("id", sa.Integer())); op.execute("DELETE FROM decision"); {stop}',
    )
    code = "import sys; from pathlib import Path; from sync.state import migrate\n"
    code += "migrate.upgrade(sys.argv[1], scripts=Path(sys.argv[2]))"
    child = subprocess.Popen([sys.executable, "-c", code, url, str(scripts)], cwd=ROOT)
    try:
        end = time.monotonic() + 30
        while not (tmp_path / "here").exists() and time.monotonic() < end:
            time.sleep(0.02)
    finally:
        child.kill()
        child.wait(20)
    assert (tmp_path / "here").exists()
    assert (shape(url), rows(url)) == before
    add_step(scripts, "0002", "0001", 'op.create_table("whole", sa.Column("id", sa.Integer()))')
    assert migrate.upgrade(url, scripts=scripts) == ["0002"]
    assert "whole" in shape(url)


def test_a_step_that_orphans_rows_is_undone(tmp_path: Path, scripts: Path) -> None:
    """On SQLite foreign keys rest during a migration; what they would have refused is found before the commit."""
    url = f"sqlite:///{tmp_path / 'state.db'}"
    migrate.upgrade(url)
    filled(url)
    orphan = "INSERT INTO hold (id, workshop, link_id, kind, scope, reason, since, digest, count, details) VALUES "
    add_step(scripts, "0002", "0001", f"""op.execute("{orphan} ('a','north',99,'held','time','x','2026','',0,'{{}}')")""")
    with pytest.raises(Unreachable, match="without their link"):
        migrate.upgrade(url, scripts=scripts)
    assert rows(url)["hold"] == []


def test_a_state_of_a_newer_version_is_refused(url: str, scripts: Path) -> None:
    """An older program does not touch a state that a newer one has migrated."""
    add_step(scripts, "0002", "0001", "pass")
    migrate.upgrade(url, scripts=scripts)
    with pytest.raises(ConfigError, match="newer version"):
        migrate.upgrade(url)


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    """A SQLite file with somebody else's tables is named, not filled with ours."""
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE bookings (id INTEGER)")
    with pytest.raises(ConfigError, match="another program"):
        migrate.upgrade(f"sqlite:///{path}")
    assert set(shape(f"sqlite:///{path}")) == {"bookings"}


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the folder .* is not there"):
        migrate.upgrade(f"sqlite:///{tmp_path / 'none' / 'state.db'}")


def test_the_state_file_is_its_owners_alone(tmp_path: Path) -> None:
    migrate.upgrade(f"sqlite:///{tmp_path / 'state.db'}")
    assert stat.S_IMODE((tmp_path / "state.db").stat().st_mode) == 0o600


def test_the_journal_mode_is_safe_for_this_sqlite(tmp_path: Path) -> None:
    """WAL only where SQLite has the fix; the mode is kept in the file."""
    migrate.upgrade(f"sqlite:///{tmp_path / 'state.db'}")
    with sqlite3.connect(tmp_path / "state.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == ("wal" if wal_is_safe() else "delete")


def test_a_copy_is_made_before_a_filled_state_is_migrated(tmp_path: Path, scripts: Path) -> None:
    """The copy holds the rows as they were, and only its owner may read it."""
    url = f"sqlite:///{tmp_path / 'state.db'}"
    migrate.upgrade(url, backups=tmp_path / "backups")
    assert not (tmp_path / "backups").exists(), "an empty state needs no copy"
    filled(url)
    before = rows(url)
    add_step(scripts, "0002", "0001", 'op.execute("DELETE FROM decision")')
    migrate.upgrade(url, backups=tmp_path / "backups", scripts=scripts)
    (copy,) = (tmp_path / "backups").iterdir()
    assert copy.name == "state.db.before-0002.bak"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert rows(f"sqlite:///{copy}") == before
    assert rows(url)["decision"] == []


def test_only_the_newest_copies_are_kept(tmp_path: Path, scripts: Path) -> None:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    add_step(scripts, "0002", "0001", "pass")
    migrate.upgrade(url, scripts=scripts)
    for _ in range(3):
        migrate.downgrade(url, "0001", keep=2, scripts=scripts)
        migrate.upgrade(url, keep=2, scripts=scripts)
    names = sorted(path.name for path in tmp_path.glob("*.bak"))
    assert len(names) == 2, names


def test_a_state_that_cannot_be_copied_is_not_migrated(tmp_path: Path, scripts: Path) -> None:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    migrate.upgrade(url)
    (tmp_path / "backups").write_text("in the way")
    add_step(scripts, "0002", "0001", "pass")
    with pytest.raises(Unreachable, match="could not be copied"):
        migrate.upgrade(url, backups=tmp_path / "backups", scripts=scripts)
    assert migrate.current(url) == "0001"


def test_two_programs_that_start_at_once_migrate_once(url: str) -> None:
    """Whoever comes second waits and finds the work done."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(migrate.upgrade, [url, url]))
    assert migrate.current(url) == "0001"
    assert set(shape(url)) == {*tables.metadata.tables, "alembic_version"}
