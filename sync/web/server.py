"""One ASGI application on one address, in a thread of its own. Routes stand elsewhere; so do signals."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
import threading

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from sync.errors import ConfigError, Unreachable

START_SECONDS = 10.0
HEAD_SECONDS = 10.0  # for a request's line and headers, from its connection or the answer before it
GRACE_SECONDS = 1  # what a request in hand may still take at the end
STOP_SECONDS = GRACE_SECONDS + 1.0
SWITCH_SECONDS = 0.001  # Python's 5 ms between threads made answers during a busy pass two to three times slower
MAX_CONNECTIONS = 200  # more are answered 503 at once

_SAID = {
    errno.EADDRINUSE: "is in use: another repairy-sync or program listens there; stop it, or set another address",
    errno.EACCES: "may not be used by this user: take a port above 1023",
    errno.EADDRNOTAVAIL: "is not an address of this machine",
}
_PASSING = (errno.EADDRINUSE, errno.EADDRNOTAVAIL)  # another program ends, a network comes up: the service tries again


class Listener:
    """Serves `app` on `listen`, "host:port" ("[::1]:8780" for IPv6); port 0 takes a free one, told by `port`."""

    def __init__(self, app: ASGIApp, listen: str) -> None:
        self.listen = listen
        self.host, self.port = _parsed(listen)
        self._server = _Server(_settings(app))
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Returns when it listens. Raises, naming the address: Unreachable where trying again may help, else ConfigError."""
        sys.setswitchinterval(min(SWITCH_SECONDS, sys.getswitchinterval()))
        bound = self._bound()
        self.port = bound.getsockname()[1]
        self._thread = threading.Thread(target=self._server.run, args=([bound],), name=f"web {self.listen}", daemon=True)
        self._thread.start()
        if not self._server.listening.wait(START_SECONDS):
            bound.close()
            raise Unreachable(f"{self.listen} did not begin to answer within {START_SECONDS:.0f} seconds")

    def stop(self) -> None:
        """Takes no new request, gives those in hand a moment, and lets the address go. Harmless when repeated."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)

    def _bound(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            return socket.create_server((self.host, self.port), family=family, backlog=128)
        except OSError as error:
            said = _SAID.get(error.errno or 0, f"cannot be listened on: {error.strerror or error}")
            kind = Unreachable if error.errno in _PASSING else ConfigError
            raise kind(f"{self.listen} {said}") from error


class _Server(uvicorn.Server):
    """uvicorn, that says when it listens. It leaves signals alone outside the main thread."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


class _Protocol(H11Protocol):
    """uvicorn's, that does not wait for ever: otherwise a few hundred silent connections would shut everybody out."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.loop.call_later(HEAD_SECONDS, self._give_up)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _give_up(self) -> None:
        if self.conn.their_state is h11.IDLE:
            self.transport.close()


def _settings(app: ASGIApp) -> uvicorn.Config:
    """No access log: a path may hold a secret. No trust in proxy headers: nothing here depends on who asks."""
    return uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def _parsed(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    if not (colon and host and port.isdecimal() and int(port) < 1 << 16):
        raise ConfigError(f'{listen!r} is not an address to listen on: "host:port" is, such as "127.0.0.1:8780"')
    return host.removeprefix("[").removesuffix("]"), int(port)
