"""What the commands say: the JSON objects of the design, made from state and results. No command prints anything else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sync.core.action import plan_digest
from sync.core.booking import SIDES, Link
from sync.core.times import iso, parse
from sync.engine.acting import Done
from sync.engine.planning import Plan, baseline_count
from sync.engine.site import Site
from sync.engine.suspicion import STOPS
from sync.records import Standing

Json = dict[str, Any]


def actions(done: Iterable[Done]) -> list[Json]:
    """One object an action; `fields` are names only."""
    return [
        {
            "reference": one.link.reference,
            "shop_key": one.link.shop_key,
            "repairy_id": one.link.repairy_id,
            "side": one.action.side,
            "kind": one.action.kind,
            "fields": sorted(one.action.fields),
            "reason": one.action.reason,
            "visible": sorted(one.action.visible),
            "outcome": one.outcome,
        }
        for one in done
    ]


def standing(one: Standing, link: Link | None) -> Json:
    """What waits, is noted or held."""
    return {
        "id": one.id,
        "reference": link.reference if link else None,
        "shop_key": link.shop_key if link else None,
        "repairy_id": link.repairy_id if link else None,
        "reason": one.reason,
        "since": iso(one.since),
    }


def standings(site: Site, kind: str, link_id: int | None = None) -> list[Json]:
    """All of one kind that stand now."""
    found = site.state.standings(site.name, kind, link_id)
    links = {one.link_id: site.state.link(one.link_id) for one in found if one.link_id is not None}
    return [standing(one, links.get(one.link_id or 0)) for one in found]


def run(site: Site, done: Sequence[Done], plan: Plan, paired: Sequence[Link] = ()) -> Json:
    """`plan`, `sync` and `backfill`, for one workshop."""
    frozen = [Done(link, action, None) for link, action in plan.held]
    return {
        "name": site.name,
        "actions": actions([*done, *frozen]),
        "waiting": standings(site, "waiting"),
        "noted": standings(site, "noted") + _baseline(site),
        "held": standings(site, "held") + [standing(one, None) for one in site.state.plans(site.name) if one.scope in STOPS],
        "digest": plan_digest([one.action for one in (*done, *frozen)]),
    }


def _baseline(site: Site) -> list[Json]:
    """The unlinked rows that were there before, as one count."""
    count = baseline_count(site)
    since = site.state.desk(site.name).baseline_at
    reason = f"{count} open bookings of the shop were there before this installation and are not at Repairy: backfill pushes them"
    about = {"id": "", "reference": None, "shop_key": None, "repairy_id": None, "reason": reason}
    return [about | {"since": iso(since or site.now())}] if count else []


def status(site: Site) -> Json:
    """One workshop's health, in counts."""
    state, now = site.state, site.now()
    desk, due = state.desk(site.name), state.links(site.name, due=now)
    oldest = min((parse(link.due_at) for link in due if link.due_at), default=now)
    held = [one for one in state.standings(site.name) if one.kind in ("held", "plan")]
    return {
        "name": site.name,
        "mode": site.rules.mode,
        "links": sum(state.count(site.name).values()),
        "due": len(due),
        "waiting": len(state.standings(site.name, "waiting")),
        "noted": len(state.standings(site.name, "noted")) + len(_baseline(site)),
        "held": len(held),
        "paused": desk.paused,
        "last_success": {side: _moment(state.source(site.name, side).last_good) for side in SIDES},
        "oldest_due_seconds": max(0, int((now - oldest) / timedelta(seconds=1))),
    }


def held(sites: Iterable[Site]) -> Json:
    """The review queue."""
    waiting, plans = list[Json](), list[Json]()
    for site in sites:
        waiting += standings(site, "held")
        plans += [
            {"digest": one.digest, "kind": one.details.get("kind", one.scope), "count": one.count, "reason": one.reason}
            for one in site.state.plans(site.name)
        ]
    return {"held": waiting, "plans": plans}


def show(site: Site, link: Link) -> Json:
    """One booking: both sides, bases, why it waits, and its journal."""
    facts = asdict(link)
    facts["visible"], facts["marks"] = sorted(link.visible), list(link.marks)
    stands = {kind: standings(site, kind, link.id) for kind in ("waiting", "noted", "held")}
    return {**facts, **stands, "journal": [_entry(asdict(intent)) for intent in site.state.intents(link.id)]}


def _entry(intent: Mapping[str, Any]) -> Json:
    shown = ("op", "side", "kind", "before", "after", "outcome", "error", "started_at", "finished_at")
    return {name: _moment(value) if isinstance(value := intent[name], datetime) else value for name in shown}


def _moment(moment: datetime | None) -> str | None:
    return iso(moment) if moment else None
