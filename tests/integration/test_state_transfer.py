"""Moving a workshop's state to another database: whole, under new ids, or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa

from sync.errors import ConfigError
from sync.ports import Event
from sync.records import Desk, Intent, Source, Standing
from sync.state import migrate
from sync.state.store import StateStore
from sync.state.transfer import dump, load

NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)
_numbers = count(1)


class _Noon:
    """A clock that stands still."""

    def now(self) -> datetime:
        return NOON

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None: ...


@pytest.fixture
def source() -> StateStore:
    """A state of two workshops, with something in every table."""
    store = StateStore("sqlite://", _Noon())
    for workshop in ("south", "north"):
        link = store.add(workshop, reference="N-1", shop={"rego": "AAA001"}, visible={"done"}, marks=("b", "a"), shop_digest="d")
        store.intend(
            Intent("op-" + workshop, link.id, workshop, "shop", "change", {}, {"vin": None}, None, {}, {"groups": []}, NOON)
        )
        store.stand(workshop, link.id, [Standing("", workshop, link.id, "held", "time", "why", NOON, until=NOON)])
        store.add_event(Event("e1", "created", "R1", None, NOON), workshop)
        store.save_source(Source(workshop, "shop", "7", {"": "db"}, last_good=NOON))
        store.save_desk(Desk(workshop, "two-way", NOON))
        store.decide(workshop, "pause", "", "all")
        store.record_run(workshop, NOON, NOON, {"actions": 1})
    return store


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StateStore]:
    """A new state of each kind, where another workshop lives already."""
    if request.param == "sqlite":
        url, server, name = f"sqlite:///{tmp_path / 'state.db'}", None, ""
    else:
        server = sa.create_engine(request.getfixturevalue("postgres_url"), isolation_level="AUTOCOMMIT")
        name = f"transfer_{os.getpid()}_{next(_numbers)}"
        with server.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        url = server.url.set(database=name).render_as_string(hide_password=False)
    migrate.upgrade(url)
    store = StateStore(url, _Noon())
    store.add("west", reference="W-1")
    store.add("west", reference="W-2")
    yield store
    store.close()
    if server is not None:
        with server.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        server.dispose()


def test_what_is_moved_is_the_same_there(source: StateStore, target: StateStore) -> None:
    """Every table of one workshop arrives; ids are given anew, and journal and holds follow their booking."""
    counts = load(target, "north", list(dump(source, "north")))
    assert set(counts.values()) == {1}
    assert len(counts) == 8
    (was,), (now,) = source.links("north"), target.links("north")
    assert replace(was, id=now.id) == now
    assert [replace(one, link_id=now.id) for one in source.intents(was.id)] == target.intents(now.id)
    assert [replace(one, link_id=now.id) for one in source.standings("north")] == target.standings("north")
    assert target.digests("north") == source.digests("north")
    assert target.events("north") == source.events("north")
    assert target.source("north", "shop") == source.source("north", "shop")
    assert target.desk("north") == source.desk("north")
    assert [one.kind for one in target.decisions("north")] == ["pause"]
    assert target.last_runs("north", 9)[0].counts == {"actions": 1}
    assert target.count("south") == {}
    assert target.add("north", reference="N-2").id > now.id


def test_a_workshop_may_be_called_otherwise_there(source: StateStore, target: StateStore) -> None:
    load(target, "northside", dump(source, "north"))
    assert [link.reference for link in target.links("northside")] == ["N-1"]


def test_bookings_that_are_there_already_are_not_mixed(source: StateStore, target: StateStore) -> None:
    load(target, "north", dump(source, "north"))
    with pytest.raises(ConfigError, match="already"):
        load(target, "north", dump(source, "north"))
    assert target.count("north") == {"open": 1}


@pytest.mark.parametrize("cut", [0, 1, 2, 5, -1])
def test_an_export_that_was_cut_off_leaves_nothing(source: StateStore, target: StateStore, cut: int) -> None:
    with pytest.raises(ConfigError):
        load(target, "north", list(dump(source, "north"))[:cut])
    assert target.links("north") == target.decisions("north") == []


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[]",
        "made up",
        '{"table": "lease", "row": {}}',
        '{"table": "booking_link", "row": {"later": 1}}',
        '{"table": "hold"}',
        '{"table": "hold", "row": {"link_id": 99}}',
        '{"table": "pass_run", "row": {"started_at": "noon"}}',
    ],
)
def test_a_line_that_is_not_ours_leaves_nothing(source: StateStore, target: StateStore, line: str) -> None:
    lines = list(dump(source, "north"))
    with pytest.raises(ConfigError):
        load(target, "north", [*lines[:3], line, *lines[3:]])
    assert target.links("north") == []


def test_lines_are_json_a_row_each(source: StateStore) -> None:
    lines = [json.loads(line) for line in dump(source, "north")]
    assert lines[0] == {"repairy-sync": 1, "workshop": "north"}
    assert {line["row"]["workshop"] for line in lines[1:-1]} == {"north"}


def test_what_names_a_booking_by_its_number_follows_it(source: StateStore, target: StateStore) -> None:
    """A decision of a person, and the bookings of a held plan: under the new number they still mean the same booking."""
    (was,) = source.links("north")
    source.decide("north", "resolve", str(was.id), '{"use": "shop"}')
    details = {"kind": "change", "links": {str(was.id): "signature"}, "bookings": {str(was.id): ["time"]}}
    source.stand("north", None, [Standing("", "north", None, "plan", "change", "many", NOON, "digest", 1, details)])
    load(target, "north", dump(source, "north"))
    (now,) = target.links("north")
    assert now.id != was.id
    assert [one.target for one in target.decisions("north") if one.kind == "resolve"] == [str(now.id)]
    (plan,) = target.plans("north")
    assert plan.details == {"kind": "change", "links": {str(now.id): "signature"}, "bookings": {str(now.id): ["time"]}}


def test_of_two_bookings_under_one_key_the_newer_stays_the_newer(source: StateStore, target: StateStore) -> None:
    for reference in ("N-8", "N-8~2", "N-8~3"):
        source.add("north", reference=reference, shop_key="8")
    load(target, "north", dump(source, "north"))
    mine = [link for link in target.links("north") if link.shop_key == "8"]
    assert [link.reference for link in sorted(mine, key=lambda link: link.id)] == ["N-8", "N-8~2", "N-8~3"]
