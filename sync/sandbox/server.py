"""The sandbox on a socket: one plain threaded HTTP server, so that a dropped or dripping answer really is one.

RULE: transport only. What is answered is the partner's and the console's; here it is sent, slowly, by halves, or not at all.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from sync.repairy.contract import Contract, load
from sync.sandbox.console import Console
from sync.sandbox.diary import Clock
from sync.sandbox.outbox import Delivery, Webhook
from sync.sandbox.partner import APP_KEY, APP_SECRET, PARTNER_ID, WEBHOOK_SECRET, Answer, Partner

PATIENCE = 10.0  # seconds that a webhook's receiver has (documented)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY")


class SystemTime:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class Sandbox:
    """The whole stand-in, running. Touch `partner` from outside only under `lock`."""

    def __init__(
        self,
        contract: Contract,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        webhook_url: str = "",
        webhook_secret: str = WEBHOOK_SECRET,
        webhook_method: str = "POST",
        app_key: str = APP_KEY,
        app_secret: str = APP_SECRET,
        partner_id: str = PARTNER_ID,
        workshops: Mapping[str, str] | None = None,
        zone: str = "Australia/Melbourne",
        clock: Clock | None = None,
        seed: int = 0,
    ) -> None:
        self.partner = Partner(
            contract,
            clock or SystemTime(),
            app_key=app_key,
            app_secret=app_secret,
            partner_id=partner_id,
            workshops=workshops,
            webhook=Webhook(webhook_url, webhook_secret, webhook_method) if webhook_url else None,
            zone=zone,
            seed=seed,
        )
        self.console = Console(self.partner)
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.news = threading.Event()  # a call came: there may be webhooks to send
        self._address = (host, port)
        self._server: _Server | None = None
        self._threads: list[threading.Thread] = []

    @property
    def base_url(self) -> str:
        host, port = self._address
        return f"http://{host}:{port}"

    def start(self) -> str:
        """Listen and deliver; the base URL. Raises OSError where the port is taken."""
        self.start_listening()
        courier = threading.Thread(target=self._deliver, name="sandbox-webhooks", daemon=True)
        courier.start()
        self._threads.append(courier)
        return self.base_url

    def stop(self) -> None:
        """Close everything, open connections too."""
        self.stopping.set()
        self.news.set()
        self.stop_listening()
        for thread in self._threads:
            thread.join(PATIENCE + 1)

    def start_listening(self) -> None:
        """Take connections, on the same port as before."""
        server = _Server(self._address, self)
        self._address = (self._address[0], server.server_address[1])
        self._server = server
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="sandbox-http", daemon=True)
        thread.start()

    def stop_listening(self) -> None:
        """Refuse connections as a host that is down does, and cut those that are open."""
        if self._server:
            self._server.close()
            self._server = None

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """One request, one at a time."""
        path = target.partition("?")[0]
        with self.lock:
            if self.console.serves(path):
                found = self.console.answer(method, path, {name.lower(): value for name, value in headers.items()}, body)
            else:
                found = self.partner.handle(method, target, headers, body)
        self.news.set()
        return found

    def _deliver(self) -> None:
        """Send what is due, one after the other, until stopped."""
        with httpx.Client(timeout=PATIENCE, trust_env=False) as client:
            while not self.stopping.is_set():
                self.news.wait(0.2)
                self.news.clear()
                with self.lock:
                    due = self.partner.due_deliveries()
                for delivery in due:
                    status = _sent(client, delivery)
                    with self.lock:
                        self.partner.delivered(delivery, status)


def _sent(client: httpx.Client, delivery: Delivery) -> int:
    """The receiver's status; 0 where there was no answer."""
    try:
        return client.request(delivery.method, delivery.url, content=delivery.body, headers=delivery.headers).status_code
    except (httpx.HTTPError, httpx.InvalidURL):
        return 0


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def close(self) -> None:
        self.shutdown()
        self.server_close()
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: the ledger is the log."""

    def _serve(self) -> None:
        if "Transfer-Encoding" in self.headers:
            self.close_connection = True
            return self._send(Answer(411))
        length = self.headers.get("Content-Length", "0")
        body = self.rfile.read(int(length)) if length.isdigit() else b""
        self._send(self.server.sandbox.answer(self.command, self.path, dict(self.headers), body))
        return None

    def _send(self, answer: Answer) -> None:
        """Put an answer on the wire, or spoil it as it says."""
        if answer.delay and not answer.drip:
            self.server.sandbox.stopping.wait(answer.delay)
        if answer.drop:
            self.close_connection = True
            return
        head, body = self._head(answer), b"" if self.command == "HEAD" else answer.body
        if answer.cut:
            self.close_connection = True
            self.wfile.write(head + body[: len(body) // 2])
        elif answer.drip:
            self._drip(head, body, answer.delay)
        else:
            self.wfile.write(head + body)

    def _head(self, answer: Answer) -> bytes:
        reason = self.responses.get(answer.status, ("",))[0]
        lines = [f"HTTP/1.1 {answer.status} {reason}", f"Date: {self.date_time_string()}", f"Content-Length: {len(answer.body)}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        if self.close_connection or answer.cut:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _drip(self, head: bytes, body: bytes, seconds: float) -> None:
        """The head at once, the body a byte at a time over so many seconds."""
        self.wfile.write(head)
        for byte in body:
            if self.server.sandbox.stopping.wait(seconds / len(body)):
                return
            self.wfile.write(bytes([byte]))


for _method in METHODS:
    setattr(_Handler, f"do_{_method}", _Handler._serve)


def serve(
    contract_path: Path | None = None,
    host: str = "127.0.0.1",
    port: int = 8790,
    webhook_url: str = "",
    webhook_secret: str = WEBHOOK_SECRET,
) -> None:
    """Run the sandbox until SIGINT or SIGTERM. Raises ConfigError for the contract, OSError where the port is taken."""
    sandbox = Sandbox(load(contract_path), host=host, port=port, webhook_url=webhook_url, webhook_secret=webhook_secret)
    over = threading.Event()
    before = {each: signal.signal(each, lambda *_: over.set()) for each in (signal.SIGINT, signal.SIGTERM)}
    url = sandbox.start()
    sys.stdout.write(_greeting(url, sandbox.partner, webhook_url))
    sys.stdout.flush()
    over.wait()
    sandbox.stop()
    for each, handler in before.items():
        signal.signal(each, handler)


def _greeting(url: str, partner: Partner, webhook_url: str) -> str:
    workshops = ", ".join(f"{each.id} ({each.name})" for each in partner.diary.workshops.values())
    lines = {
        "Partner API": f"{url}    (repairy.base_url)",
        "Customer's page": f"{url}/",
        "Description": f"{url}/openapi.json",
        "Fault switches": f"{url}/sandbox/faults",
        "Ledger, truth": f"{url}/sandbox/ledger, {url}/sandbox/bookings",
        "App Key, Secret": f"{APP_KEY}, {APP_SECRET}",
        "Partner ID": PARTNER_ID,
        "Workshop": workshops,
        "Webhooks go to": webhook_url or f"nowhere yet: POST {url}/sandbox/webhook",
    }
    return "".join(f"{name:<16} {value}\n" for name, value in lines.items())
