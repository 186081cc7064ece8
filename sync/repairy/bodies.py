"""Bookings between our fields and JSON bodies, as the contract spells them. Pure; nothing here sends or reads anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sync.core import times
from sync.core.booking import FIELDS, Fields, Sighting
from sync.core.canonical import split_name
from sync.errors import NotFound, Rejected, Unsupported
from sync.repairy import wire
from sync.repairy.contract import Contract

PLAIN = tuple(field for field in FIELDS if field not in ("status", "starts_at", "ends_at", "service_code"))
NAME_PARTS = ("first_name", "last_name")
NAMES = ("name", "company", *NAME_PARTS)


class NotUnderstood(ValueError):
    """An answer lacks what is needed, or shows it in no form that the contract knows; the text says which field."""


def sighting(contract: Contract, body: Any, booking_id: str | None = None) -> Sighting:
    """A booking as Repairy showed it; a field that the answer lacks is absent. Raises NotUnderstood.

    Strict in id (and that it is `booking_id`), status and start; what else cannot be read is left out.
    """
    found = _text(contract, body, "id")
    if not found or booking_id not in (None, found):
        raise NotUnderstood(contract.booking.id)
    word = _text(contract, body, "status")
    starts_at = _time(contract, body, "starts_at")
    for field, value in (("status", word), ("starts_at", starts_at)):
        if value is None:
            raise NotUnderstood(contract.name(field))
    fields: dict[str, str | None] = {"status": contract.status_of(word or ""), "starts_at": starts_at}
    return Sighting(
        key=found,
        fields=fields | _rest(contract, body),
        changed_at=_time(contract, body, "updated_at"),
        ref=_text(contract, body, "reference"),
        code=_text(contract, body, "code"),
        workshop_id=_text(contract, body, "workshop_id"),
    )


def _rest(contract: Contract, body: Any) -> dict[str, str | None]:
    """The fields that a booking may have or lack."""
    found: dict[str, str | None] = {}
    for field in (*PLAIN, "ends_at"):
        name = contract.name(field)
        raw = wire.get(body, name, wire.ABSENT) if name else wire.ABSENT
        read = _time if field == "ends_at" else _text
        if raw is not wire.ABSENT and (raw in (None, "") or read(contract, body, field) is not None):
            found[field] = read(contract, body, field)
    services = wire.get(body, contract.services.list) if contract.services.list else None
    if isinstance(services, Sequence) and not isinstance(services, str):
        codes = [code for entry in services if isinstance(code := wire.get(entry, contract.services.code), str)]
        found["service_code"] = wire.text(codes[0]) if codes else None
    return found


def _text(contract: Contract, body: Any, field: str) -> str | None:
    """A field as text; None where it is empty, missing, or not text."""
    name = contract.name(field)
    try:
        return wire.text(wire.get(body, name)) if name else None
    except ValueError:
        return None


def _time(contract: Contract, body: Any, field: str) -> str | None:
    """A time field as ISO UTC; None where it is empty, missing, or no time."""
    name = contract.name(field)
    try:
        return times.iso(contract.time_in(wire.get(body, name))) if name else None
    except ValueError:
        return None


def in_parts(fields: Fields) -> dict[str, str | None]:
    """First and last name: as given, else the whole name (or the company's) split at the last space."""
    given = {part: fields[part] for part in NAME_PARTS if part in fields}
    whole = (fields.get("name") or fields.get("company") or "").strip()
    if given and (any(given.values()) or not whole):
        return given
    first, last = split_name(whole)
    return {"first_name": first or None, "last_name": last or None}


def named(contract: Contract, fields: Fields) -> dict[str, str | None]:
    """The fields with the customer's name as a booking on the wire has it: whole or in parts."""
    rest = {field: value for field, value in fields.items() if field not in NAMES}
    if "company" in fields and contract.booking.company:
        rest["company"] = fields["company"]
    if not fields.keys() & set(NAMES):
        return rest
    if contract.booking.last_name and not contract.booking.name:
        return rest | in_parts(fields)
    joined = " ".join(part for part in (fields.get(name) for name in NAME_PARTS) if part)
    whole = fields.get("name") or joined or fields.get("company")
    return rest | {"name" if contract.booking.name else "first_name": whole or None}


def value(contract: Contract, field: str, given: str) -> Any:
    """One field's text as its JSON value. Raises Unsupported where the wire has no form for it."""
    try:
        if field in ("starts_at", "ends_at"):
            return contract.time_out(times.parse(given))
        if field == "year":
            return int(given)
    except ValueError:
        raise Unsupported(
            f"Repairy has no way to hold this {field}: it is not {'a number' if field == 'year' else 'a time'}"
        ) from None
    return contract.phone_out(given) if field == "phone" else given


def create_body(contract: Contract, fields: Fields, workshop_id: str, reference: str, silent: bool) -> dict[str, Any]:
    """The request of a create; empty fields are left out, and so is a year that is no number. Raises Unsupported."""
    given = {field: text for field, text in named(contract, fields).items() if text}
    if not given.get("year", "0").isdecimal():
        del given["year"]
    given |= {"workshop_id": workshop_id, "reference": reference}
    missing = [field for field in contract.required.create if not given.get(field)]
    if missing:
        raise Unsupported(f"Repairy makes no booking without {', '.join(missing)}")
    body: dict[str, Any] = {}
    for field, text in given.items():
        if field != "status" and (name := contract.name(field, create=True)):
            wire.put(body, name, value(contract, field, text))
    return _with(body, contract.constants.create, contract.silence.create if silent else {})


def update_body(contract: Contract, fields: Fields, before: Mapping[str, Any]) -> dict[str, Any]:
    """The request of an update. What lies in an object is laid into that object as it stands in `before`."""
    body: dict[str, Any] = {}
    for field, text in fields.items():
        top, dot, _ = contract.name(field).partition(".")
        if dot and top not in body and isinstance(before.get(top), Mapping):
            body[top] = _copied(before[top])
        empty = None if contract.formats.empty == "null" else ""
        wire.put(body, contract.name(field), empty if text is None else value(contract, field, text))
    return _with(body, contract.constants.update, contract.silence.update)


def _with(body: dict[str, Any], *extras: Mapping[str, Any]) -> dict[str, Any]:
    """What the contract sends along, in the wire's own dotted names."""
    for extra in extras:
        for name, thing in extra.items():
            wire.put(body, name, thing)
    return body


def _copied(thing: Any) -> Any:
    """An object and the objects in it, free to be changed."""
    return {key: _copied(inner) for key, inner in thing.items()} if isinstance(thing, Mapping) else thing


def rejected(error: NotFound) -> Rejected:
    """A 404 to a request that names no booking: refused, not absent."""
    return Rejected(str(error))
