"""One HTTP exchange with a total deadline. The only module that knows httpx; nothing here knows what an answer means.

httpx bounds each read, not the call: a server that drips bytes, be it in the headers, would hold it for ever. So every
socket operation is given what is left of the call's time. Proxy variables are ignored and redirects are not followed.
A failure is NotSent where the request cannot have left, else Unknown; texts of foreign errors, which may hold a token,
are never passed on.
"""

from __future__ import annotations

import json
import logging
import ssl
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpcore
import httpx

from sync.errors import ConfigError, NotSent, Unknown
from sync.ports import Clock

Seam = httpx.BaseTransport  # where a test may put a server of its own
IDLE = 4.0  # seconds that an idle connection is kept: less than servers usually do, so that they rarely close it on us
CAP = 1024 * 1024  # bytes of one answer
# What certainly happened before the first byte of the request left, and how to say it.
UNSENT: Mapping[type[Exception], str] = {
    httpx.ConnectTimeout: "no connection in time",
    httpx.ConnectError: "no connection (name, network or certificate)",
    httpx.PoolTimeout: "all connections are busy",
    httpx.UnsupportedProtocol: "repairy.base_url is not a web address",
    httpx.ProxyError: "a proxy stands in the way",
    httpx.InvalidURL: "repairy.base_url is not a web address",
}
BROKEN: Mapping[type[Exception], str] = {
    httpx.TimeoutException: "no whole answer in time",
    httpx.NetworkError: "the connection broke",
    httpx.ProtocolError: "the answer was cut short or is not HTTP",
}

for _name in ("httpx", "httpcore"):  # they log full addresses and headers
    logging.getLogger(_name).setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Reply:
    """What came back, whole: header names in lower case, body not yet understood."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class Transport:
    """Exchanges with one server; shared by threads. `timeout` is seconds for a whole exchange."""

    def __init__(
        self,
        base_url: str,
        clock: Clock,
        timeout: float,
        ca_bundle: str = "",
        connections: int = 16,
        transport: Seam | None = None,
    ) -> None:
        self._base = base_url.rstrip("/")
        self._clock = clock
        self._timeout = timeout
        self._deadline = _Deadline(clock)
        self._client = httpx.Client(
            transport=transport or _Socket(_trust(ca_bundle), connections, self._deadline),
            trust_env=False,
            follow_redirects=False,
        )

    def exchange(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: Any = None,
        params: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send and read the whole answer, whatever its status. Raises NotSent, Unknown."""
        try:
            request = self._request(method, path, headers, body, params)
        except Exception:  # noqa: BLE001 (whatever it is, nothing was sent)
            raise NotSent("the request could not be written: check repairy.base_url, partner_id and the wire contract") from None
        self._deadline.start(self._timeout)
        try:
            response = self._client.send(request, stream=True)
        except Exception as error:  # noqa: BLE001 (nothing foreign leaves the adapter)
            raise _translated(error, UNSENT, BROKEN) from None
        try:
            return self._received(response)
        except Unknown:
            raise
        except Exception as error:  # noqa: BLE001
            raise _translated(error, BROKEN) from None

    def close(self) -> None:
        self._client.close()

    def _request(
        self, method: str, path: str, headers: Mapping[str, str], body: Any, params: Mapping[str, str] | None
    ) -> httpx.Request:
        content = None if body is None else json.dumps(body, allow_nan=False).encode()
        kind = {"Content-Type": "application/json"} if content is not None else {}
        fixed = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "repairy-sync", **kind}
        return self._client.build_request(
            method, self._base + path, headers={**fixed, **headers}, content=content, params=params or None, timeout=self._timeout
        )

    def _received(self, response: httpx.Response) -> Reply:
        try:
            return Reply(response.status_code, {k.lower(): v for k, v in response.headers.items()}, self._body(response))
        finally:
            response.close()

    def _body(self, response: httpx.Response) -> bytes:
        """Every byte, within the cap and the deadline."""
        body = bytearray()
        for chunk in _chunks(response):
            body += chunk
            if len(body) > CAP:
                raise Unknown(f"the answer is larger than {CAP} bytes")
            if self._deadline.left() <= 0:
                raise Unknown(BROKEN[httpx.TimeoutException])
        return bytes(body)


def _chunks(response: httpx.Response) -> Iterable[bytes]:
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise Unknown("the answer is compressed, which was not asked for")
    return response.iter_bytes()


def _translated(error: Exception, *tables: Mapping[type[Exception], str]) -> NotSent | Unknown:
    """By the tables; what is in none of them counts as unknown."""
    for table in tables:
        for foreign, words in table.items():
            if isinstance(error, foreign):
                return NotSent(words) if table is UNSENT else Unknown(words)
    return Unknown("the call failed in a way that was not foreseen")


def _trust(ca_bundle: str) -> ssl.SSLContext:
    """Trust in what the system and httpx trust, or in one file alone. Raises ConfigError."""
    try:
        if ca_bundle:
            return ssl.create_default_context(cafile=ca_bundle)
        context = httpx.create_ssl_context(trust_env=False)
        context.load_default_certs()
        return context
    except (OSError, ValueError) as error:
        raise ConfigError(f"repairy.ca_bundle: {ca_bundle} cannot be used; allowed is a readable PEM file") from error


class _Deadline(threading.local):
    """When the exchange of this thread must be over."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._end = 0.0

    def start(self, seconds: float) -> None:
        self._end = self._clock.monotonic() + seconds

    def left(self) -> float:
        return self._end - self._clock.monotonic()

    def within(self, late: type[Exception]) -> float:
        """Seconds left; raises `late` where there are none."""
        left = self.left()
        if left <= 0:
            raise late
        return left


class _Socket(httpx.HTTPTransport):
    """httpx's own transport over a pool whose sockets keep the deadline."""

    def __init__(self, context: ssl.SSLContext, connections: int, deadline: _Deadline) -> None:
        super().__init__(verify=context, trust_env=False)
        self._pool.close()
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=IDLE,
            network_backend=_Backend(deadline),
        )


class _Backend(httpcore.SyncBackend):
    def __init__(self, deadline: _Deadline) -> None:
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left = self._deadline.within(httpcore.ConnectTimeout)
        stream = super().connect_tcp(host, port, left, local_address, socket_options)
        if self._deadline.left() <= 0:  # looking up the name is not bounded, and each address had its own time
            stream.close()
            raise httpcore.ConnectTimeout
        return _Stream(stream, self._deadline)


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.within(httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.within(httpcore.WriteTimeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._deadline.within(httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def close(self) -> None:
        self._stream.close()
