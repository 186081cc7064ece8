"""`check`: what would stop the program, or weaken it, and what to do about each. Looks only; writes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sync.core.booking import UNMAPPED
from sync.engine.suspicion import STOPS
from sync.errors import SyncError, Unreachable
from sync.ports import Window
from sync.settings import Workshop
from sync.shop.store import ShopStore
from sync.state import migrate
from sync.wiring import App


@dataclass(frozen=True)
class Finding:
    """`error`: `run` would not work · `warning`: it works, with this gap · `good`: looked at, in order."""

    level: Literal["error", "warning", "good"]
    about: str
    says: str


def check(app: App, workshops: list[Workshop], *, offline: bool = False) -> list[Finding]:
    """Everything that can be looked at; with `offline` only what lies on this machine."""
    findings = [Finding("good", "configuration", f"{app.settings.file} is in order"), *_wire(app), *_state(app)]
    for workshop in workshops:
        findings += _profile(app, workshop)
        if not offline:
            findings += [*_shop(app, workshop), *_repairy(app, workshop)]
    return findings


def _wire(app: App) -> Iterator[Finding]:
    assumed = app.contract.unconfirmed()
    if assumed:
        yield Finding(
            "warning",
            "contract",
            f"{len(assumed)} facts of the Partner API are assumed, not confirmed: `repairy-sync contract` lists them",
        )
    if not app.settings.webhooks.public_url and not app.settings.webhooks.relay:
        yield Finding(
            "warning",
            "webhooks",
            "bookings made online do not reach the shop: set webhooks.public_url and enter that address at Repairy",
        )


def _state(app: App) -> Iterator[Finding]:
    try:
        if found := app.safe.damage():
            yield Finding("error", "state", f"the state database is damaged: {found}. `repairy-sync rebuild` recreates its links")
            return
        if gone := app.safe.lost(app.safe.names):
            yield Finding("error", "state", f"the state of {', '.join(gone)} is lost: `repairy-sync rebuild` recreates its links")
            return
        if migrate.pending(app.state_url):
            yield Finding(
                "warning",
                "state",
                "the state database will be made or brought up to date at the next start (or by `repairy-sync migrate`)",
            )
        else:
            app.state.ready()
            yield Finding("good", "state", "writable and up to date")
            for one in [plan for name in app.settings.workshops for plan in app.state.plans(name.name) if plan.scope in STOPS]:
                yield Finding("error", f"{one.workshop}: pair", f"{one.reason}: repairy-sync approve {one.digest}")
    except SyncError as error:
        yield Finding("error", "state", str(error))


def _profile(app: App, workshop: Workshop) -> Iterator[Finding]:
    """What the profile leaves out, in the owner's words."""
    with_shop = app.shop(workshop)
    able = with_shop.ability
    with_shop.close()
    about = f"{workshop.name}: profile"
    if able.creates and not able.links:
        yield Finding(
            "warning",
            about,
            "rows are created, and do not remember Repairy's id: after a crash a person may have to link one. Give the SELECT "
            "a column `repairy_ref` and [write] a `link`, or keep `[Repairy :code]` in a text column and read it back from there",
        )
    if "cancelled" not in able.statuses:
        yield Finding(
            "warning",
            about,
            "online cancellations cannot be written and are held for a person: add [write] cancel, or [status.write] cancelled",
        )
    if not able.creates:
        yield Finding("warning", about, "bookings made online are not inserted: there is no [[write.create]]")


def _shop(app: App, workshop: Workshop) -> Iterator[Finding]:
    store = app.shop(workshop)
    about = f"{workshop.name}: shop database"
    try:
        problems = store.verify()
        yield from (Finding("error", about, problem) for problem in problems)
        if not problems:
            yield from _rows(store, app, about)
    except Unreachable as error:
        yield Finding("error", about, str(error))
    finally:
        store.close()


def _rows(store: ShopStore, app: App, about: str) -> Iterator[Finding]:
    """The rows themselves: what cannot be read, and words that nobody mapped."""
    now = app.clock.now()
    schedule = app.settings.schedule
    reading = store.window(Window(now - schedule.window_past, now + schedule.window_future))
    yield Finding("good", about, f"{len(reading.rows)} bookings in the window")
    if reading.unreadable:
        yield Finding(
            "warning", about, f"{len(reading.unreadable)} rows cannot be understood, such as key {reading.unreadable[0]}"
        )
    words = sorted(
        {(row.fields.get("status") or "?")[1:] for row in reading.rows if (row.fields.get("status") or "?").startswith(UNMAPPED)}
    )
    if words:
        yield Finding(
            "warning",
            about,
            f"statuses that nobody mapped, so their bookings are held: {', '.join(map(repr, words))}; add them to [status.read]",
        )


def _repairy(app: App, workshop: Workshop) -> Iterator[Finding]:
    """The catalog is documented, harmless, and asks for all that a call needs: token, Partner ID, workshop."""
    about = f"{workshop.name}: Repairy"
    try:
        app.client.workshop(workshop.id, workshop.zone).catalog()
        yield Finding("good", about, "reached; key, secret, Partner ID and workshop id are right")
    except SyncError as error:
        yield Finding("error", about, str(error))
