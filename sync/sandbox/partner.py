"""A stand-in for Repairy's Partner API, whole and in memory: `Partner.handle` takes a request and gives an answer.

RULE: no sockets, no threads, no clock but the one given: one seed and one order of calls give one history.
Strict in what it accepts, and no kinder than the documentation: there is no list, a reference that exists returns
its booking, what is not editable is ignored in silence, a repeated `done` messages the customer again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any
from urllib.parse import parse_qsl, unquote
from zoneinfo import ZoneInfo

from sync.repairy.contract import Contract
from sync.sandbox.diary import Change, Clock, Diary, Message
from sync.sandbox.faults import AFTER, BEFORE, PACE, Fault, struck
from sync.sandbox.gate import Gate
from sync.sandbox.operations import Operations, Request, route
from sync.sandbox.outbox import Delivery, Outbox, Webhook
from sync.sandbox.shapes import ABSENT, Refused, Shapes, dig, put

APP_KEY, APP_SECRET, PARTNER_ID, WEBHOOK_SECRET = "sandbox-key", "sandbox-secret", "sandbox-partner", "sandbox-webhook"
WORKSHOPS = {"68b7bf3f6210580c57363a94": "Northside"}
JSON_TYPE = "application/json"


@dataclass(frozen=True)
class Answer:
    """What goes back. `drop`: the connection ends without an answer, and `refused` before the request was even taken;
    `delay` seconds pass first; `drip`: it comes byte by byte; `cut`: it ends half-way."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    drop: bool = False
    refused: bool = False
    delay: float = 0.0
    drip: bool = False
    cut: bool = False


@dataclass(frozen=True)
class Call:
    """One line of the ledger. `status` is what the caller could see (0: nothing); `took`: it had its effect, seen or not.

    A delayed call has two lines: sent, and `reached` when the service got it."""

    at: datetime
    operation: str
    method: str
    path: str
    status: int
    took: bool
    booking_id: str
    reference: str
    fault: str
    reached: bool = True


class Partner:
    """The whole service. `bookings` is the truth, `calls`, `messages` and `history` what happened, `faults` the switches."""

    def __init__(
        self,
        contract: Contract,
        clock: Clock,
        *,
        app_key: str = APP_KEY,
        app_secret: str = APP_SECRET,
        partner_id: str = PARTNER_ID,
        workshops: Mapping[str, str] | None = None,
        webhook: Webhook | None = None,
        zone: str = "Australia/Melbourne",
        seed: int = 0,
    ) -> None:
        self.clock, self.shapes = clock, Shapes(contract)
        self.calls: list[Call] = []
        self._faults: list[Fault] = []
        self.post = Outbox(self.shapes, self._faults, seed, webhook)
        self.diary = Diary(self.shapes, clock, WORKSHOPS if workshops is None else workshops, ZoneInfo(zone), self.post, seed)
        self.operations = Operations(self.shapes, self.diary)
        self.gate = Gate(self.shapes, clock, {"app_key": app_key, "app_secret": app_secret}, partner_id, seed)
        self._routes = {
            name: (call.split(" ", 1)[0], route(call.split(" ", 1)[1]))
            for name, call in self.shapes.tables["operations"].items()
            if call
        }
        self._chance = Random(f"faults {seed}")  # noqa: S311
        self._late: list[tuple[datetime, Callable[[], None]]] = []

    @property
    def faults(self) -> list[Fault]:
        return self._faults

    @faults.setter
    def faults(self, faults: Iterable[Fault]) -> None:
        self._faults[:] = faults

    # The API

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """Answer one request; `path` with its query. Faults strike only paths of the API."""
        self.tick()
        path, _, query = path.partition("#")[0].partition("?")
        operation, places = self._find(method, path)
        fault = struck(self.faults, BEFORE + AFTER + PACE, operation, self._chance) if operation else None

        def carried_out() -> Answer:
            return self._served(method, path, operation, places, query, headers, body)

        if fault and fault.kind in BEFORE:
            if fault.kind in ("late", "race"):
                self._come_later(fault, body, lambda: self._note(operation, method, path, 0, carried_out(), fault))
            return self._struck_before(fault, operation, method, path)
        answer = carried_out()
        seen = _spoilt(answer, fault) if fault else answer
        self._note(operation, method, path, 0 if seen.drop else seen.status, answer, fault)
        return seen

    def tick(self) -> None:
        """Let requests arrive that a fault delayed and whose time has come; `handle` and `due_deliveries` do so themselves."""
        now = self.clock.now()
        ready = [late for late in self._late if late[0] <= now]
        self._late = [late for late in self._late if late[0] > now]
        for _, arrive in sorted(ready, key=lambda late: late[0]):
            arrive()

    def _unseen(self, body: bytes) -> str:
        """The reference of a racing create, where no booking has it yet: what it will not see when it arrives."""
        try:
            reference = dig(self._parsed(body, False), self.shapes.created["reference"])
        except Refused:
            return ""
        return reference if isinstance(reference, str) and not self.diary.knows(reference) else ""

    def _come_later(self, fault: Fault, body: bytes, arrive: Callable[[], None]) -> None:
        unseen = self._unseen(body) if fault.kind == "race" else ""

        def arrived() -> None:
            with self.diary.blind_to(unseen):
                arrive()

        self._late.append((self.clock.now() + timedelta(seconds=fault.seconds), arrived))

    def _struck_before(self, fault: Fault, operation: str, method: str, path: str) -> Answer:
        seen = {
            "429": self._error(self._busy(fault.seconds)),
            "401": self._error(self.shapes.refused("token", "token_refused", "the access token is not accepted")),
            "500_before": self._error(Refused(500, "internal", "something went wrong")),
        }.get(fault.kind, Answer(0, drop=True, refused=fault.kind == "down"))
        self._note(operation, method, path, seen.status, None, fault)
        return seen

    def _busy(self, seconds: float) -> Refused:
        refused = self.shapes.refused("busy", "too_many_requests", "slow down")
        refused.headers["Retry-After"] = str(int(seconds))
        return refused

    def _served(
        self,
        method: str,
        path: str,
        operation: str,
        places: Mapping[str, str],
        query: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> Answer:
        """The answer of the service itself, whatever a fault makes of it."""
        try:
            if not operation:
                raise self._no_route(path)
            if operation in ("token", "refresh"):
                return _json(200, getattr(self.gate, operation)(self._parsed(body, True)))
            self.gate.admit({name.lower(): value for name, value in headers.items()})
            needs_body = method != "GET" and operation != "set_status"
            request = Request(places, dict(reversed(parse_qsl(query))), self._parsed(body, needs_body))
            return _json(200, self.shapes.wrapped(self.operations.named(operation)(request)))
        except Refused as refused:
            return self._error(refused)

    def _find(self, method: str, path: str) -> tuple[str, dict[str, str]]:
        for name, (verb, pattern) in self._routes.items():
            found = pattern.fullmatch(path)
            if found and verb == method:
                return name, {place: unquote(value) for place, value in found.groupdict().items()}
        return "", {}

    def _no_route(self, path: str) -> Refused:
        allowed = {verb for verb, pattern in self._routes.values() if pattern.fullmatch(path)}
        if allowed:
            return Refused(405, "method_not_allowed", "not by this method", Allow=", ".join(sorted(allowed)))
        return self.shapes.refused("not_found", "no_such_path", "there is nothing here")

    def _parsed(self, body: bytes, required: bool) -> dict[str, Any]:
        """The body as an object; an empty one where none is required. Malformed JSON is the first of the contract's `invalid`."""
        if not required and not body.strip():
            return {}
        try:
            parsed = json.loads(body, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise Refused(self.shapes.tables["errors"]["invalid"][0], "invalid_json", "the body is not JSON") from None
        if not isinstance(parsed, dict):
            raise self.shapes.refused("invalid", "invalid_fields", "the body must be an object")
        return parsed

    def _error(self, refused: Refused) -> Answer:
        names, body = self.shapes.tables["errors"], dict[str, Any]()
        put(body, names["code"], refused.code)
        put(body, names["message"], refused.message)
        return _json(refused.status, body, refused.headers)

    def _note(self, operation: str, method: str, path: str, status: int, answer: Answer | None, fault: Fault | None) -> None:
        """Write a call into the ledger. `answer` is the service's own, None where it never got the call."""
        names, took = self.shapes.booking, answer is not None and answer.status == 200
        booking: Any = {}
        if took and answer and operation in ("create", "read", "update", "set_status"):
            booking = dig(json.loads(answer.body), self.shapes.tables["answer"]["envelope"])
        shown = (dig(booking, names[name]) for name in ("id", "reference"))
        booking_id, reference = ("" if value is ABSENT or value is None else str(value) for value in shown)
        struck_by = fault.kind if fault else ""
        facts = (operation, method, path, status, took, booking_id, reference, struck_by, answer is not None)
        self.calls.append(Call(self.clock.now(), *facts))

    # Webhooks

    @property
    def webhook(self) -> Webhook | None:
        """Where events go; without it there are none."""
        return self.post.webhook

    @webhook.setter
    def webhook(self, webhook: Webhook | None) -> None:
        self.post.webhook = webhook

    @property
    def outbox(self) -> list[Delivery]:
        return self.post.waiting

    def due_deliveries(self, now: datetime | None = None) -> list[Delivery]:
        """What is to be sent now, signed for this attempt; say what came of each by `delivered`."""
        self.tick()
        return self.post.due(now or self.clock.now())

    def delivered(self, delivery: Delivery, status: int) -> None:
        """The receiver's answer; 0 where there was none."""
        self.post.answered(delivery, status, self.clock.now())

    # Truth and customers

    @property
    def bookings(self) -> dict[str, dict[str, Any]]:
        return self.diary.bookings

    @property
    def messages(self) -> list[Message]:
        return self.diary.messages

    @property
    def history(self) -> dict[str, list[Change]]:
        return self.diary.history

    def book(self, workshop_id: str, fields: Mapping[str, Any]) -> str:
        """A customer books online: our field names, wire values. The new id; raises Refused."""
        return self.diary.book(workshop_id, fields)

    def move(self, booking_id: str, starts_at: Any) -> None:
        self.diary.move(booking_id, starts_at)

    def cancel(self, booking_id: str) -> None:
        self.diary.cancel(booking_id)

    def edit(self, booking_id: str, **wire: Any) -> None:
        """Repairy's staff changes anything, named as on the wire; objects are merged."""
        self.diary.edit(booking_id, wire)


def _json(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, {"Content-Type": JSON_TYPE, **(headers or {})}, json.dumps(body, ensure_ascii=False).encode())


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _spoilt(answer: Answer, fault: Fault) -> Answer:
    """What a fault makes of an answer whose call took effect."""
    headers, body = answer.headers, answer.body
    return {
        "500_after": Answer(500, {"Content-Type": JSON_TYPE}, b'{"code": "internal", "message": "something went wrong"}'),
        "lost_answer": Answer(answer.status, drop=True),
        "cut": Answer(answer.status, headers, body, cut=True),
        "garbled": Answer(answer.status, {"Content-Type": "text/html"}, b"<html><body>One moment, please</body></html>"),
        "slow": Answer(answer.status, headers, body, delay=fault.seconds),
        "drip": Answer(answer.status, headers, body, drip=True, delay=fault.seconds),
    }[fault.kind]
