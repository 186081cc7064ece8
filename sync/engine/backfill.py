"""Backfill: the same pass over a wider window, for what was there before. Silent, resumable, never visible.

What is known at Repairy is read and paired before anything is created. Each step is a state of the links, so a
backfill that was killed goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from sync.core.booking import Link
from sync.core.canonical import view
from sync.core.status import OPEN
from sync.core.times import day_of, start_of
from sync.engine import Engine, gather, suspicion
from sync.engine.acting import Done, act
from sync.engine.deciding import take_up
from sync.engine.pairing import pair_halves
from sync.engine.planning import Plan, plan
from sync.engine.settling import settle
from sync.engine.site import Site
from sync.errors import ConfigError, NotFound, Unreachable, WrongPair
from sync.ports import Window

_STOPPED = "nothing is written until a person decided: `repairy-sync held` says about what"
BATCH = 40  # bookings between two words of progress


@dataclass(frozen=True)
class Span:
    """Which days, in the workshop's calendar: [since, until]; None: as far as the window goes."""

    since: date
    until: date | None = None


@dataclass(frozen=True)
class Filled:
    """What a backfill did."""

    done: Sequence[Done]
    paired: int
    plan: Plan


def backfill(
    engine: Engine, span: Span, known: Sequence[str] = (), create: bool = False, say: Callable[[int, int], None] | None = None
) -> Filled:
    """Pair and push what was there before. `known`: Repairy ids from elsewhere. `create`: nothing else is at Repairy.

    Raises Unreachable; ConfigError where a create's silence is only assumed."""
    site = engine.site
    engine.open()
    take_up(site)
    if not engine.check_shop():
        raise WrongPair(_STOPPED)
    _gather(site, span, known)
    if suspicion.stopped(site):
        raise WrongPair(_STOPPED)
    engine.set_baseline()
    paired = pair_halves(site)
    settle(site)
    if not create:
        return Filled((), paired, Plan())
    silent(site)
    wanted = _wanted(site, span, set(known))
    site.state.save_all(
        [(link, {"state": "open", "choice": {**link.choice, "create": "backfill"}, "due_at": site.stamp()}) for link in wanted]
    )
    done, todo = _push(site, len(wanted), say or (lambda *_: None))
    return Filled(done, paired, todo)


def _gather(site: Site, span: Span, known: Sequence[str]) -> None:
    until = start_of(span.until + timedelta(days=1), site.rules.zone) if span.until else site.now() + site.future
    window = Window(start_of(span.since, site.rules.zone), until)
    if site.rules.baseline_at is None:  # this reading is the baseline too: a row beyond the span is not new to the next pass
        window = Window(min(window.since, site.window.since), max(window.until, site.window.until))
    if not gather.shop(site, window):
        raise Unreachable(site.state.source(site.name, "shop").last_error)
    missing = set(known) - site.state.by_repairy_ids(site.name, known).keys()
    for booking in sorted(missing):
        try:
            gather.take_new(site, site.repairy.read(booking), None)
        except NotFound:
            site.log.warning("not at Repairy", workshop=site.name, repairy_id=booking)
    if not gather.repairy(site):
        raise Unreachable(site.state.source(site.name, "repairy").last_error)


def silent(site: Site) -> None:
    """A silence that is only assumed is not enough for many bookings at once."""
    able = site.repairy.ability
    if site.observing or (able.silence_confirmed and not able.visible_create):
        return
    raise ConfigError(
        "the wire contract only assumes that `silence.create` keeps a create silent, so customers might be messaged; "
        'ask Repairy Support, then add confirmed = ["silence.create"] to your contract (repairy.contract)'
    )


def _wanted(site: Site, span: Span, known: set[str]) -> list[Link]:
    """Open halves in the span: shop rows, and known bookings that paired with no row."""
    return [
        half
        for half in site.state.halves(site.name)
        if not half.choice.keys() & {"identity", "doubt"} and _meant(site, half, span, known)
    ]


def _meant(site: Site, half: Link, span: Span, known: set[str]) -> bool:
    fields = view((half.shop if half.shop_key is not None else half.repairy) or {})
    start = fields.get("starts_at")
    if start is None or fields.get("status") not in OPEN or (half.shop_key is None and half.repairy_id not in known):
        return False
    day = day_of(start, site.rules.zone)
    return span.since <= day and (span.until is None or day <= span.until)


def _push(site: Site, wanted: int, say: Callable[[int, int], None]) -> tuple[list[Done], Plan]:
    """Pass after pass until nothing moves; in batches, so that progress is seen."""
    done: list[Done] = []
    todo = Plan()
    while True:
        todo = plan(site, bulk=True)
        fresh: list[Done] = []
        for at in range(0, len(todo.work), BATCH):
            fresh += act(site, replace(todo, work=todo.work[at : at + BATCH]))
            made = sum(one.action.kind == "create" and one.outcome == "accepted" for one in (*done, *fresh))
            say(made, wanted)
        done += fresh
        if site.observing or site.stopping() or not any(one.outcome == "accepted" for one in fresh):
            return done, todo


def day(text: str | None, now: datetime, site: Site) -> date:
    """A DAY option, or today in the workshop's calendar. Raises ValueError."""
    return date.fromisoformat(text) if text else now.astimezone(site.rules.zone).date()
