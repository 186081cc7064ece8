"""What `run` runs: every workshop's bridge, the webhook endpoint, health, and the daemon over them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial

import httpx
from starlette.applications import Starlette

from sync.daemon import Daemon
from sync.errors import Unreachable
from sync.notify import Notify
from sync.ports import Event
from sync.repairy.webhook import verify
from sync.settings import Settings, Workshop
from sync.watch import Addresses, Looking, Watch
from sync.web import health, metrics, page, webhooks
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
        intake = webhooks.Intake(app.clock)
        daemon.listeners += [_inside(app, daemon, bridges, intake), *_webhooks(app, daemon, intake)]
        daemon.listeners += _watch(app, workshops, daemon, intake)
        return daemon.run()


def _heartbeat(url: str) -> None:
    """Tell whoever watches that a good pass ended. Raises Unreachable, which the daemon tells once."""
    if not url:
        return
    try:
        answer = httpx.get(url, timeout=5, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unreachable(f"alerts.heartbeat_url does not answer ({type(error).__name__})") from None
    if not answer.is_success:
        raise Unreachable(f"alerts.heartbeat_url answers HTTP {answer.status_code}: see whether the address is still right")


def _inside(app: App, daemon: Daemon, bridges: Sequence[Bridge], intake: webhooks.Intake) -> Listener:
    """What is served on [web]."""
    checks = {"state": app.state.ready} | {f"lease of {bridge.name}": bridge.renew for bridge in bridges}
    names = tuple(bridge.name for bridge in bridges)
    counted = metrics.Counted(names, app.state, daemon.pulse, intake, app.clock, lambda: app.client.calls)
    shown = page.routes(app, [bridge.engine.site for bridge in bridges], daemon.wake)
    routes = [*health.routes(daemon.pulse, checks), *metrics.routes(counted), *shown]
    return Listener(Starlette(routes=routes), str(app.settings.web.listen))


def _watch(app: App, workshops: Sequence[Workshop], daemon: Daemon, intake: webhooks.Intake) -> list[Watch]:
    """Alerts, where anybody wants them. Raises ConfigError for an address that is none."""
    if not app.settings.alerts.notify:
        return []
    addresses = Addresses(app.settings.alerts.notify)
    which = "" if len(workshops) == len(app.settings.workshops) else "-" + "-".join(one.name for one in workshops)
    file = app.settings.state.journal_path.with_name(f"alerts{which}.json")
    return [Watch(Looking(app, workshops, daemon.pulse, intake), addresses.send, file, app.clock, app.log)]


def _webhooks(app: App, daemon: Daemon, intake: webhooks.Intake) -> list[Listener]:
    """The endpoint, where the owner has entered its address at Repairy."""
    settings: Settings = app.settings
    if not settings.webhooks.public_url:
        app.log.warning("no webhooks: bookings made online do not reach the shop by themselves", set="webhooks.public_url")
        return []
    secrets = [secret.get_secret_value() for secret in settings.secrets.webhook]

    def checked(method: str, path: str, headers, body: bytes) -> Event:  # type: ignore[no-untyped-def]
        return verify(app.contract, secrets, method, path, headers, body, app.clock.now())

    ids = {one.id: one.name for one in settings.workshops}  # all: what another process works for waits in the state
    endpoint = webhooks.app(checked, app.state.add_event, ids, daemon.wake, intake)
    return [Listener(endpoint, str(settings.webhooks.listen))]
