"""How a create looks for a customer who is there: phones, e-mails and plates, however they are written. No database."""

from __future__ import annotations

from collections.abc import Iterator

from sync.shop.values import text
from sync.shop.wizard.draft import Draft, Joined
from sync.shop.wizard.explore import Column

_MARKS, _USUAL = " -()/.", " -()"  # what stands between the digits of a phone, and what anybody may write there tomorrow


def by_contact(draft: Draft, joined: Joined) -> Iterator[str]:
    """Conditions for the customer with this phone, then with this e-mail, where they stand in this table."""
    phone, email = draft.picked.get("phone"), draft.picked.get("email")
    if phone and phone.column and phone.joined is joined:
        digits = bare(f"c.{draft.quoted(phone.column.name)}", _marks(phone.column))
        yield f"{digits} = {bound(draft, phone_parameter(phone.column))}"
    if email and email.column and email.joined is joined:
        yield f"LOWER(c.{draft.quoted(email.column.name)}) = LOWER({bound(draft, ':email')})"


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
