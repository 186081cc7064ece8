"""Which shop row and which Repairy booking are the same one. Pure; what is not certain goes to a person.

By reference, by the name that the row remembers, then by plate and day with phone or e-mail. A name alone never
matches. A near match (same plate within 14 days; same phone or e-mail that day) is held on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

from sync.core.booking import CANCELLED, Fields, Link
from sync.core.canonical import view
from sync.core.status import FINAL
from sync.core.times import day_of

NEAR_DAYS = 14


@dataclass(frozen=True)
class Pairing:
    """`pairs` are certain; `doubts` says for a link's id why a person must decide."""

    pairs: tuple[tuple[Link, Link], ...]  # (shop half, Repairy half)
    doubts: dict[int, str]


@dataclass(frozen=True)
class Half:
    """What pairing looks at of one side of a link."""

    link: Link
    plate: str | None
    day: int | None  # ordinal in the workshop's calendar
    contacts: frozenset[str]
    open: bool = True  # a finished visit of last week is not this week's

    @classmethod
    def of(cls, link: Link, fields: Fields | None, zone: tzinfo) -> Half:
        seen = view(fields or {})
        start = seen.get("starts_at")
        contacts = frozenset(value for value in (seen.get("phone"), seen.get("email")) if value)
        return cls(
            link, seen.get("rego"), day_of(start, zone).toordinal() if start else None, contacts, seen.get("status") not in FINAL
        )

    def same(self, there: Half) -> bool:
        """Plate and day, with phone or e-mail."""
        return bool(
            self.plate
            and self.plate == there.plate
            and self.day is not None
            and self.day == there.day
            and self.contacts & there.contacts
        )

    def near(self, there: Half) -> bool:
        if self.day is None or there.day is None:
            return False
        if self.plate and self.plate == there.plate:
            return abs(self.day - there.day) <= NEAR_DAYS
        return self.day == there.day and bool(self.contacts & there.contacts)

    def plate_day(self, there: Half) -> bool:
        return bool(self.plate and self.plate == there.plate and self.day is not None and self.day == there.day)


def pair(shop: Sequence[Link], repairy: Sequence[Link], linked: Sequence[Link], zone: tzinfo) -> Pairing:
    """`shop` and `repairy` are halves that lack the other side; `linked` are the whole ones near them."""
    named = _named(shop, repairy)
    taken = {half.id for both in named for half in both}
    rows = [Half.of(link, link.shop, zone) for link in shop if link.id not in taken and not _decided(link)]
    bookings = [
        Half.of(link, link.repairy, zone)
        for link in repairy
        if link.id not in taken and not _decided(link) and view(link.repairy or {}).get("status") != CANCELLED
    ]
    doubts: dict[int, str] = {}
    likely = _likely(rows, bookings, doubts)
    taken = {half.id for both in likely for half in both}
    _near([row for row in rows if row.open], bookings, taken, doubts)
    _second(bookings, [Half.of(link, link.shop, zone) for link in linked], taken, doubts)
    return Pairing((*named, *likely), doubts)


def _decided(link: Link) -> bool:
    """A person was asked, and said that it is new: it is not held again for what it resembles."""
    return link.choice.get("create") == "person"


def _named(shop: Sequence[Link], repairy: Sequence[Link]) -> list[tuple[Link, Link]]:
    """By reference, or by the id or code that the shop row remembers."""
    by_reference = {row.reference: row for row in shop if row.reference}
    by_memory = {row.shop_ref: row for row in shop if row.shop_ref}
    found, used = list[tuple[Link, Link]](), set[int]()
    for booking in repairy:
        row = by_reference.get(booking.repairy_ref) if booking.repairy_ref else None
        row = row or by_memory.get(booking.repairy_id or "") or by_memory.get(booking.repairy_code or "")
        if row is not None and row.id not in used:
            used.add(row.id)
            found.append((row, booking))
    return found


def _likely(rows: Sequence[Half], bookings: Sequence[Half], doubts: dict[int, str]) -> list[tuple[Link, Link]]:
    """Exactly one on each side; two candidates go to a person."""
    found = []
    for booking in bookings:
        mine = [row for row in rows if row.same(booking)]
        rivals = [other for other in bookings if len(mine) == 1 and other.same(mine[0])]
        if len(mine) == 1 and len(rivals) == 1:
            found.append((mine[0].link, booking.link))
        elif mine:
            for half in (*mine, *rivals, booking):
                doubts[half.link.id] = "more than one booking could be this one: plate, day and contact agree"
    return found


def _near(rows: Sequence[Half], bookings: Sequence[Half], taken: set[int], doubts: dict[int, str]) -> None:
    for booking in bookings:
        for row in rows:
            if booking.link.id in taken or row.link.id in taken or not row.near(booking):
                continue
            doubts.setdefault(booking.link.id, f"looks like the shop's booking {row.link.shop_key}: is it the same?")
            doubts.setdefault(
                row.link.id,
                f"looks like Repairy's booking {booking.link.repairy_code or booking.link.repairy_id}: is it the same?",
            )


def _second(bookings: Sequence[Half], linked: Sequence[Half], taken: set[int], doubts: dict[int, str]) -> None:
    for booking in bookings:
        twin = next((half for half in linked if half.plate_day(booking)), None)
        if twin and booking.link.id not in taken:
            doubts.setdefault(
                booking.link.id, f"second booking? {twin.link.reference or twin.link.shop_key} has the same plate that day"
            )
