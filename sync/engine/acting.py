"""Act: per link in order, links in parallel; intent, write, outcome.

An intent is committed before every write. After it the outcome, the snapshot and the new bases go into one
transaction. Before a write to Repairy the booking is read again: if it differs, nothing is sent and it is planned anew.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sync.core.action import Action, Stand
from sync.core.booking import Link, Sighting
from sync.core.canonical import view
from sync.core.fold import RAW, memories
from sync.core.sight import sight
from sync.core.times import stamp
from sync.engine import suspicion
from sync.engine.folding import accept, announce, said, withdraw
from sync.engine.gather import missed, ours
from sync.engine.planning import Plan
from sync.engine.site import Site, names
from sync.errors import FOR_A_PERSON, NotFound, NotSent, Rejected, Stale, Unknown, Unreachable, Unsupported, WriteFailed
from sync.records import Intent


@dataclass(frozen=True)
class Done:
    """One action and what came of it; `outcome` None: not tried, for the reason that its booking waits for."""

    link: Link
    action: Action
    outcome: str | None


def act(site: Site, plan: Plan) -> list[Done]:
    """Carry out the plan; in observe only say it."""
    if site.observing:
        return [Done(link, action, None) for link, actions in plan.work for action in actions]
    results = site.fan.map(lambda job: _act_on(site, *job), plan.work)
    return [done for one in results for done in one]


def _act_on(site: Site, link: Link, actions: Sequence[Action]) -> list[Done]:
    """The actions of one booking, in order, until one does not take."""
    if _moved_on(site, link):
        return []
    done: list[Done] = []
    for action in actions:
        if site.stopping():
            break
        if (wait := _must_wait(site, link, action)) is not None:
            site.state.save(link, due_at=wait.until)
            site.state.stand(site.name, link.id, [site.standing(link.id, wait)], kinds={"waiting"})
            done.append(Done(link, action, None))
            break
        link, outcome = _perform(site, link, action)
        done.append(Done(link, action, outcome))
        if outcome != "accepted":
            break
    else:
        # look once more: what the write changed may ask for more, or for nothing
        site.state.save(site.state.link(link.id), due_at=site.stamp())
    return done


def _moved_on(site: Site, link: Link) -> bool:
    """Whether its row, or all of it, went to another booking in this very pass: it is decided on anew."""
    try:
        return site.state.link(link.id).version != link.version
    except NotFound:
        return True


def _must_wait(site: Site, link: Link, action: Action) -> Stand | None:
    """The owner's switch, the hourly cap, the breaker and the budget of retries, read before each call."""
    if site.stopped(action.visible):
        return Stand("waiting", "paused", "paused: nothing is pushed until resume", site.stamp(timedelta(minutes=1)))
    if action.visible and site.state.visible_since(site.name, site.now() - timedelta(hours=1)) >= site.visible_per_hour:
        return Stand(
            "waiting", "cap", f"{site.visible_per_hour} messages went out within the hour", site.stamp(timedelta(minutes=1))
        )
    if action.side == "repairy" and (until := site.breaker.until):
        return Stand("waiting", "breaker", "Repairy fails again and again: it is left alone for a while", stamp(until))
    if action.side == "repairy" and link.attempts and (until := site.breaker.spent()):
        return Stand("waiting", "budget", "too many retries failed within the hour", stamp(until))
    return None


def _perform(site: Site, link: Link, action: Action) -> tuple[Link, str]:
    if action.side == "repairy" and action.kind != "create":
        checked = _still_so(site, link)
        if checked is None:
            return site.state.link(link.id), "stale"
        link = checked
    intent = _intent(site, link, action)
    announce(site, link, action, intent.op)
    site.state.intend(intent)
    try:
        sighting = _write(site, link, action)
    except WriteFailed as failure:
        return _failed(site, link, action, intent, failure)
    except NotFound as failure:
        return _failed(site, link, action, intent, Stale(str(failure)))
    link, refused = accept(site, link, action, intent, sighting)
    return link, "rejected" if refused else "accepted"


def _still_so(site: Site, link: Link) -> Link | None:
    """Read the booking again; None where it is not what the plan was made from, and then it is planned anew."""
    try:
        row = ours(site, site.repairy.read(link.repairy_id or ""))
    except (NotFound, Unreachable) as error:
        wait = timedelta(seconds=site.backoff.delay(link.attempts + 1, site.luck()))
        site.state.save(link, attempts=link.attempts + 1, due_at=site.stamp(wait), error=str(error), poll_at=site.stamp(wait))
        return None
    if view(row.fields) == view(link.repairy or {}):
        return link
    site.state.save(link, **sight(link, "repairy", row, site.stamp(), site.stamp()), due_at=site.stamp())
    return None


def _intent(site: Site, link: Link, action: Action) -> Intent:
    snapshot = link.snapshot(action.side) or {}
    before = {name: value for name, value in snapshot.items() if any(name in RAW[group] for group in action.groups)}
    before = {
        name: value
        for name, value in before.items()
        if name in action.fields or ("name" in action.fields and name in RAW["name"])
    }
    context: dict[str, Any] = {"groups": list(action.groups), "visible": sorted(action.visible), "added": action.added}
    if since := _since(link, action):
        context["since"] = since
    if action.side == "shop" and action.kind == "create":
        context["keys"] = sorted(site.state.digests(site.name))
    return Intent(
        uuid.uuid4().hex,
        link.id,
        site.name,
        action.side,
        action.kind,
        before,
        action.fields,
        link.shop,
        link.repairy,
        context,
        site.now(),
    )


def _since(link: Link, action: Action) -> str:
    """When the newest of the values was first seen on the other side; "" where a person decided on it, or none was seen."""
    source = "repairy" if action.side == "shop" else "shop"
    firsts = [link.seen[key]["first"] for group in action.groups if (key := f"{source}.{group}") in link.seen]
    return "" if link.choice else max(firsts, default="")


def _write(site: Site, link: Link, action: Action) -> Sighting:
    """The one place from which either side is written. Raises WriteFailed, NotFound."""
    if action.side == "shop":
        if action.kind == "create":
            return site.shop.create(action.fields, names(link))
        if action.kind == "link":
            return site.shop.link(link.shop_key or "", names(link))
        return site.shop.change(link.shop_key or "", link.shop or {}, action.fields, names(link), added=action.added)
    if action.kind == "create":
        return site.repairy.create(action.fields, link.reference or "", silent=True)
    if action.kind == "link":
        return site.repairy.update(link.repairy_id or "", {}, reference=link.reference)
    if "status" in action.fields:
        return site.repairy.set_status(link.repairy_id or "", action.fields["status"] or "")
    return site.repairy.update(link.repairy_id or "", action.fields)


def _failed(site: Site, link: Link, action: Action, intent: Intent, failure: WriteFailed) -> tuple[Link, str]:
    """What each outcome means for the booking: later, never, unknown, or plan again."""
    changes: dict[str, Any] = {"error": str(failure)}
    look_at = None
    if isinstance(failure, Unknown):
        look_at = site.now() + site.quarantine
        changes |= {"due_at": stamp(look_at)}
    elif isinstance(failure, NotSent):
        wait = failure.retry_after or site.backoff.delay(link.attempts + 1, site.luck())
        changes |= {"attempts": link.attempts + 1, "due_at": site.stamp(timedelta(seconds=wait))}
        if action.side == "repairy" and link.attempts:
            site.breaker.wasted()
    elif isinstance(failure, Rejected | Unsupported):
        refused = memories(action)
        why = str(failure) if isinstance(failure, Rejected) and failure.code in FOR_A_PERSON else None
        changes |= {"refused": {**link.refused, **refused, **{f"{key}.held": why for key in refused}}, "due_at": site.stamp()}
    else:
        changes |= {"due_at": site.stamp(), "poll_at": site.stamp()}
        if action.side == "shop":
            changes["shop_digest"] = ""
    link = site.state.finish(intent, failure.outcome, str(failure), link, look_at=look_at, **changes)
    if isinstance(failure, Stale) and action.side == "shop":
        link = reread(site, link)
    if isinstance(failure, NotSent | Unknown):
        why = "it is not known yet whether the last write happened" if isinstance(failure, Unknown) else "tried again later"
        waiting = Stand("waiting", "intent", f"{why}: {failure}", link.due_at)
        site.state.stand(site.name, link.id, [site.standing(link.id, waiting)], kinds={"waiting"})
    if not isinstance(failure, Unknown):
        withdraw(site, link, action)
    said(site, link, action, failure.outcome, str(failure))
    return link, failure.outcome


def reread(site: Site, link: Link) -> Link:
    """The shop's row as it is now, at once: a store without stamps may not show the change again. Gone counts as a first look."""
    try:
        row = site.shop.read({link.shop_key or ""}).get(link.shop_key or "")
    except Unreachable:
        return link
    if row is None:
        return site.state.save(link, **changes) if (changes := missed(site, link, "shop")) else link
    if suspicion.look_at_all(site, link, row):
        return link
    return site.state.save(link, **sight(link, "shop", row, site.stamp(), site.stamp()), due_at=site.stamp())
