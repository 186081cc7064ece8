"""From the bookings to what they refer to: customer, vehicle, look-ups, and tables that hang on them row by row.

Foreign keys are followed where they are declared; elsewhere names and values tell (`Explorer.references`).
"""

from __future__ import annotations

from collections.abc import Iterable

from sync.shop.wizard import words
from sync.shop.wizard.draft import Draft, Joined
from sync.shop.wizard.explore import Explorer, Reference, Table

_DEPTH = 2
_CHILD_LOOKUP = 60  # rows; a larger table is no list of words


def follow(explorer: Explorer, draft: Draft) -> None:
    """Everything within two steps of the bookings, and who of it is the customer and the vehicle."""
    edge = [draft.booking]
    for _ in range(_DEPTH):
        edge = [made for joined in edge for made in _referred(explorer, draft, joined)]
    _one_to_one(explorer, draft)
    draft.vehicle = _role(draft, "vehicle table", "plate") or _linked(explorer, draft)
    draft.customer = _role(draft, "customer table", "phone")
    if draft.customer is not None and draft.customer is draft.vehicle:
        draft.card, draft.customer = draft.vehicle, None


def used(draft: Draft, sqls: Iterable[str]) -> list[Joined]:
    """The joins that these expressions need, with those that they hang on, in order."""
    written = " ".join(sqls)
    needed = {one.alias for one in draft.joins if f"{one.alias}." in written}
    for one in reversed(draft.joins):
        if one.alias in needed:
            needed.add(one.source)
    return [one for one in draft.joins if one.alias in needed]


def _referred(explorer: Explorer, draft: Draft, joined: Joined) -> list[Joined]:
    made = []
    known = {draft.booking.table.id, *(one.table.id for one in draft.joins)}
    for reference in explorer.references(joined.table):
        target = explorer.tables[reference.table]
        staff = words.hint("staff table", reference.column) > words.hint("customer table", reference.column)
        lent = words.hint("loan", reference.column) > 0  # a courtesy car is not the one that comes
        if target.id in known or lent or (joined is not draft.booking and staff):
            continue
        known.add(target.id)
        made.append(_join(draft, joined, target, reference))
    return made


def _join(draft: Draft, source: Joined, target: Table, reference: Reference) -> Joined:
    alias = draft.alias(target.name)
    on = f"{alias}.{draft.quoted(reference.target)} = {draft.of(source, reference.column)}"
    made = Joined(alias, target, on, reference, source.alias)
    draft.joins.append(made)
    return made


def _one_to_one(explorer: Explorer, draft: Draft) -> None:
    """Tables whose own key is the booking's: long texts kept apart, for one."""
    for table, reference in explorer.children(draft.booking.table):
        if table.key == (reference.column,) and table.id not in {one.table.id for one in draft.joins}:
            alias = draft.alias(table.name)
            on = f"{alias}.{draft.quoted(reference.column)} = {draft.of(draft.booking, reference.target)}"
            draft.joins.append(Joined(alias, table, on, None, draft.booking.alias))


def _role(draft: Draft, role: str, kind: str) -> Joined | None:
    weighed = [(_weight(one, role, kind), one) for one in draft.joins if one.reference]
    best = max(weighed, key=lambda one: one[0], default=None)
    return best[1] if best and best[0] > 1 else None


def _weight(joined: Joined, role: str, kind: str) -> float:
    table, column = joined.table, joined.reference.column if joined.reference else ""
    own = sum(each.kind == kind for each in table.columns.values()) > 0
    mail = role == "customer table" and any(each.kind == "email" for each in table.columns.values())
    vin = role == "vehicle table" and any(each.kind == "vin" for each in table.columns.values())
    staff = words.hint("staff table", table.name) if not words.hint(role, table.name) else 0.0
    named = 3 * words.hint(role, table.name) + 2 * words.hint(role, column) - 4 * staff - 3 * words.hint("staff table", column)
    return named + 3 * own + mail + 2 * vin - 4 * (table.rows <= 1)


def _linked(explorer: Explorer, draft: Draft) -> Joined | None:
    """A vehicle that hangs on the booking by a table of links; of several cars the first."""
    if any(column.kind == "plate" for column in draft.booking.table.columns.values()):
        return None
    for table, reference in hangers(explorer, draft):
        for one in explorer.references(table):
            target = explorer.tables[one.table]
            if target.id == draft.booking.table.id or not any(column.kind == "plate" for column in target.columns.values()):
                continue
            link, quoted = draft.alias(table.name), draft.quoted
            inner = (
                f"SELECT {quoted(reference.column)} AS booking, MIN({quoted(one.column)}) AS first_car "  # noqa: S608 (names only)
                f"FROM {draft.named(table)} GROUP BY {quoted(reference.column)}"
            )
            on = f"({inner}) {link} ON {link}.booking = {draft.of(draft.booking, reference.target)}"
            draft.joins.append(Joined(link, table, on, None, draft.booking.alias, many=True))
            alias = draft.alias(target.name)
            on = f"{alias}.{quoted(one.target)} = {link}.first_car"
            made = Joined(alias, target, on, one, link)
            draft.joins.append(made)
            draft.unsure.append(f"vehicle: by {table.id}; where a booking has several cars, only the first is read")
            return made
    return None


def hangers(explorer: Explorer, draft: Draft) -> list[tuple[Table, Reference]]:
    """Tables with several rows to a booking: sessions of work, reports, job cards."""
    joined = {one.table.id for one in draft.joins}
    return [(table, one) for table, one in explorer.children(draft.booking.table) if table.id not in joined]
