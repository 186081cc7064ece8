"""Webhook fuzz: what is signed by us and readable is stored, all else is refused; nothing a stranger sends is a 5xx.

`WEBHOOKS=n` sets how many the soak and the proof send; a failure names the seed of its delivery.
"""

from __future__ import annotations

import asyncio
import os
import socket
import tomllib
from collections import Counter
from collections.abc import Iterable
from functools import cache
from random import Random
from typing import Any

import pytest

from sync.ports import Event
from sync.repairy.contract import Contract
from sync.repairy.webhook import Refused, verify
from sync.share import CONFIG
from sync.state.store import StateStore
from sync.web import webhooks
from sync.web.server import Listener
from tests.fakes import FakeClock
from tests.fuzz.deliveries import DONE, LARGEST, NOW, SECRETS, Delivery, delivery, digest

TESTED, SOAKED, PROVED = 10_000, 100_000, 5_000_000
PARTS = 10  # of the larger counts, for workers to share
SHARE = 20  # every so-manieth goes through the endpoint and into a state as well


@cache
def contract(scheme: tuple[str, str, str]) -> Contract:
    tables = tomllib.loads((CONFIG / "repairy-api.toml").read_text("utf-8"))
    tables["webhook"] |= dict(zip(("algorithm", "signs", "encoding"), scheme, strict=True))
    return Contract.parse(tables)


def _verified(made: Delivery) -> Event | None:
    try:
        return verify(contract(made.scheme), SECRETS, made.method, made.path, made.headers, made.body, NOW)
    except Refused as error:
        words = str(error)
    assert not any(secret in words for secret in SECRETS)
    return None


def check(seeds: Iterable[int]) -> Counter[str]:
    """Each delivery is worth what `deliveries` says it is; what was done to them is counted."""
    seen = Counter[str]()
    for seed in seeds:
        made = delivery(seed)
        worth = made.authentic and made.readable
        try:
            event = _verified(made)
        except Exception as error:
            pytest.fail(f"seed {seed}: {made.told}: {type(error).__name__} instead of Refused")
        assert (event is not None) == worth, f"seed {seed}: {made.told}: {'accepted' if event else 'refused'}"
        if event is not None:
            _true_event(seed, made, event)
        seen.update(made.told)
        seen["accepted" if worth else "authentic but unreadable" if made.authentic else "refused"] += 1
    return seen


def _true_event(seed: int, made: Delivery, event: Event) -> None:
    wanted = (_text(made.said["id"]), _text(made.said["data"]["id"]))
    assert (event.id, event.booking_id) == wanted, f"seed {seed}: {made.told}"


def _text(value: Any) -> str:
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    return "".join("\ufffd" if char == "\x00" or "\ud800" <= char <= "\udfff" else char for char in str(whole))


def _all_seen(seen: Counter[str]) -> None:
    """A kind of delivery that never came proves nothing."""
    assert sorted(kind for kind in (*DONE, "accepted", "refused", "authentic but unreadable") if not seen[kind]) == []


def test_what_is_signed_and_readable_counts_and_nothing_else() -> None:
    _all_seen(check(range(TESTED)))


def _parts(first: int, count: int) -> list[range]:
    step = -(-count // PARTS)
    return [range(at, min(at + step, first + count)) for at in range(first, first + count, step)]


def _count(default: int) -> int:
    return int(os.environ.get("WEBHOOKS", default))


@pytest.mark.soak
@pytest.mark.parametrize("seeds", _parts(TESTED, _count(SOAKED)), ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_many_deliveries(seeds: range) -> None:
    _all_seen(check(seeds))
    _through_the_endpoint(seeds[::SHARE])


@pytest.mark.prove
@pytest.mark.timeout(0)
@pytest.mark.parametrize("seeds", _parts(10_000_000, _count(PROVED)), ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_very_many_deliveries(seeds: range) -> None:
    _all_seen(check(seeds))
    _through_the_endpoint(seeds[::SHARE])


def test_a_seed_makes_the_same_delivery_twice() -> None:
    assert digest(range(500)) == digest(range(500))


# -- through the endpoint


class Endpoint:
    """The application as a server calls it, without sockets, over a real state."""

    def __init__(self) -> None:
        self.store = StateStore("sqlite://", FakeClock(NOW))
        self.intake = webhooks.Intake(FakeClock(NOW))
        self.woken = 0
        self.scheme = ("", "", "")
        self.app = webhooks.app(self._verify, self.store.add_event, {"w1": "Northside"}, self._wake, self.intake)

    def _verify(self, method: str, path: str, headers: Any, body: bytes) -> Event:
        return verify(contract(self.scheme), SECRETS, method, path, headers, body, NOW)

    def _wake(self) -> None:
        self.woken += 1

    async def send(self, made: Delivery, chance: Random) -> tuple[int, bytes]:
        self.scheme = made.scheme
        headers = [
            (name.lower().encode("latin-1", "replace"), value.encode("latin-1", "replace"))
            for name, value in made.headers.items()
        ]
        path = made.path.partition("?")[0]
        scope = {"type": "http", "http_version": "1.1", "method": made.method, "scheme": "http", "path": path,
                 "raw_path": path.encode("utf-8", "replace"), "query_string": b"", "headers": headers}  # fmt: skip
        pieces = _pieces(made.body, chance)
        answer: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

        async def reply(message: Any) -> None:
            answer.append(message)

        await self.app(scope, receive, reply)
        return answer[0]["status"], b"".join(one.get("body", b"") for one in answer)


def _pieces(body: bytes, chance: Random) -> list[bytes]:
    """As the network cuts it."""
    at = sorted(chance.randrange(len(body) + 1) for _ in range(chance.choice((0, 0, 1, 3))))
    return [body[one:two] for one, two in zip([0, *at], [*at, len(body)], strict=True)]


def _through_the_endpoint(seeds: Iterable[int]) -> None:
    """2xx exactly for what is then in the state (or another installation's); everything else 4xx, in our own words."""
    endpoint = Endpoint()

    async def all_of_them() -> Counter[int]:
        answers = Counter[int]()
        for seed in seeds:
            made = delivery(seed)
            status, said = await endpoint.send(made, Random(seed))
            answers[status] += 1
            assert status in (200, 401, 404, 405, 413), f"seed {seed}: {made.told}: HTTP {status}"
            assert not any(secret.encode() in said for secret in SECRETS), f"seed {seed}: {made.told}"
            if status == 200:
                assert (made.authentic, made.readable) == (True, True), f"seed {seed}: {made.told}: taken"
        return answers

    answers = asyncio.run(all_of_them())
    intake = endpoint.intake
    stored = len(endpoint.store.events("Northside"))
    endpoint.store.close()
    assert intake.stored == stored == endpoint.woken > 0
    assert intake.stored + intake.repeated + intake.foreign == answers[200]
    assert intake.unstored == 0
    assert answers[401] > 0


def test_the_endpoint_stores_what_counts_and_answers_the_rest_with_4xx() -> None:
    _through_the_endpoint(range(1_500))


# -- bytes on a socket


LINES = (
    b"POST /webhooks/repairy HTTP/1.1", b"POST /webhooks/repairy HTTP/9", b"GARBAGE", b"\x16\x03\x01\x02\x00",
    b"POST " + b"/a" * 40_000 + b" HTTP/1.1", b"GET /webhooks/repairy/%ff%00 HTTP/1.1",
    b"POST http://example.com/webhooks/repairy HTTP/1.1", b"\x00" * 30,
)  # fmt: skip
LENGTHS = (b"0", b"5", b"-1", b"x", b"99999999999", b"5, 6", str(LARGEST + 5).encode())
CODINGS = (b"chunked", b"gzip", b"chunked, chunked", b"x")
HEADS = (
    b"Host: x", b"x-webhook-signature: \xff\xfe", b"x-webhook-timestamp: 1", b"Expect: 100-continue",
    b"Upgrade: websocket\r\nConnection: Upgrade", b"X: " + b"y" * 70_000, b": empty", b"no colon",
)  # fmt: skip
BODIES = (
    b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"zz\r\n", b"ffffffffffffffff\r\n", b"x" * (LARGEST + 10), b"\xff" * 99,
)  # fmt: skip


def _raw(seed: int) -> bytes:
    """A request that is no request: heads, lengths and bodies that do not fit each other."""
    chance = Random(seed)
    heads = [*HEADS, b"Content-Length: " + chance.choice(LENGTHS), b"Transfer-Encoding: " + chance.choice(CODINGS)]
    return b"\r\n".join([chance.choice(LINES), *chance.sample(heads, chance.randint(0, 5)), b"", chance.choice(BODIES)])


def _answer_to(port: int, raw: bytes) -> bytes:
    """The first line that comes back; b"" where the connection just ended."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        wire.settimeout(10)
        try:
            wire.sendall(raw)
            wire.shutdown(socket.SHUT_WR)
            return wire.recv(4096).partition(b"\r\n")[0]
        except TimeoutError:
            return b"no answer, and the connection stays"
        except OSError:
            return b""


def _on_a_socket(seeds: Iterable[int]) -> None:
    endpoint = Endpoint()
    listener = Listener(endpoint.app, "127.0.0.1:0")
    listener.start()
    answers = Counter[bytes]()
    try:
        for seed in seeds:
            line = _answer_to(listener.port, _raw(seed))
            answers[line[9:10]] += 1
            assert not line or line.split(b" ")[1][:1] in b"14", f"seed {seed}: {line!r}"
    finally:
        listener.stop()
        endpoint.store.close()
    assert endpoint.intake.stored == 0
    assert answers[b"4"] > 0


def test_bytes_that_are_no_request_are_4xx_or_a_closed_connection() -> None:
    _on_a_socket(range(150))


@pytest.mark.soak
def test_many_bytes_that_are_no_request() -> None:
    _on_a_socket(range(1_000, 6_000))
