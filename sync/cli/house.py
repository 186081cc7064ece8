"""Commands about the installation: check, migrate, demo, sandbox."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from sync import logs, made_up
from sync.check import Finding, booking, error, warning
from sync.check import check as checked
from sync.cli.common import Asked, Workshop, chosen, table
from sync.errors import ConfigError, SyncError
from sync.probe import hooks, steps
from sync.settings import Workshop as Named
from sync.state import migrate as migrations
from sync.watch import Addresses
from sync.web import hearing
from sync.wiring import App


def add(app: typer.Typer) -> None:
    for command in (check, migrate, demo, sandbox):
        app.command()(command)


def check(
    context: typer.Context,
    offline: Annotated[bool, typer.Option("--offline", help="Only what lies on this machine.")] = False,
    test_booking: Annotated[bool, typer.Option("--test-booking", help="Put a made-up booking into the shop.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="With --test-booking: take it out again.")] = False,
    webhook: Annotated[bool, typer.Option("--webhook", help="Send a probe event through webhooks.public_url.")] = False,
    workshop: Workshop = "",
) -> None:
    """Configuration, profile, contract, both connections, state; says what to do about each finding.

    Example: repairy-sync check --offline
    """
    asked: Asked = context.obj
    if remove and not test_booking:
        raise typer.BadParameter("--remove goes with --test-booking")
    with asked.app() as app:
        findings = looked(app, list(chosen(app, workshop)), offline=offline)
        findings += hooks.check(app) if webhook else []
        if test_booking and not offline:
            findings += [
                found for one in chosen(app, workshop) for found in (booking.remove if remove else booking.insert)(app, one)
            ]
        else:
            findings += [found for one in chosen(app, workshop) for found in booking.left(app, one)]
    shown(asked, findings)


def looked(app: App, workshops: list[Named], *, offline: bool) -> list[Finding]:
    """What `check` finds, with what only the alerts' own library can tell."""
    return [*checked(app, workshops, offline=offline), *_alerts(app), *_made_up(app, workshops), *_heard(app, workshops)]


def _heard(app: App, workshops: list[Named]) -> Iterator[Finding]:
    yield from (warning("webhooks", said) for said in hearing.remarks(app, workshops))


def _made_up(app: App, workshops: list[Named]) -> Iterator[Finding]:
    """Bookings of ours, to try Repairy with, that a crash or a refusal left open there."""
    how = "`repairy-sync contract --probe` with your phone cancels it, or do it there by hand"
    with suppress(SyncError, ValueError):  # a state that cannot be read is found by `checked`
        for one in workshops:
            for link in made_up.left(app, one):
                yield warning(one.name, f"the made-up booking {steps.name(link)} may still be open at Repairy: {how}")


def _alerts(app: App) -> Iterator[Finding]:
    try:
        Addresses(app.settings.alerts.notify)
    except ConfigError as found:
        yield from (error("alerts", f"{problem}; https://appriseit.com lists the forms") for problem in found.problems)


def shown(asked: Asked, findings: Sequence[Finding]) -> None:
    """Exit code 75 where a side could not be reached, 1 where something else would stop `run`."""
    made = table("", "", "about", "finding")
    for one in findings:
        made.add_row({"good": "ok", "warning": "!", "error": "STOP"}[one.level], one.about, one.says)
    asked.say({"findings": [{"level": one.level, "about": one.about, "says": one.says} for one in findings]}, made)
    if any(one.silent for one in findings):
        raise typer.Exit(75)
    if any(one.level == "error" for one in findings):
        raise typer.Exit(1)


def migrate(context: typer.Context) -> None:
    """Bring the state database up to date, after a backup. Done at start too.

    Example: repairy-sync migrate
    """
    asked: Asked = context.obj
    with asked.app() as app:
        steps = app.migrate()
        revision = migrations.current(app.state_url)
    asked.say({"steps": steps, "revision": revision}, *(steps or [f"nothing to do: the state is at {revision}"]))


def demo(
    context: typer.Context,
    serve: Annotated[bool, typer.Option("--serve", help="Keep it running, with the addresses printed.")] = False,
) -> None:
    """The whole thing on embedded defaults: plays a workshop's morning and verifies that both sides agree.

    Example: repairy-sync demo --serve
    """
    from sync.demo import run_demo

    raise typer.Exit(run_demo(serve, _say))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def sandbox(
    context: typer.Context,
    contract_file: Annotated[str, typer.Option("--contract", help="A wire contract of your own.", metavar="FILE")] = "",
    host: str = "127.0.0.1",
    port: int = 8790,
    webhook_url: Annotated[str, typer.Option(help="Where its webhooks go.", metavar="URL")] = "",
) -> None:
    """The Partner API stand-in alone, with a page to book as a customer and fault switches.

    Example: repairy-sync sandbox --webhook-url http://127.0.0.1:8781/webhooks/repairy
    """
    from sync.sandbox.server import serve

    logs.configure(context.obj.verbose)
    serve(Path(contract_file) if contract_file else None, host, port, webhook_url)
