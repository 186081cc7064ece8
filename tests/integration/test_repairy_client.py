"""The Repairy client against a real socket: what each thing that can go wrong is called, and what never leaves the adapter."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpcore
import httpx
import pytest

from sync.core.booking import Sighting
from sync.errors import ConfigError, NotFound, NotSent, Rejected, SyncError, Unknown, Unreachable, Unsupported
from sync.machine import SystemClock
from sync.repairy.client import Client
from sync.repairy.contract import Contract, load
from sync.repairy.transport import CAP
from sync.repairy.workshop import WorkshopRepairy
from tests.integration.scripted_server import Answer, Request, Script, Server, serving

ZONE = ZoneInfo("Australia/Melbourne")
START = datetime(2026, 3, 5, 22, 0, tzinfo=UTC)
SECRET, TOKEN = "canary-app-secret", "canary-access-token"
BOOKING = {
    "id": "b1",
    "code": "C1",
    "status": "pending",
    "bookingTime": "2026-03-05T22:00:00.000Z",
    "workshopId": "w1",
    "externalId": "NS-1",
}
FIELDS = {
    "name": "Customer One",
    "phone": "0400 000 001",
    "rego": "AAA001",
    "starts_at": "2026-03-05T22:00:00Z",
    "service_category": "service",
}


class ManualClock:
    """A clock that moves when it is told to, and when somebody sleeps on it."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds - 1000.0)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


def tokens(request: Request) -> Answer | None:
    """A token for whoever asks."""
    if request.path.startswith("/auth/"):
        return Answer(body={"accessToken": TOKEN, "refreshToken": "canary-refresh", "expiresIn": 172800})
    return None


def always(answer: Answer) -> Script:
    """A token where it is asked for, else always the same."""
    return lambda request: tokens(request) or answer


@contextmanager
def client(
    url: str, *, clock: Any = None, timeout: float = 5.0, rate: float = 1000.0, contract: Contract | None = None, seam: Any = None
) -> Iterator[Client]:
    made = Client(
        url,
        "partner-1",
        "canary-app-key",
        SECRET,
        contract or load(),
        clock or SystemClock(),
        timeout=timeout,
        requests_per_second=rate,
        transport=seam,
    )
    try:
        yield made
    finally:
        made.close()


@contextmanager
def workshop(script: Script, **options: Any) -> Iterator[tuple[WorkshopRepairy, Server]]:
    with serving(script) as server, client(server.url, **options) as made:
        yield made.workshop("w1", ZONE), server


def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


WRITES: dict[str, Callable[[WorkshopRepairy], Any]] = {
    "create": lambda w: w.create(FIELDS, "NS-1"),
    "update": lambda w: w.update("b1", {"job_notes": "brakes"}),
    "set_status": lambda w: w.set_status("b1", "done"),
    "quote": lambda w: w.quote(FIELDS),
    "remind": lambda w: w.remind(phone="+61400000001"),
}
READS: dict[str, Callable[[WorkshopRepairy], Any]] = {
    "read": lambda w: w.read("b1"),
    "availability": lambda w: w.availability(date(2026, 3, 1), date(2026, 3, 2)),
    "catalog": lambda w: w.catalog(),
    "reminder": lambda w: w.reminder("r1"),
}
write = pytest.mark.parametrize("act", WRITES.values(), ids=WRITES.keys())
read = pytest.mark.parametrize("act", READS.values(), ids=READS.keys())
UNCLEAR = {
    "500": Answer(500, {"code": "oops"}),
    "503 without a body": Answer(503),
    "408": Answer(408, {"code": "timeout"}),
    "cut": Answer(200, BOOKING, how="cut"),
    "reset": Answer(how="reset"),
    "not HTTP": Answer(body=b"SSH-2.0-banana\r\n\r\n", how="raw"),
    "not JSON": Answer(200, b"<html>welcome</html>"),
    "JSON too deep": Answer(200, b"[" * 100_000),
    "not UTF-8": Answer(200, b'{"id": "\xff"}'),
    "a bare word": Answer(200, b'"fine"'),
    "huge": Answer(200, b" " * (CAP + 1)),
    "compressed": Answer(200, b"\x1f\x8b", {"content-encoding": "gzip"}),
    "redirect": Answer(307, b"", {"location": "http://127.0.0.1:1/"}),
    "see other": Answer(303, b"", {"location": "/elsewhere"}),
    "4xx that cannot be read": Answer(400, b"<html>no</html>"),
    "404 of a proxy": Answer(404, b"<html>no</html>"),
}
unclear = pytest.mark.parametrize("answer", UNCLEAR.values(), ids=UNCLEAR.keys())


@unclear
@write
def test_an_unclear_answer_to_a_write_is_unknown(act: Callable[[WorkshopRepairy], Any], answer: Answer) -> None:
    with workshop(always(answer)) as (w, _), pytest.raises(Unknown):
        act(w)


@unclear
@read
def test_an_unclear_answer_to_a_read_is_unreachable(act: Callable[[WorkshopRepairy], Any], answer: Answer) -> None:
    with workshop(always(answer)) as (w, _), pytest.raises(Unreachable):
        act(w)


@pytest.mark.parametrize("how", ["drip", "drip-head", "never"])
def test_one_deadline_holds_for_the_whole_call(how: str) -> None:
    """However slowly a server answers, in body or headers, a call ends in its time."""
    with workshop(always(Answer(200, BOOKING, how=how)), timeout=0.6) as (w, _):
        began = time.monotonic()
        with pytest.raises(Unknown):
            w.set_status("b1", "done")
        assert time.monotonic() - began < 1.5


def test_a_server_that_cannot_be_reached_got_nothing() -> None:
    with client(closed_port()) as made, pytest.raises(NotSent, match="no connection"):
        made.workshop("w1", ZONE).create(FIELDS, "NS-1")


def test_a_server_that_cannot_be_reached_cannot_be_read() -> None:
    with client(closed_port()) as made, pytest.raises(Unreachable, match="no connection"):
        made.workshop("w1", ZONE).read("b1")


def test_a_certificate_that_nobody_vouches_for_stops_the_call() -> None:
    """TLS to something that does not speak it: nothing of the request has left."""
    with serving(always(Answer())) as server, client(server.url.replace("http:", "https:"), timeout=1) as made:
        with pytest.raises(NotSent):
            made.workshop("w1", ZONE).set_status("b1", "done")
        assert server.paths() == []


@pytest.mark.parametrize("status", [400, 403, 409, 422, 418])
def test_a_refusal_that_can_be_read_is_rejected(status: int) -> None:
    with workshop(always(Answer(status, {"code": "no.way", "message": "Not possible"}))) as (w, _):
        with pytest.raises(Rejected, match="Not possible") as caught:
            w.set_status("b1", "done")
        assert (caught.value.code, caught.value.transition) == ("no.way", status == 409)


def test_a_refusal_repeats_nothing_of_the_customer() -> None:
    said = "Phone 0400000001 of CUSTOMER One (other@example.com, AAA001) is not valid, call +61 400 000 002"
    with workshop(always(Answer(422, {"code": "invalid", "message": said}))) as (w, _):
        with pytest.raises(Rejected) as caught:
            w.create(FIELDS, "NS-1")
        told = str(caught.value)
        assert "is not valid" in told
        assert not [word for word in ("0400", "Customer", "CUSTOMER", "One", "other@", "AAA001", "400 000") if word in told]


def test_a_booking_that_is_not_there_is_not_found() -> None:
    with workshop(always(Answer(404, {"code": "notFound", "message": ""}))) as (w, _):
        for act in (lambda: w.read("b1"), lambda: w.update("b1", {"job_notes": "x"}), lambda: w.set_status("b1", "done")):
            with pytest.raises(NotFound):
                act()


def test_a_create_that_finds_no_path_is_rejected() -> None:
    with workshop(always(Answer(404, {"code": "notFound"}))) as (w, _), pytest.raises(Rejected):
        w.create(FIELDS, "NS-1")


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_pauses_the_whole_target(form: str) -> None:
    """In both its forms; while it lasts, nothing is sent and nobody sleeps."""
    clock = ManualClock()
    after = "120" if form == "seconds" else format_datetime(START + timedelta(seconds=120), usegmt=True)
    with workshop(always(Answer(429, {}, {"retry-after": after})), clock=clock) as (w, server):
        with pytest.raises(NotSent) as first:
            w.set_status("b1", "done")
        sent = len(server.seen)
        with pytest.raises(Unreachable) as second:
            w.read("b2")
        assert (first.value.retry_after, second.value.retry_after) == (120, 120)
        assert (len(server.seen), clock.slept) == (sent, [])


def test_after_the_pause_calls_go_again() -> None:
    clock, answers = ManualClock(), iter([Answer(429, {}, {"retry-after": "120"}), Answer(200, BOOKING)])
    with workshop(lambda r: tokens(r) or next(answers), clock=clock) as (w, _):
        with pytest.raises(NotSent):
            w.set_status("b1", "done")
        clock.seconds += 120
        assert w.read("b1").key == "b1"


def test_the_bucket_keeps_the_rate_on_the_injected_clock() -> None:
    """Five a second: after a second's worth at once, one each 0.2 s."""
    clock = ManualClock()
    with workshop(always(Answer(200, BOOKING)), clock=clock, rate=5.0) as (w, _):
        for _ in range(14):
            w.read("b1")
        assert clock.seconds - 1000 == pytest.approx((14 + 1 - 5) * 0.2)


def test_proxy_variables_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, closed_port())
    monkeypatch.delenv("NO_PROXY", raising=False)
    with workshop(always(Answer(200, BOOKING))) as (w, _):
        assert w.read("b1").key == "b1"


def test_a_redirect_is_not_followed() -> None:
    with workshop(always(Answer(302, b"", {"location": "/bookings/b2"}))) as (w, server):
        with pytest.raises(Unreachable, match="redirect refused"):
            w.read("b1")
        assert server.paths() == ["POST /auth/token", "GET /bookings/b1"]


def errors_of(*roots: type[BaseException]) -> list[type[BaseException]]:
    found: list[type[BaseException]] = []
    for root in roots:
        found += [root, *errors_of(*root.__subclasses__())]
    return found


FOREIGN = [
    *errors_of(httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, httpx.StreamError),
    *errors_of(httpcore.NetworkError),
]
FOREIGN += [OSError, ValueError, UnicodeError, RecursionError, MemoryError, KeyError, AssertionError, RuntimeError]
NOTHING_LEFT = (
    httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol, httpx.InvalidURL,
)  # fmt: skip


def raised(kind: type[BaseException]) -> BaseException:
    """One of these, whatever it needs to be made; its text holds what must not be told."""
    made = kind.__new__(kind)
    Exception.__init__(made, f"{TOKEN} {SECRET}")
    return made


@pytest.mark.parametrize("where", ["sending", "reading"])
@pytest.mark.parametrize("kind", sorted(set(FOREIGN), key=lambda kind: kind.__qualname__), ids=lambda kind: kind.__qualname__)
def test_no_foreign_exception_leaves_the_adapter(kind: type[BaseException], where: str) -> None:
    """Not while sending, not while reading the answer; and it is called unknown but where nothing can have left."""

    class Breaking(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield b"{"
            raise raised(kind)

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/auth/token":
            return httpx.Response(200, json={"accessToken": TOKEN})
        if where == "sending":
            raise raised(kind)
        return httpx.Response(200, stream=Breaking())

    with client("http://127.0.0.1:1", seam=httpx.MockTransport(handle)) as made:
        w = made.workshop("w1", ZONE)
        for act in READS.values():
            with pytest.raises(Unreachable):
                act(w)
        for act in WRITES.values():
            with pytest.raises(SyncError) as caught:
                act(w)
            expected = NotSent if issubclass(kind, NOTHING_LEFT) and where == "sending" else Unknown
            assert type(caught.value) is expected
            told = "".join(traceback.format_exception(caught.value))
            assert TOKEN not in told
            assert SECRET not in told


@pytest.mark.parametrize("kind", sorted(set(FOREIGN), key=lambda kind: kind.__qualname__), ids=lambda kind: kind.__qualname__)
def test_whatever_breaks_the_request_for_a_token_nothing_was_sent(kind: type[BaseException]) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        raise raised(kind)

    with client("http://127.0.0.1:1", seam=httpx.MockTransport(handle)) as made, pytest.raises(NotSent):
        made.workshop("w1", ZONE).set_status("b1", "done")


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


def test_a_token_never_counts_for_longer_than_48_hours() -> None:
    clock = ManualClock()
    with workshop(Guard(life=10**9), clock=clock) as (w, server):
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


def test_a_booking_is_read_in_our_fields() -> None:
    body = {
        **BOOKING,
        "updatedAt": "2026-03-01T00:00:00Z",
        "pickupTime": "2026-03-06T17:00:00+11:00",
        "jobNotes": "",
        "car": {"rego": "aaa 001", "year": 2015},
        "customer": {"firstName": "Customer", "lastName": None, "phone": 400000001},
        "services": [{"title": "own"}, {"catalogCode": "logbook"}],
        "unheard": ["of"],
    }
    with workshop(always(Answer(200, body))) as (w, _):
        assert w.read("b1") == Sighting(
            key="b1",
            fields={
                "status": "pending", "starts_at": "2026-03-05T22:00:00Z", "ends_at": "2026-03-06T06:00:00Z", "job_notes": None,
                "rego": "aaa 001", "year": "2015", "first_name": "Customer", "last_name": None, "phone": "400000001",
                "service_code": "logbook",
            },
            changed_at="2026-03-01T00:00:00Z", ref="NS-1", code="C1", workshop_id="w1",
        )  # fmt: skip


def test_an_unknown_status_word_is_kept_raw() -> None:
    with workshop(always(Answer(200, {**BOOKING, "status": "On Hold"}))) as (w, _):
        assert w.read("b1").fields["status"] == "?On Hold"


@pytest.mark.parametrize(
    "lacking", [{"id": None}, {"id": "b2"}, {"status": 0.5j}, {"status": ""}, {"bookingTime": "soon"}, {"bookingTime": None}]
)
def test_a_booking_without_what_is_needed_is_not_understood(lacking: dict[str, Any]) -> None:
    body = {name: value for name, value in {**BOOKING, **lacking}.items() if not isinstance(value, complex)}
    with workshop(always(Answer(200, body))) as (w, _):
        with pytest.raises(Unreachable, match="not understood"):
            w.read("b1")
        with pytest.raises(Unknown):
            w.set_status("b1", "done")


def test_a_create_sends_what_the_contract_says_and_gives_back_the_booking() -> None:
    def script(request: Request) -> Answer:
        return tokens(request) or Answer(201, {**BOOKING, **request.body, "bookingId": "b1"})

    with workshop(script) as (w, server):
        made = w.create({**FIELDS, "job_notes": None, "year": "2015", "vin": ""}, "NS-1")
        assert server.seen[-1].body == {
            "workshopId": "w1", "externalId": "NS-1", "bookingTime": "2026-03-05T22:00:00Z", "serviceCategory": "service",
            "skipNotification": True, "car": {"rego": "AAA001", "year": 2015},
            "customer": {"firstName": "Customer", "lastName": "One", "phone": "0400000001"},
        }  # fmt: skip
        assert (made.key, made.ref, made.fields["last_name"]) == ("b1", "NS-1", "One")


def test_a_create_that_is_meant_to_be_heard_is_not_silenced() -> None:
    with workshop(always(Answer(201, {**BOOKING, "bookingId": "b1"}))) as (w, server):
        w.create(FIELDS, "NS-1", silent=False)
        assert "skipNotification" not in next(request for request in server.seen if request.path == "/bookings").body


def test_a_create_answered_by_an_id_alone_is_read() -> None:
    def script(request: Request) -> Answer:
        return tokens(request) or Answer(200, {"bookingId": "b1"} if request.method == "POST" else BOOKING)

    with workshop(script) as (w, server):
        assert w.create(FIELDS, "NS-1").key == "b1"
        assert server.paths()[-1] == "GET /bookings/b1"


def test_an_accepted_write_that_cannot_be_read_back_is_unknown() -> None:
    def script(request: Request) -> Answer:
        return tokens(request) or (Answer(200, {"bookingId": "b1"}) if request.method == "POST" else Answer(500))

    with workshop(script) as (w, _), pytest.raises(Unknown, match="accepted"):
        w.create(FIELDS, "NS-1")


def test_a_create_that_lacks_a_required_field_is_not_sent() -> None:
    with workshop(always(Answer())) as (w, server):
        with pytest.raises(Unsupported, match="rego, phone"):
            w.create({"name": "Customer One", "starts_at": "2026-03-05T22:00:00Z", "service_category": "service"}, "NS-1")
        assert server.seen == []


CATALOG = [
    {"_id": "c" * 24, "catalogCode": "logbook", "title": "Logbook service", "category": "service", "cost": 150},
    {"odd": 1},
    7,
]


def test_a_service_code_is_sent_as_the_catalogs_service_and_the_catalog_is_kept() -> None:
    def script(request: Request) -> Answer:
        return tokens(request) or Answer(200, CATALOG if request.path.endswith("/services") else {**BOOKING, "bookingId": "b1"})

    with workshop(script) as (w, server):
        w.create({**FIELDS, "service_code": "LOGBOOK"}, "NS-1")
        w.create({**FIELDS, "service_code": "no such"}, "NS-2")
        creates = [request.body for request in server.seen if request.path == "/bookings"]
        assert creates[0]["services"] == [{"catalogId": "c" * 24, "catalogCode": "logbook", "title": "Logbook service"}]
        assert "services" not in creates[1]
        assert server.paths().count("GET /workshops/w1/services") == 1


def test_an_update_sends_objects_whole_since_a_part_may_replace_them() -> None:
    held = {**BOOKING, "car": {"id": "car1", "rego": "AAA001", "vin": "V1"}}

    def script(request: Request) -> Answer:
        return tokens(request) or Answer(200, {**held, **(request.body or {})})

    with workshop(script) as (w, server):
        seen = w.update("b1", {"model": "Model X", "job_notes": None})
        assert server.seen[-1].body == {
            "car": {"id": "car1", "rego": "AAA001", "vin": "V1", "model": "Model X"},
            "jobNotes": None,
        }
        assert (seen.fields["vin"], seen.fields["job_notes"]) == ("V1", None)


def test_an_update_writes_the_reference_where_asked() -> None:
    with workshop(always(Answer(200, BOOKING))) as (w, server):
        assert w.update("b1", {}, reference="NS-1").ref == "NS-1"
        assert server.seen[-1].body == {"externalId": "NS-1"}


@pytest.mark.parametrize(
    "fields", [{"status": "done"}, {"service_code": "logbook"}, {"starts_at": "2026-03-05"}, {"year": "old"}]
)
def test_an_update_that_repairy_cannot_hold_is_not_sent(fields: dict[str, str]) -> None:
    with workshop(always(Answer(200, BOOKING))) as (w, server):
        with pytest.raises(Unsupported):
            w.update("b1", fields)
        assert not [path for path in server.paths() if path.startswith("PUT")]


def test_an_empty_answer_to_a_status_is_followed_by_a_look() -> None:
    def script(request: Request) -> Answer:
        return tokens(request) or (Answer(204) if request.method == "POST" else Answer(200, {**BOOKING, "status": "done"}))

    with workshop(script) as (w, server):
        assert w.set_status("b1", "done").fields["status"] == "done"
        assert server.paths()[-2:] == ["POST /bookings/b1/done", "GET /bookings/b1"]


@pytest.mark.parametrize("booking_id", ["a/b", "a?b=c", "a b#c", "\u00e9"])
def test_an_id_cannot_leave_its_place_in_the_path(booking_id: str) -> None:
    with workshop(always(Answer(200, {**BOOKING, "id": booking_id}))) as (w, server):
        assert w.read(booking_id).key == booking_id
        assert server.seen[-1].path.count("/") == 2
        assert "?" not in server.seen[-1].path


@pytest.mark.parametrize("booking_id", ["", ".", ".."])
def test_what_cannot_be_an_id_is_not_found(booking_id: str) -> None:
    with workshop(always(Answer(200, BOOKING))) as (w, server):
        with pytest.raises(NotFound):
            w.read(booking_id)
        assert server.seen == []


def test_availability_is_asked_for_a_week_at_a_time() -> None:
    day = {"date": "2026-03-02", "opens": "07:00", "closes": "18:00", "slots": ["08:00", "09:30"], "pickups": None}
    with workshop(always(Answer(200, [day]))) as (w, server):
        days = w.availability(date(2026, 3, 1), date(2026, 3, 10), catalog_id="c1")
        assert [path.partition("?")[2] for path in server.paths()[1:]] == [
            "from=2026-03-01&to=2026-03-07&catalogId=c1", "from=2026-03-08&to=2026-03-10&catalogId=c1",
        ]  # fmt: skip
        assert (days[0].slots, days[0].pickups) == (("08:00", "09:30"), ())


def test_a_reminder_goes_to_the_phone_in_leading_zero_form() -> None:
    with workshop(always(Answer(200, {"id": "r1", "code": "ABCD1234", "carId": 5}))) as (w, server):
        told = w.remind(phone="+61 400 000 001")
        assert server.seen[-1].body == {"workshopId": "w1", "customerPhone": "0400000001"}
        assert (told["id"], told["code"], told["car_id"], told["reference"]) == ("r1", "ABCD1234", "5", None)


def test_a_quote_is_asked_for_and_named() -> None:
    with workshop(always(Answer(200, {"quoteId": "q1"}))) as (w, server):
        assert w.quote({**FIELDS, "description": "Brakes", "address": "1 Example Street"}) == "q1"
        assert server.seen[-1].body["customer"] == {
            "firstName": "Customer", "lastName": "One", "phone": "0400000001", "address": "1 Example Street",
        }  # fmt: skip


def test_the_report_is_off_until_the_contract_has_it() -> None:
    with workshop(always(Answer(200, []))) as (w, server):
        with pytest.raises(ConfigError, match=r"operations\.report"):
            w.report(date(2026, 3, 1), date(2026, 3, 2))
        assert server.seen == []


def test_calls_are_counted_by_operation() -> None:
    with serving(always(Answer(200, BOOKING))) as server, client(server.url) as made:
        made.workshop("w1", ZONE).read("b1")
        made.workshop("w2", ZONE).read("b1")
        assert made.calls == {"token": 1, "read": 2}


MANGLED: list[Any] = [None, "", "x", 0, -1, 1e400, True, [], {}, [[]], {"": {}}, "\ud800", "\x00", "9" * 5000, [None], {"id": {}}]


@pytest.mark.parametrize("act", [*WRITES.values(), *READS.values()], ids=[*WRITES, *READS])
def test_a_mangled_answer_raises_nothing_foreign(act: Callable[[WorkshopRepairy], Any]) -> None:
    """Every top-level value of an answer replaced by every odd one: what comes back is an answer or an error of ours."""
    whole = {
        **BOOKING,
        "bookingId": "b1",
        "car": {"rego": "AAA001"},
        "customer": {"firstName": "A"},
        "services": CATALOG,
        "quoteId": "q",
    }
    bodies = [*MANGLED, *({**whole, name: odd} for name in [*whole, "pickupTime", "updatedAt", "slots"] for odd in MANGLED)]
    turn = iter([*bodies, *([body] for body in bodies)])
    current: list[Any] = []

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/auth/token":
            return httpx.Response(200, json={"accessToken": TOKEN})
        return httpx.Response(200, content=json.dumps(current[0]).encode())

    tried = 0
    with client("http://127.0.0.1:1", seam=httpx.MockTransport(handle), clock=ManualClock(), rate=1e9) as made:
        for body in turn:
            current[:] = [body]
            with suppress(SyncError):
                act(made.workshop("w1", ZONE))
            tried += 1
        asked = sum(made.calls.values())
    assert tried == 2 * len(bodies)
    assert asked > tried  # the token, and each of them
