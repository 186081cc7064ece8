"""The door of the status page: the token, sessions in signed cookies, the lock-out, and what a request must carry to act.

A session is `expiry.nonce.signature`, signed with a key derived from the token: it survives a restart, and a changed token
ends them all. Nothing is kept but failures and the sessions that were left before their time.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from sync.ports import Clock

COOKIE = "repairy_sync"
LASTS = timedelta(hours=12)
TRIES = 5  # wrong tokens before the door locks; one counter for all, since a proxy makes everybody look alike
LOCKED = timedelta(minutes=1)  # doubles with every wrong token after that …
LOCKED_MOST = timedelta(minutes=15)  # … up to this
LOOPBACK = ("localhost", "127.0.0.1", "::1")
ANYWHERE = ("0.0.0.0", "::")  # noqa: S104  recognised, not listened on


@dataclass(frozen=True)
class Session:
    """Somebody who gave the token."""

    nonce: str
    expires: int  # seconds of the epoch


class Door:
    """Safe to use from any thread."""

    def __init__(self, token: str, clock: Clock) -> None:
        self._clock = clock
        self._token = _hashed(token.strip())
        self._key = hmac.digest(token.strip().encode(), b"repairy-sync session", "sha256")
        self._lock = threading.Lock()
        self._failures = 0
        self._opens = 0.0  # of the clock's `monotonic`
        self._left: dict[str, int] = {}  # nonce -> expiry

    def locked(self) -> int:
        """Seconds until a token is looked at again; 0: now."""
        with self._lock:
            return max(0, round(self._opens - self._clock.monotonic() + 0.499))

    def enter(self, token: str) -> Session | None:
        """A new session for the right token; None for a wrong one, and for any while the door is locked."""
        with self._lock:
            if self._clock.monotonic() < self._opens:
                return None
            if not hmac.compare_digest(_hashed(token.strip()), self._token):
                self._failed()
                return None
            self._failures = 0
        return Session(secrets.token_urlsafe(18), self._now() + int(LASTS.total_seconds()))

    def _failed(self) -> None:
        self._failures += 1
        if self._failures >= TRIES:
            wait = min(LOCKED * 2 ** min(self._failures - TRIES, 10), LOCKED_MOST)
            self._opens = self._clock.monotonic() + wait.total_seconds()

    def leave(self, session: Session) -> None:
        """The session ends now, wherever its cookie may still be."""
        with self._lock:
            self._left = {nonce: expires for nonce, expires in self._left.items() if expires > self._now()}
            self._left[session.nonce] = session.expires

    def cookie(self, session: Session) -> str:
        """What the browser keeps."""
        said = f"{session.expires}.{session.nonce}"
        return f"{said}.{self._signed('session', said)}"

    def session(self, cookie: str | None) -> Session | None:
        """Whose cookie this is; None where it is forged, over, or was left."""
        said, _, signature = (cookie or "").rpartition(".")
        expires, _, nonce = said.partition(".")
        if not _same(signature, self._signed("session", said)) or int(expires) <= self._now():
            return None
        with self._lock:
            return None if nonce in self._left else Session(nonce, int(expires))

    def ticket(self, session: Session) -> str:
        """What every action of this session must carry (CSRF)."""
        return self._signed("action", session.nonce)

    def admits(self, session: Session, ticket: str) -> bool:
        return _same(ticket, self.ticket(session))

    def _signed(self, purpose: str, said: str) -> str:
        return hmac.new(self._key, f"{purpose}:{said}".encode(), hashlib.sha256).hexdigest()

    def _now(self) -> int:
        return int(self._clock.now().timestamp())


def _hashed(token: str) -> bytes:
    """Of one length, so that comparing tells nothing about the length."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _same(a: str, b: str) -> bool:
    return hmac.compare_digest(a.encode("utf-8", "surrogatepass"), b.encode())


def allowed_hosts(host: str, more: Iterable[str]) -> frozenset[str]:
    """Names under which the page may be opened: where it listens, and what the owner adds, with or without a port.

    Any other name may be somebody's, pointed at this machine (DNS rebinding)."""
    own = (*LOOPBACK,) if host in ANYWHERE or host in LOOPBACK or host.startswith("127.") else ()
    return frozenset(filter(None, (*own, *(_named(f"//{one}") for one in (_bracketed(host), *more))))) - {*ANYWHERE}


def host_of(headers: Mapping[str, str]) -> str:
    """The name in the Host header, without its port."""
    return _named(f"//{headers.get('host', '')}")


def is_foreign(headers: Mapping[str, str], hosts: frozenset[str]) -> bool:
    """Whether a browser says that another site made it send this."""
    origin = headers.get("origin")
    elsewhere = origin is not None and _named(origin) not in hosts
    return elsewhere or headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")


def is_secure(headers: Mapping[str, str]) -> bool:
    """Whether the browser's own page came by https, through a proxy: then the cookie must not travel otherwise."""
    return headers.get("origin", "").startswith("https://")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _named(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""
