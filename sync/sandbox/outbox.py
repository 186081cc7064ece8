"""Webhooks on their way out: signed, due, and sent again until somebody takes them. The signature is written here anew.

RULE: no sockets. The server's thread (or a test) takes what is due, sends it, and says what came back.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from sync.sandbox.faults import Fault, struck
from sync.sandbox.shapes import Shapes, put

BACKOFF = (1, 5, 30, 300, 1800, 7200, 7200, 7200)  # seconds before the second, third … attempt; then it is given up


@dataclass(frozen=True)
class Webhook:
    """Where events go: set per workshop system at Repairy."""

    url: str
    secret: str
    method: str = "POST"


@dataclass
class Delivery:
    """One event on its way; `headers` and `url` are those of the attempt that is due."""

    event_id: str
    action: str
    booking_id: str
    body: bytes
    due_at: datetime
    request_id: str
    attempts: int = 0
    url: str = ""
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)


class Outbox:
    """Events not yet taken. `sent` counts the attempts, `given_up` holds what nobody took."""

    def __init__(self, shapes: Shapes, faults: list[Fault], seed: int, webhook: Webhook | None = None) -> None:
        self.webhook = webhook
        self.waiting: list[Delivery] = []
        self.given_up: list[Delivery] = []
        self.sent = 0
        self._shapes, self._faults = shapes, faults
        self._ids, self._chance = Random(f"webhook ids {seed}"), Random(f"webhook faults {seed}")  # noqa: S311

    def add(self, cause: str, booking_id: str, booking: dict[str, Any], now: datetime) -> None:
        """An event for a booking; `cause` is created | updated | cancelled | done. Faults may lose, double or delay it."""
        names = self._shapes.tables["webhook"]
        action = next((word for word, ours in names["actions"].items() if ours == cause), "")
        if not action or self.webhook is None:
            return
        fault = struck(self._faults, ("webhook_lost", "webhook_doubled", "webhook_late"), action, self._chance)
        event = self._event(action, booking_id, booking, now)
        late = timedelta(seconds=fault.seconds) if fault and fault.kind == "webhook_late" else timedelta()
        copies = {"webhook_lost": 0, "webhook_doubled": 2}.get(fault.kind if fault else "", 1)
        self.waiting += [Delivery(event["id"], action, booking_id, event["body"], now + late, self._id()) for _ in range(copies)]

    def _event(self, action: str, booking_id: str, booking: dict[str, Any], now: datetime) -> dict[str, Any]:
        names, event_id = self._shapes.tables["webhook"], self._id()
        body: dict[str, Any] = {}
        put(body, names["event_id"], event_id)
        put(body, names["action"], action)
        if names["sent_at"]:
            put(body, names["sent_at"], int(now.timestamp()))
        put(body, names["booking"], booking)
        return {"id": event_id, "body": json.dumps(body, ensure_ascii=False).encode()}

    def _id(self) -> str:
        return f"{self._ids.getrandbits(128):032x}"

    def due(self, now: datetime) -> list[Delivery]:
        """What is to be sent now, signed afresh, the oldest first; nothing while no address is set."""
        if self.webhook is None:
            return []
        ready = sorted((delivery for delivery in self.waiting if delivery.due_at <= now), key=lambda each: each.due_at)
        for delivery in ready:
            self._address(delivery, now, self.webhook)
        return ready

    def _address(self, delivery: Delivery, now: datetime, webhook: Webhook) -> None:
        names = self._shapes.tables["webhook"]
        timestamp = str(int(now.timestamp()))
        delivery.method, delivery.url = webhook.method, webhook.url
        delivery.headers = {
            "Content-Type": "application/json",
            names["request_id"]: delivery.request_id,
            names["attempt"]: self._id(),
            names["timestamp"]: timestamp,
            names["version"]: "3",
        }
        if names["algorithm"] == "path":
            delivery.url = f"{webhook.url.rstrip('/')}/{webhook.secret}"
            return
        delivery.headers[names["signature"]] = signature(names, webhook.secret, timestamp, delivery.request_id, delivery.body)

    def answered(self, delivery: Delivery, status: int, now: datetime) -> None:
        """What an attempt brought: any 2xx ends it, anything else (0: no answer) is tried again later."""
        self.sent += 1
        delivery.attempts += 1
        if delivery not in self.waiting:
            return
        if 200 <= status < 300 or delivery.attempts > len(BACKOFF):
            self.waiting.remove(delivery)
            if not 200 <= status < 300:
                self.given_up.append(delivery)
            return
        delivery.due_at = now + timedelta(seconds=BACKOFF[delivery.attempts - 1])


def signature(names: dict[str, Any], secret: str, timestamp: str, request_id: str, body: bytes) -> str:
    """The keyed hash over what the contract's `signs` puts together, in its encoding."""
    before, _, behind = names["signs"].partition("{body}")
    signed = b"".join(
        part if isinstance(part, bytes) else part.replace("{timestamp}", timestamp).replace("{request_id}", request_id).encode()
        for part in (before, body, behind)
    )
    digest = hmac.new(secret.encode(), signed, getattr(hashlib, names["algorithm"].removeprefix("hmac-"))).digest()
    return digest.hex() if names["encoding"] == "hex" else base64.b64encode(digest).decode()
