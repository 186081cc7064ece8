"""Webhook deliveries as a stranger, a broken proxy or an attacker might send them, and what each of them is worth.

RULE: knows the documented facts of a webhook and nothing of the program: who checks and what is checked must not share
their mistakes. One seed, one delivery.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import string
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

NOW = datetime(2026, 3, 5, 22, 0, tzinfo=UTC)
SECRETS = ("canary-one-webhook-secret", "canary-next-webhook-secret")
TOLERANCE = 300  # seconds
LARGEST = 256 * 1024  # bytes
# What the wire contract may say of a signature: algorithm, what is signed, encoding.
SCHEMES = (
    ("hmac-sha256", "{timestamp}.{body}", "hex"),
    ("hmac-sha512", "{request_id}.{timestamp}.{body}", "base64"),
    ("hmac-sha1", "{body}", "hex"),
    ("path", "{timestamp}.{body}", "hex"),
)
ODD = (
    "",
    " ",
    "\x00",
    "null",
    "0",
    "-1",
    "1e9",
    "é",
    "٣",
    "😀",
    "\ud800",
    "a" * 5000,
    "%00",
    "../..",
    "' OR 1=1 --",
    "\r\nx: y",
    "nan",
    "inf",
)


@dataclass
class Delivery:
    """One request as it arrives. `told` is what was done to it, for a failure's message."""

    scheme: tuple[str, str, str]
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    made_of: Any  # what the body is made of, before it is signed
    told: list[str] = field(default_factory=list)

    @property
    def authentic(self) -> bool:
        """Whether a signature by one of the secrets stands over exactly these bytes, in time."""
        algorithm, signs, encoding = self.scheme
        if self.method not in ("POST", "PUT", "PATCH") or len(self.body) > LARGEST:
            return False
        if algorithm == "path":
            return self.path.split("?")[0].split("/")[-1] in SECRETS
        given = {name.lower(): value for name, value in self.headers.items()}
        stamp = given.get("x-webhook-timestamp", "")
        if "{timestamp}" in signs and not _in_time(stamp):
            return False
        if "{request_id}" in signs and not given.get("x-request-id"):
            return False
        told = given.get("x-webhook-signature", "").strip().removeprefix(algorithm.removeprefix("hmac-") + "=")
        good = (_signature(self.scheme, secret, stamp, given.get("x-request-id", ""), self.body) for secret in SECRETS)
        return bool(told) and any(_same(told, one, encoding) for one in good)

    @property
    def said(self) -> Any:
        """What the body says, where it is JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def readable(self) -> bool:
        """Whether the body names an event, an action and a booking, each as a short word."""
        said = self.said
        booking = said.get("data") if isinstance(said, dict) else None
        return isinstance(booking, dict) and all(_word(one) for one in (said.get("id"), said.get("action"), booking.get("id")))


def delivery(seed: int) -> Delivery:
    """A good one, with up to three things done to it before it is signed or after."""
    chance = Random(seed)
    said: Any = {
        "id": f"{chance.getrandbits(96):024x}",
        "action": chance.choice(("bookingCreate", "bookingUpdated", "bookingCancelled", "bookingCompleted")),
        "timestamp": int(NOW.timestamp()),
        "data": {"id": f"{chance.getrandbits(96):024x}", "workshopId": "w1", "customer": {"phone": "0400000001"}},
    }
    made = Delivery(chance.choice(SCHEMES), chance.choice(("POST", "PUT", "PATCH")), "/webhooks/repairy", {}, b"", said)
    for _ in range(chance.choice((0, 0, 1, 2))):
        _do(made, chance, chance.choice(BEFORE))
    if not made.body:
        made.body = json.dumps(made.made_of, ensure_ascii=chance.random() < 0.5, indent=chance.choice((None, 1))).encode(
            "utf-8", "surrogatepass"
        )
    _sign(made, chance.choice(SECRETS))
    for _ in range(chance.choice((0, 0, 1, 1, 2, 3))):
        _do(made, chance, chance.choice(AFTER))
    return made


def _do(made: Delivery, chance: Random, change: Callable[[Delivery, Random], None]) -> None:
    made.told.append(change.__name__)
    change(made, chance)


def _sign(made: Delivery, secret: str, stamp: str | None = None) -> None:
    stamp = str(int(NOW.timestamp())) if stamp is None else stamp
    made.headers |= {"Content-Type": "application/json", "x-request-id": "r1", "x-webhook-id": "a1", "x-webhook-version": "3"}
    made.headers["x-webhook-timestamp"] = stamp
    if made.scheme[0] == "path":
        made.path = f"/webhooks/repairy/{secret}"
    else:
        made.headers["x-webhook-signature"] = _signature(made.scheme, secret, stamp, "r1", made.body)


def _signature(scheme: tuple[str, str, str], secret: str, stamp: str, request: str, body: bytes) -> str:
    algorithm, signs, encoding = scheme
    before, _, _ = signs.partition("{body}")
    head = before.replace("{timestamp}", stamp).replace("{request_id}", request).encode("utf-8", "surrogatepass")
    digest = hmac.new(secret.encode(), head + body, algorithm.removeprefix("hmac-")).digest()
    return digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()


def _same(told: str, good: str, encoding: str) -> bool:
    """Hex in either case, with the white space between bytes that Python takes; base64 as it is."""
    return "".join(told.split()).lower() == good if encoding == "hex" and told.isascii() else told == good


def _in_time(stamp: str) -> bool:
    whole, dot, part = stamp.partition(".")
    plain = set(string.digits)
    if not (whole and len(whole) <= 12 and set(whole) <= plain and (not dot or (0 < len(part) <= 9 and set(part) <= plain))):
        return False
    return abs(float(stamp) - NOW.timestamp()) <= TOLERANCE


def _word(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return False
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).replace("\x00", "\ufffd")
    text = "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
    return 0 < len(text) <= 200 and text.isprintable()


# -- before it is signed: what Repairy itself might send one day


def another_body(made: Delivery, chance: Random) -> None:
    made.made_of = chance.choice(({}, [], "word", 3, None, True, [made.made_of], {"event": made.made_of}))


def a_part_is_odd(made: Delivery, chance: Random) -> None:
    if not isinstance(made.made_of, dict):
        return
    where = chance.choice((made.made_of, made.made_of.get("data")))
    if isinstance(where, dict) and where:
        where[chance.choice(sorted(where))] = chance.choice(
            (None, 1, 2.0, 1.5, True, [], {}, {"id": "b1"}, chance.choice(ODD), 10 ** chance.choice((3, 40, 300)))
        )


def a_part_is_missing(made: Delivery, chance: Random) -> None:
    if isinstance(made.made_of, dict) and made.made_of:
        del made.made_of[chance.choice(sorted(made.made_of))]


def not_json(made: Delivery, chance: Random) -> None:
    made.made_of = None
    made.body = chance.choice(
        (
            b"id=e1",
            b"\xff\xfe",
            b"{",
            b"[" * 50_000,
            b'{"id": NaN',
            chance.randbytes(chance.randint(1, 400)),
            b"\x1f\x8b" + chance.randbytes(30),
        )
    )


def large(made: Delivery, chance: Random) -> None:
    if isinstance(made.made_of, dict) and chance.random() < 0.05:
        made.made_of["padding"] = "x" * chance.choice((LARGEST - 1000, LARGEST, LARGEST * 2))


BEFORE = (another_body, a_part_is_odd, a_part_is_odd, a_part_is_odd, a_part_is_missing, not_json, large)

# -- after: what happens on the way, or is done by somebody who has no secret


def another_byte(made: Delivery, chance: Random) -> None:
    body = made.body or b"x"
    at = chance.randrange(len(body))
    made.body = body[:at] + bytes([body[at] ^ 1 << chance.randrange(8)]) + body[at + 1 :]


def cut_or_longer(made: Delivery, chance: Random) -> None:
    made.body = chance.choice((made.body[: len(made.body) // 2], made.body + b" ", b"", made.body * 2))


def another_signature(made: Delivery, chance: Random) -> None:
    was = made.headers.get("x-webhook-signature", "")
    at = chance.randrange(len(was) or 1)
    forged = "".join(chance.choice(string.hexdigits) for _ in range(64))
    made.headers["x-webhook-signature"] = chance.choice(
        (*ODD, forged, was[:at], was[:at] + "0" + was[at + 1 :], was + "0", was * 2, was[::-1])
    )


def spelt_otherwise(made: Delivery, chance: Random) -> None:
    """Still good where the encoding is hex."""
    was = made.headers.get("x-webhook-signature", "")
    kind = made.scheme[0].removeprefix("hmac-")
    made.headers["x-webhook-signature"] = chance.choice((was.upper(), f" {was} ", f"{kind}={was}", f"md5={was}"))


def another_secret(made: Delivery, chance: Random) -> None:
    _sign(made, chance.choice(("", "secret", SECRETS[0][:-1], SECRETS[0] + " ", SECRETS[0].upper(), SECRETS[0] + SECRETS[1])))


def another_time(made: Delivery, chance: Random) -> None:
    off = chance.choice((-301, -300, -299, 299, 300, 301, 86400, -86400, 10**9, 10**11))
    stamp = chance.choice(
        (*ODD, str(int(NOW.timestamp()) + off), f"{NOW.timestamp() + off:.3f}", str(int(NOW.timestamp() * 1000)), NOW.isoformat())
    )
    if chance.random() < 0.5:
        made.headers["x-webhook-timestamp"] = stamp
    else:
        _sign(made, SECRETS[0], stamp)


def replayed(made: Delivery, chance: Random) -> None:
    """An old delivery with a fresh time on it."""
    made.headers["x-webhook-timestamp"] = str(int(NOW.timestamp()) + chance.randint(1, 200))


def a_header_is_missing(made: Delivery, chance: Random) -> None:
    made.headers.pop(chance.choice(sorted(made.headers)), None) if made.headers else None


def a_header_is_odd(made: Delivery, chance: Random) -> None:
    name = chance.choice((*sorted(made.headers), "x-extra", "Content-Length", "Transfer-Encoding"))
    made.headers[name] = chance.choice(ODD)


def many_headers(made: Delivery, chance: Random) -> None:
    made.headers |= {f"x-{number}": "y" * chance.randint(0, 50) for number in range(chance.choice((5, 90)))}


def headers_in_capitals(made: Delivery, chance: Random) -> None:
    made.headers = {name.title() if chance.random() < 0.5 else name.upper(): value for name, value in made.headers.items()}


def another_method(made: Delivery, chance: Random) -> None:
    made.method = chance.choice(("GET", "DELETE", "HEAD", "post", "OPTIONS", "", "POST "))


def another_path(made: Delivery, chance: Random) -> None:
    was = made.path
    made.path = chance.choice((f"{was}?x=1", f"{was}/", f"/{was}", "/webhooks/repairy/", f"{was}x", was[:-1], f"{was}#x", *ODD))


AFTER = (
    another_byte, cut_or_longer, another_signature, spelt_otherwise, another_secret, another_time, replayed,
    a_header_is_missing, a_header_is_odd, many_headers, headers_in_capitals, another_method, another_path,
)  # fmt: skip
DONE = tuple(sorted({one.__name__ for one in BEFORE + AFTER}))


def digest(seeds: range) -> str:
    """What tells that the same seeds make the same deliveries."""
    found = hashlib.sha256()
    for seed in seeds:
        made = delivery(seed)
        found.update(repr((made.method, made.path, sorted(made.headers.items()), made.body)).encode("utf-8", "surrogatepass"))
    return found.hexdigest()
