"""The steps of a create: customer, vehicle, booking, all or none; what stands in its way, and what it takes for granted.

RULE: a row that is there is linked, never changed: a car keeps its owner, a customer their name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sync.shop.values import text
from sync.shop.wizard import fed, finds
from sync.shop.wizard.draft import Draft, Joined, Picked
from sync.shop.wizard.explore import Table

_RETURNS = ("firebird", "postgresql")  # elsewhere the driver tells the key; there only one that a sequence made, or none


@dataclass(frozen=True)
class Step:
    """One `[[write.create]]`."""

    set: str
    find: Sequence[str] = ()
    insert: str = ""


def steps(draft: Draft) -> list[Step]:
    """In order: each yields what the next refers to."""
    return [*_customer(draft), *_vehicle(draft), _booking(draft)]


def in_the_way(draft: Draft, writable: bool) -> Iterator[str]:
    """Why no create can be proposed."""
    if "create" in draft.refused:
        yield f"the database says: {draft.refused['create']}"
    if not writable:
        yield "no stored word is known to mean pending"
    if not any(name in draft.picked and draft.picked[name].column for name in ("starts_at", "date")):
        yield "the start is kept in another table"
    if draft.status.column is None:
        yield "no column holds the status"
    if not fed.fed(draft, "rego"):
        yield "no column takes the plate"
    if not fed.fed(draft, "phone", "email"):
        yield "no column takes the customer's phone or e-mail"
    elif draft.customer and draft.customer.reference and not any(finds.by_contact(draft, draft.customer)):
        yield f"neither phone nor e-mail stands in {draft.customer.table.id}, so a customer could not be found there"
    for joined, values in fed.inserted(draft):
        yield from _against_a_row(draft, joined.table, values)
    if draft.vehicle is not None and draft.vehicle.source not in (draft.booking.alias, draft.customer and draft.customer.alias):
        yield f"the vehicle hangs on the booking by another table than {draft.booking.table.id}"


def _against_a_row(draft: Draft, table: Table, values: Sequence[tuple[str, str]]) -> Iterator[str]:
    covered = {name for name, _ in values}
    same = dict(fed.constants(draft, table, covered))
    owed = [column.name for column in table.columns.values() if fed.mandatory(column, table, draft)]
    missing = [name for name in owed if name not in covered and name not in same]
    if missing:
        yield f"{table.id} needs values that Repairy has none for ({', '.join(missing)})"
    optional = fed.unfilled(draft, table, values)
    if optional:
        yield f"{table.id} needs values that a booking may lack ({', '.join(optional)})"
    if not fed.makes_key(table, draft):
        yield f"the key of {table.id} is not made by the database"


def doubts(draft: Draft) -> Iterator[str]:
    """What a create takes for granted."""
    owner = next((one for one in fed.owners(draft) if not one.declared), None)
    if owner and draft.vehicle:
        yield f"UNSURE: {draft.vehicle.table.id}.{owner.column} is the customer's key by its name and values only"
    if draft.vehicle and _owner(draft) and _is_declared_once(draft, draft.vehicle):
        kept = (
            "a known one is linked, and stays its owner's"
            if _alone(draft, draft.vehicle)
            else "one of another owner's is refused"
        )
        yield f"UNSURE: {draft.vehicle.table.id} takes a plate only once: {kept}"
    for one in (draft.customer, draft.card):
        names = finds.unclear_deletions(one.table) if one else []
        if one and names:
            yield f"UNSURE: {', '.join(names)} may say that a row of {one.table.id} is deleted: a create would link to it too"
    for joined, values in fed.inserted(draft):
        for name, value in fed.constants(draft, joined.table, [name for name, _ in values]):
            looked = len(joined.table.sample)
            yield f"UNSURE: new rows of {joined.table.id} carry {name} = {value}, as the {looked} rows looked at do"


def _insert(draft: Draft, table: Table, values: Sequence[tuple[str, str]], key: str) -> str:
    filled = fed.filled(draft, table, values)
    names = ", ".join(draft.quoted(name) for name, _ in filled)
    returned = f" RETURNING {draft.quoted(key)}" if draft.engine in _RETURNS else ""
    return f"INSERT INTO {draft.named(table)} ({names}) VALUES ({', '.join(value for _, value in filled)}){returned}"  # noqa: S608


def _customer(draft: Draft) -> list[Step]:
    """The same phone or e-mail is the same customer; of several, the one with this plate."""
    joined = draft.customer
    if joined is None or joined.reference is None:
        return []
    target = joined.reference.target
    plates, of_plates = _plates(draft, joined)
    looked = [
        f"SELECT c.{draft.quoted(target)}{plates} FROM {draft.named(joined.table)} c{of_plates} WHERE {same}"  # noqa: S608
        for same in finds.by_contact(draft, joined)
    ]
    return [Step("customer", looked, _insert(draft, joined.table, fed.person_values(draft, joined), target))]


def _plates(draft: Draft, customer: Joined) -> tuple[str, str]:
    """The plates of a customer's cars, where vehicles know their customer."""
    vehicle, rego = draft.vehicle, draft.picked.get("rego")
    owner = _owner(draft)
    if vehicle is None or rego is None or rego.column is None or owner is None or customer.reference is None:
        return "", ""
    on = f"v.{draft.quoted(owner)} = c.{draft.quoted(customer.reference.target)}"
    return f", v.{draft.quoted(rego.column.name)}", f" LEFT JOIN {draft.named(vehicle.table)} v ON {on}"


def _owner(draft: Draft) -> str | None:
    """The vehicles' column with their customer."""
    if draft.vehicle is None:
        return None
    return next((name for name, parameter in fed.references(draft, draft.vehicle) if parameter == ":customer"), None)


def _vehicle(draft: Draft) -> list[Step]:
    joined, rego = draft.vehicle, draft.picked.get("rego")
    if joined is None or joined.reference is None or rego is None or rego.column is None:
        return []
    target = joined.reference.target
    looked = [
        f"SELECT {draft.quoted(target)} FROM {draft.named(joined.table)} WHERE {where}"  # noqa: S608 (names only)
        for where in _same_car(draft, joined, rego)
    ]
    return [Step("vehicle", looked, _insert(draft, joined.table, fed.car_values(draft, joined), target))]


def _same_car(draft: Draft, joined: Joined, rego: Picked) -> list[str]:
    """Conditions for the car: this plate among its customer's own; the plate alone where no other car may have it."""
    name = draft.quoted(rego.column.name if rego.column else "")
    plate = f"{finds.bare(f'UPPER({name})', ' -')} = {finds.bound(draft, ':rego')}"
    owner = None if _alone(draft, joined) else _owner(draft)
    if owner is not None:
        return [f"{plate} AND {draft.quoted(owner)} = :customer"]
    people = list(finds.by_contact(draft, joined, "")) if joined is draft.card else []
    return [f"{plate} AND {same}" for same in people] or [plate]


def _alone(draft: Draft, vehicle: Joined) -> bool:
    """Whether a car is found by its plate alone: it may stand there only once, and the booking knows its customer itself."""
    direct = draft.customer is not None and draft.customer.source == draft.booking.alias
    return direct and _is_declared_once(draft, vehicle)


def _is_declared_once(draft: Draft, vehicle: Joined) -> bool:
    rego = draft.picked.get("rego")
    if rego is None or rego.column is None or rego.column.name not in draft.unique.get(vehicle.table.id, ()):
        return False
    stored = [text(value) for value in rego.column.values]
    return len(set(stored)) == len(stored)


def _booking(draft: Draft) -> Step:
    table = draft.booking.table
    return Step("key", (), _insert(draft, table, fed.booking_values(draft), draft.key[0]))
