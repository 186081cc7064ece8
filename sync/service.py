"""What `run` runs: every workshop's bridge, the webhook endpoint, health, and the daemon over them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import httpx
from starlette.applications import Starlette

from sync.daemon import Daemon
from sync.notify import Notify
from sync.ports import Event
from sync.repairy.webhook import verify
from sync.settings import Settings, Workshop
from sync.web import health, webhooks
from sync.web.server import Listener
from sync.wiring import App, Bridge


def serve(app: App, workshops: Sequence[Workshop]) -> int:
    """Works until a signal; the exit code. Raises LeaseHeld, ConfigError, Unreachable before it began."""
    settings = app.settings
    for line in app.migrate():
        app.log.info("migrated", step=line)
    with app.bridges(workshops, "run") as bridges:
        daemon = Daemon(
            bridges,
            [],
            app.clock,
            shop_every=settings.schedule.shop,
            repairy_every=settings.schedule.repairy,
            log=app.log,
            notify=Notify(os.environ),
            heartbeat=partial(_heartbeat, settings.alerts.heartbeat_url),
        )
        daemon.listeners += [_health(app, daemon, bridges), *_webhooks(app, daemon, workshops)]
        return daemon.run()


def _heartbeat(url: str) -> None:
    """Tell whoever watches that a good pass ended; a watcher that is down is no fault of ours."""
    if url:
        with suppress(httpx.HTTPError):
            httpx.get(url, timeout=5, trust_env=False)


def _health(app: App, daemon: Daemon, bridges: Sequence[Bridge]) -> Listener:
    checks = {"state": app.state.ready} | {f"lease of {bridge.name}": bridge.renew for bridge in bridges}
    return Listener(Starlette(routes=health.routes(daemon.pulse, checks)), str(app.settings.web.listen))


def _webhooks(app: App, daemon: Daemon, workshops: Sequence[Workshop]) -> list[Listener]:
    """The endpoint, where the owner has entered its address at Repairy."""
    settings: Settings = app.settings
    if not settings.webhooks.public_url:
        app.log.warning("no webhooks: bookings made online do not reach the shop by themselves", set="webhooks.public_url")
        return []
    secrets = [secret.get_secret_value() for secret in settings.secrets.webhook]

    def checked(method: str, path: str, headers, body: bytes) -> Event:  # type: ignore[no-untyped-def]
        return verify(app.contract, secrets, method, path, headers, body, app.clock.now())

    ids = {workshop.id: workshop.name for workshop in workshops}
    intake = webhooks.Intake(app.clock)
    endpoint = webhooks.app(checked, app.state.add_event, ids, daemon.wake, intake)
    return [Listener(endpoint, str(settings.webhooks.listen))]
