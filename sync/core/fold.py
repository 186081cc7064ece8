"""Fold: what a decision, and what a side shows after a write, change in a link. Pure: the engine stores the answer.

Field by field: the same letters and digits: it took, each base in its side's spelling. The old value: refused; the
bases stay and the value is remembered. Anything else is a newer edit by somebody: the base becomes what was sent, so
that what stands there is seen as theirs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from sync.core import notes
from sync.core.action import Action, Outlook, memory
from sync.core.booking import CUSTOMER, GROUPS, PENDING, VEHICLE, Fields, Link, Side, Sighting, other
from sync.core.canonical import alike, split_name, view
from sync.core.safety import ONCE
from sync.core.sight import sight
from sync.core.status import KIND

# Group -> its fields as a side may spell them: a name whole or in parts.
RAW = {group: (*names, "first_name", "last_name", "company") if group == "name" else names for group, names in GROUPS.items()}
Changes = dict[str, Any]


def take(base: Fields | None, snapshot: Fields | None, names: Collection[str]) -> dict[str, str | None]:
    """The base with these fields as the snapshot has them, in the side's own spelling."""
    kept = {name: value for name, value in (base or {}).items() if name not in names}
    return kept | {name: value for name, value in (snapshot or {}).items() if name in names}


def recorded(link: Link, groups: Iterable[str]) -> Changes:
    """Agreement that nobody recorded: the bases take the snapshots."""
    names = {name for group in groups for name in RAW[group]}
    if not names:
        return {}
    return {"shop_base": take(link.shop_base, link.shop, names), "repairy_base": take(link.repairy_base, link.repairy, names)}


def folded(link: Link, action: Action, then: Mapping[Side, Fields | None], row: Sighting, now: str) -> tuple[Changes, list[str]]:
    """The link's changes after an accepted write, and the groups that the side quietly did not take.

    `then` are the snapshots that the action was decided on, `row` what the side shows now, `now` a state stamp."""
    changes = sight(link, action.side, row, now, now)
    bases, refused = _bases(link, action, then, row.fields)
    kept = memories(action) if action.kind == "link" else {}  # told once, shown or not
    if action.kind != "create":  # what a create leaves out, a change may still bring
        kept |= {key: value for group, names in refused.items() for key, value in _memory_of(action, group, names).items()}
    changes |= bases | {
        "visible": changes.get("visible", link.visible) | _messages(action, row.fields),
        "refused": {**changes.get("refused", link.refused), **kept},
        "choice": {key: value for key, value in link.choice.items() if key not in (*action.groups, "restore", "missing")},
        "attempts": 0,
        "error": "",
        "due_at": now,
    }
    return changes, list(refused) if action.kind != "create" else []


def _messages(action: Action, shown: Fields) -> frozenset[str]:
    """What this write may have messaged, as a link remembers it."""
    moved = {f"moved:{view(shown).get('starts_at')}"} if "moved" in action.visible else set[str]()
    return frozenset(action.visible & set(ONCE) | moved)


def _bases(link: Link, action: Action, then: Mapping[Side, Fields | None], shown: Fields) -> tuple[Changes, dict[str, set[str]]]:
    """The new bases, and what was refused: group -> fields."""
    side, source = action.side, other(action.side)
    mine, theirs, refused = link.base(side), link.base(source), dict[str, set[str]]()
    began = {**shown, "status": PENDING} if action.kind == "create" else shown  # another status is an edit made since
    for group in action.groups:
        fates = took(group, action, link.snapshot(side), shown)
        for became, names in fates.items():
            if became == "refused":
                refused[group] = names
                continue
            own = became == "took" or _known_there(action, group)
            now = shown if own else _sent(action.fields, names, shown)
            if group == "notes":
                now = {**now, "job_notes": _not_yet_there(mine, link.snapshot(side), then[source], now)}
            mine = take(mine, now, names)
            theirs = take(theirs, then[source], names)
        rest = [name for name in GROUPS[group] if not any(name in names for names in fates.values())]
        agreed = _agreed(rest, began, then[source])
        mine = take(mine, began, _spelt(rest) if action.kind == "create" else agreed)  # what a create was not given it chose
        theirs = take(theirs, then[source], agreed)
    return {f"{side}_base": mine or {}, f"{source}_base": theirs or {}}, refused


def _not_yet_there(base: Fields | None, before: Fields | None, source: Fields | None, now: Fields) -> str | None:
    """Notes that went both ways and have arrived on one: the base says nothing of the lines that this side added, and keeps
    those that it removed, until the other side shows the same. Its own write may never follow."""
    old, seen, told = ((fields or {}).get("job_notes") for fields in (base, before, now))
    own, there, kept = notes.edit(old, seen), notes.lines((source or {}).get("job_notes")), notes.lines(told)
    owed = [line for line in own.added if line in kept and not any(alike(line, one) for one in there)]
    back = [line for line in own.removed if line not in kept and any(alike(line, one) for one in there)]
    for line in owed:
        kept.remove(line)
    return "\n".join(kept + back) or None if owed or back else told


def _known_there(action: Action, group: str) -> bool:
    """A new row in the shop may be a known customer's: what stands there of him and his car is the shop's, and no edit."""
    return action.side == "shop" and action.kind == "create" and group in CUSTOMER + VEHICLE


def took(group: str, action: Action, old: Fields | None, shown: Fields) -> dict[str, set[str]]:
    """What became of the fields sent of one group, spelt any way: took | refused (the old value stands) | newer
    (somebody was there after us). A status that a create begins with is nobody's."""
    made = action.kind == "create"
    if made and group == "status":
        return {}
    sent, now, before, fates = view(action.fields), view(shown), view(old or {}), dict[str, set[str]]()
    for name in GROUPS[group]:
        if name in sent:
            became = _became(name, sent[name], now[name], None if made else before.get(name), action) if name in now else "took"
            fates.setdefault(became, set()).update(_spelt([name]))
    return fates


def _spelt(names: Iterable[str]) -> set[str]:
    """With the parts in which a side may show a name."""
    return {spelt for name in names for spelt in (RAW["name"] if name == "name" else (name,))}


def _agreed(names: Iterable[str], a: Fields, b: Fields | None) -> set[str]:
    """Those of these fields that both show alike, or one does not have."""
    mine, theirs = view(a), view(b or {})
    return _spelt(name for name in names if name not in mine or name not in theirs or mine[name] == theirs[name])


def happened(action: Action, shown: Fields) -> bool:
    """Whether a side shows every value that was sent."""
    return all(set(took(group, action, None, shown)) <= {"took"} for group in action.groups)


def _became(name: str, sent: str | None, now: str | None, before: str | None, action: Action) -> str:
    """All values canonical: a status is a word, the rest may be tidied."""
    same = sent == now if name == "status" else alike(sent, now)
    if same or (name == "job_notes" and action.added and _contains(now, action.added)):
        return "took"
    return "refused" if now == before else "newer"


def _contains(notes: str | None, added: str) -> bool:
    return all(any(alike(line, now) for now in (notes or "").splitlines()) for line in added.splitlines())


def _sent(fields: Fields, names: Collection[str], shown: Fields) -> dict[str, str | None]:
    """What was sent, shaped as the side shows it: a whole name in parts."""
    sent = {name: fields.get(name, shown.get(name)) for name in shown if name in names}
    if "name" in fields and "first_name" in sent:
        sent["first_name"], sent["last_name"] = split_name(fields["name"] or "")
    return sent


def memories(action: Action) -> dict[str, str]:
    """How a refusal of this action, or of one group of it, will be recognised when it is planned again.

    The shop takes its groups in one transaction: what was refused together is tried apart, each once."""
    if action.side == "shop" or action.kind == "create" or len(action.groups) < 2:
        return {memory(action): action.signature}
    return {key: value for group in action.groups for key, value in _memory_of(action, group, set(RAW[group])).items()}


def _memory_of(action: Action, group: str, names: Collection[str]) -> dict[str, str]:
    """The same for these fields of one group, as they would be sent alone."""
    fields = {name: value for name, value in action.fields.items() if name in names}
    one = replace(action, groups=(group,), fields=fields, kind=KIND.get(fields.get("status"), "change"))
    return {memory(one): one.signature}


# -- after a decision


def decided(link: Link, out: Outlook, going: bool, bulk: bool = False) -> Changes:
    """Agreement is recorded; when to look again; which choices last; open or closed.

    `going`: its actions are carried out now. `bulk`: a backfill, which leaves what it may not do to the daemon."""
    changes = recorded(link, out.record)
    choice = {key: value for key, value in link.choice.items() if _undecided(out) or _lasts(key, value, link, out)}
    if choice != link.choice:
        changes["choice"] = choice
    due = _due(link, out, going, bulk)
    if due != link.due_at:
        changes["due_at"] = due
    if out.close and not going and not out.stands:
        state = "closed"
    else:
        state = "open" if link.state == "closed" and link.paired else link.state
    return changes | ({"state": state} if state != link.state else {})


def _due(link: Link, out: Outlook, going: bool, bulk: bool) -> str | None:
    """When to look again: with the write, when the first wait is over, or when a side shows something new."""
    if going or bulk:
        return link.due_at
    return min((stand.until for stand in out.stands if stand.until), default=None)


def _lasts(key: str, value: str, link: Link, out: Outlook) -> bool:
    """A decision lasts until it is carried out or has nothing left to decide; of a booking that is left alone, all do."""
    if "forgotten" in link.choice:
        return True
    if key in ("create", "doubt") or (key == "identity" and value != "same"):
        return not link.paired
    if key == "identity":  # the same booking, whatever changed: until the plate is agreed on
        return view(link.shop_base or {}).get("rego") != view(link.shop or {}).get("rego")
    if key in ("missing", "all"):
        return bool(link.missing) or key == "all"
    if key.startswith("stuck."):
        return key.removeprefix("stuck.") not in out.record
    if key == "release":
        return any(action.signature in value.split() for action in out.actions) or _waits(out)
    if key == "restore":
        return bool(out.actions)
    return _waits(out, key) or any(key in action.groups for action in out.actions)


def _undecided(out: Outlook) -> bool:
    """Nothing was decided: the last write is not settled, or a row not found is looked for again."""
    return any(stand.kind == "waiting" and stand.scope in ("intent", "missing") for stand in out.stands)


def _waits(out: Outlook, scope: str | None = None) -> bool:
    return any(stand.kind == "waiting" and scope in (None, stand.scope) for stand in out.stands)
