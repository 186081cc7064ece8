"""Who may call: tokens given out, renewed and checked.

RULE: tokens live 48 hours (documented) by the given clock; a refresh token works once (assumed to rotate, the harsher way).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any

from sync.sandbox.diary import Clock
from sync.sandbox.shapes import Shapes, dig, put

TOKEN_LIFE = timedelta(hours=48)


class Gate:
    """One partner's credentials and the tokens that they brought."""

    def __init__(self, shapes: Shapes, clock: Clock, credentials: Mapping[str, str], partner_id: str, seed: int) -> None:
        self.shapes, self.clock = shapes, clock
        self._credentials, self._partner_id = dict(credentials), partner_id
        self._ends: dict[str, datetime] = {}  # access token -> when it ends
        self._refresh: set[str] = set()
        self._secrets = Random(f"tokens {seed}")  # noqa: S311

    def admit(self, headers: Mapping[str, str]) -> None:
        """Refuse a call without a valid token, or with another's Partner ID. Header names in lower case."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        now = self.clock.now()
        if scheme.lower() != "bearer" or self._ends.get(token, now) <= now:
            raise self.shapes.refused("token", "token_refused", "a valid access token is required")
        if headers.get(self.shapes.tables["headers"]["partner_id"].lower()) != self._partner_id:
            raise self.shapes.refused("forbidden", "wrong_partner", "the Partner ID is not the token's")

    def token(self, body: dict[str, Any]) -> dict[str, Any]:
        """New tokens for App Key and Secret."""
        if self._given(body, *self._credentials) != self._credentials:
            raise self._unknown()
        return self._issued()

    def refresh(self, body: dict[str, Any]) -> dict[str, Any]:
        """New tokens for a refresh token, which is used up by it."""
        given = self._given(body, "refresh")["refresh"]
        if given not in self._refresh:
            raise self._unknown()
        self._refresh.remove(given)
        return self._issued()

    def _given(self, body: dict[str, Any], *fields: str) -> dict[str, Any]:
        names = self.shapes.tables["token"]
        given = {field: dig(body, names[field]) for field in fields}
        wrong = [names[field] for field, value in given.items() if not isinstance(value, str)]
        if wrong:
            raise self.shapes.refused("invalid", "invalid_fields", f"{', '.join(wrong)} must be a text")
        return given

    def _unknown(self) -> Exception:
        return self.shapes.refused("token", "wrong_credentials", "these credentials are not known")

    def _issued(self) -> dict[str, Any]:
        access, refresh = (f"{self._secrets.getrandbits(256):064x}" for _ in range(2))
        self._ends[access] = self.clock.now() + TOKEN_LIFE
        self._refresh.add(refresh)
        answer: dict[str, Any] = {}
        for field, value in (("access", access), ("refresh", refresh), ("expires_in", int(TOKEN_LIFE.total_seconds()))):
            put(answer, self.shapes.tables["token"][field], value)
        return answer
