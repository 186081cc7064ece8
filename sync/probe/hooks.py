"""`check --webhook`: an event signed by ourselves goes out through webhooks.public_url, and is seen to arrive.

It is stored as looked at already (`sync.ports.PROBED`), so that no booking is read for it, and removed when it was seen.
Where no daemon listens, this does for those seconds; what else comes then is answered 503, so that Repairy sends it again.
"""

from __future__ import annotations

import json
import socket
import ssl
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from sync.check import Finding
from sync.errors import ConfigError, NotSent, SyncError, Unknown, Unreachable
from sync.ports import PROBED, Event
from sync.relay import EVERY_SECONDS, Fetcher
from sync.repairy import wire
from sync.repairy.transport import Transport
from sync.repairy.webhook import signed, verify
from sync.state import migrate
from sync.web import webhooks
from sync.web.server import Listener
from sync.wiring import App

ABOUT = "webhooks"
SEND_SECONDS = 10.0  # that is how long Repairy waits (documented)
DIAL_SECONDS = 5.0
SEEN_SECONDS = 3.0  # after it was accepted
LOOK_SECONDS = 0.1
PADDING = 32 * 1024  # bytes: more than any booking, so that a proxy's limit shows
DEAF = (
    "nothing was sent: neither webhooks.public_url nor webhooks.relay is set. So bookings made online, and what customers "
    "move or cancel online, do not reach the shop before the next `backfill --known`. Let a proxy publish {listen} (examples: "
    "config/proxy), enter its https address at Repairy and as webhooks.public_url; or run `repairy-sync relay` on a public host"
)
UNPROVED = "This does not prove that Repairy signs in the same way: the first real event shows that"
# HTTP status -> what it means for whoever published the endpoint
SAID: Mapping[int, str] = {
    401: "whoever listens there has another repairy_webhook_secret, or its clock is wrong: give both the same secret, and "
    "restart the service after a change",
    403: "a proxy or firewall before this program refuses it: let POST, PUT and PATCH to this one path pass",
    404: "there is nothing at the path of webhooks.public_url: it must end in /webhooks/repairy, and the proxy must pass it on",
    405: "the proxy does not let this method pass: allow POST, PUT and PATCH",
    413: "the proxy's limit for a body is too small: allow 256 kB (nginx: client_max_body_size)",
    429: "a proxy limits the rate too strictly: Repairy sends several events at once",
    502: "the proxy answers, but does not reach webhooks.listen ({listen}): start the service, or correct the proxy's target",
    503: "it could not be stored there: the service's log says why",
    504: "the proxy answers, but webhooks.listen ({listen}) does not answer it in time",
}


@dataclass(frozen=True)
class Probe:
    """An event that names no workshop and no booking that could be."""

    id: str
    body: Mapping[str, object]

    @property
    def bytes(self) -> bytes:
        """As the transport writes it."""
        return json.dumps(self.body).encode()


def check(app: App) -> list[Finding]:
    """One finding: it arrived, or why it did not. Leaves nothing behind."""
    given = app.settings.webhooks
    if not given.public_url and not given.relay:
        return [Finding("warning", ABOUT, DEAF.format(listen=given.listen))]
    if not app.settings.secrets.webhook:
        return [Finding("error", ABOUT, "nothing was sent: the secret repairy_webhook_secret is missing")]
    probe, url = _probe(app), str(given.public_url) or str(given.relay) + webhooks.PATH
    try:
        with _ears(app, probe) as heard:
            began = app.clock.monotonic()
            if problem := _refused(app, url, probe):
                return [Finding("error", ABOUT, f"a probe sent to {_host(url)} did not arrive: {problem}")]
            return [_found(app, url, _waited(app, heard), app.clock.monotonic() - began)]
    except SyncError as error:
        return [Finding("error", ABOUT, f"a probe through {_host(url)} could not be followed: {error}")]


def _found(app: App, url: str, by: str, seconds: float) -> Finding:
    if by:
        says = f"a probe signed with our own secret went through {_host(url)} and arrived {by}, in {seconds:.1f} s. {UNPROVED}"
        return Finding("good", ABOUT, says)
    if app.settings.webhooks.relay:
        lost = "it is not at webhooks.relay either: both must mean the same relay, with the same file"
    else:
        lost = "another installation or another program answers there, and Repairy's events go to it"
    return Finding("error", ABOUT, f"a probe was accepted at {_host(url)}, but did not arrive in this installation: {lost}")


def _probe(app: App) -> Probe:
    rules, body, id = app.contract.webhook, dict[str, object](), f"{PROBED}-{uuid.uuid4().hex}"
    wire.put(body, rules.event_id, id)
    wire.put(body, rules.action, PROBED)
    about = f"{rules.booking}." if rules.booking else ""
    wire.put(body, about + app.contract.booking.id, PROBED)
    wire.put(body, about + "padding", "." * PADDING)
    return Probe(id, body)


# ---------------------------------------------------------------- on its way out


def _refused(app: App, url: str, probe: Probe) -> str:
    """Send it; why it was not accepted, "" where it was."""
    secret, listen = app.settings.secrets.webhook[0].get_secret_value(), str(app.settings.webhooks.listen)
    headers = signed(app.contract, secret, probe.id, probe.bytes, app.clock.now())
    if app.contract.webhook.algorithm == "path" and not url.endswith(f"/{secret}"):
        url = f"{url.rstrip('/')}/{secret}"
    with closing(Transport("", app.clock, SEND_SECONDS)) as transport:
        try:
            status = transport.exchange("POST", url, headers, probe.body).status
        except NotSent as error:
            return _unsent(url) or f"it could not be sent: {error}"
        except Unknown as error:
            return f"{error} ({SEND_SECONDS:.0f} s is all that Repairy waits)"
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return f"HTTP {status}, a redirect, which nobody follows: give the address that it leads to"
    said = SAID.get(status, "this is no answer of repairy-sync: see what listens there")
    return f"HTTP {status}: {said.format(listen=listen)}"


def _unsent(url: str) -> str:
    """Why no request could be sent, looked at once more without one; "" where there is no reason now."""
    place = urlsplit(url)
    host, port = place.hostname or "", place.port or (443 if place.scheme == "https" else 80)
    try:
        with socket.create_connection((host, port), DIAL_SECONDS) as wire:
            if place.scheme == "https":
                ssl.create_default_context().wrap_socket(wire, server_hostname=host).close()
    except ssl.SSLCertVerificationError as error:
        return f"the certificate there is not trusted ({error.verify_message}), and Repairy would not trust it either"
    except ssl.SSLError:
        return f"{host}:{port} does not speak TLS as https needs it"
    except socket.gaierror:
        return f"the name {host} is not known: enter it in the DNS, or correct webhooks.public_url"
    except OSError:
        return f"nobody answers at {host}:{port}: see whether the proxy runs and the firewall lets the port in"
    return ""


def _host(url: str) -> str:
    """What may be shown of it: a path may end in the secret."""
    place = urlsplit(url)
    return f"{place.scheme}://{place.netloc.rpartition('@')[2]}"


# ---------------------------------------------------------------- seen to arrive


def _waited(app: App, heard: Callable[[bool], str]) -> str:
    """By which way it came, within the time that it may take; "" where it did not."""
    span = SEEN_SECONDS + (EVERY_SECONDS if app.settings.webhooks.relay else 0)
    over = app.clock.monotonic() + span
    while not (by := heard(False)) and app.clock.monotonic() < over:
        app.clock.sleep(LOOK_SECONDS)
    return by or heard(True)


@contextmanager
def _ears(app: App, probe: Probe) -> Iterator[Callable[[bool], str]]:
    """What tells how the probe has come by now; True asks for the last time. Removes it, also where it came too late."""
    came: list[str] = []
    mine = None if app.settings.webhooks.relay else _listening(app, probe, came)

    def heard(last: bool) -> str:
        if _in_state(app, probe):
            return "in the running service's state"
        if came:
            return "here (no service runs: `check` listened itself)"
        return _kept_at_relay(app, probe) if app.settings.webhooks.relay and (last or not _busy(app)) else ""

    try:
        yield heard
    finally:
        if mine:
            mine.stop()
        _in_state(app, probe)


def _listening(app: App, probe: Probe, came: list[str]) -> Listener | None:
    """Ours, where nobody listens yet; None where somebody does."""
    secrets = [one.get_secret_value() for one in app.settings.secrets.webhook]

    def checked(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Event:
        return verify(app.contract, secrets, method, path, headers, body, app.clock.now())

    def store(event: Event, _: str) -> bool:
        if event.id != probe.id:
            raise Unreachable("no service runs")
        came.append(event.id)
        return True

    served = webhooks.app(
        checked, store, {one.id: one.name for one in app.settings.workshops}, _nothing, webhooks.Intake(app.clock)
    )
    mine = Listener(served, str(app.settings.webhooks.listen))
    try:
        mine.start()
    except (ConfigError, Unreachable):
        return None
    return mine


def _in_state(app: App, probe: Probe) -> bool:
    return not migrate.pending(app.state_url) and app.state.drop_probe(probe.id)


def _busy(app: App) -> bool:
    """Whether a daemon runs on this machine: it always listens on web.listen."""
    host, _, port = str(app.settings.web.listen).rpartition(":")
    with closing(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)) as probe:
        return probe.connect_ex((host.strip("[]"), int(port))) == 0


def _kept_at_relay(app: App, probe: Probe) -> str:
    """Where the relay has it: taken away there by this. Raises Unreachable."""
    secrets = [one.get_secret_value() for one in app.settings.secrets.webhook]
    with closing(Transport(str(app.settings.webhooks.relay), app.clock, SEND_SECONDS)) as transport:
        fetcher = Fetcher(
            transport, app.contract, secrets, app.state.add_event, {}, _nothing, webhooks.Intake(app.clock), app.clock, app.log
        )
        if not fetcher.take(probe.bytes):
            return ""
    service = (
        ", where the running service has not fetched it yet: see its log" if _busy(app) else " (no service runs to fetch it)"
    )
    return f"at the relay{service}"


def _nothing() -> None:
    """There is no pass to wake."""
