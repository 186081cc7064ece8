"""Known-wrong variants of the program, each laid over the real code for one test: what the proof must catch.

RULE: nothing in `sync` is edited. Each function's docstring says what is wrong; the wrong code counts how often it ran,
for one that never ran proves nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sync.core import fold, pair, project, safety
from sync.core.booking import other
from sync.core.canonical import view
from sync.core.fold import take
from sync.core.guard import tripped
from sync.core.times import iso, parse
from sync.engine import Engine, acting, folding, gather, planning, settling
from sync.engine.site import Site
from sync.errors import NotSent, Unknown, WriteFailed
from sync.repairy import bodies, webhook, wire
from sync.shop.store import ShopStore
from sync.state.lease import RowLease
from sync.state.store import StateStore
from tests.simulation import world


class Bug:
    """Lays wrong code over real code until the patch is undone; `ran` counts what was really wrong."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.patch, self.ran = patch, 0

    def over(self, owner: Any, name: str, wrong: Callable[..., Any], when: Callable[..., Any] = lambda *_, **__: True) -> None:
        """`wrong` is called with the real one first, where `when` says so of the same arguments."""
        real = getattr(owner, name)

        def laid(*given: Any, **named: Any) -> Any:
            if not when(*given, **named):
                return real(*given, **named)
            self.ran += 1
            return wrong(real, *given, **named)

        self.patch.setattr(owner, name, laid)


# -- intents and outcomes


def intent_missing(bug: Bug) -> None:
    """The intent is written down with the outcome, when the write has already been made."""
    write, owed = StateStore.intend, dict[str, Any]()
    bug.over(StateStore, "intend", lambda real, store, intent: owed.update({intent.op: intent}))

    def finish(real: Any, store: StateStore, intent: Any, *rest: Any, **changes: Any) -> Any:
        write(store, owed.pop(intent.op))
        return real(store, intent, *rest, **changes)

    bug.over(StateStore, "finish", finish, when=lambda store, intent, *_, **__: intent.op in owed)


def in_flight_reset_at_start(bug: Bug) -> None:
    """A new process takes what was under way when the last one ended for not sent."""

    def start(real: Any, engine: Engine, site: Site) -> None:
        real(engine, site)
        state = site.state.store  # type: ignore[attr-defined]
        for intent in state.open_intents(site.name):
            state.finish(intent, "not_sent", "", state.link(intent.link_id), due_at=site.stamp())

    bug.over(Engine, "__init__", start, when=lambda engine, site: site.state.open_intents(site.name))


def bases_in_a_second_commit(bug: Bug) -> None:
    """The link and the outcome are committed first, and the bases after them."""

    class Apart:
        def __init__(self, state: Any) -> None:
            self.state = state

        def __getattr__(self, name: str) -> Any:
            return getattr(self.state, name)

        def finish(self, *given: Any, **changes: Any) -> Any:
            bases = {name: changes.pop(name) for name in ("shop_base", "repairy_base")}
            return self.state.save(self.state.finish(*given, **changes), **bases)

    def accept(real: Any, site: Site, *rest: Any) -> Any:
        apart = copy(site)
        apart.state = Apart(site.state)
        return real(apart, *rest)

    bug.over(acting, "accept", accept)
    bug.over(settling, "accept", accept)


def retried_blindly(bug: Bug) -> None:
    """A write whose answer was lost is sent again at once."""

    def failed(real: Any, site: Site, link: Any, action: Any, intent: Any, failure: Any) -> Any:
        try:
            row = acting._write(site, link, action)
        except WriteFailed as again:
            return real(site, link, action, intent, again)
        link, _ = folding.accept(site, link, action, intent, row)
        return link, "accepted"

    bug.over(acting, "_failed", failed, when=_unknown)


def no_quarantine(bug: Bug) -> None:
    """An unknown outcome is looked at in the very next pass, though the write may still be on its way."""

    def none(_: Site) -> timedelta:
        bug.ran += 1
        return timedelta()

    bug.patch.setattr(Site, "quarantine", property(none, lambda *_: None))


def unknown_taken_for_not_sent(bug: Bug) -> None:
    """A lost answer counts as a write that never left."""
    bug.over(acting, "_failed", lambda real, *rest: real(*rest[:-1], NotSent(str(rest[-1]))), when=_unknown)


def base_before_outcome(bug: Bug) -> None:
    """What was sent is taken for agreed before anybody knows that it arrived."""

    def failed(real: Any, site: Site, link: Any, action: Any, *rest: Any) -> Any:
        link, outcome = real(site, link, action, *rest)
        mine, theirs, names = action.side, other(action.side), set(action.fields)
        ahead = {mine: take(link.base(mine), action.fields, names), theirs: take(link.base(theirs), link.snapshot(theirs), names)}
        return site.state.save(link, shop_base=ahead["shop"], repairy_base=ahead["repairy"]), outcome

    bug.over(acting, "_failed", failed, when=lambda site, link, action, *rest: _unknown(*rest) and link.paired)


def _unknown(*given: Any) -> bool:
    return isinstance(given[-1], Unknown)


# -- what is read


def payload_applied(bug: Bug) -> None:
    """What a webhook carries is taken for the booking as it stands; it is not read again."""
    told, contract = dict[str, bytes](), world.contract()
    check = webhook.verify

    def verify(contract: Any, secrets: Any, method: str, path: str, headers: Any, body: bytes, now: Any) -> Any:
        event = check(contract, secrets, method, path, headers, body, now)
        told[event.booking_id] = body
        return event

    bug.patch.setattr("tests.simulation.world.verify", verify)

    def read(real: Any, site: Site, booking: str) -> Any:
        return bodies.sighting(contract, wire.get(json.loads(told.pop(booking)), contract.webhook.booking), booking)

    bug.over(gather, "_read", read, when=lambda site, booking: booking in told)


def event_dropped(bug: Bug) -> None:
    """An acknowledged event is done with even where the booking that it names could not be read."""
    real = gather.repairy

    def repairy(site: Site) -> bool:
        good = real(site)
        if not good and (left := [event.id for event in site.state.events(site.name)]):
            bug.ran += 1
            site.state.settle_event(left, site.name)
        return good

    bug.patch.setattr(gather, "repairy", repairy)


def cursor_ahead(bug: Bug) -> None:
    """How far the shop was read is committed before what was read."""

    def take_in(real: Any, site: Site, news: Any, source: Any) -> None:
        site.state.save_source(replace(source, cursor=news.reading.cursor))
        real(site, news, source)

    bug.over(gather, "_take_in", take_in, when=lambda site, news, source: news.reading.cursor)


def deleted_by_absence(bug: Bug) -> None:
    """A row that one reading lacks is gone, and what is gone in the shop is cancelled."""

    def compared(real: Any, site: Site, reading: Any) -> Any:
        return replace(real(site, reading), found={row.key: row for row in reading.rows})

    def missed(real: Any, site: Site, link: Any, side: str) -> Any:
        gone = {side: site.stamp(), f"{side}_gone": site.stamp()}
        return {"missing": gone, "choice": {**link.choice, "missing": "shop"}, "due_at": site.stamp()}

    bug.over(gather, "missed", missed, when=lambda site, link, side: side == "shop" and not link.missing)
    bug.over(gather, "_compared", compared, when=lambda site, reading: reading.whole)


def hour_that_comes_twice_ignored(bug: Bug) -> None:
    """A wall clock is expected to show the second of two equal hours as itself."""
    right = project._grain
    bug.over(project, "_grain", lambda real, value, onto: iso(parse(value)), when=lambda *given: right(*given) != given[0])


# -- what is written


def written_unread(bug: Bug) -> None:
    """A booking is not read again before it is written."""
    bug.over(acting, "_still_so", lambda real, site, link: link)


def shop_not_compared(bug: Bug) -> None:
    """The shop's row is written whatever it shows by now."""
    bug.over(ShopStore, "change", lambda real, shop, key, expected, *rest, **named: real(shop, key, {}, *rest, **named))


def echo(bug: Bug) -> None:
    """What the program wrote to a side is taken there for somebody's edit."""

    def bases(real: Any, link: Any, action: Any, *rest: Any) -> Any:
        changes, refused = real(link, action, *rest)
        return {**changes, f"{action.side}_base": link.base(action.side)}, refused

    bug.over(fold, "_bases", bases, when=lambda link, action, *_: action.kind == "change")


# -- what is allowed


def guard_lets_all_pass(bug: Bug) -> None:
    """However large a plan is, it goes."""
    bug.over(planning, "tripped", lambda real, *_: [], when=tripped)


def once_for_ever_forgotten(bug: Bug) -> None:
    """A link does not remember which messages it caused."""
    bug.over(fold, "_messages", lambda real, *_: frozenset(), when=lambda action, shown: action.visible)


def freshness_ignored(bug: Bug) -> None:
    """A message goes out however old its cause is."""
    bug.over(safety, "_too_old", lambda real, *_: "", when=safety._too_old)


def permission_ignored(bug: Bug) -> None:
    """What messages a customer goes out also where the owner did not allow it."""
    right = safety._gate
    bug.over(safety, "_gate", lambda real, *_: ("go", "", None), when=lambda *given: right(*given)[0] == "note")


def paired_by_name_alone(bug: Bug) -> None:
    """One name on both sides makes one booking."""

    def likely(real: Any, rows: Any, bookings: Any, doubts: Any) -> Any:
        named = {view(row.link.shop)["name"]: row.link for row in rows}
        return [(named[name], one.link) for one in bookings if (name := view(one.link.repairy)["name"]) in named]

    bug.over(pair, "_likely", likely, when=lambda rows, bookings, doubts: rows and bookings)


def no_fencing(bug: Bug) -> None:
    """A commit does not ask whether the lease is still this process's."""
    bug.over(RowLease, "verify", lambda real, *_: None)


VARIANTS: Mapping[str, Callable[[Bug], None]] = {
    one.__name__: one
    for one in (
        intent_missing, in_flight_reset_at_start, bases_in_a_second_commit, retried_blindly, no_quarantine,
        unknown_taken_for_not_sent, base_before_outcome, payload_applied, event_dropped, cursor_ahead, deleted_by_absence,
        hour_that_comes_twice_ignored, written_unread, shop_not_compared, echo, guard_lets_all_pass, once_for_ever_forgotten,
        freshness_ignored, permission_ignored, paired_by_name_alone, no_fencing,
    )
}  # fmt: skip
