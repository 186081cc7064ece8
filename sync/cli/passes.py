"""Commands that make passes: plan, sync, run, backfill."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from sync import report
from sync.cli.common import HELD, Asked, Workshop, chosen, progress, rows, table
from sync.engine import Result
from sync.engine.backfill import Span, backfill
from sync.errors import ConfigError, SyncError
from sync.wiring import App, Bridge

PASSES = 100  # of one `sync`, at most


def add(app: typer.Typer) -> None:
    for command in (plan, sync, run, fill):
        app.command("backfill" if command is fill else command.__name__)(command)


def plan(context: typer.Context, workshop: Workshop = "") -> None:
    """What a pass would do and why. Writes nothing at all.

    Example: repairy-sync plan
    """
    asked: Asked = context.obj
    found, reached = [], True
    with asked.app() as app:
        for one in chosen(app, workshop):
            with app.rehearsal(one) as bridge:
                result = bridge.engine.run()
                reached &= all(result.reached.values())
                found.append(report.run(bridge.engine.site, result.done, result.plan))
    finish(asked, found, reached)


def sync(context: typer.Context, workshop: Workshop = "") -> None:
    """Passes until nothing is due now, then exits. Never waits for a clock.

    Example: repairy-sync sync --workshop Northside
    """
    asked: Asked = context.obj
    with asked.app() as app:
        app.migrate()
        with app.bridges(chosen(app, workshop), "sync") as bridges:
            results = [(bridge, _passes(bridge)) for bridge in bridges]
            found = [_summed(bridge, many) for bridge, many in results]
            reached = all(all(many[-1].reached.values()) for _, many in results)
    finish(asked, found, reached)


def _passes(bridge: Bridge) -> list[Result]:
    results = [bridge.engine.run()]
    while results[-1].moved and len(results) < PASSES:
        results.append(bridge.engine.run())
    return results


def _summed(bridge: Bridge, results: list[Result]) -> dict[str, Any]:
    done = [one for result in results for one in result.done]
    return report.run(bridge.engine.site, done, results[-1].plan)


def run(context: typer.Context, workshop: Workshop = "") -> None:
    """The daemon: keeps both sides in step until it is told to end.

    Example: repairy-sync --config /etc/repairy-sync/repairy-sync.toml run
    """
    from sync.service import serve

    asked: Asked = context.obj
    with asked.app() as app:
        code = serve(app, chosen(app, workshop))
    raise typer.Exit(code)


def fill(
    context: typer.Context,
    since: Annotated[str, typer.Option(help="First day, YYYY-MM-DD; default: today.", metavar="DAY")] = "",
    until: Annotated[str, typer.Option(help="Last day.", metavar="DAY")] = "",
    past: Annotated[bool, typer.Option("--past", help="Allow days before today: open bookings only.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done; writes nothing.")] = False,
    known: Annotated[
        str, typer.Option(help="CSV with a column repairy_id: bookings known to be at Repairy.", metavar="FILE")
    ] = "",
    nothing: Annotated[
        bool, typer.Option("--nothing-at-repairy", help="You know that Repairy has no bookings of this workshop yet.")
    ] = False,
    workshop: Workshop = "",
) -> None:
    """Link and push what was there before: open bookings from today on. Silent, and may be repeated or resumed.

    Example: repairy-sync backfill --nothing-at-repairy
    """
    asked: Asked = context.obj
    ids = _known(known) if known else []
    with asked.app() as app:
        create = bool(ids) or nothing or dry_run or app.settings.mode == "observe"
        workshops = chosen(app, workshop)
        if dry_run:
            found = []
            for one in workshops:
                with app.rehearsal(one) as bridge:
                    found.append(_filled(asked, app, bridge, _span(bridge, since, until, past), ids, create))
        else:
            app.migrate()
            with app.bridges(workshops, "backfill") as bridges:
                found = [_filled(asked, app, bridge, _span(bridge, since, until, past), ids, create) for bridge in bridges]
    if not create:
        raise SyncError(
            "paired what is known; nothing was created, because bookings may be at Repairy that this program cannot list: "
            "name them with --known FILE, or say --nothing-at-repairy"
        )
    finish(asked, found, True)


def _span(bridge: Bridge, since: str, until: str, past: bool) -> Span:
    site = bridge.engine.site
    today = site.now().astimezone(site.rules.zone).date()
    try:
        first, last = date.fromisoformat(since) if since else today, date.fromisoformat(until) if until else None
    except ValueError:
        raise typer.BadParameter("a DAY is written YYYY-MM-DD, such as 2026-03-05") from None
    if first < today and not past:
        raise typer.BadParameter(f"--since {first} lies before today: add --past if that is meant")
    return Span(first, last)


def _known(file: str) -> list[str]:
    try:
        with Path(file).open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines)
            if "repairy_id" not in (reader.fieldnames or ()):
                raise ConfigError(f"{file}: needs a first line that names a column repairy_id")
            return [row["repairy_id"].strip() for row in reader if row["repairy_id"].strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: {error}") from None


def _filled(asked: Asked, app: App, bridge: Bridge, span: Span, ids: list[str], create: bool) -> dict[str, Any]:
    with progress(asked, app, "backfill", bridge.name) as say:
        filled = backfill(bridge.engine, span, ids, create, say)
    return report.run(bridge.engine.site, filled.done, filled.plan)


def finish(asked: Asked, found: list[dict[str, Any]], reached: bool) -> None:
    asked.say({"workshops": found}, *(line for one in found for line in _lines(one)))
    if not reached:
        raise typer.Exit(75)
    if any(one["held"] for one in found):
        raise typer.Exit(HELD)


def _lines(found: dict[str, Any]) -> list[str | Table]:
    """A workshop's actions and what stands, for people."""
    made = table(
        f"{found['name']}: {len(found['actions'])} actions, digest {found['digest']}",
        "reference",
        "side",
        "does",
        "fields",
        "why",
        "outcome",
    )
    for one in found["actions"]:
        name = one["reference"] or one["repairy_id"] or ""
        made.add_row(name, one["side"], one["kind"], ", ".join(one["fields"]), one["reason"], one["outcome"] or "")
    lines: list[str | Table] = [made] if found["actions"] else [f"{found['name']}: nothing to do"]
    for kind in ("waiting", "noted", "held"):
        lines += rows(kind, found[kind])
    return lines
