"""The real `repairy-sync run` as a process: over the demo's stage (sandbox, shop file) with its state on SQLite or PostgreSQL.

RULE: the program is only started, signalled and ended here; its state is read, and a lease aged, by plain SQL beside it.
"""

from __future__ import annotations

import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sync.demo import compare, stage
from sync.demo.shop import ZONE, email, name, phone, plate, stay
from sync.demo.stage import WORKSHOP, Stage
from sync.state import tables

PATIENCE = 30.0
POLL = 0.05
UNSETTLED = "SELECT op FROM intent WHERE outcome IS NULL OR outcome = 'unknown'"
HELD = "SELECT id, reason FROM hold WHERE closed_at IS NULL AND kind = 'held'"


class Ground(Stage):
    """A stage whose daemons are many: `changes` are laid over the demo's configuration, `state` is where it lies."""

    def __init__(self, state: str, changes: Mapping[str, str] | None = None) -> None:
        super().__init__(keep=False)
        self.state = state
        self.changes = {"sqlite:///state.db": self.state, "per_second = 50": "per_second = 500", **(changes or {})}
        self.environ: dict[str, str] = {}

    def __enter__(self) -> Ground:
        super().__enter__()
        return self

    def _write_files(self) -> None:
        super()._write_files()
        self.configure(self.changes)

    def configure(self, changes: Mapping[str, str], name: str = "") -> Path:
        """Lay changes over the configuration, text for text; into another file where one is named. Returns the file."""
        text = self.config.read_text(encoding="utf-8")
        for old, new in changes.items():
            assert old in text, old
            text = text.replace(old, new)
        file = self.folder / (name or self.config.name)
        file.write_text(text, encoding="utf-8")
        return file

    def elsewhere(self) -> Path:
        """A second host's configuration: the same state, its own addresses and journal."""
        web, hooks = stage.free_ports(2)
        apart = {f':{self.web}"': f':{web}"', f':{self._hooks}"': f':{hooks}"'}
        return self.configure({**apart, f'{self.state}"': f'{self.state}"\njournal = "elsewhere.jsonl"'}, "elsewhere.toml")

    def begin(self, *words: str, config: Path | None = None) -> subprocess.Popen[bytes]:
        """Start a command; what it says goes to the log beside its configuration."""
        config = config or self.config
        with self.log_of(config).open("ab") as log:
            process = subprocess.Popen(
                [*self._line()[:-1], str(config), *words], env=stage._environment() | self.environ, cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self._begun.append(process)
        return process

    def log_of(self, config: Path) -> Path:
        return self.log if config == self.config else config.with_suffix(".log")

    def lines(self) -> list[str]:
        """All that the daemon said."""
        return self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []

    def tried(self, *words: str) -> subprocess.CompletedProcess[str]:
        """One command to its end, whatever its exit code."""
        return subprocess.run(
            self._line(*words), env=stage._environment(), cwd=self.folder, capture_output=True, text=True, timeout=60, check=False
        )

    def backfilled(self) -> None:
        self.command("backfill", "--nothing-at-repairy")

    def ended_by(self, number: int) -> int:
        """The daemon's exit code after this signal."""
        assert self.daemon
        self.daemon.send_signal(number)
        return self.daemon.wait(PATIENCE)

    def kill(self) -> None:
        super().kill()
        self.age_lease()

    # the state, from beside

    def query(self, sql: str) -> list[Any]:
        with closing(self._connection()) as connection:
            return list(connection.execute(sa.text(sql)))

    def age_lease(self) -> None:
        """As if a minute had gone by without a renewal: on PostgreSQL a lease outlives its holder."""
        if self.state.startswith("postgresql") and self.has("lease"):
            with closing(self._connection()) as connection, connection.begin():
                connection.execute(tables.lease.update().values(expires_at=datetime.now(UTC) - timedelta(minutes=1)))

    def has(self, table: str) -> bool:
        """Whether the state has come so far."""
        with closing(self._connection()) as connection:
            return sa.inspect(connection).has_table(table)

    def dump(self) -> dict[str, list[Any]]:
        """Every row of the state."""
        with closing(self._connection()) as connection:
            return {
                table.name: sorted(repr(tuple(row)) for row in connection.execute(sa.select(table)))
                for table in tables.metadata.sorted_tables
            }

    def _connection(self) -> sa.Connection:
        place = f"sqlite:///{self.folder / 'state.db'}" if self.state.startswith("sqlite") else self.state
        return sa.create_engine(place, poolclass=sa.NullPool).connect()

    # the sides

    def fault(self, kind: str, operation: str = "*", **how: Any) -> None:
        self.tell("/sandbox/faults", [{"kind": kind, "operation": operation, **how}])

    def post(self, body: bytes, headers: Mapping[str, str]) -> int:
        """One delivery to the daemon; the answer's status."""
        return self._client.post(self.hook_url, content=body, headers=headers).status_code

    def health(self, path: str) -> int:
        return self._client.get(f"http://127.0.0.1:{self.web}{path}").status_code

    def redeliver(self) -> None:
        """The events that nobody took are sent soon: Repairy's own patience between two attempts grows to hours."""
        with self.sandbox.lock:
            for delivery in self.sandbox.partner.outbox:
                delivery.attempts, delivery.due_at = 0, datetime.now(UTC)

    def calls(self, *operations: str) -> int:
        """Calls that took effect."""
        with self.sandbox.lock:
            return sum(call.took and call.operation in operations for call in self.sandbox.partner.calls)

    def book_online(self, number: int, start: datetime) -> str:
        with self.sandbox.lock:
            return self.sandbox.partner.book(WORKSHOP, {
                "starts_at": wire(start), "service_category": "service", "rego": plate(number), "first_name": "Customer",
                "last_name": name(number).partition(" ")[2], "phone": phone(number), "email": email(number),
            })  # fmt: skip

    def online(self, act: str, number: int, *words: datetime) -> None:
        """A customer moves or cancels."""
        with self.sandbox.lock:
            getattr(self.sandbox.partner, act)(self.repairy_id(number), *map(wire, words))

    def repairy_id(self, number: int) -> str:
        found = self.sandbox.partner.bookings.values()
        return next(str(one["id"]) for one in found if one["car"]["rego"] == plate(number))

    def messages(self) -> Counter[str]:
        """What customers were sent because of the program, by kind."""
        with self.sandbox.lock:
            return Counter(one.kind for one in self.sandbox.partner.messages if one.by == "api")

    def repairy(self, number: int) -> Mapping[str, str]:
        return self.sides()[1][plate(number)]

    def shop(self, number: int) -> Mapping[str, str]:
        return self.sides()[0].get(plate(number), {})

    def wrong(self) -> list[str]:
        """Where the two sides differ, and messages that went out without a cause."""
        pairs = compare.pairs(self.sides(), stay())
        found = [f"{pair.plate}: {', '.join(pair.differences)}" for pair in pairs if pair.differences]
        return found + [f"{self.messages()['created']} confirmations by the program"] * ("created" in self.messages())


def wire(wall: datetime) -> str:
    """A time on the shop's wall as the API spells it."""
    return wall.replace(tzinfo=ZONE).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def until(what: str, there: Callable[[], object], ground: Ground, within: float = PATIENCE) -> None:
    """Bounded polling; the daemon's last words where it does not come."""
    over = time.monotonic() + within
    while not there():
        assert time.monotonic() < over, f"{what}: not within {within:.0f} s\n{ground.wrong()}\n{ground.said()}"
        time.sleep(POLL)


@contextmanager
def new_database(server: str) -> Iterator[str]:
    """An empty database on that PostgreSQL server."""
    engine, made = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool), f"run_{uuid.uuid4().hex[:12]}"
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {made}"))
    yield sa.make_url(server).set(database=made).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {made} WITH (FORCE)"))


@contextmanager
def ground_on(kind: str, request: pytest.FixtureRequest, changes: Mapping[str, str] | None = None) -> Iterator[Ground]:
    """`kind`: sqlite | postgres. The shop is open, the sandbox listens, nothing of ours has run."""
    if kind == "sqlite":
        with Ground("sqlite:///state.db", changes) as made:
            yield made
        return
    with new_database(request.getfixturevalue("postgres_url")) as url, Ground(url, changes) as made:
        yield made
