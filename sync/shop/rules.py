"""Whether a profile makes sense as a whole: each rule yields the dotted key it is about, and what is allowed there.

No database: what only the live one can tell is in `shop.survey`. The parameters that statements know are listed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

from sync.core.booking import FIELDS, PENDING
from sync.shop import statement

if TYPE_CHECKING:
    from sync.shop.profile import Profile

Fault = tuple[str, str]

_AFTERNOON = datetime(2026, 3, 16, 14, 5, 7, tzinfo=ZoneInfo("Australia/Melbourne"))

# Columns that a SELECT may yield beside the fields themselves; `x_…` is carried along for the statements.
COLUMNS = (*FIELDS, "key", "date", "time", "minutes", "changed_at", "repairy_ref", "locked", "internal_notes")
TIMES = ("starts_at", "ends_at", "date", "time", "changed_at")
# Forms of the fields, in every spelling that a statement may ask for.
FORMS = (*FIELDS, "date", "time", "minutes", "phone_e164")
NAMES = ("reference", "repairy_id", "code", "workshop_id", "now", "uuid")
TEXTS = ("description", "job_notes", "service_code", "name", "first_name", "last_name", "company", "email",
         "rego", "make", "model", "badge", "year", "vin", "phone")  # fmt: skip
# What each statement is for: the fields of ours that it may write.
PURPOSE: Mapping[str, tuple[str, ...]] = {
    "set_customer": ("name", "first_name", "last_name", "company", "phone", "email"),
    "set_vehicle": ("rego", "make", "model", "badge", "year", "vin"),
    "set_service": ("service_category", "service_code", "description"),
    "set_notes": ("job_notes",),
    "add_note": ("job_notes",),
    "reschedule": ("starts_at", "ends_at"),
    "cancel": ("status",),  # before set_status: it is the one for cancelled where both are there
    "set_status": ("status",),
}
# The spellings in which a field may stand in a statement, where it is not by its own name.
SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "starts_at": ("starts_at", "date", "time"),
    "ends_at": ("ends_at", "minutes"),
    "name": ("name", "first_name", "last_name"),
    "first_name": ("name", "first_name"),
    "last_name": ("name", "last_name"),
    "phone": ("phone", "phone_e164"),
    "job_notes": ("job_notes", "note"),
}


def spelled(field: str, parameters: frozenset[str]) -> bool:
    """Whether statements with these parameters carry this field's value."""
    return not parameters.isdisjoint(SPELLINGS.get(field, (field,)))


def faults(profile: Profile) -> list[Fault]:
    """Everything that is wrong with it, in the order of the file."""
    return [fault for rule in _RULES for fault in rule(profile)]


def _zones(profile: Profile) -> Iterator[Fault]:
    allowed = '"workshop", "UTC" or a name such as "Australia/Melbourne"'
    for key, name in (("timezone", profile.timezone), *((f"timezones.{c}", n) for c, n in profile.timezones.items())):
        if name != "workshop" and name not in available_timezones():
            yield key, f"must be {allowed}"
    yield from _known("timezones", profile.timezones, TIMES)


def _formats(profile: Profile) -> Iterator[Fault]:
    yield from _known("formats", profile.formats, TIMES)
    for column, form in profile.formats.items():
        if column in TIMES and not _reads_back(column, form):
            yield f"formats.{column}", "must be a form such as %d/%m/%Y %H:%M or %I:%M %p, that reads what it writes"
    try:
        time.fromisoformat(profile.default_time)
    except ValueError:
        yield "default_time", "must be a time of day such as 08:00"


def _reads_back(column: str, form: str) -> bool:
    """Whether it reads what it writes of an afternoon, down to the second, minute, hour or day: what it lacks is 0 then.

    Only what has both day and time is written with its offset (`%z`)."""
    apart = column in ("date", "time")
    try:
        read = datetime.strptime(_AFTERNOON.replace(tzinfo=None if apart else _AFTERNOON.tzinfo).strftime(form), form)  # noqa: DTZ007
    except ValueError:
        return False
    day, clock = _AFTERNOON.date(), _AFTERNOON.time()
    clocks = [clock, clock.replace(second=0), clock.replace(minute=0, second=0)]
    return (column == "time" or read.date() == day) and (column == "date" or read.time() in clocks + [time()] * (not apart))


def _limits(profile: Profile) -> Iterator[Fault]:
    yield from _known("limits", profile.limits.lengths, TEXTS)


def _known(table: str, used: Mapping[str, object], allowed: tuple[str, ...]) -> Iterator[Fault]:
    for name in used:
        if name not in allowed:
            yield f"{table}.{name}", f"unknown; one of {', '.join(allowed)}"


def _select(profile: Profile) -> Iterator[Fault]:
    for fault in statement.faults(profile.booking.select):
        yield "booking.select", fault
    columns = profile.columns
    for name in dict.fromkeys(columns):
        if name in ("", "*"):
            yield "booking.select", "names each column after the field that it feeds (`… AS status`); no `*`, none without a name"
        elif name not in COLUMNS and not name.startswith("x_"):
            yield "booking.select", f"unknown column `{name}`; known: {', '.join(COLUMNS)}, x_…"
        elif columns.count(name) > 1:
            yield "booking.select", f"the column `{name}` stands twice"
    for needed in ("key", "status"):
        if needed not in columns:
            yield "booking.select", f"needs the column `{needed}`"
    if "starts_at" not in columns and "date" not in columns:
        yield "booking.select", "needs `starts_at`, or `date` (with or without `time`)"
    for one, two in (("starts_at", "date"), ("ends_at", "minutes"), ("name", "first_name")):
        if one in columns and two in columns:
            yield "booking.select", f"has `{one}` or `{two}`, not both"
    if "time" in columns and "date" not in columns:
        yield "booking.select", "has `time` only beside `date`"


def _statuses(profile: Profile) -> Iterator[Fault]:
    if not profile.status.read:
        yield "status.read", "needs a line for each word that the shop stores"
    seen: dict[str, str] = {}
    for stored, ours in profile.status.read.items():
        if seen.setdefault(stored.strip().casefold(), ours) != ours:
            yield f"status.read.{stored}", "stands twice with different meanings (case does not count)"
    for ours, stored_word in profile.status.write.items():
        if profile.words.get(str(stored_word).strip().casefold(), ours) != ours:
            yield f"status.write.{ours}", "is read back as another status, by [status.read]"
    if profile.write.create and PENDING not in profile.status.write:
        yield "status.write.pending", "is required where [[write.create]] is used"


def _statements(profile: Profile) -> Iterator[Fault]:
    columns = profile.columns
    old = {f"old_{column}" for column in columns}
    known = {*FORMS, *NAMES, *old, "key", *(column for column in columns if column.startswith("x_"))}
    for sql in profile.booking.lock:
        yield from _parameters("booking.lock", sql, {"key", *(column for column in columns if column.startswith("x_"))})
    for name, several in profile.write.named():
        for sql in several:
            yield from _parameters(f"write.{name}", sql, known | {"note"} if name == "add_note" else known)
        if (
            name in PURPOSE
            and name != "cancel"
            and not any(spelled(field, statement.parameters(sql)) for field in PURPOSE[name] for sql in several)
        ):
            yield f"write.{name}", f"uses none of what it is for: {', '.join(':' + field for field in PURPOSE[name])}"
    if profile.write.set_notes and profile.write.add_note:
        yield "write.add_note", "is for shops without set_notes: one of the two"


def _creates(profile: Profile) -> Iterator[Fault]:
    known = {*FORMS, *NAMES}
    steps = profile.write.create
    for number, step in enumerate(steps, 1):
        place = f"write.create {number}"
        for sql in step.find:
            yield from _parameters(f"{place}.find", sql, known)
        # A step's own value is known after its first insert: companion rows need it.
        for sql in step.insert:
            yield from _parameters(f"{place}.insert", sql, known)
            known = known | {step.set}
        known = known | {step.set}
        if not step.insert and not step.find:
            yield place, "needs `insert`, or `find`"
        if step.set in (*FORMS, *NAMES):
            yield f"{place}.set", f"`{step.set}` is taken: that is a parameter already"
    if steps and "key" not in (step.set for step in steps):
        yield "write.create", 'needs one step with set = "key": the one that makes the booking'


def _parameters(key: str, sql: str, known: set[str]) -> Iterator[Fault]:
    if not sql.strip():
        yield key, "is empty"
    for name in sorted(statement.parameters(sql) - known):
        yield key, f"unknown parameter :{name}; known here: {', '.join(sorted(known))}"


_RULES: tuple[Callable[[Profile], Iterator[Fault]], ...] = (
    _zones, _formats, _limits, _select, _statuses, _statements, _creates,
)  # fmt: skip
