"""Fold: what a side shows after a write becomes its snapshot and the new bases, group by group.

The same letters and digits: it took, each base in its side's spelling. The old value: refused; the bases stay and the
value is remembered. Anything else is a newer edit by somebody: the bases become what was sent, so it is seen as theirs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sync.core.action import Action, memory
from sync.core.booking import GROUPS, Fields, Link, Side, Sighting, other
from sync.core.canonical import alike, canonical, split_name, view
from sync.core.project import shared
from sync.core.safety import ONCE
from sync.core.sight import sight
from sync.core.status import KIND
from sync.engine.planning import RAW, take
from sync.engine.site import Site
from sync.records import Intent


def accept(site: Site, link: Link, action: Action, intent: Intent, sighting: Sighting) -> tuple[Link, list[str]]:
    """Fold what the side now shows into the link; which groups it quietly did not take."""
    if action.kind == "create":
        link = without_twin(site, link, action.side, sighting.key)
    changes = sight(link, action.side, sighting, site.stamp(), site.stamp())
    if action.kind == "create" and _stranger(site, link, action, sighting):
        return _not_ours(site, link, action, intent, sighting), []
    bases, refused = _bases(site, link, action, intent, sighting)
    changes |= bases
    visible = changes.get("visible", link.visible) | {kind for kind in action.visible if kind in ONCE}
    if "moved" in action.visible:
        visible |= {f"moved:{view(sighting.fields).get('starts_at')}"}
    if action.visible:
        site.journal.append(
            kind="visible", workshop=site.name, reference=link.reference, repairy_id=sighting.key, sent=sorted(action.visible)
        )
    changes |= {
        "visible": frozenset(visible),
        "attempts": 0,
        "error": "",
        "refused": {
            **link.refused,
            **{key: value for key, value in memories(link, action).items() if key.partition(".")[2] in refused},
        },
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


def without_twin(site: Site, link: Link, side: Side, key: str) -> Link:
    """The half that a reading made of the booking that this link's create made goes into this link."""
    rows = (
        site.state.by_shop_keys(site.name, [key]).get(key, [])
        if side == "shop"
        else site.state.by_repairy_ids(site.name, [key]).values()
    )
    twins = [row for row in rows if row.id != link.id and not row.paired and row.state != "closed"]
    for twin in twins:
        link = site.state.join(link, twin, reference=link.reference or twin.reference)
    return link


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
    return sighting.workshop_id not in (None, site.id) or (
        bool(known) and all(not alike(mine[name], theirs[name]) for name in known)
    )


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
        match took(site, group, action, link.snapshot(side), sighting):
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


def took(site: Site, group: str, action: Action, old: Fields | None, sighting: Sighting) -> str:
    """What became of one group: took | refused (the old value stands) | newer (somebody was there after us) | given."""
    sent, now, before = view(action.fields), view(sighting.fields), view(old or {})
    fields = [name for name in GROUPS[group] if name in sent and name in now]
    if not fields:
        return "given" if action.kind == "create" or group not in _groups(action) else "took"
    if all(_like(name, sent[name], now[name]) for name in fields) or (
        action.added and _contains(now.get("job_notes"), action.added)
    ):
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


def memories(link: Link, action: Action) -> dict[str, str]:
    """How a refusal of this action, or of one group of it, will be recognised when it is planned again."""
    if action.kind in ("create", "link") or len(action.groups) < 2:
        return {memory(action): action.signature}
    single = [
        replace(action, groups=(group,), fields=_of(action.fields, group), kind=_kind(action, group)) for group in action.groups
    ]
    return {memory(one): one.signature for one in single}


def _of(fields: Fields, group: str) -> Fields:
    return {name: value for name, value in fields.items() if name in RAW[group]}


def _kind(action: Action, group: str) -> str:
    return KIND.get(action.fields.get("status") or "", "change") if group == "status" else "change"


def said(site: Site, link: Link, action: Action, outcome: str, why: str = "") -> None:
    """One line per booking action: both ids and the names of the fields, never a value."""
    facts = {"reference": link.reference, "shop_key": link.shop_key, "repairy_id": link.repairy_id}
    say = site.log.info if outcome == "accepted" else site.log.warning
    say(
        "booking",
        workshop=site.name,
        side=action.side,
        kind=action.kind,
        fields=",".join(sorted(action.fields)),
        outcome=outcome,
        why=why,
        **facts,
    )
