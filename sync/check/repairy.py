"""What `check` finds at Repairy: whether it is reached with what the configuration says, and whether the clocks agree."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from sync.check.finding import Finding, error, failed, good, warning
from sync.errors import SyncError
from sync.repairy.auth import REFUSED
from sync.settings import Workshop
from sync.wiring import App

SKEW = timedelta(seconds=60)  # a Date header is in whole seconds, and an answer is under way for some


def findings(app: App, workshop: Workshop) -> Iterator[Finding]:
    """The catalog is documented, harmless, and asks for all that a call needs: token, Partner ID, workshop."""
    about = f"{workshop.name}: Repairy"
    try:
        app.client.workshop(workshop.id, workshop.zone).catalog()
        yield good(about, "reached; key, secret, Partner ID and workshop id are right")
    except SyncError as found:
        yield error(about, str(found)) if REFUSED in str(found) else failed(about, found)
    yield from _clock(app)
    yield from _foreign(app, workshop, about)


def _clock(app: App) -> Iterator[Finding]:
    """Webhooks further away than the tolerance are refused; the settle and freshness times count by our clock."""
    ahead = app.client.ahead
    if ahead is None or abs(ahead) <= SKEW:
        return
    seconds, which = round(abs(ahead).total_seconds()), "behind" if ahead > timedelta() else "ahead of"
    says = f"this machine's clock is {seconds} s {which} Repairy's: turn on time synchronisation (systemd-timesyncd, chrony)"
    if abs(ahead) > app.contract.webhook.window:
        yield error("clock", f"{says}; by so much every webhook is refused as too old or too early")
    else:
        yield warning("clock", says)


def _foreign(app: App, workshop: Workshop, about: str) -> Iterator[Finding]:
    """Bookings that are known to carry a reference that none of this installation's workshops gives."""
    try:
        links = app.state.copy(workshop.name).links(workshop.name)
    except SyncError:
        return  # the state's own finding says why
    mine = tuple(one.reference_prefix for one in app.settings.workshops)
    strange = [link for link in links if link.repairy_ref and not link.repairy_ref.startswith(mine)]
    if strange:
        yield warning(
            about,
            f"{len(strange)} bookings have a reference without our prefix, such as {strange[0].repairy_ref}: another bridge "
            "works for this workshop, or reference_prefix was changed. Two bridges double bookings: stop one of them",
        )
