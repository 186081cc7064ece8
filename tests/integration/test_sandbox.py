"""The sandbox on real sockets: faults strike on the wire, webhooks arrive, the customer's page works without a script."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from sync.repairy import contract
from sync.sandbox.outbox import Webhook
from sync.sandbox.partner import PARTNER_ID, WORKSHOPS
from sync.sandbox.server import Sandbox

ROOT = Path(__file__).parent.parent.parent
(WORKSHOP,) = WORKSHOPS
FORM = {"workshop_id": WORKSHOP, "starts_at": "2026-12-01T09:00", "service_category": "tyres", "rego": "aaa 001",
        "first_name": "Customer One", "phone": "0400 000 001"}  # fmt: skip
BOOKING = {"workshopId": WORKSHOP, "externalId": "NS-1", "bookingTime": "2026-12-01T22:00:00Z", "serviceCategory": "service",
           "car": {"rego": "AAA001"}, "customer": {"firstName": "Customer One", "phone": "0400000001"}}  # fmt: skip


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    running = Sandbox(contract.load())
    running.start()
    yield running
    running.stop()


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """A client with a token, each call on a connection of its own."""
    limits = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(base_url=sandbox.base_url, timeout=5, limits=limits, trust_env=False) as client:
        tokens = client.post("/auth/token", json={"appKey": "sandbox-key", "appSecret": "sandbox-secret"}).json()
        client.headers.update({"Authorization": f"Bearer {tokens['accessToken']}", "X-Partner-Id": PARTNER_ID})
        yield client


def within(seconds: float, happened: Callable[[], Any]) -> Any:
    """What `happened` gives once it is true, polled for so long at most."""
    end = time.monotonic() + seconds
    while not (found := happened()) and time.monotonic() < end:
        time.sleep(0.01)
    return found


def set_fault(api: httpx.Client, **fault: Any) -> None:
    assert api.post("/sandbox/faults", json=[fault]).status_code == 200


def booked(api: httpx.Client) -> list[str]:
    return list(api.get("/sandbox/bookings").json())


# Faults on the wire


@pytest.mark.parametrize(
    ("kind", "error", "kept"),
    [
        ("lost_request", httpx.RemoteProtocolError, 0),
        ("lost_answer", httpx.RemoteProtocolError, 1),
        ("cut", httpx.RemoteProtocolError, 1),
        ("down", httpx.RemoteProtocolError, 0),
    ],
)
def test_a_dropped_connection_is_really_dropped(api: httpx.Client, kind: str, error: type[Exception], kept: int) -> None:
    """The client sees the connection end; whether the booking is there depends on when."""
    set_fault(api, kind=kind, operation="create")
    with pytest.raises(error):
        api.post("/bookings", json=BOOKING)
    assert len(booked(api)) == kept
    assert api.get("/sandbox/faults").json()[0]["fired"] == 1


@pytest.mark.parametrize(
    ("kind", "status", "kept"), [("500_before", 500, 0), ("500_after", 500, 1), ("429", 429, 0), ("401", 401, 0)]
)
def test_an_error_is_answered(api: httpx.Client, kind: str, status: int, kept: int) -> None:
    set_fault(api, kind=kind, operation="create", seconds=3)
    answer = api.post("/bookings", json=BOOKING)
    assert (answer.status_code, len(booked(api))) == (status, kept)
    assert answer.headers.get("Retry-After") == ("3" if kind == "429" else None)
    assert answer.json().keys() == {"code", "message"}


def test_a_slow_answer_comes_late_and_took_effect(api: httpx.Client) -> None:
    set_fault(api, kind="slow", operation="create", seconds=0.5)
    with pytest.raises(httpx.ReadTimeout):
        api.post("/bookings", json=BOOKING, timeout=0.1)
    assert len(booked(api)) == 1


def test_a_dripping_answer_outlives_a_timeout_of_reads(api: httpx.Client) -> None:
    """No single read waits long, and yet the whole takes its second: what a total deadline is for."""
    set_fault(api, kind="drip", operation="create", seconds=1)
    began = time.monotonic()
    answer = api.post("/bookings", json=BOOKING, timeout=0.5)
    assert answer.json()["externalId"] == "NS-1"
    assert time.monotonic() - began >= 0.9


def test_a_host_that_is_down_refuses_and_comes_back_on_its_port(sandbox: Sandbox, api: httpx.Client) -> None:
    with httpx.Client(base_url=sandbox.base_url, trust_env=False) as kept_open:
        assert kept_open.get("/sandbox/faults").status_code == 200
        sandbox.stop_listening()
        with pytest.raises(httpx.TransportError):
            kept_open.get("/sandbox/faults")
        with pytest.raises(httpx.ConnectError):
            api.get("/sandbox/faults")
        sandbox.start_listening()
        assert kept_open.get("/sandbox/faults").status_code == 200


def test_faults_are_set_counted_and_cleared_over_http(api: httpx.Client) -> None:
    set_fault(api, kind="500_before", times=3, operation="read")
    api.get(f"/bookings/{'0' * 24}")
    (shown,) = api.get("/sandbox/faults").json()
    assert (shown["kind"], shown["times"], shown["fired"]) == ("500_before", 3, 1)
    assert api.delete("/sandbox/faults").json() == []
    assert api.get(f"/bookings/{'0' * 24}").status_code == 404


@pytest.mark.parametrize("body", ['[{"kind": "earthquake"}]', '[{"kind": "slow", "speed": 1}]', "[7]", "7", "{"])
def test_a_wrong_switch_is_refused_with_its_reason(api: httpx.Client, body: str) -> None:
    answer = api.post("/sandbox/faults", content=body)
    assert answer.status_code == 422
    assert answer.json()["message"]
    assert api.get("/sandbox/faults").json() == []


def test_many_callers_at_once_get_one_booking_for_one_reference(api: httpx.Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: api.post("/bookings", json=BOOKING).json()["bookingId"], range(40)))
    assert len(set(answers)) == 1
    assert len(booked(api)) == 1


@pytest.mark.parametrize(
    "request_line", [b"GET /bookings/%ff HTTP/1.1", b"GET //[ HTTP/1.1", b"GET http://[/ HTTP/1.1", b"GET /?a=%zz HTTP/1.1"]
)
def test_odd_request_lines_are_answered(sandbox: Sandbox, request_line: bytes) -> None:
    """Never an error of the server's own, never a hang."""
    with socket.create_connection(sandbox.base_url.removeprefix("http://").split(":"), timeout=5) as raw:
        raw.sendall(request_line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert re.match(rb"HTTP/1.1 (200|401|404) ", raw.recv(64))


# Webhooks


class Receiver:
    """A real server that keeps what it gets and answers what it is told, one status after the other."""

    def __init__(self, *statuses: int) -> None:
        self.got: list[tuple[str, str, dict[str, str], bytes]] = []
        answers = iter(statuses)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((self.command, self.path, dict(self.headers), body))
                self.send_response(next(answers, 204))
                self.end_headers()

            do_PUT = do_POST  # noqa: N815

            def log_message(self, format: str, *args: Any) -> None:
                """Silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/webhooks/repairy"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    listening = Receiver(503)
    yield listening
    listening.close()


def test_a_webhook_arrives_signed_and_again_until_it_is_taken(sandbox: Sandbox, api: httpx.Client, receiver: Receiver) -> None:
    """Refused once, it comes again: the same event, another attempt."""
    answer = api.post("/sandbox/webhook", json={"url": receiver.url, "secret": "shared", "method": "PUT"})
    assert answer.json() == {"url": receiver.url}
    booking = api.post("/bookings", json=BOOKING).json()["bookingId"]
    assert within(15, lambda: len(receiver.got) == 2)
    for method, path, headers, body in receiver.got:
        signed = hmac.new(b"shared", headers["x-webhook-timestamp"].encode() + b"." + body, hashlib.sha256).hexdigest()
        assert (method, path, headers["x-webhook-signature"]) == ("PUT", "/webhooks/repairy", signed)
        assert json.loads(body)["data"]["id"] == booking
    assert len({json.loads(body)["id"] for *_, body in receiver.got}) == 1
    assert len({headers["x-webhook-id"] for _, _, headers, _ in receiver.got}) == 2
    assert within(5, lambda: api.get("/sandbox/ledger").json()["webhooks"] == {"waiting": 0, "sent": 2, "given_up": 0})


def test_a_receiver_that_is_not_there_is_tried_again(sandbox: Sandbox, api: httpx.Client) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with sandbox.lock:
            sandbox.partner.webhook = Webhook(f"http://127.0.0.1:{unused.getsockname()[1]}/", "shared")
        api.post("/bookings", json=BOOKING)
        assert within(5, lambda: api.get("/sandbox/ledger").json()["webhooks"]["sent"] >= 1)
    assert api.get("/sandbox/ledger").json()["webhooks"]["waiting"] == 1


# The customer's page


def test_a_customer_books_moves_and_cancels_on_the_page(api: httpx.Client) -> None:
    """Plain forms, each answered by going back to the page; times are the workshop's own."""
    assert api.post("/sandbox/book", data=FORM).headers["Location"] == "/"
    (booking,) = booked(api)
    assert api.get(f"/bookings/{booking}").json()["bookingTime"] == "2026-11-30T22:00:00.000Z"
    moved = api.post(f"/sandbox/bookings/{booking}/move", data={"starts_at": "2026-12-02T10:30"}, follow_redirects=True)
    assert "2026-12-02 10:30" in moved.text
    cancelled = api.post(f"/sandbox/bookings/{booking}/cancel", data={"": ""}, follow_redirects=True)
    assert "AAA001 · 2026-12-02 10:30 · cancelled" in cancelled.text
    assert re.findall(r"(\w+) \(\d\d:\d\d:\d\d UTC\)", cancelled.text) == ["created", "moved", "cancelled"]


def test_a_form_without_fields_cancels_too(api: httpx.Client) -> None:
    """A browser sends a form without inputs as an empty body."""
    api.post("/sandbox/book", data=FORM)
    (booking,) = booked(api)
    empty = {"Content-Type": "application/x-www-form-urlencoded"}
    assert api.post(f"/sandbox/bookings/{booking}/cancel", headers=empty).status_code == 303
    assert api.get(f"/bookings/{booking}").json()["status"] == "cancelled"


@pytest.mark.parametrize(
    "wrong", [{"phone": ""}, {"starts_at": ""}, {"starts_at": "tomorrow"}, {"service_category": "wash"}], ids=str
)
def test_a_wrong_form_comes_back_with_the_reason(api: httpx.Client, wrong: dict[str, str]) -> None:
    answer = api.post("/sandbox/book", data={**FORM, **wrong})
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert booked(api) == []


def test_what_a_customer_types_is_shown_as_text(api: httpx.Client) -> None:
    api.post("/sandbox/book", data={**FORM, "first_name": "<script>alert(1)</script>"})
    page = api.get("/").text
    assert "&lt;script&gt;" in page
    assert "<script" not in page


def test_another_sites_page_cannot_book(api: httpx.Client) -> None:
    answer = api.post("/sandbox/book", data=FORM, headers={"Origin": "http://other.example.com"})
    assert answer.status_code == 403
    assert booked(api) == []


def test_the_page_speaks_json_to_programs(api: httpx.Client) -> None:
    fields = {**FORM, "starts_at": "2026-12-01T22:00:00Z"}
    booking = api.post("/sandbox/book", json=fields).json()["id"]
    assert api.post(f"/sandbox/bookings/{booking}/move", json={"starts_at": "2026-12-02T22:00:00Z"}).status_code == 200
    edited = api.post(f"/sandbox/bookings/{booking}/edit", json={"jobNotes": "by hand", "car": {"make": "Make"}}).json()
    assert (edited["jobNotes"], edited["car"]["make"], edited["car"]["rego"]) == ("by hand", "Make", "AAA001")
    assert api.post(f"/sandbox/bookings/{'0' * 24}/cancel").status_code == 404
    assert api.get("/sandbox/nothing").status_code == 404


def test_the_ledger_holds_every_call_and_every_message(api: httpx.Client) -> None:
    booking = api.post("/bookings", json=BOOKING).json()["bookingId"]
    api.post(f"/bookings/{booking}/done")
    api.post(f"/bookings/{booking}/done")
    ledger = api.get("/sandbox/ledger").json()
    assert [call["operation"] for call in ledger["calls"]] == ["token", "create", "set_status", "set_status"]
    assert ledger["calls"][1] | {"at": ""} == {
        "at": "", "operation": "create", "method": "POST", "path": "/bookings", "status": 200, "took": True,
        "booking_id": booking, "reference": "NS-1", "fault": "", "reached": True,
    }  # fmt: skip
    assert [message["kind"] for message in ledger["messages"]] == ["created", "done", "done"]


# The command


def test_serve_says_where_it_is_and_ends_on_a_signal() -> None:
    program = "from sync.sandbox.server import serve; serve(None, '127.0.0.1', 0, '', 'not-to-be-printed')"
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ
    ) as running:
        assert running.stdout is not None
        url = running.stdout.readline().split()[2]
        assert httpx.get(f"{url}/", trust_env=False).status_code == 200
        running.send_signal(signal.SIGTERM)
        rest = running.stdout.read()
    assert running.returncode == 0
    assert "sandbox-key" in rest
    assert "not-to-be-printed" not in rest
