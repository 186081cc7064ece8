"""The access token: got with App Key and Secret, kept in memory only, renewed ahead and once after a refusal.

A refusal is answered by one thread: the others find the token changed when they get the lock. After the key itself was
refused, nobody asks again for a minute, so that a wrong secret makes no storm. Nothing here ever prints a value.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from sync.errors import NotSent
from sync.ports import Clock
from sync.repairy.contract import Contract

LIFE = 48 * 3600.0  # seconds: documented
AHEAD = 0.9  # of its life: then it is renewed
PATIENCE = 60.0  # seconds until a renewal that failed is tried again
REFUSED = "token refused: check the secrets repairy_app_key and repairy_app_secret, and repairy.partner_id"

# Operation and body to the body of the answer. Raises NotSent; where Repairy refused (4xx), _Refused.
Ask = Callable[[str, dict[str, Any]], Any]


class Refused(NotSent):
    """Repairy understood the request for a token and said no."""


@dataclass(frozen=True)
class Token:
    """One access token and how long it lives."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    renew_at: float  # monotonic seconds
    ends_at: float


class Auth:
    """Hands out a token that should be good. All of it raises NotSent: without a token nothing has left."""

    def __init__(self, contract: Contract, app_key: str, app_secret: str, clock: Clock, ask: Ask) -> None:
        self._names = contract.token
        self._contract = contract
        self._credentials = {contract.token.app_key: app_key, contract.token.app_secret: app_secret}
        self._clock = clock
        self._ask = ask
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._not_before = clock.monotonic()

    def token(self) -> Token:
        """The token to use now, renewed where most of its life is over."""
        held = self._token
        if held and self._clock.monotonic() < held.renew_at:
            return held
        with self._lock:
            return self._fresh()

    def instead_of(self, refused: Token) -> Token:
        """Another token than the one that Repairy just refused."""
        with self._lock:
            if self._holds(refused):
                self._token = None
                return self._renewed(refused)
            return self._fresh()

    def give_up(self, refused: Token) -> None:
        """A token just made was refused too: forget it, and leave Repairy alone for a while."""
        with self._lock:
            if self._holds(refused):
                self._token = None
                self._not_before = self._clock.monotonic() + PATIENCE

    def _holds(self, token: Token) -> bool:
        return self._token is not None and self._token.access == token.access

    def _fresh(self) -> Token:
        """With the lock held: the token as it is, or renewed; one that still lives serves where renewing failed."""
        held, now = self._token, self._clock.monotonic()
        if held and now < held.renew_at:
            return held
        try:
            return self._renewed(held)
        except NotSent:
            if held and now < held.ends_at:
                self._token = replace(held, renew_at=now + PATIENCE)
                return held
            raise

    def _renewed(self, old: Token | None) -> Token:
        """By the refresh token, else from the start."""
        if self._clock.monotonic() < self._not_before:
            raise NotSent(REFUSED)
        if old and old.refresh and self._contract.operations.refresh:
            try:
                return self._kept("refresh", {self._names.refresh: old.refresh}, old.refresh)
            except Refused:
                pass  # it has ended, or was used before: the App Key still counts
        try:
            return self._kept("token", self._credentials, "")
        except Refused:
            self._not_before = self._clock.monotonic() + PATIENCE
            raise NotSent(REFUSED) from None

    def _kept(self, operation: str, values: dict[str, str], refresh: str) -> Token:
        body: dict[str, Any] = {}
        for name, value in values.items():
            self._contract.put(body, name, value)
        asked_at = self._clock.monotonic()
        answer = self._ask(operation, body)
        access = self._contract.get(answer, self._names.access)
        if not _is_token(access):
            raise NotSent("Repairy's answer to the request for a token holds none: check [token] of the wire contract")
        renewed = self._contract.get(answer, self._names.refresh)
        life = _life(self._contract.get(answer, self._names.expires_in))
        self._token = Token(access, renewed if _is_token(renewed) else refresh, asked_at + AHEAD * life, asked_at + life)
        return self._token


def _is_token(value: Any) -> bool:
    """Text that can stand in a header."""
    return isinstance(value, str) and value.isascii() and value.isprintable() and bool(value) and " " not in value


def _life(value: Any) -> float:
    """Seconds as the answer says, never more than documented; what is not a positive number is not believed."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and value > 0
    return float(min(value, LIFE)) if good else LIFE
