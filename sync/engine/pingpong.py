"""Ping-pong: a group of a booking that our own writes turn back and forth is held, whatever each write looks like alone.

Counted over the journal's last hour: a write to the other side than the one before, or to a value that stood already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from sync.core.action import Action
from sync.core.booking import Fields, Link
from sync.core.canonical import view
from sync.core.fold import RAW
from sync.engine.site import Site
from sync.records import Intent

TURNS = 3  # of one group in an hour; the next is held
_HOUR = timedelta(hours=1)


def stuck(site: Site, link: Link, actions: Sequence[Action]) -> Mapping[str, str]:
    """The choices that hold what would turn once more; nothing that a person decided on."""
    groups = {group: one for one in actions for group in one.groups if one.kind != "create" and group not in link.choice}
    if not groups:
        return {}
    journal = [one for one in site.state.intents(link.id) if _counts(one) and one.started_at > site.now() - _HOUR]
    why = f"was written back and forth more than {TURNS} times within an hour: which side is right?"
    return {f"stuck.{group}": f"{group} {why}" for group, one in groups.items() if _turns(journal, one, group) > TURNS}


def _counts(one: Intent) -> bool:
    return one.outcome == "accepted" and one.kind not in ("create", "link")


def _turns(journal: Sequence[Intent], action: Action, group: str) -> int:
    """How often this group turned, the planned write included."""
    writes = [(one.side, _of(one.before, group), _of(one.after, group)) for one in journal]
    writes = [one for one in writes if one[2]] + [(action.side, {}, _of(action.fields, group))]
    stood, turns = [writes[0][1]], 0
    for at, (side, _, value) in enumerate(writes):
        turns += (at > 0 and side != writes[at - 1][0]) or value in stood
        stood.append(value)
    return turns


def _of(fields: Fields, group: str) -> dict[str, str | None]:
    return view({name: value for name, value in fields.items() if name in RAW[group]})
