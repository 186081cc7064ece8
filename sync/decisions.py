"""What a person decides, stored until the lease's holder takes it up. The commands and the page decide here, alike.

RULE: nothing is carried out here; the next pass does (`engine.deciding`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Literal, Protocol

from sync.core.booking import Link
from sync.engine.deciding import FORGOTTEN, MADE, concerned
from sync.errors import SyncError
from sync.records import Decision, Standing

WAYS = ("use", "link", "create", "skip", "retry", "restore")
FLAGS = ("create", "skip", "retry")  # ways that need no value
USES = ("shop", "repairy")
Paused = Literal["", "all", "visible"]


class Keeper(Protocol):
    """The state, as far as it is used here."""

    def decide(self, workshop: str, kind: str, target: str, value: str) -> Decision: ...
    def plans(self, workshop: str) -> list[Standing]: ...
    def standings(self, workshop: str, kind: str, link_id: int) -> list[Standing]: ...


def resolve(
    state: Keeper, link: Link, way: str, value: str = "", seen: Collection[str] | None = None
) -> dict[str, str | bool | list[str]]:
    """One booking: `use` shop | repairy, `link` to a key, id or code, `create`, `skip`, `retry`, `restore` a journal entry.

    `seen`: the scopes that were shown to the person; None: those that stand now. Returns the decision as it is stored.
    Raises SyncError where it is none of these, or decides nothing."""
    if way not in WAYS or bool(value) == (way in FLAGS) or (way == "use" and value not in USES):
        raise SyncError("say one of: use shop, use repairy, link ID, create, skip, retry, restore INTENT")
    if "forgotten" in link.choice:
        raise SyncError(FORGOTTEN)
    stands = [one for kind in ("held", "noted") for one in state.standings(link.workshop, kind, link.id)]
    held = {one.scope for one in stands if one.kind == "held"}
    if way == "use" and held == {"identity"}:
        raise SyncError("say first which booking this is: skip, it is the same one; create, it is another; or link ID")
    if way == "create" and link.paired and "identity" not in held:
        raise SyncError(MADE)
    how: dict[str, str | bool | list[str]] = {way: value or True}
    if way in ("use", "skip"):
        shown = {one.scope for one in stands} if way == "skip" else set(concerned(stands))
        how["of"] = sorted(shown if seen is None else shown.intersection(seen))
    state.decide(link.workshop, "resolve", str(link.id), json.dumps(how))
    return how


def approve(state: Keeper, workshops: Iterable[str], digest: str, use: str = "") -> list[Standing]:
    """Release a held plan, or accept a changed schema; the plans released. `use` shop | repairy: whose values are right,
    where the shop was restored from a backup. Raises SyncError where none has this digest, or `use` is lacking."""
    plans = [one for name in workshops for one in state.plans(name) if one.digest == digest]
    if not plans:
        raise SyncError(f"no held plan has the digest {digest}; `repairy-sync held` lists them")
    if use not in (USES if any(one.scope == "restored" for one in plans) else ("", *USES)):
        raise SyncError("where the shop seems restored from a backup, say whose values are right: --use shop or --use repairy")
    for one in plans:
        state.decide(one.workshop, "approve", digest, use)
    return plans


def pause(state: Keeper, workshops: Iterable[str], value: Paused) -> None:
    """Stop pushing everything, or only what may message a customer; "" goes on."""
    for name in workshops:
        state.decide(name, "pause", name, value)
