"""`check --test-booking`: one made-up booking put into the shop, to be looked at on the shop's own screen, and its removal.

RULE: it is recorded before it is inserted, by its plate until its key is known, so that no pass takes it for a customer's.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, time, timedelta

from sync.check.finding import Finding, error, good, warning
from sync.core.booking import CANCELLED, Ability, Fields, Link, Sighting
from sync.core.canonical import view
from sync.core.sight import fingerprint
from sync.core.status import FINAL
from sync.core.times import iso, local
from sync.engine.gather import MADE_UP
from sync.errors import Conflict, SyncError, Unknown, WriteFailed
from sync.made_up import MARK
from sync.ports import Names
from sync.settings import Workshop
from sync.shop.store import ShopStore
from sync.state import migrate
from sync.wiring import App

HERE = "in the shop"  # what such a record's mark says while its row may stand there
_REMOVE = "`repairy-sync check --test-booking --remove`"
_AHEAD = timedelta(days=7)
PHONE = "0400000000"


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
        yield _inserted(app, workshop, store, about)
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


def _inserted(app: App, workshop: Workshop, store: ShopStore, about: str) -> Finding:
    rego = f"TST{uuid.uuid4().int % 1000:03}"
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
        row = store.create(_made_up(rego, store.ability, app.clock.now()), names)
    except Unknown as failure:
        return error(about, f"{failure}; look for plate {rego} in the shop")
    except WriteFailed as failure:
        _over(app, link)
        return error(about, f"it could not be put into the shop, and so could no booking made online: {failure}")
    _known(app, link, row)
    day = (view(row.fields).get("starts_at") or "")[:10]
    return good(about, f"row {row.key} stands in the shop: Test Booking, plate {rego}, about {day}. Look at it on the shop's own "
                       f"screen: is it where staff look, on the right day and time? Then {_REMOVE}")  # fmt: skip


def _made_up(rego: str, able: Ability, now: datetime) -> Fields:
    """A booking a week ahead, plainly no customer's, within what the shop's columns take."""
    start = local(datetime.combine((now + _AHEAD).astimezone(able.zone).date(), time(9)), able.zone)[0]
    fields = {
        "starts_at": iso(start), "ends_at": iso(start + timedelta(hours=1)), "service_category": able.default_category,
        "description": "Test booking, no customer", "job_notes": "Made by repairy-sync check --test-booking",
        "name": "Test Booking", "first_name": "Test", "last_name": "Booking", "phone": PHONE,
        "email": "test@example.com", "rego": rego, "make": "Test", "model": "Test", "year": "2000",
    }  # fmt: skip
    return {name: value[: able.limits.get(name, len(value))] for name, value in fields.items()}


def _known(app: App, link: Link, row: Sighting) -> None:
    """Its key; a pass that saw the row first has written the same."""
    with suppress(Conflict):
        app.state.save(link, shop_key=row.key, shop_digest=fingerprint(row))


def _over(app: App, link: Link) -> None:
    app.state.save(link, choice={**link.choice, MARK: "over"})


def _removed(app: App, store: ShopStore, link: Link, about: str) -> Finding:
    key = link.shop_key or ""
    row = _row(store, link)
    if row is None or row.fields.get("status") in FINAL:
        _over(app, link)
        return good(about, f"{_called(link)} no longer stands in the shop as a booking to come")
    try:
        store.change(row.key, {"rego": row.fields["rego"]}, {"status": CANCELLED}, Names(reference=link.reference))
    except WriteFailed as failure:
        return warning(
            about, f"row {row.key} is to be removed by hand, on the shop's own screen: {failure}; then {_REMOVE} again"
        )
    _over(app, link if key == row.key else app.state.save(link, shop_key=row.key, shop_digest=fingerprint(row)))
    return good(about, f"row {row.key} was cancelled in the shop by the profile; delete it there if it is in the way")


def _row(store: ShopStore, link: Link) -> Sighting | None:
    """By its key, or where a crash kept that from us by plate and phone; never what has its old key. Raises Unreachable."""
    key, rego = link.shop_key or "", link.choice["rego"]
    if key.startswith(MADE_UP):
        rows = store.candidates({"rego": rego, "phone": PHONE})
    else:
        rows = list(store.read({key}).values())
    return next((row for row in rows if view(row.fields).get("rego") == rego), None)
