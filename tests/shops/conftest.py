"""Every layout on an empty database of its engine, and an installation over it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.conftest import firebird_database
from tests.shops.dms_mirror import DmsMirror
from tests.shops.erp import Erp
from tests.shops.event_garage import EventGarage
from tests.shops.firebird_garage import FirebirdGarage
from tests.shops.frappe import Frappe
from tests.shops.program import Program
from tests.shops.site import Site, at_work
from tests.shops.small_shop import SmallShop

PROGRAMS: tuple[type[Program], ...] = (DmsMirror, SmallShop, EventGarage, FirebirdGarage, Erp, Frappe)

_numbers = itertools.count(1)


def _file(request: pytest.FixtureRequest) -> str:
    folder: Path = request.getfixturevalue("tmp_path")
    return f"sqlite:///{folder}/shop.db"


def _database(fixture: str) -> Callable[[pytest.FixtureRequest], str]:
    """A database of its own on the session's server."""

    def made(request: pytest.FixtureRequest) -> str:
        server, database = sa.make_url(request.getfixturevalue(fixture)), f"layout_{next(_numbers)}"
        engine = sa.create_engine(server, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {database}")
        return server.set(database=database).render_as_string(hide_password=False)

    return made


# The URL of an empty database, by engine.
EMPTY: dict[str, Callable[[pytest.FixtureRequest], str]] = {
    "sqlite": _file,
    "postgresql": _database("postgres_url"),
    "mariadb": _database("mariadb_url"),
    "firebird": lambda request: firebird_database(request.getfixturevalue("firebird_url"), f"layout_{next(_numbers)}", "WIN1252"),
}


@pytest.fixture(params=PROGRAMS, ids=lambda layout: layout.name)
def program(request: pytest.FixtureRequest) -> Iterator[Program]:
    """Installed, without bookings."""
    made: Program = request.param()
    made.install(EMPTY[made.engine](request))
    yield made
    made.close()


@pytest.fixture
def site(program: Program, tmp_path: Path) -> Iterator[Site]:
    """In mode two-way, everything visible allowed; the baseline is not set yet."""
    with at_work(program, tmp_path) as made:
        yield made
