"""What the stand-in takes for each field of a booking, and what it makes of it: one table for the check and the description.

RULE: only single values here; no booking, no HTTP. Texts come back changed, as real services change them: trimmed, spaces
collapsed, plates in capitals without spaces, e-mail in lower case, phones in national form, times with milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

Json = Mapping[str, object]

BLANK = " \t\r\n"
DAY = (
    "(20[0-9]{2}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
    "|20([02468][048]|[13579][26])-02-29)"
)
INSTANT = DAY + "T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6})?Z"
CATEGORIES = ("service", "tyres", "repair", "others")  # documented: exactly these four


@dataclass(frozen=True)
class Kind:
    """`schema` describes what is accepted, in JSON Schema; `make` turns an accepted value into the one that is stored.

    `needed` is laid over the schema where the value may not be empty.
    """

    schema: Json
    make: Callable[[object], object]
    needed: Json

    def take(self, value: object, needed: bool = False) -> object:
        """The value to store. Raises ValueError saying what is allowed."""
        if not fits(value, {**self.schema, **(self.needed if needed else {})}):
            raise ValueError(str(self.schema["description"]))
        return self.make(value)

    def described(self, needed: bool = False, empty: str | None = None) -> Json:
        """As JSON Schema; `empty` is accepted too where the value may be empty."""
        if needed:
            return {**self.schema, **self.needed}
        return {"anyOf": [self.schema, {"type": "null"} if empty is None else {"const": empty}]}


def fits(value: object, schema: Json) -> bool:
    """Whether a value is what this flat schema says: type string or integer, pattern, enum, minimum and maximum."""
    if schema["type"] == "integer":
        return whole(value) and schema["minimum"] <= value <= schema["maximum"]  # type: ignore[operator]
    if not isinstance(value, str) or not encodable(value):
        return False
    allowed = schema.get("enum")
    if isinstance(allowed, tuple) and value not in allowed:
        return False
    return re.search(str(schema.get("pattern", "")).replace("$", r"\Z"), value) is not None


def whole(value: object) -> bool:
    """A number without a fraction, as JSON Schema counts them: 2020.0 is one, true is none."""
    return not isinstance(value, bool) and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))


def encodable(text: str) -> bool:
    """Half a surrogate pair is JSON, but no text."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def line(value: object) -> str | None:
    return re.sub(f"[{BLANK}]+", " ", str(value)).strip(" ") or None


def note(value: object) -> str | None:
    """Several lines: spaces collapsed in each, line ends as \\n, none at the end."""
    lines = str(value).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(re.sub("[ \t]+", " ", part).strip(" ") for part in lines).strip("\n") or None


def plate(value: object) -> str | None:
    return re.sub(f"[{BLANK}]", "", str(value)).upper() or None


def national(value: object) -> str:
    """An Australian number with its leading zero; another one keeps its plus."""
    digits = re.sub("[^0-9]", "", str(value))
    if digits.startswith("61") and len(digits) == 11:
        return "0" + digits[2:]
    return ("+" if str(value).startswith("+") else "") + digits


def international(digits: str) -> str:
    return "+61" + digits[1:] if digits.startswith("0") else digits


def number(value: object) -> int:
    return int(value)  # type: ignore[call-overload, no-any-return]


def milliseconds(value: object) -> str:
    return instant(datetime.fromisoformat(str(value)))


def instant(moment: datetime) -> str:
    """A time as this service writes it by itself: UTC, milliseconds, Z."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _text(description: str, make: Callable[[object], object], pattern: str = "", needed: str = "") -> Kind:
    schema = {"type": "string", "description": description, **({"pattern": pattern} if pattern else {})}
    return Kind(schema, make, {"pattern": needed} if needed else {})


SOMETHING = f"[^{BLANK}]"
LINE = _text("a text", line, needed=SOMETHING)
NOTE = _text("a text, of several lines if need be", note, needed=SOMETHING)
PLATE = _text("a plate; letters and digits count", plate, needed="[A-Za-z0-9]")
TIME = _text("a time in UTC, such as 2026-03-05T22:00:00Z", milliseconds, f"^{INSTANT}$")
DATE = _text("a day, such as 2026-03-05", str, f"^{DAY}$")
PHONE = _text("a phone number, such as 0400000001", national, "^[+]?[0-9(][0-9 ()-]{4,22}[0-9]$")
LOCAL_PHONE = _text("a phone number with its leading zero: 0400000001", str, "^0[0-9]{9}$")
EMAIL = _text("an e-mail address", lambda value: str(value).lower(), "^[^@ \t\r\n]+@[^@ \t\r\n]+[.][^@ \t\r\n]+$")
ID = _text("an id of 24 hex digits", str, "^[0-9a-f]{24}$")
LOGBOOK = Kind({"type": "string", "enum": ("logbook",), "description": "the old form: logbook"}, str, {})
CATEGORY = Kind({"type": "string", "enum": CATEGORIES, "description": "one of " + ", ".join(CATEGORIES)}, str, {})
YEAR = Kind({"type": "integer", "minimum": 1900, "maximum": 2100, "description": "a year of manufacture"}, number, {})
E164 = Kind(PHONE.schema, lambda value: international(national(value)), {})

# The contract's `formats`: how times and phones are told.
TIMES: Mapping[str, Kind] = {
    "iso8601-utc": TIME,
    "iso8601-offset": _text(
        "a time with its offset, such as 2026-03-06T09:00:00+11:00",
        milliseconds,
        f"^{INSTANT[:-1]}(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9])$",
    ),
    "epoch": Kind({"type": "integer", "minimum": 0, "maximum": 4102444800, "description": "seconds since 1970"}, number, {}),
    "epoch-ms": Kind(
        {"type": "integer", "minimum": 0, "maximum": 4102444800000, "description": "milliseconds since 1970"}, number, {}
    ),
}
PHONES: Mapping[str, Kind] = {"national": PHONE, "e164": E164}

# Our field names; what the wire calls them is the contract's.
KINDS: Mapping[str, Kind] = {
    "workshop_id": ID, "reference": LINE, "starts_at": TIME, "ends_at": TIME, "package_type": LOGBOOK,
    "job_notes": NOTE, "description": NOTE, "service_category": CATEGORY,
    "rego": PLATE, "make": LINE, "model": LINE, "badge": LINE, "year": YEAR, "vin": PLATE,
    "name": LINE, "first_name": LINE, "last_name": LINE, "company": LINE, "phone": PHONE, "email": EMAIL,
}  # fmt: skip


def kinds(formats: Mapping[str, str]) -> Mapping[str, Kind]:
    """KINDS in the forms that this contract tells."""
    time = TIMES[formats["time"]]
    return {**KINDS, "starts_at": time, "ends_at": time, "phone": PHONES[formats["phone"]]}


def told(moment: datetime, form: str) -> str | int:
    """A time in the contract's form."""
    seconds = moment.timestamp()
    return {"epoch": int(seconds), "epoch-ms": int(seconds * 1000)}.get(form, instant(moment))


def understood(value: object, form: str) -> datetime:
    """A stored time as an aware moment in UTC."""
    if isinstance(value, int):
        return datetime.fromtimestamp(value / (1000 if form == "epoch-ms" else 1), UTC)
    return datetime.fromisoformat(str(value)).astimezone(UTC)
