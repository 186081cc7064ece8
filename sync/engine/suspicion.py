"""Suspicion: whether the two sides are still the ones that this state was made for. Where not, nothing is written.

The shop's tables and Repairy's workshop are pinned at the first run. A shop that was restored from a backup is known by
three or more bookings that one reading shows as they were before, gone though we inserted them, gone from above the
highest key, or as somebody else's under their key. Each is an entry of `held.plans` that waits for `approve`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sync.core.action import Stand, digest
from sync.core.booking import Link, Side, Sighting
from sync.core.canonical import view
from sync.core.fold import RAW
from sync.engine.site import Site
from sync.ports import Reading
from sync.records import Standing

SIGNS = 3  # bookings that make a restored shop
STOPS = ("schema", "workshop", "restored")  # scopes of plans that stop all writing
USES = ("shop", "repairy")  # what a person may say of a restored shop


@dataclass(frozen=True)
class News:
    """What one reading of the shop shows that was not known."""

    reading: Reading
    changed: Sequence[Sighting]  # rows unlike those known
    links: Mapping[str, Link]  # the newest of each known key among them
    found: Mapping[str, Sighting]  # rows that the reading lacked, asked for by key
    lacking: Sequence[Link]  # their links, found or not

    @property
    def gone(self) -> list[Link]:
        return [link for link in self.lacking if link.shop_key not in self.found]

    @property
    def fresh(self) -> list[Link]:
        """Those gone for the first time."""
        return [link for link in self.gone if "shop" not in link.missing]


# -- the pair


def right_pair(site: Site) -> bool:
    """Whether both sides are the pinned ones; the first time pins them. What differs stands as a plan. Raises Unreachable."""
    return all([_right_shop(site), _right_workshop(site)])


def _right_shop(site: Site) -> bool:
    source, now = site.state.source(site.name, "shop"), dict(site.shop.identity())
    if not source.identity:
        site.state.save_source(replace(source, identity=now))
    return _same(site, "schema", source.identity or now, now, "the shop database has changed")


def _right_workshop(site: Site) -> bool:
    source, now = site.state.source(site.name, "repairy"), {"workshop": site.id}
    if not source.identity:
        site.state.save_source(replace(source, identity=now))
    return _same(site, "workshop", source.identity or now, now, "this state belongs to another workshop of Repairy")


def _same(site: Site, scope: str, old: Mapping[str, str], new: Mapping[str, str], what: str) -> bool:
    differs = list(differences(old, new))
    reason = f"{what}: {'; '.join(differs)}. Nothing is written until this is put right, or approved where it is meant"
    said = [_plan(site, scope, reason, digest(dict(new)), len(differs), {"identity": dict(new)})] if differs else []
    put(site, scope, said)
    return not differs


def differences(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    """What two identities do not have in common, a line for each table."""
    for name in sorted(old.keys() | new.keys()):
        before, after = (side.get(name, "").split(", ") for side in (old, new))
        lost = [part for part in before if part and part not in after]
        come = [part for part in after if part and part not in before]
        if lost or come:
            yield f"{name or 'the database'} was {', '.join(lost) or 'without it'}, is {', '.join(come) or 'without it'}"


def accept_pair(site: Site, one: Standing) -> None:
    """A person said that the new one is meant."""
    side: Side = "repairy" if one.scope == "workshop" else "shop"
    site.state.save_source(replace(site.state.source(site.name, side), identity=one.details["identity"]))


# -- a restored shop


def signs(site: Site, news: News) -> list[Link]:
    """Bookings that speak for a restored shop, each once."""
    pairs = [(link, row) for row in news.changed if (link := news.links.get(row.key)) and link.paired]
    back = [link for link, row in pairs if _another(link, row) or _went_back(site, link, row)]
    highest = _highest(news)
    return back + [link for link in news.fresh if _above(link.shop_key, highest) or _inserted(site, link)]


def look_at_all(site: Site, link: Link, row: Sighting) -> bool:
    """Whether a row read alone looks like another past: then the next pass reads the whole shop before it judges."""
    if not (_another(link, row) or _went_back(site, link, row)):
        return False
    site.keep(last_sweep=None)
    return True


def _went_back(site: Site, link: Link, row: Sighting) -> bool:
    """Every value that changed is one that an accepted write found or replaced; or the row forgot its booking."""
    old, now = view(link.shop or {}), view(row.fields)
    changed = [name for name in now if now[name] != old.get(name)]
    if not changed:
        return link.shop_ref is not None and row.ref is None
    past = defaultdict[str, set[str | None]](set)
    for intent in site.state.intents(link.id):
        for fields in (intent.before, intent.shop or {}) if intent.outcome == "accepted" else ():
            for name, value in view(fields).items():
                past[name].add(value)
    return all(now[name] in past[name] for name in changed)


def _another(link: Link, row: Sighting) -> bool:
    """The key was given to somebody else's booking."""
    old, now = view(link.shop or {}), view(row.fields)
    contacts = [name for name in ("phone", "email") if old.get(name) or now.get(name)]
    return bool(contacts) and all(old.get(name) != now.get(name) for name in ("rego", "starts_at", *contacts))


def _inserted(site: Site, link: Link) -> bool:
    journal = site.state.intents(link.id)
    return any(one.side == "shop" and one.kind == "create" and one.outcome == "accepted" for one in journal)


def _highest(news: News) -> int | None:
    """The highest key now present; None where keys are no numbers."""
    keys = {*(row.key for row in news.reading.rows), *news.reading.unreadable, *news.found}
    return max(map(int, keys), default=None) if news.reading.whole and all(map(str.isdecimal, keys)) else None


def above(reading: Reading, known: Mapping[str, str]) -> set[str]:
    """Known keys above the highest that a whole reading shows: to be asked for by key."""
    highest = _highest(News(reading, (), {}, {}, ()))
    return {key for key in known if _above(key, highest)}


def _above(key: str | None, highest: int | None) -> bool:
    return highest is not None and key is not None and key.isdecimal() and int(key) > highest


def restored(site: Site, news: News) -> bool:
    """Whether the shop seems restored; then it stands as a plan, with every booking that it concerns."""
    found = signs(site, news)
    if len(found) < SIGNS:
        return False
    concerned = {str(link.id): _changed(link, row) for row in news.changed if (link := news.links.get(row.key)) and link.paired}
    concerned |= {str(link.id): ["missing"] for link in news.fresh if link.paired}
    before = [one for one in site.state.plans(site.name) if one.scope == "restored"]
    for one in before:
        concerned = {**one.details["bookings"], **concerned}
    reason = (
        f"the shop seems restored from a backup: {len(found)} bookings are as they were before, or gone. Nothing is written: "
        "approve with --use shop where its rows are right as they are now, with --use repairy to write Repairy's values back"
    )
    plan = _plan(site, "restored", reason, digest(sorted(concerned)), len(concerned), {"kind": "restored", "bookings": concerned})
    put(site, "restored", [plan])
    for link in found:
        held = site.standing(link.id, Stand("held", "plan", "the shop seems restored from a backup"))
        site.state.stand(site.name, link.id, [replace(held, digest=plan.digest)], kinds={"held"})
    return True


def _changed(link: Link, row: Sighting) -> list[str]:
    """The groups that this row shows otherwise than it did."""
    old, now = link.shop or {}, row.fields
    return [group for group, names in RAW.items() if any(now.get(name) != old.get(name) for name in names)]


def decided(site: Site, one: Standing, use: str) -> None:
    """shop: what it shows now is merged as any edit. repairy: its values are written back, rows gone inserted again."""
    for link_id, groups in one.details["bookings"].items():
        link = site.state.link(int(link_id))
        words = dict.fromkeys(groups, "repairy") if use == "repairy" else {}
        site.state.save(link, choice={**link.choice, **words}, refused={}, due_at=site.stamp())


# -- what stands


def stopped(site: Site) -> bool:
    """Whether nothing may be written to either side. A restored shop that was put right again stops nothing."""
    plans = site.state.plans(site.name)
    over = [one for one in plans if one.scope == "restored" and _is_over(site, one)]
    if over:
        put(site, "restored", [])
    return any(one.scope in STOPS for one in plans if one not in over)


def _is_over(site: Site, one: Standing) -> bool:
    return all(_as_agreed(site.state.link(int(id))) for id in one.details["bookings"])


def _as_agreed(link: Link) -> bool:
    return not link.missing and link.shop is not None and view(link.shop) == view({**link.shop, **(link.shop_base or {})})


def put(site: Site, scope: str, plans: Sequence[Standing]) -> None:
    """The plans of this scope, in place of those that stood."""
    others = [one for one in site.state.plans(site.name) if one.scope != scope]
    site.state.stand(site.name, None, [*others, *plans], kinds={"plan"})


def _plan(site: Site, scope: str, reason: str, digest: str, count: int, details: Mapping[str, object]) -> Standing:
    return Standing("", site.name, None, "plan", scope, reason, site.now(), digest, count, details)
