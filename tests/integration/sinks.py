"""Where alerts and pings end in tests: an SMTP server and an HTTP server on loopback that keep what they are given."""

from __future__ import annotations

import email
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Sink:
    """`status`: what the HTTP server answers, and whether the SMTP server takes a message (200) or refuses it."""

    port: int = 0
    status: int = 200
    bodies: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    @property
    def mails(self) -> list[Message]:
        return [email.message_from_string(body) for body in self.bodies]

    @property
    def texts(self) -> list[str]:
        """Each mail's text, decoded."""
        return [_text(mail) for mail in self.mails]


def _text(mail: Message) -> str:
    parts = [part for part in mail.walk() if part.get_content_type() == "text/plain"] or [mail]
    return b"".join(part.get_payload(decode=True) or b"" for part in parts).decode()  # type: ignore[arg-type]


@contextmanager
def smtp() -> Iterator[Sink]:
    sink = Sink()

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 sink")
            while line := self.rfile.readline().decode().strip():
                word = line.split()[0].upper()
                if word == "QUIT":
                    return self._say("221 bye")
                if word == "DATA":
                    self._say("354 go on")
                    sink.bodies.append(self._data())
                self._say("250 good" if sink.status == 200 or word != "MAIL" else "451 not now")
            return None

        def _data(self) -> str:
            lines = []
            while (line := self.rfile.readline().decode()) != ".\r\n":
                lines.append(line.removeprefix("."))
            return "".join(lines)

        def _say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    with _served(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session), sink):
        yield sink


@contextmanager
def http() -> Iterator[Sink]:
    sink = Sink()

    class Request(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sink.paths.append(self.path)
            sink.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())
            self.send_response(sink.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with _served(ThreadingHTTPServer(("127.0.0.1", 0), Request), sink):
        yield sink


@contextmanager
def _served(server: socketserver.BaseServer, sink: Sink) -> Iterator[None]:
    sink.port = server.server_address[1]  # type: ignore[index]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
