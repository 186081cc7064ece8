"""The webhook endpoint as Repairy meets it: a real listener, real signatures, a real state file."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from sync.errors import ConfigError, Unreachable
from sync.machine import SystemClock
from sync.ports import Event
from sync.repairy import contract, webhook
from sync.state import migrate
from sync.state.store import StateStore
from sync.web import server, webhooks
from sync.web.server import Listener

SECRET, NEXT = "made-up-secret", "made-up-next-secret"
NORTH, SOUTH = "a" * 24, "b" * 24
WORKSHOPS = {NORTH: "Northside", SOUTH: "Southside"}
CLOCK = SystemClock()


@dataclass
class Endpoint:
    """The endpoint, running, and what a test wants to see of it."""

    store: StateStore
    intake: webhooks.Intake = field(default_factory=lambda: webhooks.Intake(CLOCK))
    woken: list[float] = field(default_factory=list)
    client: httpx.Client = field(default_factory=httpx.Client)
    listener: Listener = field(init=False)

    def serve(self, **changed: Callable[..., object]) -> None:
        parts: dict[str, Callable[..., object]] = {
            "verify": verified,
            "store": self.store.add_event,
            "wake": lambda: self.woken.append(CLOCK.monotonic()),
        }
        app = webhooks.app(workshops=WORKSHOPS, intake=self.intake, **(parts | changed))  # type: ignore[arg-type]
        self.listener = Listener(app, "127.0.0.1:0")
        self.listener.start()
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.listener.port}", timeout=30, trust_env=False)

    def deliver(self, event: Mapping[str, object], method: str = "POST", secret: str = SECRET) -> httpx.Response:
        body = json.dumps(event).encode()
        return self.client.request(method, webhooks.PATH, content=body, headers=signed(body, secret))

    def stored(self, workshop: str = "Northside") -> list[str]:
        return sorted(event.id for event in self.store.events(workshop))

    def close(self) -> None:
        self.client.close()
        self.listener.stop()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StateStore]:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    migrate.upgrade(url)
    opened = StateStore(url, CLOCK)
    yield opened
    opened.close()


@pytest.fixture
def bare(store: StateStore) -> Iterator[Endpoint]:
    """Not serving yet."""
    made = Endpoint(store)
    yield made
    made.close()


@pytest.fixture
def endpoint(bare: Endpoint) -> Endpoint:
    bare.serve()
    return bare


RULES = contract.load()


def verified(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Event:
    """As wiring does it, in the middle of a rotation of secrets."""
    return webhook.verify(RULES, [SECRET, NEXT], method, path, headers, body, CLOCK.now())


def signed(body: bytes, secret: str = SECRET, at: float | None = None) -> dict[str, str]:
    stamp = str(int(CLOCK.now().timestamp() if at is None else at))
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {"x-webhook-signature": digest, "x-webhook-timestamp": stamp, "content-type": "application/json"}


def event(id: str = "event-1", workshop: str | None = NORTH) -> dict[str, object]:
    data = {"id": "booking-1"} | ({"workshopId": workshop} if workshop else {})
    return {"id": id, "action": "bookingUpdated", "data": data}


# ---------------------------------------------------------------- what counts


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_a_signed_event_is_stored_and_wakes_a_pass(endpoint: Endpoint, method: str) -> None:
    answer = endpoint.deliver(event(), method)
    assert (answer.status_code, endpoint.stored(), len(endpoint.woken)) == (200, ["event-1"], 1)


@pytest.mark.parametrize("secret", [SECRET, NEXT])
def test_both_secrets_count_during_a_rotation(endpoint: Endpoint, secret: str) -> None:
    assert endpoint.deliver(event(), secret=secret).status_code == 200


def test_it_is_committed_before_it_is_acknowledged(bare: Endpoint) -> None:
    """Another connection, as after a crash right behind the answer, finds it."""
    bare.serve()
    answer = bare.deliver(event())
    again = StateStore(bare.store.database.url, CLOCK)
    found = [each.id for each in again.events("Northside")]
    again.close()
    assert (answer.status_code, found) == (200, ["event-1"])


def test_an_event_that_comes_twice_is_acknowledged_twice_and_stored_once(endpoint: Endpoint) -> None:
    answers = [endpoint.deliver(event()).status_code for _ in range(2)]
    assert (answers, endpoint.stored(), endpoint.intake.repeated, len(endpoint.woken)) == ([200, 200], ["event-1"], 1, 1)


def test_the_same_event_at_once_is_stored_once(endpoint: Endpoint) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(lambda _: endpoint.deliver(event()).status_code, range(16)))
    assert (answers, endpoint.stored(), endpoint.intake.stored) == ({200}, ["event-1"], 1)


def test_a_foreign_workshop_is_acknowledged_and_dropped(endpoint: Endpoint) -> None:
    answer = endpoint.deliver(event(workshop="c" * 24))
    assert answer.status_code == 200
    assert endpoint.stored() + endpoint.stored("Southside") + endpoint.woken == []
    assert endpoint.intake.foreign == 1


def test_an_event_goes_to_its_own_workshop_only(endpoint: Endpoint) -> None:
    endpoint.deliver(event(workshop=SOUTH))
    assert (endpoint.stored(), endpoint.stored("Southside")) == ([], ["event-1"])


def test_an_event_that_names_no_workshop_is_stored_for_each(endpoint: Endpoint) -> None:
    answer = endpoint.deliver(event(workshop=None))
    assert (answer.status_code, endpoint.stored(), endpoint.stored("Southside")) == (200, ["event-1"], ["event-1"])


# ---------------------------------------------------------------- what does not


def test_a_wrong_signature_is_401_and_seen(endpoint: Endpoint) -> None:
    """Names and lengths of the headers are kept, so that a wrong guess of the algorithm shows; values are not."""
    answer = endpoint.deliver(event(), secret="another")
    (refusal,) = endpoint.intake.refusals
    assert (answer.status_code, endpoint.stored(), endpoint.intake.refused) == (401, [], 1)
    assert refusal.headers["x-webhook-signature"] == 64
    assert "signature" in refusal.reason


def test_no_value_of_a_refused_header_is_kept(endpoint: Endpoint) -> None:
    endpoint.client.post(webhooks.PATH, headers={"x-strange": "canary-value"}, content=b"{}")
    assert endpoint.intake.refusals[0].headers["x-strange"] == len("canary-value")
    assert "canary-value" not in repr(endpoint.intake.refusals)


def test_only_the_last_few_refusals_are_kept(endpoint: Endpoint) -> None:
    for _ in range(webhooks.KEPT + 3):
        endpoint.deliver(event(), secret="another")
    assert (endpoint.intake.refused, len(endpoint.intake.refusals)) == (webhooks.KEPT + 3, webhooks.KEPT)


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_signature_out_of_time_is_401(endpoint: Endpoint, minutes: int) -> None:
    body = json.dumps(event()).encode()
    headers = signed(body, at=CLOCK.now().timestamp() + 60 * minutes)
    assert endpoint.client.post(webhooks.PATH, content=body, headers=headers).status_code == 401


def until_closed(endpoint: Endpoint, sent: bytes) -> bytes:
    """What is answered to these bytes until the endpoint ends the connection."""
    with socket.create_connection(("127.0.0.1", endpoint.listener.port), timeout=10) as line:
        line.sendall(sent)
        return b"".join(iter(lambda: line.recv(65536), b""))


HOSTILE = {
    "nothing": b"",
    "not JSON": b"\xff\x00{",
    "no object": b"[]",
    "no event": b"{}",
    "deep": b"[" * 100_000,
    "numbers for ids": b'{"id": 1e400, "action": "x", "data": {"id": []}}',
    "a long id": json.dumps(event("x" * 10_000)).encode(),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_signed_body_that_is_no_event_is_401(endpoint: Endpoint, body: bytes) -> None:
    assert endpoint.client.post(webhooks.PATH, content=body, headers=signed(body)).status_code == 401


@pytest.mark.parametrize("error", [Unreachable("down"), ZeroDivisionError(), RecursionError(), MemoryError()], ids=repr)
def test_any_exception_while_checking_is_401(bare: Endpoint, error: Exception) -> None:
    def broken(*_: object) -> Event:
        raise error

    bare.serve(verify=broken)
    assert bare.deliver(event()).status_code == 401


@pytest.mark.parametrize("path", ["/", "/livez", "/webhooks", "/webhooks/repairy/", "/webhooks/repairy/a/b", "/webhooks/other"])
def test_nothing_else_is_served(endpoint: Endpoint, path: str) -> None:
    assert endpoint.client.post(path, content=b"{}").status_code == 404


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS"])
def test_other_methods_are_not_allowed(endpoint: Endpoint, method: str) -> None:
    assert endpoint.client.request(method, webhooks.PATH).status_code == 405


@pytest.mark.parametrize(("given", "expected"), [(SECRET, 200), ("guess", 401)])
def test_a_secret_in_the_path(bare: Endpoint, tmp_path: Path, given: str, expected: int) -> None:
    site = tmp_path / "site.toml"
    site.write_text('[webhook]\nalgorithm = "path"\n')
    rules = contract.load(site)

    def check(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Event:
        return webhook.verify(rules, [SECRET], method, path, headers, body, CLOCK.now())

    bare.serve(verify=check)
    answer = bare.client.post(f"{webhooks.PATH}/{given}", json=event())
    assert answer.status_code == expected


def test_a_body_without_end_is_refused_unread(endpoint: Endpoint) -> None:
    """It promises 64 MB; the answer comes, and the connection ends, after the first half."""
    head = f"POST {webhooks.PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {1 << 26}\r\n\r\n"
    answer = until_closed(endpoint, head.encode() + b"x" * (webhooks.MAX_BODY + 1))
    assert answer.startswith(b"HTTP/1.1 413")
    assert endpoint.intake.refused == 1


def test_a_body_that_drips_is_refused(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "READ_SECONDS", 0.1)
    head = f"POST {webhooks.PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
    assert until_closed(endpoint, head.encode() + b"h").startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("sent", [b"", b"POST /webhooks/repairy HTTP/1.1\r\nHost: x\r\n"], ids=["silent", "half a head"])
def test_a_connection_that_asks_nothing_is_closed(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    """Otherwise a few hundred of them would shut Repairy out."""
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.2)
    assert until_closed(endpoint, sent) == b""


def test_a_second_request_on_a_connection_is_not_waited_for(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.2)
    answer = until_closed(endpoint, b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHo")
    assert answer.count(b"HTTP/1.1 404") == 1


def test_a_delivery_that_takes_its_time_is_not_cut_off(bare: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.1)

    def slow(event: Event, workshop: str) -> bool:
        threading.Event().wait(0.5)
        return bare.store.add_event(event, workshop)

    bare.serve(store=slow)
    assert bare.deliver(event()).status_code == 200


def test_a_sender_that_goes_away_leaves_no_trace(endpoint: Endpoint) -> None:
    with socket.create_connection(("127.0.0.1", endpoint.listener.port), timeout=10) as line:
        line.sendall(f"POST {webhooks.PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n".encode() + b"half")
    assert endpoint.deliver(event()).status_code == 200
    assert (endpoint.intake.refused, endpoint.stored()) == (0, ["event-1"])


# ---------------------------------------------------------------- what cannot be stored


def test_a_full_disk_is_503_and_what_was_acknowledged_is_there(endpoint: Endpoint) -> None:
    """SQLite's own "database or disk is full", by its page limit; once there is room, the same event is taken."""
    engine = endpoint.store.database.engine

    def tight(connection: object, _: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")  # type: ignore[attr-defined]  # raised to what it has

    sa.event.listen(engine, "connect", tight)
    engine.dispose()
    answers: dict[str, int] = {}
    while 503 not in answers.values() and len(answers) < 2000:
        id = f"{len(answers):04}-" + "x" * 150
        answers[id] = endpoint.deliver(event(id)).status_code
    kept = sorted(id for id, status in answers.items() if status == 200)
    assert (set(answers.values()), endpoint.stored()) == ({200, 503}, kept)
    assert "full" in endpoint.intake.last_problem
    sa.event.remove(engine, "connect", tight)
    engine.dispose()
    assert endpoint.deliver(event(max(answers))).status_code == 200


@pytest.mark.parametrize("error", [Unreachable("down"), OSError(28, "No space left on device"), KeyError("x")], ids=repr)
def test_whatever_keeps_it_from_being_stored_is_503(bare: Endpoint, error: Exception) -> None:
    def broken(*_: object) -> bool:
        raise error

    bare.serve(store=broken)
    answer = bare.deliver(event())
    assert (answer.status_code, answer.headers["retry-after"], bare.woken, bare.intake.unstored) == (503, "30", [], 1)


def test_stored_for_one_of_two_workshops_is_not_acknowledged(bare: Endpoint) -> None:
    def half(event: Event, workshop: str) -> bool:
        if workshop == "Southside":
            raise Unreachable("down")
        return bare.store.add_event(event, workshop)

    bare.serve(store=half)
    assert bare.deliver(event(workshop=None)).status_code == 503


def test_a_store_that_hangs_is_answered_before_repairy_gives_up(bare: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "STORE_SECONDS", 0.05)
    free = threading.Event()
    bare.serve(store=lambda *_: free.wait(20))
    answer = bare.deliver(event())
    free.set()
    assert answer.status_code == 503


def test_a_wake_that_fails_is_not_repairys_concern(bare: Endpoint) -> None:
    def broken() -> None:
        raise RuntimeError("ended")

    bare.serve(wake=broken)
    assert (bare.deliver(event()).status_code, bare.stored()) == (200, ["event-1"])


# ---------------------------------------------------------------- a busy pass


REPAIRY = """
import http.client, json, sys, time
answers = []
for body, headers in json.load(sys.stdin):
    line = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=30)
    began = time.perf_counter()
    line.request("POST", sys.argv[2], body, headers)
    answers.append((line.getresponse().status, time.perf_counter() - began))
    line.close()
json.dump(answers, sys.stdout)
"""  # as Repairy does: from another process, each on a connection of its own


def from_elsewhere(endpoint: Endpoint, events: Iterable[Mapping[str, object]]) -> list[tuple[int, float]]:
    """Status and seconds of each delivery."""
    bodies = [json.dumps(each) for each in events]
    done = subprocess.run(
        [sys.executable, "-c", REPAIRY, str(endpoint.listener.port), webhooks.PATH],
        input=json.dumps([(body, signed(body.encode())) for body in bodies]),
        capture_output=True,
        text=True,
        check=True,
        timeout=200,
    )
    return [(status, seconds) for status, seconds in json.loads(done.stdout)]


def test_fifty_deliveries_during_a_busy_pass(endpoint: Endpoint, record_property: Callable[[str, object], None]) -> None:
    """All acknowledged and stored while two threads compute and two write state; the slowest answer is recorded."""
    over = threading.Event()

    def compute() -> None:
        while not over.is_set():
            sum(i * i for i in range(2000))

    def write() -> None:
        while not over.is_set():
            endpoint.store.ready()

    busy = [threading.Thread(target=work) for work in (compute, compute, write, write)]
    for thread in busy:
        thread.start()
    try:
        answers = from_elsewhere(endpoint, (event(f"event-{number:02}") for number in range(50)))
    finally:
        over.set()
        for thread in busy:
            thread.join()
    slowest = max(seconds for _, seconds in answers)
    record_property("slowest_answer_seconds", round(slowest, 3))
    sys.stdout.write(f"slowest of 50 answers during a busy pass: {slowest:.3f} s")
    assert {status for status, _ in answers} == {200}
    assert len(endpoint.stored()) == 50


# ---------------------------------------------------------------- the listener


def test_an_address_in_use_is_named(endpoint: Endpoint) -> None:
    second = Listener(endpoint.listener._server.config.app, f"127.0.0.1:{endpoint.listener.port}")  # type: ignore[arg-type]
    with pytest.raises(Unreachable, match=rf"127.0.0.1:{endpoint.listener.port} is in use: another repairy-sync"):
        second.start()


@pytest.mark.parametrize("listen", ["8781", "127.0.0.1:", ":8781", "127.0.0.1:99999", "127.0.0.1:http"])
def test_what_is_no_address_is_said_at_once(listen: str) -> None:
    with pytest.raises(ConfigError, match="host:port"):
        Listener(webhooks.app(verified, lambda *_: True, {}, lambda: None, webhooks.Intake(CLOCK)), listen)


def test_a_server_that_is_slow_to_begin_is_named_and_may_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "START_SECONDS", 0.01)
    listener = Listener(webhooks.app(verified, lambda *_: True, {}, lambda: None, webhooks.Intake(CLOCK)), "127.0.0.1:0")
    monkeypatch.setattr(listener._server, "run", lambda _: None)
    with pytest.raises(Unreachable, match="did not begin to answer"):
        listener.start()


def test_an_address_of_another_machine_is_named_and_may_come() -> None:
    listener = Listener(webhooks.app(verified, lambda *_: True, {}, lambda: None, webhooks.Intake(CLOCK)), "192.0.2.1:8781")
    with pytest.raises(Unreachable, match="not an address of this machine"):
        listener.start()


def test_a_stopped_listener_lets_its_address_go(endpoint: Endpoint) -> None:
    endpoint.deliver(event())
    endpoint.listener.stop()
    again = Listener(endpoint.listener._server.config.app, f"127.0.0.1:{endpoint.listener.port}")  # type: ignore[arg-type]
    again.start()
    again.stop()
    assert again.port == endpoint.listener.port
