"""What an answer means: accepted, rejected, not found, not sent or unknown; each by a table, without a socket."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import httpx
import pytest

from sync.errors import ConfigError, NotFound, NotSent, Rejected, SyncError, Unknown, Unreachable
from sync.repairy.calls import Calls
from sync.repairy.contract import load
from sync.repairy.transport import CAP
from tests.integration.repairy_stage import SECRET, TOKEN, ManualClock

Handler = Callable[[httpx.Request], httpx.Response]


def token(_: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={"accessToken": TOKEN})


def calls(handle: Handler, gate: Handler = token, log: Any = None, clock: ManualClock | None = None, rate: float = 1e6) -> Calls:
    """Calls to a server that does this, and that where it is asked for a token."""

    def serve(request: httpx.Request) -> httpx.Response:
        return (gate if request.url.path.startswith("/auth/") else handle)(request)

    return Calls(
        "http://127.0.0.1:1", "partner-1", "key", SECRET, load(), clock or ManualClock(), timeout=5.0, requests_per_second=rate,
        transport=httpx.MockTransport(serve), log=log,
    )  # fmt: skip


def says(status: int, body: Any = None, **headers: str) -> Handler:
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return lambda _: httpx.Response(status, content=raw, headers=headers)


def write(made: Calls, body: Any = None) -> Any:
    return made.write("update", "the booking AAA001", body, booking_id="b1")


NO = {"code": "no.way", "message": "Not possible"}
#  status, body -> what a write is, and what its message says
ANSWERS: dict[str, tuple[int, Any, type[SyncError], str]] = {
    "200 not JSON": (200, b"<html>", Unknown, "was not understood"),
    "200 a word": (200, "fine", Unknown, "was not understood"),
    "199": (199, {}, Unknown, "nothing certain (HTTP 199)"),
    "300": (300, NO, Unknown, "redirect refused (HTTP 300)"),
    "399": (399, NO, Unknown, "redirect refused (HTTP 399)"),
    "400": (400, NO, Rejected, "refused with HTTP 400: no.way Not possible"),
    "400 not JSON": (400, b"<html>", Unknown, "nothing certain (HTTP 400)"),
    "400 a list": (400, [], Unknown, "nothing certain"),
    "400 empty": (400, {}, Rejected, "refused with HTTP 400"),
    "403": (403, NO, Rejected, "HTTP 403 (this partner may not do it: ask Repairy Support): no.way"),
    "404": (404, NO, NotFound, "refused with HTTP 404: no.way"),
    "404 of a proxy": (404, b"<html>", Unknown, "nothing certain"),
    "408": (408, NO, Unknown, "nothing certain (HTTP 408)"),
    "409": (409, NO, Rejected, "HTTP 409: no.way"),
    "429": (429, NO, NotSent, "asks for patience"),
    "499": (499, NO, Rejected, "HTTP 499"),
    "500": (500, NO, Unknown, "nothing certain (HTTP 500)"),
    "503": (503, NO, Unknown, "nothing certain (HTTP 503)"),
    "too large": (200, b" " * (CAP + 1), Unknown, "larger than"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_what_an_answer_to_a_write_means(case: str) -> None:
    status, body, outcome, words = ANSWERS[case]
    with pytest.raises(SyncError) as caught:
        write(calls(says(status, body)))
    assert type(caught.value) is outcome
    assert str(caught.value).startswith("the booking AAA001: ")
    assert words in str(caught.value)


@pytest.mark.parametrize("case", ANSWERS)
def test_a_read_is_good_or_unreachable(case: str) -> None:
    """Only that the booking is not there is an answer."""
    status, body, outcome, words = ANSWERS[case]
    with pytest.raises(SyncError) as caught:
        calls(says(status, body)).read("read", "the booking AAA001", booking_id="b1")
    assert type(caught.value) is (NotFound if outcome is NotFound else Unreachable)
    assert words in str(caught.value)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
@pytest.mark.parametrize(("body", "content"), [(None, None), (b" \n", None), ({"id": "b1"}, {"id": "b1"}), ([1], [1])])
def test_what_is_accepted_brings_its_content(status: int, body: Any, content: Any) -> None:
    assert write(calls(says(status, body))) == content


def test_an_answer_may_be_as_large_as_the_cap() -> None:
    assert write(calls(says(200, b"{}" + b" " * (CAP - 2)))) == {}


@pytest.mark.parametrize(("status", "transition"), [(409, True), (400, False)])
def test_a_refusal_keeps_its_code_and_says_whether_a_step_was_refused(status: int, transition: bool) -> None:
    with pytest.raises(Rejected) as caught:
        write(calls(says(status, NO)))
    assert (caught.value.code, caught.value.transition) == ("no.way", transition)


@pytest.mark.parametrize("code", ["NO_WAY", "Z9.a-b", "x" * 64])
def test_a_code_is_kept_as_it_is(code: str) -> None:
    with pytest.raises(Rejected) as caught:
        write(calls(says(400, {"code": code})))
    assert caught.value.code == code


@pytest.mark.parametrize("code", ["2 words", "1x", "x" * 65, "", "a b", None, 7])
def test_what_is_no_code_is_none(code: Any) -> None:
    with pytest.raises(Rejected) as caught:
        write(calls(says(400, {"code": code})))
    assert (caught.value.code, str(caught.value)) == ("", "the booking AAA001: Repairy refused with HTTP 400")


@pytest.mark.parametrize(("after", "left"), [({"retry-after": "120"}, 120.0), ({}, None)])
def test_patience_is_asked_for_with_or_without_a_time(after: dict[str, str], left: float | None) -> None:
    with pytest.raises(NotSent) as caught:
        write(calls(says(429, NO, **after)))
    assert caught.value.retry_after == left
    with pytest.raises(Unreachable) as unread:
        calls(says(429, NO, **after)).read("read", "the booking", booking_id="b1")
    assert unread.value.retry_after == left


@pytest.mark.parametrize(("status", "paused"), [(429, True), (503, True), (500, False), (200, False)])
def test_a_pause_holds_back_the_next_call(status: int, paused: bool) -> None:
    made = calls(says(status, {}, **{"retry-after": "120"}))
    for _ in range(2):
        with pytest.raises(SyncError) if status != 200 else nullcontext():
            write(made)
    assert made.calls["update"] == (1 if paused else 2)


@pytest.mark.parametrize("place", ["", ".", ".."])
def test_what_is_no_id_is_not_found_and_not_asked_for(place: str) -> None:
    made = calls(says(200, {}))
    with pytest.raises(NotFound, match=r"^the booking: this is no id$"):
        made.read("read", "the booking", booking_id=place)
    assert made.calls == {}


@pytest.mark.parametrize("place", ["X", "x.", ".1"])
def test_any_other_id_is_asked_for(place: str) -> None:
    made = calls(says(200, {}))
    assert made.read("read", "the booking", booking_id=place) == {}


def test_an_operation_that_is_switched_off_is_a_fault_of_the_configuration() -> None:
    contract = load().model_copy(update={"operations": load().operations.model_copy(update={"catalog": ""})})
    made = calls(says(200, {}))
    made.contract = contract
    with pytest.raises(ConfigError, match=r"operations\.catalog is switched off"):
        made.read("catalog", "the catalogue", workshop_id="w1")


def test_a_token_refused_twice_means_that_nothing_was_sent() -> None:
    made = calls(says(401, NO))
    with pytest.raises(NotSent, match="token refused"):
        write(made)
    assert made.calls["update"] == 2


def test_a_body_that_cannot_be_written_was_not_sent() -> None:
    with pytest.raises(NotSent, match="could not be written"):
        write(calls(says(200, {})), {"year": float("nan")})


@pytest.mark.parametrize("kind", [httpx.ReadTimeout, OSError])
def test_an_answer_that_breaks_on_the_way_is_unknown(kind: type[Exception]) -> None:
    class Breaking(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield b"{"
            raise kind(SECRET)

    with pytest.raises(Unknown, match="no whole answer in time" if kind is httpx.ReadTimeout else "not foreseen"):
        write(calls(lambda _: httpx.Response(200, stream=Breaking())))


class Slow(httpx.SyncByteStream):
    """An answer in two pieces, with this long between them."""

    def __init__(self, clock: ManualClock, seconds: float) -> None:
        self.clock, self.seconds = clock, seconds

    def __iter__(self) -> Iterator[bytes]:
        yield b'{"id":'
        self.clock.seconds += self.seconds
        yield b' "b1"}'


@pytest.mark.parametrize(("seconds", "late"), [(4.5, False), (5.0, True)])
def test_an_answer_in_pieces_is_whole_within_its_time(seconds: float, late: bool) -> None:
    clock = ManualClock()
    made = calls(lambda _: httpx.Response(200, stream=Slow(clock, seconds)), clock=clock)
    if late:
        with pytest.raises(Unknown, match="no whole answer in time"):
            write(made)
    else:
        assert write(made) == {"id": "b1"}


def test_a_call_during_a_pause_says_how_long_it_lasts() -> None:
    clock = ManualClock()
    made = calls(says(429, NO, **{"retry-after": "120"}), clock=clock)
    with pytest.raises(NotSent):
        write(made)
    clock.seconds += 119.5
    with pytest.raises(NotSent, match="the booking AAA001: Repairy asked for a pause") as caught:
        write(made)
    assert caught.value.retry_after == 0.5


def test_a_pause_that_begins_while_a_call_waits_for_its_turn_holds_it_back() -> None:
    """Another call is told to wait meanwhile."""

    class Meanwhile(ManualClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            if len(self.slept) == 1:
                with pytest.raises(Unreachable, match="asks for patience"):
                    made.read("read", "another booking", booking_id="b2")

    made = calls(says(429, NO, **{"retry-after": "120"}), clock=Meanwhile(), rate=1.0)
    with pytest.raises(NotSent, match="the booking AAA001: Repairy asked for a pause"):
        write(made)
    assert made.calls == {"token": 1, "read": 1}


def test_what_is_accepted_is_taken_out_of_its_envelope() -> None:
    contract = load()
    made = calls(says(200, {"data": {"id": "b1"}}))
    made.contract = contract.model_copy(update={"answer": contract.answer.model_copy(update={"envelope": "data"})})
    assert write(made) == {"id": "b1"}


@pytest.mark.parametrize("body", [{"data": NO}, NO], ids=["in it", "without it"])
def test_a_refusal_in_an_envelope_is_read_as_well(body: Any) -> None:
    contract = load()
    made = calls(says(400, body))
    made.contract = contract.model_copy(update={"answer": contract.answer.model_copy(update={"envelope": "data"})})
    with pytest.raises(Rejected, match=r"no\.way Not possible"):
        write(made)


def test_a_compressed_answer_is_not_read() -> None:
    with pytest.raises(Unknown, match="compressed"):
        write(calls(lambda _: httpx.Response(200, stream=httpx.ByteStream(b"x"), headers={"content-encoding": "GZIP"})))


def broken(_: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout(SECRET)


#  what the request for a token meets -> what the write says, and for how long it is to be left
GATES: dict[str, tuple[Handler, str, float | None]] = {
    "300": (says(300, NO), "Repairy gives no token now (HTTP 300)", None),
    "400": (says(400, NO), "token refused: ", None),
    "401": (says(401), "token refused: ", None),
    "429": (says(429, NO, **{"retry-after": "120"}), "Repairy asks for patience before it gives a token", 120.0),
    "429 without a time": (says(429, NO), "Repairy asks for patience before it gives a token", None),
    "500": (says(500, NO), "Repairy gives no token now (HTTP 500)", None),
    "broken": (broken, "the request for a token: no whole answer in time", None),
}


@pytest.mark.parametrize("case", GATES)
def test_without_a_token_nothing_was_sent(case: str) -> None:
    gate, words, left = GATES[case]
    made = calls(says(200, {}), gate)
    with pytest.raises(NotSent) as caught:
        write(made)
    assert str(caught.value).startswith(words)
    assert caught.value.retry_after == left
    assert "update" not in made.calls


def test_the_request_for_a_token_carries_the_key_and_no_token() -> None:
    seen = list[httpx.Request]()

    def gate(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return token(request)

    made = calls(says(200, {}), gate)
    write(made)
    assert json.loads(seen[0].content) == {"appKey": "key", "appSecret": SECRET}
    assert "authorization" not in seen[0].headers
    assert made.calls == {"token": 1, "update": 1}


def test_a_call_is_logged_by_operation_and_status_alone() -> None:
    told = list[Any]()

    class Log:
        def debug(self, event: str, **facts: Any) -> None:
            told.append((event, facts))

    write(calls(says(200, {}), log=Log()))
    assert told == [("repairy call", {"operation": word, "status": 200}) for word in ("token", "update")]


def test_a_call_names_partner_and_token_and_carries_its_body_also_again() -> None:
    """A token that is refused is renewed, and the same is asked once more."""
    seen = list[httpx.Request]()

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(401 if len(seen) == 1 else 200, json={"code": "expired"})

    assert write(calls(handle), {"jobNotes": "brakes"}) == {"code": "expired"}
    assert [request.headers["authorization"] for request in seen] == [f"Bearer {TOKEN}"] * 2
    assert [request.headers["x-partner-id"] for request in seen] == ["partner-1"] * 2
    assert [json.loads(request.content) for request in seen] == [{"jobNotes": "brakes"}] * 2
    assert {request.headers["content-type"] for request in seen} == {"application/json"}


def test_an_id_is_quoted_into_its_path() -> None:
    seen = list[str]()

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.raw_path.decode())
        return httpx.Response(200, json={})

    calls(handle).read("read", "the booking", {"a": "b"}, booking_id="x/../y z")
    assert [path.rpartition("/")[2] for path in seen] == ["x%2F..%2Fy%20z?a=b"]


#  what breaks, while sending -> outcome and words
BREAKS: dict[type[Exception], tuple[type[SyncError], str]] = {
    httpx.ConnectTimeout: (NotSent, "no connection in time"),
    httpx.ConnectError: (NotSent, "no connection (name"),
    httpx.PoolTimeout: (NotSent, "all connections are busy"),
    httpx.ReadTimeout: (Unknown, "no whole answer in time"),
    httpx.WriteError: (Unknown, "the connection broke"),
    httpx.RemoteProtocolError: (Unknown, "cut short"),
    OSError: (Unknown, "not foreseen"),
}


@pytest.mark.parametrize("kind", BREAKS)
def test_what_breaks_is_not_sent_only_where_nothing_can_have_left(kind: type[Exception]) -> None:
    def handle(_: httpx.Request) -> httpx.Response:
        raise kind(SECRET)

    outcome, words = BREAKS[kind]
    with pytest.raises(SyncError) as caught:
        write(calls(handle))
    assert type(caught.value) is outcome
    assert str(caught.value).startswith("the booking AAA001: ")
    assert words in str(caught.value)


def test_a_refusal_repeats_nothing_that_was_sent() -> None:
    said = {"code": "bad", "message": "One of AAA-001, customer ONE, 0400 000 001 and x@example.com\x07is wrong"}
    with pytest.raises(Rejected) as caught:
        write(calls(says(422, said)), {"car": {"rego": "AAA001"}, "names": ["Customer One"], "year": 2019})
    assert str(caught.value).endswith("bad … of …, …, … and … is wrong")


#  what Repairy says, what was sent -> what is repeated of it
TOLD: dict[str, tuple[str, Any, str]] = {
    "a word of two letters": ("a VW", {"make": "VW", "badge": "a"}, "a …"),
    "a word of a hundred letters": ("x" * 100, ["x" * 100], "…"),
    "a longer one, of which nothing is looked for": ("x" * 101, ["x" * 101], "x" * 101),
    "a message of five hundred characters": ("1" * 500, {}, "…"),
    "what comes after them": ("1" * 500 + "yes", {}, "…"),
    "two hundred of it": ("x" * 300, {}, "x" * 200),
}


@pytest.mark.parametrize("case", TOLD)
def test_how_much_of_a_refusal_is_told(case: str) -> None:
    message, body, told = TOLD[case]
    with pytest.raises(Rejected) as caught:
        write(calls(says(400, {"message": message})), body)
    assert str(caught.value) == f"the booking AAA001: Repairy refused with HTTP 400: {told}"


#  the header Date of an answer -> how far Repairy's clock is ahead of ours, in seconds
CLOCKS = {"Thu, 05 Mar 2026 22:00:07 GMT": 7.0, "Thu, 05 Mar 2026 22:00:07 -0000": None, "soon": None, "": None}


@pytest.mark.parametrize("date", CLOCKS)
def test_the_clocks_are_compared_by_an_answer_that_tells_its_time(date: str) -> None:
    made = calls(says(200, {}, date=date))
    write(made)
    assert (made.ahead.total_seconds() if made.ahead else None) == CLOCKS[date]
