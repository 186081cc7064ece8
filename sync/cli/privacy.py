"""Commands about personal data: forget."""

from __future__ import annotations

import typer

from sync.cli.common import Asked, Workshop
from sync.cli.review import Ref
from sync.core.booking import Link
from sync.engine.deciding import take_up
from sync.engine.upkeep import of_customer
from sync.errors import LeaseHeld
from sync.wiring import App, known


def add(app: typer.Typer) -> None:
    app.command()(forget)


def forget(context: typer.Context, ref: Ref, workshop: Workshop = "") -> None:
    """Erase a customer's data from the state: this booking and all others with the same phone or e-mail.

    Refused while one of them is open. What stays keeps it from being made or messaged again: ids, reference, dates, kinds
    of message sent. Both sides keep what they have, and so do copies of the state until newer ones take their place.

    Example: repairy-sync forget NS7K2-1042
    """
    asked: Asked = context.obj
    with asked.app() as app:
        link = known(app, ref, workshop or None)
        with app.looking(app.settings.workshop(link.workshop)) as site:
            mine = of_customer(site, link)
        app.state.decide(link.workshop, "forget", str(link.id), "")
        done = _now(app, link)
    names = [one.reference or one.repairy_id for one in mine]
    when = "erased" if done else "erased by the running daemon at its next pass"
    asked.say({"forgotten": names, "done": done}, f"{', '.join(map(str, names))}: {when}")


def _now(app: App, link: Link) -> bool:
    """At once, where nobody works for this workshop; else whoever does takes it up."""
    try:
        with app.bridges([app.settings.workshop(link.workshop)], "forget") as (bridge,):
            take_up(bridge.engine.site)
    except LeaseHeld:
        return False
    return True
