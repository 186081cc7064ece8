"""Which column of a new or changed row carries what: by fields, by references, by what all rows have. Nothing runs here."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from sync.shop.wizard import constants as common
from sync.shop.wizard import finds, words
from sync.shop.wizard.draft import Draft, Joined, literal
from sync.shop.wizard.explore import Column, Reference, Table

_PERSON = ("name", "first_name", "last_name", "company", "phone", "email")
_CAR = ("rego", "make", "model", "badge", "year", "vin")
_BOOKED = ("starts_at", "date", "time", "ends_at", "minutes", "service_category", "description", "job_notes", *_PERSON, *_CAR)
# What a booking from Repairy may lack.
_OPTIONAL = (":company", ":email", ":last_name", ":make", ":model", ":badge", ":year", ":vin", ":description", ":job_notes")
_LONGEST = 8000  # signs that Firebird takes in a VARCHAR of UTF-8


def own(draft: Draft, joined: Joined, fields: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The columns of this table that feed these fields, each with what is bound there."""
    for name in fields:
        picked = draft.picked.get(name)
        if picked is not None and picked.joined is joined and picked.apart:
            yield from picked.apart.items()
        elif picked is not None and picked.joined is joined and picked.column is not None and not picked.guess:
            yield picked.column.name, _parameter(name, picked.column, picked.sql)


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


def status(draft: Draft, parameter: str) -> str:
    """A word as the bookings' own column keeps it."""
    lookup, label = draft.status.lookup, draft.status.label
    if lookup is None or label is None or lookup.reference is None:
        return parameter
    target, column = draft.quoted(lookup.reference.target), draft.quoted(label.name)
    return f"(SELECT {target} FROM {draft.named(lookup.table)} WHERE {column} = {parameter})"  # noqa: S608 (names only)


def fed(draft: Draft, *fields: str) -> bool:
    """Whether a new row has a column for one of these."""
    return any(picked.column and not picked.guess for name in fields if (picked := draft.picked.get(name)))


def constants(draft: Draft, table: Table, covered: Collection[str]) -> list[tuple[str, str]]:
    """What the mandatory columns that nothing feeds carry in every row looked at: new rows carry that too."""
    return common.of(table, [one for one in table.columns.values() if one.name not in covered and mandatory(one, table, draft)])


def filled(draft: Draft, table: Table, values: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """These values, where they may be missing with something in their place, and the constants beside them."""
    given = [(name, _given(draft, table.columns[name], parameter)) for name, parameter in values]
    return [*given, *constants(draft, table, [name for name, _ in values])]


def unfilled(draft: Draft, table: Table, values: Sequence[tuple[str, str]]) -> list[str]:
    """The columns that need a value, and are fed by a field that a booking may lack, with nothing to put in its place."""
    columns = [table.columns[name] for name, parameter in values if parameter in _OPTIONAL]
    once = draft.unique.get(table.id, ())
    return [one.name for one in columns if not one.nullable and (_instead(one) is None or one.name in once)]


def _given(draft: Draft, column: Column, parameter: str) -> str:
    """What is bound in a column that takes no null, where the field may be missing."""
    instead = _instead(column)
    if column.nullable or parameter not in _OPTIONAL or instead is None:
        return parameter
    known = f"CAST({parameter} AS VARCHAR({column.length or _LONGEST}))" if draft.engine == "firebird" else parameter
    return f"COALESCE({known}, {instead})"


def _instead(column: Column) -> str | None:
    """Nothing, as a text has it; of a number only what the database itself would put there."""
    if not column.type or any(part in column.type for part in ("char", "text", "clob", "string", "blob")):
        return "''"
    default = (column.default or "").strip("()' ")
    return default if default.isdigit() else None


def inserted(draft: Draft) -> Iterator[tuple[Joined, list[tuple[str, str]]]]:
    """Each table that a create puts a row into, with the values that it has for its columns."""
    for joined, values in ((draft.customer, person_values), (draft.vehicle, car_values)):
        if joined is not None:
            yield joined, values(draft, joined)
    yield draft.booking, booking_values(draft)


def person_values(draft: Draft, joined: Joined) -> list[tuple[str, str]]:
    """What a new customer carries."""
    return [*own(draft, joined, _PERSON), *((n, p) for n, p in references(draft, joined) if p != ":vehicle")]


def car_values(draft: Draft, joined: Joined) -> list[tuple[str, str]]:
    """What a new vehicle carries; its customer's own values too, where both are one row."""
    return [*own(draft, joined, (*_CAR, *_PERSON)), *references(draft, joined)]


def references(draft: Draft, joined: Joined) -> Iterator[tuple[str, str]]:
    """Columns of this table that hold the customer's or the vehicle's key, and the parameter of the step that yields it."""
    for other, parameter in ((draft.customer, ":customer"), (draft.vehicle, ":vehicle")):
        if other is None or other is joined:
            continue
        if other.source == joined.alias and other.reference is not None:
            yield other.reference.column, parameter
        else:
            yield from ((one.column, parameter) for one in between(draft, joined, other))


def between(draft: Draft, joined: Joined, other: Joined) -> Sequence[Reference]:
    """How this table refers to the other: as declared, else the one that was inferred."""
    there = [one for one in draft.references.get(joined.table.id, ()) if one.table == other.table.id]
    return [one for one in there if one.declared] or there[:1]


def owners(draft: Draft) -> Sequence[Reference]:
    """How the vehicles refer to their customer."""
    return between(draft, draft.vehicle, draft.customer) if draft.vehicle and draft.customer else ()


def booking_values(draft: Draft) -> list[tuple[str, str]]:
    """What a new row of the bookings carries."""
    values = {**dict(references(draft, draft.booking)), **dict(own(draft, draft.booking, _BOOKED))}
    if draft.status.column is not None:
        values[draft.status.column.name] = status(draft, ":status")
    values |= draft.constant
    ref = draft.picked.get("repairy_ref")
    if ref is not None and ref.column is not None:
        values[ref.column.name] = ":repairy_id"
    return list(values.items())


def mandatory(column: Column, table: Table, draft: Draft) -> bool:
    """Whether a new row must have a value for it."""
    own_key = column.name in table.key and makes_key(table, draft)
    return not column.nullable and column.default is None and not own_key


def makes_key(table: Table, draft: Draft) -> bool:
    """Whether the database numbers the rows itself."""
    if len(table.key) != 1:
        return False
    column = table.columns[table.key[0]]
    return column.default is not None or (draft.engine == "sqlite" and column.type == "integer" and not table.implied)
