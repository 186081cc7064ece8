"""A booking as this program sees it: fields, groups, and what one side showed.

RULE for all of `core`: no I/O, no clock, no logging, no third-party import.

Every value is text or None. Times are ISO 8601 UTC in whole seconds (`2026-03-05T22:00:00Z`); a side that keeps
days only shows a plain day (`2026-03-06`), counted in the workshop's zone. A field that a side does not hold is
absent from its `fields`; one that it holds empty is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

Side = Literal["shop", "repairy"]
SIDES: tuple[Side, ...] = ("shop", "repairy")
Fields = Mapping[str, str | None]

PENDING, PROCESSING, DONE, CANCELLED = "pending", "processing", "done", "cancelled"
STATUSES = (PENDING, PROCESSING, DONE, CANCELLED)
IGNORE = "ignore"  # a shop status that is not this program's concern
UNMAPPED = "?"  # what a status word that nobody mapped begins with; the raw word follows

# Group -> its fields. A group is changed, won and held as one; customer and vehicle go field by field.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "time": ("starts_at", "ends_at"),
    "service": ("service_category", "service_code", "description"),
    "notes": ("job_notes",),
    "status": ("status",),
    "name": ("name",),
    "phone": ("phone",),
    "email": ("email",),
    "rego": ("rego",),
    "make": ("make",),
    "model": ("model",),
    "badge": ("badge",),
    "year": ("year",),
    "vin": ("vin",),
}
CUSTOMER = ("name", "phone", "email")
VEHICLE = ("rego", "make", "model", "badge", "year", "vin")
# What the `[workshops.policy]` key is for a group.
POLICY: Mapping[str, str] = {
    group: "customer" if group in CUSTOMER else "vehicle" if group in VEHICLE else group for group in GROUPS
}
# Every field that may stand in a snapshot. `name` may come whole or in parts; compared, it is whole.
FIELDS = (
    "status", "starts_at", "ends_at", "service_category", "service_code", "description", "job_notes",
    "name", "first_name", "last_name", "company", "phone", "email",
    "rego", "make", "model", "badge", "year", "vin",
)  # fmt: skip


def other(side: Side) -> Side:
    """The side across."""
    return "repairy" if side == "shop" else "shop"


class Sighting(NamedTuple):
    """One booking as one side showed it in a good read, `fields` in that side's own spelling."""

    key: str  # the shop's key as text, or Repairy's booking id
    fields: Fields
    changed_at: str | None = None  # ISO UTC, where the side keeps such a stamp
    ref: str | None = None  # the other side's name for it: the shop's `repairy_ref`, Repairy's external reference
    code: str | None = None  # Repairy's short booking code
    workshop_id: str | None = None  # Repairy's workshop id (shop: None)
    locked: bool = False  # the shop's program asks that nobody writes now
    marks: tuple[str, ...] = ()  # what a reader should know: "starts_at:twice", "starts_at:skipped", "job_notes:undecodable"


@dataclass(frozen=True)
class Ability:
    """What one side can hold and take. The core projects values onto it before it compares or writes them."""

    side: Side
    reads: frozenset[str]  # fields that it shows
    writes: frozenset[str] = frozenset()  # fields that can be changed on an existing booking (without status)
    statuses: frozenset[str] = frozenset()  # statuses that can be written
    next: Mapping[str, tuple[str, ...]] | None = None  # allowed next statuses; None: any from any
    creates: bool = False
    required: frozenset[str] = frozenset()  # fields that a create must have
    links: bool = False  # can keep the other side's name for a booking that exists
    zone: tzinfo = field(default_factory=lambda: ZoneInfo("UTC"))  # the workshop's zone: whose days count
    grain: Literal["second", "minute", "day"] = "second"  # finest time that it keeps
    naive: tzinfo | None = None  # the zone in which it keeps times without an offset; None: it keeps instants
    limits: Mapping[str, int] = field(default_factory=dict)  # longest text of a field, in characters
    overflow: Literal["hold", "shorten"] = "hold"
    append_notes: bool = False  # notes can only be added, a line at a time
    default_time: str = "08:00"  # for a create on the other side of a booking that has a day only
    default_category: str = "service"
    visible_create: bool = False  # what messages a customer on this side
    visible_update: frozenset[str] = frozenset()
    visible_statuses: frozenset[str] = frozenset()
    silence_confirmed: bool = True  # whether a silent create is known, not just assumed, to be silent


@dataclass(frozen=True)
class Link:
    """One row of the mapping table: a booking, whichever sides of it are known."""

    id: int
    workshop: str
    reference: str | None = None
    shop_key: str | None = None
    repairy_id: str | None = None
    repairy_code: str | None = None
    shop: Fields | None = None  # last snapshot of each side
    repairy: Fields | None = None
    shop_base: Fields | None = None  # what both agreed on, each in its side's own spelling
    repairy_base: Fields | None = None
    shop_ref: str | None = None  # what the shop row says its booking at Repairy is
    repairy_ref: str | None = None  # the external reference that Repairy holds
    state: str = "open"  # baseline | open | closed | skipped: see engine.pair
    seen: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # "shop.status" -> {"first", "old"}: ISO UTC
    missing: Mapping[str, str] = field(default_factory=dict)  # side -> when it was first found absent, ISO UTC
    visible: frozenset[str] = frozenset()  # visible kinds already accepted, for ever
    refused: Mapping[str, str | None] = field(default_factory=dict)  # "repairy.notes" -> the value it would not take
    choice: Mapping[str, str] = field(default_factory=dict)  # a person's decisions still to be carried out
    locked: bool = False
    marks: tuple[str, ...] = ()
    attempts: int = 0
    due_at: str | None = None  # when to look at it again; None: nothing to do until a side shows something new
    poll_at: str | None = None  # when to read it again at Repairy
    error: str = ""
    version: int = 0

    def snapshot(self, side: Side) -> Fields | None:
        return self.shop if side == "shop" else self.repairy

    def base(self, side: Side) -> Fields | None:
        return self.shop_base if side == "shop" else self.repairy_base

    @property
    def paired(self) -> bool:
        return self.shop_key is not None and self.repairy_id is not None
