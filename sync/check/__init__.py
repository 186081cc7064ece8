"""`check`: what would stop the program, or weaken it, and what to do about each. Looks only; writes nothing.

The shop's part is in `check.shop`, Repairy's in `check.repairy`. `check.booking` alone writes: the test booking asked for.
"""

from __future__ import annotations

from collections.abc import Iterator

from sync.check import repairy, shop
from sync.check.finding import Finding, error, good, warning
from sync.engine.suspicion import STOPS
from sync.errors import SyncError
from sync.settings import Workshop
from sync.state import migrate
from sync.wiring import App

__all__ = ["Finding", "check", "error", "good", "warning"]


def check(app: App, workshops: list[Workshop], *, offline: bool = False) -> list[Finding]:
    """Everything that can be looked at; with `offline` only what lies on this machine."""
    findings = [good("configuration", f"{app.settings.file} is in order"), *_wire(app), *_state(app)]
    for workshop in workshops:
        findings += [*_here(app, workshop), *shop.profile(app, workshop)]
        if not offline:
            findings += [*shop.database(app, workshop), *repairy.findings(app, workshop)]
    return findings


def _wire(app: App) -> Iterator[Finding]:
    if assumed := app.contract.unconfirmed():
        many = f"{len(assumed)} facts of the Partner API are assumed, not confirmed"
        yield warning("contract", f"{many}: `repairy-sync contract` lists them")
    if not app.settings.webhooks.public_url and not app.settings.webhooks.relay:
        what = "bookings made online do not reach the shop"
        yield warning("webhooks", f"{what}: set webhooks.public_url and enter that address at Repairy")


def _state(app: App) -> Iterator[Finding]:
    about, rebuild = "state", "`repairy-sync rebuild` recreates its links"
    try:
        if found := app.safe.damage():
            yield error(about, f"the state database is damaged: {found}. {rebuild}")
        elif gone := app.safe.lost(app.safe.names):
            yield error(about, f"the state of {', '.join(gone)} is lost: {rebuild}")
        elif migrate.pending(app.state_url):
            later = "at the next start (or by `repairy-sync migrate`)"
            yield warning(about, f"the state database will be made or brought up to date {later}")
        else:
            app.state.ready()
            yield good(about, "writable and up to date")
            told = [scope for scope in STOPS if scope != "schema"]  # that one is told where the database is looked at
            for one in [plan for name in app.settings.workshops for plan in app.state.plans(name.name) if plan.scope in told]:
                yield error(f"{one.workshop}: pair", f"{one.reason}: repairy-sync approve {one.digest}")
    except SyncError as found:
        yield error(about, str(found))


def _here(app: App, workshop: Workshop) -> Iterator[Finding]:
    """Whether this is the place that keeps the workshop in step."""
    try:
        if not migrate.pending(app.state_url):
            app.safe.refuse_left(workshop.name)
    except SyncError as found:
        yield error(f"{workshop.name}: moved away", str(found))
