"""What a shop can hold and take, read off its profile alone: nothing is asked of the database."""

from __future__ import annotations

from typing import Literal
from zoneinfo import ZoneInfo

from sync.core.booking import CANCELLED, FIELDS, STATUSES, Ability
from sync.shop import statement
from sync.shop.profile import Profile
from sync.shop.rules import PURPOSE, spelled
from sync.shop.values import timed

_BY_PERSON = ("set_customer", "set_vehicle")  # only when a person says so, and so no ability of the plan


def statement_for(profile: Profile, field: str, value: str | None) -> str | None:
    """The statement that writes this field (a status: this word), or None where the profile has none."""
    return next((name for name, fields in PURPOSE.items() if field in fields and _serves(profile, name, field, value)), None)


def of(profile: Profile, zone: ZoneInfo) -> Ability:
    """The shop's side of the plan."""
    columns = profile.columns
    reads = {name for name in FIELDS if name in columns} | {"starts_at"}
    reads |= {"ends_at"} if "minutes" in columns else set()
    reads |= {"name"} if "first_name" in columns and "last_name" in columns else set()
    plain = {field for name, fields in PURPOSE.items() if name not in _BY_PERSON for field in fields if field != "status"}
    return Ability(
        side="shop",
        reads=frozenset(reads),
        writes=frozenset(field for field in plain if statement_for(profile, field, None)),
        statuses=frozenset(word for word in STATUSES if statement_for(profile, "status", word)),
        creates=bool(profile.write.create),
        links=bool(profile.write.link),
        zone=zone,
        grain=grain(profile),
        naive=profile.zone("starts_at", zone),
        limits=profile.limits.lengths,
        overflow=profile.limits.overflow,
        append_notes=bool(profile.write.add_note) and not profile.write.set_notes,
        default_time=profile.default_time,
        default_category=profile.default_category,
    )


def grain(profile: Profile) -> Literal["second", "minute", "day"]:
    """The finest start that the shop keeps."""
    columns, formats = profile.columns, profile.formats
    if "starts_at" not in columns:
        return "minute" if "time" in columns else "day"
    form = formats.get("starts_at")
    if form is None or any(part in form for part in ("%S", "%T", "%X", "%c")):
        return "second"
    return "minute" if timed(form) else "day"


def _serves(profile: Profile, name: str, field: str, value: str | None) -> bool:
    statements = getattr(profile.write, name)
    if not statements or name == "cancel":
        return bool(statements) and value == CANCELLED
    if name == "set_status":
        return value in profile.status.write
    return any(spelled(field, statement.parameters(sql)) for sql in statements)
