"""The n-th operation fails, for n = 1 until none is left to fail: of the databases, the disk, the network and the clock.

Each story is told again for every n, with one fault in it, and must end as it ends without: every promise of `proof`
holds. `NTH=kind:story:n` shows one. A fault that was armed and never fired ends the count, or fails the test.
"""

from __future__ import annotations

import gc
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from sync.state.journal import MappingJournal
from tests.simulation.branches import Answer, Branches
from tests.simulation.machine import SimClock
from tests.simulation.scripted import COURSES, LATER, Scripted

TESTED = (("socket", "booked_online"), ("fsync", "booked_at_the_counter"))
SOAKED = ("booked_at_the_counter", "booked_online", "two_of_one_day", "changed_and_cancelled_online", "a_locked_row")
NOTHING_KEPT = ("booked_online", "changed_and_cancelled_online")  # no reference and nothing visible goes out
LAST = 100_000
ERRORS = ("disk I/O error", "database or disk is full", "database is locked")
READS = ("SELECT", "PRAGMA")  # each stands in a transaction whose beginning fails too, which is the same to the caller


class Nth:
    """Counts operations while a pass runs, and says which one fails; with branches each does, in a copy of its own."""

    def __init__(self, n: int, branches: Branches[int] | None = None) -> None:
        self.n, self.count, self.counting, self.fired = n, 0, False, ""
        self.branches = branches

    def __call__(self, what: str) -> bool:
        """Whether this one fails."""
        if not self.counting:
            return False
        self.count += 1
        if self.branches and self.branches.at(self.count):
            self.n = self.count
        if self.count == self.n:
            self.fired = what
        return self.count == self.n

    def laid_over(self, turn: Callable[[], None]) -> Callable[[], None]:
        def counted() -> None:
            self.counting = True
            try:
                turn()
            finally:
                self.counting = False

        return counted


# -- databases: the state's and the shop's


class _Cursor(sqlite3.Cursor):
    def execute(self, sql: str, *values: Any) -> Any:
        self.connection.ask(sql)
        return super().execute(sql, *values)

    def executemany(self, sql: str, *values: Any) -> Any:
        self.connection.ask(sql)
        return super().executemany(sql, *values)


def database(nth: Nth, patch: pytest.MonkeyPatch, whole: bool) -> None:
    """Transactions that do not begin, statements and commits without effect, commits that have it and do not say so.

    `whole`: each single SELECT too."""

    class Connection(sqlite3.Connection):
        writes = False

        def cursor(self, *_: Any) -> Any:
            return super().cursor(_Cursor)

        def ask(self, sql: str) -> None:
            word = sql.split(None, 1)[0].upper()
            if word == "BEGIN":
                self.writes = "IMMEDIATE" in sql
            if (whole or word not in READS) and nth(word):
                raise sqlite3.OperationalError(ERRORS[nth.n % len(ERRORS)])

        def commit(self) -> None:
            if self.writes and nth("COMMIT"):
                raise sqlite3.OperationalError(ERRORS[nth.n % len(ERRORS)])
            super().commit()
            if self.writes and nth("COMMIT, and it took"):
                raise sqlite3.OperationalError(ERRORS[0])

    def connect(*args: Any, **options: Any) -> sqlite3.Connection:
        return real(*args, **{**options, "factory": Connection})

    real = sqlite3.connect
    patch.setattr(sqlite3, "connect", connect)
    patch.setattr(sqlite3.dbapi2, "connect", connect)


# -- the disk


def fsync(nth: Nth, patch: pytest.MonkeyPatch) -> None:
    def failing(handle: int) -> None:
        if nth("fsync"):
            raise OSError(5, "Input/output error")
        real(handle)

    real = os.fsync
    patch.setattr(os, "fsync", failing)


# -- the network: connecting, sending, the answer's head, the answer's body


def socket(nth: Nth, story: Scripted) -> None:
    world = story.world
    handle = world.wire._handle

    def carried(request: httpx.Request) -> httpx.Response:
        if nth("connect"):
            raise httpx.ConnectError("refused", request=request)
        if nth("send"):
            raise httpx.WriteError("reset", request=request)
        answer = handle(request)
        if nth("head"):
            raise (httpx.ReadTimeout if nth.n % 2 else httpx.RemoteProtocolError)("lost", request=request)
        body = answer.read()
        if nth("body"):
            return httpx.Response(answer.status_code, headers=answer.headers, stream=_Broken(body, request))
        return httpx.Response(answer.status_code, headers=answer.headers, stream=httpx.ByteStream(body))

    world.wire.transport = httpx.MockTransport(carried)
    world.boot()


class _Broken(httpx.SyncByteStream):
    def __init__(self, body: bytes, request: httpx.Request) -> None:
        self.body, self.request = body, request

    def __iter__(self) -> Iterator[bytes]:
        yield self.body[: len(self.body) // 2]
        raise httpx.ReadError("reset", request=self.request)


# -- the clock


class Stepped(SimClock):
    """The program's own clock: from the n-th reading on back or forward, or, `once`, that reading alone is wrong."""

    def __init__(self, nth: Nth, true: SimClock) -> None:
        self.nth, self.true = nth, true
        self.off = timedelta()

    def now(self) -> datetime:
        if self.nth("reading of the clock"):
            step, once = STEPS[self.nth.n % len(STEPS)]
            if once:
                return self.true.now() + step
            self.off = step
        return self.true.now() + self.off

    def monotonic(self) -> float:
        return self.true.monotonic()

    def sleep(self, seconds: float) -> None:
        self.true.sleep(seconds)


STEPS = ((timedelta(hours=-2), False), (timedelta(hours=2), False), (timedelta(days=1), True))


def clock(nth: Nth, story: Scripted) -> None:
    world = story.world
    world.clock = world.state.store.clock = world.store._clock = Stepped(nth, world.clock)
    world.boot()


# -- one telling

KINDS = ("database", "fsync", "socket", "clock")


def told(
    kind: str, name: str, n: int, folder: Path, whole: bool = False, branches: Branches[int] | None = None
) -> tuple[str, list[str]]:
    """One story with its n-th operation failing: what failed ("": nothing was left), and the promises that broke."""
    nth = Nth(n, branches)
    with pytest.MonkeyPatch.context() as patch:
        if kind == "database":
            database(nth, patch, whole)
        elif kind == "fsync":
            fsync(nth, patch)
        try:
            lines = _told(kind, name, nth, folder)
        except Exception as error:
            error.add_note(f"NTH={kind}:{name}:{nth.n} ({nth.fired})")
            raise
    return nth.fired, [f"NTH={kind}:{name}:{nth.n} ({nth.fired})", *lines] if lines else []


def _told(kind: str, name: str, nth: Nth, folder: Path) -> list[str]:
    story = Scripted()
    world = story.world
    try:
        if kind == "fsync":
            world.journal = MappingJournal(folder / f"{nth.n}.jsonl")  # type: ignore[assignment]
            world.boot()
        elif kind == "socket":
            socket(nth, story)
        elif kind == "clock":
            clock(nth, story)
        story.pass_ = nth.laid_over(world.turn)
        COURSES[name](story)
        story.pass_ = world.turn
        if kind == "clock" and nth.fired:
            story.rest(LATER)
        lines = story.broken() if nth.fired else []
        lines += _journal_lacks(story) if kind == "fsync" else []
        return [*world.machine.trace[-80:], *lines] if lines else []
    finally:
        story.close()


def _journal_lacks(story: Scripted) -> list[str]:
    """Every reference that reached Repairy was on the disk before."""
    journal = story.world.journal
    kept = {line.get("reference") for line in journal.read()}  # type: ignore[attr-defined]
    sent = {one.body["externalId"] for one in story.world.effects if one.body.get("externalId") and one.operation == "create"}
    return [f"{one} was sent and does not stand in the journal" for one in sorted(sent - kept)]


def every(kind: str, name: str, folder: Path, whole: bool = False) -> int:
    """Tell it for every n; how many times the fault fired."""
    answers = list(_one_by_one(kind, name, folder) if kind == "fsync" else _branched(kind, name, folder, whole).values())
    failed = list[str]()
    for _, lines in answers:
        failed += lines[:1] if failed else lines  # the first is enough to read
    assert not failed, "\n".join(failed)
    return sum(fired for fired, _ in answers)


def _branched(kind: str, name: str, folder: Path, whole: bool) -> dict[int, Answer]:
    branches = Branches[int]()

    def story() -> Answer:
        fired, lines = told(kind, name, 0, folder, whole, branches)
        return bool(fired), lines

    return branches.tell(story)


def _one_by_one(kind: str, name: str, folder: Path) -> Iterator[Answer]:
    """Of copies of the process one would write into the other's file."""
    for n in range(1, LAST):
        fired, lines = told(kind, name, n, folder)
        yield bool(fired), lines
        if not fired:
            return


@pytest.fixture(autouse=True)
def _collected() -> None:
    gc.freeze()


@pytest.mark.parametrize(("kind", "name"), TESTED)
def test_an_operation_fails(kind: str, name: str, tmp_path: Path) -> None:
    assert every(kind, name, tmp_path) > 0


def _told_in(names: Iterable[str], kinds: Iterable[str]) -> list[tuple[str, str]]:
    """Kind and story."""
    return [(kind, name) for kind in kinds for name in names if (kind, name in NOTHING_KEPT) != ("fsync", True)]


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize(("kind", "name"), _told_in(SOAKED, KINDS))
def test_every_operation_fails_once(kind: str, name: str, tmp_path: Path) -> None:
    assert every(kind, name, tmp_path) > 0


@pytest.mark.prove
@pytest.mark.timeout(0)
@pytest.mark.parametrize(("kind", "name"), _told_in(COURSES, KINDS))
def test_every_operation_of_every_story_fails_once(kind: str, name: str, tmp_path: Path) -> None:
    assert every(kind, name, tmp_path, whole=True) > 0


@pytest.mark.skipif("NTH" not in os.environ, reason="NTH=kind:story:n tells that one")
def test_one(tmp_path: Path) -> None:
    kind, name, n = os.environ.get("NTH", "").split(":")

    fired, lines = told(kind, name, int(n), tmp_path)

    assert fired
    assert not lines, "\n".join(lines)
