"""Webhooks for a server that nobody can reach: a relay keeps what was signed, and the daemon fetches it.

On a small public host (`repairy-sync relay`): the same endpoint as the daemon's, and beside it `POST /relay/events`, which
gives out what is kept and deletes what the daemon says it has. In the daemon: `Fetcher`, which only ever calls out.

1. The relay says 2xx to Repairy after the delivery is on its disk; what has no room is 503, and nothing kept is dropped.
2. The daemon names a delivery as done only after its own state has it. Whichever of the two stops in between, it comes
   again, and is known by its event id.
3. The daemon believes the relay nothing: it verifies each delivery again. Both hold the webhook secret and nothing else.
"""

from __future__ import annotations

import base64
import hmac
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from sync.core.times import parse, stamp
from sync.errors import NotSent, SyncError, Unknown, Unreachable
from sync.machine import Rounds
from sync.ports import PROBED, Clock, Event, Log
from sync.repairy.contract import Contract
from sync.repairy.transport import Transport
from sync.repairy.webhook import verify
from sync.web import relay as web
from sync.web.server import Listener
from sync.web.webhooks import Intake, Refusal

SIGNATURE, TIMESTAMP = "x-relay-signature", "x-relay-timestamp"
TOLERANCE = timedelta(minutes=5)
MOST = 20_000  # deliveries kept
MOST_BYTES = 100_000_000
PAGE_BYTES = 400_000  # of one answer, before base64
EVERY_SECONDS = 15.0
FETCH_SECONDS = 20.0  # for one request and its answer


@dataclass(frozen=True)
class Delivery(Event):
    """A verified event and what it was verified by: the headers that count, and the body as it came."""

    method: str = ""
    path: str = ""
    headers: Mapping[str, str] | None = None
    body: bytes = b""

    @property
    def key(self) -> str:
        """The same for the same content, so that what was fetched is what is deleted."""
        return sha256(self.path.encode() + b"\0" + self.body).hexdigest()


def signed(secret: str, timestamp: str, body: bytes) -> str:
    """A fetch's signature, hex. Made with a key of its own, so that no webhook's signature can pass for one."""
    own = hmac.digest(secret.encode(), b"repairy-sync relay", "sha256")
    return hmac.new(own, f"{timestamp}.".encode() + body, "sha256").hexdigest()


def may_fetch(secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
    """Whether a request carries a signature by one of these, not older than the tolerance."""
    given, timestamp = headers.get(SIGNATURE, ""), headers.get(TIMESTAMP, "")
    if not timestamp.isascii() or not timestamp.isdecimal() or len(timestamp) > 12:
        return False
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE.total_seconds():
        return False
    return any([hmac.compare_digest(signed(one, timestamp, body).encode(), given.encode()) for one in secrets])  # noqa: C419


def delivery(contract: Contract, secrets: Sequence[str], method: str, path: str, headers: Mapping[str, str], body: bytes,
             now: datetime) -> Delivery:  # fmt: skip
    """A verified delivery, with the headers that are needed to verify it again. Raises Refused."""
    event = verify(contract, secrets, method, path, headers, body, now)
    rules = contract.webhook
    lower = {name.lower(): value for name, value in headers.items()}
    kept = {
        name.lower(): lower[name.lower()]
        for name in (rules.signature, rules.timestamp, rules.request_id)
        if name.lower() in lower
    }
    return Delivery(**asdict(event), method=method, path=path, headers=kept, body=body)


# ---------------------------------------------------------------- on the public host

_TABLE = """CREATE TABLE IF NOT EXISTS delivery (
    number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, came TEXT NOT NULL,
    method TEXT NOT NULL, path TEXT NOT NULL, headers TEXT NOT NULL, body BLOB NOT NULL
)"""
_SIZE = "length(body) + length(headers) + length(path) + 200"


class Shelf:
    """Deliveries until they are fetched, in one SQLite file that only its owner reads. Safe to use from any thread."""

    def __init__(self, file: Path, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        """Raises Unreachable where the file cannot be used."""
        self._most, self._most_bytes, self._lock = most, most_bytes, threading.Lock()
        with _translated():
            file.touch(mode=0o600)
            self._file = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
            self._file.execute("PRAGMA synchronous=FULL")
            self._file.execute("PRAGMA secure_delete=ON")  # a customer's booking does not stay behind in free pages
            self._file.execute(_TABLE)

    def put(self, one: Event, _: str = "") -> bool:
        """On the disk when it returns; False where it is there already. Raises Unreachable: no room, or the disk."""
        if not isinstance(one, Delivery):
            raise TypeError("only what came with its signature can be verified again")
        row = (one.key, stamp(one.received_at), one.method, one.path, json.dumps(one.headers), one.body)
        with self._lock, _translated():
            if self._file.execute("SELECT 1 FROM delivery WHERE key = ?", row[:1]).fetchone():
                return False
            count, size = self._file.execute(f"SELECT count(*), coalesce(sum({_SIZE}), 0) FROM delivery").fetchone()  # noqa: S608
            if count >= self._most or size + len(one.body) > self._most_bytes:
                raise Unreachable("the relay is full: the daemon has not fetched for long")
            self._file.execute("INSERT INTO delivery (key, came, method, path, headers, body) VALUES (?, ?, ?, ?, ?, ?)", row)
        return True

    def page(self, after: int, most_bytes: int = PAGE_BYTES) -> list[dict[str, Any]]:
        """The next ones in the order they came, as JSON can hold them: at least one where there is one."""
        found, size = list[dict[str, Any]](), 0
        with self._lock, _translated():
            for row in self._file.execute("SELECT *, " + _SIZE + " FROM delivery WHERE number > ? ORDER BY number", (after,)):  # noqa: S608
                number, key, came, method, path, headers, body, bytes_ = row
                size += bytes_
                if found and size > most_bytes:
                    break
                told = {"number": number, "key": key, "came": came, "method": method, "path": path}
                found.append(told | {"headers": json.loads(headers), "body": base64.b64encode(body).decode()})
        return found

    def drop(self, keys: Sequence[str]) -> None:
        """The daemon has them."""
        with self._lock, _translated():
            self._file.execute("DELETE FROM delivery WHERE key IN (SELECT value FROM json_each(?))", (json.dumps(keys),))

    def close(self) -> None:
        self._file.close()


def listener(contract: Contract, secrets: Sequence[str], listen: str, shelf: Shelf, clock: Clock) -> Listener:
    """The relay, not yet listening. Raises ConfigError for an address that is none."""

    def checked(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Event:
        return replace(delivery(contract, secrets, method, path, headers, body, clock.now()), workshop_id=None)

    def may(headers: Mapping[str, str], body: bytes) -> bool:
        return may_fetch(secrets, headers, body, clock.now())

    return Listener(web.app(checked, may, shelf, Intake(clock)), listen)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise Unreachable(f"the relay's file cannot be used: {error}") from error


# ---------------------------------------------------------------- in the daemon


class Fetcher(Rounds):
    """Calls out: fetches every few seconds.

    `workshops` is Repairy's workshop id -> our name; `store(event, workshop)` commits, False where known."""

    def __init__(
        self,
        relay: Transport,
        contract: Contract,
        secrets: Sequence[str],
        store: Callable[[Event, str], bool],
        workshops: Mapping[str, str],
        wake: Callable[[], None],
        intake: Intake,
        clock: Clock,
        log: Log,
    ) -> None:
        self._relay, self._contract, self._secrets = relay, contract, secrets
        self._store, self._workshops, self._wake = store, workshops, wake
        self._intake, self._clock, self._log = intake, clock, log
        self._refused: set[str] = set()  # keys of what did not verify here: left at the relay, counted once
        self._noted: datetime | None = None  # the newest refusal that the relay told of
        super().__init__("relay", self.once, EVERY_SECONDS, at_once=True)

    def once(self) -> None:
        """All there is now. Never raises: what goes wrong is told once in the log, and stands in `intake.unfetched`."""
        try:
            self._fetch()
            problem = ""
        except SyncError as error:
            problem = str(error)
        except Exception as error:  # noqa: BLE001  a fault here must not silence the next fetch
            problem = f"{type(error).__name__}: the relay and this program do not understand each other; use the same version"
        before, self._intake.unfetched = self._intake.unfetched, problem
        if problem and problem != before:
            self._log.warning("no events from the relay", problem=problem)
        elif before and not problem:
            self._log.info("events come from the relay again")

    def take(self, body: bytes) -> bool:
        """Whether the relay keeps a delivery with this body, which is deleted there; the others stay. Raises Unreachable."""
        after = 0
        while events := self._asked([], after)["events"]:
            for one in events:
                if base64.b64decode(one["body"]) == body:
                    self._asked([one["key"]], int(one["number"]))
                    return True
            after = int(events[-1]["number"])
        return False

    def _fetch(self) -> None:
        done, after = list[str](), 0
        while not self.ended.is_set():
            answer = self._asked(done, after)
            self._note(answer["refusals"])
            events = answer["events"]
            if not events:
                return
            done = [one["key"] for one in events if self._kept(one)]
            before, after = after, int(events[-1]["number"])
            if after <= before:
                raise Unreachable("the relay repeats itself")

    def _asked(self, done: Sequence[str], after: int) -> Any:
        """One request and its answer. Raises Unreachable."""
        body, timestamp = {"done": done, "after": after}, str(int(self._clock.now().timestamp()))
        headers = {TIMESTAMP: timestamp, SIGNATURE: signed(self._secrets[0], timestamp, json.dumps(body).encode())}
        try:
            reply = self._relay.exchange("POST", web.PATH, headers, body)
        except (NotSent, Unknown) as error:
            raise Unreachable(f"webhooks.relay does not answer: {error}") from None
        if reply.status == 401:
            raise Unreachable(
                "the relay refuses this server: give both the same repairy_webhook_secret, and see that both clocks are right"
            )
        if reply.status != 200:
            raise Unreachable(f"webhooks.relay answers HTTP {reply.status}: see whether it is the address of a relay")
        return json.loads(reply.body)

    def _kept(self, given: Mapping[str, Any]) -> bool:
        """Whether it need not come again. Raises Unreachable where our state cannot take it."""
        if given["key"] in self._refused:
            return False
        headers: Mapping[str, str] = given["headers"]
        try:
            body, came = base64.b64decode(given["body"], validate=True), parse(given["came"])
            event = verify(self._contract, self._secrets, given["method"], given["path"], headers, body, came)
        except (SyncError, ValueError) as error:
            self._refused.add(given["key"])
            self._intake.refuse(f"what the relay keeps does not verify here: {error}", headers)
            return False
        self._take(event)
        return True

    def _take(self, event: Event) -> None:
        every = sorted(set(self._workshops.values()))
        names = (
            every
            if event.workshop_id is None
            else [self._workshops[one] for one in (event.workshop_id,) if one in self._workshops]
        )
        fresh = [self._store(event, name) for name in names]
        if not names:
            self._intake.foreign += 1
        elif not any(fresh):
            self._intake.repeated += 1
        elif event.action != PROBED:
            self._intake.stored += 1
            self._intake.last_stored = self._clock.now()
            self._wake()

    def _note(self, refusals: Sequence[Mapping[str, Any]]) -> None:
        """What the relay itself refused counts here too, once."""
        for one in refusals:
            at = parse(one["at"])
            if self._noted is None or at > self._noted:
                self._noted = at
                self._intake.note(Refusal(at, str(one["reason"]), dict(one["headers"])))
