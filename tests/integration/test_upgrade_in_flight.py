"""An upgrade from every schema that there was, with work in flight: the later program migrates at its start and goes on.

The later program is this one, copied, with one migration more beside it: so the path is used however few there are yet.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.share import CONFIG, MIGRATIONS
from sync.state import migrate
from tests.integration.daemon_process import new_database
from tests.integration.in_flight import address, in_flight, query, until_done
from tests.integration.installation import Installation, Said, installed

LATER = "9999"
STEP = f"""
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = {LATER!r}, {migrate.head()!r}, None, None


def upgrade():
    for table in ("booking_link", "intent", "hold"):  # on SQLite each is copied, whatever points at it
        with op.batch_alter_table(table) as step:
            step.add_column(sa.Column("later", sa.Text(), nullable=False, server_default="later"))
            step.create_index("ix_later_" + table, ["workshop", "later"])
    op.execute("UPDATE intent SET later = outcome WHERE outcome IS NOT NULL")


def downgrade():
    raise NotImplementedError
"""


@pytest.fixture(params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path) as made:
        if request.param == "sqlite":
            made.configure(visible='["done"]')
            yield made
            return
        with new_database(request.getfixturevalue("postgres_url")) as url:
            made.configure(visible='["done"]', state=url)
            yield made


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """The folder of a later version of the program."""
    folder, skipped = tmp_path / "later", shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(migrate.__file__).parents[1], folder / "sync", ignore=skipped)
    shutil.copytree(CONFIG, folder / "config")
    shutil.copytree(MIGRATIONS, folder / "migrations", ignore=skipped)
    (folder / "migrations" / "versions" / f"{LATER}_later.py").write_text(STEP)
    return folder


def revisions() -> list[str]:
    """Every schema that there was, the oldest first."""
    return [one.revision for one in migrate._scripts(MIGRATIONS).walk_revisions()][::-1]


@pytest.mark.soak
@pytest.mark.parametrize("revision", revisions())
def test_what_was_in_flight_goes_on_after_an_upgrade(site: Installation, later: Path, revision: str) -> None:
    """Nothing is doubled, the customer gets one message, what was held is carried out as the person said; links are the same."""
    held = in_flight(site)
    bookings = len(site.bookings())
    assert site.run("resolve", held, "--use", "repairy").code == 0
    if revision != migrate.head():
        migrate.downgrade(address(site), revision)
    links = query(site, "SELECT id, reference, shop_key, repairy_id FROM booking_link ORDER BY id")

    def sync() -> Said:
        words = [sys.executable, "-m", "sync", "--config", str(site.folder / "repairy-sync.toml"), "--json", "sync"]
        done = subprocess.run(words, cwd=later, env={**os.environ, "PYTHONPATH": ""}, capture_output=True, text=True, check=False)
        return Said(done.returncode, done.stdout or '{"workshops": [{"waiting": []}]}', done.stderr)

    said = until_done(sync)
    assert (said.code, said.json["workshops"][0]["waiting"]) == (0, []), said
    assert query(site, "SELECT version_num FROM alembic_version") == [(LATER,)]
    assert query(site, "SELECT id, reference, shop_key, repairy_id FROM booking_link ORDER BY id") == links
    assert query(site, "SELECT op FROM intent WHERE outcome IS NULL OR outcome = 'unknown'") == []
    assert (len(site.bookings()), site.messages().count("done"), site.booking(2)["status"]) == (bookings, 1, "done")
    assert str(site.row(4)["dropoff"]).startswith("2030-01-08 09:00")
    assert sync().json["workshops"][0]["actions"] == []


def test_the_version_before_says_what_to_do(site: Installation, later: Path) -> None:
    """Once the later version has migrated, this one does not touch the state."""
    site.run("sync")
    migrate.upgrade(address(site), scripts=later / "migrations")
    said = site.run("sync")
    assert (said.code, "newer version" in said.err) == (78, True)
