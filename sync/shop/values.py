"""From the shop's raw values to booking text: how one row of the SELECT becomes a Sighting.

No SQL, no database. Times become UTC text, statuses our words; every other text stays in the shop's own spelling.
Bytes that did not decode arrive as lone surrogates (`surrogateescape`), from the driver or from `text` here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from sync.core import times
from sync.core.booking import FIELDS, UNMAPPED, Sighting
from sync.shop.profile import Profile

Row = Mapping[str, object]

_BROKEN = re.compile("[\ud800-\udfff]")
_PADDING = " \t\r\n\0"
_NO = frozenset({"", "0", "false", "f", "no", "n"})
_TRANSLATED = ("status", "starts_at", "ends_at")
UNDECODABLE = "undecodable"
UNREADABLE = "unreadable"


def text(raw: object) -> str | None:
    """Any stored value as text: padding dropped, numbers as written, empty as None."""
    if isinstance(raw, str):
        return raw.strip(_PADDING) or None
    match raw:
        case None:
            return None
        case bool():
            return "true" if raw else "false"
        case bytes() | bytearray() | memoryview():
            return text(_bit(bytes(raw)))
        case Decimal() | float():
            return f"{raw:f}".rstrip("0").rstrip(".") if "." in f"{raw:f}" else f"{raw:f}"
    return str(raw)


def key_text(raw: object) -> str:
    """A key as it is compared. Binary keys are shown in hex."""
    return bytes(raw).hex() if isinstance(raw, (bytes, bytearray, memoryview)) else text(raw) or ""


def key_value(key: str, kind: type) -> object:
    """The key in the type that this shop's keys were read in. Raises ValueError where it cannot be one."""
    return bytes.fromhex(key) if kind in (bytes, bytearray, memoryview) else kind(key)


def zero(raw: object) -> bool:
    """Whether a time column says "none": null, empty, or MySQL's zero date."""
    return raw is None or (isinstance(raw, (str, bytes)) and (not text(raw) or (text(raw) or "").startswith("0000-00-00")))


def unreadable(marks: Iterable[str]) -> bool:
    """Whether a row's marks say that a time in it could not be understood."""
    return any(mark.endswith(f":{UNREADABLE}") for mark in marks)


def whole_name(fields: Mapping[str, str | None]) -> str | None:
    """The name, or its parts joined."""
    if "name" in fields:
        return fields["name"]
    return " ".join(part for part in (fields.get("first_name"), fields.get("last_name")) if part) or None


class Reader:
    """Reads rows as this profile means them, for a workshop in `zone`."""

    def __init__(self, profile: Profile, zone: ZoneInfo) -> None:
        self._formats = profile.formats
        self._words = profile.words
        self._columns = profile.columns
        self._zones = {column: profile.zone(column, zone) for column in ("starts_at", "ends_at", "date", "changed_at")}
        self._texts = tuple(name for name in FIELDS if name in self._columns and name not in _TRANSLATED)

    def sighting(self, row: Row) -> Sighting:
        """One row. A time in it that cannot be understood is None and marked, and the row counts as locked."""
        marks: list[str] = []
        start = self._tried("starts_at", lambda: self._start(row, marks), marks)
        fields: dict[str, str | None] = {"status": self.status(row["status"]), "starts_at": start}
        if "ends_at" in self._columns:
            fields["ends_at"] = self._tried("ends_at", lambda: self._moment(row["ends_at"], "ends_at", marks), marks)
        elif "minutes" in self._columns:
            fields["ends_at"] = self._tried("ends_at", lambda: _after(start, text(row["minutes"])), marks)
        for name in self._texts:
            fields[name] = _mended(text(row[name]), name, marks)
        changed = self._tried("changed_at", lambda: self._moment(row.get("changed_at"), "changed_at", []), marks)
        locked = (text(row.get("locked")) or "").casefold() not in _NO or unreadable(marks)
        ref = _mended(text(row.get("repairy_ref")), "repairy_ref", marks)
        return Sighting(key_text(row["key"]), fields, changed, ref, locked=locked, marks=tuple(marks))

    def status(self, raw: object) -> str:
        """Our word for a stored one, or `?` and the stored one."""
        stored = text(raw) or ""
        return self._words.get(stored.casefold()) or UNMAPPED + _BROKEN.sub("\ufffd", stored)

    @staticmethod
    def _tried(name: str, reading: Callable[[], str | None], marks: list[str]) -> str | None:
        try:
            return reading()
        except (ValueError, OverflowError):
            marks.append(f"{name}:{UNREADABLE}")
            return None

    def _start(self, row: Row, marks: list[str]) -> str | None:
        if "date" not in self._columns:
            return self._moment(row["starts_at"], "starts_at", marks)
        if zero(row["date"]):
            return None
        day = self._day(row["date"])
        clock = self._clock(row.get("time"))
        if clock is None:
            return day.isoformat()
        return self._utc(datetime.combine(day, clock), "date", "starts_at", marks)

    def _day(self, raw: object) -> date:
        if isinstance(raw, datetime):
            return raw.date()
        if isinstance(raw, date):
            return raw
        form = self._formats.get("date")
        stored = text(raw) or ""
        return (datetime.strptime(stored, form) if form else datetime.fromisoformat(stored)).date()  # noqa: DTZ007

    def _clock(self, raw: object) -> time | None:
        match raw:
            case time():
                return raw
            case datetime():
                return raw.time()
            case timedelta():  # MariaDB's TIME
                return (datetime(1, 1, 1) + raw).time()  # noqa: DTZ001 (only its time of day is used)
        stored, form = text(raw), self._formats.get("time")
        if stored is None:
            return None
        if form:
            return datetime.strptime(stored, form).time()  # noqa: DTZ007
        return time.fromisoformat(stored if stored.find(":") != 1 else "0" + stored)

    def _moment(self, raw: object, column: str, marks: list[str]) -> str | None:
        """A time column: UTC text, or a plain day where the column has no time of day."""
        if zero(raw):
            return None
        if isinstance(raw, (str, bytes)):
            raw = self._parsed(text(raw) or "", self._formats.get(column))
        if isinstance(raw, datetime):
            return self._utc(raw, column, column, marks)
        if isinstance(raw, date):
            return raw.isoformat()
        raise ValueError(f"{column} is no time")

    @staticmethod
    def _parsed(stored: str, form: str | None) -> datetime | date:
        if form:
            moment = datetime.strptime(stored, form)  # noqa: DTZ007
            return moment if timed(form) else moment.date()
        return date.fromisoformat(stored) if len(stored) == 10 else datetime.fromisoformat(stored)

    def _utc(self, moment: datetime, column: str, field: str, marks: list[str]) -> str:
        if moment.tzinfo is not None:
            return times.iso(moment)
        utc, odd = _instant(moment, self._zones[column])
        if odd:
            marks.append(f"{field}:{odd}")
        return utc


def timed(form: str) -> bool:
    """Whether a `[formats]` form has a time of day."""
    return any(part in form for part in ("%H", "%I", "%X", "%c", "%T"))


@lru_cache(maxsize=1 << 16)  # the same times come again with every read
def _instant(naive: datetime, zone: ZoneInfo) -> tuple[str, str]:
    utc, odd = times.local(naive, zone)
    return times.iso(utc), odd


def _bit(raw: bytes) -> object:
    """MariaDB's BIT arrives as one byte: a number. Other bytes are text."""
    return raw[0] if len(raw) == 1 and raw[0] < 32 else raw.decode("utf-8", "surrogateescape")


def _after(start: str | None, minutes: str | None) -> str | None:
    if start is None or minutes is None or times.is_day(start):
        return None
    return times.iso(times.parse(start) + timedelta(minutes=float(minutes)))


def _mended(value: str | None, name: str, marks: list[str]) -> str | None:
    """Text with what did not decode replaced, and said so."""
    if value is None or value.isascii() or not _BROKEN.search(value):
        return value
    marks.append(f"{name}:{UNDECODABLE}")
    return _BROKEN.sub("\ufffd", value)
