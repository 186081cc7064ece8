"""Which column feeds which field of customer, vehicle and texts. Values decide where they can; names where they cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sync.shop.wizard import recognise, words
from sync.shop.wizard.draft import Draft, Joined, Picked, literal
from sync.shop.wizard.explore import Column, Explorer, Table

_BY_VALUE: Mapping[str, recognise.Kind] = {"phone": "phone", "email": "email", "rego": "plate", "vin": "vin"}
_OF_CUSTOMER = ("phone", "email", "first_name", "last_name", "name", "company")
_OF_VEHICLE = ("rego", "vin", "make", "model", "badge", "year")
_TEXTS = ("internal_notes", "job_notes", "description")
_NAMED = ("first_name", "last_name", "company")
_ENOUGH = 1.0


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
    weighed = [(score(field, column), column) for column in columns if column.name not in taken]
    found = max(weighed, key=lambda one: one[0], default=(0.0, None))
    return found[1] if found[0] >= _ENOUGH else None


def _own_columns(draft: Draft) -> list[Column]:
    """The bookings' own columns that are no references, no key, and tell no kinds of rows apart."""
    away = {one.reference.column for one in draft.joins if one.reference and one.source == draft.booking.alias}
    columns = [one for one in draft.booking.table.columns.values() if one.name not in away and one.name not in draft.key]
    return [one for one in columns if not (words.hint("kind", one.name) and recognise.few(one.values))]


def _choose(draft: Draft, field: str, linked: Joined | None, inline: Sequence[Column], taken: set[str]) -> None:
    """From the linked row, else the booking's own column; both where the link may be empty."""
    there = _sieved(field, best(field, list(linked.table.columns.values()), taken) if linked else None)
    own = _sieved(field, best(field, inline, {one.column.name for one in draft.picked.values() if one.column}))
    if field == "name" and there is not None and {"first_name", "last_name"} <= draft.picked.keys():
        there = None
    if linked is not None and there is not None:
        taken.add(there.name)
        sql = draft.of(linked, there)
        if own is not None and _may_be_empty(draft, linked):
            draft.picked[field] = Picked(f"COALESCE({sql}, {draft.of(draft.booking, own)})", linked, there, own)
        else:
            draft.pick(field, linked, there)
    elif own is not None and field not in ("company",):
        draft.pick(field, draft.booking, own)


def _sieved(field: str, column: Column | None) -> Column | None:
    """A "name" that is a first, last or company's name is not the whole one."""
    if column is not None and field == "name" and any(words.hint(part, column.name) > 0.3 for part in _NAMED):
        return None
    return column


def _may_be_empty(draft: Draft, linked: Joined) -> bool:
    column = draft.booking.table.columns.get(linked.reference.column if linked.reference else "")
    return column is None or column.nullable


def _whole_or_parts(draft: Draft) -> None:
    """Names come whole or in parts, not both; an inline whole one stands in for linked parts that are missing."""
    parts = [draft.picked.get(part) for part in ("first_name", "last_name")]
    whole = draft.picked.get("name")
    if not all(parts):
        draft.picked.pop("first_name", None)
        draft.picked.pop("last_name", None)
        if whole is None and any(parts):
            draft.picked["name"] = next(part for part in parts if part)
    elif whole is not None and whole.joined is draft.booking and parts[0] and parts[1]:
        first, last = (f"COALESCE({part.sql}, '')" for part in parts if part)
        joined = f"NULLIF(TRIM({draft.together(first, _QUOTED_SPACE, last)}), '')"
        draft.picked["name"] = Picked(f"COALESCE({joined}, {whole.sql})", parts[0].joined, None, whole.column)
        draft.picked.pop("first_name")
        draft.picked.pop("last_name")
    else:
        draft.picked.pop("name", None)


_QUOTED_SPACE = "' '"


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
