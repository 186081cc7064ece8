"""Bookings that we make up at Repairy, to try it: recorded before they are sent, so that they are never synced.

The record is a closed link that the engine leaves alone, as it does with a forgotten customer's (`engine.gather`): by its
reference until Repairy's id is known, then by both. It stays; the booking itself is to be cancelled.
"""

from __future__ import annotations

import uuid

from sync.core.booking import Link, Sighting
from sync.settings import Workshop
from sync.state import migrate
from sync.wiring import App

MARK = "made_up"  # choice of such a link: open | over, or why a person must remove it


def record(app: App, workshop: Workshop) -> Link:
    """One to come, committed; its reference is new. Raises Unreachable."""
    reference = f"{workshop.reference_prefix}made-up-{uuid.uuid4().hex[:8]}"
    return app.state.add(workshop.name, reference=reference, state="closed", choice={"forgotten": "1", MARK: "open"})


def known(app: App, link: Link, row: Sighting) -> Link:
    """What Repairy calls it. Raises Unreachable."""
    return app.state.save(link, repairy_id=row.key, repairy_code=row.code)


def over(app: App, link: Link) -> Link:
    """It is cancelled or done: nothing more is to be done about it here."""
    return app.state.save(link, choice={**link.choice, MARK: "over"})


def left(app: App, workshop: Workshop) -> list[Link]:
    """Those that may be open at Repairy: a crash or a refusal came between. Raises Unreachable."""
    if migrate.pending(app.state_url):
        return []
    closed = app.state.links(workshop.name, states={"closed"})
    return [one for one in closed if one.choice.get(MARK) == "open"]
