"""The statements that a profile could write with: where every column is accounted for, else why not. Nothing runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from sync.shop.wizard import constants, finds, words
from sync.shop.wizard.draft import Draft, Joined, literal
from sync.shop.wizard.explore import Column, Reference, Table

_PERSON = ("name", "first_name", "last_name", "company", "phone", "email")
_CAR = ("rego", "make", "model", "badge", "year", "vin")
_BOOKED = ("starts_at", "date", "time", "ends_at", "minutes", "service_category", "description", "job_notes", *_PERSON, *_CAR)


@dataclass(frozen=True)
class Step:
    """One `[[write.create]]`."""

    set: str
    find: Sequence[str] = ()
    insert: str = ""


@dataclass
class Writes:
    """The statements by profile key, the steps of a create, and what was left out and why."""

    statements: dict[str, str] = field(default_factory=dict)
    create: list[Step] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def propose(draft: Draft, nulls: bool, writable: bool) -> Writes:
    """`nulls`: some stored status is null · `writable`: pending has a word to write."""
    made = Writes()
    if draft.booking.table.view or draft.read_only:
        why = "is a view" if draft.booking.table.view else "may only be read by this user"
        made.left_out.append(f"{draft.booking.table.id} {why}: nothing is written to this shop")
        return made
    if not draft.key:
        made.left_out.append(f"{draft.booking.table.id} has no primary key: no statement that changes a row was proposed")
        return made
    if draft.booking.table.implied:
        made.left_out.append(
            f"{draft.booking.table.id} has no primary key, and that {draft.key[0]} never repeats is only seen: no statement that "
            "writes was proposed"
        )
        return made
    for name, sql in (("set_status", _set_status(draft, nulls)), ("reschedule", _update(draft, _TIME_COLUMNS)),
                      ("set_notes", _update(draft, ("job_notes",))), ("link", _link(draft))):  # fmt: skip
        if name in draft.refused:
            made.left_out.append(f"{name}: left out, the database says: {draft.refused[name]}")
        elif sql:
            made.statements[name] = sql
        else:
            made.left_out.append(f"{name}: no statement was proposed; such changes are noted, not lost")
    _create(draft, made, writable)
    return made


_TIME_COLUMNS = ("starts_at", "date", "time", "ends_at", "minutes")


def _set_status(draft: Draft, nulls: bool) -> str:
    status = draft.status
    if status.column is None or any(word != "deleted" for word in status.words):
        return ""
    column, of_key = draft.quoted(status.column.name), _of_key(draft)
    old = "" if nulls else f" AND {column} = {_status(draft, ':old_status')}"
    return f"UPDATE {draft.named(draft.booking.table)} SET {column} = {_status(draft, ':status')} WHERE {of_key}{old}"  # noqa: S608


def _status(draft: Draft, parameter: str) -> str:
    """A word as the bookings' own column keeps it."""
    lookup, label = draft.status.lookup, draft.status.label
    if lookup is None or label is None or lookup.reference is None:
        return parameter
    target, column = draft.quoted(lookup.reference.target), draft.quoted(label.name)
    return f"(SELECT {target} FROM {draft.named(lookup.table)} WHERE {column} = {parameter})"  # noqa: S608 (names only)


def _update(draft: Draft, fields: Sequence[str], parameters: str = "") -> str:
    """Of those fields that are columns of the bookings themselves."""
    columns = dict(_own(draft, draft.booking, fields))
    if not columns:
        return ""
    values = ", ".join(f"{draft.quoted(name)} = {parameters or parameter}" for name, parameter in columns.items())
    return f"UPDATE {draft.named(draft.booking.table)} SET {values} WHERE {_of_key(draft)}"  # noqa: S608 (names only)


def _link(draft: Draft) -> str:
    return _update(draft, ("repairy_ref",), ":repairy_id")


def _own(draft: Draft, joined: Joined, fields: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The columns of this table that feed these fields, each with what is bound there."""
    for name in fields:
        picked = draft.picked.get(name)
        if picked is not None and picked.joined is joined and picked.apart:
            yield from picked.apart.items()
        elif picked is not None and picked.joined is joined and picked.column is not None:
            yield picked.column.name, _parameter(name, picked.column, picked.sql)
        elif picked is not None and picked.inline is not None and joined is draft.booking:
            yield picked.inline.name, _parameter(name, picked.inline, "")


def _parameter(name: str, column: Column, sql: str) -> str:
    if name == "phone":
        return finds.phone_parameter(column)
    return _category(column) if name == "service_category" and sql.startswith("CASE") else f":{name}"


def _category(column: Column) -> str:
    """The shop's word for our category."""
    stored = {ours: value for value in sorted({str(v) for v in column.values}) if (ours := words.category(value))}
    other = stored.pop("others", None) or next(v for v in sorted({str(v) for v in column.values}))
    lines = " ".join(f"WHEN '{ours}' THEN {literal(value)}" for ours, value in stored.items())
    return f"CASE :service_category {lines} ELSE {literal(other)} END"


def _of_key(draft: Draft) -> str:
    if len(draft.key) == 1:
        return f"{draft.quoted(draft.key[0])} = :key"
    return " AND ".join(f"{draft.quoted(part)} = :x_{words.plain(part).replace(' ', '_')}" for part in draft.key)


# New rows


def _create(draft: Draft, made: Writes, writable: bool) -> None:
    """Customer, vehicle, booking; all or none."""
    missing = list(_in_the_way(draft, writable))
    steps = [] if missing else [*_customer(draft), *_vehicle(draft), _booking(draft)]
    if missing:
        made.left_out.append(f"[[write.create]]: {'; '.join(missing)}. Until it is written, online bookings are not inserted")
    made.create = steps
    owner = next((one for one in _owners(draft) if steps and not one.declared), None)
    if owner and draft.vehicle:
        made.left_out.append(f"UNSURE: {draft.vehicle.table.id}.{owner.column} is the customer's key by its name and values only")
    for joined, covered in _inserted(draft) if steps else ():
        for name, value in _constants(draft, joined.table, covered):
            looked = len(joined.table.sample)
            made.left_out.append(
                f"UNSURE: new rows of {joined.table.id} carry {name} = {value}, as the {looked} rows looked at do"
            )


def _in_the_way(draft: Draft, writable: bool) -> Iterator[str]:
    if "create" in draft.refused:
        yield f"the database says: {draft.refused['create']}"
    if not writable:
        yield "no stored word is known to mean pending"
    if not any(name in draft.picked and draft.picked[name].column for name in ("starts_at", "date")):
        yield "the start is kept in another table"
    if draft.status.column is None:
        yield "no column holds the status"
    if not _fed(draft, "rego"):
        yield "no column takes the plate"
    if not _fed(draft, "phone", "email"):
        yield "no column takes the customer's phone or e-mail"
    elif draft.customer and draft.customer.reference and not any(finds.by_contact(draft, draft.customer)):
        yield f"neither phone nor e-mail stands in {draft.customer.table.id}, so a customer could not be found there"
    for joined, covered in _inserted(draft):
        owed = [column.name for column in joined.table.columns.values() if _mandatory(column, joined.table, draft)]
        same = dict(_constants(draft, joined.table, covered))
        mandatory = [name for name in owed if name not in covered and name not in same]
        if mandatory:
            yield f"{joined.table.id} needs values that Repairy has none for ({', '.join(mandatory)})"
        if not _makes_key(joined.table, draft):
            yield f"the key of {joined.table.id} is not made by the database"
    if draft.vehicle is not None and draft.vehicle.source not in (draft.booking.alias, draft.customer and draft.customer.alias):
        yield f"the vehicle hangs on the booking by another table than {draft.booking.table.id}"


def _fed(draft: Draft, *fields: str) -> bool:
    """Whether a new row has a column for one of these."""
    return any(picked.column or picked.inline for name in fields if (picked := draft.picked.get(name)))


def _constants(draft: Draft, table: Table, covered: Collection[str]) -> list[tuple[str, str]]:
    """What the mandatory columns that nothing feeds carry in every row looked at: new rows carry that too."""
    return constants.of(
        table, [one for one in table.columns.values() if one.name not in covered and _mandatory(one, table, draft)]
    )


def _filled(draft: Draft, table: Table, values: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """These values and the constants beside them."""
    return [*values, *_constants(draft, table, [name for name, _ in values])]


def _inserted(draft: Draft) -> Iterator[tuple[Joined, set[str]]]:
    """Each table that a create puts a row into, with the columns that it has values for."""
    for joined, fields in ((draft.customer, _PERSON), (draft.vehicle, _CAR)):
        if joined is not None:
            yield joined, {name for name, _ in _own(draft, joined, fields)} | {name for name, _ in _references(draft, joined)}
    yield draft.booking, {name for name, _ in _booking_values(draft)}


def _references(draft: Draft, joined: Joined) -> Iterator[tuple[str, str]]:
    """Columns of this table that hold the customer's or the vehicle's key, and the parameter of the step that yields it."""
    for other, parameter in ((draft.customer, ":customer"), (draft.vehicle, ":vehicle")):
        if other is None or other is joined:
            continue
        if other.source == joined.alias and other.reference is not None:
            yield other.reference.column, parameter
        else:
            yield from ((one.column, parameter) for one in _between(draft, joined, other))


def _between(draft: Draft, joined: Joined, other: Joined) -> Sequence[Reference]:
    """How this table refers to the other: as declared, else the one that was inferred."""
    there = [one for one in draft.references.get(joined.table.id, ()) if one.table == other.table.id]
    return [one for one in there if one.declared] or there[:1]


def _owners(draft: Draft) -> Sequence[Reference]:
    return _between(draft, draft.vehicle, draft.customer) if draft.vehicle and draft.customer else ()


def _booking_values(draft: Draft) -> list[tuple[str, str]]:
    values = {**dict(_references(draft, draft.booking)), **dict(_own(draft, draft.booking, _BOOKED))}
    if draft.status.column is not None:
        values[draft.status.column.name] = _status(draft, ":status")
    values |= draft.constant
    ref = draft.picked.get("repairy_ref")
    if ref is not None and ref.column is not None:
        values[ref.column.name] = ":repairy_id"
    return list(values.items())


def _mandatory(column: Column, table: Table, draft: Draft) -> bool:
    own_key = column.name in table.key and _makes_key(table, draft)
    return not column.nullable and column.default is None and not own_key


def _makes_key(table: Table, draft: Draft) -> bool:
    """Whether the database numbers the rows itself."""
    if len(table.key) != 1:
        return False
    column = table.columns[table.key[0]]
    return column.default is not None or (draft.engine == "sqlite" and column.type == "integer" and not table.implied)


def _insert(draft: Draft, table: Table, values: Sequence[tuple[str, str]]) -> str:
    names = ", ".join(draft.quoted(name) for name, _ in values)
    return f"INSERT INTO {draft.named(table)} ({names}) VALUES ({', '.join(value for _, value in values)})"  # noqa: S608


def _customer(draft: Draft) -> list[Step]:
    """The same phone or e-mail is the same customer; of several, the one with this plate."""
    joined = draft.customer
    if joined is None or joined.reference is None:
        return []
    target = draft.quoted(joined.reference.target)
    plates, of_plates = _plates(draft, joined)
    looked = [
        f"SELECT c.{target}{plates} FROM {draft.named(joined.table)} c{of_plates} WHERE {same}"  # noqa: S608 (names only)
        for same in finds.by_contact(draft, joined)
    ]
    values = [*_own(draft, joined, _PERSON), *((n, p) for n, p in _references(draft, joined) if p != ":vehicle")]
    return [Step("customer", looked, _insert(draft, joined.table, _filled(draft, joined.table, values)))]


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
    return next((name for name, parameter in _references(draft, draft.vehicle) if parameter == ":customer"), None)


def _vehicle(draft: Draft) -> list[Step]:
    joined, rego = draft.vehicle, draft.picked.get("rego")
    if joined is None or joined.reference is None or rego is None or rego.column is None:
        return []
    owner = _owner(draft)
    plate = finds.bare(f"UPPER({draft.quoted(rego.column.name)})", " -")
    whose = f" AND {draft.quoted(owner)} = :customer" if owner else ""
    where = f"{plate} = {finds.bound(draft, ':rego')}{whose}"
    find = f"SELECT {draft.quoted(joined.reference.target)} FROM {draft.named(joined.table)} WHERE {where}"  # noqa: S608
    values = [*_own(draft, joined, _CAR), *_references(draft, joined)]
    return [Step("vehicle", [find], _insert(draft, joined.table, _filled(draft, joined.table, values)))]


def _booking(draft: Draft) -> Step:
    table = draft.booking.table
    return Step("key", (), _insert(draft, table, _filled(draft, table, _booking_values(draft))))
