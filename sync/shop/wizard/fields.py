"""Which column feeds which field of customer and vehicle. Values decide where they can; names where they cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sync.shop.values import text
from sync.shop.wizard import recognise, words
from sync.shop.wizard.draft import Draft, Joined, Picked, literal
from sync.shop.wizard.explore import Column, Explorer, Table
from sync.shop.wizard.scores import BY_VALUE, OF_CUSTOMER, OF_VEHICLE, alike, is_staffs, numbered

_NAMED = ("first_name", "last_name", "company")
_WHOSE = ("name", *_NAMED)  # in a row that is a car's, these may be the car's own


def choose(explorer: Explorer, draft: Draft) -> None:
    """Customer and vehicle into the draft."""
    inline, taken = _own_columns(draft), set[str]()
    for field in OF_VEHICLE:
        _choose(draft, field, draft.vehicle, inline, taken)
    of_customer = set[str]()
    for field in OF_CUSTOMER:
        _choose(draft, field, draft.customer, inline, of_customer)
    if draft.card is not None:
        _from_card(draft, draft.card, taken)
    _whole_or_parts(draft)
    for field in ("phone", "email"):
        if field not in draft.picked and draft.customer is not None:
            _from_side_table(explorer, draft, field, draft.customer)


def _own_columns(draft: Draft) -> list[Column]:
    """The bookings' own columns that are no references, no key, and tell no kinds of rows apart."""
    away = {one.reference.column for one in draft.joins if one.reference and one.source == draft.booking.alias}
    columns = [one for one in draft.booking.table.columns.values() if one.name not in away and one.name not in draft.key]
    return [one for one in columns if not (words.hint("kind", one.name) and recognise.few(one.values))]


def _choose(draft: Draft, field: str, linked: Joined | None, inline: Sequence[Column], taken: set[str]) -> None:
    """From the linked row, else the booking's own column; both where the link may be empty."""
    theirs = _theirs(field, linked, taken)
    owns = _sieved(field, alike(field, inline, {one.column.name for one in draft.picked.values() if one.column}))
    if field == "name" and {"first_name", "last_name"} <= draft.picked.keys():
        theirs = []
    there, own = next(iter(theirs), None), _ours(draft, field, owns, bool(theirs))
    if linked is not None and there is not None:
        say_tie(draft, field, theirs)
        taken.add(there.name)
        draft.pick(field, linked, there)
        if own is not None and _hints(field, own):
            _stand_in(draft, field, draft.picked[field], own)
    elif own is not None and field not in ("company",):
        say_tie(draft, field, owns)
        _inline(draft, field, own)


def _theirs(field: str, linked: Joined | None, taken: set[str]) -> list[Column]:
    return _sieved(field, alike(field, _of_row(field, linked), taken)) if linked else []


def _inline(draft: Draft, field: str, own: Column) -> None:
    """The bookings' own column. One whose name says nothing may be something else: a hoist, an invoice's number."""
    draft.pick(field, draft.booking, own)
    if _hints(field, own):
        return
    if field in BY_VALUE and (recognise.few(own.values) or numbered(own.name)):
        del draft.picked[field]
        draft.unsure.append(f"{field}: the values of {own.name} look like one, its name does not: it was not taken")
        return
    draft.picked[field] = replace(draft.picked[field], guess=True)
    draft.unsure.append(f"{field}: {own.name} may be something else by its name: it is read, and never written")


def _hints(field: str, own: Column) -> bool:
    """Whether a column's own name says so, more than it says that it is a text."""
    named = words.hint(field, own.name)
    return named > 0 and (field in BY_VALUE or named >= words.hint("description", own.name))


def _stand_in(draft: Draft, field: str, picked: Picked, own: Column) -> None:
    """Read where the bookings lead to no row, if that is where it is filled; never written, for a new booking has its row."""
    link = _link(draft, picked.joined)
    if link is None or not link.nullable or picked.column is None or picked.joined is None:
        return
    if _fills_gaps(draft, link, own):
        sql = f"COALESCE({picked.sql}, {draft.of(draft.booking, own)})"
        draft.picked[field] = replace(picked, sql=sql, inline=own)
        draft.unsure.append(f"{field}: where {link.name} is empty, {own.name} is read instead; it is never written")
    else:
        there = f"{picked.joined.table.id}.{picked.column.name}"
        draft.unsure.append(f"{field}: {there} is taken; {own.name} of the bookings is neither read nor written")


def _link(draft: Draft, linked: Joined | None) -> Column | None:
    """The bookings' column that leads to this row, be it by another one. None where a table of links does."""
    while linked is not None and linked.source != draft.booking.alias:
        linked = next((one for one in draft.joins if one.alias == linked.source), None)
    return draft.booking.table.columns.get(linked.reference.column) if linked and linked.reference else None


def _fills_gaps(draft: Draft, link: Column, own: Column) -> bool:
    """Whether it is filled mostly in rows that lead to none."""
    gaps = [text(row[link.name]) in (None, "0") for row in draft.booking.table.sample if text(row[own.name]) is not None]
    return sum(gaps) * 2 > len(gaps)


def _from_card(draft: Draft, card: Joined, taken: set[str]) -> None:
    """The customer's fields of a row that is the car's too, where the bookings have none of their own."""
    whole = any(field in draft.picked for field in ("name", "first_name", "last_name"))
    for field in OF_CUSTOMER:
        if field not in draft.picked and not (whole and field in ("name", "first_name", "last_name")):
            _choose(draft, field, card, (), taken)
    draft.unsure.append(f"customer: {card.table.id} holds customer and car in one row; a car with another phone is another row")


def _of_row(field: str, linked: Joined) -> list[Column]:
    """The linked row's columns; in a table of `users` all of them may be called so, elsewhere such a one is the staff's."""
    users = words.hint("staff table", linked.table.name) > 0
    car = field in _WHOSE and words.hint("vehicle table", linked.table.name) > words.hint("customer table", linked.table.name)
    there = [column for column in linked.table.columns.values() if users or not is_staffs(field, column)]
    return [column for column in there if not car or words.hint("customer table", column.name)]


def _ours(draft: Draft, field: str, found: Sequence[Column], linked: bool) -> Column | None:
    """The bookings' own column. One that is the staff's is nobody's: a customer would be called by a mechanic's number."""
    own = next(iter(found), None)
    if own is None or not is_staffs(field, own):
        return own
    if not linked and field in BY_VALUE:
        draft.unsure.append(f"{field}: {own.name} is by its name the staff's, and was not taken")
    return None


def say_tie(draft: Draft, field: str, found: Sequence[Column]) -> None:
    """That another column is as likely."""
    if len(found) > 1:
        others = ", ".join(column.name for column in found[1:])
        draft.unsure.append(f"{field}: {found[0].name} was taken; by name and values it could as well be {others}")


def _sieved(field: str, found: list[Column]) -> list[Column]:
    """A "name" that is a first, last or company's name is not the whole one."""
    return [one for one in found if field != "name" or not any(words.hint(part, one.name) > 0.3 for part in _NAMED)]


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
    elif whole is not None and whole.joined is draft.booking and whole.column and parts[0] and parts[1]:
        _whole_stands_in(draft, whole.column, parts[0], parts[1])
    else:
        draft.picked.pop("name", None)


_QUOTED_SPACE = "' '"


def _whole_stands_in(draft: Draft, own: Column, first: Picked, last: Picked) -> None:
    """The bookings' whole name where they lead to no customer; the linked parts alone where it is no such one."""
    del draft.picked["name"]
    sqls = (f"COALESCE({part.sql}, '')" for part in (first, last))
    together = f"NULLIF(TRIM({draft.together(next(sqls), _QUOTED_SPACE, next(sqls))}), '')"
    if not _hints("name", own):
        return
    _stand_in(draft, "name", replace(first, sql=together), own)
    if "name" in draft.picked:
        draft.picked["name"] = replace(draft.picked["name"], column=None)
        del draft.picked["first_name"], draft.picked["last_name"]


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
    return kinds.count(BY_VALUE[field]) / len(kinds) if kinds else 0.0


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
            kinds.setdefault(row[column.name], []).append(recognise.sort([row[address.name]]).kind == BY_VALUE[field])
    mine = [value for value, hits in kinds.items() if sum(hits) / len(hits) >= 0.8]
    return mine, [value for value in kinds if value not in mine]
