"""Every profile that is shipped is configuration only, and sound; SQL Server, which cannot run here, is asked to compile."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlalchemy as sa

from sync.shop import statement
from sync.shop.profile import Profile, load
from sync.shop.select import Select
from tests.shops.program import ZONE

BUILT_IN = Path(__file__).parents[2] / "config" / "profiles"
NAMES = sorted(file.stem for file in BUILT_IN.glob("*.toml"))
SQL_SERVER = sa.make_url("mssql+pymssql://").get_dialect()()
ENGINES = {"sqlite", "postgresql", "mysql", "mariadb", "firebird", "mssql"}


# Profiles of products that one can get, and how each says which version of it is meant.
PRODUCTS = {
    "openauto": r"as of\n# commit [0-9a-f]{7}\b",
    "garage-vision": r"as of commit\n# [0-9a-f]{7}\b",
    "erp-interventi": r"\(\d+\.\d+ and later",
    "frappe-garage": r"\(framework \d+ and \d+\b",
}
# Made-up products, each of a kind that is common.
KINDS = {"dms-mirror", "event-garage", "firebird-garage", "small-shop"}


def test_there_are_eight_profiles_beside_the_demos() -> None:
    assert {"demo", *PRODUCTS, *KINDS} == set(NAMES)
    assert len(NAMES) >= 9


@pytest.mark.parametrize(("name", "version"), PRODUCTS.items())
def test_a_products_profile_states_the_version_it_was_made_from(name: str, version: str) -> None:
    head = (BUILT_IN / f"{name}.toml").read_text(encoding="utf-8").partition("\nname =")[0]
    assert re.search(version, head)


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_profile_loads_and_says_for_which_engine_it_is(name: str) -> None:
    profile = load(Path(name), BUILT_IN)
    assert profile.dialects
    assert set(profile.dialects) <= ENGINES


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_profile_begins_with_what_a_contractor_must_know(name: str) -> None:
    head = (BUILT_IN / f"{name}.toml").read_text(encoding="utf-8").splitlines()
    assert head[0].startswith("# ")
    assert head[1].startswith("# ")


def test_the_small_shops_select_compiles_for_sql_server() -> None:
    """CHAR and bit columns are read by the one SELECT; names are quoted, and `key` is in brackets, a word of the language."""
    compiled = str(Select(_small(), SQL_SERVER, ZONE).all.compile(dialect=SQL_SERVER))
    assert 'a."ID" AS [key]' in compiled
    assert compiled.startswith("SELECT * \nFROM (")


@pytest.mark.parametrize(("key", "sql"), [(key, sql) for key, sql in load(Path("small-shop"), BUILT_IN).statements()])
def test_the_small_shop_is_written_by_procedures_with_bound_values_only(key: str, sql: str) -> None:
    """Least rights: SELECT and EXECUTE. Nothing is pasted into a statement."""
    compiled = statement.clause(sql).compile(dialect=SQL_SERVER)
    assert sql.startswith("SELECT" if key.endswith((".find", ".lock")) else "EXEC dbo.")
    assert set(compiled.params) == statement.parameters(sql)


def test_the_small_shops_vendor_is_told_which_values_may_be_null() -> None:
    """All but a step's own keys, the status word and what Repairy requires of a booking: their columns are NOT NULL."""
    there = {"key", "customer", "vehicle", "status", "starts_at", "first_name", "phone", "rego"}
    calls = " ".join(sql for _, sql in _small().statements())
    head = (BUILT_IN / "small-shop.toml").read_text(encoding="utf-8").partition("[booking]")[0]
    assert {name for name, value in re.findall(r"@(\w+) = :(\w+)", calls) if value not in there} == set(
        re.findall(r"@(\w+)", head)
    )


def _small() -> Profile:
    return load(Path("small-shop"), BUILT_IN)
