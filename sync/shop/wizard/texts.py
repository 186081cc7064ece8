"""Notes, descriptions, Repairy's own id and the kind of work: the texts of a booking. No database."""

from __future__ import annotations

from collections.abc import Sequence

from sync.shop.wizard import fields, scores, words
from sync.shop.wizard.draft import Draft, Joined, Picked, literal
from sync.shop.wizard.explore import Column


def choose(draft: Draft) -> None:
    """The texts into the draft, after customer and vehicle: those have the first choice."""
    _texts(draft)
    _reference(draft)
    _category(draft)


def _texts(draft: Draft) -> None:
    """Notes and descriptions: of the bookings themselves, then of tables that share their key."""
    beside = [one for one in draft.joins if one.reference is None]
    taken = {one.column.name for one in draft.picked.values() if one.joined is draft.booking and one.column}
    taken |= {one.inline.name for one in draft.picked.values() if one.inline}
    taken |= {draft.status.column.name} if draft.status.column else set()
    for joined in (draft.booking, *beside):
        columns = [one for one in joined.table.columns.values() if _is_text(one) and not _is_a_code(one)]
        for field in scores.TEXTS:
            _text(draft, field, joined, columns, taken if joined is draft.booking else set())


def _text(draft: Draft, field: str, joined: Joined, columns: Sequence[Column], taken: set[str]) -> None:
    """One of them, where a column is left for it; of several that are as likely the plainest name."""
    there = taken | {one.column.name for one in _of(draft, joined) if one.column}
    found = scores.alike(field, columns, taken) if field not in draft.picked else []
    if found and found[0].name not in there:
        left = [column for column in found if column.name not in there]
        fields.say_tie(draft, field, left)
        draft.pick(field, joined, left[0])


def _of(draft: Draft, joined: Joined) -> list[Picked]:
    return [one for one in draft.picked.values() if one.joined is joined and one.column is not None]


def _is_text(column: Column) -> bool:
    return column.kind in ("text", "word", "plate", "none") and (
        not column.type or any(part in column.type for part in ("char", "text", "clob", "string", "blob"))
    )


def _is_a_code(column: Column) -> bool:
    """A number of something, that a booking's own text would overwrite: by its name, or because no value is there twice."""
    stored = [str(value) for value in column.values]
    drawn = all(any(map(str.isdigit, value)) and not set(value.strip()) & set(" \n\t") for value in stored)
    return scores.numbered(column.name) or (len(stored) > 1 and len(set(stored)) == len(stored) and drawn)


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
