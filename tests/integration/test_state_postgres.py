"""The state store on PostgreSQL: what differs from SQLite in the driver or in how transactions meet."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count

import pytest
import sqlalchemy as sa

from sync.errors import Conflict, Unreachable
from sync.ports import Event
from sync.records import Intent, Source, Standing
from sync.state import migrate
from sync.state.glance import Glance
from sync.state.store import StateStore

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
def url(postgres_url: str) -> Iterator[str]:
    server = sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    name = f"state_{os.getpid()}_{next(_numbers)}"
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        yield server.url.set(database=name).render_as_string(hide_password=False)
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    server.dispose()


@pytest.fixture
def store(url: str) -> Iterator[StateStore]:
    migrate.upgrade(url)
    opened = StateStore(url, _Noon())
    yield opened
    opened.close()


def _intent(op: str, link_id: int) -> Intent:
    return Intent(op, link_id, "north", "repairy", "done", {}, {"status": "done"}, None, None, {"visible": ["done"]}, NOON)


def test_what_goes_in_comes_out(store: StateStore) -> None:
    """Texts, times, sets and mappings of a link and an intent survive the trip."""
    made = store.add("north", reference="N-1", shop={"rego": "AAA001", "name": "ä …"}, visible={"done"}, marks=("a", "b"))
    store.intend(_intent("op1", made.id))
    assert store.link(made.id) == made
    assert (made.shop, made.visible, made.marks, made.locked) == ({"rego": "AAA001", "name": "ä …"}, {"done"}, ("a", "b"), False)
    assert store.open_intents("north") == [_intent("op1", made.id)]
    assert store.visible_since("north", NOON) == 1


def test_a_change_of_an_old_copy_is_a_conflict(store: StateStore) -> None:
    made = store.add("north", reference="N-1")
    store.save(made, error="first")
    with pytest.raises(Conflict, match="N-1"):
        store.save(made, error="second")
    assert store.link(made.id).error == "first"


def test_one_stale_row_undoes_a_whole_batch(store: StateStore) -> None:
    links = [store.add("north", reference=f"N-{turn}") for turn in range(5)]
    store.save(links[3], error="moved")
    with pytest.raises(Conflict):
        store.save_all([(link, {"attempts": 9}) for link in links])
    assert [link.attempts for link in store.links("north")] == [0] * 5


def test_a_batch_of_many_is_saved(store: StateStore) -> None:
    store.add_all("north", [{"reference": f"N-{turn}"} for turn in range(500)])
    saved = store.save_all([(link, {"due_at": "2026-03-05T12:00:00.000000Z"}) for link in store.links("north")])
    assert store.links("north", due=NOON) == saved


@pytest.mark.parametrize("column", ["reference", "repairy_id"])
def test_names_are_unique_in_a_workshop_only(store: StateStore, column: str) -> None:
    store.add("north", **{column: "X"})
    store.add("south", **{column: "X"})
    with pytest.raises(Conflict):
        store.add("north", **{column: "X"})


def test_joining_moves_the_journal_and_the_holds(store: StateStore) -> None:
    keep, drop = store.add("north", shop_key="1"), store.add("north", repairy_id="R1")
    store.intend(_intent("op1", drop.id))
    store.stand("north", drop.id, [Standing("", "north", drop.id, "held", "identity", "two candidates", NOON)])
    joined = store.join(keep, drop, repairy_id="R1")
    assert store.links("north") == [joined]
    assert joined.paired
    assert [one.op for one in store.intents(keep.id)] == ["op1"]
    assert [one.link_id for one in store.standings("north")] == [keep.id]


def test_an_event_is_stored_once_however_many_deliveries_race(store: StateStore) -> None:
    """Eight threads deliver the same event: one of them stores it, none fails."""
    gate, said = threading.Barrier(8), []

    def deliver() -> None:
        gate.wait()
        said.append(store.add_event(Event("e1", "created", "R1", None, NOON), "north"))

    threads = [threading.Thread(target=deliver) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(said) == [False] * 7 + [True]
    assert len(store.events("north")) == 1


def test_two_threads_that_compare_and_set_lose_nothing(store: StateStore) -> None:
    """Two threads, 100 read-then-write turns each: every one counts, since who was slower reads again."""
    made = store.add("north", reference="N-1")

    def climb() -> None:
        for _ in range(100):
            while True:
                link = store.link(made.id)
                try:
                    store.save(link, attempts=link.attempts + 1)
                    break
                except Conflict:
                    continue

    threads = [threading.Thread(target=climb) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert store.link(made.id).attempts == 200


def test_quiet_passes_share_a_row_and_are_seen(store: StateStore) -> None:
    """The figure inside the JSON is found here too."""
    for counts in ({"calls": 2}, {}, {"repairy.accepted": 1}):
        store.record_run("north", NOON, NOON, counts)
    runs = Glance(store.database, _Noon()).passes("north", NOON)
    assert sorted(run.counts.get("quiet", 0) for run in runs) == [0, 2]
    assert Glance(store.database, _Noon()).counts("north") == {}


def test_a_copy_is_whole_and_apart(store: StateStore) -> None:
    """The copy in memory holds the same rows; what is done to it is not done here."""
    link = store.add("north", reference="N-1")
    store.save_source(Source("north", "shop", cursor="7", last_good=NOON))
    copy = store.copy("north")
    assert copy.links("north") == [link]
    assert copy.source("north", "shop") == store.source("north", "shop")
    copy.add("north", reference="N-2")
    assert store.links("north") == [link]


def test_a_state_before_its_first_migration_copies_as_empty(url: str) -> None:
    store = StateStore(url, _Noon())
    assert store.copy().links("north") == []
    store.close()


def test_a_state_before_its_first_migration_says_what_to_do(url: str) -> None:
    store = StateStore(url, _Noon())
    with pytest.raises(Unreachable, match="migrate"):
        store.links("north")
    store.close()


def test_a_server_that_is_gone_is_unreachable_and_its_password_unsaid() -> None:
    store = StateStore("postgresql+psycopg://test:hush-hush@127.0.0.1:9/state", _Noon())
    with pytest.raises(Unreachable) as caught:
        store.ready()
    assert "hush-hush" not in str(caught.value)
    store.close()


def test_a_read_only_server_is_not_ready(store: StateStore, url: str) -> None:
    """A standby takes no writes, and `ready` says so."""
    store.ready()
    with store.database.engine.connect() as connection:
        connection.exec_driver_sql("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
        connection.commit()
    with pytest.raises(Unreachable, match="read-only"):
        store.ready()
