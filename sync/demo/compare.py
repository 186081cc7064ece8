"""Both sides, read directly and laid side by side: the shop by its own SQL, Repairy by the sandbox's truth.

RULE: nothing of the program under trial is used here, neither its state nor its way to compare.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from sync.demo.shop import ZONE

PREFIX = "DEMO-"
STATUS = {
    "Booked in": "pending", "On hoist": "processing", "Waiting for parts": "processing", "Ready": "done", "Collected": "done",
    "Cancelled": "cancelled", "No show": "no show",
}  # fmt: skip
WORK = {"Service": "service", "Tyres": "tyres", "Repairs": "repair"}
Fields = Mapping[str, str]
Sides = tuple[Mapping[str, Fields], Mapping[str, Fields]]  # the shop's and Repairy's: plate -> fields


@dataclass(frozen=True)
class Pair:
    """One booking on both sides; None where a side has none."""

    plate: str
    shop: Fields | None
    repairy: Fields | None

    @property
    def differences(self) -> list[str]:
        if self.shop is None or self.repairy is None:
            return ["not in the shop" if self.shop is None else "not at Repairy"]
        both = self.shop.keys() | self.repairy.keys()
        return sorted(field for field in both if self.shop.get(field) != self.repairy.get(field))


def shop_side(rows: Iterable[Mapping[str, Any]]) -> dict[str, Fields]:
    """Plate -> fields, in the form in which both sides are compared. A plate that stands twice is marked."""
    side: dict[str, Fields] = {}
    for row in rows:
        _put(side, row["plate"], {
            "reference": f"{PREFIX}{row['id']}", "repairy id": _text(row["online_ref"]),
            "status": STATUS.get(row["label"], str(row["label"])), "start": row["dropoff"], "end": _text(row["pickup"]),
            "category": WORK.get(row["work"], "others"), "job": _text(row["job"]), "notes": _text(row["notes"]),
            "name": _text(row["name"]), "phone": _digits(row["phone"]), "e-mail": _text(row["email"]),
            "make": _text(row["make"]), "model": _text(row["model"]), "year": _text(row["year"]),
        })  # fmt: skip
    return side


def repairy_side(bookings: Iterable[Mapping[str, Any]]) -> dict[str, Fields]:
    """The same of the sandbox's bookings."""
    side: dict[str, Fields] = {}
    for booking in bookings:
        car, customer = booking["car"], booking["customer"]
        _put(side, car["rego"], {
            "reference": _text(booking["externalId"]), "repairy id": booking["id"],
            "status": booking["status"], "start": _wall(booking["bookingTime"]), "end": _wall(booking["pickupTime"]),
            "category": _text(booking["serviceCategory"]), "job": _text(booking["productDescription"]),
            "notes": _text(booking["jobNotes"]),
            "name": f"{_text(customer['firstName'])} {_text(customer['lastName'])}".strip(),
            "phone": _digits(customer["phone"]), "e-mail": _text(customer["email"]),
            "make": _text(car["make"]), "model": _text(car["model"]), "year": _text(car["year"]),
        })  # fmt: skip
    return side


def _put(side: dict[str, Fields], plate: str, fields: Fields) -> None:
    while plate in side:
        plate += " again"
    side[plate] = fields


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _digits(value: object) -> str:
    return "".join(filter(str.isdigit, _text(value)))


def _wall(moment: str | None) -> str:
    """A time in UTC as it stands on the workshop's wall."""
    return "" if moment is None else str(datetime.fromisoformat(moment).astimezone(UTC).astimezone(ZONE).replace(tzinfo=None))


def pairs(sides: Sides, only_shop: frozenset[str]) -> list[Pair]:
    """Every booking that should stand on both sides. `only_shop`: what is to stay in the shop; at Repairy it is a fault."""
    shop, repairy = sides
    plates = (shop.keys() - only_shop) | repairy.keys()
    return [Pair(plate, shop.get(plate) if plate not in only_shop else None, repairy.get(plate)) for plate in sorted(plates)]


def repeated(messages: Iterable[Mapping[str, str]]) -> list[str]:
    """Messages of one cause that went out more than once: the play moves, finishes and cancels each booking once a side."""
    causes = Counter((each["booking_id"], each["kind"], each["by"]) for each in messages)
    return [f"{count} × {kind} for {booking} ({by})" for (booking, kind, by), count in causes.items() if count > 1]


def not_silent(messages: Iterable[Mapping[str, str]]) -> list[str]:
    """Confirmations that the program caused: what the shop books at its counter is created in silence."""
    return [each["kind"] for each in messages if each["by"] == "api" and each["kind"] == "created"]


def booking_table(found: Sequence[Pair]) -> str:
    """One line a booking."""
    table = _table("Both sides, field by field", "Plate", "Shop", "Repairy", "Start", "Status", "Agree", "Differs in")
    for pair in found:
        seen = pair.shop or pair.repairy or {}
        fields, wrong = len(seen), pair.differences
        told = [f"{name}: {(pair.shop or {}).get(name, '-')} | {(pair.repairy or {}).get(name, '-')}" for name in wrong]
        table.add_row(
            pair.plate,
            (pair.shop or {}).get("reference", "-"),
            (pair.repairy or {}).get("repairy id", "-")[-6:],
            seen.get("start", "")[:16],
            seen.get("status", ""),
            f"{fields - len(wrong)} of {fields}" if pair.shop and pair.repairy else "-",
            "\n".join(told),
        )
    return _printed(table)


def count_table(title: str, counted: Iterable[tuple[str, ...]], *heads: str) -> str:
    """How often each thing happened."""
    table = _table(title, *heads, "Count")
    for words, count in sorted(Counter(counted).items()):
        table.add_row(*words, str(count))
    return _printed(table)


def _table(title: str, *heads: str) -> Table:
    return Table(*heads, title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)


def _printed(table: Table) -> str:
    page = StringIO()
    Console(file=page, width=118, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in page.getvalue().splitlines()).rstrip() + "\n"
