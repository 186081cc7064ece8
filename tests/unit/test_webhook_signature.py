"""Only signed webhooks count: what is accepted, and that every way to be wrong is Refused and nothing else."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.ports import Event
from sync.repairy.contract import Contract, load
from sync.repairy.webhook import CAP, Refused, verify
from sync.repairy.webhook import signed as our_own
from sync.share import CONFIG

NOW = datetime(2026, 3, 5, 22, 0, tzinfo=UTC)
SECRET = "canary-webhook-secret"
BODY = json.dumps({"id": "e1", "action": "bookingUpdated", "timestamp": 1, "data": {"id": "b1", "workshopId": "w1"}}).encode()
PATH = "/webhooks/repairy"


def contract(**webhook: Any) -> Contract:
    tables = tomllib.loads((CONFIG / "repairy-api.toml").read_text("utf-8"))
    tables["webhook"] |= webhook
    return Contract.parse(tables)


def signed(body: bytes = BODY, at: datetime = NOW, secret: str = SECRET) -> dict[str, str]:
    """Headers as documented and assumed: hex HMAC-SHA256 over time, a dot, and the raw body."""
    stamp = str(int(at.timestamp()))
    mac = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"X-Webhook-Signature": mac, "x-webhook-timestamp": stamp, "x-request-id": "d1", "Content-Type": "application/json"}


def check(
    headers: dict[str, str],
    body: bytes = BODY,
    *secrets: str,
    method: str = "POST",
    path: str = PATH,
    rules: Contract | None = None,
) -> Event:
    return verify(rules or load(), secrets or (SECRET,), method, path, headers, body, NOW)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_a_signed_delivery_is_an_event(method: str) -> None:
    assert check(signed(), method=method) == Event("e1", "updated", "b1", "w1", NOW)


@pytest.mark.parametrize(
    ("word", "ours"),
    [("bookingCreate", "created"), ("bookingCancelled", "cancelled"), ("bookingCompleted", "done"), ("odd", "odd")],
)
def test_actions_are_in_our_words_and_unknown_ones_as_they_came(word: str, ours: str) -> None:
    body = BODY.replace(b"bookingUpdated", word.encode())
    assert check(signed(body), body).action == ours


def test_either_secret_counts_during_a_rotation() -> None:
    assert check(signed(secret="next"), BODY, SECRET, "next").id == "e1"
    assert check(signed(), BODY, SECRET, "next").id == "e1"


def test_a_prefix_that_names_the_algorithm_is_tolerated() -> None:
    headers = signed()
    headers["X-Webhook-Signature"] = "sha256=" + headers["X-Webhook-Signature"].upper()
    assert check(headers).id == "e1"


def test_the_signature_is_over_the_bytes_as_they_came() -> None:
    """The same JSON in other bytes is not what was signed."""
    with pytest.raises(Refused, match="signature"):
        check(signed(), json.dumps(json.loads(BODY), indent=1).encode())


@pytest.mark.parametrize("seconds", [-300, -299, 299, 300])
def test_a_clock_may_be_off_within_the_tolerance(seconds: int) -> None:
    assert check(signed(at=NOW + timedelta(seconds=seconds))).id == "e1"


@pytest.mark.parametrize("seconds", [-301, 301, -86400, 10**9])
def test_a_time_outside_the_tolerance_is_refused_both_ways(seconds: int) -> None:
    with pytest.raises(Refused, match="away from ours"):
        check(signed(at=NOW + timedelta(seconds=seconds)))


@pytest.mark.parametrize("name", ["X-Webhook-Signature", "x-webhook-timestamp"])
def test_a_missing_header_is_refused_and_named(name: str) -> None:
    headers = signed()
    del headers[name]
    with pytest.raises(Refused, match=name.lower()):
        check(headers)


@pytest.mark.parametrize(
    "stamp", ["", "soon", "1e9", "-1", "\u0661\u0662", "nan", "inf", "9" * 13, "\u00e9"],
)  # fmt: skip
def test_a_timestamp_that_is_no_number_of_seconds_is_refused(stamp: str) -> None:
    with pytest.raises(Refused, match="in seconds since 1970" if stamp else "no header"):
        check({**signed(), "x-webhook-timestamp": stamp})


@pytest.mark.parametrize(
    "signature", ["", "00", "zz", "\u00e9" * 64, "f" * 63, "f" * 64, "f" * 10_000, "sha256=", "sha512=" + "f" * 64]
)
def test_a_wrong_signature_is_refused(signature: str) -> None:
    with pytest.raises(Refused):
        check({**signed(), "X-Webhook-Signature": signature})


@pytest.mark.parametrize("secrets", [[], [""], ["", ""]])
def test_without_a_secret_nothing_counts(secrets: list[str]) -> None:
    """Not even what is signed with the empty secret."""
    with pytest.raises(Refused, match="repairy_webhook_secret"):
        verify(load(), secrets, "POST", PATH, signed(secret=""), BODY, NOW)


@pytest.mark.parametrize("method", ["GET", "DELETE", "post", ""])
def test_another_method_is_refused(method: str) -> None:
    with pytest.raises(Refused, match="method"):
        check(signed(), method=method)


BODIES: dict[str, tuple[Any, str]] = {
    "empty": (b"", "is not JSON"),
    "not JSON": (b"id=e1", "is not JSON"),
    "not UTF-8": (b'{"id": "\xff"}', "is not JSON"),
    "too deep": (b"[" * 100_000, "is not JSON"),
    "too large": (b'{"id": "e1", "x": "' + b"x" * CAP + b'"}', "is larger"),
    "a list": ([], "has no action at action"),
    "a word": ("e1", "has no action at action"),
    "no event id": ({"action": "bookingCreate", "data": {"id": "b1"}}, "has no event id at id"),
    "no action": ({"id": "e1", "data": {"id": "b1"}}, "has no action at action"),
    "no booking": ({"id": "e1", "action": "bookingCreate"}, "has no booking id at id"),
    "a booking without id": ({"id": "e1", "action": "bookingCreate", "data": {"id": ""}}, "has no booking id"),
    "an id that is an object": ({"id": "e1", "action": "bookingCreate", "data": {"id": {"$oid": "b1"}}}, "has no booking id"),
    "an id of pages": ({"id": "e" * 201, "action": "bookingCreate", "data": {"id": "b1"}}, "has no event id"),
    "an id of lines": ({"id": "e\n1", "action": "bookingCreate", "data": {"id": "b1"}}, "has no event id"),
}


@pytest.mark.parametrize(("body", "why"), BODIES.values(), ids=BODIES.keys())
def test_a_signed_body_that_names_no_event_or_booking_is_refused(body: Any, why: str) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(Refused, match=f"^its body {why}"):
        check(signed(raw), raw)


def test_an_id_may_have_two_hundred_characters() -> None:
    body = json.dumps({"id": "e" * 200, "action": "bookingCreate", "data": {"id": "b1"}}).encode()
    assert check(signed(body), body).id == "e" * 200


def test_a_base64_signature_with_anything_else_in_it_is_refused() -> None:
    rules = contract(encoding="base64", signs="{body}")
    told = base64.b64encode(hmac.new(SECRET.encode(), BODY, "sha256").digest()).decode()
    assert check({"x-webhook-signature": told}, rules=rules).id == "e1"
    with pytest.raises(Refused, match="our secret"):
        check({"x-webhook-signature": f"{told[:9]}!{told[9:]}"}, rules=rules)


def test_a_body_may_be_as_large_as_the_cap_and_no_larger() -> None:
    fits = BODY + b" " * (CAP - len(BODY))
    assert check(signed(fits), fits).id == "e1"
    with pytest.raises(Refused, match="larger than"):
        check(signed(fits + b" "), fits + b" ")


def test_a_refusal_tells_nothing_of_secret_or_body() -> None:
    headers = signed(secret="other")
    with pytest.raises(Refused) as caught:
        check(headers)
    assert not [told for told in (SECRET, "b1", headers["X-Webhook-Signature"]) if told in str(caught.value)]


def test_an_exception_that_nobody_foresaw_is_a_refusal() -> None:
    class Trap(dict[str, str]):
        def items(self) -> Any:
            raise RuntimeError(SECRET)

    with pytest.raises(Refused, match="could not be checked") as caught:
        check(Trap())
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("kind", ["sha1", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_algorithm_encoding_template_and_names_come_from_the_contract(kind: str, encoding: str) -> None:
    rules = contract(
        algorithm=f"hmac-{kind}", encoding=encoding, signs="v1:{request_id}:{timestamp}:{body}", signature="X-Sig",
        timestamp="X-Time", event_id="meta.event", action="meta.kind", booking="payload.booking", actions={"changed": "updated"},
    )  # fmt: skip
    body = b'{"meta": {"event": 7, "kind": "changed"}, "payload": {"booking": {"id": 12}}}'
    stamp = str(int(NOW.timestamp()))
    mac = hmac.new(SECRET.encode(), b"v1:d9:" + stamp.encode() + b":" + body, kind).digest()
    told = mac.hex() if encoding == "hex" else base64.b64encode(mac).decode()
    assert check({"x-sig": told, "x-time": stamp, "x-request-id": "d9"}, body, rules=rules) == Event(
        "7", "updated", "12", None, NOW
    )


@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_a_delivery_of_ours_is_signed_as_the_contract_says(encoding: str) -> None:
    rules = contract(algorithm="hmac-sha512", encoding=encoding, signs="{request_id}:{timestamp}:{body}", timestamp="X-Time")
    stamp = str(int(NOW.timestamp()))
    mac = hmac.new(SECRET.encode(), b"d9:" + stamp.encode() + b":" + BODY, "sha512").digest()
    headers = our_own(rules, SECRET, "d9", BODY, NOW)
    assert headers == {
        "x-request-id": "d9",
        "X-Time": stamp,
        "x-webhook-version": "3",
        "x-webhook-signature": mac.hex() if encoding == "hex" else base64.b64encode(mac).decode(),
    }
    assert check(headers, rules=rules).id == "e1"


def test_where_the_path_holds_the_secret_a_delivery_of_ours_has_no_signature() -> None:
    assert "x-webhook-signature" not in our_own(contract(algorithm="path"), SECRET, "d9", BODY, NOW)


def test_a_signature_without_time_asks_for_no_timestamp() -> None:
    rules = contract(signs="{body}")
    mac = hmac.new(SECRET.encode(), BODY, "sha256").hexdigest()
    assert check({"x-webhook-signature": mac}, rules=rules).id == "e1"


def test_a_secret_in_the_path_is_enough_where_the_contract_says_so() -> None:
    rules = contract(algorithm="path")
    assert check({}, path=f"{PATH}/{SECRET}?x=/1?y=2", rules=rules).id == "e1"


@pytest.mark.parametrize("path", [PATH, f"{PATH}/", f"{PATH}/{SECRET}x", f"{PATH}/\u00e9", f"{PATH}/{SECRET}/more", "", "\udcff"])
def test_a_wrong_secret_in_the_path_is_refused(path: str) -> None:
    with pytest.raises(Refused, match="path"):
        check({}, path=path, rules=contract(algorithm="path"))


@given(
    st.dictionaries(st.sampled_from([*signed(), "X", ""]) | st.text(), st.text(), max_size=4),
    st.binary(max_size=80),
    st.text(max_size=6),
)
@settings(max_examples=300, deadline=None)
def test_whatever_a_stranger_sends_is_refused(headers: dict[str, str], body: bytes, method: str) -> None:
    with pytest.raises(Refused):
        check({**signed(), **headers}, body, method=method or "POST")


def test_a_changed_byte_anywhere_is_refused() -> None:
    """Every single byte of the body, each changed to another."""
    chance, headers = random.Random(7), signed()
    for place in range(len(BODY)):
        changed = bytearray(BODY)
        changed[place] ^= chance.randrange(1, 256)
        with pytest.raises(Refused):
            check(headers, bytes(changed))


def test_the_contract_in_force_is_the_documented_one() -> None:
    """The header names and actions that Repairy documents are those of the built-in file."""
    assert Path(CONFIG / "repairy-api.toml").is_file()
    rules = load().webhook
    assert (rules.signature, rules.timestamp, rules.request_id) == ("x-webhook-signature", "x-webhook-timestamp", "x-request-id")
    assert set(rules.actions) == {"bookingCreate", "bookingUpdated", "bookingCancelled", "bookingCompleted"}
