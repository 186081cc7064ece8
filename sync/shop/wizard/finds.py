"""How a create looks for a customer who is there: phones, e-mails and plates, however they are written. No database."""

from __future__ import annotations

from collections.abc import Iterator

from sync.shop.values import text
from sync.shop.wizard import words
from sync.shop.wizard.draft import Draft, Joined
from sync.shop.wizard.explore import Column, Table

_MARKS, _USUAL = " -()/.", " -()"  # what stands between the digits of a phone, and what anybody may write there tomorrow


def by_contact(draft: Draft, joined: Joined, alias: str = "c.") -> Iterator[str]:
    """Conditions for the customer with this phone, then with this e-mail, where they stand in this table; not a deleted one."""
    alive = "".join(f" AND {one}" for one in undeleted(draft, joined.table, alias))
    phone, email = draft.picked.get("phone"), draft.picked.get("email")
    if phone and phone.column and phone.joined is joined:
        digits = bare(f"{alias}{draft.quoted(phone.column.name)}", _marks(phone.column))
        yield f"{digits} = {bound(draft, phone_parameter(phone.column))}{alive}"
    if email and email.column and email.joined is joined:
        yield f"LOWER({alias}{draft.quoted(email.column.name)}) = LOWER({bound(draft, ':email')}){alive}"


def undeleted(draft: Draft, table: Table, alias: str = "") -> list[str]:
    """Conditions for rows that are not deleted, by the flags and times that say so."""
    return [_unset(column, alias + draft.quoted(column.name)) for column in _deletions(table) if _is_plain(table, column)]


def unclear_deletions(table: Table) -> list[str]:
    """The columns whose names speak of deletion, where none of them can be understood."""
    found = _deletions(table)
    return [] if any(_is_plain(table, column) for column in found) else [column.name for column in found]


def _deletions(table: Table) -> list[Column]:
    return [column for column in table.columns.values() if words.hint("deleted_at", column.name)]


def _is_plain(table: Table, column: Column) -> bool:
    """Yes or no, or a time that is null until then: neither empty text nor a zero date."""
    nulls = all(row[column.name] is None for row in table.sample if not text(row[column.name]))
    return column.kind == "flag" or (column.kind in ("moment", "day", "none") and column.nullable and nulls)


def _unset(column: Column, name: str) -> str:
    if column.kind != "flag":
        return f"{name} IS NULL"
    no = f"{name} = {'FALSE' if 'bool' in column.type else '0'}"
    return f"({name} IS NULL OR {no})" if column.nullable else no


def _marks(column: Column) -> str:
    """What may stand between the digits of this shop's phones; nothing where they are numbers."""
    if not all(isinstance(value, str) for value in column.values):
        return ""
    return "".join(mark for mark in _MARKS if mark in _USUAL or any(mark in str(value) for value in column.values))


def bare(sql: str, marks: str) -> str:
    """Without these signs."""
    for mark in marks:
        sql = f"REPLACE({sql}, '{mark}', '')"
    return sql


def bound(draft: Draft, parameter: str) -> str:
    """A parameter that is compared: Firebird wants to be told how long it may be."""
    return f"CAST({parameter} AS VARCHAR(254))" if draft.engine == "firebird" else parameter


def phone_parameter(column: Column) -> str:
    """As this column mostly keeps its phones: with a plus, or as they are dialled."""
    plus = sum((text(value) or "").startswith("+") for value in column.values)
    return ":phone_e164" if plus * 2 > len(column.values) else ":phone"
