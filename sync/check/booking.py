"""`check --test-booking`: one made-up booking put into the shop, to be looked at on the shop's own screen, and its removal.

RULE: it is recorded before it is inserted, by its plate until its key is known, so that no pass takes it for a customer's.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, time, timedelta

from sync.check.finding import Finding, error, failed, good, warning
from sync.core.booking import CANCELLED, Ability, Fields, Link, Sighting
from sync.core.canonical import view
from sync.core.sight import fingerprint
from sync.core.status import FINAL
from sync.core.times import is_day, iso, local, parse
from sync.engine.gather import MADE_UP
from sync.errors import Conflict, SyncError, Unknown, Unreachable, WriteFailed
from sync.made_up import MARK
from sync.ports import Names, Window
from sync.settings import Workshop
from sync.shop.store import ShopStore
from sync.state import migrate
from sync.wiring import App

HERE = "in the shop"  # what such a record's mark says while its row may stand there
_REMOVE = "`repairy-sync check --test-booking --remove`"
_AHEAD = timedelta(days=7)
_EVER = timedelta(days=50 * 366)
# Kept by the Australian regulator (ACMA) for works of fiction: no customer has it, as none has an address at example.com.
PHONE = "0491570006"
_BESIDE = "beside"  # choice of such a link: the rows that were made with it
_TAKEN = (
    "nothing was put in: row {} already has the made-up {}, and so the test booking could become that customer's. "
    "Change it there if it is made up too, then try again"
)


def insert(app: App, workshop: Workshop) -> Iterator[Finding]:
    """Put one in and say where to look. Raises SyncError where the state cannot be written, or this is not the place."""
    about = f"{workshop.name}: test booking"
    app.migrate()
    app.safe.refuse_left(workshop.name)
    if app.settings.mode == "to-repairy":
        yield error(about, "mode to-repairy writes nothing to the shop")
        return
    if before := _standing(app, workshop):
        yield from (_still(about, link) for link in before)
        return
    if "rego" not in app.profiles[workshop.name].columns:
        yield error(about, "the profile's SELECT shows no `rego`, so it could not be told from a customer's booking")
        return
    store = app.shop(workshop)
    try:
        fields = _made_up(store.ability, app.clock.now())
        taken = _taken(app, workshop, store, fields)
        yield error(about, taken) if taken else _inserted(app, workshop, store, fields, about)
    except Unreachable as failure:
        yield failed(about, failure)
    finally:
        store.close()


def remove(app: App, workshop: Workshop) -> Iterator[Finding]:
    """Cancel what was put in, or name the row for removal by hand. Raises SyncError as `insert`."""
    about, store = f"{workshop.name}: test booking", app.shop(workshop)
    try:
        for link in _standing(app, workshop):
            yield _removed(app, store, link, about)
    finally:
        store.close()


def left(app: App, workshop: Workshop) -> Iterator[Finding]:
    """Those that still stand there, as far as is known."""
    with suppress(SyncError):  # the state's own finding says why
        yield from (_still(f"{workshop.name}: test booking", link) for link in _standing(app, workshop))


def _standing(app: App, workshop: Workshop) -> list[Link]:
    if migrate.pending(app.state_url):
        return []
    return [link for link in app.state.links(workshop.name, states={"closed"}) if link.choice.get(MARK) == HERE]


def _still(about: str, link: Link) -> Finding:
    return warning(about, f"{_called(link)} may still stand in the shop: look at it on the shop's own screen, then {_REMOVE}")


def _called(link: Link) -> str:
    key = link.shop_key or ""
    return f"the one with plate {link.choice['rego']}" if key.startswith(MADE_UP) else f"row {key}"


def _shown(app: App, store: ShopStore) -> Sequence[Sighting]:
    """Every row of the SELECT. Raises Unreachable."""
    now = app.clock.now()
    return store.window(Window(now - _EVER, now + _EVER)).rows


def _taken(app: App, workshop: Workshop, store: ShopStore, fields: Fields) -> str:
    """What is against it: a row, not of an earlier test booking, that has its phone, e-mail or plate. Raises Unreachable."""
    ours = {link.choice.get("rego") for link in app.state.links(workshop.name, states={"closed"}) if MARK in link.choice}
    sought = view({name: fields[name] for name in ("phone", "email", "rego")})
    for row in _shown(app, store):
        seen = view(row.fields)
        same = [name for name, value in sought.items() if seen.get(name) == value]
        if same and seen.get("rego") not in ours:
            return _TAKEN.format(row.key, f"{same[0]} {fields[same[0]]}")
    return ""


def _inserted(app: App, workshop: Workshop, store: ShopStore, fields: Fields, about: str) -> Finding:
    rego = fields["rego"] or ""
    reference = f"{workshop.reference_prefix}made-up-{uuid.uuid4().hex[:8]}"
    link = app.state.add(
        workshop.name,
        reference=reference,
        shop_key=MADE_UP + rego,
        state="closed",
        choice={"forgotten": "1", MARK: HERE, "rego": rego},
    )
    names = Names(reference=reference, repairy_id=reference.removeprefix(workshop.reference_prefix), code="TEST")
    try:
        row, beside = store.create_telling(fields, names)
    except Unknown as failure:
        return error(about, f"{failure}; look for plate {rego} in the shop")
    except WriteFailed as failure:
        _over(app, link)
        return error(about, f"it could not be put into the shop, and so could no booking made online: {failure}")
    link = _known(app, link, row, beside)
    return good(about, f"row {row.key} stands in the shop: Test Booking, plate {rego}, {_when(row, workshop)}. Look at it on "
                       "the shop's own screen: is it where staff look, on the right day and time? "
                       f"Then {_REMOVE}{_by_hand(link)}")  # fmt: skip


def _when(row: Sighting, workshop: Workshop) -> str:
    """Its start on the workshop's clock, as the shop shows it."""
    start = view(row.fields).get("starts_at")
    if start is None or is_day(start):
        return start or "without a start"
    return f"{parse(start).astimezone(workshop.zone):%Y-%m-%d at %H:%M}"


def _by_hand(link: Link) -> str:
    """The customer and vehicle that were made for it, which no statement of a profile removes."""
    beside = link.choice.get(_BESIDE)
    return f". Made with it, and to be deleted by hand there: {beside}" if beside else ""


def _made_up(able: Ability, now: datetime) -> Fields:
    """A booking a week ahead, plainly no customer's, within what the shop's columns take. Another plate each time: three
    letters and four digits, which are no usual plate."""
    start = local(datetime.combine((now + _AHEAD).astimezone(able.zone).date(), time(9)), able.zone)[0]
    rego = f"TST{uuid.uuid4().int % 10_000:04}"
    fields = {
        "starts_at": iso(start), "ends_at": iso(start + timedelta(hours=1)), "service_category": able.default_category,
        "description": "Test booking, no customer", "job_notes": "Made by repairy-sync check --test-booking",
        "name": "Test Booking", "first_name": "Test", "last_name": "Booking", "phone": PHONE,
        "email": "repairy-sync-test@example.com", "rego": rego, "make": "Test", "model": "Test", "year": "2000",
    }  # fmt: skip
    return {name: value[: able.limits.get(name, len(value))] for name, value in fields.items()}


def _known(app: App, link: Link, row: Sighting, beside: list[str]) -> Link:
    """Its key, and what was made with it; a pass that saw the row first has written the same key."""
    choice = {**link.choice, _BESIDE: ", ".join(beside)}
    try:
        return app.state.save(link, shop_key=row.key, shop_digest=fingerprint(row), choice=choice)
    except Conflict:
        return app.state.save(app.state.link(link.id), choice=choice)


def _over(app: App, link: Link) -> None:
    app.state.save(link, choice={**link.choice, MARK: "over"})


def _removed(app: App, store: ShopStore, link: Link, about: str) -> Finding:
    key = link.shop_key or ""
    row = _row(app, store, link)
    if row is None or row.fields.get("status") in FINAL:
        _over(app, link)
        return good(about, f"{_called(link)} no longer stands in the shop as a booking to come{_by_hand(link)}")
    try:
        store.change(row.key, {"rego": row.fields["rego"]}, {"status": CANCELLED}, Names(reference=link.reference))
    except WriteFailed as failure:
        says = f"row {row.key} is to be removed by hand, on the shop's own screen: {failure}; then {_REMOVE} again"
        return warning(about, says + _by_hand(link))
    _over(app, link if key == row.key else app.state.save(link, shop_key=row.key, shop_digest=fingerprint(row)))
    says = f"row {row.key} was cancelled in the shop by the profile; delete it there if it is in the way"
    return good(about, says + _by_hand(link))


def _row(app: App, store: ShopStore, link: Link) -> Sighting | None:
    """By its key, or where a crash kept that from us by its plate; never what has its old key. Raises Unreachable."""
    key, rego = link.shop_key or "", link.choice["rego"]
    rows = _shown(app, store) if key.startswith(MADE_UP) else store.read({key}).values()
    return next((row for row in rows if view(row.fields).get("rego") == rego), None)
