"""What `check` finds about a shop: what its profile leaves out, what the database user may do, and what the rows hold.

A row is told by its key alone: nothing of a customer stands in a finding.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import timedelta

from sync.check.finding import Finding, error, failed, good, warning
from sync.core.booking import UNMAPPED, Link, Sighting
from sync.core.canonical import canonical, view
from sync.core.times import iso
from sync.engine.suspicion import differences
from sync.errors import SyncError
from sync.ports import Window
from sync.settings import Workshop
from sync.shop import ability, survey
from sync.shop.store import ShopStore
from sync.wiring import App

TO_SHOP = ("observe", "two-way", "to-shop")  # modes that write to the shop, or soon will
TO_REPAIRY = ("observe", "two-way", "to-repairy")
_NAMES = {"name", "first_name", "last_name", "company"}  # any of them gives a customer's name
_SHORTEST = 6  # digits of the shortest number that a customer can have: 13 00 00
SOON = timedelta(minutes=5)  # a stamp may be so far ahead: two clocks
_REFUSED = re.compile(r"denied|permission|privilege|read-?only", re.IGNORECASE)
_GRANT = "give the database user of shop_url that right, or leave the statement out: then it is read only, and noted"
# What to do about a line of `verify`, by the profile key that it begins with.
_DO: Sequence[tuple[str, str]] = (
    ("booking.select: does not run", "was the shop's program updated? Compare its tables with the SELECT"),
    ("booking.select", "mend the SELECT"),
    ("starts_at", "mend the SELECT"),
    ("status.read", "until it is added to [status.read], its bookings are held"),
    ("write.", "mend the statement, or leave it out: then it is read only, and noted"),
    ("booking.lock", "mend the statement, or leave it out: then rows are compared and not locked"),
    ("dialects", "choose the profile made for this engine, or the right shop_url"),
)
_LINK = """\
rows are created and do not remember their booking at Repairy: after a crash a person may have to link one. Give the SELECT a \
column `repairy_ref` and the insert `:repairy_id`; where the shop has no column to spare, keep "[Repairy CODE]" in a text \
column that the SELECT does not yield (or only as internal_notes): insert {write}, and read it back as {read} AS repairy_ref"""
# How a code is put into a text column `remarks` and read back, by engine.
MARKER = {
    "sqlite": (
        "'[Repairy ' || :code || ']'",
        "CASE WHEN remarks LIKE '%[Repairy %]%' THEN substr(remarks, instr(remarks, '[Repairy ') + 9, "
        "instr(substr(remarks, instr(remarks, '[Repairy ') + 9), ']') - 1) END",
    ),
    "postgresql": ("'[Repairy ' || :code || ']'", r"substring(remarks from '\[Repairy ([^]]+)\]')"),
    "mysql": (
        "CONCAT('[Repairy ', :code, ']')",
        "CASE WHEN remarks LIKE '%[Repairy %]%' THEN SUBSTRING_INDEX(SUBSTRING_INDEX(remarks, '[Repairy ', -1), ']', 1) END",
    ),
}
MARKER["mariadb"] = MARKER["mysql"]
_FIREBIRD_AT, _MSSQL_AT = "POSITION('[Repairy ' IN remarks)", "CHARINDEX('[Repairy ', remarks)"
MARKER["firebird"] = (  # a parameter beside a text has no type of its own there
    "'[Repairy ' || CAST(:code AS VARCHAR(40)) || ']'",
    "CASE WHEN remarks LIKE '%[Repairy %]%' THEN SUBSTRING(remarks FROM "
    f"{_FIREBIRD_AT} + 9 FOR POSITION(']', remarks, {_FIREBIRD_AT}) - {_FIREBIRD_AT} - 9) END",
)
MARKER["mssql"] = (  # in its LIKE a bracket opens a set
    "'[Repairy ' + :code + ']'",
    "CASE WHEN remarks LIKE '%[[]Repairy %]%' THEN SUBSTRING(remarks, "
    f"{_MSSQL_AT} + 9, CHARINDEX(']', remarks, {_MSSQL_AT}) - {_MSSQL_AT} - 9) END",
)
_READ_ONLY = (
    "the database can only be read with shop_url (a replica, a read-only user or file): give it a user that may write, "
    'or set mode = "to-repairy"'
)
_TOO_MUCH = (
    "the user of shop_url may {}, which is more than is needed: make one of its own; "
    "SELECT, INSERT and UPDATE on the tables that the profile names are enough"
)
_TRY = ". `repairy-sync check --test-booking` tries a create, and `repairy-sync plan` shows the times that are read"
_NO_CREATE = (
    "no booking of the shop can be made at Repairy, which needs {} for one: "
    "give the SELECT a column of that name (a name may also be `first_name` with `last_name`)"
)
_CHANGED = (
    "the shop database has changed: {}. Nothing is written until the profile is mended, "
    "or the change accepted: `repairy-sync held` names it, `repairy-sync approve` accepts it"
)
_STRANGERS = (
    "{} carry a booking at Repairy that this installation does not know: another bridge linked them (stop one of the two), "
    "or the state was lost (`repairy-sync rebuild`)"
)


def profile(app: App, workshop: Workshop) -> Iterator[Finding]:
    """What the profile leaves out, in the owner's words."""
    about, shape = f"{workshop.name}: profile", app.profiles[workshop.name]
    able = ability.of(shape, workshop.zone)
    if app.settings.mode in TO_REPAIRY and (names := _not_shown(app, shape.columns)):
        yield warning(about, _NO_CREATE.format(", ".join(f"`{name}`" for name in names)))
    if able.creates and "repairy_ref" not in shape.columns:
        write, read = MARKER.get(_engine(app, workshop), MARKER["sqlite"])
        yield warning(about, _LINK.format(write=write, read=read))
    elif able.creates and not able.links:
        yield warning(about, "rows that staff made do not remember Repairy's id: add [write] link to write `repairy_ref`")
    if "cancelled" not in able.statuses:
        to_do = "add [write] cancel, or [status.write] cancelled"
        yield warning(about, f"online cancellations cannot be written and are held for a person: {to_do}")
    if not able.creates:
        yield warning(about, "bookings made online are not inserted: there is no [[write.create]]")


def _engine(app: App, workshop: Workshop) -> str:
    return app.settings.shop_database(workshop).get_backend_name()


def _not_shown(app: App, columns: Collection[str]) -> list[str]:
    """Columns that a create at Repairy needs, by the contract, and that the SELECT does not yield."""
    needed = {"name" if field in _NAMES else field for field in app.contract.required.create}
    shown = {*columns} | ({"name"} if _NAMES & set(columns) else set())
    always = {"workshop_id", "service_category", "starts_at"}  # configured, with a default, in each profile
    return sorted(needed - shown - always)


def database(app: App, workshop: Workshop) -> Iterator[Finding]:
    """The live database against the profile, the user's rights, and the rows in the window."""
    store, about = app.shop(workshop), f"{workshop.name}: shop database"
    try:
        lines = [line for line in store.verify() if app.settings.mode in TO_SHOP or not _right_to_write(line)]
        yield from (_told(about, line) for line in lines)
        if gap := survey.unchecked(_engine(app, workshop), app.profiles[workshop.name]):
            yield warning(about, gap + _TRY)
        yield from _rights(store, app, workshop, about)
        if all(line.startswith("status.read") or not line.startswith(("booking", "dialects")) for line in lines):
            yield from _rows(store, app, workshop, about)
    except SyncError as found:
        yield failed(about, found)
    finally:
        store.close()


def _right_to_write(line: str) -> bool:
    """Whether this line of `verify` says that a right is lacking, for a statement that only a write needs."""
    return line.startswith(("write.", "booking.lock")) and bool(_REFUSED.search(line))


def _told(about: str, line: str) -> Finding:
    """A line of `verify` with what to do. A word that nobody mapped stops its own bookings only, and a day is read as one."""
    to_do = next((words for key, words in _DO if line.startswith(key)), "")
    if _right_to_write(line):
        to_do = _GRANT
    return Finding("warning" if line.startswith(survey.MILD) else "error", about, f"{line}; {to_do}" if to_do else line)


def _rights(store: ShopStore, app: App, workshop: Workshop, about: str) -> Iterator[Finding]:
    writes = app.profiles[workshop.name].write.model_fields_set
    if writes and app.settings.mode in TO_SHOP and store.cannot_write():
        yield error(about, _READ_ONLY)
    if store.may_alter():
        yield warning(about, _TOO_MUCH.format("alter or drop tables"))
    elif store.may_delete():
        yield warning(about, _TOO_MUCH.format("delete rows"))


def _rows(store: ShopStore, app: App, workshop: Workshop, about: str) -> Iterator[Finding]:
    """The rows themselves: what cannot be read, what does not become what it should, and whose they are."""
    now, schedule = app.clock.now(), app.settings.schedule
    reading = store.window(Window(now - schedule.window_past, now + schedule.window_future))
    yield good(about, f"{len(reading.rows)} bookings in the window")
    if odd := reading.unreadable:
        forms = "times in a form of their own need [formats]"
        yield warning(about, f"{_rows_such(odd)} have a time that cannot be read and are left out; {forms}")
    open_rows = [row for row in reading.rows if not (row.fields.get("status") or "").startswith((UNMAPPED, "ignore"))]
    for says, is_so in _ODD:
        if keys := [row.key for row in open_rows if is_so(row)]:
            yield warning(about, f"{_rows_such(keys)} {says}")
    if keys := [row.key for row in reading.rows if row.changed_at and row.changed_at > iso(now + SOON)]:
        yield warning(
            about, f"{_rows_such(keys)} were changed in the future: is timezones.changed_at right, and the server's clock?"
        )
    yield from _known(store, app, workshop, reading.rows, about)


def _known(store: ShopStore, app: App, workshop: Workshop, rows: Sequence[Sighting], about: str) -> Iterator[Finding]:
    """Against what the state knows: other tables than before, and rows that somebody else linked."""
    copy = app.state.copy(workshop.name)
    try:
        before = copy.source(workshop.name, "shop").identity
        if before and (gone := list(differences(before, store.identity()))):
            yield error(about, _CHANGED.format("; ".join(gone)))
        strangers = _linked_by_another(rows, copy.links(workshop.name))
    finally:
        copy.close()
    if strangers:
        yield warning(about, _STRANGERS.format(_rows_such(strangers)))


def _linked_by_another(rows: Sequence[Sighting], links: Sequence[Link]) -> list[str]:
    known = {name for link in links for name in (link.repairy_id, link.repairy_code, link.reference) if name}
    made_up = {link.shop_key for link in links if "made_up" in link.choice}
    return [row.key for row in rows if row.ref and row.ref not in known and row.key not in made_up]


def _rows_such(keys: Sequence[str]) -> str:
    return f"{len(keys)} row{'s' if len(keys) > 1 else ''}, such as key {keys[0]},"


def _seen(row: Sighting, name: str) -> str | None:
    return view(row.fields).get(name)


def _lacks(row: Sighting, name: str) -> bool:
    return name in row.fields and not _seen(row, name)


def _short(phone: str | None) -> bool:
    return bool((phone or "").strip()) and len(canonical("phone", phone) or "") < _SHORTEST


def _broken(row: Sighting) -> bool:
    return any(mark.endswith(":undecodable") for mark in row.marks)


# What a row may hold that does not become what it should: by what is said of it.
_ODD: Sequence[tuple[str, Callable[[Sighting], bool]]] = (
    (f"have a phone of fewer than {_SHORTEST} digits, which is nobody's", lambda row: _short(row.fields.get("phone"))),
    ("have no plate, so they can be paired by reference only, and are not created at Repairy", lambda row: _lacks(row, "rego")),
    ("hold bytes that are no text in the connection's character set: add `?charset=…` to shop_url", _broken),
)
