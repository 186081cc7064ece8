"""The access token: who gets it, when it is renewed, what happens when it is refused, and that nothing prints it."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sync.errors import NotSent
from tests.integration.repairy_stage import (
    BOOKING,
    SECRET,
    TOKEN,
    ZONE,
    ManualClock,
    always,
    client,
    tokens,
    workshop,
)
from tests.integration.scripted_server import Answer, Request, Server, serving


class Guard:
    """A script that accepts one token at a time and hands out the next; `accepts` may be set to none."""

    def __init__(self, *, refresh: bool = True, life: Any = 172800) -> None:
        self.made = 0
        self.refresh = refresh
        self.life = life
        self.accepts: str | None = None

    def __call__(self, request: Request) -> Answer:
        if request.path == "/auth/refresh" and not (self.refresh and request.body == {"refreshToken": f"r{self.made}"}):
            return Answer(401, {"code": "expired"})
        if request.path.startswith("/auth/"):
            self.made += 1
            self.accepts = f"t{self.made}"
            return Answer(body={"accessToken": self.accepts, "refreshToken": f"r{self.made}", "expiresIn": self.life})
        good = request.headers.get("authorization") == f"Bearer {self.accepts}"
        return Answer(200, BOOKING) if good else Answer(401, {"code": "unauthorised"})


def auth_calls(server: Server) -> list[str]:
    return [path for path in server.paths() if "/auth/" in path]


def test_eight_refused_threads_renew_the_token_once() -> None:
    """All eight have sent the old token before any answer comes; one renews, all succeed."""
    guard, together = Guard(), threading.Barrier(8, timeout=10)

    def script(request: Request) -> Answer:
        if guard.accepts == "gone" and request.headers.get("authorization") == "Bearer t1":
            together.wait()
        return guard(request)

    with workshop(script) as (w, server):
        w.read("b1")
        guard.accepts = "gone"
        with ThreadPoolExecutor(8) as pool:
            keys = list(pool.map(lambda _: w.read("b1").key, range(8)))
        assert keys == ["b1"] * 8
        assert auth_calls(server) == ["POST /auth/token", "POST /auth/refresh"]


def test_every_request_names_the_partner_and_the_token() -> None:
    with workshop(Guard()) as (w, server):
        w.read("b1")
        asked, read_ = server.seen
        assert (asked.headers["x-partner-id"], "authorization" in asked.headers) == ("partner-1", False)
        assert asked.body == {"appKey": "canary-app-key", "appSecret": SECRET}
        assert (read_.headers["x-partner-id"], read_.headers["authorization"]) == ("partner-1", "Bearer t1")


def test_the_token_is_renewed_ahead_of_its_end() -> None:
    clock = ManualClock()
    with workshop(Guard(), clock=clock) as (w, server):
        w.read("b1")
        clock.seconds += 0.89 * 172800
        w.read("b1")
        assert auth_calls(server) == ["POST /auth/token"]
        clock.seconds += 0.02 * 172800
        w.read("b1")
        assert auth_calls(server) == ["POST /auth/token", "POST /auth/refresh"]


@pytest.mark.parametrize(
    "life", [10**9, 10**400, 0, -5, None, "soon", True], ids=["long", "endless", "none", "past", "null", "word", "true"]
)
def test_a_token_never_counts_for_longer_than_48_hours(life: Any) -> None:
    clock = ManualClock()
    with workshop(Guard(life=life), clock=clock) as (w, server):
        w.read("b1")
        clock.seconds += 0.91 * 172800
        w.read("b1")
        assert len(auth_calls(server)) == 2


def test_a_refresh_that_is_refused_falls_back_to_key_and_secret() -> None:
    clock = ManualClock()
    with workshop(Guard(refresh=False), clock=clock) as (w, server):
        w.read("b1")
        clock.seconds += 0.95 * 172800
        w.read("b1")
        assert auth_calls(server) == ["POST /auth/token", "POST /auth/refresh", "POST /auth/token"]


def test_a_token_that_still_lives_serves_while_renewing_fails() -> None:
    clock, guard = ManualClock(), Guard()

    def script(request: Request) -> Answer:
        return Answer(503) if request.path == "/auth/refresh" else guard(request)

    with workshop(script, clock=clock) as (w, server):
        w.read("b1")
        clock.seconds += 0.95 * 172800
        w.read("b1")
        w.read("b1")
        assert auth_calls(server) == ["POST /auth/token", "POST /auth/refresh"]


def test_a_refused_key_is_said_plainly_and_not_repeated_at_once() -> None:
    """No storm of wrong secrets; after a minute it is tried again."""
    clock = ManualClock()
    with workshop(lambda request: Answer(401, {"code": "bad"}), clock=clock) as (w, server):
        for _ in range(3):
            with pytest.raises(NotSent, match="repairy_app_key"):
                w.set_status("b1", "done")
        assert len(server.seen) == 1
        clock.seconds += 61
        with pytest.raises(NotSent, match="repairy_app_key"):
            w.set_status("b1", "done")
        assert len(server.seen) == 2


def test_a_token_that_is_refused_when_new_ends_the_call() -> None:
    with workshop(lambda request: tokens(request) or Answer(401, {})) as (w, server):
        with pytest.raises(NotSent, match=r"token refused: .*repairy_app_key"):
            w.set_status("b1", "done")
        assert server.paths() == [
            "POST /auth/token", "POST /bookings/b1/done", "POST /auth/refresh", "POST /bookings/b1/done",
        ]  # fmt: skip


@pytest.mark.parametrize("token", [None, "", 7, "two words", "line\nbreak", "\u00e9", {"a": 1}])
def test_an_answer_without_a_usable_token_sends_nothing(token: Any) -> None:
    with workshop(lambda request: Answer(body={"accessToken": token})) as (w, server):
        with pytest.raises(NotSent):
            w.set_status("b1", "done")
        assert server.paths() == ["POST /auth/token"]


def test_nothing_prints_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    """Neither logs at any level nor the repr of what is made."""
    caplog.set_level(logging.DEBUG)
    with serving(always(Answer(200, BOOKING))) as server, client(server.url) as made:
        w = made.workshop("w1", ZONE)
        w.read("b1")
        told = caplog.text + repr(made) + repr(w) + repr(vars(made).values())
        assert not [secret for secret in (SECRET, TOKEN, "canary-app-key", "canary-refresh") if secret in told]
