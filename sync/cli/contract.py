"""The command about the wire contract: contract, which lists what is only assumed, or finds it out with --probe."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from sync.cli.common import Asked, Workshop, chosen, table
from sync.core import canonical
from sync.errors import ConfigError
from sync.probe import facts, file, steps
from sync.probe.facts import QUESTIONS, Answers
from sync.repairy import contract as wire
from sync.settings import Workshop as Configured
from sync.wiring import App

WORDS: Mapping[str, bool | None] = {"y": True, "yes": True, "n": False, "no": False, "?": None}


def add(app: typer.Typer) -> None:
    app.command()(contract)


def contract(
    context: typer.Context,
    probe: Annotated[str, typer.Option(help="Try it with made-up bookings and this phone, your own.", metavar="PHONE")] = "",
    answers: Annotated[
        str, typer.Option(help="With --probe, instead of asking: TOML, step = true where a message came.", metavar="FILE")
    ] = "",
    workshop: Workshop = "",
) -> None:
    """What is assumed about the Partner API and not yet confirmed, each with its line in the wire contract.

    With --probe: books, moves, completes and cancels made-up bookings at Repairy with your own phone, asks after each step
    whether a message came, and writes what was learnt into your contract. Neither booking ever reaches the shop.

    Example: repairy-sync contract --probe "0400 000 001"
    """
    asked: Asked = context.obj
    if probe:
        _probe(asked, _phone(probe), answers, workshop)
        return
    found = wire.load(asked.load(need_secrets=False).repairy.contract).unconfirmed()
    made = table(
        f"{len(found)} facts are assumed; ask Repairy Support, then correct or confirm them in your contract", "line", "assumed"
    )
    for key, value in found:
        made.add_row(key, str(value))
    asked.say({"assumed": [{"key": key, "value": value} for key, value in found]}, made)


def _phone(given: str) -> str:
    """In national form. A message that goes to nobody would pass for silence, so it must be one that messages reach."""
    found = canonical.phone(given)
    if not (len(found) == 10 and found.startswith("04")):
        raise typer.BadParameter(f"{given!r} is no Australian mobile number, such as 0400 000 001", param_hint="--probe")
    return found


def _probe(asked: Asked, phone: str, answers: str, name: str) -> None:
    known = _answers(Path(answers)) if answers else None
    if known is None and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise typer.BadParameter("asks after each step, so it needs a terminal; or give --answers FILE", param_hint="--probe")
    with asked.app() as app:
        workshop = _one(app, name)
        if known is None:
            _agreed(workshop, phone)
        app.migrate()
        life = steps.run(app, workshop, phone, known.get if known is not None else _asked)
        found = facts.learnt(app.contract, life.answers, life.seen)
        target = app.settings.repairy.contract or app.settings.file.with_name(file.NEW)
        if found.confirmed or found.changes:
            why = f"contract --probe, {app.clock.now():%Y-%m-%d}. " + ("; ".join(life.seen.told) or "Found out, not assumed")
            file.save(target, found.confirmed, found.changes, f"{why}.")
        fresh = app.settings.repairy.contract is None
    _say(asked, life, found, target, fresh)


def _one(app: App, name: str) -> Configured:
    """Raises ConfigError where more than one could be meant."""
    found = chosen(app, name)
    if len(found) > 1:
        names = ", ".join(one.name for one in found)
        raise ConfigError(f"contract --probe: tries one workshop: add --workshop with one of {names}")
    return found[0]


def _answers(given: Path) -> Answers:
    """Raises ConfigError naming what is wrong."""
    try:
        found = tomllib.loads(given.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{given}: cannot be read as TOML: {error}") from None
    wrong = [key for key, value in found.items() if key not in QUESTIONS or not isinstance(value, bool)]
    if wrong:
        allowed = ", ".join(QUESTIONS)
        raise ConfigError(*(f"{given}: {key}: allowed are true or false for {allowed}" for key in wrong))
    return found


def _agreed(workshop: Configured, phone: str) -> None:
    """Nothing is sent before this."""
    what = f"Two made-up bookings will be made at Repairy for {workshop.name}, with the phone {phone}, and up to nine messages"
    typer.confirm(f"{what} may come to it. They are cancelled at the end. Go on?", abort=True, err=True)


def _asked(step: str) -> bool | None:
    """Until it is answered."""
    typer.echo(f"\n{QUESTIONS[step]}.", err=True)
    while True:
        said = typer.prompt("Did a message come within a minute? yes, no, or ? for not sure", err=True).strip().lower()
        if said in WORDS:
            return WORDS[said]


def _say(asked: Asked, life: steps.Life, found: facts.Learnt, target: Path, fresh: bool) -> None:
    made = table("", "line", "is")
    keys = list(dict.fromkeys([*found.confirmed, *found.changes]))
    for key in keys:
        made.add_row(key, f"not as assumed: {found.changes[key]}" if key in found.changes else "confirmed")
    lines: list[str | Table] = [made] if keys else ["nothing new is confirmed"]
    lines += [*(f"differs: {one}" for one in life.seen.differs), *found.doubts, *life.seen.told]
    if keys:
        told = f': set repairy.contract = "{target.name}" to have it used' if fresh else ""
        lines.append(f"written to {target}{told}")
    lines += [f"done, and cannot be cancelled: remove it at Repairy by hand: {steps.name(one)}" for one in life.by_hand]
    asked.say(_result(life, found, target), *lines)


def _result(life: steps.Life, found: facts.Learnt, target: Path) -> dict[str, Any]:
    left = {one.id for one in life.by_hand}
    bookings = [
        {"reference": one.reference, "repairy_id": one.repairy_id, "code": one.repairy_code, "removed": one.id not in left}
        for one in life.made
    ]
    written = str(target) if found.confirmed or found.changes else None
    return {
        "bookings": bookings, "confirmed": found.confirmed, "changed": found.changes, "differs": life.seen.differs,
        "doubts": found.doubts, "seen": life.seen.told, "file": written,
    }  # fmt: skip
