"""Commands for people who look and decide: status, show, held, resolve, approve, pause, resume."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Annotated, Any

import typer

from sync import decisions, report
from sync.cli import outlook
from sync.cli.common import HELD, Asked, Workshop, chosen, rows, table
from sync.core.booking import Fields, Link
from sync.engine.site import Site
from sync.web import hearing
from sync.wiring import App, known


def add(app: typer.Typer) -> None:
    for command in (status, show, held, resolve, approve, pause, resume):
        app.command()(command)


@contextmanager
def _sites(app: App, workshop: str) -> Iterator[list[Site]]:
    """The workshops as the state has them now, on copies: looking needs no lease and writes nothing."""
    with ExitStack() as stack:
        yield [stack.enter_context(app.looking(one)) for one in chosen(app, workshop)]


def status(context: typer.Context, workshop: Workshop = "") -> None:
    """Health, lag, queue, what waits, is noted or held, and the last success on each side.

    Example: repairy-sync status --json
    """
    asked: Asked = context.obj
    with asked.app() as app, _sites(app, workshop) as sites:
        found = [report.status(site) for site in sites]
        deaf = not app.settings.webhooks.public_url and not app.settings.webhooks.relay
        said = hearing.remarks(app, chosen(app, workshop))
        asked.say({"workshops": found, "webhooks": said}, *([] if asked.json else [*outlook.status(sites, deaf), *said]))
    if any(one["held"] for one in found):
        raise typer.Exit(HELD)


Ref = Annotated[str, typer.Argument(help="A reference, shop key, Repairy id or code, or the id of a hold.", metavar="REF")]


def show(context: typer.Context, ref: Ref, workshop: Workshop = "") -> None:
    """One booking: both sides, bases, its journal, why it waits.

    Example: repairy-sync show NS7K2-1042
    """
    asked: Asked = context.obj
    with asked.app() as app:
        link = known(app, ref, workshop or None)
        with _sites(app, link.workshop) as (site,):
            found = report.show(site, link)
    asked.say(found, *_story(found, link))


def _story(found: dict[str, Any], link: Link) -> list[Any]:
    made = table(f"{link.reference or link.repairy_id} ({link.state})", "field", "shop", "agreed", "Repairy", "agreed")
    views: list[Fields] = [fields or {} for fields in (link.shop, link.shop_base, link.repairy, link.repairy_base)]
    for name in sorted({name for view in views for name in view}):
        made.add_row(name, *(view.get(name) or "" for view in views))
    journal = table("journal", "entry", "when", "side", "did", "fields", "outcome", "why")
    for one in found["journal"]:
        journal.add_row(
            one["op"][:8],
            one["started_at"],
            one["side"],
            one["kind"],
            ", ".join(one["after"]),
            one["outcome"] or "open",
            one["error"],
        )
    return [made, *(line for kind in ("waiting", "noted", "held") for line in rows(kind, found[kind])), journal]


def held(context: typer.Context, workshop: Workshop = "") -> None:
    """The review queue: what a person must decide.

    Example: repairy-sync held
    """
    asked: Asked = context.obj
    with asked.app() as app, _sites(app, workshop) as sites:
        found = report.held(sites)
        asked.say(found, *([] if asked.json else outlook.held(sites, sys.stdout.isatty())))
    if found["held"] or found["plans"]:
        raise typer.Exit(HELD)


def resolve(
    context: typer.Context,
    ref: Ref,
    use: Annotated[
        str,
        typer.Option(
            help="shop | repairy: that side's values (missing row: shop cancels, repairy inserts again).", metavar="SIDE"
        ),
    ] = "",
    link: Annotated[str, typer.Option("--link", help="It is this one: a shop key, Repairy id or code.", metavar="ID")] = "",
    create: Annotated[bool, typer.Option("--create", help="It is new: make it on the other side.")] = False,
    skip: Annotated[bool, typer.Option("--skip", help="Accept the difference until the next edit.")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Try again what was refused.")] = False,
    restore: Annotated[str, typer.Option(help="Put back what this journal entry overwrote.", metavar="INTENT")] = "",
    workshop: Workshop = "",
) -> None:
    """Decide about one booking; the daemon carries it out at its next pass.

    Example: repairy-sync resolve NS7K2-1042 --use shop
    """
    asked: Asked = context.obj
    given: dict[str, Any] = {"use": use, "link": link, "create": create, "skip": skip, "retry": retry, "restore": restore}
    ways = [(word, value) for word, value in given.items() if value]
    if len(ways) != 1 or use not in ("", "shop", "repairy"):
        raise typer.BadParameter("say one of --use shop, --use repairy, --link ID, --create, --skip, --retry, --restore INTENT")
    with asked.app() as app:
        one = known(app, ref, workshop or None)
        (way, value), *_ = ways
        how = decisions.resolve(app.state, one, way, "" if value is True else value)
    asked.say(
        {"decided": how, "reference": one.reference},
        "decided; the next pass carries it out (repairy-sync sync, where no daemon runs)",
    )


def approve(
    context: typer.Context,
    digest: Annotated[str, typer.Argument(help="Of a held plan, as `held` shows it.", metavar="DIGEST")],
    use: Annotated[str, typer.Option(help="shop | repairy, where the shop was restored from a backup.", metavar="SIDE")] = "",
    workshop: Workshop = "",
) -> None:
    """Release a held plan: those of its actions that are still the same. Or accept a changed schema.

    Example: repairy-sync approve 3f9a0c2b71de
    """
    asked: Asked = context.obj
    with asked.app() as app:
        plans = decisions.approve(app.state, [each.name for each in chosen(app, workshop)], digest, use)
    asked.say(
        {"approved": digest, "count": plans[0].count},
        f"approved: {plans[0].count} ({plans[0].reason}); the next pass carries it out",
    )


def pause(
    context: typer.Context,
    visible: Annotated[bool, typer.Option("--visible", help="Only what may message a customer.")] = False,
    workshop: Workshop = "",
) -> None:
    """Stop pushing to both sides; reading goes on.

    Example: repairy-sync pause --visible
    """
    _pause(context.obj, "visible" if visible else "all", workshop)


def resume(context: typer.Context, workshop: Workshop = "") -> None:
    """Push again.

    Example: repairy-sync resume
    """
    _pause(context.obj, "", workshop)


def _pause(asked: Asked, value: decisions.Paused, workshop: str) -> None:
    with asked.app() as app:
        names = [one.name for one in chosen(app, workshop)]
        decisions.pause(app.state, names, value)
    said = {
        "all": "paused: nothing is pushed",
        "visible": "paused: nothing that may message a customer is pushed",
        "": "resumed",
    }[value]
    asked.say({"paused": value, "workshops": names}, f"{said} ({', '.join(names)})")
