"""The review queue: what a person must decide, both sides beside what was agreed, and what can be done about it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo

from sync.core.booking import CANCELLED, GROUPS, Fields, Link
from sync.core.canonical import view
from sync.core.pair import Half
from sync.core.scene import visible_kinds
from sync.engine.deciding import concerned
from sync.engine.site import Site
from sync.records import Decision, Standing
from sync.state.glance import Glance
from sync.web import wording

MOST = 100  # bookings shown at once; the rest comes up as these are decided
CANDIDATES = 5


@dataclass(frozen=True)
class Line:
    """One field: what both sides show, and what they had agreed on."""

    label: str
    shop: str
    agreed: str
    repairy: str
    differs: bool
    moved: tuple[str, ...]  # the sides that left what was agreed


@dataclass(frozen=True)
class Way:
    """One thing that can be done: a button."""

    way: str
    value: str
    label: str


@dataclass(frozen=True)
class Case:
    """One booking that waits for a person, or for which something is noted."""

    workshop: str
    link: Link
    stands: Sequence[Standing]
    lines: Sequence[Line]
    ways: Sequence[Way]
    scopes: Sequence[str]  # what `use` applies to
    twin: Link | None = None  # the other half that it may be
    tells: bool = False  # whether using the shop's may message the customer
    decided: str = ""  # what a person decided and no pass has carried out yet

    @property
    def about(self) -> str:
        """Whose car, as its owner says it: "AAA001, Customer One"."""
        seen = view(self.link.shop or self.link.repairy or {})
        return ", ".join(filter(None, (seen.get("rego"), seen.get("name"))))

    @property
    def seen(self) -> Sequence[str]:
        """The scopes that are shown: what a click on this page is about."""
        return sorted({*self.scopes, *(one.scope for one in self.stands)})

    @property
    def differing(self) -> Sequence[Line]:
        """What both sides hold and differs; every line where nothing does, or one side is not there."""
        return [line for line in self.lines if line.differs] or self.lines


@dataclass(frozen=True)
class Queue:
    """One workshop's."""

    workshop: str
    zone: tzinfo
    cases: Sequence[Case]
    plans: Sequence[Standing]
    noted: Sequence[tuple[str, int, Sequence[Link]]]
    more: int = 0
    approved: Collection[str] = field(default_factory=frozenset)  # digests that no pass has carried out yet
    members: Mapping[str, Sequence[Link]] = field(default_factory=dict)  # plan's digest -> some of the bookings it holds

    @property
    def pending(self) -> bool:
        """Whether a pass, the next one or the one under way, will change what is shown."""
        return bool(self.approved) or any(case.decided for case in self.cases)


def queue(site: Site, glance: Glance) -> Queue:
    """Everything that waits for a person in this workshop; what a held plan holds is decided there, and not shown apart."""
    in_hand, plans = glance.in_hand(site.name), site.state.plans(site.name)
    approved = frozenset(one.target for one in in_hand if one.kind == "approve")
    held: dict[int, list[Standing]] = defaultdict(list)
    frozen: dict[str, list[int]] = {digest: [] for digest in approved.union(one.digest for one in plans)}
    for one in site.state.standings(site.name, "held"):
        if one.digest in frozen:
            frozen[one.digest].append(one.link_id or 0)
        else:
            held[one.link_id or 0].append(one)
    links = glance.links_by_id(list(held)[:MOST])
    halves = site.state.halves(site.name) if any(not link.paired for link in links.values()) else []
    oldest = sorted(links.items(), key=lambda pair: held[pair[0]][0].since)
    cases = [_case(site, link, held[id], halves, in_hand) for id, link in oldest]
    shown = (cases, plans, _noted(site, glance), len(held) - len(cases))
    members = {digest: list(glance.links_by_id(ids[:MOST]).values()) for digest, ids in frozen.items()}
    return Queue(site.name, site.rules.zone, *shown, approved, members)


def _noted(site: Site, glance: Glance) -> list[tuple[str, int, list[Link]]]:
    found = glance.noted(site.name)
    links = glance.links_by_id({id for _, _, ids in found for id in ids})
    return [(why, count, [links[id] for id in ids if id in links]) for why, count, ids in found]


def case(site: Site, link: Link, glance: Glance) -> Case:
    """One booking by itself, whatever stands for it."""
    stands = [one for one in site.state.standings(site.name, link_id=link.id) if one.kind in ("held", "noted")]
    return _case(site, link, stands, [] if link.paired else site.state.halves(site.name), glance.in_hand(site.name))


def _case(site: Site, link: Link, stands: Sequence[Standing], halves: Sequence[Link], in_hand: Sequence[Decision]) -> Case:
    others = _candidates(link, halves, site.rules.zone)
    twin = others[0] if len(others) == 1 else None
    noted = [one for one in site.state.standings(site.name, "noted", link.id) if one not in stands]
    scopes = concerned((*stands, *noted))
    ways = _ways(link, [one.scope for one in stands], scopes, others, site.rules.zone)
    return Case(
        site.name,
        link,
        stands,
        lines(link, site.rules.zone, twin),
        ways,
        scopes,
        twin,
        _tells(site, link, scopes),
        _decided(link, in_hand),
    )


def _tells(site: Site, link: Link, scopes: Collection[str]) -> bool:
    """Whether the shop's values, written to Repairy, are of the kind that messages (the contract's [visible])."""
    if "missing" in scopes:
        return bool(link.missing.get("shop_gone")) and CANCELLED in site.repairy.ability.visible_statuses
    shop, repairy = view(link.shop or {}), view(link.repairy or {})
    names = [name for scope in scopes for name in GROUPS[scope] if link.paired and shop.get(name) != repairy.get(name)]
    return bool(visible_kinds(site.repairy.ability, {name: shop.get(name) for name in names}))


def _decided(link: Link, in_hand: Sequence[Decision]) -> str:
    """The last decision about it that no pass has carried out."""
    made = [one for one in in_hand if one.kind == "resolve" and one.target == str(link.id)]
    return spoken(json.loads(made[-1].value)) if made else ""


_SPOKEN: Mapping[str, str] = {
    "create": "it is new", "skip": "accept the difference", "retry": "try again", "restore": "put the overwritten value back",
}  # fmt: skip


def spoken(how: Mapping[str, str]) -> str:
    """A decision in words."""
    for word, value in how.items():
        if word == "use":
            return f"use {'the shop' if value == 'shop' else 'Repairy'}’s"
        return f"link it to {value}" if word == "link" else _SPOKEN.get(word, word)
    return ""


# -- what differs


def lines(link: Link, zone: tzinfo, twin: Link | None = None) -> list[Line]:
    """Field by field. `twin` lends the side that a half lacks."""
    shop, repairy = (_seen(link.snapshot(side) or (twin.snapshot(side) if twin else None)) for side in ("shop", "repairy"))
    bases = {"shop": _seen(link.shop_base), "repairy": _seen(link.repairy_base)}
    both = bool(shop and repairy)
    return [
        _line(name, {"shop": shop, "repairy": repairy}, bases, zone, both)
        for name in wording.FIELDS
        if any(fields.get(name) for fields in (shop, repairy, *bases.values()))
    ]


def _seen(fields: Fields | None) -> Fields:
    return view(fields or {})


def _line(name: str, views: Mapping[str, Fields], bases: Mapping[str, Fields], zone: tzinfo, both: bool) -> Line:
    shown = {side: wording.value(name, fields.get(name), zone) for side, fields in views.items()}
    agreed = bases["shop"].get(name) or bases["repairy"].get(name)
    held = both and all(name in fields for fields in views.values())
    moved = tuple(side for side, base in bases.items() if base and name in base and base.get(name) != views[side].get(name))
    differs = held and views["shop"].get(name) != views["repairy"].get(name)
    said = (shown["shop"], wording.value(name, agreed, zone), shown["repairy"])
    return Line(wording.FIELDS[name], *said, differs, moved)


# -- what can be done

USE_SHOP, USE_REPAIRY = Way("use", "shop", "Use the shop’s"), Way("use", "repairy", "Use Repairy’s")
SKIP, RETRY = Way("skip", "", "Accept the difference"), Way("retry", "", "Try again")
NEW = {True: Way("create", "", "It is new: make it at Repairy"), False: Way("create", "", "It is new: make it in the shop")}
GONE = (Way("use", "shop", "Cancel it at Repairy"), Way("use", "repairy", "Insert it again in the shop"))


def _ways(link: Link, held: Sequence[str], scopes: Sequence[str], others: Sequence[Link], zone: tzinfo) -> list[Way]:
    """A table of the cases: which booking is this, a row that is gone, values that differ, a new booking that cannot be made."""
    if not link.paired and "identity" in held:
        return [*(_to(one, zone) for one in others), NEW[link.shop_key is not None], Way("skip", "", "Leave it alone"), RETRY]
    if "identity" in held:
        return [Way("skip", "", "It is the same booking"), Way("create", "", "It is another booking"), RETRY]
    if "missing" in scopes:
        gone = GONE if link.missing.get("shop_gone") else ()
        return [*gone, Way("skip", "", "Leave it as it is"), RETRY]
    uses = [USE_SHOP, USE_REPAIRY] if link.paired and scopes else []
    skips = [SKIP if link.paired else Way("skip", "", "Leave it alone")] if held else []
    return [*uses, *skips, RETRY]


def _candidates(link: Link, halves: Sequence[Link], zone: tzinfo) -> list[Link]:
    """Other halves that this one may be, by the rules that pairing goes by."""
    side = "shop" if link.shop_key is not None else "repairy"
    if link.paired:
        return []
    mine = Half.of(link, link.snapshot(side), zone)  # type: ignore[arg-type]
    across = [one for one in halves if one.id != link.id and (one.shop_key is None) == (side == "shop")]
    found = [one for one in across if mine.near(Half.of(one, one.repairy if side == "shop" else one.shop, zone))]
    return found[:CANDIDATES]


def _to(other: Link, zone: tzinfo) -> Way:
    seen = view(other.shop or other.repairy or {})
    told = [seen.get("rego"), wording.value("starts_at", seen.get("starts_at"), zone), other.shop_key or other.repairy_code]
    key = other.shop_key or other.repairy_id or ""
    return Way("link", key, f"Link to {', '.join(filter(None, told))}")
