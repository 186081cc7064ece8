"""What the relay answers on its public host: the webhook endpoint, and the daemon that fetches. Stores, believes nobody."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sync.core.times import stamp
from sync.errors import Unreachable
from sync.ports import Event
from sync.web import webhooks
from sync.web.webhooks import Intake, Verify

PATH = "/relay/events"
READ_SECONDS = 8.0


class Shelf(Protocol):
    """Where deliveries lie (`sync.relay.Shelf`). All raise Unreachable."""

    def put(self, one: Event, _: str = "") -> bool: ...
    def page(self, after: int) -> list[dict[str, Any]]: ...
    def drop(self, keys: Sequence[str]) -> None: ...


def app(verify: Verify, may_fetch: Callable[[Mapping[str, str], bytes], bool], shelf: Shelf, intake: Intake) -> Starlette:
    """`verify` returns an event that names no workshop, so that it is kept whosever it is."""

    async def events(request: Request) -> Response:
        """{"done": [keys], "after": number} -> {"events": […], "refusals": […]}; 401 for whoever has not the secret."""
        try:
            body = await _body(request)
        except (ClientDisconnect, TimeoutError):
            return Response(status_code=408)
        if body is None or not may_fetch(request.headers, body):
            return _refused()
        try:
            asked = json.loads(body)
            done, after = [str(key) for key in asked["done"]], int(asked["after"])
        except (ValueError, KeyError, TypeError):
            return JSONResponse({"result": "not understood"}, 400)
        return await run_in_threadpool(_answered, shelf, intake, done, after)

    served = webhooks.app(verify, shelf.put, {"": "relay"}, lambda: None, intake)
    served.router.routes.append(Route(PATH, events, methods=["POST"]))
    return served


def _answered(shelf: Shelf, intake: Intake, done: Sequence[str], after: int) -> Response:
    try:
        if done:
            shelf.drop(done)
        found = shelf.page(after)
    except Unreachable:
        return JSONResponse({"result": "the relay's file cannot be used"}, 503)
    refusals = [{"at": stamp(one.at), "reason": one.reason, "headers": dict(one.headers)} for one in intake.refusals]
    return JSONResponse({"events": found, "refusals": refusals})


def _refused() -> Response:
    return JSONResponse({"result": "not signed with the webhook secret"}, 401, {"Connection": "close"})


async def _body(request: Request) -> bytes | None:
    """None where it is too large; the rest is not read then. Raises ClientDisconnect, TimeoutError."""
    body = bytearray()
    async with asyncio.timeout(READ_SECONDS):
        async for chunk in request.stream():
            body += chunk
            if len(body) > webhooks.MAX_BODY:
                return None
    return bytes(body)
