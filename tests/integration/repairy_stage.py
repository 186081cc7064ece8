"""What the tests of the Repairy client share: a booking, a clock, scripts that hand out tokens, and a client before a server."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sync.machine import SystemClock
from sync.repairy.client import Client
from sync.repairy.contract import Contract, load
from sync.repairy.workshop import WorkshopRepairy
from tests.integration.scripted_server import Answer, Request, Script, Server, serving

ZONE = ZoneInfo("Australia/Melbourne")
START = datetime(2026, 3, 5, 22, 0, tzinfo=UTC)
SECRET, TOKEN = "canary-app-secret", "canary-access-token"
BOOKING = {
    "id": "b1",
    "code": "C1",
    "status": "pending",
    "bookingTime": "2026-03-05T22:00:00.000Z",
    "workshopId": "w1",
    "externalId": "NS-1",
}
FIELDS = {
    "name": "Customer One",
    "phone": "0400 000 001",
    "rego": "AAA001",
    "starts_at": "2026-03-05T22:00:00Z",
    "service_category": "service",
}


class ManualClock:
    """A clock that moves when it is told to, and when somebody sleeps on it."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds - 1000.0)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


def tokens(request: Request) -> Answer | None:
    """A token for whoever asks."""
    if request.path.startswith("/auth/"):
        return Answer(body={"accessToken": TOKEN, "refreshToken": "canary-refresh", "expiresIn": 172800})
    return None


def always(answer: Answer) -> Script:
    """A token where it is asked for, else always the same."""
    return lambda request: tokens(request) or answer


@contextmanager
def client(
    url: str,
    *,
    clock: Any = None,
    timeout: float = 5.0,
    rate: float = 1000.0,
    contract: Contract | None = None,
    seam: Any = None,
    ca_bundle: str = "",
) -> Iterator[Client]:
    made = Client(
        url,
        "partner-1",
        "canary-app-key",
        SECRET,
        contract or load(),
        clock or SystemClock(),
        timeout=timeout,
        requests_per_second=rate,
        transport=seam,
        ca_bundle=ca_bundle,
    )
    try:
        yield made
    finally:
        made.close()


@contextmanager
def workshop(script: Script, **options: Any) -> Iterator[tuple[WorkshopRepairy, Server]]:
    with serving(script) as server, client(server.url, **options) as made:
        yield made.workshop("w1", ZONE), server


def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


WRITES: dict[str, Callable[[WorkshopRepairy], Any]] = {
    "create": lambda w: w.create(FIELDS, "NS-1"),
    "update": lambda w: w.update("b1", {"job_notes": "brakes"}),
    "set_status": lambda w: w.set_status("b1", "done"),
    "quote": lambda w: w.quote(FIELDS),
    "remind": lambda w: w.remind(phone="+61400000001"),
}
READS: dict[str, Callable[[WorkshopRepairy], Any]] = {
    "read": lambda w: w.read("b1"),
    "availability": lambda w: w.availability(date(2026, 3, 1), date(2026, 3, 2)),
    "catalog": lambda w: w.catalog(),
    "reminder": lambda w: w.reminder("r1"),
}
