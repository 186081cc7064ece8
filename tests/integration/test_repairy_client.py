"""The Repairy client against a real socket: what each thing that can go wrong is called, and what never leaves the adapter."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpcore
import httpx
import pytest

from sync.errors import ConfigError, NotFound, NotSent, Rejected, SyncError, Unknown, Unreachable
from sync.repairy.transport import CAP
from sync.repairy.workshop import WorkshopRepairy
from tests.integration.repairy_stage import (
    BOOKING,
    FIELDS,
    READS,
    SECRET,
    START,
    TOKEN,
    WRITES,
    ZONE,
    ManualClock,
    always,
    client,
    closed_port,
    tokens,
    workshop,
)
from tests.integration.scripted_server import Answer, serving

write = pytest.mark.parametrize("act", WRITES.values(), ids=WRITES.keys())
read = pytest.mark.parametrize("act", READS.values(), ids=READS.keys())
UNCLEAR = {
    "500": Answer(500, {"code": "oops"}),
    "503 without a body": Answer(503),
    "408": Answer(408, {"code": "timeout"}),
    "cut": Answer(200, BOOKING, how="cut"),
    "reset": Answer(how="reset"),
    "not HTTP": Answer(body=b"SSH-2.0-banana\r\n\r\n", how="raw"),
    "not JSON": Answer(200, b"<html>welcome</html>"),
    "JSON too deep": Answer(200, b"[" * 100_000),
    "not UTF-8": Answer(200, b'{"id": "\xff"}'),
    "a bare word": Answer(200, b'"fine"'),
    "huge": Answer(200, b" " * (CAP + 1)),
    "compressed": Answer(200, b"\x1f\x8b", {"content-encoding": "gzip"}),
    "redirect": Answer(307, b"", {"location": "http://127.0.0.1:1/"}),
    "see other": Answer(303, b"", {"location": "/elsewhere"}),
    "4xx that cannot be read": Answer(400, b"<html>no</html>"),
    "404 of a proxy": Answer(404, b"<html>no</html>"),
}
unclear = pytest.mark.parametrize("answer", UNCLEAR.values(), ids=UNCLEAR.keys())


@unclear
@write
def test_an_unclear_answer_to_a_write_is_unknown(act: Callable[[WorkshopRepairy], Any], answer: Answer) -> None:
    with workshop(always(answer)) as (w, _), pytest.raises(Unknown):
        act(w)


@unclear
@read
def test_an_unclear_answer_to_a_read_is_unreachable(act: Callable[[WorkshopRepairy], Any], answer: Answer) -> None:
    with workshop(always(answer)) as (w, _), pytest.raises(Unreachable):
        act(w)


@pytest.mark.parametrize("how", ["drip", "drip-head", "never"])
def test_one_deadline_holds_for_the_whole_call(how: str) -> None:
    """However slowly a server answers, in body or headers, a call ends in its time."""
    with workshop(always(Answer(200, BOOKING, how=how)), timeout=0.6) as (w, _):
        began = time.monotonic()
        with pytest.raises(Unknown):
            w.set_status("b1", "done")
        assert time.monotonic() - began < 1.5


def test_a_server_that_cannot_be_reached_got_nothing() -> None:
    with client(closed_port()) as made, pytest.raises(NotSent, match="no connection"):
        made.workshop("w1", ZONE).create(FIELDS, "NS-1")


def test_a_server_that_cannot_be_reached_cannot_be_read() -> None:
    with client(closed_port()) as made, pytest.raises(Unreachable, match="no connection"):
        made.workshop("w1", ZONE).read("b1")


def test_a_server_without_tls_gets_nothing() -> None:
    with serving(always(Answer())) as server, client(server.url.replace("http:", "https:"), timeout=1) as made:
        with pytest.raises(NotSent):
            made.workshop("w1", ZONE).set_status("b1", "done")
        assert server.paths() == []


@pytest.fixture
def certified(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that only its own file vouches for; the key lies in the same file."""
    if not shutil.which("openssl"):
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("no openssl: apt-get install openssl")
    pem, key, made = tmp_path / "both.pem", tmp_path / "key.pem", tmp_path / "cert.pem"
    what = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost", "-days", "2"]
    args = [*what, "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(made)]
    subprocess.run(["openssl", "req", "-x509", *args], check=True, capture_output=True)
    pem.write_text(key.read_text() + made.read_text())
    return pem


def tls(pem: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


def test_a_certificate_that_nobody_vouches_for_stops_the_call(certified: Path) -> None:
    with serving(always(Answer(200, BOOKING)), tls(certified)) as server, client(server.url) as made:
        with pytest.raises(NotSent, match="certificate"):
            made.workshop("w1", ZONE).set_status("b1", "done")
        assert server.paths() == []


def test_a_certificate_of_the_ca_bundle_is_good(certified: Path) -> None:
    with serving(always(Answer(200, BOOKING)), tls(certified)) as server, client(server.url, ca_bundle=str(certified)) as made:
        assert made.workshop("w1", ZONE).read("b1").key == "b1"


def test_one_deadline_holds_over_tls_too(certified: Path) -> None:
    script = always(Answer(200, BOOKING, how="drip-head"))
    with serving(script, tls(certified)) as server, client(server.url, ca_bundle=str(certified), timeout=0.6) as made:
        began = time.monotonic()
        with pytest.raises(Unknown):
            made.workshop("w1", ZONE).set_status("b1", "done")
        assert time.monotonic() - began < 1.5


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_a_ca_bundle_that_cannot_be_used_is_a_fault_of_the_configuration(tmp_path: Path, content: str | None) -> None:
    bundle = tmp_path / "ca.pem"
    if content:
        bundle.write_text(content)
    with pytest.raises(ConfigError, match=r"repairy\.ca_bundle"), client("https://127.0.0.1:1", ca_bundle=str(bundle)):
        pass


@pytest.mark.parametrize("status", [400, 403, 409, 422, 418])
def test_a_refusal_that_can_be_read_is_rejected(status: int) -> None:
    with workshop(always(Answer(status, {"code": "no.way", "message": "Not possible"}))) as (w, _):
        with pytest.raises(Rejected, match="Not possible") as caught:
            w.set_status("b1", "done")
        assert (caught.value.code, caught.value.transition) == ("no.way", status == 409)


def test_a_refusal_repeats_nothing_of_the_customer() -> None:
    said = "Phone 0400000001 of CUSTOMER One (other@example.com, AAA001) is not valid, call +61 400 000 002"
    with workshop(always(Answer(422, {"code": "invalid", "message": said}))) as (w, _):
        with pytest.raises(Rejected) as caught:
            w.create(FIELDS, "NS-1")
        told = str(caught.value)
        assert "is not valid" in told
        assert not [word for word in ("0400", "Customer", "CUSTOMER", "One", "other@", "AAA001", "400 000") if word in told]


def test_a_booking_that_is_not_there_is_not_found() -> None:
    with workshop(always(Answer(404, {"code": "notFound", "message": ""}))) as (w, _):
        for act in (lambda: w.read("b1"), lambda: w.update("b1", {"job_notes": "x"}), lambda: w.set_status("b1", "done")):
            with pytest.raises(NotFound):
                act()


def test_a_create_that_finds_no_path_is_rejected() -> None:
    with workshop(always(Answer(404, {"code": "notFound"}))) as (w, _), pytest.raises(Rejected):
        w.create(FIELDS, "NS-1")


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_pauses_the_whole_target(form: str) -> None:
    """In both its forms; while it lasts, nothing is sent and nobody sleeps."""
    clock = ManualClock()
    after = "120" if form == "seconds" else format_datetime(START + timedelta(seconds=120), usegmt=True)
    with workshop(always(Answer(429, {}, {"retry-after": after})), clock=clock) as (w, server):
        with pytest.raises(NotSent) as first:
            w.set_status("b1", "done")
        sent = len(server.seen)
        with pytest.raises(Unreachable) as second:
            w.read("b2")
        assert (first.value.retry_after, second.value.retry_after) == (120, 120)
        assert (len(server.seen), clock.slept) == (sent, [])


def test_after_the_pause_calls_go_again() -> None:
    clock, answers = ManualClock(), iter([Answer(429, {}, {"retry-after": "120"}), Answer(200, BOOKING)])
    with workshop(lambda r: tokens(r) or next(answers), clock=clock) as (w, _):
        with pytest.raises(NotSent):
            w.set_status("b1", "done")
        clock.seconds += 120
        assert w.read("b1").key == "b1"


def test_the_bucket_keeps_the_rate_on_the_injected_clock() -> None:
    """Five a second: after a second's worth at once, one each 0.2 s."""
    clock = ManualClock()
    with workshop(always(Answer(200, BOOKING)), clock=clock, rate=5.0) as (w, _):
        for _ in range(14):
            w.read("b1")
        assert clock.seconds - 1000 == pytest.approx((14 + 1 - 5) * 0.2)


def test_proxy_variables_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, closed_port())
    monkeypatch.delenv("NO_PROXY", raising=False)
    with workshop(always(Answer(200, BOOKING))) as (w, _):
        assert w.read("b1").key == "b1"


def test_a_redirect_is_not_followed() -> None:
    with workshop(always(Answer(302, b"", {"location": "/bookings/b2"}))) as (w, server):
        with pytest.raises(Unreachable, match="redirect refused"):
            w.read("b1")
        assert server.paths() == ["POST /auth/token", "GET /bookings/b1"]


def errors_of(*roots: type[BaseException]) -> list[type[BaseException]]:
    found: list[type[BaseException]] = []
    for root in roots:
        found += [root, *errors_of(*root.__subclasses__())]
    return found


FOREIGN = [
    *errors_of(httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, httpx.StreamError),
    *errors_of(httpcore.NetworkError),
]
FOREIGN += [OSError, ValueError, UnicodeError, RecursionError, MemoryError, KeyError, AssertionError, RuntimeError]
NOTHING_LEFT = (
    httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol, httpx.InvalidURL,
)  # fmt: skip


def raised(kind: type[BaseException]) -> BaseException:
    """One of these, whatever it needs to be made; its text holds what must not be told."""
    made = kind.__new__(kind)
    Exception.__init__(made, f"{TOKEN} {SECRET}")
    return made


@pytest.mark.parametrize("where", ["sending", "reading"])
@pytest.mark.parametrize("kind", sorted(set(FOREIGN), key=lambda kind: kind.__qualname__), ids=lambda kind: kind.__qualname__)
def test_no_foreign_exception_leaves_the_adapter(kind: type[BaseException], where: str) -> None:
    """Not while sending, not while reading the answer; and it is called unknown but where nothing can have left."""

    class Breaking(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield b"{"
            raise raised(kind)

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/auth/token":
            return httpx.Response(200, json={"accessToken": TOKEN})
        if where == "sending":
            raise raised(kind)
        return httpx.Response(200, stream=Breaking())

    with client("http://127.0.0.1:1", seam=httpx.MockTransport(handle)) as made:
        w = made.workshop("w1", ZONE)
        for act in READS.values():
            with pytest.raises(Unreachable):
                act(w)
        for act in WRITES.values():
            with pytest.raises(SyncError) as caught:
                act(w)
            expected = NotSent if issubclass(kind, NOTHING_LEFT) and where == "sending" else Unknown
            assert type(caught.value) is expected
            told = "".join(traceback.format_exception(caught.value))
            assert TOKEN not in told
            assert SECRET not in told


@pytest.mark.parametrize("kind", sorted(set(FOREIGN), key=lambda kind: kind.__qualname__), ids=lambda kind: kind.__qualname__)
def test_whatever_breaks_the_request_for_a_token_nothing_was_sent(kind: type[BaseException]) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        raise raised(kind)

    with client("http://127.0.0.1:1", seam=httpx.MockTransport(handle)) as made, pytest.raises(NotSent):
        made.workshop("w1", ZONE).set_status("b1", "done")


MANGLED: list[Any] = [None, "", "x", 0, -1, 1e400, True, [], {}, [[]], {"": {}}, "\ud800", "\x00", "9" * 5000, [None], {"id": {}}]


@pytest.mark.parametrize("act", [*WRITES.values(), *READS.values()], ids=[*WRITES, *READS])
def test_a_mangled_answer_raises_nothing_foreign(act: Callable[[WorkshopRepairy], Any]) -> None:
    """Every top-level value of an answer replaced by every odd one: what comes back is an answer or an error of ours."""
    whole = {
        **BOOKING,
        "bookingId": "b1",
        "car": {"rego": "AAA001"},
        "customer": {"firstName": "A"},
        "services": [{"catalogCode": "logbook"}, 7],
        "quoteId": "q",
    }
    bodies = [*MANGLED, *({**whole, name: odd} for name in [*whole, "pickupTime", "updatedAt", "slots"] for odd in MANGLED)]
    turn = iter([*bodies, *([body] for body in bodies)])
    current: list[Any] = []

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/auth/token":
            return httpx.Response(200, json={"accessToken": TOKEN})
        return httpx.Response(200, content=json.dumps(current[0]).encode())

    tried = 0
    with client("http://127.0.0.1:1", seam=httpx.MockTransport(handle), clock=ManualClock(), rate=1e9) as made:
        for body in turn:
            current[:] = [body]
            with suppress(SyncError):
                act(made.workshop("w1", ZONE))
            tried += 1
        asked = sum(made.calls.values())
    assert tried == 2 * len(bodies)
    assert asked > tried  # the token, and each of them
