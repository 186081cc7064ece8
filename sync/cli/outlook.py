"""How `status` and `held` look on a terminal: what is wrong first, in the status page's own words. It decides nothing.

RULE: what a pipe or a file gets holds nothing of a customer; on a terminal somebody looks, who may know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import cast

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from sync.cli.common import table
from sync.engine.site import Site
from sync.records import Standing
from sync.state.glance import Glance
from sync.state.store import StateStore
from sync.web import board, review, wording

TONES: Mapping[str, str] = {"good": "bold green", "busy": "bold blue", "attention": "bold yellow", "trouble": "bold red"}
PLAIN = frozenset(wording.FIELDS[name] for name in ("starts_at", "ends_at", "status", "service_category"))
OPTIONS: Mapping[str, str] = {"use": "--use {}", "link": "--link {}", "create": "--create", "skip": "--skip", "retry": "--retry"}


def _glance(site: Site) -> Glance:
    return Glance(cast(StateStore, site.state).database, site.clock)


def _said(saying: board.Saying) -> Text:
    return Text(saying.text, TONES[saying.tone])


# -- status


def status(sites: Sequence[Site], deaf: bool) -> Iterator[RenderableType]:
    """The sentence, each workshop's two sides, how much waits for what, and what to do."""
    found = [board.workshop_now(site, _glance(site)) for site in sites]
    now = sites[0].now()
    yield _said(board.saying(found, now))
    if deaf:
        yield Text(board.DEAF, TONES["attention"])
    yield ""
    yield _sides(found, now)
    yield ""
    yield _counts(sites, found)
    if any(one.held for one in found):
        yield "\nrepairy-sync held shows what waits for you."
    if any(one.paused for one in found):
        yield "\nrepairy-sync resume lets it push again."


def _sides(found: Sequence[board.WorkshopNow], now: datetime) -> Table:
    made = table("", "workshop", "side", "last read", "last write", "lag", "queue")
    for one in found:
        for side in one.sides:
            facts = (wording.ago(side.read, now), wording.ago(side.written, now), wording.lasting(side.lag), side.queue)
            made.add_row(one.name, wording.SIDES[side.side], *facts, style="red" if side.error else "")
    return made


def _counts(sites: Sequence[Site], found: Sequence[board.WorkshopNow]) -> Table:
    made = table("", "workshop", "mode", "bookings", "to decide", "in hand", "waiting", "noted", "paused")
    for site, one in zip(sites, found, strict=True):
        links = sum(site.state.count(site.name).values())
        held = Text(f"{one.held:,}", TONES["attention"] if one.held else "")
        paused = {"": "no", "all": "yes", "visible": "customer messages"}[one.paused]
        made.add_row(one.name, one.mode, f"{links:,}", held, *(f"{n:,}" for n in (one.due.count, one.waiting, one.noted)), paused)
    return made


# -- held


def held(sites: Sequence[Site], person: bool) -> Iterator[RenderableType]:
    """Workshop by workshop: the held plans, then each booking with what differs and the commands that decide.

    `person`: somebody looks, and is shown whose booking it is."""
    for site in sites:
        queue = review.queue(site, _glance(site))
        if not queue.plans and not queue.cases:
            yield Text(f"{site.name}: nothing is held.", TONES["good"])
            continue
        many = wording.count(len(queue.plans) + len(queue.cases) + queue.more, "thing")
        yield Text(f"{site.name}: {many} for you to decide.", TONES["attention"])
        for plan in queue.plans:
            yield from _plan(plan, site.now())
        for case in queue.cases:
            yield from _case(case, site.now(), person)
        if queue.more:
            yield f"\nAnd {queue.more:,} more, when these are decided."


def _plan(plan: Standing, now: datetime) -> Iterator[RenderableType]:
    many = f"{wording.count(plan.count, 'change')}, held since {wording.ago(plan.since, now)}"
    yield Text.assemble("\n", (wording.sentence(plan.reason), "bold"), f" ({many})")
    uses = (" --use shop", " --use repairy") if plan.scope == "restored" else ("",)
    for use in uses:
        yield f"  repairy-sync approve {plan.digest}{use}"


def _case(case: review.Case, now: datetime, person: bool) -> Iterator[RenderableType]:
    link = case.link
    yield Text.assemble(
        "\n", (link.reference or link.repairy_code or link.repairy_id or "", "bold"), f"  {case.about}" if person else ""
    )
    for stand in case.stands:
        yield f"{wording.sentence(stand.reason)} ({wording.ago(stand.since, now)}; {stand.id})"
    if differing := [line for line in case.lines if line.differs]:
        yield _compared(differing, person)
    if case.decided:
        yield f"  You decided: {case.decided}. The next pass carries it out."
        return
    for way in case.ways:
        option, label = OPTIONS[way.way].format(way.value), way.label if person or way.way != "link" else "Link to that one"
        tells = " (may message the customer)" if case.tells and (way.way, way.value) == ("use", "shop") else ""
        yield f"  repairy-sync resolve {case.stands[0].id} {option:<15} {label}{tells}"


def _compared(lines: Sequence[review.Line], person: bool) -> Table:
    made = table("", "", "shop", "agreed before", "Repairy")
    for line in lines:
        if not person and line.label not in PLAIN:
            made.add_row(line.label, *3 * ["(see show)"])
            continue
        shop, repairy = (
            Text(said or "empty", "bold" if side in line.moved else "")
            for side, said in (("shop", line.shop), ("repairy", line.repairy))
        )
        made.add_row(line.label, shop, line.agreed, repairy)
    return made
