"""Accept: what a side shows after a write is folded into the link, journalled and said.

The mapping journal learns of a create's reference and of every message before it is sent, and of what came of it, so
that an older copy of the state sends nothing twice. A create may find a half that a reading made of the same booking
meanwhile, or be answered with another's booking.
"""

from __future__ import annotations

from typing import Any

from sync.core.action import Action
from sync.core.booking import Fields, Link, Side, Sighting
from sync.core.canonical import alike, view
from sync.core.fold import folded
from sync.engine.pairing import lose_row
from sync.engine.site import LOST, Site, free_reference
from sync.records import Intent


def accept(site: Site, link: Link, action: Action, intent: Intent, sighting: Sighting) -> tuple[Link, list[str]]:
    """Fold what the side now shows into the link; which groups it quietly did not take."""
    if action.kind == "create" and _stranger(site, link, action, sighting):
        return _not_ours(site, link, action, intent, sighting), []
    if action.kind == "create":
        link = _without_twin(site, link, action.side, sighting.key)
    then: dict[Side, Fields | None] = {"shop": intent.shop, "repairy": intent.repairy}
    changes, refused = folded(link, action, then, sighting, site.stamp())
    if action.visible:
        sent = sorted(changes["visible"])  # all that the link remembers by now
        _journal(site, "visible", link, repairy_id=sighting.key, op=intent.op, sent=sent)
    if action.kind == "create":
        changes |= _named(site, link, action, sighting)
    link = site.state.finish(intent, "accepted", "", link, **changes)
    said(site, link, action, "rejected" if refused else "accepted", ", ".join(refused))
    return link, refused


def announce(site: Site, link: Link, action: Action, op: str) -> None:
    """Into the journal before the write: a create's reference, or what may message a customer. Raises Unreachable."""
    if action.side != "repairy":
        return
    if action.kind == "create":
        _journal(site, "reference", link, op=op, shop_key=link.shop_key)
    elif action.visible:
        fields = {name: value for name, value in action.fields.items() if name in _NOT_PERSONAL}
        visible, groups = sorted(action.visible), list(action.groups)
        _journal(site, "sending", link, op=op, action=action.kind, visible=visible, groups=groups, fields=fields)


def withdraw(site: Site, link: Link, action: Action) -> None:
    """What was announced did not happen. Raises Unreachable."""
    if action.side == "repairy" and (action.kind == "create" or action.visible):
        _journal(site, "unsent", link)


_NOT_PERSONAL = ("status", "starts_at", "ends_at")


def _journal(site: Site, kind: str, link: Link, **facts: Any) -> None:
    names = {"reference": link.reference, "repairy_id": link.repairy_id}
    site.journal.append(kind=kind, workshop=site.name, **{**names, **facts})


def _without_twin(site: Site, link: Link, side: Side, key: str) -> Link:
    """The half that a reading made of the booking that this link's create made goes into this link.

    Any other that has the shop's key has none any more: it was a deleted row's, and the shop gave it to the row just made."""
    rows, halves = site.state.by_shop_keys, site.state.by_repairy_ids
    found = rows(site.name, [key]).get(key, []) if side == "shop" else halves(site.name, [key]).values()
    busy = {intent.link_id for intent in site.state.open_intents(site.name) if side == "shop"}
    for one in found:
        if one.id == link.id:
            continue
        if not (one.paired or one.state == "closed" or one.id in busy):
            link = site.state.join(link, one)
        elif side == "shop":
            lose_row(site, one, key + LOST)
    return link


def _named(site: Site, link: Link, action: Action, sighting: Sighting) -> dict[str, Any]:
    """The other half of a booking just made."""
    missing = {key: when for key, when in link.missing.items() if not key.startswith(action.side)}
    facts: dict[str, Any] = {"missing": missing, "state": "open"}
    if action.side == "shop":
        facts["reference"] = link.reference or free_reference(site, sighting.key)
    else:
        facts["poll_at"] = site.stamp(site.poll)
    _journal(
        site,
        "link",
        link,
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
    if action.side == "shop":
        reason = f"the shop's row {sighting.key} names this booking but is another's: see its text, and the profile's repairy_ref"
    choice = {**link.choice, "doubt": reason}
    withdraw(site, link, action)
    said(site, link, action, "rejected", "another's booking")
    return site.state.finish(intent, "rejected", reason, link, choice=choice, due_at=site.stamp())


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
