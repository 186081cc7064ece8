"""From the shop's raw values to booking text: how one row of the SELECT becomes a Sighting.

No SQL, no database. Times become UTC text, statuses our words; every other text stays in the shop's own spelling.
Bytes that did not decode arrive as lone surrogates (`surrogateescape`), from the driver or from `text` here.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from itertools import repeat
from operator import setitem
from typing import TypeVar
from zoneinfo import ZoneInfo

from sync.core import times
from sync.core.booking import FIELDS, UNMAPPED, Sighting
from sync.shop.clocks import YEARS, LocalClock
from sync.shop.profile import Profile
from sync.shop.remembered import Remembered

A = TypeVar("A")
Row = Mapping[str, object]
Told = tuple[str | None, str]  # a time as booking text, and its mark
Marks = defaultdict[int, list[str]]  # row of a batch -> what a reader should know of it

_BROKEN = re.compile("[\ud800-\udfff]")
_PADDING = " \t\r\n\0"
_ZERO = "0000-00-00"
_DAY_0 = "1899-12-30"  # from which Delphi, Access and Excel count: an empty date of theirs
_TEXTUAL = (str, bytes, bytearray, memoryview)
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
    """A key as it is compared, blanks in front of it too: SQL counts them. Binary keys are shown in hex."""
    if isinstance(raw, str):
        return raw.rstrip(_PADDING)
    return bytes(raw).hex() if isinstance(raw, (bytes, bytearray, memoryview)) else text(raw) or ""


def key_value(key: str, kind: type) -> object:
    """The key in the type that this shop's keys were read in. Raises ValueError where it cannot be one."""
    return bytes.fromhex(key) if kind in (bytes, bytearray, memoryview) else kind(key)


def zero(raw: object) -> bool:
    """Whether a time column says "none": null, empty, or MySQL's zero date."""
    return raw is None or (isinstance(raw, _TEXTUAL) and (text(raw) or _ZERO).startswith(_ZERO))


def unreadable(marks: Iterable[str]) -> bool:
    """Whether a row's marks say that its key or a time in it could not be understood."""
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
        clocks = {column: LocalClock(zone) for column, zone in self._zones.items() if column not in self._formats}
        self._plain = {  # nearly every row has a stamp of its own: that is not worth remembering
            column: clock.column if column == "changed_at" else Remembered(clock.plain).column for column, clock in clocks.items()
        }
        self._moments = {column: Remembered(partial(self._read_moment, column)) for column in self._zones}
        self._joined = Remembered(self._read_joined)
        self._statuses = Remembered(self.status)
        self._locks = Remembered(_says_yes)

    def sighting(self, row: Row) -> Sighting:
        """One row. A time in it that cannot be understood is None and marked, and the row counts as locked."""
        return self.sightings(list(row), [tuple(row.values())])[0]

    def sightings(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[Sighting]:
        """Rows of a query with these columns, each as `sighting`. By columns: a hundred thousand rows are read so."""
        given = dict(zip(columns, zip(*rows, strict=True), strict=False))  # no rows, no columns
        absent = (None,) * len(rows)
        marks = defaultdict[int, list[str]](list)
        fields = self._fields(given, marks) if rows else {}
        changed = self._times("changed_at", given.get("changed_at", absent), marks, odd=False)
        refs = _texts(given.get("repairy_ref", absent), "repairy_ref", marks)
        locks = self._locks.column(given.get("locked", absent))
        keys = [str(raw) if raw.__class__ is int else key_text(raw) for raw in given.get("key", ())]
        for at in () if all(keys) else (at for at, key in enumerate(keys) if not key):
            marks[at].append(f"key:{UNREADABLE}")
        blank = dict.fromkeys(fields)
        seen: list[dict[str, str | None]] = [blank.copy() for _ in keys]
        for name, column in fields.items():
            deque(map(setitem, seen, repeat(name), column), maxlen=0)
        found = list(
            map(Sighting._make, zip(keys, seen, changed, refs, repeat(None), repeat(None), locks, repeat(()), strict=False))
        )
        for at, said in marks.items():
            found[at] = found[at]._replace(locked=found[at].locked or unreadable(said), marks=tuple(said))
        return found

    def _fields(self, given: Mapping[str, Sequence[object]], marks: Marks) -> dict[str, Sequence[str | None]]:
        starts = self._starts(given, marks)
        fields: dict[str, Sequence[str | None]] = {"status": self._statuses.column(given["status"]), "starts_at": starts}
        if "ends_at" in self._columns:
            fields["ends_at"] = self._times("ends_at", given["ends_at"], marks)
        elif "minutes" in self._columns:
            fields["ends_at"] = _told(list(map(_after, starts, given["minutes"])), "ends_at", marks)
        return fields | {name: _texts(given[name], name, marks) for name in self._texts}

    def _starts(self, given: Mapping[str, Sequence[object]], marks: Marks) -> list[str | None]:
        if "date" not in self._columns:
            return self._times("starts_at", given["starts_at"], marks)
        clocks = given.get("time") or (None,) * len(given["date"])
        return _told(self._joined.column(list(zip(given["date"], clocks, strict=True))), "starts_at", marks)

    def _times(self, column: str, values: Sequence[object], marks: Marks, *, odd: bool = True) -> list[str | None]:
        found: list[str | None] = self._plain[column](values) if column in self._plain else [None] * len(values)
        others = [] if all(found) else [at for at, one in enumerate(found) if one is None]
        for at, (value, mark) in zip(others, self._moments[column].column([values[at] for at in others]), strict=True):
            found[at] = value
            if mark and (odd or mark == UNREADABLE):
                marks[at].append(f"{column}:{mark}")
        return found

    def status(self, raw: object) -> str:
        """Our word for a stored one, or `?` and the stored one."""
        stored = text(raw) or ""
        return self._words.get(stored.casefold()) or UNMAPPED + _BROKEN.sub("\ufffd", stored)

    def _read_joined(self, raw: tuple[object, object]) -> Told:
        """A day with its time, or alone."""
        raw_day, raw_clock = raw
        try:
            if zero(raw_day):
                return None, ""
            day, clock = self._day(raw_day), self._clock(raw_clock)
            return self._text_of(day if clock is None else datetime.combine(day, clock), "date")
        except (ValueError, OverflowError):
            return None, UNREADABLE

    def _read_moment(self, column: str, raw: object) -> Told:
        """A time column: UTC text, or a plain day where the column has no time of day."""
        try:
            if zero(raw):
                return None, ""
            stored = self._parsed(text(raw) or "", self._formats.get(column)) if isinstance(raw, _TEXTUAL) else raw
            return self._text_of(stored, column)
        except (ValueError, OverflowError):
            return None, UNREADABLE

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
            case timedelta():  # MariaDB's TIME, which may be longer than a day, or less than nothing
                if raw.days:
                    raise ValueError("not a time of day")
                return (datetime(1, 1, 1) + raw).time()  # noqa: DTZ001 (only its time of day is used)
        stored, form = text(raw), self._formats.get("time")
        if stored is None:
            return None
        if form:
            return datetime.strptime(stored, form).time()  # noqa: DTZ007
        return time.fromisoformat(stored if stored.find(":") != 1 else "0" + stored)

    @staticmethod
    def _parsed(stored: str, form: str | None) -> datetime | date:
        if form:
            moment = datetime.strptime(stored, form)  # noqa: DTZ007
            return moment if timed(form) else moment.date()
        return date.fromisoformat(stored) if len(stored) <= 10 else datetime.fromisoformat(stored)

    def _text_of(self, moment: object, column: str) -> Told:
        """A day or a time as booking text. Raises ValueError for what is neither, or so far away that it is nobody's."""
        if not isinstance(moment, date) or (moment.year not in YEARS and moment.isoformat()[:10] != _DAY_0):
            raise ValueError("not a time")
        if moment.year not in YEARS:
            return None, ""
        if not isinstance(moment, datetime):
            return moment.isoformat(), ""
        if moment.tzinfo is not None:
            return times.iso(moment), ""
        utc, odd = times.local(moment, self._zones[column])
        return times.iso(utc), odd


def timed(form: str) -> bool:
    """Whether a `[formats]` form has a time of day."""
    return any(part in form for part in ("%H", "%I", "%X", "%c", "%T"))


def _bit(raw: bytes) -> object:
    """MariaDB's BIT arrives as one byte: a number. Other bytes are text."""
    return raw[0] if len(raw) == 1 and raw[0] < 32 else raw.decode("utf-8", "surrogateescape")


def _after(start: str | None, raw: object) -> Told:
    minutes = text(raw)
    if start is None or minutes is None or times.is_day(start):
        return None, ""
    try:
        end = times.parse(start) + timedelta(minutes=float(minutes))
        return (times.iso(end), "") if end.year in YEARS else (None, UNREADABLE)
    except (ValueError, OverflowError):
        return None, UNREADABLE


def _told(found: Sequence[Told], field: str, marks: Marks) -> list[str | None]:
    """The values of a time field; what is to be marked is marked at its row."""
    for at, mark in [(at, mark) for at, (_, mark) in enumerate(found) if mark]:
        marks[at].append(f"{field}:{mark}")
    return [value for value, _ in found]


def _texts(raw: Sequence[object], field: str, marks: Marks) -> list[str | None]:
    """Any stored values as text, what did not decode replaced and marked."""
    with suppress(TypeError):  # the usual: texts only, none of them empty or odd
        stripped = list(map(str.strip, raw, repeat(_PADDING)))  # type: ignore[arg-type]
        if all(stripped) and "".join(stripped).isascii():
            return [*stripped]
    if raw.count(None) == len(raw):
        return [None] * len(raw)
    values = [one.strip(_PADDING) or None if one.__class__ is str else text(one) for one in raw]
    if "".join(filter(None, values)).isascii():
        return values
    for at, value in enumerate(values):
        if value is not None and _BROKEN.search(value):
            marks[at].append(f"{field}:{UNDECODABLE}")
            values[at] = _BROKEN.sub("\ufffd", value)
    return values


def _says_yes(raw: object) -> bool:
    return not zero(raw) and (text(raw) or "").casefold() not in _NO
