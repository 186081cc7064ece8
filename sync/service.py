"""What `run` runs: every workshop's bridge, the webhook endpoint, health, and the daemon over them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial

from starlette.applications import Starlette

from sync.daemon import Daemon
from sync.errors import NotSent, Unknown, Unreachable
from sync.notify import Notify
from sync.ports import Event
from sync.relay import FETCH_SECONDS, Fetcher
from sync.repairy.transport import Transport
from sync.repairy.webhook import verify
from sync.settings import Workshop
from sync.watch import Addresses, Looking, Watch
from sync.web import health, hearing, metrics, page, webhooks
from sync.web.remarks import remarks
from sync.web.server import Listener
from sync.wiring import App, Bridge

PING_SECONDS = 10.0


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
            heartbeat=partial(_heartbeat, settings.alerts.heartbeat_url, Transport("", app.clock, PING_SECONDS)),
        )
        intake = webhooks.Intake(app.clock)
        daemon.listeners += [_inside(app, daemon, bridges, workshops, intake), *_webhooks(app, daemon, intake)]
        daemon.listeners.append(hearing.Keeper(hearing.place(settings), intake))
        daemon.listeners += _watch(app, workshops, daemon, intake)
        return daemon.run()


def _heartbeat(url: str, transport: Transport) -> None:
    """Tell whoever watches that a good pass ended. Raises Unreachable, which the daemon tells once."""
    if not url:
        return
    try:
        status = transport.exchange("GET", url, {}).status
    except (NotSent, Unknown) as error:
        raise Unreachable(f"alerts.heartbeat_url does not answer: {error}") from None
    if not 200 <= status < 300:
        raise Unreachable(f"alerts.heartbeat_url answers HTTP {status}: see whether the address is still right")


def _inside(
    app: App, daemon: Daemon, bridges: Sequence[Bridge], workshops: Sequence[Workshop], intake: webhooks.Intake
) -> Listener:
    """What is served on [web]."""
    checks = {"state": app.state.ready} | {f"lease of {bridge.name}": bridge.renew for bridge in bridges}
    sites = [bridge.engine.site for bridge in bridges]

    def breakers() -> dict[str, bool]:
        return {site.name: site.breaker.until is not None for site in sites}

    names = tuple(site.name for site in sites)
    counted = metrics.Counted(names, app.state, daemon.pulse, intake, app.clock, lambda: app.client.calls, breakers)

    def said() -> list[str]:
        return [*remarks(intake, daemon.pulse, app.clock.now()), *hearing.silent(app, workshops)]

    shown = page.routes(app, sites, daemon.wake, said)
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


def _webhooks(app: App, daemon: Daemon, intake: webhooks.Intake) -> list[Listener | Fetcher]:
    """How events come: fetched from a relay, or to an endpoint here that the owner has entered at Repairy."""
    given, clock = app.settings.webhooks, app.clock
    secrets = [secret.get_secret_value() for secret in app.settings.secrets.webhook]
    ids = {one.id: one.name for one in app.settings.workshops}  # all: what another process works for waits in the state
    if given.relay:
        relay = Transport(given.relay, clock, FETCH_SECONDS)
        return [Fetcher(relay, app.contract, secrets, app.state.add_event, ids, daemon.wake, intake, clock, app.log)]
    if not given.public_url:
        app.log.warning("no webhooks: bookings made online do not reach the shop by themselves", set="webhooks.public_url")
        return []

    def checked(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Event:
        return verify(app.contract, secrets, method, path, headers, body, clock.now())

    return [Listener(webhooks.app(checked, app.state.add_event, ids, daemon.wake, intake), str(given.listen))]
