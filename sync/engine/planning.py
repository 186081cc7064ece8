"""Plan: each link that is due is decided on, the guard looks at the whole, and what stands is written down."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sync.core.action import Action, Outlook, Stand
from sync.core.booking import Fields, Link, Side
from sync.core.canonical import view
from sync.core.fold import decided as changes_of
from sync.core.guard import Frozen, stale, tripped
from sync.core.plan import decide
from sync.core.scene import is_past
from sync.core.status import OPEN
from sync.core.times import parse, stamp
from sync.engine.pairing import let_go, renewed
from sync.engine.pingpong import stuck
from sync.engine.site import Site
from sync.records import Intent, Standing

_BULK = ("create", "link")  # what a backfill makes is what was asked for, however much it is


@dataclass
class Plan:
    """What one pass is to do, by link, and what it froze."""

    work: list[tuple[Link, tuple[Action, ...]]] = field(default_factory=list)
    frozen: list[Frozen] = field(default_factory=list)
    held: list[tuple[Link, Action]] = field(default_factory=list)  # the actions of what is frozen


def plan(site: Site, *, bulk: bool = False, profile_changed: bool = False) -> Plan:
    """Decide on every link that is due. `bulk`: a backfill, whose creates and links the guard lets pass, nothing visible."""
    busy = {intent.link_id: intent for intent in site.state.open_intents(site.name)}
    making = [intent for intent in busy.values() if intent.side == "shop" and intent.kind == "create"]
    decided = [_decided(site, link, busy, making) for link in site.state.links(site.name, due=site.now())]
    decided = [(link, _quiet(out) if bulk else out) for link, out in decided]
    held: dict[tuple[int, str], Frozen | Standing] = dict(_still_frozen(site, decided, bulk))
    frozen = _guarded(site, decided, held, bulk, profile_changed)
    for one in frozen:
        held |= {(link.id, action.signature): one for link, out in decided for action in out.actions if action in one.actions}
    result = Plan(
        frozen=frozen,
        held=[(link, action) for link, out in decided for action in out.actions if (link.id, action.signature) in held],
    )
    stands: dict[int | None, Sequence[Standing]] = {}
    saves = []
    for link, out in decided:
        stopped = {action.signature for action in out.actions if (link.id, action.signature) in held}
        going = () if stopped else out.actions
        stands[link.id] = [site.standing(link.id, stand) for stand in out.stands] + _held(site, link, out, held)
        if going:
            result.work.append((link, going))
        if changes := changes_of(link, out, bool(going), bulk):
            saves.append((link, changes))
    # what stands is written down before its booking stops being due: a crash in between decides anew
    site.state.stand_all(site.name, stands)
    _plans(site, frozen, [(link, action) for link, out in decided for action in out.actions])
    saved = {link.id: link for link in site.state.save_all(saves)}
    result.work = [(saved.get(link.id, link), actions) for link, actions in result.work]
    return result


def _decided(site: Site, link: Link, busy: dict[int, Intent], making: list[Intent]) -> tuple[Link, Outlook]:
    """A link whose last write is not settled waits; so does a new row that may be the one a lost insert made."""
    intent = busy.get(link.id)
    if intent is not None:
        return link, Outlook(
            stands=(Stand("waiting", "intent", "it is not known yet whether the last write happened", _look(site, intent)),)
        )
    if (maker := next((one for one in making if _may_be(link, one)), None)) is not None:
        why = "may be the row that an interrupted insert made"
        return link, Outlook(stands=(Stand("waiting", "intent", why, _look(site, maker)),))
    if absent := [side for side in ("shop", "repairy") if side in link.missing and f"{side}_gone" not in link.missing]:
        until = parse(link.missing[absent[0]]) + site.quarantine
        return link, Outlook(stands=(Stand("waiting", "missing", "not found once; it is looked for again", stamp(until)),))
    out = decide(link, site.shop.ability, site.repairy.ability, site.rules, site.now(), _overwritten(site, link))
    if turning := stuck(site, link, out.actions):
        link = site.state.save(link, choice={**link.choice, **turning})
        out = decide(link, site.shop.ability, site.repairy.ability, site.rules, site.now())
    if out.split:
        renewed(site, link)  # due, and decided on in the next pass
        let_go(site, link)
        return site.state.link(link.id), Outlook()
    return link, out


def _look(site: Site, intent: Intent) -> str:
    """When the intent is settled at the earliest: whoever waits for it is looked at again then."""
    return stamp(intent.look_at or intent.started_at + site.quarantine)


def _may_be(link: Link, intent: Intent) -> bool:
    """An unlinked row, not there before the insert, that shares its plate, phone or start."""
    if link.repairy_id is not None or link.shop_key in intent.context.get("keys", ()):
        return False
    mine, theirs = view(link.shop or {}), view(intent.after)
    return any(mine.get(name) and mine.get(name) == theirs.get(name) for name in ("rego", "phone", "starts_at"))


def _overwritten(site: Site, link: Link) -> tuple[Side, Fields] | None:
    """What a person wants to be put back: the side, and what a write of ours replaced there."""
    op = link.choice.get("restore")
    intent = next((one for one in site.state.intents(link.id) if one.op.startswith(op)), None) if op else None
    return None if op is None else (intent.side, intent.before) if intent else ("shop", {})


def _quiet(out: Outlook) -> Outlook:
    """What a backfill may do: nothing that can message anybody; the daemon decides about the rest."""
    return replace(out, actions=tuple(action for action in out.actions if not action.visible))


def _still_frozen(site: Site, decided: Sequence[tuple[Link, Outlook]], bulk: bool) -> Iterator[tuple[tuple[int, str], Standing]]:
    """What stands in a held plan, and was not released: it does not go because its booking is due for something else."""
    plans = [one for one in site.state.plans(site.name) if one.scope == "plan"]
    frozen = {(id, signature): one for one in plans for id, all_ in one.details["links"].items() for signature in all_.split()}
    for link, out in decided if frozen else ():
        let_through = link.choice.get("release", "").split()
        for action in out.actions:
            one = frozen.get((str(link.id), action.signature))
            if one is not None and action.signature not in let_through and not (bulk and action.kind in _BULK):
                yield (link.id, action.signature), one


def _guarded(
    site: Site,
    decided: Sequence[tuple[Link, Outlook]],
    held: Container[tuple[int, str]],
    bulk: bool,
    profile_changed: bool,
) -> list[Frozen]:
    released = {signature for link, _ in decided for signature in link.choice.get("release", "").split()}
    due = [(link.id, action) for link, out in decided for action in out.actions]
    actions = [one for id, one in due if one.signature not in released and (id, one.signature) not in held]
    if profile_changed and actions:
        return [
            Frozen(
                "profile", tuple(actions), f"the profile or the wire contract was edited: {len(actions)} changes follow from it"
            )
        ]
    old = stale(actions)
    fresh = [action for action in actions if not action.stale and not (bulk and action.kind in _BULK)]
    return old + (tripped(fresh, site.state.open_count(site.name), site.limits) if fresh else [])


def _held(site: Site, link: Link, out: Outlook, held: Mapping[tuple[int, str], Frozen | Standing]) -> list[Standing]:
    """The booking's own line for a plan that waits for a person."""
    found = {
        held[link.id, action.signature].digest: held[link.id, action.signature]
        for action in out.actions
        if (link.id, action.signature) in held
    }
    return [
        replace(site.standing(link.id, Stand("held", "plan", f"part of a held plan: {one.reason}")), digest=digest)
        for digest, one in found.items()
    ]


def _plans(site: Site, frozen: Iterable[Frozen], acted: list[tuple[Link, Action]]) -> None:
    """New held plans are added; one of which no booking is left closes itself."""
    before = site.state.plans(site.name)
    kept = [one for one in before if one.scope != "plan" or _still(site, one)]
    for one in frozen:
        links: dict[str, str] = {}
        for link, action in acted:
            if action in one.actions:
                links[str(link.id)] = f"{links.get(str(link.id), '')} {action.signature}".strip()
        fresh = replace(site.standing(None, Stand("held", "plan", one.reason)), kind="plan", digest=one.digest, count=one.count)
        kept.append(replace(fresh, details={"kind": one.kind, "links": links}))
    unique = {one.digest: one for one in kept}
    if before or unique:
        site.state.stand(site.name, None, list(unique.values()), kinds={"plan"})


def _still(site: Site, one: Standing) -> bool:
    return any(held.digest == one.digest for held in site.state.standings(site.name, kind="held") if held.scope == "plan")


def baseline_count(site: Site) -> int:
    """Open rows of the baseline that are not paired: one count, not a list."""
    rows = [half for half in site.state.halves(site.name) if half.state == "baseline" and half.shop_key]
    views = [view(row.shop or {}) for row in rows]
    return sum(one.get("status") in OPEN and not is_past(one.get("starts_at"), site.rules.zone, site.now()) for one in views)
