"""An empty shop database on each engine, to make a layout in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.layouts import Layout


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[Layout]:
    layout = Layout(f"sqlite:///{tmp_path}/shop.db")
    yield layout
    layout.close()


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[Layout]:
    layout = Layout(postgres_url)
    layout.run("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    yield layout
    layout.close()


@pytest.fixture
def maria(mariadb_url: str) -> Iterator[Layout]:
    layout = Layout(mariadb_url)
    layout.run("DROP DATABASE shop", "CREATE DATABASE shop CHARACTER SET utf8mb4")
    yield layout
    layout.close()


@pytest.fixture(params=["lite", "postgres", "maria"])
def layout(request: pytest.FixtureRequest) -> Layout:
    made: Layout = request.getfixturevalue(request.param)
    return made
