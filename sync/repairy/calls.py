"""Calls to the Partner API, shared by all workshops: token, rate, pause, and what each answer means.

Outcomes: nothing left -> NotSent; 4xx with a body that can be read -> Rejected or NotFound; 2xx -> the body; everything
else -> Unknown. A read has no outcome to worry about: there each of these but NotFound is Unreachable.
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Protocol
from urllib.parse import quote

from sync.errors import ConfigError, NotFound, NotSent, Rejected, Unknown, Unreachable
from sync.ports import Clock
from sync.repairy import auth, wire
from sync.repairy.bucket import Bucket, Pause, retry_after
from sync.repairy.contract import Contract
from sync.repairy.transport import Reply, Seam, Transport

BEFORE, BEHIND = r"(?<![^\W_])", r"(?![^\W_])"  # no letter or digit there
UNSURE = (408,)  # a 4xx that does not say that nothing happened


class Log(Protocol):
    """What is used of a logger."""

    def debug(self, event: str, **facts: Any) -> Any: ...


@dataclass(frozen=True)
class Call:
    """One request to be made. `about` is what a refusal speaks of, in the owner's words."""

    operation: str
    method: str
    path: str
    about: str
    body: Any = None
    params: Mapping[str, str] | None = None


class Calls:
    """One target, one token, one rate. `timeout` is seconds for each exchange, from connecting to the last byte."""

    def __init__(
        self,
        base_url: str,
        partner_id: str,
        app_key: str,
        app_secret: str,
        contract: Contract,
        clock: Clock,
        *,
        timeout: float,
        requests_per_second: float,
        ca_bundle: str = "",
        connections: int = 16,
        transport: Seam | None = None,
        log: Log | None = None,
    ) -> None:
        self.contract = contract
        self.clock = clock
        self._transport = Transport(base_url, clock, timeout, ca_bundle, connections, transport)
        self._partner = {contract.headers.partner_id: partner_id}
        self._auth = auth.Auth(contract, app_key, app_secret, clock, self._ask_token)
        self._bucket = Bucket(requests_per_second, clock)
        self._pause = Pause(clock)
        self._log = log
        self.ahead: timedelta | None = None  # of our clock, Repairy's by the last answer that told; None: none did
        self._counted = threading.Lock()
        self._calls: Counter[str] = Counter()

    @property
    def calls(self) -> Mapping[str, int]:
        """How many requests went out, by operation."""
        with self._counted:
            return dict(self._calls)

    def close(self) -> None:
        self._transport.close()

    def read(self, operation: str, about: str, params: Mapping[str, str] | None = None, **places: str) -> Any:
        """The answer's content. Raises NotFound, Unreachable; ConfigError where the operation is switched off."""
        try:
            return self.write(operation, about, None, params, **places)
        except (NotSent, Unknown, Rejected) as error:
            raise Unreachable(str(error), getattr(error, "retry_after", None)) from None

    def write(self, operation: str, about: str, body: Any = None, params: Mapping[str, str] | None = None, **places: str) -> Any:
        """The answer's content, None where it is empty. Raises NotSent, Rejected, NotFound, Unknown; ConfigError as `read`."""
        call = self._call(operation, about, body, params, places)
        reply = self._authorised(call)
        if reply.status in self.contract.errors.busy:
            raise NotSent(f"{call.about}: Repairy asks for patience", self._pause.left() or None)
        if 200 <= reply.status < 300:
            return self._content(call, reply)
        raise self._refusal(call, reply)

    def _call(self, operation: str, about: str, body: Any, params: Mapping[str, str] | None, places: Mapping[str, str]) -> Call:
        if any(not place.strip(".") for place in places.values()):
            raise NotFound(f"{about}: this is no id")
        found = self.contract.call(operation, **{name: quote(place, safe="") for name, place in places.items()})
        if found is None:
            raise ConfigError(f"operations.{operation} is switched off in the wire contract; allowed is a method and a path")
        return Call(operation, *found, about, body, params)

    def _authorised(self, call: Call) -> Reply:
        """With a token; one that is refused is renewed once and the call made once more: a refused call did nothing."""
        token = self._auth.token()
        reply = self._send(call, token.access)
        if reply.status not in self.contract.errors.token:
            return reply
        token = self._auth.instead_of(token)
        reply = self._send(call, token.access)
        if reply.status in self.contract.errors.token:
            self._auth.give_up(token)
            raise NotSent(auth.REFUSED)
        return reply

    def _send(self, call: Call, access: str | None) -> Reply:
        """One request when its turn has come. Raises NotSent, Unknown."""
        self._heed_pause(call)
        self._bucket.take()
        self._heed_pause(call)
        with self._counted:
            self._calls[call.operation] += 1
        headers = dict(self._partner) if access is None else {**self._partner, "Authorization": f"Bearer {access}"}
        try:
            reply = self._transport.exchange(call.method, call.path, headers, call.body, call.params)
        except (NotSent, Unknown) as error:
            raise type(error)(f"{call.about}: {error}") from None
        self._compare_clocks(reply.headers.get("date", ""))
        if reply.status in (*self.contract.errors.busy, 503):
            self._pause.set(retry_after(reply.headers.get("retry-after"), self.clock.now()))
        if self._log:
            self._log.debug("repairy call", operation=call.operation, status=reply.status)
        return reply

    def _compare_clocks(self, date: str) -> None:
        """A header that is no time tells nothing."""
        with suppress(ValueError, TypeError):
            self.ahead = parsedate_to_datetime(date) - self.clock.now()

    def _heed_pause(self, call: Call) -> None:
        if (left := self._pause.left()) > 0:
            raise NotSent(f"{call.about}: Repairy asked for a pause", left)

    def _ask_token(self, operation: str, body: dict[str, Any]) -> Any:
        """What the token operations answer, never wrapped. Raises NotSent; auth.Refused on a clear no."""
        try:
            reply = self._send(self._call(operation, "the request for a token", body, None, {}), None)
        except Unknown as error:
            raise NotSent(str(error)) from None
        if 200 <= reply.status < 300:
            return _parsed(reply.body)
        if reply.status in self.contract.errors.busy:
            raise NotSent("Repairy asks for patience before it gives a token", self._pause.left() or None)
        if 400 <= reply.status < 500:
            raise auth.Refused(auth.REFUSED)
        raise NotSent(f"Repairy gives no token now (HTTP {reply.status})")

    def _content(self, call: Call, reply: Reply) -> Any:
        """What a 2xx says, out of its envelope. Raises Unknown."""
        if not reply.body.strip():
            return None
        content = wire.get(_parsed(reply.body), self.contract.answer.envelope)
        if not isinstance(content, dict | list):
            raise Unknown(f"{call.about}: Repairy's answer was not understood")
        return content

    def _refusal(self, call: Call, reply: Reply) -> Unknown | Rejected | NotFound:
        """What any other answer means."""
        status, errors = reply.status, self.contract.errors
        said = _parsed(reply.body)
        if 300 <= status < 400:
            return Unknown(f"{call.about}: redirect refused (HTTP {status}): check repairy.base_url")
        if not 400 <= status < 500 or status in UNSURE or not isinstance(said, dict):
            return Unknown(f"{call.about}: Repairy's answer says nothing certain (HTTP {status})")
        words = f"{call.about}: {self._words(call, said, status)}"
        if status in errors.not_found:
            return NotFound(words)
        return Rejected(words, _code(self._error_part(said, errors.code)), transition=status in errors.refused)

    def _words(self, call: Call, said: Any, status: int) -> str:
        """Why Repairy refused, without anything that was sent."""
        code, message = (self._error_part(said, part) for part in (self.contract.errors.code, self.contract.errors.message))
        hint = " (this partner may not do it: ask Repairy Support)" if status in self.contract.errors.forbidden else ""
        told = " ".join(part for part in (_code(code), _scrubbed(message, call.body)) if part)
        return f"Repairy refused with HTTP {status}{hint}{': ' if told else ''}{told}"

    def _error_part(self, said: Any, name: str) -> str:
        """A part of an error's body, wrapped or not; "" where it is not text."""
        found = wire.get(said, name) or wire.get(wire.get(said, self.contract.answer.envelope), name)
        return found if isinstance(found, str) else ""


def _parsed(body: bytes) -> Any:
    """JSON, or None for whatever cannot be read."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _code(word: str) -> str:
    """An error code as it is, if it is one."""
    return word if re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]{0,63}", word) else ""


def _scrubbed(message: str, body: Any) -> str:
    """A message that repeats nothing of what was sent, however spelt, and no number or address that could be a customer's."""
    message = "".join(char if char.isprintable() else " " for char in message[:500])
    for told in sorted(set(_texts(body)), key=len, reverse=True):
        letters = [re.escape(char) for char in told if char.isalnum()]
        if len(letters) > 1:
            message = re.sub(BEFORE + r"[\W_]?".join(letters) + BEHIND, "…", message, flags=re.IGNORECASE)
    return re.sub(r"\S+@\S+|\+?\d(?:[ -]?\d){5,}", "…", message)[:200].strip()


def _texts(body: Any) -> Iterator[str]:
    """Every text in a body, and every word of it."""
    if isinstance(body, dict):
        for inner in body.values():
            yield from _texts(inner)
    elif isinstance(body, list):
        for inner in body:
            yield from _texts(inner)
    elif isinstance(body, str):
        yield from (part for part in {body, *body.split()} if len(part) <= 100)
