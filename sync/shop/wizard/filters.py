"""Rows of the bookings' table that are no bookings of this workshop: other branches, estimates and invoices, dummies."""

from __future__ import annotations

from collections import Counter

from sync.shop.values import text
from sync.shop.wizard import recognise, words
from sync.shop.wizard.draft import Draft, Joined, literal
from sync.shop.wizard.explore import Column

_JOBS = ("job", "booking", "appointment", "service", "repair", "workshop", "termin", "auftrag", "prenotazione", "intervento",
         "cita", "agendamento", "marcacao", "rendez vous", "ordem", "orden", "wo")  # fmt: skip
_NOT_JOBS = ("invoice", "estimate", "quote", "credit", "rechnung", "angebot", "devis", "facture", "fattura", "preventivo",
             "fatura", "orcamento", "factura", "presupuesto", "inv", "est")  # fmt: skip


def choose(draft: Draft) -> None:
    """The constant parts of the WHERE into the draft, and what only the owner can say into its doubts."""
    taken = {one.column.name for one in draft.picked.values() if one.column}
    for column in draft.booking.table.columns.values():
        if column is draft.status.column or column.name in taken or not recognise.few(column.values, 12):
            continue
        if words.hint("kind", column.name):
            _kind(draft, column)
        elif words.hint("branch", column.name) and len(_different(column)) > 1:
            shown = ", ".join(_different(column))
            draft.unsure.append(
                f"rows of several branches: {column.name} is {shown}. A workshop at Repairy is one of them: add to the SELECT "
                f"WHERE {draft.of(draft.booking, column)} = {literal(Counter(column.values).most_common(1)[0][0])}"
            )
    if draft.customer is not None:
        _dummies(draft, draft.customer)


def _kind(draft: Draft, column: Column) -> None:
    """Bookings, estimates and invoices in one table: those that say that they are jobs."""
    stored = _different(column)
    jobs = [value for value in stored if any(word in _JOBS for word in words.plain(value).split())]
    others = [value for value in stored if any(word in _NOT_JOBS for word in words.plain(value).split())]
    if jobs and others:
        chosen = [value for value in column.values if (text(value) or "") in jobs]
        draft.where.append(f"{draft.of(draft.booking, column)} IN ({', '.join(dict.fromkeys(map(literal, chosen)))})")
        draft.constant[column.name] = literal(chosen[0])
        draft.unsure.append(f"only rows whose {column.name} is {' or '.join(jobs)} count as bookings, not {', '.join(others)}")
    elif len(stored) > 1:
        draft.unsure.append(f"{column.name} tells kinds of rows apart ({', '.join(stored)}): are all of them bookings?")


def _dummies(draft: Draft, customer: Joined) -> None:
    for column in customer.table.columns.values():
        if words.hint("dummy", column.name) and len(_different(column)) > 1:
            draft.unsure.append(
                f"some customers are none ({customer.table.id}.{column.name}): to leave their bookings out, give the SELECT a "
                f"condition on {draft.of(customer, column)}"
            )


def _different(column: Column) -> list[str]:
    return sorted({text(value) or "" for value in column.values})
