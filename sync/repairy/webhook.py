"""Whether a webhook really comes from Repairy, and which booking it is about. Nothing else of its body is believed.

Every reason to doubt is one error, Refused, also an exception that nobody foresaw: the endpoint answers 401 and no more.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sync.errors import SyncError
from sync.ports import Event
from sync.repairy import wire
from sync.repairy.contract import Contract
from sync.repairy.tables import Webhook

CAP = 256 * 1024  # bytes of a body
LONGEST = 200  # characters of an id or an action
METHODS = ("POST", "PUT", "PATCH")  # documented


class Refused(SyncError):
    """This is not a webhook that counts; the message says why, without what was in it."""


def verify(
    contract: Contract, secrets: Sequence[str], method: str, path: str, headers: Mapping[str, str], body: bytes, now: datetime
) -> Event:
    """The event of a signed delivery. Header names count in any case; `now` is aware UTC. Raises Refused."""
    try:
        return _verified(contract, secrets, method, path, headers, body, now)
    except Refused:
        raise
    except Exception:  # noqa: BLE001 (whatever a stranger sends, the answer is no)
        raise Refused("it could not be checked") from None


def _verified(
    contract: Contract, secrets: Sequence[str], method: str, path: str, headers: Mapping[str, str], body: bytes, now: datetime
) -> Event:
    rules = contract.webhook
    lower = {name.lower(): value for name, value in headers.items()}
    if method not in METHODS:
        raise Refused("its method is none of POST, PUT, PATCH")
    if len(body) > CAP:
        raise Refused(f"its body is larger than {CAP} bytes")
    good = [secret for secret in secrets if secret]
    if not good:
        raise Refused("no webhook secret is set here: give the secret repairy_webhook_secret")
    if rules.algorithm == "path":
        _check_path(good, path)
    else:
        _check_time(rules, lower, now)
        _check_signature(rules, good, lower, body)
    return _event(contract, body, now)


def signed(contract: Contract, secret: str, request_id: str, body: bytes, now: datetime) -> dict[str, str]:
    """The headers with which a delivery of ours passes `verify`, as the contract says that Repairy signs."""
    rules = contract.webhook
    headers = {rules.request_id: request_id, rules.timestamp: str(int(now.timestamp())), rules.version: "3"}
    if rules.algorithm == "path":
        return headers
    lower = {name.lower(): value for name, value in headers.items()}
    digest = hmac.digest(secret.encode(), _signed(rules, lower, body), rules.algorithm.removeprefix("hmac-"))
    return headers | {rules.signature: digest.hex() if rules.encoding == "hex" else base64.b64encode(digest).decode()}


def _check_path(secrets: Sequence[str], path: str) -> None:
    """The secret is the last step of the path."""
    given = path.partition("?")[0].rpartition("/")[2].encode(errors="replace")
    if not _any_equal([secret.encode() for secret in secrets], given):
        raise Refused("its path does not end in the webhook secret")


def _check_time(rules: Webhook, headers: Mapping[str, str], now: datetime) -> None:
    """Signed times too far from now, either way, are replays or a wrong clock."""
    if "{timestamp}" not in rules.signs:
        return
    given = _header(headers, rules.timestamp)
    if not re.fullmatch(r"\d{1,12}(\.\d{1,9})?", given, re.ASCII):
        raise Refused(f"its header {rules.timestamp} is not in seconds since 1970")
    if abs(now.timestamp() - float(given)) > rules.window.total_seconds():
        raise Refused(f"its time is more than {rules.tolerance} away from ours: late, repeated, or a clock is wrong")


def _check_signature(rules: Webhook, secrets: Sequence[str], headers: Mapping[str, str], body: bytes) -> None:
    """Over the bytes as they came, with each secret, in constant time."""
    given = _header(headers, rules.signature)
    kind = rules.algorithm.removeprefix("hmac-")
    digest = _decoded(given.strip().removeprefix(f"{kind}="), rules.encoding)
    signed = _signed(rules, headers, body)
    if not _any_equal([hmac.digest(secret.encode(), signed, kind) for secret in secrets], digest):
        raise Refused("its signature is not made with our secret (or the contract's [webhook] is wrong)")


def _signed(rules: Webhook, headers: Mapping[str, str], body: bytes) -> bytes:
    """What the signature is over, by the contract's template."""
    values = {"{body}": body}
    for place, name in (("{timestamp}", rules.timestamp), ("{request_id}", rules.request_id)):
        if place in rules.signs:
            values[place] = _header(headers, name).encode()
    parts = re.split(r"(\{\w+\})", rules.signs)
    return b"".join(values[part] if part in values else part.encode() for part in parts)


def _decoded(text: str, encoding: str) -> bytes:
    """The signature's bytes; none where it is not in this encoding, which then equals nothing."""
    try:
        return bytes.fromhex(text) if encoding == "hex" else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return b""


def _any_equal(wanted: Sequence[bytes], given: bytes) -> bool:
    """Compared with each, whichever fits, in time that tells nothing."""
    return any([hmac.compare_digest(one, given) for one in wanted])  # noqa: C419 (a generator would stop at the first)


def _header(headers: Mapping[str, str], name: str) -> str:
    found = headers.get(name.lower())
    if not found:
        raise Refused(f"it has no header {name}")
    return found


def _event(contract: Contract, body: bytes, now: datetime) -> Event:
    rules = contract.webhook
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused("its body is not JSON") from None
    booking = wire.get(said, rules.booking)
    action = _word(said, rules.action, "action")
    return Event(
        id=_word(said, rules.event_id, "event id"),
        action=rules.actions.get(action, action),
        booking_id=_word(booking, contract.booking.id, "booking id"),
        workshop_id=_optional(booking, contract.booking.workshop_id),
        received_at=now,
    )


def _word(body: Any, name: str, what: str) -> str:
    found = _optional(body, name)
    if found is None:
        raise Refused(f"its body has no {what} at {name}")
    return found


def _optional(body: Any, name: str) -> str | None:
    """An id or word: short, and printable."""
    try:
        found = wire.text(wire.get(body, name))
    except ValueError:
        return None
    return found if found and len(found) <= LONGEST and found.isprintable() else None
