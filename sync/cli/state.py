"""Commands about the state itself: rebuild."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, TypeVar

import typer

from sync import report
from sync.cli.common import Asked, Workshop, chosen, progress
from sync.cli.passes import finish
from sync.engine.planning import Plan
from sync.engine.rebuild import rebuild as rebuilt
from sync.errors import SyncError
from sync.ports import Fan
from sync.settings import Workshop as Configured
from sync.wiring import App, Bridge

A = TypeVar("A")
B = TypeVar("B")
STEP = 10  # so many calls between two tellings


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
        found = {one.name: _rehearsed(asked, app, one) for one in workshops}
        if apply:
            meant = [one for one in workshops if found[one.name]["digest"] == apply]
            if not meant:
                now = ", ".join(f"{name} {one['digest']}" for name, one in found.items())
                raise SyncError(f"{apply} is not what a rebuild would do now ({now}): look at the report again")
            app.safe.migrate(rebuilding=True)
            with app.bridges(meant, "rebuild", rebuilding=True) as bridges:
                found |= {bridge.name: _rebuilt(asked, app, bridge) for bridge in bridges}
    finish(asked, list(found.values()), True)


def _rehearsed(asked: Asked, app: App, workshop: Configured) -> dict[str, Any]:
    with app.rehearsal(workshop, rebuilding=True) as bridge:
        return _rebuilt(asked, app, bridge)


def _rebuilt(asked: Asked, app: App, bridge: Bridge) -> dict[str, Any]:
    site, lines = bridge.engine.site, app.journal.read()
    what = "looking" if site.observing else "rebuild"
    with progress(asked, app, what, bridge.name) as say:
        site.fan = Counted(site.fan, say)
        say(0, len(lines))
        done = rebuilt(bridge.engine, lines).done
        say(len(lines), len(lines))
    return report.run(site, done, Plan())


class Counted:
    """A fan that tells how far it has come: what takes long in a rebuild are the calls to Repairy, and all go through it."""

    def __init__(self, fan: Fan, say: Callable[[int, int], None]) -> None:
        self._fan, self._say, self._lock = fan, say, threading.Lock()

    def map(self, work: Callable[[A], B], items: Iterable[A]) -> Sequence[B]:
        todo, done = list(items), 0

        def one(item: A) -> B:
            nonlocal done
            result = work(item)
            with self._lock:
                done += 1
                if done % STEP == 0 or done == len(todo):
                    self._say(done, len(todo))
            return result

        return self._fan.map(one, todo)
