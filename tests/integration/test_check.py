"""What `check` finds, finding by finding, on real databases and a real server: its words, what it says to do, its exit code."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sync import settings
from sync.check import check
from sync.check.shop import MARKER
from sync.machine import SystemClock
from sync.ports import Names
from sync.wiring import App
from tests.integration.installation import Installation, installed
from tests.layouts import Layout

PROFILE = """
name = "Jobs"
[booking]
select = "SELECT id AS key, state AS status, at AS starts_at, rego, phone, notes AS job_notes{more} FROM jobs"
[status.read]
open = "pending"
cancelled = "cancelled"
[status.write]
pending = "open"
cancelled = "cancelled"
[write]
set_status = "UPDATE jobs SET state = :status WHERE id = :key"
set_notes = "UPDATE jobs SET notes = :job_notes WHERE id = :key"
"""
JOBS = """CREATE TABLE jobs (id INTEGER PRIMARY KEY, state VARCHAR(10), at VARCHAR(20), rego VARCHAR(10), phone VARCHAR(20),
    notes VARCHAR(20), ref VARCHAR(40), stamp VARCHAR(20))"""

SOON = datetime.now(UTC) + timedelta(days=2)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path) as made:
        yield made


@pytest.fixture
def jobs(site: Installation, lite: Layout) -> Installation:
    """A small shop on SQLite."""
    return over(site, lite)


def over(site: Installation, layout: Layout, url: str | sa.URL = "", **form: str) -> Installation:
    """The installation, its shop one table in this database."""
    layout.run(JOBS)
    (site.folder / "jobs.toml").write_text(PROFILE.format(more="", **form), encoding="utf-8")
    address = sa.make_url(url or layout.url).render_as_string(hide_password=False)
    site.configure(profile="jobs.toml", shop_url=address)
    return site


def more(site: Installation, columns: str, extra: str = "") -> None:
    """The profile with more columns and statements."""
    (site.folder / "jobs.toml").write_text(PROFILE.format(more=columns) + extra, encoding="utf-8")


def add(layout: Layout, **values: Any) -> None:
    row = {"state": "open", "at": f"{SOON:%Y-%m-%d} 09:00:00", "rego": "AAA001", "phone": "0400000001"} | values
    with layout.engine.begin() as connection:
        names = ", ".join(row)
        connection.execute(sa.text(f"INSERT INTO jobs ({names}) VALUES (:{', :'.join(row)})"), row)


def found(site: Installation, level: str, *, code: int | None = None) -> list[str]:
    """What `check` says at this level."""
    said = site.run("check")
    assert said.code == (int(level == "error") if code is None else code), said.out + said.err
    return [one["says"] for one in said.json["findings"] if one["level"] == level]


def one(lines: list[str], *words: str) -> str:
    """The only line with all of these words."""
    (line,) = [line for line in lines if all(word in line for word in words)]
    return line


# -- the shop: rights


@pytest.fixture
def weak_postgres(postgres: Layout) -> Iterator[tuple[Layout, sa.URL]]:
    """A user that may read, and nothing else until it is granted."""
    postgres.run("DROP ROLE IF EXISTS bridge", "CREATE ROLE bridge LOGIN", "GRANT USAGE ON SCHEMA public TO bridge", JOBS)
    postgres.run("GRANT SELECT ON jobs TO bridge")
    yield postgres, sa.make_url(postgres.url).set(username="bridge")
    postgres.run("DROP OWNED BY bridge", "DROP ROLE bridge")


@pytest.fixture
def weak_maria(maria: Layout) -> Iterator[tuple[Layout, sa.URL]]:
    maria.run("DROP USER IF EXISTS bridge@'127.0.0.1'", "CREATE USER bridge@'127.0.0.1' IDENTIFIED BY 'bridge'", JOBS)
    maria.run("GRANT SELECT ON shop.jobs TO bridge@'127.0.0.1'")
    yield maria, sa.make_url(maria.url).set(username="bridge", password="bridge")
    maria.run("DROP USER bridge@'127.0.0.1'")


@pytest.fixture(params=["weak_postgres", "weak_maria"])
def weak(request: pytest.FixtureRequest, site: Installation) -> tuple[Installation, Layout]:
    layout, url = request.getfixturevalue(request.param)
    layout.run("DROP TABLE jobs")
    over(site, layout, url)
    layout.run(f"GRANT SELECT ON {_table(layout)} TO {_bridge(layout)}")
    return site, layout


def _table(layout: Layout) -> str:
    return "jobs" if layout.engine.dialect.name == "postgresql" else "shop.jobs"


def _bridge(layout: Layout) -> str:
    return "bridge" if layout.engine.dialect.name == "postgresql" else "bridge@'127.0.0.1'"


def test_a_right_that_a_statement_lacks_is_named_with_what_to_do(weak: tuple[Installation, Layout]) -> None:
    site, _ = weak
    lines = found(site, "error")
    assert [line.partition(":")[0] for line in lines] == ["write.set_status", "write.set_notes"]
    assert "denied" in lines[0]
    assert lines[0].endswith(
        "give the database user of shop_url that right, or leave the statement out: then it is read only, and noted"
    )


def test_the_rights_that_are_enough_are_nothing_to_say(weak: tuple[Installation, Layout]) -> None:
    site, layout = weak
    layout.run(f"GRANT UPDATE ON {_table(layout)} TO {_bridge(layout)}")
    assert found(site, "error", code=0) == []
    assert not [line for line in found(site, "warning", code=0) if "alter or drop" in line]


@pytest.mark.parametrize("grant", ["ALTER", "DROP", "ALL PRIVILEGES"])
def test_a_user_of_mariadb_that_may_alter_is_warned_of(site: Installation, weak_maria: tuple[Layout, sa.URL], grant: str) -> None:
    layout, url = weak_maria
    layout.run("DROP TABLE jobs")
    over(site, layout, url)
    layout.run(f"GRANT UPDATE, SELECT ON shop.* TO {_bridge(layout)}", f"GRANT {grant} ON shop.* TO {_bridge(layout)}")
    line = one(found(site, "warning", code=0), "alter or drop tables")
    assert "make one of its own; SELECT, INSERT and UPDATE on the tables" in line


def test_a_user_that_may_delete_is_warned_of_unless_a_statement_does(weak: tuple[Installation, Layout]) -> None:
    site, layout = weak
    layout.run(f"GRANT UPDATE ON {_table(layout)} TO {_bridge(layout)}")
    assert not [line for line in found(site, "warning", code=0) if "more than is needed" in line]
    layout.run(f"GRANT DELETE ON {_table(layout)} TO {_bridge(layout)}")
    assert "may delete rows, which is more than is needed" in one(found(site, "warning", code=0), "more than is needed")
    more(site, "", 'cancel = "DELETE FROM jobs WHERE id = :key"\n')
    assert not [line for line in found(site, "warning", code=0) if "more than is needed" in line]


def test_rights_over_another_database_are_not_the_shops(site: Installation, weak_maria: tuple[Layout, sa.URL]) -> None:
    layout, url = weak_maria
    layout.run("DROP TABLE jobs")
    over(site, layout, url)
    layout.run(f"GRANT UPDATE, SELECT ON shop.* TO {_bridge(layout)}", f"GRANT ALL ON shopping.* TO {_bridge(layout)}")
    assert not [line for line in found(site, "warning", code=0) if "alter or drop" in line]


@pytest.mark.parametrize("way", ["owner", "member of the owner", "superuser"])
def test_a_user_of_postgresql_that_may_alter_is_warned_of(
    site: Installation, weak_postgres: tuple[Layout, sa.URL], way: str
) -> None:
    layout, url = weak_postgres
    layout.run("DROP TABLE jobs", "DROP ROLE IF EXISTS boss", "CREATE ROLE boss")
    over(site, layout, url)
    layout.run("GRANT SELECT, UPDATE ON jobs TO bridge")
    layout.run(*{
        "owner": ("ALTER TABLE jobs OWNER TO bridge",),
        "member of the owner": ("ALTER TABLE jobs OWNER TO boss", "GRANT boss TO bridge"),
        "superuser": ("ALTER ROLE bridge SUPERUSER",),
    }[way])  # fmt: skip
    assert one(found(site, "warning", code=0), "alter or drop tables")
    layout.run("ALTER TABLE jobs OWNER TO CURRENT_USER", "REVOKE boss FROM bridge", "DROP OWNED BY boss", "DROP ROLE boss")


def test_a_session_that_takes_no_write_is_an_error(site: Installation, weak_postgres: tuple[Layout, sa.URL]) -> None:
    """As on a replica: EXPLAIN says nothing of it."""
    layout, url = weak_postgres
    layout.run("DROP TABLE jobs")
    over(site, layout, url)
    layout.run("GRANT SELECT, UPDATE ON jobs TO bridge", "ALTER ROLE bridge SET default_transaction_read_only = on")
    line = one(found(site, "error"), "can only be read")
    assert 'set mode = "to-repairy"' in line
    site.configure(mode="to-repairy")
    assert found(site, "error", code=0) == []


def test_a_mariadb_replica_takes_no_write(site: Installation, weak_maria: tuple[Layout, sa.URL]) -> None:
    layout, url = weak_maria
    layout.run("DROP TABLE jobs")
    over(site, layout, url)
    layout.run(f"GRANT UPDATE, SELECT ON shop.* TO {_bridge(layout)}", "SET GLOBAL read_only = 1")
    try:
        assert one(found(site, "error"), "can only be read")
    finally:
        layout.run("SET GLOBAL read_only = 0")


def test_a_sqlite_file_that_can_only_be_read_is_an_error(site: Installation, lite: Layout, tmp_path: Path) -> None:
    over(site, lite, f"sqlite:///file:{tmp_path}/shop.db?mode=ro&uri=true")
    assert one(found(site, "error"), "can only be read")


def test_a_file_in_use_is_no_lack_of_rights(jobs: Installation, lite: Layout) -> None:
    with lite.engine.connect() as staff:
        staff.exec_driver_sql("BEGIN IMMEDIATE")
        assert found(jobs, "error", code=0) == []


# -- the shop: profile and tables


def test_a_statement_that_the_engine_refuses_is_named_and_not_run(site: Installation, layout: Layout) -> None:
    over(site, layout)
    add(layout, id=1, notes="n")
    more(site, "", 'cancel = "DELETE FROM jobs WHERE gone = 1"\n')
    line = one(found(site, "error"), "write.cancel: ")
    assert line.endswith("mend the statement, or leave it out: then it is read only, and noted")
    assert layout.rows("SELECT id, notes FROM jobs") == [(1, "n")]


def test_a_column_that_is_gone_is_said_with_where_to_look(site: Installation, layout: Layout) -> None:
    over(site, layout)
    layout.run("ALTER TABLE jobs RENAME COLUMN rego TO plate")
    line = one(found(site, "error"), "booking.select: does not run")
    assert "rego" in line
    assert line.endswith("was the shop's program updated? Compare its tables with the SELECT")


def test_a_table_that_changed_since_the_first_pass_is_told_by_column(jobs: Installation, lite: Layout) -> None:
    jobs.run("sync")
    lite.run("ALTER TABLE jobs RENAME COLUMN stamp TO changed")
    line = one(found(jobs, "error"), "the shop database has changed: jobs was stamp varchar(20), is changed varchar(20)")
    assert "`repairy-sync held` names it, `repairy-sync approve` accepts it" in line


def test_a_status_that_nobody_mapped_is_a_warning(site: Installation, layout: Layout) -> None:
    """Its bookings are held, the others go on."""
    over(site, layout)
    add(layout, id=1, state="parts")
    line = one(found(site, "warning", code=0), "status.read")
    assert (
        line
        == 'status.read: "parts" stands in 1 rows and is not listed; until it is added to [status.read], its bookings are held'
    )


def test_a_server_in_another_zone_is_an_error_where_its_clock_is_used(site: Installation, maria: Layout) -> None:
    over(site, maria)
    more(site, "", 'set_service = "UPDATE jobs SET notes = :description, stamp = NOW() WHERE id = :key"\n')
    line = one(found(site, "error"), "timezone: ")
    assert "load its zone tables, or set timezones" in line


NEEDS = "no booking of the shop can be made at Repairy, which needs"


def test_columns_that_a_create_at_repairy_needs_are_named_by_the_contract(jobs: Installation, lite: Layout) -> None:
    """The plan says of each booking what `check` says of all."""
    assert f"{NEEDS} `name` for one" in one(found(jobs, "warning", code=0), NEEDS)
    text = PROFILE.format(more="").replace(", rego, phone", "")
    (jobs.folder / "jobs.toml").write_text(text, encoding="utf-8")
    assert f"{NEEDS} `name`, `phone`, `rego` for one" in one(found(jobs, "warning", code=0), NEEDS)
    jobs.run("sync")
    add(lite, id=1)
    planned = jobs.run("plan").json["workshops"][0]["noted"]
    assert [noted["reason"] for noted in planned] == ["Repairy needs phone, rego, name"]


@pytest.mark.parametrize("columns", [", ref AS name", ", ref AS first_name, ref AS last_name", ", ref AS company"])
def test_a_shop_that_shows_all_that_repairy_needs_is_nothing_to_say(jobs: Installation, columns: str) -> None:
    more(jobs, columns)
    assert not [line for line in found(jobs, "warning", code=0) if NEEDS in line]


def test_a_mode_that_makes_nothing_at_repairy_needs_no_columns(jobs: Installation) -> None:
    jobs.configure(profile="jobs.toml", mode="to-shop")
    assert not [line for line in found(jobs, "warning", code=0) if NEEDS in line]


def test_a_session_in_another_zone_is_an_error_on_postgresql_too(site: Installation, postgres: Layout) -> None:
    """As behind a pooler, which hands on a session that was told something else."""
    over(site, postgres)
    more(site, "", 'set_service = "UPDATE jobs SET notes = :description, stamp = now() WHERE id = :key"\n')
    assert found(site, "error", code=0) == []
    with forgetful() as pooled:
        line = one(found(site, "error"), "timezone: ")
    assert pooled == ["told"]
    assert "connect to the server itself and to no pooler, or set timezones" in line


@contextlib.contextmanager
def forgetful() -> Iterator[list[str]]:
    """Every PostgreSQL session loses its zone when it is taken."""
    told: list[str] = []

    def lose(connection: Any, *_: object) -> None:
        if type(connection).__module__.startswith("psycopg"):
            told[:] = ["told"]
            connection.execute("SET TIME ZONE 'Asia/Tokyo'")
            connection.commit()

    sa.event.listen(sa.pool.Pool, "checkout", lose)
    try:
        yield told
    finally:
        sa.event.remove(sa.pool.Pool, "checkout", lose)


def test_a_timestamptz_that_a_statement_names_needs_the_sessions_zone(postgres: Layout) -> None:
    postgres.run("CREATE TABLE jobs (id INTEGER, state VARCHAR(10), at TIMESTAMPTZ, seen TIMESTAMPTZ, plain TIMESTAMP)")
    for column, zoned in (("seen", True), ("plain", False)):
        shop = postgres.shop(f"SELECT id AS key, state AS status, {column} AS starts_at FROM jobs")
        with forgetful():
            assert [line.partition(":")[0] for line in shop.verify()] == (["timezone"] if zoned else [])


def test_a_call_of_a_procedure_that_cannot_be_prepared_is_said_not_to_be_checked(site: Installation, layout: Layout) -> None:
    over(site, layout)
    more(site, "", 'cancel = "CALL cancel_job(:key)"\n')
    line = one(found(site, "warning", code=0), "not checked on ")
    assert ": whether it accepts write.cancel. `repairy-sync check --test-booking` tries a create" in line


def test_the_clock_of_an_engine_without_a_zone_to_ask_is_said_not_to_be_checked(jobs: Installation) -> None:
    more(jobs, "", 'set_service = "UPDATE jobs SET notes = :description, stamp = CURRENT_TIMESTAMP WHERE id = :key"\n')
    line = one(found(jobs, "warning", code=0), "not checked on SQLite: ")
    assert "the zone of the database's own clock (current_timestamp)." in line


def test_where_nothing_is_left_out_nothing_is_said_of_it(site: Installation, layout: Layout) -> None:
    over(site, layout)
    assert not [line for line in found(site, "warning", code=0) if "not checked" in line]


CREATE = """
[[write.create]]
set = "key"
insert = "INSERT INTO jobs (id, state, at, rego, phone, ref) VALUES (7, :status, :starts_at, :rego, :phone, {write})"
"""


def test_a_create_that_does_not_remember_says_how_it_could(site: Installation, layout: Layout) -> None:
    """And what it says works on that engine: the row is found again by Repairy's code, whatever else stands in the column."""
    over(site, layout)
    more(site, "", CREATE.format(write="NULL"))
    line = one(found(site, "warning", code=0), "do not remember their booking at Repairy")
    write, read = MARKER[layout.engine.dialect.name]
    assert f"insert {write}, and read it back as {read} AS repairy_ref" in line
    insert = f"INSERT INTO jobs (id, state, at, rego, ref) VALUES (7, :status, :starts_at, :rego, {write})"
    columns = f"id AS key, state AS status, at AS starts_at, rego, {read.replace('remarks', 'ref')} AS repairy_ref"
    shop = layout.shop(f"SELECT {columns} FROM jobs", {"create": [{"set": "key", "insert": [insert, "SELECT 7"]}]})
    made = shop.create({"starts_at": "2026-03-05T22:00:00Z", "rego": "AAA001", "phone": "0400000001"}, Names(code="C1"))
    assert made.ref == "C1"
    layout.run("UPDATE jobs SET ref = 'call first [Repairy C1] ok'")
    again = shop.remembered(Names(code="C1"))
    assert again is not None
    assert again.key == "7"
    layout.run("UPDATE jobs SET ref = 'plain'")
    assert shop.remembered(Names(code="C1")) is None


def test_a_create_that_remembers_is_nothing_to_say(jobs: Installation) -> None:
    more(
        jobs,
        ", ref AS repairy_ref",
        'link = "UPDATE jobs SET ref = :repairy_id WHERE id = :key"\n' + CREATE.format(write=":repairy_id"),
    )
    assert not [line for line in found(jobs, "warning", code=0) if "remember" in line]


# -- the shop: rows


ODD: dict[str, tuple[dict[str, Any], str]] = {
    "phone": ({"phone": "ask at the desk"}, "1 row, such as key 9, have a phone of fewer than 6 digits"),
    "short phone": ({"phone": "12"}, "1 row, such as key 9, have a phone of fewer than 6 digits"),
    "plate": ({"rego": "--"}, "1 row, such as key 9, have no plate"),
    "time": (
        {"at": f"{SOON:%Y-%m-%d} noon"},
        "1 row, such as key 9, have a time that cannot be read and are left out; times in a form",
    ),
    "stamp": (
        {"stamp": "2199-01-01 00:00:00"},
        "1 row, such as key 9, were changed in the future: is timezones.changed_at right",
    ),
}


@pytest.mark.parametrize("case", ODD)
def test_an_odd_row_is_counted_and_named_by_its_key_alone(site: Installation, layout: Layout, case: str) -> None:
    values, says = ODD[case]
    over(site, layout)
    more(site, ", stamp AS changed_at")
    add(layout, id=1)
    add(layout, id=9, **values)
    lines = found(site, "warning", code=0)
    assert says in one(lines, says)
    told = site.run("check", json=False).out + "".join(lines)
    assert not [value for value in ("ask at the desk", "noon", "0400000001", "AAA001") if value in told]


def test_ordinary_rows_are_nothing_to_say(site: Installation, layout: Layout) -> None:
    over(site, layout)
    add(layout, id=1)
    add(layout, id=2, phone=None)
    assert not [line for line in found(site, "warning", code=0) if "row" in line and "key" in line]


def test_bytes_that_are_no_text_are_counted(jobs: Installation, lite: Layout) -> None:
    add(lite, id=1, notes=b"caf\xe9")
    line = one(found(jobs, "warning", code=0), "1 row, such as key 1, hold bytes that are no text")
    assert "?charset=" in line


# -- two bridges, and one that moved


def test_a_row_that_another_bridge_linked_is_told(jobs: Installation, lite: Layout) -> None:
    more(jobs, ", ref AS repairy_ref")
    add(lite, id=1, ref="69b0000000000000000000ff")
    line = one(found(jobs, "warning", code=0), "carry a booking at Repairy that this installation does not know")
    assert "such as key 1," in line
    assert "stop one of the two" in line


def test_rows_of_our_own_are_no_strangers(site: Installation) -> None:
    site.run("backfill", "--nothing-at-repairy")
    assert not [line for line in found(site, "warning", code=0) if "another bridge" in line]


def test_a_reference_with_a_foreign_prefix_is_told(site: Installation) -> None:
    site.run("sync")
    booking = site.book_online(45, site.office.at(3, 9))
    site.sandbox.partner.edit(booking, externalId="OTHER-45")
    site.tell(booking)
    site.run("sync")
    line = one(found(site, "warning", code=0), "a reference without our prefix, such as OTHER-45")
    assert "Two bridges double bookings: stop one of them" in line


def test_an_installation_that_was_exported_is_an_error(site: Installation) -> None:
    site.run("sync")
    site.secret("web_token", "x" * 40)
    assert site.run("export", str(site.folder / "box")).code == 0
    line = one(found(site, "error"), "was moved away")
    assert "export --undo" in line


# -- clocks and addresses


@dataclasses.dataclass
class Wrong(SystemClock):
    """A machine whose clock is off."""

    off: timedelta

    def now(self) -> datetime:
        return super().now() + self.off


CLOCKS = {
    "right": (timedelta(seconds=20), None, ""),
    "behind": (timedelta(minutes=-2), "warning", "s behind Repairy's: turn on time synchronisation"),
    "ahead": (timedelta(minutes=2), "warning", "s ahead of Repairy's: turn on time synchronisation"),
    "far off": (timedelta(minutes=-7), "error", "every webhook is refused as too old or too early"),
}


@pytest.mark.parametrize("case", CLOCKS)
def test_a_clock_that_is_off_is_told_by_repairys(site: Installation, case: str) -> None:
    off, level, says = CLOCKS[case]
    with contextlib.closing(App(settings.load(site.folder / "repairy-sync.toml"), Wrong(off))) as app:
        lines = [line for line in check(app, list(app.settings.workshops)) if line.about == "clock"]
    assert [line.level for line in lines] == ([level] if level else [])
    assert all(says in line.says for line in lines)


def test_addresses_that_alerts_cannot_use_are_named_by_place_and_never_by_text(site: Installation) -> None:
    site.configure(policy='[alerts]\nnotify = ["json://127.0.0.1/", "carrier-pigeon:secret-loft"]\n')
    said = site.run("check")
    lines = [line["says"] for line in said.json["findings"] if line["about"] == "alerts"]
    assert lines == ["alerts.notify: address 2 is not one that Apprise knows; https://appriseit.com lists the forms"]
    assert said.code == 1
    assert "secret-loft" not in said.out + said.err


def test_checking_changes_not_one_byte_of_a_sqlite_file(site: Installation) -> None:
    """Also where it is tried whether it can be written."""
    before = (site.folder / "shop.db").read_bytes()
    assert site.run("check").code == 0
    assert (site.folder / "shop.db").read_bytes() == before
    assert sorted(file.name for file in site.folder.glob("shop.db*")) == ["shop.db"]


# -- exit codes


def test_a_repairy_that_is_down_is_75(site: Installation) -> None:
    site.sandbox.stop_listening()
    assert one(found(site, "error", code=75), "no connection")


def test_a_shop_that_is_gone_is_75_also_where_something_else_is_wrong(site: Installation) -> None:
    (site.folder / "shop.db").unlink()
    site.configure(policy='[alerts]\nnotify = ["carrier-pigeon:x"]\n')
    assert one(found(site, "error", code=75), "database file shop.db is not there")


def test_offline_asks_no_side(site: Installation) -> None:
    site.sandbox.stop_listening()
    assert site.run("check", "--offline").code == 0
