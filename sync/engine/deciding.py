"""What a person decided (resolve, approve, pause …), taken up at the start of a pass by the process that holds the lease."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from sync.core.booking import GROUPS, Link
from sync.engine import suspicion, upkeep
from sync.engine.pairing import join, let_go, renewed
from sync.engine.site import LOST, Site, free_reference
from sync.errors import NotFound, SyncError
from sync.records import Decision, Standing

MADE = "it stands on both sides, and nobody asks whether it is another booking: there is nothing to make"

FORGOTTEN = "it is left alone: the customer's data was erased, or a person had it made up"
_DOUBTS = ("identity", "doubt")  # choices of a half of which it is asked which booking it is


def take_up(site: Site) -> None:
    """Every decision not yet taken, in order; one that makes no sense any more is said and dropped."""
    for decision in site.state.decisions(site.name):
        try:
            _WAYS[decision.kind](site, decision)
        except SyncError as error:
            site.log.warning("decision dropped", workshop=site.name, kind=decision.kind, error=str(error))
        site.state.take(decision)


def _pause(site: Site, decision: Decision) -> None:
    site.keep(paused=decision.value)


def _approve(site: Site, decision: Decision) -> None:
    """Release those actions of a held plan that are still the same."""
    for one in site.state.plans(site.name):
        if one.digest != decision.target:
            continue
        if one.scope in ("schema", "workshop"):
            suspicion.accept_pair(site, one)
        if one.scope == "restored":
            if decision.value not in suspicion.USES:
                raise SyncError("a restored shop is approved with --use shop or --use repairy")
            suspicion.decided(site, one, decision.value)
        for link_id, signatures in one.details.get("links", {}).items():
            with suppress(NotFound):  # a half that went into another record meanwhile
                _release(site, site.state.link(int(link_id)), signatures)
        site.state.close_standing(one.id, "approve")


def _release(site: Site, link: Link, signatures: str) -> None:
    released = f"{link.choice.get('release', '')} {signatures}".strip()
    site.state.save(link, choice={**link.choice, "release": released}, due_at=site.stamp())


def _forget(site: Site, decision: Decision) -> None:
    upkeep.forget(site, site.state.link(int(decision.target)))


def _resolve(site: Site, decision: Decision) -> None:
    link = site.state.link(int(decision.target))
    how = json.loads(decision.value)
    if "forgotten" in link.choice:
        raise SyncError(FORGOTTEN)
    for word, way in _RESOLVE.items():
        if how.get(word):
            way(site, link, how)
            return


def concerned(stands: Iterable[Standing]) -> list[str]:
    """The scopes that `use` applies to: what is held, and only where nothing is, what is noted."""
    found = [one for one in stands if one.scope in GROUPS or one.scope == "missing"]
    held = [one.scope for one in found if one.kind == "held"]
    return sorted({*(held or [one.scope for one in found if one.kind == "noted"])})


def _meant(site: Site, link: Link, how: Mapping[str, Any]) -> list[Standing]:
    """What stands now, of that which stood before the person: a click may come late."""
    stands = site.state.standings(site.name, link_id=link.id)
    return [one for one in stands if one.scope in how.get("of", [one.scope])]


def _use(site: Site, link: Link, how: Mapping[str, Any]) -> None:
    """That side's values for what is held, or what was named."""
    _choose(site, link, dict.fromkeys(concerned(_meant(site, link, how)), how["use"]))


def _skip(site: Site, link: Link, how: Mapping[str, Any]) -> None:
    """Accept the difference until the next edit."""
    held = [one.scope for one in _meant(site, link, how) if one.kind == "held"]
    if not link.paired:
        site.state.save(link, state="skipped", choice={}, due_at=site.stamp())
        return
    words = {
        scope: "same" if scope == "identity" else "skip" for scope in held if scope in GROUPS or scope in ("identity", "missing")
    }
    if "plan" in held:  # every group of this booking may be meant
        words |= dict.fromkeys(GROUPS, "skip")
    _choose(site, link, words)


def _choose(site: Site, link: Link, words: Mapping[str, str]) -> None:
    """What nobody knows of another message of it stays so."""
    freed = {f"stuck.{scope}" for scope in (*words, "restore")}
    choice = {key: value for key, value in link.choice.items() if key not in freed}
    site.state.save(link, choice={**choice, **words}, refused={}, attempts=0, due_at=site.stamp())


def _link(site: Site, link: Link, how: Mapping[str, Any]) -> None:
    """These two halves are one booking; the other is named by shop key, Repairy id or code."""
    others = [one for one in site.state.find(how["link"], site.name) if one.id != link.id and not one.paired]
    if len(others) != 1 or (others[0].shop_key is None) == (link.shop_key is None) or link.paired:
        raise SyncError(f"{how['link']} is not the missing half of this booking")
    row, booking = (link, others[0]) if link.shop_key is not None else (others[0], link)
    if not {row.id, booking.id}.isdisjoint(intent.link_id for intent in site.state.open_intents(site.name)):
        raise SyncError("it is not known yet whether its last write happened: link it when that is settled")
    join(site, row, booking)


def _create(site: Site, link: Link, how: Mapping[str, Any]) -> None:
    """It is new: made on the other side; a row whose old link is another booking's goes on under the next reference.

    Said twice, it may come when both sides have it: splitting that pair would make it again."""
    half = renewed(site, link) if link.paired and _another(site, link) else link
    if half.paired:
        raise SyncError(MADE)
    if "doubt" in half.choice and half.shop_key is not None:  # its reference is another's booking
        half = site.state.save(half, reference=free_reference(site, half.shop_key))
    doubted = link.paired or not half.choice.keys().isdisjoint(_DOUBTS)
    choice = {key: value for key, value in half.choice.items() if key not in _DOUBTS}
    choice["create"] = "person" if doubted else "asked"
    site.state.save(half, state="open", choice=choice, refused={}, due_at=site.stamp())
    if link.paired:
        let_go(site, link)


def _another(site: Site, link: Link) -> bool:
    """Whether it is asked whether the row is another booking's by now, and was not answered yet."""
    asked = any(one.scope == "identity" for one in site.state.standings(site.name, "held", link.id))
    return asked and not (link.shop_key or "").endswith(LOST)


def _retry(site: Site, link: Link, how: Mapping[str, Any]) -> None:
    choice = {key: value for key, value in link.choice.items() if not key.startswith("stuck.")}
    site.state.save(
        link, refused={}, choice=choice, attempts=0, due_at=site.stamp(), poll_at=site.stamp() if link.repairy_id else None
    )


def _restore(site: Site, link: Link, how: Mapping[str, Any]) -> None:
    _choose(site, link, {"restore": how["restore"]})


_RESOLVE = {"use": _use, "skip": _skip, "link": _link, "create": _create, "retry": _retry, "restore": _restore}
_WAYS = {"pause": _pause, "approve": _approve, "resolve": _resolve, "forget": _forget}
