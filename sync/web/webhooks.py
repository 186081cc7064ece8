"""The webhook endpoint: the one thing that may be published. It stores verified events and answers; it acts on nothing.

1. A delivery counts for nothing until `verify` returned; whatever goes wrong before is 401 (or 413, 408), never 5xx.
2. 2xx is said only after every workshop that the event is for has it committed; what cannot be stored is 503, never 410,
   so that Repairy sends it again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sync.errors import SyncError
from sync.ports import PROBED, Clock, Event

PATH = "/webhooks/repairy"
METHODS = ["POST", "PUT", "PATCH"]
MAX_BODY = 256 * 1024  # bytes
READ_SECONDS = 8.0  # for the whole body
STORE_SECONDS = 8.0  # Repairy waits 10 seconds; a later commit is met as a duplicate
KEPT = 5  # last refusals
MAX_HEADERS = 40  # kept of one refusal

Verify = Callable[[str, str, Mapping[str, str], bytes], Event]
Store = Callable[[Event, str], bool]


@dataclass(frozen=True)
class Refusal:
    """A delivery that did not count, as far as a person needs it: header name -> length of its value. No values."""

    at: datetime
    reason: str
    headers: Mapping[str, int]


@dataclass
class Intake:
    """What came in since the start, for status and metrics. Counts deliveries; only the endpoint's own thread writes."""

    clock: Clock
    stored: int = 0
    repeated: int = 0
    foreign: int = 0  # another installation's workshop: acknowledged and dropped
    refused: int = 0
    unstored: int = 0  # verified, but answered 503
    last_stored: datetime | None = None
    last_problem: str = ""  # why the last 503
    unfetched: str = ""  # where they come by a relay: why none can be fetched now
    _refusals: deque[Refusal] = field(default_factory=lambda: deque(maxlen=KEPT))

    def refuse(self, reason: str, headers: Mapping[str, str]) -> None:
        lengths = {name: len(value) for name, value in list(headers.items())[:MAX_HEADERS]}
        self.note(Refusal(self.clock.now(), reason, lengths))

    def note(self, refusal: Refusal) -> None:
        """One more, refused here or at the relay."""
        self.refused += 1
        self._refusals.append(refusal)

    @property
    def refusals(self) -> Sequence[Refusal]:
        """The last few, oldest first."""
        return tuple(self._refusals)


def app(verify: Verify, store: Store, workshops: Mapping[str, str], wake: Callable[[], None], intake: Intake) -> Starlette:
    """`verify(method, path, headers, body)` returns the event or raises; `store(event, workshop)` commits, False where known.

    `workshops` is Repairy's workshop id -> our name. `wake` is called after a new event is stored and must not block.
    """
    endpoint = _Endpoint(verify, store, workshops, wake, intake)
    routes = [Route(path, endpoint.deliver, methods=METHODS) for path in (PATH, PATH + "/{secret}")]
    served = Starlette(routes=routes)
    served.router.redirect_slashes = False
    return served


class _Refused(Exception):
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


class _Endpoint:
    def __init__(
        self, verify: Verify, store: Store, workshops: Mapping[str, str], wake: Callable[[], None], intake: Intake
    ) -> None:
        self._verify, self._store, self._workshops, self._wake, self._intake = verify, store, workshops, wake, intake
        # threads of its own: a pass that uses every other thread does not keep a delivery waiting
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="webhook")

    async def deliver(self, request: Request) -> Response:
        try:
            event = await self._verified(request)
        except _Refused as refused:
            self._intake.refuse(refused.reason, request.headers)
            return _answer(refused.status, refused.reason)
        except ClientDisconnect:
            return _answer(400, "broken off")  # nobody reads it
        return await self._kept(event)

    async def _verified(self, request: Request) -> Event:
        body = await _body(request)
        try:
            return self._verify(request.method, request.scope["path"], request.headers, body)
        except Exception as error:  # noqa: BLE001  invariant 11: any exception while checking is a bad signature
            raise _Refused(401, _said(error)) from None

    async def _kept(self, event: Event) -> Response:
        names = self._meant(event)
        if not names:
            self._intake.foreign += 1
            return _answer(200, "not a workshop of this installation")
        loop = asyncio.get_running_loop()
        try:
            fresh = await asyncio.wait_for(loop.run_in_executor(self._pool, self._committed, event, names), STORE_SECONDS)
        except Exception as error:  # noqa: BLE001  invariant 10: whatever it was, it is not stored
            self._intake.unstored += 1
            self._intake.last_problem = _said(error)
            return _answer(503, "could not be stored; send it again")
        return _answer(200, "stored") if event.action == PROBED else self._told(fresh)

    def _meant(self, event: Event) -> list[str]:
        """The workshops to store it for: its own, or all where it names none."""
        if event.workshop_id is None:
            return sorted(set(self._workshops.values()))
        return [self._workshops[event.workshop_id]] if event.workshop_id in self._workshops else []

    def _committed(self, event: Event, names: Sequence[str]) -> bool:
        """Whether it was new to any of them."""
        fresh = [self._store(event, name) for name in names]
        return any(fresh)

    def _told(self, fresh: bool) -> Response:
        if not fresh:
            self._intake.repeated += 1
            return _answer(200, "known")
        self._intake.stored += 1
        self._intake.last_stored = self._intake.clock.now()
        with suppress(Exception):  # it is stored: the next pass finds it anyway
            self._wake()
        return _answer(200, "stored")


async def _body(request: Request) -> bytes:
    """The raw body. Raises _Refused for one too large (the rest is not read) or too slow; ClientDisconnect."""
    body = bytearray()
    try:
        async with asyncio.timeout(READ_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY:
                    raise _Refused(413, "the body is too large")
    except TimeoutError:
        raise _Refused(408, "the body did not come in time") from None
    return bytes(body)


def _said(error: Exception) -> str:
    """Messages of ours hold nothing of a customer; those of others might."""
    return str(error) if isinstance(error, SyncError) else type(error).__name__


def _answer(status: int, said: str) -> Response:
    """In our own words only. A refusal ends the connection: what may still come on it is not read."""
    headers = {} if status == 200 else {"Connection": "close"}
    return JSONResponse({"result": said}, status, headers | ({"Retry-After": "30"} if status == 503 else {}))
