"""Settle: a write whose outcome is unknown is looked at after the quarantine, never guessed.

A create at Repairy is repeated with the same reference (documented: the existing booking comes back). Everything
else is read back: took, or still old in two looks a quarantine apart. Then it is planned anew, or, where a customer
may have been messaged, held.
"""

from __future__ import annotations

from datetime import timedelta

from sync.core.action import Action
from sync.core.booking import Link, Sighting
from sync.core.fold import happened
from sync.core.sight import sight
from sync.engine.folding import accept, said
from sync.engine.site import Site, names
from sync.errors import NotFound, SyncError, Unknown, Unreachable, WriteFailed
from sync.records import Intent


def settle(site: Site) -> int:
    """Look at every open intent whose quarantine is over; how many were settled."""
    settled = 0
    for intent in site.state.open_intents(site.name):
        if (intent.look_at or intent.started_at + site.quarantine) > site.now() or site.stopping():
            continue
        try:
            settled += _look(site, intent, site.state.link(intent.link_id))
        except Unreachable as error:
            site.log.warning("not settled", workshop=site.name, op=intent.op, error=str(error))
            site.state.look_again(intent.op, site.now() + timedelta(seconds=site.backoff.delay(intent.looks + 1, site.luck())))
    return settled


def _look(site: Site, intent: Intent, link: Link) -> bool:
    action = _action(intent, link)
    if intent.kind == "create":
        return _make_sure(site, intent, link, action) if intent.side == "repairy" else _find(site, intent, link, action)
    row = _read(site, intent, link)
    if row is not None and _happened(site, intent, link, action, row):
        accept(site, link, action, intent, row)
        return True
    return _still_old(site, intent, link, action, row)


def _action(intent: Intent, link: Link) -> Action:
    """The action that the intent was written for."""
    context = intent.context
    groups, visible = tuple(context.get("groups", ())), frozenset(context.get("visible", ()))
    return Action(intent.side, intent.kind, intent.after, groups, "settled", visible, context.get("added"), link.reference)


def _read(site: Site, intent: Intent, link: Link) -> Sighting | None:
    if intent.side == "shop":
        return site.shop.read({link.shop_key or ""}).get(link.shop_key or "")
    try:
        return site.repairy.read(link.repairy_id or "")
    except NotFound:
        return None


def _happened(site: Site, intent: Intent, link: Link, action: Action, row: Sighting) -> bool:
    if intent.kind == "link":
        return row.ref is not None
    if not action.groups:  # a step on the way to a status
        return row.fields.get("status") == action.fields.get("status")
    return happened(action, row.fields)


def _still_old(site: Site, intent: Intent, link: Link, action: Action, row: Sighting | None) -> bool:
    if intent.looks < 1:
        site.state.look_again(intent.op, site.now() + site.quarantine)
        return False
    changes = sight(link, intent.side, row, site.stamp(), site.stamp()) if row else {}
    if action.visible:
        step = "restore" if "restore" in link.choice else "status"
        scope = "missing" if "shop_gone" in link.missing else action.groups[0] if action.groups else step
        why = f"it is not known whether {' and '.join(sorted(action.visible))} reached Repairy, and it shows the old value"
        unasked = {key: value for key, value in link.choice.items() if key not in (*action.groups, scope)}  # it is asked anew
        changes["choice"] = {**unasked, f"stuck.{scope}": why}
    site.state.finish(intent, "not_sent", "read back: the old value stands", link, **changes, due_at=site.stamp())
    said(site, link, action, "not_sent", "read back: the old value stands")
    return True


def _make_sure(site: Site, intent: Intent, link: Link, action: Action) -> bool:
    """The documented idempotent create, one at a time, and only where the first would go now."""
    forbidden = site.observing or not site.rules.writes("repairy") or site.stopped(action.visible)
    if forbidden and not link.repairy_id:
        site.state.look_again(intent.op, site.now() + site.quarantine)
        return False
    try:
        row = site.repairy.read(link.repairy_id) if link.repairy_id else site.repairy.create(intent.after, link.reference or "")
    except Unknown:
        site.state.look_again(intent.op, site.now() + site.quarantine)
        return False
    except (WriteFailed, NotFound) as failure:
        return _not_made(site, intent, link, failure)
    accept(site, link, action, intent, row)
    return True


def _not_made(site: Site, intent: Intent, link: Link, failure: SyncError) -> bool:
    """A refusal is final for the attempt; patience asked for is given."""
    if getattr(failure, "outcome", "") == "not_sent":
        wait = getattr(failure, "retry_after", None) or site.backoff.delay(intent.looks + 1, site.luck())
        site.state.look_again(intent.op, site.now() + timedelta(seconds=wait))
        return False
    site.state.finish(intent, "rejected", str(failure), site.state.save(link, error=str(failure)), due_at=site.stamp())
    return True


def _find(site: Site, intent: Intent, link: Link, action: Action) -> bool:
    """A row that an interrupted insert may have made: the one that says so, or the one new row that agrees in two of three."""
    known = set(intent.context.get("keys", ()))
    row = _met(site, link, known) or site.shop.remembered(names(link))
    if row is not None:
        accept(site, link, action, intent, row)
        return True
    rows = site.shop.candidates(intent.after)
    links = site.state.by_shop_keys(site.name, [one.key for one in rows])
    new = [one for one in rows if one.key not in known and not any(half.repairy_id for half in links.get(one.key, []))]
    if len(new) == 1:
        accept(site, link, action, intent, new[0])
        return True
    if new:
        why = "an insert was interrupted and more than one new row could be it: link the right one"
        site.state.finish(intent, "not_sent", why, link, choice={**link.choice, "doubt": why}, due_at=site.stamp())
        return True
    return _still_old(site, intent, link, action, None)


def _met(site: Site, link: Link, known: set[str]) -> Sighting | None:
    """The new row that pairing brought to this link while the insert was unsettled: it began as what was sent."""
    if link.shop_key is None or link.shop_key in known:
        return None
    return site.shop.read({link.shop_key}).get(link.shop_key)
