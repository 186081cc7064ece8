"""What the state keeps besides links: plain frozen facts that the engine and the store hand to each other.

RULE: imports only `core`. `datetime` values are aware, in UTC; mappings hold what JSON can hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sync.core.booking import Fields, Side


@dataclass(frozen=True)
class Intent:
    """One write to one side, committed before it is tried: the journal's row."""

    op: str  # uuid hex
    link_id: int
    workshop: str
    side: Side
    kind: str  # create | change | done | cancel | link
    before: Fields  # values overwritten, in the side's own spelling
    after: Fields  # values sent
    shop: Fields | None  # both snapshots that the action was decided on
    repairy: Fields | None
    context: Mapping[str, Any]  # {"keys": […], "bound": {…}, "groups": […], "visible": […]}
    started_at: datetime
    finished_at: datetime | None = None
    outcome: str | None = None  # None while open | accepted | rejected | not_sent | unknown | stale
    error: str = ""
    looks: int = 0  # how often an unknown one was looked at
    look_at: datetime | None = None  # when to look (again)


@dataclass(frozen=True)
class Standing:
    """What waits, is noted or is held, as it stands now (table `hold`). An empty `id` is given one by the store."""

    id: str  # 8 hex digits, for a person to type
    workshop: str
    link_id: int | None  # None: concerns the whole workshop
    kind: str  # waiting | noted | held | plan
    scope: str  # a field group, "identity", "plan", …
    reason: str
    since: datetime
    digest: str = ""  # what `approve` takes, where kind is plan
    count: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)
    until: datetime | None = None  # waiting: when it ends


@dataclass(frozen=True)
class Source:
    """How the reading of one side stands."""

    workshop: str
    side: Side
    cursor: str | None = None
    identity: Mapping[str, str] = field(default_factory=dict)  # the pinned fingerprint
    last_attempt: datetime | None = None
    last_good: datetime | None = None
    last_error: str = ""
    rows: int = 0  # of the last good read
    pause_until: datetime | None = None  # the side asked for patience


@dataclass(frozen=True)
class Desk:
    """How one workshop stands as a whole (table `workshop`). An empty `mode`: no pass ran yet."""

    workshop: str
    mode: str = ""
    baseline_at: datetime | None = None
    paused: str = ""  # "" | all | visible
    profile_digest: str = ""
    last_sweep: datetime | None = None
    last_write: Mapping[str, str] = field(default_factory=dict)  # side -> ISO UTC


@dataclass(frozen=True)
class Decision:
    """What a person decided (resolve, approve, pause …), until the lease's holder takes it up."""

    id: int
    workshop: str
    kind: str
    target: str
    value: str
    at: datetime
    taken_at: datetime | None = None


@dataclass(frozen=True)
class Run:
    """One pass that ended."""

    id: int
    workshop: str
    started_at: datetime
    finished_at: datetime
    counts: Mapping[str, int]
    error: str = ""
