"""From booking text to what the shop's statements bind: every parameter a profile may name, in the shop's own forms.

No SQL, no database. The reverse of `shop.values`; the list of names is in `shop.rules`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from sync.core import canonical, times
from sync.core.booking import Fields
from sync.ports import Names
from sync.shop.ability import grain
from sync.shop.profile import Profile
from sync.shop.rules import FORMS
from sync.shop.values import Row, whole_name

_NAME_PARTS = ("first_name", "last_name")


class Binder:
    """Makes parameters. `as_text`: the engine has no time types (SQLite), so times are `YYYY-MM-DD HH:MM:SS`."""

    def __init__(self, profile: Profile, zone: ZoneInfo, workshop_id: str, as_text: bool) -> None:
        self._profile = profile
        self._workshop_zone = zone
        self._workshop_id = workshop_id
        self._as_text = as_text
        self._grain = grain(profile)
        self._forms: Mapping[str, Callable[[Fields], object]] = {
            "starts_at": lambda f: self._moment(f.get("starts_at"), "starts_at"),
            "ends_at": lambda f: self._moment(f.get("ends_at"), "ends_at"),
            "date": lambda f: self._day(f.get("starts_at")),
            "time": lambda f: self._clock(f.get("starts_at")),
            "minutes": _minutes,
            "name": whole_name,
            "first_name": lambda f: split_name(f)[0],
            "last_name": lambda f: split_name(f)[1],
            "phone": lambda f: _phone(f, canonical.phone),
            "phone_e164": lambda f: _phone(f, canonical.e164),
            "status": self._status,
        }

    def values(self, fields: Fields, names: Names, now: datetime, uuid: str) -> dict[str, object]:
        """Every parameter of a statement that makes a row; those of `FORMS` in the shop's vocabulary and zone."""
        bound: dict[str, object] = {name: self._forms.get(name, lambda f, n=name: f.get(n))(fields) for name in FORMS}
        return bound | {
            "reference": names.reference,
            "repairy_id": names.repairy_id,
            "code": names.code,
            "workshop_id": self._workshop_id,
            "now": self._moment(times.iso(now), "now"),
            "uuid": uuid,
        }

    @staticmethod
    def old(row: Row) -> dict[str, object]:
        """What a row adds: `old_…` as it was read, its key and its `x_…` columns."""
        carried = {name: raw for name, raw in row.items() if name.startswith("x_")}
        return {**{f"old_{name}": raw for name, raw in row.items()}, **carried, "key": row["key"]}

    def stored(self, start: str | None) -> str | None:
        """A start as this shop would show it: in its grain, an hour that happens twice as the earlier."""
        if start is None or times.is_day(start):
            return start
        if self._grain == "day":
            return self.day(start)
        zone = self._zone(start_column(self._profile))
        naive = self._naive(start, start_column(self._profile))
        return times.iso(times.local(naive if self._grain == "second" else naive.replace(second=0), zone)[0])

    def day(self, moment: str | None) -> str | None:
        """The day of a time on this shop's calendar."""
        return moment and times.day_of(moment, self._zone(start_column(self._profile))).isoformat()

    def _zone(self, column: str) -> ZoneInfo:
        return self._profile.zone(column, self._workshop_zone)

    def _local(self, text: str, column: str) -> datetime:
        """With its offset, for the forms that show it."""
        zone = self._zone(column)
        moment = datetime.fromisoformat(text).replace(tzinfo=zone) if times.is_day(text) else times.parse(text).astimezone(zone)
        return moment.replace(microsecond=0)

    def _naive(self, text: str, column: str) -> datetime:
        return self._local(text, column).replace(tzinfo=None)

    def _moment(self, text: str | None, column: str) -> object:
        """A time as the column keeps it: a naive datetime, or text where the engine or the profile says so."""
        if text is None:
            return None
        form, moment = self._profile.formats.get(column), self._naive(text, column)
        if form:
            return self._local(text, column).strftime(form)
        if self._as_text:
            return text if times.is_day(text) else moment.isoformat(" ")
        return moment.date() if times.is_day(text) else moment

    def _day(self, text: str | None) -> object:
        if text is None:
            return None
        day = times.day_of(text, self._zone("date"))
        form = self._profile.formats.get("date")
        return day.strftime(form) if form else day.isoformat() if self._as_text else day

    def _clock(self, text: str | None) -> object:
        if text is None or times.is_day(text):
            return None
        return self._naive(text, "date").strftime(self._profile.formats.get("time", "%H:%M"))

    def _status(self, fields: Fields) -> object:
        """The shop's word. None where it has none: whoever needs it asks `writable` first."""
        return self._profile.status.write.get(fields.get("status") or "")  # type: ignore[call-overload]


def start_column(profile: Profile) -> str:
    """The column that a booking's start is found by."""
    return "starts_at" if "starts_at" in profile.columns else "date"


def split_name(fields: Fields) -> tuple[str | None, str | None]:
    """First and last name: the parts where there are some, else the whole name split at its last space; a single word, with
    an empty last name, where there is a whole one beside it."""
    first, last = (fields.get(part) for part in _NAME_PARTS)
    if "name" not in fields:
        return first, last
    return (first, last or "") if first else canonical.split_name(canonical.one_line(fields["name"] or ""))


def laid_over(under: Fields, changes: Fields) -> dict[str, str | None]:
    """The fields of a row with changes upon them; a name changed whole replaces the parts, and the other way round."""
    merged = dict(under)
    if "name" in changes:
        merged = {name: value for name, value in merged.items() if name not in _NAME_PARTS}
    elif any(part in changes for part in _NAME_PARTS) and "name" in merged:
        merged["first_name"], merged["last_name"] = split_name(merged)
        del merged["name"]
    return merged | dict(changes)


def over_limit(fields: Fields, profile: Profile) -> str | None:
    """The first field whose text, as it is bound, is longer than its column takes: a name both whole and in its parts."""
    longest = profile.limits.lengths
    bound = {**fields, "name": whole_name(fields), **dict(zip(_NAME_PARTS, split_name(fields), strict=True))}
    return next((name for name, value in bound.items() if value and name in longest and len(value) > longest[name]), None)


def phone_forms(number: str) -> list[str]:
    """Every way to write this phone without anything between its digits, the national one first; no other phone is among them."""
    national, international = canonical.phone(number), canonical.e164(number)
    code = international.removesuffix(national[1:])  # `+61`, or a plus and the first digit
    written = (national, international, international[1:], "00" + international[1:], code + national, national[1:])
    return [form for form in dict.fromkeys(written) if canonical.phone(form) == national]


def _phone(fields: Fields, form: Callable[[str], str]) -> str | None:
    number = fields.get("phone")
    return form(number) if number else None


def _minutes(fields: Fields) -> int | None:
    start, end = fields.get("starts_at"), fields.get("ends_at")
    if start is None or end is None or times.is_day(start) or times.is_day(end):
        return None
    return round((times.parse(end) - times.parse(start)).total_seconds() / 60)
