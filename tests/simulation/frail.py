"""The real shop store, state store and HTTP transport, made to fail as the real world does.

RULE: nothing is decided about bookings here. Each write is also the place where the promises of a single write are
checked: its intent is in the journal, and what it overwrites stands in that intent.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import sqlalchemy as sa

from sync.errors import NotSent, Unknown, Unreachable
from sync.ports import Reading
from sync.sandbox.partner import Answer, Partner
from tests.simulation.machine import Machine

SHOP_READS = frozenset({"identity", "changed", "window", "read", "remembered", "candidates", "keys"})
SHOP_WRITES = frozenset({"change", "create", "link"})
SHOP_FAULTS = ("shop_unreachable", "shop_partial", "shop_busy", "shop_lost_before", "shop_lost_after")
Watch = Callable[[str, Any], None]


class FrailState:
    """The state store, with a point before and after each commit, and a disk that may be full."""

    def __init__(self, store: Any, machine: Machine) -> None:
        self.store, self.machine = store, machine
        self.full = 0  # commits that will fail
        self._name, self._commits = "", 0
        sa.event.listen(store.database.engine, "commit", self._committing)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.store, name)
        return self._called(name, method) if callable(method) else method

    def _called(self, name: str, method: Any) -> Any:
        def call(*args: Any, **values: Any) -> Any:
            self._name, self._commits = name, 0
            try:
                result = method(*args, **values)
            finally:
                self._name = ""
            if self._commits:
                self.machine.point(f"state.{name}:after")
            return result

        return call

    def _committing(self, connection: sa.Connection) -> None:
        """All statements were carried out; nothing is kept yet."""
        if not self._name or connection.get_execution_options().get("reading", False):
            return
        self.machine.point(f"state.{self._name}:before")
        if self.full > 0:
            self.full -= 1
            self.machine.struck("state_full", during=self._name)
            raise Unreachable("the state database could not be used: disk full")
        self._commits += 1


class FrailShop:
    """The shop store, with a point before each call, at its commit and after it. `plan` holds the faults to come, in order."""

    def __init__(self, store: Any, machine: Machine, watch: Watch) -> None:
        self.store, self.machine, self.watch = store, machine, watch
        self.ability = store.ability
        self.plan: deque[str] = deque()
        self.shown: dict[str, set[str]] = {}  # key -> statuses that the engine was shown
        self._writes = ""
        sa.event.listen(store._engine, "commit", self._committing)

    def _committing(self, _: sa.Connection) -> None:
        """The statements of one write were carried out; nothing is kept yet."""
        if self._writes:
            self.machine.point(f"shop.{self._writes}:commit")

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.store, name)
        return self._reading(name, method) if name in SHOP_READS else self._writing(name, method)

    def _next(self, *kinds: str) -> str:
        if not self.plan or self.plan[0] not in kinds:
            return ""
        return self.plan.popleft()

    def _reading(self, name: str, method: Any) -> Any:
        def read(*args: Any) -> Any:
            self.machine.point(f"shop.{name}:before")
            if self._next("shop_unreachable"):
                self.machine.struck("shop_unreachable", during=name)
                raise Unreachable("the shop's database could not be read")
            result = method(*args)
            if isinstance(result, Reading) and len(result.rows) > 1 and self._next("shop_partial"):
                self.machine.struck("shop_partial", during=name)
                result = replace(
                    result, rows=[row for row in result.rows if self.machine.chance.random() < 0.6] or result.rows[:1]
                )
            rows = result.rows if isinstance(result, Reading) else result.values() if name == "read" else ()
            for row in rows:
                self.shown.setdefault(row.key, set()).add(str(row.fields.get("status")))
            return result

        return read

    def _writing(self, name: str, method: Any) -> Any:
        def write(*args: Any, **values: Any) -> Any:
            about = str(args[0]) if name != "create" else ""
            self.machine.point(f"shop.{name}:before", about)
            fault = self._next("shop_unreachable", "shop_busy", "shop_lost_before", "shop_lost_after")
            if fault in ("shop_unreachable", "shop_busy"):
                self.machine.struck(fault, during=name)
                raise NotSent("the shop's program has this booking in use")
            if fault == "shop_lost_before":
                self.machine.struck(fault, during=name)
                raise Unknown("the connection was lost while it stored the change")
            self.watch(name, args)
            self._writes = name
            try:
                result = method(*args, **values)
            finally:
                self._writes = ""
            self.machine.say(f"shop {name}", key=result.key)
            self.machine.point(f"shop.{name}:after", result.key)
            if fault:
                self.machine.struck(fault, during=name)
                raise Unknown("the connection was lost while it stored the change")
            return result

        return write


class FrailWire:
    """httpx's transport onto the sandbox: what `Answer` says of the wire really happens to the client."""

    def __init__(self, partner: Partner, machine: Machine, timeout: float) -> None:
        self.partner, self.machine, self.timeout = partner, machine, timeout
        self.shown: dict[str, dict[str, Any]] = {}  # booking -> as the client last saw it
        self.fresh: set[str] = set()  # bookings of which the last call was a read that was answered
        self.blind: list[str] = []  # writes to a booking that was not read just before
        self.transport = httpx.MockTransport(self._handle)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        machine, chance = self.machine, self.machine.chance
        path = request.url.raw_path.decode()
        label, about = _called(request.method, path)
        machine.point(f"{label}:before", about)
        machine.clock.sleep(chance.uniform(0.02, 0.4))
        answer = self.partner.handle(request.method, path, dict(request.headers), request.read())
        fault = self.partner.calls[-1].fault
        self._looked_first(request.method, path, answer.status)
        machine.say("api", call=f"{request.method} {path}", status=answer.status, fault=fault)
        if fault:
            machine.fired[fault] += 1
        machine.point(f"{label}:after", about)
        return self._told(request, answer, lambda: machine.point(f"{label}:answered", about))

    def _looked_first(self, method: str, path: str, status: int) -> None:
        """A write to a booking follows a reading of it, with nothing in between (3, and the window for a lost edit)."""
        _, where, booking_id = "/".join(path.split("/")[:3]).rpartition("/bookings/")
        if method != "GET" and where and booking_id not in self.fresh:
            self.blind.append(f"{method} {path} was sent without reading the booking first")
        if status != 401:  # refused at the door; it comes again with another token
            self.fresh.discard(booking_id)

    def _told(self, request: httpx.Request, answer: Answer, ended: Callable[[], None]) -> httpx.Response:
        chance = self.machine.chance
        if answer.refused:
            raise chance.choice((httpx.ConnectError, httpx.ConnectTimeout))("refused", request=request)
        if answer.drop:
            raise self._lost(
                chance.choice((httpx.ReadTimeout, httpx.ReadError, httpx.RemoteProtocolError, httpx.WriteError)), request
            )
        if answer.delay >= self.timeout and not answer.drip:
            raise self._lost(httpx.ReadTimeout, request)
        if not answer.cut and answer.delay < self.timeout:
            self._saw(answer, request.method)
        if not (answer.drip or answer.cut):
            self.machine.clock.sleep(answer.delay)
            return httpx.Response(answer.status, headers=dict(answer.headers), stream=_Bytes(answer.body, ended))
        return httpx.Response(answer.status, headers=dict(answer.headers), stream=_Slow(answer, self.machine, request))

    def _lost(self, error: type[httpx.RequestError], request: httpx.Request) -> httpx.RequestError:
        if issubclass(error, httpx.TimeoutException):
            self.machine.clock.sleep(self.timeout)
        return error("lost", request=request)

    def _saw(self, answer: Answer, method: str) -> None:
        """What the client now knows of a booking."""
        try:
            body = json.loads(answer.body)
        except ValueError:
            return
        if isinstance(body, dict) and isinstance(body.get("id"), str):
            self.shown[body["id"]] = body
            self.fresh |= {body["id"]} if method == "GET" else set()


def _called(method: str, path: str) -> tuple[str, str]:
    """The label of a call, and the booking that it is about: api.read, api.update, api.done …"""
    steps = path.strip("/").split("/")
    if steps[0] != "bookings":
        return f"api.{steps[-1]}", ""
    named = {"GET": "read", "PUT": "update"}.get(method) or (steps[2] if len(steps) > 2 else "create")
    return f"api.{named}", steps[1] if len(steps) > 1 else ""


class _Bytes(httpx.SyncByteStream):
    def __init__(self, body: bytes, ended: Callable[[], None]) -> None:
        self.body, self.ended = body, ended

    def __iter__(self) -> Iterator[bytes]:
        yield self.body
        self.ended()


class _Slow(httpx.SyncByteStream):
    """Byte by byte with the time between them, or ending half-way."""

    def __init__(self, answer: Answer, machine: Machine, request: httpx.Request) -> None:
        self.answer, self.machine, self.request = answer, machine, request

    def __iter__(self) -> Iterator[bytes]:
        body = self.answer.body
        if self.answer.cut:
            yield body[: len(body) // 2]
            raise self.machine.chance.choice((httpx.RemoteProtocolError, httpx.ReadError))("cut", request=self.request)
        step = max(1, len(body) // 8)
        for at in range(0, len(body), step):
            self.machine.clock.sleep(self.answer.delay / 8)
            yield body[at : at + step]
