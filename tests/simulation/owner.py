"""The owner, who looks at the review queue of a history and clicks: on any button that is there, at once, twice, or once more
when it is long over.

RULE: he sees what the status page shows, and nothing else. Chance of his own: a seed's story is otherwise the same.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from random import Random

from sync import decisions
from sync.core.booking import Link
from sync.errors import SyncError
from sync.state.glance import Glance
from sync.web import review
from sync.web.review import Way
from tests.simulation.people import Case
from tests.simulation.story import QUIET, History
from tests.simulation.world import NAME

# Points of a pass at which he clicks again: between two transactions of the state, which in memory has one connection.
MOMENTS = (
    ("state.take:after", 1), ("state.save:after", 2), ("state.stand_all:after", 1), ("state.intend:after", 1),
    ("shop.change:after", 1), ("shop.create:after", 1), ("api.read:after", 2), ("api.create:after", 1), ("api.update:after", 1),
    ("state.finish:after", 1), ("state.record_run:after", 1),
)  # fmt: skip

Seen = tuple[int, tuple[str, ...]]  # which booking a page showed, and what stood for it

ASKED = {"status": "hold", "time": "hold", "service": "hold"}  # nothing wins by itself


class OwnersHistory(History):
    """A history in which somebody decides."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.world.setting = replace(self.world.setting, policy={**self.world.setting.policy, **ASKED})
        self.world.boot()
        self.mood = Random(f"owner {seed}")
        self.late: list[tuple[Seen, Way]] = []  # what he clicked, and will click again

    def _step(self, must: str) -> None:
        super()._step(must)
        self.looks()

    def end(self) -> None:
        self.calm()
        for at, seconds in enumerate(QUIET):
            self.world.deliver()
            if at < len(QUIET) // 2:
                self.looks()
            self.world.turn()
            self.world.later(seconds)

    def looks(self) -> None:
        """At the queue, with a mind of his own."""
        store = self.world.state.store
        queue = review.queue(replace(self.world.site, state=store), Glance(store.database, self.world.clock))
        for one in [one for one in self.late if self.mood.random() < 0.4]:
            self.late.remove(one)
            self._again(*one)
        for plan in queue.plans:
            if plan.digest not in queue.approved and self.mood.random() < 0.5:
                self.world.machine.struck("owner_approves", reason=plan.reason)
                decisions.approve(store, [NAME], plan.digest)
                self.people.approved = True
        for case in queue.cases:
            if case.ways and not case.decided and self.mood.random() < 0.5:
                self._clicks(case, self.mood.choice(case.ways))

    def _clicks(self, case: review.Case, way: Way) -> None:
        link, shown = case.link, (case.link.id, tuple(case.seen))
        self._mark(link, way)
        self.world.machine.struck("owner_clicks", link=link.id, button=way.label)
        decisions.resolve(self.world.state.store, link, way.way, way.value, case.seen)
        kind = self.mood.random()
        if kind < 0.2:
            self._again(shown, way)
        elif kind < 0.6:
            self.late.append((shown, way))
            self.world.machine.interrupt_at(*self.mood.choice(MOMENTS), lambda _: self._again(shown, way))

    def _again(self, shown: Seen, way: Way) -> None:
        """A second click on a page that is not the latest."""
        store, (id, seen) = self.world.state.store, shown
        with suppress(SyncError):  # refused, or the record has gone into another
            link = store.link(id)
            self._mark(link, way, first=False)
            self.world.machine.struck("owner_clicks_again", link=id, button=way.label)
            decisions.resolve(store, link, way.way, way.value, seen)

    def _mark(self, link: Link, way: Way, *, first: bool = True) -> None:
        """Whoever's values stand from now on was a person's choice."""
        for case in self._meant(link):
            self.people.decided.setdefault(case.number, set()).add(way.way)
            for wish in case.wishes.values():
                wish.contested = True
            if first and way.label == "It is another booking":
                case.reopened += 1

    def _meant(self, link: Link) -> list[Case]:
        return [case for case in self.people.cases if {link.shop_key, link.repairy_id} & self.people.names(case)]
