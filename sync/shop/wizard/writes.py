"""The statements that a profile could write with: where every column is accounted for, else why not. Nothing runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sync.shop.wizard import fed, inserts, words
from sync.shop.wizard.draft import Draft
from sync.shop.wizard.inserts import Step


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
    old = "" if nulls else f" AND {column} = {fed.status(draft, ':old_status')}"
    return f"UPDATE {draft.named(draft.booking.table)} SET {column} = {fed.status(draft, ':status')} WHERE {of_key}{old}"  # noqa: S608


def _update(draft: Draft, fields: Sequence[str], parameters: str = "") -> str:
    """Of those fields that are columns of the bookings themselves."""
    columns = dict(fed.own(draft, draft.booking, fields))
    if not columns:
        return ""
    values = ", ".join(f"{draft.quoted(name)} = {parameters or parameter}" for name, parameter in columns.items())
    return f"UPDATE {draft.named(draft.booking.table)} SET {values} WHERE {_of_key(draft)}"  # noqa: S608 (names only)


def _link(draft: Draft) -> str:
    return _update(draft, ("repairy_ref",), ":repairy_id")


def _of_key(draft: Draft) -> str:
    if len(draft.key) == 1:
        return f"{draft.quoted(draft.key[0])} = :key"
    return " AND ".join(f"{draft.quoted(part)} = :x_{words.plain(part).replace(' ', '_')}" for part in draft.key)


def _create(draft: Draft, made: Writes, writable: bool) -> None:
    """Customer, vehicle, booking; all or none."""
    missing = list(inserts.in_the_way(draft, writable))
    if missing:
        made.left_out.append(f"[[write.create]]: {'; '.join(missing)}. Until it is written, online bookings are not inserted")
        return
    made.create = inserts.steps(draft)
    made.left_out += inserts.doubts(draft)
