"""The truth: bookings in the wire's shape, what became of each, and every message that a customer would have got.

RULE: no HTTP and no faults. Whoever changes a booking here, through the API or online, causes the event and the message.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from random import Random
from typing import Any, Protocol

from sync.sandbox.outbox import Outbox
from sync.sandbox.shapes import ABSENT, Shapes, beside, dig, parent, put
from sync.sandbox.values import told, understood
from sync.sandbox.workshop import Workshop

API, ONLINE = "api", "online"  # who did it: a partner's call, or the customer and Repairy's own staff
CODE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


class Clock(Protocol):
    """The only time there is."""

    def now(self) -> datetime: ...


@dataclass(frozen=True)
class Message:
    """What a customer got. `kind`: created | moved | updated | a status | reminder. `by`: whose act caused it, api | online."""

    at: datetime
    booking_id: str
    kind: str
    to: str
    by: str = API


@dataclass(frozen=True)
class Change:
    """A booking as it stood after one act."""

    at: datetime
    by: str
    cause: str
    booking: dict[str, Any]


class Diary:
    """All bookings of all workshops. Methods refuse with `Refused`."""

    def __init__(
        self, shapes: Shapes, clock: Clock, workshops: Mapping[str, str], zone: tzinfo, outbox: Outbox, seed: int
    ) -> None:
        self.shapes, self.clock, self.zone, self.outbox = shapes, clock, zone, outbox
        self.workshops = {key: Workshop(key, name, zone, shapes) for key, name in workshops.items()}
        self.bookings: dict[str, dict[str, Any]] = {}
        self.history: dict[str, list[Change]] = {}
        self.messages: list[Message] = []
        self._by_reference: dict[str, str] = {}
        self._people: dict[tuple[str, str, Any], str] = {}
        self._ids = Random(f"booking ids {seed}")  # noqa: S311

    # What the API does

    def create(self, body: dict[str, Any]) -> str:
        """A new booking's id, or that of the one that has this reference already, whoever's it is (documented)."""
        taken = self.shapes.take(body, self.shapes.created, self.shapes.required | {"workshop_id"})
        silent = self._silenced("create", body)
        workshop = self.workshop(taken["workshop_id"])
        services = self._services(workshop, body)
        known = self._by_reference.get(taken.get("reference") or "")
        if known:
            return known
        booking_id = self._open(taken, services)
        self._happened(booking_id, API, "created", "created" if self._visible["create"] and not silent else "")
        return booking_id

    def update(self, booking_id: str, body: dict[str, Any]) -> None:
        """Replace what is editable; the rest of the body is ignored in silence, a reference too where there is one."""
        booking, shapes = self.booking(booking_id), self.shapes
        objects = shapes.objects_sent(body)
        taken = shapes.take(body, shapes.updated, objects & shapes.required, shapes.required)
        taken = {**dict.fromkeys(objects), **taken}
        silent = self._silenced("update", body)
        workshop = self.workshop(self.field(booking_id, "workshop_id"))
        services = self._services(workshop, body) if shapes.services_editable else None
        self._take_reference(booking_id, taken)
        changed = {field for field, value in taken.items() if value != self.field(booking_id, field)}
        for field, value in taken.items():
            put(booking, shapes.booking[field], value)
        if services is not None and shapes.tables["services"]["list"]:
            put(booking, shapes.tables["services"]["list"], services)
        told_of = changed & set(self._visible["update"]) if not silent else set()
        self._happened(booking_id, API, "updated", "moved" if "starts_at" in told_of else "updated" if told_of else "")

    def set_status(self, booking_id: str, status: str, body: dict[str, Any]) -> None:
        """One step by the table. A visible final status may be told again, and messages the customer again (assumed)."""
        silent = self._silenced("set_status", body)
        now = self.status(booking_id)
        again = now == status and status in self._visible["statuses"]
        if not again and status not in self.shapes.tables["status"]["next"].get(now, ()):
            raise self.shapes.refused("refused", "transition_refused", f"a booking that is {now} cannot become {status}")
        self._set(booking_id, "status", self.shapes.words[status])
        self._happened(booking_id, API, status, status if status in self._visible["statuses"] and not silent else "")

    # What customers and Repairy's own staff do

    def book(self, workshop_id: str, fields: Mapping[str, Any]) -> str:
        """A booking made online, from our field names; its customer gets the confirmation."""
        paths = {field: field for field in self.shapes.asked}
        taken = self.shapes.take({**fields, "workshop_id": workshop_id}, paths, self.shapes.required - {"workshop_id"})
        self.workshop(workshop_id)
        booking_id = self._open(taken, None)
        self._happened(booking_id, ONLINE, "created", "created")
        return booking_id

    def move(self, booking_id: str, starts_at: Any) -> None:
        self.booking(booking_id)
        taken = self.shapes.take({"starts_at": starts_at}, {"starts_at": "starts_at"}, ("starts_at",))
        self._set(booking_id, "starts_at", taken["starts_at"])
        self._happened(booking_id, ONLINE, "updated", "moved")

    def cancel(self, booking_id: str) -> None:
        self.booking(booking_id)
        self._set(booking_id, "status", self.shapes.words["cancelled"])
        self._happened(booking_id, ONLINE, "cancelled", "cancelled")

    def edit(self, booking_id: str, wire: Mapping[str, Any]) -> None:
        """Anything at all, as Repairy's own staff can: wire names, objects merged, no table of transitions."""
        before = self.status(booking_id)
        merge(self.booking(booking_id), wire)
        reference = self.field(booking_id, "reference")
        if reference:
            self._by_reference.setdefault(reference, booking_id)
        after = self.status(booking_id)
        self._happened(booking_id, ONLINE, after if after != before else "updated", "")

    # What is asked of it

    def booking(self, booking_id: str) -> dict[str, Any]:
        if booking_id not in self.bookings:
            raise self.shapes.refused("not_found", "booking_not_found", "there is no booking with this id")
        return self.bookings[booking_id]

    def workshop(self, workshop_id: str) -> Workshop:
        if workshop_id not in self.workshops:
            raise self.shapes.refused("not_found", "workshop_not_found", "there is no workshop with this id")
        return self.workshops[workshop_id]

    def field(self, booking_id: str, field: str) -> Any:
        """One field of a booking by our name; None where it has none."""
        value = dig(self.booking(booking_id), self.shapes.booking.get(field, field))
        return None if value is ABSENT else value

    def status(self, booking_id: str) -> str:
        """Our word for its status, or the wire's where that is unknown."""
        word = self.field(booking_id, "status")
        return next((status for status, spelt in self.shapes.words.items() if spelt == word), str(word))

    def starts(self, booking_id: str) -> datetime:
        return understood(self.field(booking_id, "starts_at"), self.shapes.tables["formats"]["time"])

    def taken_slots(self, workshop_id: str) -> list[datetime]:
        mine = (key for key in self.bookings if self.field(key, "workshop_id") == workshop_id)
        return [self.starts(key) for key in mine if self.status(key) in ("pending", "processing")]

    def new_id(self) -> str:
        return f"{self._ids.getrandbits(96):024x}"

    def new_code(self, length: int = 6) -> str:
        return "".join(self._ids.choices(CODE_LETTERS, k=length))

    def message(self, booking_id: str, kind: str, to: str, by: str) -> None:
        self.messages.append(Message(self.clock.now(), booking_id, kind, to, by))

    def knows(self, reference: str) -> bool:
        return reference in self._by_reference

    @contextlib.contextmanager
    def blind_to(self, reference: str) -> Iterator[None]:
        """Let a create with this reference make a second booking, as two do that look at the same moment."""
        first = self._by_reference.pop(reference, None)
        yield
        if first:
            self._by_reference[reference] = first

    # Inside

    @property
    def _visible(self) -> dict[str, Any]:
        visible: dict[str, Any] = self.shapes.tables["visible"]
        return visible

    def _silenced(self, part: str, body: dict[str, Any]) -> bool:
        asked = self.shapes.tables["silence"][part]
        for name, value in asked.items():
            if dig(body, name) is not ABSENT and type(dig(body, name)) is not type(value):
                raise self.shapes.refused("invalid", "invalid_fields", f"{name} must be such as {value!r}")
        return bool(asked) and all(dig(body, name) == value for name, value in asked.items())

    def _services(self, workshop: Workshop, body: dict[str, Any]) -> list[dict[str, Any]] | None:
        path = self.shapes.tables["services"]["list"]
        sent = dig(body, path) if path else ABSENT
        return None if sent is ABSENT else workshop.services(sent)

    def _take_reference(self, booking_id: str, taken: dict[str, Any]) -> None:
        if self.field(booking_id, "reference"):
            taken.pop("reference", None)
        wanted = taken.get("reference")
        if wanted and self._by_reference.setdefault(wanted, booking_id) != booking_id:
            raise self.shapes.refused("invalid", "reference_taken", "another booking has this external reference")

    def _open(self, taken: dict[str, Any], services: list[dict[str, Any]] | None) -> str:
        names, booking_id = self.shapes.booking, self.new_id()
        where = taken["workshop_id"]
        made = {
            "id": booking_id,
            "code": self.new_code(),
            "car_id": self._known(where, "car", taken.get("rego")),
            "customer_id": self._known(where, "customer", taken.get("phone")),
            **dict.fromkeys(self.shapes.asked),
            "status": self.shapes.words["pending"],
            **taken,
            "created_at": self._told(),
        }
        booking: dict[str, Any] = {}
        for field, value in made.items():
            if field in names:
                put(booking, names[field], value)
        self._documented_ids(booking, made)
        if self.shapes.tables["services"]["list"]:
            put(booking, self.shapes.tables["services"]["list"], services or [])
        self.bookings[booking_id] = booking
        if taken.get("reference"):
            self._by_reference[taken["reference"]] = booking_id
        return booking_id

    def _documented_ids(self, booking: dict[str, Any], made: Mapping[str, Any]) -> None:
        """`car {id, customerId}` and `customer {id}` are documented; they stand where the plate and the name stand."""
        names = self.shapes.booking
        rego, name = names.get("rego", ""), names.get("first_name") or names.get("name", "")
        if parent(rego):
            put(booking, beside(rego, "id"), made["car_id"])
            put(booking, beside(rego, "customerId"), made["customer_id"])
        if parent(name):
            put(booking, beside(name, "id"), made["customer_id"])

    def _known(self, workshop_id: str, what: str, mark: Any) -> str:
        """The id of this car or customer: the same for the same plate or phone."""
        return self._people.setdefault((workshop_id, what, mark or len(self._people)), self.new_id())

    def _set(self, booking_id: str, field: str, value: Any) -> None:
        put(self.booking(booking_id), self.shapes.booking[field], value)

    def _told(self) -> str | int:
        return told(self.clock.now(), self.shapes.tables["formats"]["time"])

    def _happened(self, booking_id: str, by: str, cause: str, message: str) -> None:
        """After each act: the stamp, the history, the message (`message`: its kind, "" for none), the event."""
        booking, now = self.bookings[booking_id], self.clock.now()
        if "updated_at" in self.shapes.booking:
            self._set(booking_id, "updated_at", self._told())
        self.history.setdefault(booking_id, []).append(Change(now, by, cause, copy.deepcopy(booking)))
        if message:
            self.message(booking_id, message, str(self.field(booking_id, "phone")), by)
        self.outbox.add(cause if cause in ("created", "done", "cancelled") else "updated", booking_id, booking, now)


def merge(into: dict[str, Any], changes: Mapping[str, Any]) -> None:
    """Lay changes over a booking, object by object."""
    for name, value in changes.items():
        if isinstance(value, Mapping) and isinstance(into.get(name), dict):
            merge(into[name], value)
        else:
            into[name] = copy.deepcopy(value)
