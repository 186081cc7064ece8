"""How values look on the wire: dotted names, times, phones, plain text. Pure functions; the contract says which form."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime, tzinfo
from typing import Any

from sync.core import canonical, times

ABSENT = object()


def get(body: Any, dotted: str, default: Any = None) -> Any:
    """What stands under `car.rego`; `default` where a step is missing or is not an object. "" is the body itself."""
    for step in dotted.split(".") if dotted else ():
        if not isinstance(body, Mapping) or step not in body:
            return default
        body = body[step]
    return body


def put(body: MutableMapping[str, Any], dotted: str, value: Any) -> None:
    """Set what stands under `car.rego`, making the objects on the way."""
    *steps, last = dotted.split(".")
    for step in steps:
        if not isinstance(body.get(step), MutableMapping):
            body[step] = {}
        body = body[step]
    body[last] = value


def text(value: Any) -> str | None:
    """A JSON scalar as field text: numbers as written, "" and null as None. Raises ValueError for anything else.

    Characters that no database takes (NUL, half a surrogate pair) become the replacement character.
    """
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("neither text nor a number")
    clean = str(value).replace("\x00", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return clean or None


def time_out(moment: datetime, form: str, zone: tzinfo = UTC) -> str | int:
    """An aware moment in one of the contract's `formats.time`."""
    whole = moment.astimezone(UTC).replace(microsecond=0)
    match form:
        case "epoch":
            return int(whole.timestamp())
        case "epoch-ms":
            return int(whole.timestamp()) * 1000
        case "iso8601-offset":
            return whole.astimezone(zone).isoformat()
    return times.iso(whole)


def time_in(value: Any, form: str) -> datetime:
    """A wire time as aware UTC, in whole seconds. Raises ValueError where it cannot be one.

    An ISO time without a zone counts as UTC where the contract says UTC: so Repairy documents its times.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("not a time")
    try:
        if form in ("epoch", "epoch-ms"):
            moment = datetime.fromtimestamp(int(float(value)) // (1000 if form == "epoch-ms" else 1), UTC)
        else:
            moment = datetime.fromisoformat(str(value))
        if moment.tzinfo is None and form == "iso8601-utc":
            moment = moment.replace(tzinfo=UTC)
        if moment.tzinfo is None:
            raise ValueError("a time without a zone")
        return moment.astimezone(UTC).replace(microsecond=0)
    except (OverflowError, OSError) as error:
        raise ValueError("not a time of this world") from error


def phone_out(number: str, form: str) -> str:
    """An Australian number in any spelling to `national` (0400000001) or `e164` (+61400000001); others stay as they are."""
    national = canonical.phone(number)
    if len(national) != 10 or not national.startswith("0"):
        return number.strip()
    return national if form == "national" else canonical.e164(number)
