"""One pass over one workshop: gather, pair, plan, guard, act, record. `Engine.run` is the whole of it, on one screen.

Level-triggered: a webhook, a changed row, a retry, a restart and a command all mean "look at this booking again".
The engine sees both sides and the state through `sync.ports` only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sync.core.times import stamp
from sync.engine import gather, suspicion, upkeep
from sync.engine.acting import Done, act
from sync.engine.deciding import take_up
from sync.engine.pairing import pair_halves
from sync.engine.planning import Plan, plan
from sync.engine.settling import settle
from sync.engine.site import Site
from sync.errors import Unreachable


@dataclass(frozen=True)
class Result:
    """What one pass did. `reached` says for each side whether it could be read."""

    done: Sequence[Done] = ()
    paired: int = 0
    settled: int = 0
    reached: Mapping[str, bool] = field(default_factory=dict)
    plan: Plan = field(default_factory=Plan)

    @property
    def moved(self) -> bool:
        """Whether anything happened that may make more work at once."""
        return bool(self.paired or self.settled or any(done.outcome in ("accepted", "rejected", "stale") for done in self.done))


class Engine:
    """Passes over one workshop. One at a time: whoever calls holds the lease."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._looked = False

    def run(self) -> Result:
        """One pass. Raises LeaseLost, and Unreachable where the state itself cannot be used."""
        site, started = self.site, self.site.now()
        self.open()
        take_up(site)
        sweeping = gather.sweep_due(site)
        if not self.check_shop():
            return Result(reached={"shop": True, "repairy": True})
        reached = {"shop": self._looked and gather.shop(site), "repairy": gather.repairy(site)}
        self._looked = reached["shop"]  # a shop that cannot be read may have been changed: look again
        if suspicion.stopped(site):
            self._record(started, (), reached)
            return Result(reached=reached)
        paired = pair_halves(site)
        settled = settle(site)
        if reached["shop"]:
            self.set_baseline()
        todo = self._plan() if reached["shop"] else Plan()
        done = act(site, todo)
        self._record(started, done, reached)
        if sweeping and reached["shop"]:
            upkeep.purge(site)
        return Result(done, paired, settled, reached, todo)

    def open(self) -> None:
        """The desk as the configuration has it; leaving observe sets the baseline anew."""
        site = self.site
        site.begin()
        left = site.desk.mode == "observe" and not site.observing
        if left:
            halves = [half for half in site.state.halves(site.name) if half.state == "open"]
            site.state.save_all([(half, {"state": "baseline"}) for half in halves])
        if site.desk.mode != site.rules.mode:
            site.keep(mode=site.rules.mode, baseline_at=site.now() if left else site.desk.baseline_at)
        site.rules = replace(site.rules, baseline_at=stamp(site.desk.baseline_at) if site.desk.baseline_at else None)

    def set_baseline(self) -> None:
        """What the first good reading found is where this installation begins."""
        if self.site.desk.baseline_at is None:
            read = self.site.state.source(self.site.name, "shop").last_good or self.site.now()
            self.site.keep(baseline_at=read)
            self.site.rules = replace(self.site.rules, baseline_at=stamp(read))

    def check_shop(self) -> bool:
        """Once a process and with every sweep: both sides are those that were pinned. Otherwise nothing is written."""
        try:
            if not self._looked or gather.sweep_due(self.site):
                self._looked = suspicion.right_pair(self.site)
        except Unreachable as error:
            self._looked = False
            gather.shop_not_read(self.site, error)
            return True
        return self._looked

    def _plan(self) -> Plan:
        """What follows from a changed profile or contract waits for a person; it is remembered only when that stands."""
        site, digest = self.site, self.site.desk.profile_digest
        todo = plan(site, profile_changed=digest not in ("", site.profile_digest))
        if digest != site.profile_digest:
            site.keep(profile_digest=site.profile_digest)
        return todo

    def _record(self, started: datetime, done: Sequence[Done], reached: Mapping[str, bool]) -> None:
        site = self.site
        counts = Counter(f"{one.action.side}.{one.outcome}" for one in done if one.outcome)
        if wrote := {one.action.side for one in done if one.outcome == "accepted"}:
            site.keep(last_write={**site.desk.last_write, **dict.fromkeys(map(str, wrote), site.stamp())})
        errors = " ".join(f"{side} not read" for side, good in reached.items() if not good)
        counts += Counter(calls=site.breaker.went())  # a sum drops what is zero
        site.state.record_run(site.name, started, site.now(), dict(counts), errors)
