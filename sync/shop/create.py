"""A new row in the shop: the profile's `[[write.create]]` steps, in order, in the transaction that the caller holds.

Nothing is committed here. A step looks for a row (`find`), else makes one (`insert`); what it yields is known to the next.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import nullcontext

import sqlalchemy as sa

from sync.core.canonical import plate
from sync.errors import SEVERAL, Rejected
from sync.shop import connect, statement
from sync.shop.binding import phone_forms
from sync.shop.profile import Step
from sync.shop.rules import PURPOSE, SPELLINGS, spelled
from sync.shop.values import text

_OTHERS = (PURPOSE["set_customer"], PURPOSE["set_vehicle"])
_PHONES = frozenset({"phone", "phone_e164"})

_INTO = re.compile(r"\bINTO\s+((?:\[[^\]]*\]|\"[^\"]*\"|`[^`]*`|[\w.$])+)", re.IGNORECASE)


def run(
    connection: sa.Connection, steps: Sequence[Step], parameters: Mapping[str, object], rego: str | None
) -> tuple[object, frozenset[str], list[str]]:
    """The new booking's key, in the type the database gave it, which parameters its inserts stored for its SELECT to show,
    and every other row that was made: its table and key.

    Raises Rejected, code `several` where a person must choose."""
    known, stored, beside = dict(parameters), frozenset[str](), list[str]()
    elsewhere = _elsewhere(steps)
    for step in steps:
        found = _found(connection, step, known, rego)
        known[step.set] = found if found is not None else _inserted(connection, step, known)
        if found is None:
            stored |= _named(step.insert) - (elsewhere if step.set == "key" else frozenset())
        beside += [f"{_tables(step)} {known[step.set]}"] if found is None and step.set != "key" else []
    return known["key"], stored, beside


def _elsewhere(steps: Sequence[Step]) -> frozenset[str]:
    """The parameters of a customer or a car that a step of its own makes or finds: what the booking's row keeps of them beside,
    in a title for one, is not what the SELECT shows of them."""
    fields = [field for step in steps if step.set != "key" for field in _kept_by(step)]
    return frozenset[str]().union(*(SPELLINGS.get(field, (field,)) for field in fields))


def _kept_by(step: Step) -> list[str]:
    """What its insert stores; where it has none, all of whom its find looks for."""
    if step.insert:
        return [field for group in _OTHERS for field in group if spelled(field, _named(step.insert))]
    return [field for group in _OTHERS if any(spelled(one, _named(step.find)) for one in group) for field in group]


def _named(statements: Sequence[str]) -> frozenset[str]:
    return frozenset[str]().union(*map(statement.parameters, statements))


def _tables(step: Step) -> str:
    """What its inserts name; for a procedure, which names none, what the step sets."""
    named = [re.sub(r"[\[\]\"`]", "", found[1]) for sql in step.insert if (found := _INTO.search(sql))]
    return " and ".join(named) or step.set


def bound(sql: str, known: Mapping[str, object]) -> dict[str, object]:
    """The parameters that this statement names."""
    return {name: known.get(name) for name in statement.parameters(sql)}


def _found(connection: sa.Connection, step: Step, known: Mapping[str, object], rego: str | None) -> object:
    for sql in step.find:
        values = bound(sql, known)
        if any(value in (None, "") for value in values.values()):
            continue  # an empty phone is everybody's
        rows = [row for row in _rows(connection, statement.clause(sql), values) if row[0] is not None]
        if rows:
            return _one_of(step, list(dict.fromkeys(row[0] for row in rows)), [row[0] for row in rows if _is_plate(row, rego)])
    return None


def _rows(connection: sa.Connection, clause: sa.TextClause, values: Mapping[str, object]) -> list[sa.Row[tuple[object, ...]]]:
    """What a `find` finds, by each way in which the phone that it names may have been written."""
    named, found = values.keys() & _PHONES, list[sa.Row[tuple[object, ...]]]()
    forms = phone_forms(str(values[min(named)])) if named else [""]
    for form in forms:
        try:
            with connection.begin_nested() if connection.dialect.name == "postgresql" else nullcontext():
                found += connection.execute(clause, {**values, **dict.fromkeys(named, form)}).all()
        except (sa.exc.DBAPIError, ValueError) as error:
            if form == forms[0] or connect.kind_of(error) != "refused":
                raise  # else it is too long for that column, or too large a number: it cannot stand there
    return found


def _one_of(step: Step, several: list[object], same_plate: list[object]) -> object:
    """The only one, or the only one with this plate, or the profile's placeholder."""
    if len(several) == 1:
        return several[0]
    if len(set(same_plate)) == 1:
        return same_plate[0]
    if step.several == "hold":
        what = step.set.removesuffix("_id")
        raise Rejected(f"the shop has {len(several)} rows that could be this {what}: a person must choose", code=SEVERAL)
    return step.several


def _is_plate(row: Sequence[object], rego: str | None) -> bool:
    return len(row) > 1 and bool(rego) and plate(text(row[1]) or "") == plate(rego or "")


def _inserted(connection: sa.Connection, step: Step, known: Mapping[str, object]) -> object:
    """What the statements yield: the first column of a row that one returns, else the key that the first one generated."""
    value: object = None
    for number, sql in enumerate(step.insert):
        _forget_keys(connection)
        result = connection.execute(statement.clause(sql), bound(sql, {**known, step.set: value}))
        if result.returns_rows:
            row = result.first()
            value = row[0] if row else value
        elif number == 0:
            value = _generated(connection, result)
    return value


def _forget_keys(connection: sa.Connection) -> None:
    """PostgreSQL gives out the last key of the session, which may be another transaction's: begin without one."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("DISCARD SEQUENCES")


def _generated(connection: sa.Connection, result: sa.CursorResult[tuple[object, ...]]) -> object:
    name = connect.engine_name(connection.dialect)
    if name == "firebird":
        return None  # RETURNING alone tells it
    if name == "mssql":  # the driver's own would be the last one of a trigger
        return connection.exec_driver_sql("SELECT CAST(SCOPE_IDENTITY() AS BIGINT)").scalar()
    if name != "postgresql":
        return result.lastrowid or None
    try:
        with connection.begin_nested():
            return connection.exec_driver_sql("SELECT lastval()").scalar()
    except sa.exc.OperationalError:
        return None  # no key was generated: a later statement of the step may yield one
