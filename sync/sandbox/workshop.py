"""What a workshop offers: its catalog of services, its opening hours and the slots that are still open.

RULE: pure; made-up figures that are the same at every start, so that tests and the description can name them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

from sync.sandbox.shapes import ABSENT, Refused, Shapes, dig, put
from sync.sandbox.values import CATEGORIES, LINE

# code, title, category, cost, max cost, icon, color
OFFER = (
    ("logbook", "Logbook Service", "service", 150, 200, "basic", "green"),
    ("wheel_alignment", "Wheel Alignment", "tyres", 90, 120, "tyre", "blue"),
    ("brakes", "Brake Repair", "repair", 280, 420, "brake", "red"),
    ("roadworthy", "Roadworthy Certificate", "others", 210, 210, "check", "grey"),
)
PARTS = ("code", "title", "category", "cost", "max_cost", "icon", "color")
WEEKDAY, SATURDAY = ("07:30", "16:30"), ("08:00", "11:30")
PICKUPS = ["12:00", "15:00", "17:00"]
SLOT = timedelta(minutes=30)


def offer_id(workshop_id: str, code: str) -> str:
    """24 hex digits, the same at every start."""
    return hashlib.sha256(f"{workshop_id} {code}".encode()).hexdigest()[:24]


@dataclass(frozen=True)
class Workshop:
    id: str
    name: str
    zone: tzinfo
    shapes: Shapes

    def catalog(self) -> list[dict[str, Any]]:
        """The catalog's items in the wire's shape."""
        names, items = self.shapes.tables["services"], []
        for offered in OFFER:
            item: dict[str, Any] = {}
            put(item, names["id"], offer_id(self.id, offered[0]))
            for part, value in zip(PARTS, offered, strict=True):
                put(item, names[part], value)
            items.append(item)
        return items

    def catalog_ids(self) -> list[str]:
        return [offer_id(self.id, offered[0]) for offered in OFFER]

    def services(self, sent: Any) -> list[dict[str, Any]]:
        """The services of a booking as they are stored: a catalog's takes the catalog's values, a custom one stays as sent."""
        if not isinstance(sent, list):
            raise self._wrong("must be a list")
        return [self._service(entry, at) for at, entry in enumerate(sent)]

    def _service(self, entry: Any, at: int) -> dict[str, Any]:
        names = self.shapes.tables["services"]
        if not isinstance(entry, dict):
            raise self._wrong(f"[{at}] must be an object")
        catalog_id = dig(entry, names["catalog_id"])
        stored: dict[str, Any] = {}
        if catalog_id is ABSENT:
            self._custom(entry, at)
            stored = dict(entry)
        else:
            self._listed(stored, catalog_id, at)
        put(stored, names["source"], "custom" if catalog_id is ABSENT else "catalog")
        return stored

    def _listed(self, stored: dict[str, Any], catalog_id: Any, at: int) -> None:
        names = self.shapes.tables["services"]
        offered = next((each for each in OFFER if offer_id(self.id, each[0]) == catalog_id), None)
        if offered is None:
            raise self._wrong(f"[{at}].{names['catalog_id']} is not in this workshop's catalog")
        put(stored, names["catalog_id"], catalog_id)
        for part, value in zip(PARTS, offered, strict=True):
            put(stored, names[part], value)

    def _custom(self, entry: dict[str, Any], at: int) -> None:
        names = self.shapes.tables["services"]
        try:
            LINE.take(dig(entry, names["title"]), needed=True)
        except ValueError:
            raise self._wrong(f"[{at}].{names['title']} is required") from None
        if dig(entry, names["category"]) not in (ABSENT, *CATEGORIES):
            raise self._wrong(f"[{at}].{names['category']} must be one of {', '.join(CATEGORIES)}")

    def _wrong(self, problem: str) -> Refused:
        return self.shapes.refused(
            "invalid", "invalid_services", f"{self.shapes.tables['services']['list'] or 'services'} {problem}"
        )

    def days(self, since: date, until: date, taken: Iterable[datetime], now: datetime) -> list[dict[str, Any]]:
        """The days of an availability answer, both ends included; `taken` are the starts of open bookings."""
        busy = {moment.astimezone(UTC) for moment in taken}
        return [self._day(since + timedelta(days=n), busy, now) for n in range((until - since).days + 1)]

    def _day(self, day: date, busy: set[datetime], now: datetime) -> dict[str, Any]:
        hours = {5: SATURDAY, 6: None}.get(day.weekday(), WEEKDAY)
        shown: Mapping[str, Any] = {
            "date": day.isoformat(),
            "opens": hours[0] if hours else None,
            "closes": hours[1] if hours else None,
            "slots": self._slots(day, hours, busy, now) if hours else [],
            "pickups": PICKUPS if hours else [],
        }
        wire: dict[str, Any] = {}
        for name, value in shown.items():
            put(wire, self.shapes.tables["availability"][name], value)
        return wire

    def _slots(self, day: date, hours: tuple[str, str], busy: set[datetime], now: datetime) -> list[str]:
        slot, last = (datetime.combine(day, time.fromisoformat(each)) for each in hours)
        free = []
        while slot < last:
            moment = slot.replace(tzinfo=self.zone).astimezone(UTC)
            if moment > now and moment not in busy:
                free.append(f"{slot:%H:%M}")
            slot += SLOT
        return free
