"""Which column feeds which field of customer, vehicle and texts. Values decide where they can; names where they cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sync.shop.values import text
from sync.shop.wizard import recognise, words
from sync.shop.wizard.draft import Draft, Joined, Picked, literal
from sync.shop.wizard.explore import Column, Explorer, Table

_BY_VALUE: Mapping[str, recognise.Kind] = {"phone": "phone", "email": "email", "rego": "plate", "vin": "vin"}
_OF_CUSTOMER = ("phone", "email", "first_name", "last_name", "name", "company")
_OF_VEHICLE = ("rego", "vin", "make", "model", "badge", "year")
_TEXTS = ("internal_notes", "job_notes", "description")
_NAMED = ("first_name", "last_name", "company")
_ENOUGH = 1.0
_STAFFS = 1.5  # more than the best name outweighs the last


def choose(explorer: Explorer, draft: Draft) -> None:
    """Customer, vehicle and texts into the draft."""
    inline = _own_columns(draft)
    for fields, linked in ((_OF_VEHICLE, draft.vehicle), (_OF_CUSTOMER, draft.customer)):
        taken: set[str] = set()
        for field in fields:
            _choose(draft, field, linked, inline, taken)
    _whole_or_parts(draft)
    for field in ("phone", "email"):
        if field not in draft.picked and draft.customer is not None:
            _from_side_table(explorer, draft, field, draft.customer)
    _texts(draft)
    _reference(draft)
    _category(draft)


def score(field: str, column: Column) -> float:
    """How well a column suits a field; below `_ENOUGH` it does not."""
    named, wanted = words.hint(field, column.name), _BY_VALUE.get(field)
    if column.kind in ("moment", "day", "clock"):
        return 0.0
    if field == "year":
        return 2 * named + (column.kind == "year") if named else 0.0
    if wanted is None:
        return 2 * named if column.kind in ("word", "text", "none", "plate") and not _is_key(column) else 0.0
    if column.kind == wanted:
        return 3 + 2 * named
    readable = column.kind in ("none", "word", "text") or (field in ("phone", "rego") and column.kind == "number")
    return 2 * named if named and readable and not _is_key(column) else 0.0


def best(field: str, columns: Sequence[Column], taken: set[str]) -> Column | None:
    """The column that suits best, if any does."""
    return next(iter(_alike(field, columns, taken)), None)


def _alike(field: str, columns: Sequence[Column], taken: set[str]) -> list[Column]:
    """The columns that suit better than all others, and no worse than each other; the one with the plainest name first."""
    weighed = [(score(field, column), column) for column in columns if column.name not in taken]
    suited = [(weight - _STAFFS * _is_staffs(field, column), column) for weight, column in weighed if weight >= _ENOUGH]
    most = max((weight for weight, _ in suited), default=0.0)
    return sorted((column for weight, column in suited if weight == most), key=lambda one: len(words.parts(one.name)))


def _is_staffs(field: str, column: Column) -> bool:
    """Whether a person's column is of somebody who works here: `mechanic_phone`."""
    name = column.name
    return field in _OF_CUSTOMER and words.hint("staff table", name) > words.hint("customer table", name)


def _own_columns(draft: Draft) -> list[Column]:
    """The bookings' own columns that are no references, no key, and tell no kinds of rows apart."""
    away = {one.reference.column for one in draft.joins if one.reference and one.source == draft.booking.alias}
    columns = [one for one in draft.booking.table.columns.values() if one.name not in away and one.name not in draft.key]
    return [one for one in columns if not (words.hint("kind", one.name) and recognise.few(one.values))]


def _choose(draft: Draft, field: str, linked: Joined | None, inline: Sequence[Column], taken: set[str]) -> None:
    """From the linked row, else the booking's own column; both where the link may be empty."""
    theirs = _sieved(field, _alike(field, _of_row(field, linked), taken)) if linked else []
    owns = _sieved(field, _alike(field, inline, {one.column.name for one in draft.picked.values() if one.column}))
    if field == "name" and {"first_name", "last_name"} <= draft.picked.keys():
        theirs = []
    there, own = next(iter(theirs), None), _ours(draft, field, owns, bool(theirs))
    if linked is not None and there is not None:
        _tie(draft, field, theirs)
        taken.add(there.name)
        sql = draft.of(linked, there)
        if own is not None and _may_be_empty(draft, linked):
            draft.picked[field] = Picked(f"COALESCE({sql}, {draft.of(draft.booking, own)})", linked, there, own)
        else:
            draft.pick(field, linked, there)
    elif own is not None and field not in ("company",):
        _tie(draft, field, owns)
        draft.pick(field, draft.booking, own)


def _of_row(field: str, linked: Joined) -> list[Column]:
    """The linked row's columns; in a table of `users` all of them may be called so, elsewhere such a one is the staff's."""
    users = words.hint("staff table", linked.table.name) > 0
    return [column for column in linked.table.columns.values() if users or not _is_staffs(field, column)]


def _ours(draft: Draft, field: str, found: Sequence[Column], linked: bool) -> Column | None:
    """The bookings' own column. One that is the staff's is nobody's: a customer would be called by a mechanic's number."""
    own = next(iter(found), None)
    if own is None or not _is_staffs(field, own):
        return own
    if not linked and field in _BY_VALUE:
        draft.unsure.append(f"{field}: {own.name} is by its name the staff's, and was not taken")
    return None


def _tie(draft: Draft, field: str, found: Sequence[Column]) -> None:
    if len(found) > 1:
        others = ", ".join(column.name for column in found[1:])
        draft.unsure.append(f"{field}: {found[0].name} was taken; by name and values it could as well be {others}")


def _sieved(field: str, found: list[Column]) -> list[Column]:
    """A "name" that is a first, last or company's name is not the whole one."""
    return [one for one in found if field != "name" or not any(words.hint(part, one.name) > 0.3 for part in _NAMED)]


def _may_be_empty(draft: Draft, linked: Joined) -> bool:
    column = draft.booking.table.columns.get(linked.reference.column if linked.reference else "")
    return column is None or column.nullable


def _whole_or_parts(draft: Draft) -> None:
    """Names come whole or in parts, not both; an inline whole one stands in for linked parts that are missing."""
    _other_part(draft)
    parts = [draft.picked.get(part) for part in ("first_name", "last_name")]
    whole = draft.picked.get("name")
    if not all(parts):
        draft.picked.pop("first_name", None)
        draft.picked.pop("last_name", None)
        left = next((part for part in parts if part), None)
        if whole is None and left is not None:
            draft.picked["name"] = left
        if left is not None and left.column is not None and not (whole and _holds(whole, left)):
            draft.unsure.append(
                f"name: {whole.column.name} is taken for the whole name, {left.column.name} is not read"
                if whole and whole.column
                else f"name: only {left.column.name} was found; the rest of the name is not read"
            )
    elif whole is not None and whole.joined is draft.booking and parts[0] and parts[1]:
        first, last = (f"COALESCE({part.sql}, '')" for part in parts if part)
        joined = f"NULLIF(TRIM({draft.together(first, _QUOTED_SPACE, last)}), '')"
        draft.picked["name"] = Picked(f"COALESCE({joined}, {whole.sql})", parts[0].joined, None, whole.column)
        draft.picked.pop("first_name")
        draft.picked.pop("last_name")
    else:
        draft.picked.pop("name", None)


_QUOTED_SPACE = "' '"


def _other_part(draft: Draft) -> None:
    """`nombre` beside `apellidos`, `Name` beside `Vorname`: what is called the name is the other part, unless it has both."""
    whole, first, last = (draft.picked.get(field) for field in ("name", "first_name", "last_name"))
    part = first or last
    if whole is None or part is None or (first and last) or whole.joined is not part.joined or _holds(whole, part):
        return
    draft.picked["last_name" if first else "first_name"] = draft.picked.pop("name")
    names = [one.column.name for one in ((part, whole) if first else (whole, part)) if one.column]
    draft.unsure.append(f"name: {' and '.join(names)} are taken for first and last name")


def _holds(whole: Picked, part: Picked) -> bool:
    """Whether the one column's values have the other's in them, row by row."""
    if whole.joined is None or whole.joined is not part.joined or whole.column is None or part.column is None:
        return False
    rows = ((text(row[whole.column.name]), text(row[part.column.name])) for row in whole.joined.table.sample)
    held = [one.casefold() in other.casefold() for other, one in rows if other and one]
    return sum(held) * 2 > len(held)


def _from_side_table(explorer: Explorer, draft: Draft, field: str, customer: Joined) -> None:
    """Phones and e-mails kept as rows of their own beside the customer; of several, a mobile number."""
    for table, reference in explorer.children(customer.table):
        address = next((c for c in table.columns.values() if _share(c, field) >= 0.2), None)
        if address is None or table.id == draft.booking.table.id:
            continue
        alias = draft.alias(table.name)
        here = f"{alias}.{draft.quoted(reference.column)} = {draft.of(customer, reference.target)}"
        first = f"SELECT MIN({alias}.{draft.quoted(address.name)}) FROM {draft.named(table)} {alias} WHERE {here}"  # noqa: S608
        each = [f"({first} AND {alias}.{which})" for which in _which_rows(draft, table, address, field)] or [f"({first})"]
        draft.picked[field] = Picked(each[0] if len(each) == 1 else f"COALESCE({', '.join(each)})")
        draft.unsure.append(f"{field}: where a customer has several in {table.id}, the first in order of text is taken")
        return


def _share(column: Column, field: str) -> float:
    """How many of a mixed column's values are of this kind."""
    kinds = [recognise.sort([value]).kind for value in column.values[:200]]
    return kinds.count(_BY_VALUE[field]) / len(kinds) if kinds else 0.0


def _which_rows(draft: Draft, table: Table, address: Column, field: str) -> list[str]:
    """Conditions for the rows of this kind, the better ones first: by the column of types, else by the values themselves."""
    if _share(address, field) > 0.95:
        return []
    types = [column for column in table.columns.values() if recognise.few(column.values, 20) and column is not address]
    for column in sorted(types, key=lambda one: (one.name in table.key, one.kind != "word", not words.hint("kind", one.name))):
        mine, others = _types(table, column, address, field)
        if mine and others:
            name = draft.quoted(column.name)
            mobile = [value for value in mine if words.hint("mobile", str(value))] if field == "phone" else []
            wanted = [mobile, mine] if mobile and len(mobile) < len(mine) else [mine]
            return [f"{name} IN ({', '.join(map(literal, values))})" for values in wanted]
    return [f"{draft.quoted(address.name)} {'LIKE' if field == 'email' else 'NOT LIKE'} '%@%'"]


def _types(table: Table, column: Column, address: Column, field: str) -> tuple[list[object], list[object]]:
    """The values of a column of types whose rows are (nearly) all of this kind, and the others."""
    kinds: dict[object, list[bool]] = {}
    for row in table.sample:
        if row[address.name] is not None and row[column.name] is not None:
            kinds.setdefault(row[column.name], []).append(recognise.sort([row[address.name]]).kind == _BY_VALUE[field])
    mine = [value for value, hits in kinds.items() if sum(hits) / len(hits) >= 0.8]
    return mine, [value for value in kinds if value not in mine]


def _texts(draft: Draft) -> None:
    """Notes and descriptions: of the bookings themselves, then of tables that share their key."""
    beside = [one for one in draft.joins if one.reference is None]
    taken = {one.column.name for one in draft.picked.values() if one.joined is draft.booking and one.column}
    taken |= {one.inline.name for one in draft.picked.values() if one.inline}
    taken |= {draft.status.column.name} if draft.status.column else set()
    for joined in (draft.booking, *beside):
        columns = [one for one in joined.table.columns.values() if _is_text(one)]
        for field in _TEXTS:
            column = best(field, columns, taken if joined is draft.booking else set()) if field not in draft.picked else None
            if column is not None and column.name not in {one.column.name for one in _of(draft, joined)}:  # type: ignore[union-attr]
                draft.pick(field, joined, column)


def _of(draft: Draft, joined: Joined) -> list[Picked]:
    return [one for one in draft.picked.values() if one.joined is joined and one.column is not None]


def _is_text(column: Column) -> bool:
    return column.kind in ("text", "word", "plate", "none") and (
        not column.type or any(part in column.type for part in ("char", "text", "clob", "string", "blob"))
    )


def _reference(draft: Draft) -> None:
    """A column in which the shop may keep Repairy's id: named for it, and empty or full of such ids."""
    for column in draft.booking.table.columns.values():
        if words.hint("repairy_ref", column.name) and (column.kind == "none" or all(_is_ref(one) for one in column.values)):
            draft.pick("repairy_ref", draft.booking, column)
            return


def _is_ref(value: object) -> bool:
    return isinstance(value, str) and len(value) == 24 and all(sign in "0123456789abcdef" for sign in value.lower())


def _category(draft: Draft) -> None:
    """A short list of kinds of work that are words for ours."""
    for column in draft.booking.table.columns.values():
        stored = sorted({str(value) for value in column.values}) if column.kind == "word" else []
        known = {value: ours for value in stored if (ours := words.category(value))}
        if len(stored) > 1 and len(known) / len(stored) >= 0.75 and not _is_picked(draft, column, but="service_category"):
            lines = " ".join(f"WHEN {literal(value)} THEN '{ours}'" for value, ours in known.items())
            draft.picked = {name: one for name, one in draft.picked.items() if one.column is not column}
            sql = f"CASE {draft.of(draft.booking, column)} {lines} ELSE 'others' END"
            draft.pick("service_category", draft.booking, column, sql)
            return


def _is_picked(draft: Draft, column: Column, but: str) -> bool:
    return any(one.column is column and name not in (but, "description") for name, one in draft.picked.items())


def _is_key(column: Column) -> bool:
    last = (words.parts(column.name) or [""])[-1]
    return last in ("id", "nr", "key", "uuid", "guid") and column.kind in ("number", "none", "flag")
