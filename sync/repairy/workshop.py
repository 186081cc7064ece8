"""The Partner API as one workshop sees it: its bookings (`sync.ports.Repairy`), slots, catalog, quotes and reminders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo
from typing import Any

from sync.core.booking import FIELDS, STATUSES, Ability, Fields, Sighting
from sync.errors import NotFound, NotSent, Unknown, Unreachable, Unsupported
from sync.repairy import bodies, wire
from sync.repairy.calls import Calls
from sync.repairy.contract import Contract

CATALOG_LIFE = 3600.0  # seconds


@dataclass(frozen=True)
class Service:
    """One entry of the workshop's catalog, as Repairy shows it."""

    catalog_id: str
    code: str | None
    title: str | None
    category: str | None
    cost: str | None


@dataclass(frozen=True)
class Day:
    """Opening hours and free slots of one day, HH:MM in the workshop's zone."""

    date: str
    opens: str | None
    closes: str | None
    slots: tuple[str, ...]
    pickups: tuple[str, ...]


def ability(contract: Contract, zone: tzinfo) -> Ability:
    """What Repairy can hold and take, as the contract says. A silence makes a write invisible only where it is confirmed."""
    reads = {field for field in FIELDS if contract.name(field)} | {"name"}
    writes = set(contract.update.editable) - {"reference", "workshop_id"}
    quiet_update = contract.silence.update and contract.is_confirmed("silence.update")
    quiet_status = contract.silence.set_status and contract.is_confirmed("silence.set_status")
    return Ability(
        side="repairy",
        reads=frozenset(reads | ({"service_code"} if contract.services.list else set())),
        writes=frozenset(writes | ({"name"} if "first_name" in writes else set())),
        statuses=frozenset(STATUSES),
        next=contract.next(),
        creates=True,
        required=frozenset(contract.required.create),
        links="reference" in contract.update.editable,
        zone=zone,
        visible_create=contract.visible.create and not contract.silence.create,
        visible_update=frozenset(() if quiet_update else contract.visible.update),
        visible_statuses=frozenset(() if quiet_status else contract.visible.statuses),
        silence_confirmed=contract.is_confirmed("silence.create"),
    )


class WorkshopRepairy:
    """`sync.ports.Repairy` over HTTP, and what else the Partner API does for a workshop."""

    def __init__(self, calls: Calls, workshop_id: str, zone: tzinfo) -> None:
        self._calls = calls
        self._contract = calls.contract
        self._id = workshop_id
        self.ability = ability(calls.contract, zone)
        self._services: tuple[Service, ...] = ()
        self._services_until = calls.clock.monotonic()

    def read(self, booking_id: str) -> Sighting:
        """The booking as it stands. Raises NotFound, Unreachable."""
        return self._seen(self._raw(booking_id), booking_id)

    def create(self, fields: Fields, reference: str, *, silent: bool = True) -> Sighting:
        """Book. Raises NotSent, Rejected, Unsupported, Unknown."""
        body = bodies.create_body(self._contract, fields, self._id, reference, silent)
        if service := self._service_of(fields.get("service_code")):
            wire.put(body, self._contract.services.list, [service])
        try:
            answer = self._calls.write("create", f"the new booking {reference}", body)
        except NotFound as error:  # the workshop, or the path: no booking was meant
            raise bodies.rejected(error) from None
        names = (self._contract.answer.created_id, self._contract.booking.id)
        made = next((found for name in names if name and (found := _text(answer, name))), "")
        if not made:
            raise Unknown(f"the new booking {reference}: Repairy's answer names no booking")
        sent = {field: text for field, text in fields.items() if text}
        return self._after(made, answer, {**sent, "reference": reference})

    def update(self, booking_id: str, fields: Fields, *, reference: str | None = None) -> Sighting:
        """Replace these fields. Raises NotSent, Rejected, Unsupported, Unknown, NotFound."""
        given = bodies.named(self._contract, fields) | ({} if reference is None else {"reference": reference})
        if fixed := sorted(given.keys() - set(self._contract.update.editable)):
            raise Unsupported(f"Repairy does not let {', '.join(fixed)} of a booking be changed")
        services = self._services_of(given)
        before = self._before(booking_id) if self._in_objects(given) else {}
        body = bodies.update_body(self._contract, given, before)
        if services:
            wire.put(body, self._contract.services.list, services)
        answer = self._calls.write("update", f"booking {booking_id}", body, booking_id=booking_id)
        return self._after(booking_id, answer, fields if reference is None else {**fields, "reference": reference})

    def set_status(self, booking_id: str, status: str) -> Sighting:
        """One step. Raises NotSent, Rejected (`transition`), Unsupported, Unknown, NotFound."""
        if status not in STATUSES:
            raise Unsupported(f"Repairy knows no status {status}")
        word = self._contract.path_word(status)
        body = dict(self._contract.silence.set_status) or None
        answer = self._calls.write("set_status", f"booking {booking_id}", body, booking_id=booking_id, status=word)
        return self._after(booking_id, answer, {"status": status})

    def availability(self, since: date, until: date, catalog_id: str | None = None) -> list[Day]:
        """Both days included, in as many calls as it takes. Raises Unreachable, ConfigError."""
        names, days, step = self._contract.availability, list[Day](), timedelta(days=self._contract.availability.days - 1)
        while since <= until:
            last = min(since + step, until)
            params = {names.from_: since.isoformat(), names.to: last.isoformat()}
            params |= {names.catalog_id: catalog_id} if catalog_id else {}
            answer = self._about_workshop("availability", "the availabilities", params)
            days += [self._day(entry) for entry in _entries(answer, names.list, "the availabilities")]
            since = last + timedelta(days=1)
        return days

    def catalog(self) -> tuple[Service, ...]:
        """The workshop's services; asked for once an hour. Raises Unreachable, ConfigError."""
        now = self._calls.clock.monotonic()
        if now >= self._services_until:
            answer = self._about_workshop("catalog", "the service catalog")
            entries = _entries(answer, self._contract.services.catalog, "the service catalog")
            self._services = tuple(service for entry in entries if (service := self._service(entry)))
            self._services_until = now + CATALOG_LIFE
        return self._services

    def quote(self, fields: Mapping[str, str | None]) -> str:
        """Ask for an estimate; `fields` by our names, `address` among them. The quote's id. Raises as `create`, ConfigError."""
        body: dict[str, Any] = {}
        for field, text in {**fields, **bodies.in_parts(fields), "workshop_id": self._id}.items():
            name = getattr(self._contract.quote, field, "")
            if text and name:
                wire.put(body, name, bodies.value(self._contract, field, text))
        answer = self._sent("quote", "the quote", body)
        return _text(answer, self._contract.quote.id) or ""

    def remind(self, *, customer_id: str | None = None, phone: str | None = None) -> Mapping[str, str | None]:
        """Send a service reminder: an SMS, now. The phone goes in leading-zero form. Raises as `create`, ConfigError."""
        names, body = self._contract.reminder, dict[str, Any]()
        wire.put(body, names.workshop_id, self._id)
        if customer_id:
            wire.put(body, names.customer_id, customer_id)
        elif phone:
            wire.put(body, names.customer_phone, wire.phone_out(phone, "national"))
        else:
            raise Unsupported("a reminder needs a customer's id or phone")
        return self._reminder(self._sent("remind", "the reminder", body))

    def reminder(self, reminder_id: str) -> Mapping[str, str | None]:
        """What is known of a reminder, by our names. Raises NotFound, Unreachable, ConfigError."""
        return self._reminder(self._calls.read("reminder", f"reminder {reminder_id}", reminder_id=reminder_id))

    def report(self, since: date, until: date) -> list[Sighting]:
        """The bookings of the partner report that can be understood. Raises Unreachable, ConfigError (off until confirmed)."""
        names, found = self._contract.report, list[Sighting]()
        params = {names.from_: since.isoformat(), names.to: until.isoformat()}
        for entry in _entries(self._about_workshop("report", "the report", params), names.list, "the report"):
            try:
                found.append(bodies.sighting(self._contract, entry))
            except bodies.NotUnderstood:
                continue
        return found

    def _raw(self, booking_id: str) -> Any:
        return self._calls.read("read", f"booking {booking_id}", booking_id=booking_id)

    def _seen(self, body: Any, booking_id: str) -> Sighting:
        try:
            return bodies.sighting(self._contract, body, booking_id)
        except bodies.NotUnderstood as lacking:
            raise Unreachable(f"booking {booking_id}: answer not understood, see {lacking} in the wire contract") from None

    def _after(self, booking_id: str, answer: Any, sent: Fields) -> Sighting:
        """The booking as an accepted write left it: from the answer where that shows all that was sent, else read again."""
        try:
            shown = bodies.sighting(self._contract, answer, booking_id)
            held = shown.fields.keys() | ({"reference"} if shown.ref else set())
            if bodies.named(self._contract, sent).keys() <= held:
                return shown
        except bodies.NotUnderstood:
            pass
        try:
            return self.read(booking_id)
        except (Unreachable, NotFound) as error:
            raise Unknown(f"{error}; the write before it was accepted") from None

    def _before(self, booking_id: str) -> Mapping[str, Any]:
        """The booking's body before an update. Raises NotFound, NotSent: nothing was written yet."""
        try:
            body = self._raw(booking_id)
        except Unreachable as error:
            raise NotSent(str(error), error.retry_after) from None
        return body if isinstance(body, Mapping) else {}

    def _in_objects(self, fields: Fields) -> bool:
        return self._contract.update.objects == "replace" and any("." in self._contract.name(field) for field in fields)

    def _service_of(self, code: str | None) -> dict[str, Any] | None:
        """The catalog's service of this code, as a request names it; None where the catalog has none. Raises NotSent."""
        names = self._contract.services
        if not (code and names.list and self._contract.operations.catalog):
            return None
        try:
            known = next((service for service in self.catalog() if (service.code or "").casefold() == code.casefold()), None)
        except Unreachable as error:
            raise NotSent(str(error), error.retry_after) from None
        entry = {names.catalog_id: known.catalog_id, names.code: known.code, names.title: known.title} if known else {}
        return {name: text for name, text in entry.items() if text} or None

    def _services_of(self, given: dict[str, str | None]) -> list[dict[str, Any]]:
        """Takes a new service code out of an update's fields, as the list that replaces a booking's services."""
        if "service_code" not in given:
            return []
        service = self._service_of(given.pop("service_code"))
        if service is None:
            raise Unsupported("Repairy's catalog has no such service: change it at Repairy")
        return [service]

    def _about_workshop(self, operation: str, about: str, params: Mapping[str, str] | None = None) -> Any:
        """A read whose path may name the workshop. Raises Unreachable, ConfigError."""
        try:
            return self._calls.read(operation, about, params, workshop_id=self._id)
        except NotFound as error:
            raise Unreachable(f"{error}: check the id of the workshop") from None

    def _sent(self, operation: str, about: str, body: dict[str, Any]) -> Any:
        try:
            return self._calls.write(operation, about, body)
        except NotFound as error:
            raise bodies.rejected(error) from None

    def _service(self, entry: Any) -> Service | None:
        names = self._contract.services
        parts = [_text(entry, name) for name in (names.id, names.code, names.title, names.category, names.cost)]
        return Service(parts[0], *parts[1:]) if parts[0] else None

    def _day(self, entry: Any) -> Day:
        names = self._contract.availability
        opens, closes = _text(entry, names.opens), _text(entry, names.closes)
        return Day(_text(entry, names.date) or "", opens, closes, _scalars(entry, names.slots), _scalars(entry, names.pickups))

    def _reminder(self, answer: Any) -> Mapping[str, str | None]:
        return {field: _text(answer, name) for field, name in self._contract.reminder if field != "customer_phone"}


def _scalar(value: Any) -> str | None:
    try:
        return wire.text(value)
    except ValueError:
        return None


def _text(body: Any, name: str) -> str | None:
    return _scalar(wire.get(body, name))


def _scalars(body: Any, name: str) -> tuple[str, ...]:
    found = wire.get(body, name)
    return tuple(filter(None, map(_scalar, found))) if isinstance(found, list) else ()


def _entries(answer: Any, name: str, about: str) -> list[Any]:
    found = wire.get(answer, name)
    if not isinstance(found, list):
        raise Unreachable(f"{about}: Repairy's answer was not understood")
    return found
