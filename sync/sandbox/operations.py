"""Each documented operation: what it asks of a request and what it answers. The names are the contract's `operations`.

RULE: nothing here knows of tokens, faults or sockets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date
from typing import Any

from sync.sandbox.diary import API, Diary
from sync.sandbox.shapes import ABSENT, Shapes, dig, put
from sync.sandbox.values import DATE, ID, LOCAL_PHONE

QUOTE_REQUIRED = frozenset({"workshop_id", "first_name", "phone", "address"})  # documented: name, address, contact details


@dataclass(frozen=True)
class Request:
    """One call, taken apart: `places` of the path (decoded), `query` (first value of each), the parsed body."""

    places: Mapping[str, str]
    query: Mapping[str, str]
    body: dict[str, Any]


class Operations:
    """Operation name -> method of that name; each returns what stands in the answer's body."""

    def __init__(self, shapes: Shapes, diary: Diary) -> None:
        self.shapes, self.diary = shapes, diary
        self.reminders: dict[str, dict[str, Any]] = {}

    def named(self, operation: str) -> Callable[[Request], Any]:
        served: Callable[[Request], Any] = getattr(self, operation)
        return served

    def create(self, request: Request) -> Any:
        booking_id = self.diary.create(request.body)
        answer: dict[str, Any] = {}
        if self.shapes.tables["answer"]["created_id"]:
            put(answer, self.shapes.tables["answer"]["created_id"], booking_id)
        return {**self.diary.booking(booking_id), **answer}

    def read(self, request: Request) -> Any:
        return self.diary.booking(request.places["booking_id"])

    def update(self, request: Request) -> Any:
        self.diary.update(request.places["booking_id"], request.body)
        return self.read(request)

    def set_status(self, request: Request) -> Any:
        word = request.places["status"]
        status = next((each for each, spelt in self.shapes.path_words.items() if spelt == word), None)
        if status is None:
            raise self.shapes.refused("not_found", "unknown_status", "there is no such status")
        self.diary.booking(request.places["booking_id"])
        for name in self.shapes.tables["status_body"].values():
            if not isinstance(dig(request.body, name), bool) and dig(request.body, name) is not ABSENT:
                raise self.shapes.refused("invalid", "invalid_fields", f"{name} must be true or false")
        self.diary.set_status(request.places["booking_id"], status, request.body)
        return self.read(request)

    def catalog(self, request: Request) -> Any:
        return self._listed("services", "catalog", self.diary.workshop(request.places["workshop_id"]).catalog())

    def availability(self, request: Request) -> Any:
        workshop, names = self.diary.workshop(request.places["workshop_id"]), self.shapes.tables["availability"]
        since, until = self._span(request, names)
        if (until - since).days >= names["days"]:
            raise self.shapes.refused("invalid", "range_too_long", f"at most {names['days']} days a call")
        wanted = request.query.get(names["catalog_id"])
        if wanted is not None and wanted not in workshop.catalog_ids():
            raise self.shapes.refused("invalid", "unknown_service", f"{names['catalog_id']} is not in this workshop's catalog")
        days = workshop.days(since, until, self.diary.taken_slots(workshop.id), self.diary.clock.now())
        return self._listed("availability", "list", days)

    def quote(self, request: Request) -> Any:
        names = {field: path for field, path in self.shapes.tables["quote"].items() if field != "id"}
        taken = self.shapes.take(request.body, names, QUOTE_REQUIRED)
        self.diary.workshop(taken["workshop_id"])
        answer: dict[str, Any] = {}
        put(answer, self.shapes.tables["quote"]["id"], self.diary.new_id())
        return answer

    def remind(self, request: Request) -> Any:
        names, body = self.shapes.tables["reminder"], request.body
        workshop_id = self._id(body, names["workshop_id"], required=True)
        customer_id = self._id(body, names["customer_id"])
        phone = dig(body, names["customer_phone"])
        if phone is not ABSENT:
            phone = self._checked(phone, LOCAL_PHONE, names["customer_phone"])
        elif customer_id is None:
            raise self._invalid(f"{names['customer_id']} or {names['customer_phone']} is required")
        self.diary.workshop(workshop_id or "")
        return self._reminded(workshop_id or "", customer_id, None if phone is ABSENT else phone)

    def reminder(self, request: Request) -> Any:
        found = self.reminders.get(request.places["reminder_id"])
        if found is None:
            raise self.shapes.refused("not_found", "reminder_not_found", "there is no reminder with this id")
        return found

    def report(self, request: Request) -> Any:
        since, until = self._span(request, self.shapes.tables["report"])
        days = {key: self.diary.starts(key).astimezone(UTC).date() for key in self.diary.bookings}
        return self._listed("report", "list", [self.diary.booking(key) for key, day in days.items() if since <= day <= until])

    def call_lead(self, request: Request) -> Any:
        """Its shape is known to nobody: any object that names a workshop is taken."""
        names = self.shapes.tables["booking"]
        self.diary.workshop(self._id(request.body, names["workshop_id"], required=True) or "")
        return {names["id"]: self.diary.new_id()}

    def _reminded(self, workshop_id: str, customer_id: str | None, phone: str | None) -> dict[str, Any]:
        """Send the SMS now, and keep what the reminder shows. The customer's id wins over the phone (documented)."""
        field, wanted = ("customer_id", customer_id) if customer_id else ("phone", phone)
        mine = [key for key in self.diary.bookings if self.diary.field(key, "workshop_id") == workshop_id]
        last = next((key for key in reversed(mine) if self.diary.field(key, field) == wanted), None)
        if customer_id and last is None:
            raise self.shapes.refused("not_found", "customer_not_found", "this workshop has no customer with this id")
        known = {each: self.diary.field(last, each) if last else None for each in ("car_id", "customer_id", "phone")}
        shown = {
            **dict.fromkeys(self.shapes.tables["reminder"]),
            "id": self.diary.new_id(),
            "code": self.diary.new_code(8),
            "workshop_id": workshop_id,
            "last_booking_id": last,
            "car_id": known["car_id"],
            "customer_id": known["customer_id"],
            "customer_phone": known["phone"] or phone,
        }
        wire: dict[str, Any] = {}
        for name, value in shown.items():
            put(wire, self.shapes.tables["reminder"][name], value)
        self.diary.message(last or "", "reminder", str(shown["customer_phone"]), API)
        return self.reminders.setdefault(str(shown["id"]), wire)

    def _listed(self, table: str, key: str, items: list[Any]) -> Any:
        """A list as the whole answer, or where the contract says that it stands."""
        path = self.shapes.tables[table][key]
        if not path:
            return items
        answer: dict[str, Any] = {}
        put(answer, path, items)
        return answer

    def _span(self, request: Request, names: Mapping[str, Any]) -> tuple[date, date]:
        since, until = (
            date.fromisoformat(self._checked(request.query.get(names[end]), DATE, names[end])) for end in ("from", "to")
        )
        if until < since:
            raise self._invalid(f"{names['to']} must not be before {names['from']}")
        return since, until

    def _id(self, body: dict[str, Any], path: str, required: bool = False) -> str | None:
        value = dig(body, path)
        return None if value is ABSENT and not required else self._checked(value, ID, path)

    def _checked(self, value: Any, kind: Any, name: str) -> str:
        try:
            return str(kind.take(value, needed=True))
        except ValueError as problem:
            raise self._invalid(f"{name} must be {problem}") from None

    def _invalid(self, message: str) -> Exception:
        return self.shapes.refused("invalid", "invalid_fields", message)


def route(template: str) -> re.Pattern[str]:
    """A path with {places} as a pattern; a place is one step of the path."""
    parts = re.split(r"\{(\w+)\}", template)
    return re.compile("".join(re.escape(part) if n % 2 == 0 else f"(?P<{part}>[^/]+)" for n, part in enumerate(parts)))
