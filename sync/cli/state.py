"""Commands about the state itself: rebuild."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sync import report
from sync.cli.common import Asked, Workshop, chosen
from sync.cli.passes import finish
from sync.engine.planning import Plan
from sync.engine.rebuild import rebuild as rebuilt
from sync.errors import SyncError
from sync.settings import Workshop as Configured
from sync.wiring import App, Bridge


def add(app: typer.Typer) -> None:
    app.command()(rebuild)


def rebuild(
    context: typer.Context,
    apply: Annotated[str, typer.Option(help="Do it: the digest that the report ended with.", metavar="DIGEST")] = "",
    workshop: Workshop = "",
) -> None:
    """Recreate a lost state from the mapping journal and what both sides remember. Reports first, acts with --apply; silent.

    Example: repairy-sync rebuild --apply 3f9a0c2b71de
    """
    asked: Asked = context.obj
    with asked.app() as app:
        workshops = chosen(app, workshop)
        found = {one.name: _rehearsed(app, one) for one in workshops}
        if apply:
            meant = [one for one in workshops if found[one.name]["digest"] == apply]
            if not meant:
                now = ", ".join(f"{name} {one['digest']}" for name, one in found.items())
                raise SyncError(f"{apply} is not what a rebuild would do now ({now}): look at the report again")
            app.safe.migrate(rebuilding=True)
            with app.bridges(meant, "rebuild", rebuilding=True) as bridges:
                found |= {bridge.name: _rebuilt(app, bridge) for bridge in bridges}
    finish(asked, list(found.values()), True)


def _rehearsed(app: App, workshop: Configured) -> dict[str, Any]:
    with app.rehearsal(workshop, rebuilding=True) as bridge:
        return _rebuilt(app, bridge)


def _rebuilt(app: App, bridge: Bridge) -> dict[str, Any]:
    done = rebuilt(bridge.engine, app.journal.read()).done
    return report.run(bridge.engine.site, done, Plan())
