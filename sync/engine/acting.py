"""Act: per link in order, links in parallel; intent, write, outcome.

An intent is committed before every write. After it the outcome, the snapshot and the new bases go into one
transaction. Before a write to Repairy the booking is read again: if it differs, nothing is sent and it is planned anew.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sync.core.booking import GROUPS, Fields, Link, Sighting, other
from sync.core.canonical import alike, canonical, split_name, view
from sync.core.plan import ONCE, Action, Stand, memory
from sync.core.project import shared
from sync.core.sight import sight
from sync.core.status import KIND
from sync.core.times import stamp
from sync.engine.planning import RAW, Plan, take
from sync.engine.site import Site, names
from sync.errors import NotFound, NotSent, Rejected, Stale, Unknown, Unreachable, Unsupported, WriteFailed
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
    done: list[Done] = []
    for action in actions:
        if site.stopping():
            break
        if (wait := _must_wait(site, action)) is not None:
            site.state.save(link, due_at=site.stamp(timedelta(minutes=1)))
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


def _must_wait(site: Site, action: Action) -> Stand | None:
    """The owner's switch and the hourly cap, read before each call."""
    orders = [one.value for one in site.state.decisions(site.name) if one.kind == "pause"]
    paused = orders[-1] if orders else site.state.desk(site.name).paused
    if paused == "all" or (paused == "visible" and action.visible):
        return Stand("waiting", "paused", "paused: nothing is pushed until resume", site.stamp(timedelta(minutes=1)))
    if action.visible and site.state.visible_since(site.name, site.now() - timedelta(hours=1)) >= site.visible_per_hour:
        return Stand("waiting", "cap", f"{site.visible_per_hour} messages went out within the hour", site.stamp(timedelta(minutes=1)))
    return None


def _perform(site: Site, link: Link, action: Action) -> tuple[Link, str]:
    if action.side == "repairy" and action.kind != "create":
        checked = _still_so(site, link)
        if checked is None:
            return site.state.link(link.id), "stale"
        link = checked
    intent = _intent(site, link, action)
    if action.side == "repairy" and action.kind == "create":
        site.journal.append(kind="reference", workshop=site.name, reference=link.reference)
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
        row = site.repairy.read(link.repairy_id or "")
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
    before = {name: value for name, value in before.items() if name in action.fields or "name" in action.fields and name in RAW["name"]}
    context: dict[str, Any] = {"groups": list(action.groups), "visible": sorted(action.visible), "added": action.added}
    if action.side == "shop" and action.kind == "create":
        context["keys"] = sorted(site.state.digests(site.name))
    return Intent(
        uuid.uuid4().hex, link.id, site.name, action.side, action.kind, before, action.fields, link.shop, link.repairy, context, site.now()
    )


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
    elif isinstance(failure, Rejected | Unsupported):
        changes |= {"refused": {**link.refused, **_memories(link, action)}, "due_at": site.stamp()}
    else:
        changes |= {"due_at": site.stamp(), "poll_at": site.stamp()}
        if action.side == "shop":
            changes["shop_digest"] = ""
    link = site.state.finish(intent, failure.outcome, str(failure), link, look_at=look_at, **changes)
    if isinstance(failure, Stale) and action.side == "shop":
        link = reread(site, link)
    said(site, link, action, failure.outcome, str(failure))
    return link, failure.outcome


def reread(site: Site, link: Link) -> Link:
    """The shop's row as it is now, at once: a store without stamps may not show the change again."""
    try:
        row = site.shop.read({link.shop_key or ""}).get(link.shop_key or "")
    except Unreachable:
        return link
    return link if row is None else site.state.save(link, **sight(link, "shop", row, site.stamp(), site.stamp()), due_at=site.stamp())


def accept(site: Site, link: Link, action: Action, intent: Intent, sighting: Sighting) -> tuple[Link, list[str]]:
    """Fold what the side now shows into the link; which groups it quietly did not take."""
    changes = sight(link, action.side, sighting, site.stamp(), site.stamp())
    if action.kind == "create" and _stranger(site, link, action, sighting):
        return _not_ours(site, link, action, intent, sighting), []
    bases, refused = _bases(site, link, action, intent, sighting)
    changes |= bases
    visible = changes.get("visible", link.visible) | {kind for kind in action.visible if kind in ONCE}
    if "moved" in action.visible:
        visible |= {f"moved:{view(sighting.fields).get('starts_at')}"}
    if action.visible:
        site.journal.append(kind="visible", workshop=site.name, reference=link.reference, repairy_id=sighting.key, sent=sorted(action.visible))
    changes |= {
        "visible": frozenset(visible),
        "attempts": 0,
        "error": "",
        "refused": {**link.refused, **{key: value for key, value in _memories(link, action).items() if key.partition(".")[2] in refused}},
        "choice": {key: value for key, value in link.choice.items() if key not in (*action.groups, "restore", "missing")},
        "due_at": site.stamp(),
    }
    if action.kind == "create":
        changes |= _named(site, link, action, sighting)
    if action.kind == "link":
        changes["refused"] = {**link.refused, memory(action): action.signature}
    link = site.state.finish(intent, "accepted", "", link, **changes)
    said(site, link, action, "rejected" if refused else "accepted", ", ".join(refused))
    return link, refused


def _named(site: Site, link: Link, action: Action, sighting: Sighting) -> dict[str, Any]:
    """The other half of a booking just made."""
    facts: dict[str, Any] = {"missing": {}, "state": "open"}
    if action.side == "shop":
        number = len(site.state.by_shop_keys(site.name, [sighting.key]).get(sighting.key, []))
        facts["reference"] = link.reference or site.prefix + sighting.key + (f"~{number + 1}" if number else "")
    else:
        facts["poll_at"] = site.stamp(site.poll)
    site.journal.append(
        kind="link",
        workshop=site.name,
        reference=facts.get("reference", link.reference),
        shop_key=sighting.key if action.side == "shop" else link.shop_key,
        repairy_id=sighting.key if action.side == "repairy" else link.repairy_id,
    )
    return facts


def _stranger(site: Site, link: Link, action: Action, sighting: Sighting) -> bool:
    """A create that returned another's booking: another workshop, or neither its plate nor its contact."""
    mine, theirs = view(action.fields), view(sighting.fields)
    known = [name for name in ("rego", "phone", "email", "name") if mine.get(name) and theirs.get(name)]
    return sighting.workshop_id not in (None, site.id) or (bool(known) and all(not alike(mine[name], theirs[name]) for name in known))


def _not_ours(site: Site, link: Link, action: Action, intent: Intent, sighting: Sighting) -> Link:
    reason = f"Repairy already has another booking ({sighting.code or sighting.key}) under {link.reference}"
    choice = {**link.choice, "identity": reason}
    said(site, link, action, "rejected", "another's booking")
    return site.state.finish(intent, "rejected", reason, link, choice=choice, due_at=site.stamp())


def _bases(site: Site, link: Link, action: Action, intent: Intent, sighting: Sighting) -> tuple[dict[str, Any], list[str]]:
    """The new bases, group by group, and the groups that kept their old value."""
    side, source = action.side, other(action.side)
    mine, theirs = link.base(side), link.base(source)
    there, refused = intent.shop if source == "shop" else intent.repairy, []
    for group in action.groups:
        match _took(site, group, action, link.snapshot(side), sighting):
            case "took":
                mine, theirs = take(mine, sighting.fields, group), take(theirs, there, group)
            case "newer":
                mine, theirs = take(mine, _sent(action.fields, group, sighting.fields), group), take(theirs, there, group)
            case "refused":
                refused.append(group)
            case "given":  # a create: the side chose the value itself
                mine = take(mine, sighting.fields, group)
                theirs = take(theirs, there, group) if _agree(site, group, sighting.fields, there) else theirs
    return {f"{side}_base": mine or {}, f"{source}_base": theirs or {}}, refused


def _took(site: Site, group: str, action: Action, old: Fields | None, sighting: Sighting) -> str:
    """What became of one group: took | refused (the old value stands) | newer (somebody was there after us) | given."""
    sent, now, before = view(action.fields), view(sighting.fields), view(old or {})
    fields = [name for name in GROUPS[group] if name in sent and name in now]
    if not fields:
        return "given" if action.kind == "create" or group not in _groups(action) else "took"
    if all(_like(name, sent[name], now[name]) for name in fields) or (action.added and _contains(now.get("job_notes"), action.added)):
        return "took"
    if all(now[name] == before.get(name) for name in fields):
        return "refused"
    return "newer"


def _groups(action: Action) -> set[str]:
    return {group for group in action.groups if any(name in action.fields for name in RAW[group])}


def _like(name: str, a: str | None, b: str | None) -> bool:
    return canonical(name, a) == canonical(name, b) if name in ("starts_at", "ends_at", "status") else alike(a, b)


def _contains(notes: str | None, added: str) -> bool:
    return all(any(alike(line, now) for now in (notes or "").splitlines()) for line in added.splitlines())


def _agree(site: Site, group: str, a: Fields, b: Fields | None) -> bool:
    mine, theirs = view(a), view(b or {})
    return all(mine.get(name) == theirs.get(name) for name in shared(group, site.shop.ability, site.repairy.ability))


def _sent(fields: Fields, group: str, shown: Fields) -> dict[str, str | None]:
    """What was sent, shaped as the side shows it: a whole name in parts."""
    sent = {name: fields.get(name, shown.get(name)) for name in shown if name in RAW[group]}
    if group == "name" and "name" in fields and "first_name" in shown:
        sent["first_name"], sent["last_name"] = split_name(fields["name"] or "")
    return sent


def _memories(link: Link, action: Action) -> dict[str, str]:
    """How a refusal of this action, or of one group of it, will be recognised when it is planned again."""
    if action.kind in ("create", "link") or len(action.groups) < 2:
        return {memory(action): action.signature}
    single = [replace(action, groups=(group,), fields=_of(action.fields, group), kind=_kind(action, group)) for group in action.groups]
    return {memory(one): one.signature for one in single}


def _of(fields: Fields, group: str) -> Fields:
    return {name: value for name, value in fields.items() if name in RAW[group]}


def _kind(action: Action, group: str) -> str:
    return KIND.get(action.fields.get("status") or "", "change") if group == "status" else "change"


def said(site: Site, link: Link, action: Action, outcome: str, why: str = "") -> None:
    """One line per booking action: both ids and the names of the fields, never a value."""
    facts = {"reference": link.reference, "shop_key": link.shop_key, "repairy_id": link.repairy_id}
    say = site.log.info if outcome == "accepted" else site.log.warning
    say("booking", workshop=site.name, side=action.side, kind=action.kind, fields=",".join(sorted(action.fields)), outcome=outcome, why=why, **facts)
