"""How the page says times, fields and outcomes. Times are shown on the workshop's own wall."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo

from sync.core.booking import UNMAPPED
from sync.core.times import is_day, parse

SIDES: Mapping[str, str] = {"shop": "Shop", "repairy": "Repairy"}
WHERE: Mapping[str, str] = {"shop": "in the shop", "repairy": "at Repairy"}
FIELDS: Mapping[str, str] = {
    "starts_at": "Start", "ends_at": "Ready by", "status": "Status", "rego": "Plate", "name": "Name", "phone": "Phone",
    "email": "E-mail", "service_category": "Category", "service_code": "Service", "description": "Description",
    "job_notes": "Notes", "make": "Make", "model": "Model", "badge": "Badge", "year": "Year", "vin": "VIN",
}  # fmt: skip
GROUPS: Mapping[str, str] = {
    "time": "time", "service": "service", "notes": "notes", "status": "status", "name": "name", "phone": "phone",
    "email": "e-mail", "rego": "plate", "make": "make", "model": "model", "badge": "badge", "year": "year", "vin": "VIN",
    "missing": "the missing row", "identity": "which booking it is", "create": "the new booking", "plan": "a held plan",
    "restore": "what is put back",
}  # fmt: skip
LABELS: Mapping[str, str] = {**FIELDS, "repairy_id": "Repairy’s id", "reference": "Reference"}
OUTCOMES: Mapping[str | None, str] = {
    None: "Under way", "accepted": "Accepted", "rejected": "Refused", "not_sent": "Not sent",
    "unknown": "It is not known yet whether it took", "stale": "Out of date, and planned anew",
}  # fmt: skip
TONES: Mapping[str, str] = {
    "good": "All in step.", "busy": "Work is under way.", "attention": "Something waits for you.",
    "trouble": "Something is wrong.",
}  # fmt: skip
_SPANS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def lasting(span: timedelta) -> str:
    """In one unit: "2 minutes"."""
    seconds = max(0, int(span.total_seconds()))
    size, unit = next((each for each in _SPANS if seconds >= each[0]), _SPANS[-1])
    count = seconds // size
    return f"{count} {unit}{'' if count == 1 else 's'}"


def ago(moment: datetime | None, now: datetime) -> str:
    """ "2 minutes ago", "just now" or "never"."""
    if moment is None:
        return "never"
    return "just now" if now - moment < timedelta(seconds=5) else f"{lasting(now - moment)} ago"


def wall(moment: datetime, zone: tzinfo) -> str:
    """ "Fri 6 Mar 2026, 09:00"."""
    here = moment.astimezone(zone)
    return f"{here:%a} {here.day} {here:%b %Y, %H:%M}"


def exact(moment: datetime, zone: tzinfo) -> str:
    """With seconds, for what happened rather than what is booked."""
    return f"{wall(moment, zone)}:{moment.astimezone(zone):%S}"


def value(field: str, text: str | None, zone: tzinfo) -> str:
    """A canonical value as people read it; "" for an empty one."""
    if not text:
        return ""
    if field in ("starts_at", "ends_at"):
        return _start(text, zone)
    return f"“{text[1:]}” (not mapped)" if field == "status" and text.startswith(UNMAPPED) else text


def _start(text: str, zone: tzinfo) -> str:
    if not is_day(text):
        return wall(parse(text), zone)
    day = datetime.fromisoformat(text)
    return f"{day:%a} {day.day} {day:%b %Y}"


def sentence(text: str) -> str:
    """A reason as a sentence: its first letter large, and an end."""
    whole = text[:1].upper() + text[1:]
    return whole if whole.endswith((".", "?", "!", "…")) else whole + "."


def count(number: int, word: str, plural: str = "") -> str:
    """ "1 booking", "2 bookings"."""
    return f"{number:,} {word if number == 1 else plural or word + 's'}"
