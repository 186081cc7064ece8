"""One writer per workshop: held, stolen, lost; on SQLite by a lock file, on PostgreSQL by a row with a fencing number."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa

from sync.errors import LeaseHeld, LeaseLost
from sync.records import Intent
from sync.state import migrate
from sync.state.lease import TTL, acquire
from sync.state.store import StateStore

ROOT = Path(__file__).parents[2]
_numbers = count(1)


class _Hand:
    """A clock set by hand."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 5, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> _Hand:
    return _Hand()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    migrate.upgrade(url)
    return url


@pytest.fixture
def pg_url(postgres_url: str) -> Iterator[str]:
    server = sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    name = f"lease_{os.getpid()}_{next(_numbers)}"
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        url = server.url.set(database=name).render_as_string(hide_password=False)
        migrate.upgrade(url)
        yield url
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    server.dispose()


@pytest.fixture(params=["sqlite_url", "pg_url"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def test_a_second_taker_is_told_who_holds_it(url: str, clock: _Hand) -> None:
    """The message names the command, the process, the host and since when."""
    with acquire(url, "north", "run", clock), pytest.raises(LeaseHeld) as caught:
        acquire(url, "north", "sync", clock)
    assert f"run (process {os.getpid()} on " in str(caught.value)
    assert "since 2026-03-05T12:00:00Z" in str(caught.value)


def test_a_released_lease_can_be_taken(url: str, clock: _Hand) -> None:
    acquire(url, "north", "run", clock).release()
    with acquire(url, "north", "sync", clock) as second:
        assert not second.lost


def test_releasing_twice_does_not_free_the_next_holders_lease(url: str, clock: _Hand) -> None:
    first = acquire(url, "north", "run", clock)
    first.release()
    with acquire(url, "north", "sync", clock):
        first.release()
        with pytest.raises(LeaseHeld):
            acquire(url, "north", "run", clock)


def test_workshops_do_not_hinder_each_other(url: str, clock: _Hand) -> None:
    with acquire(url, "north", "run", clock), acquire(url, "south", "run", clock) as second:
        assert not second.lost


def test_a_released_lease_writes_nothing_more(url: str, clock: _Hand) -> None:
    """A store under a lease that was given back commits nothing."""
    lease = acquire(url, "north", "run", clock)
    store = StateStore(url, clock, workshop_lease=lease)
    store.add("north", reference="N-1")
    lease.release()
    with pytest.raises(LeaseLost):
        store.add("north", reference="N-2")
    assert [link.reference for link in store.links("north")] == ["N-1"]
    with pytest.raises(LeaseLost):
        lease.renew()


def test_odd_workshop_names_get_lock_files_of_their_own(sqlite_url: str, tmp_path: Path, clock: _Hand) -> None:
    """No name leaves the folder, and two names never share a file."""
    outside = set(tmp_path.parent.iterdir())
    with acquire(sqlite_url, "../a b", "run", clock), acquire(sqlite_url, "../a/b", "run", clock):
        locks = sorted(path.name for path in tmp_path.glob("*.lock"))
    assert len(locks) == 2
    assert set(tmp_path.parent.iterdir()) == outside


def test_the_lock_file_of_a_killed_process_is_free_at_once(sqlite_url: str, clock: _Hand) -> None:
    """The system lets go of the lock; the note that a dead holder left behind stops nobody."""
    code = "import sys; from sync.machine import SystemClock; from sync.state.lease import acquire\n"
    code += "held = acquire(sys.argv[1], 'north', 'run', SystemClock()); print('held', flush=True); sys.stdin.read()"
    child = subprocess.Popen(
        [sys.executable, "-c", code, sqlite_url], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(LeaseHeld, match=f"process {child.pid}"):
            acquire(sqlite_url, "north", "sync", clock)
    finally:
        child.kill()
        child.communicate(timeout=20)
    with acquire(sqlite_url, "north", "sync", clock) as lease:
        assert not lease.lost


def test_who_lost_the_lock_file_commits_nothing(sqlite_url: str, tmp_path: Path, clock: _Hand) -> None:
    """The file was deleted by hand and another process holds a new one: the first writes nothing more, nor frees the other's."""
    old = acquire(sqlite_url, "north", "run", clock)
    store = StateStore(sqlite_url, clock, workshop_lease=old)
    (tmp_path / "state.db.north.lock").unlink()
    with acquire(sqlite_url, "north", "sync", clock):
        with pytest.raises(LeaseLost):
            store.add("north", reference="N-1")
        old.release()
        with pytest.raises(LeaseHeld, match="sync"):
            acquire(sqlite_url, "north", "run", clock)


def test_in_memory_nothing_is_locked(clock: _Hand) -> None:
    with acquire("sqlite://", "north", "run", clock), acquire("sqlite://", "north", "run", clock) as second:
        assert not second.lost


def test_a_lease_that_ended_by_the_clock_is_stolen_with_a_higher_number(pg_url: str, clock: _Hand) -> None:
    first = acquire(pg_url, "north", "run", clock)
    clock.sleep(TTL.total_seconds())
    second = acquire(pg_url, "north", "run", clock)
    assert (first.fence, second.fence) == (1, 2)


def test_a_renewed_lease_is_not_stolen(pg_url: str, clock: _Hand) -> None:
    first = acquire(pg_url, "north", "run", clock)
    clock.sleep(TTL.total_seconds() - 1)
    first.renew()
    clock.sleep(TTL.total_seconds() - 1)
    with pytest.raises(LeaseHeld):
        acquire(pg_url, "north", "sync", clock)


def test_who_slept_through_the_lease_commits_nothing(pg_url: str, clock: _Hand) -> None:
    """Each kind of write of the old holder is refused; the new holder's go through."""
    old = acquire(pg_url, "north", "run", clock)
    store = StateStore(pg_url, clock, workshop_lease=old)
    link = store.add("north", reference="N-1")
    intent = Intent("op1", link.id, "north", "shop", "change", {}, {}, None, None, {}, clock.now())
    store.intend(intent)
    clock.sleep(TTL.total_seconds())
    new = StateStore(pg_url, clock, workshop_lease=acquire(pg_url, "north", "run", clock))
    with pytest.raises(LeaseLost):
        store.save(link, error="late")
    with pytest.raises(LeaseLost):
        store.finish(intent, "accepted", "", link)
    with pytest.raises(LeaseLost):
        store.decide("north", "pause", "", "all")
    with pytest.raises(LeaseLost):
        old.renew()
    assert new.save(link, error="in time").error == "in time"
    assert new.decisions("north") == []


def test_a_late_holder_still_commits_while_nobody_took_over(pg_url: str, clock: _Hand) -> None:
    """Safety rests on the number, not on the clock: an unstolen lease lets its holder finish."""
    lease = acquire(pg_url, "north", "run", clock)
    store = StateStore(pg_url, clock, workshop_lease=lease)
    clock.sleep(10 * TTL.total_seconds())
    assert store.add("north", reference="N-1").id
    lease.renew()


def test_a_thief_waits_until_an_open_commit_has_ended(pg_url: str, clock: _Hand) -> None:
    """A transaction that has checked its number cannot be overtaken before it commits."""
    lease = acquire(pg_url, "north", "run", clock)
    store = StateStore(pg_url, clock, workshop_lease=lease)
    clock.sleep(TTL.total_seconds())
    stolen = threading.Event()

    def steal() -> None:
        acquire(pg_url, "north", "run", clock)
        stolen.set()

    thief = threading.Thread(target=steal)
    with store.database.writing(lease) as connection:
        thief.start()
        assert not stolen.wait(0.3)
        connection.exec_driver_sql("SELECT 1")
    thief.join(20)
    assert stolen.is_set()


def test_two_first_comers_get_one_lease(pg_url: str, clock: _Hand) -> None:
    """Eight threads, one winner; the others are told that it is held."""
    gate, got = threading.Barrier(8), []

    def race() -> None:
        gate.wait()
        try:
            got.append(acquire(pg_url, "north", "run", clock).fence)
        except LeaseHeld:
            got.append(None)

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(got, key=str) == [1] + [None] * 7
