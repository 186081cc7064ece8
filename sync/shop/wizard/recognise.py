"""What a column holds, told by its values: times, days, clocks, phones, plates, e-mails, VINs, years. No names, no database.

A kind is said where most of the values look like it; a few odd ones ("n/a", a test row) are in every shop.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Literal

from sync.core.canonical import phone, plate
from sync.shop.values import text, zero

Kind = Literal["moment", "day", "clock", "flag", "year", "number", "phone", "plate", "email", "vin", "word", "text", "none"]

MOST = 0.7
MOMENTS = ("%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%d-%m-%Y %H:%M", "%m/%d/%Y %H:%M",
           "%m/%d/%Y %I:%M %p", "%d/%m/%Y %I:%M %p", "%Y/%m/%d %H:%M", "%Y.%m.%d %H:%M", "%Y%m%d%H%M%S",
           "%Y%m%d %H:%M")  # fmt: skip
DAYS = ("%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m/%d/%Y", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d")
_SHORT_YEARS = {"moment": ("%d/%m/%y %H:%M", "%d.%m.%y %H:%M", "%d-%m-%y %H:%M", "%m/%d/%y %H:%M"),
                "day": ("%d/%m/%y", "%d.%m.%y", "%d-%m-%y", "%m/%d/%y")}  # fmt: skip
_CLOCK = re.compile(r"([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d(\.0+)?)?")
_EMAIL = re.compile(r"[^@\s,;]+@[^@\s,;]+\.[A-Za-z]{2,}")
_VIN = re.compile(r"(?=.*\d)(?=.*[A-Z])[A-HJ-NPR-Z0-9]{17}")
_PHONE = re.compile(r"[+(]?[\d][\d\s()/.+-]{6,18}\d")
_PLATE = re.compile(r"(?=.*\d)(?=.*[A-Z])[A-Z0-9]{5,8}")
_STORED_PLATE = re.compile(r"[A-Za-z0-9]+([ -][A-Za-z0-9]+){0,3}")
_LOST_ZERO = re.compile(r"[23478]\d{8}")  # an Australian number that was kept as a number


@dataclass(frozen=True)
class Sort:
    """A kind, and for times kept as text the form that reads them ("" for ISO)."""

    kind: Kind
    form: str = ""


def sort(values: Sequence[object]) -> Sort:
    """What most of these values are; `none` where there are none."""
    filled = [value for value in values if not zero(value) and text(value) is not None]
    if not filled:
        return Sort("none")
    there = _alike(filled)
    return _typed(there) or _numbers(there) or _written([text(value) or "" for value in there])


def moment(value: object, form: str = "") -> datetime | None:
    """A stored time, naive as it stands; a day at midnight. None where it is none."""
    try:
        match value:
            case datetime():
                return value.replace(tzinfo=None)
            case date():
                return datetime.combine(value, time())
            case str():
                stored = value.strip()
                found = datetime.strptime(stored, form) if form else datetime.fromisoformat(stored)  # noqa: DTZ007
                return found.replace(tzinfo=None)
    except (ValueError, OverflowError):
        pass
    return None


def clock(value: object) -> time | None:
    """A stored time of day; None where it is none."""
    try:
        match value:
            case time():
                return value
            case timedelta() if not value.days:  # MariaDB's
                return (datetime(1, 1, 1) + value).time()  # noqa: DTZ001 (only its time of day is used)
            case str():
                stored = value.strip()
                return time.fromisoformat(stored if stored.find(":") != 1 else f"0{stored}")
    except ValueError:
        pass
    return None


def on_the_grid(moments: Sequence[datetime]) -> float:
    """The share that a person would choose: full five minutes. Stamps of a program are not."""
    return _share(moments, lambda one: one.minute % 5 == 0 and one.second == 0 and one.microsecond == 0)


def in_order(pairs: Iterable[tuple[datetime | None, datetime | None]], within: timedelta = timedelta(days=14)) -> bool:
    """Whether these are starts with their ends: the second later than the first, and not by weeks."""
    both = [(one, two) for one, two in pairs if one and two]
    return bool(both) and _share(both, lambda pair: timedelta() <= pair[1] - pair[0] <= within) >= 0.9


def few(values: Sequence[object], most: int = 15) -> bool:
    """Whether they are of few sorts, as a status is."""
    kinds = {text(value) for value in values}
    return 1 <= len(kinds) <= min(most, max(2, len(values) // 2 + 1))


def _alike(values: Sequence[object]) -> Sequence[object]:
    """Without the odd one of another type: PostgreSQL's `infinity` among times, for one."""
    kinds = Counter(map(type, values))
    usual, count = kinds.most_common(1)[0]
    return [value for value in values if type(value) is usual] if count >= 0.9 * len(values) else values


def _typed(values: Sequence[object]) -> Sort | None:
    """What the driver's own types say."""
    if all(isinstance(value, bool) for value in values):
        return Sort("flag")
    if all(isinstance(value, date) for value in values):  # a datetime is a date
        midnight = all(not isinstance(value, datetime) or value.time() == time() for value in values)
        return Sort("day" if midnight else "moment")
    if all(isinstance(value, (time, timedelta)) for value in values):
        return Sort("clock")
    return None


def _numbers(values: Sequence[object]) -> Sort | None:
    if not all(isinstance(value, (int, float, Decimal)) for value in values):
        return None
    written = [text(value) or "" for value in values]
    if set(written) <= {"0", "1"}:
        return Sort("flag")
    if _share(written, lambda one: one.isdigit() and 1950 <= int(one) <= 2100) >= 0.95:
        return Sort("year")
    return Sort("phone" if _share(written, lambda one: bool(_LOST_ZERO.fullmatch(one))) >= MOST else "number")


def _written(values: Sequence[str]) -> Sort:
    for kind, forms in (("moment", MOMENTS), ("day", DAYS)):
        form = _form(values, kind, forms)
        if form is not None:
            return Sort("moment" if kind == "moment" else "day", form)
    for name, fits in _LOOKS.items():
        if _share(values, fits) >= MOST:
            return Sort(name)
    return Sort("word" if few(values) else "text")


def _form(values: Sequence[str], kind: str, forms: Sequence[str]) -> str | None:
    """The form that reads nearly all of them."""
    for form in ("", *forms):
        if form == "" and not all(len(value) >= 16 if kind == "moment" else len(value) == 10 for value in values[:20]):
            continue
        if _share(values, lambda value, form=form: _reads(value, form)) >= 0.95:
            midnight = kind == "moment" and form == "" and all(value[11:19] in ("00:00", "00:00:00") for value in values)
            return None if midnight else form
    return _short_form(values, _SHORT_YEARS[kind])


def _short_form(values: Sequence[str], forms: Sequence[str]) -> str | None:
    """The only form with a year of two digits that reads them: years are few where days are many, else a day may be the year."""
    read = [form for form in forms if _share(values, lambda value, form=form: _reads(value, form)) >= 0.95]
    found = [moment(value, form) for form in read for value in values]
    days, years = ({getattr(one, part) for one in found if one} for part in ("day", "year"))
    return read[0] if len(read) == 1 and len(years) < len(days) else None


def _reads(value: str, form: str) -> bool:
    found = moment(value, form)
    return found is not None and 1900 < found.year < 2200


def is_phone(value: str) -> bool:
    """Eight to thirteen digits and the marks between them, begun as a number is that somebody could ring."""
    digits = phone(value)
    begun = value.lstrip("(").startswith(("0", "+", "61")) or bool(_LOST_ZERO.fullmatch(value))
    return bool(_PHONE.fullmatch(value)) and 8 <= len(digits) <= 13 and begun and len(set(digits)) > 2


def is_plate(value: str) -> bool:
    """Five to eight letters and digits, both among them, in one to four groups."""
    return bool(_STORED_PLATE.fullmatch(value)) and bool(_PLATE.fullmatch(plate(value)))


def is_vin(value: str) -> bool:
    return bool(_VIN.fullmatch(value.upper()))


_LOOKS: Mapping[Kind, Callable[[str], bool]] = {
    "email": lambda value: bool(_EMAIL.fullmatch(value)),
    "vin": is_vin,
    "clock": lambda value: bool(_CLOCK.fullmatch(value)),
    "year": lambda value: value.isdigit() and len(value) == 4 and 1950 <= int(value) <= 2100,
    "phone": is_phone,
    "plate": is_plate,
    "number": lambda value: value.replace(".", "", 1).lstrip("-").isdigit(),
}


def _share(values: Sequence[object] | Sequence[str] | Sequence[datetime], fits: Callable[..., bool]) -> float:
    return sum(map(fits, values)) / len(values) if values else 0.0
