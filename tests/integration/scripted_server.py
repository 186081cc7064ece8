"""A loopback HTTP server that answers as a test's script says, down to the bytes: whole, dripping, cut, reset, or never.

A script is a function of the request. It knows nothing of Repairy; the tests say what its answers look like.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any, ClassVar


@dataclass(frozen=True)
class Request:
    """What came in: header names in lower case, `body` parsed where it is JSON."""

    method: str
    path: str
    headers: Mapping[str, str]
    raw: bytes
    body: Any = None


@dataclass(frozen=True)
class Answer:
    """What goes out. `how`: whole | drip (the body byte by byte) | drip-head | cut (half the body) | reset | never | raw."""

    status: int = 200
    body: Any = None  # bytes as they are, anything else as JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    how: str = "whole"

    def content(self) -> bytes:
        if self.body is None:
            return b""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()

    def head(self) -> bytes:
        lines = {"content-length": str(len(self.content())), "content-type": "application/json", **self.headers}
        return "".join([f"HTTP/1.1 {self.status} X\r\n", *(f"{k}: {v}\r\n" for k, v in lines.items()), "\r\n"]).encode()


Script = Callable[[Request], Answer]


class Server(ThreadingTCPServer):
    """One scripted server; `seen` is every request in order."""

    daemon_threads = True
    allow_reuse_address = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.tls = tls
        self.script = script
        self.seen: list[Request] = []
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.server_address[1]}"

    def paths(self) -> list[str]:
        return [f"{request.method} {request.path}" for request in self.seen]


class _Handler(BaseRequestHandler):
    server: Server
    _SEND: ClassVar[Mapping[str, str]] = {
        "drip": "_drip",
        "drip-head": "_drip_head",
        "cut": "_cut",
        "reset": "_reset",
        "never": "_never",
    }

    def handle(self) -> None:
        with suppress(OSError):
            if self.server.tls:
                self.request = self.server.tls.wrap_socket(self.request, server_side=True)
            while (request := self._request()) and not self.server.over.is_set():
                self.server.seen.append(request)
                answer = self.server.script(request)
                if answer.how == "whole":
                    self.request.sendall(answer.head() + answer.content())
                    continue
                if answer.how == "raw":
                    self.request.sendall(answer.content())
                else:
                    getattr(self, self._SEND[answer.how])(answer)
                return

    def _request(self) -> Request | None:
        head = b""
        while b"\r\n\r\n" not in head:
            more = self.request.recv(65536)
            if not more:
                return None
            head += more
        lines, _, raw = head.partition(b"\r\n\r\n")
        first, *rest = lines.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
        while len(raw) < int(headers.get("content-length", "0")):
            raw += self.request.recv(65536)
        with suppress(ValueError):
            return Request(method, path, headers, raw, json.loads(raw))
        return Request(method, path, headers, raw)

    def _drip(self, answer: Answer) -> None:
        self.request.sendall(answer.head())
        self._slowly(answer.content())

    def _drip_head(self, answer: Answer) -> None:
        self._slowly(answer.head() + answer.content())

    def _slowly(self, content: bytes) -> None:
        for byte in content:
            self.request.sendall(bytes([byte]))
            if self.server.over.wait(0.05):
                return

    def _cut(self, answer: Answer) -> None:
        content = answer.content()
        self.request.sendall(answer.head() + content[: len(content) // 2])

    def _reset(self, answer: Answer) -> None:
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.request.close()

    def _never(self, answer: Answer) -> None:
        self.server.over.wait(30)


@contextmanager
def serving(script: Script, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A running server, over TLS where a context is given; gone at the end."""
    with Server(script, tls) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join(5)
