"""One workshop as the engine sees it: its two sides, its state, its rules. Shared by the steps of a pass."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from itertools import chain, count
from typing import Any, Protocol

from sync.core.action import Rules, Stand
from sync.core.booking import Ability, Link, Side
from sync.core.guard import Limits
from sync.core.retry import Backoff
from sync.core.times import parse, stamp
from sync.engine.breaker import Breaker, Guarded
from sync.ports import Clock, Fan, Log, Names, Repairy, Shop, State, Window
from sync.records import Desk, Standing


class Journal(Protocol):
    """The mapping journal beside the state: append-only, no personal data."""

    def append(self, **facts: object) -> None: ...


def _never() -> bool:
    return False


@dataclass
class Site:
    """Everything that a pass works with."""

    name: str
    id: str  # Repairy's workshop id
    prefix: str
    rules: Rules
    shop: Shop
    repairy: Repairy
    state: State
    clock: Clock
    fan: Fan
    log: Log
    journal: Journal
    limits: Limits = field(default_factory=Limits)
    quarantine: timedelta = timedelta(minutes=10)
    poll: timedelta = timedelta(seconds=60)
    polls: int = 200  # bookings read again in one pass, at most
    sweep: time = time(2, 30)
    past: timedelta = timedelta(days=30)
    future: timedelta = timedelta(days=365)
    visible_per_hour: int = 30
    retention: timedelta = timedelta(days=400)
    profile_digest: str = ""
    luck: Callable[[], float] = random.random
    stopping: Callable[[], bool] = _never  # asked between two writes
    backoff: Backoff = field(default_factory=Backoff)
    breaker: Breaker = field(init=False)
    _desk: Desk | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.breaker = Breaker(self.clock, self.poll / 2)
        self.repairy = Guarded(self.repairy, self.breaker)

    def now(self) -> datetime:
        return self.clock.now()

    def stamp(self, later: timedelta = timedelta()) -> str:
        return stamp(self.now() + later)

    @property
    def desk(self) -> Desk:
        """As read at the beginning of the pass; nobody else writes it."""
        if self._desk is None:
            self._desk = self.state.desk(self.name)
        return self._desk

    def keep(self, **changes: object) -> None:
        """The desk, with these columns changed."""
        desk = replace(self.desk, **changes)  # type: ignore[arg-type]
        self.state.save_desk(desk)
        self._desk = desk

    def begin(self) -> None:
        """A pass begins: what was read before counts no more."""
        self._desk = None

    def stopped(self, visible: Collection[str]) -> bool:
        """Whether the owner's switch is against a write that may message so; an order counts before it is taken up."""
        orders = [one.value for one in self.state.decisions(self.name) if one.kind == "pause"]
        paused = orders[-1] if orders else self.desk.paused
        return paused == "all" or (paused == "visible" and bool(visible))

    @property
    def window(self) -> Window:
        return Window(self.now() - self.past, self.now() + self.future)

    @property
    def observing(self) -> bool:
        return self.rules.mode == "observe"

    def standing(self, link_id: int | None, stand: Stand) -> Standing:
        until = parse(stand.until) if stand.until else None
        return Standing("", self.name, link_id, stand.kind, stand.scope, stand.reason, self.now(), until=until)

    def able(self, side: Side) -> Ability:
        return self.shop.ability if side == "shop" else self.repairy.ability


def free_references(site: Site, keys: Sequence[str]) -> list[str]:
    """One for a booking under each of these keys: the prefix and the key; for a later one of a key `~2`, `~3` …"""
    plain = [f"{site.prefix}{key.strip()}" for key in keys]
    taken, free = set(site.state.by_references(site.name, plain)), list[str]()
    for name in plain:
        later = (way for number in count(2) if not site.state.by_references(site.name, [way := f"{name}~{number}"]))
        free.append(next(way for way in chain([name], later) if way not in taken))
        taken.add(free[-1])
    return free


def free_reference(site: Site, key: str) -> str:
    """The same for one."""
    return free_references(site, [key])[0]


LOST = " (used again)"  # ends the key of a deleted row whose key the shop gave to another


def row_lost(site: Site, link: Link, lost: str) -> dict[str, Any]:
    """What changes in a booking whose row is gone, and its key `lost`: what it showed at last may be the other's already."""
    gone = {"missing": {"shop": site.stamp(), "shop_gone": site.stamp()}, "due_at": site.stamp()}
    shown = {"shop_key": lost, "shop_digest": None, "shop": link.shop_base or link.shop, "shop_ref": None}
    return shown | (gone if link.state == "open" else {})


def names(link: Link) -> Names:
    """How a booking is called on both sides."""
    return Names(link.reference, link.repairy_id, link.repairy_code)
