"""A row that was cancelled or deleted, and says so beside its status: a flag, a letter, a time. No database."""

from __future__ import annotations

from collections.abc import Iterator

from sync.shop.values import text, zero
from sync.shop.wizard import words
from sync.shop.wizard.draft import Draft, literal
from sync.shop.wizard.explore import Column

_YES = frozenset({"y", "j", "s", "t", "x", "1", "yes", "ja", "si", "sim", "oui", "true"})
_NO = frozenset({"n", "f", "0", "no", "nein", "nao", "non", "false"})
_LETTERS = "'Y', 'J', 'S', 'T', '1'"  # where nothing but "no" was seen
# Of a name that hints at it: who did it, why, until when it may be done, and how much it costs.
_ABOUT = ("reason", "grund", "motiv", "motif", "cause", "causa", "note", "notes", "comment", "by", "von", "par", "por", "da",
          "user", "until", "before", "deadline", "bis", "fee", "cost", "count", "qty", "anzahl", "id", "nr", "no",
          "number")  # fmt: skip
_TIMED = ("at", "on", "am", "date", "datum", "fecha", "data", "time", "en", "em", "le", "il", "ts")


def lay_over(draft: Draft) -> None:
    """Cancelled whatever the status says; what only may say so is said, and not read."""
    hinted = [column for column in _beside(draft) if words.hint("deleted_at", column.name)]
    marks = {column.name: mark for column in hinted if (mark := _mark(draft, column))}
    if marks:
        _lay(draft, list(marks.values()))
        draft.unsure.append(
            f"status: a row with {' or '.join(marks)} counts as cancelled; [write] cancel can set it, if the shop's program does "
            "no more"
        )
    draft.unsure += [
        f"status: {column.name} may say that a booking was cancelled, and is not read; if it does, say so in the SELECT"
        for column in hinted
        if column.name not in marks
    ]


def _beside(draft: Draft) -> Iterator[Column]:
    return (column for column in draft.booking.table.columns.values() if column is not draft.status.column)


def _lay(draft: Draft, marks: list[str]) -> None:
    status = draft.status
    column = status.label or status.column
    is_text = bool(status.words) or column is None or column.kind in ("word", "text", "plate")
    under = status.sql if is_text else draft.text(status.sql)
    status.sql = f"CASE WHEN {' OR '.join(marks)} THEN 'deleted' ELSE {under} END"
    status.words = {**status.words, "deleted": "cancelled"}


def _mark(draft: Draft, column: Column) -> str:
    """How a row is seen to be marked; "" where that is no more than a guess."""
    parts, sql = words.parts(column.name), draft.of(draft.booking, column)
    if any(part in _ABOUT for part in parts):
        return ""
    if column.kind == "moment" or (column.kind == "day" and column.empty):
        return _filled(draft, column, sql) if column.empty else ""
    if column.kind == "none":
        return _of_none(draft, column, sql, parts)
    return f"{sql} = {_one(draft, column)}" if _is_bit(column) else _lettered(column, sql)


def _of_none(draft: Draft, column: Column, sql: str, parts: list[str]) -> str:
    """No row is marked yet: by the type, or by a name that says when."""
    if "date" in column.type or "time" in column.type or parts[-1] in _TIMED:
        return _filled(draft, column, sql)
    return f"{sql} = {_one(draft, column)}" if any(part in column.type for part in ("int", "bool", "bit")) else ""


def _filled(draft: Draft, column: Column, sql: str) -> str:
    """An empty text is no time; MySQL's zero date is none either."""
    raw = [row[column.name] for row in draft.booking.table.sample]
    if any(value is not None and zero(value) and text(value) for value in raw):
        return f"{sql} > '1000-01-01'"
    return f"NULLIF(TRIM({sql}), '') IS NOT NULL" if "" in [str(value).strip() for value in raw] else f"{sql} IS NOT NULL"


def _is_bit(column: Column) -> bool:
    return column.kind == "flag" or column.type.startswith("bit")


def _one(draft: Draft, column: Column) -> str:
    """A set flag; PostgreSQL's bit wants quotes."""
    if "bool" in column.type:
        return "TRUE"
    return "'1'" if draft.engine == "postgresql" and column.type.startswith("bit") else "1"


def _lettered(column: Column, sql: str) -> str:
    """Y or N, J or N, S or N, T or F."""
    stored = {literal(value): (text(value) or "").casefold() for value in column.values if isinstance(value, str)}
    if not stored or not set(stored.values()) <= _YES | _NO:
        return ""
    yes = [spelled for spelled, plain in stored.items() if plain in _YES]
    return f"{sql} IN ({', '.join(sorted(yes)) or _LETTERS})"
