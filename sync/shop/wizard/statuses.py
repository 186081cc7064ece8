"""Where the status is kept: a column, a look-up, a flag, times that were filled in, or nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from sync.shop.values import text
from sync.shop.wizard import cancelled, joins, recognise, words
from sync.shop.wizard.draft import Draft, Joined, Status
from sync.shop.wizard.explore import Column, Explorer, Table

_ENOUGH = 1.5
_LIST = 60  # rows; a longer table is no list of statuses
_PLAIN = 1.5  # what a column is worth that is called status and nothing else
_NOT_IT = ("job_notes", "description", "service_category", "kind")  # what a column of few words may be instead
_ABOUT = ("job", "booking", "work", "order", "code", "id", "nr", "name", "fk")  # what stands about "status" in a plain name
_YES, _NO = ("1", "true"), ("0", "false")
_DERIVED = {"booked": "pending", "in progress": "processing", "done": "done"}


def choose(explorer: Explorer, draft: Draft) -> None:
    """The status into the draft, with soft deletion laid over it."""
    plain = _best_column(draft)
    draft.status = _from_column(draft, *plain) if plain else _from_times(draft) or _nowhere(draft)
    if _is_flag(draft.status) and draft.status.column is not None and words.finished(draft.status.column.name):
        _flag_with_work(explorer, draft, draft.status.column)
    _repeated(draft)
    cancelled.lay_over(draft)
    _others(explorer, draft)


def known(values: Sequence[object], *, hinted: bool = True) -> float:
    """The share of the different values that are words for a status; a part of one counts only where a name hints at it."""
    different = {text(value) or "" for value in values}
    says = words.guess if hinted else words.meaning
    return sum(says(value) is not None for value in different) / len(different) if different else 0.0


def _likely(values: Sequence[object], *names: str) -> float:
    """What speaks for these words under these names. Without a name that hints at a status they must be of two meanings."""
    hinted = max(words.hint("status", name) for name in names)
    against = 4 * max(words.hint("money", name) for name in names)
    if hinted:
        return 3 * known(values) + 3 * hinted + _PLAIN * any(map(_is_plain, names)) - against
    meant = {words.meaning(text(value) or "") for value in values} - {None}
    other = 3 * max(words.hint(what, name) for what in _NOT_IT for name in names)
    return 3 * known(values, hinted=False) - against - other if len(meant) > 1 else 0.0


def _is_plain(name: str) -> bool:
    """Whether a column is called status and nothing else: `Status`, `job_status_id`."""
    said = [part for part in words.parts(name) if part not in _ABOUT]
    return len(said) == 1 and words.hint("status", said[0]) > 0.7


def _best_column(draft: Draft) -> tuple[Column, Joined | None, Column | None] | None:
    weighed = [_weighed(draft, column) for column in draft.booking.table.columns.values()]
    best = max((one for one in weighed if one), key=lambda one: one[0], default=None)
    return best[1:] if best and best[0] >= _ENOUGH else None


def _weighed(draft: Draft, column: Column) -> tuple[float, Column, Joined | None, Column | None] | None:
    """What speaks for a column: its own words, or those of the list that it refers to."""
    hinted = words.hint("status", column.name)
    lookup = next((one for one in draft.joins if one.reference and one.reference.column == column.name
                   and one.source == draft.booking.alias), None)  # fmt: skip
    if lookup is not None:
        label = _label(lookup.table)
        if label is None or lookup.table.rows > _LIST or lookup in (draft.customer, draft.vehicle):
            return None
        return _likely(label.values, column.name, lookup.table.name), column, lookup, label
    wordy = column.kind in ("word", "text")
    if not recognise.few(column.values) or not (wordy or (hinted and column.kind in ("number", "flag", "plate"))):
        return None
    return _likely(column.values, column.name), column, None, None


def _label(table: Table) -> Column | None:
    """The words of a list: the text column with most words for a status."""
    texts = [column for column in table.columns.values() if column.kind in ("word", "text", "plate") and len(column.values) > 1]
    return max(texts, key=lambda one: (known(one.values), words.hint("status", one.name), -one.empty), default=None)


def _from_column(draft: Draft, column: Column, lookup: Joined | None, label: Column | None) -> Status:
    where = f"{lookup.table.id}.{label.name}" if lookup and label else column.name
    sql = draft.of(lookup, label) if lookup and label else draft.of(draft.booking, column)
    return Status(sql, column, label, lookup, why=f"the status is {where}")


def _repeated(draft: Draft) -> None:
    """Of a word that stands twice in its list, as two sites have it, nobody can say which one a booking is given."""
    label, where = draft.status.label, draft.status.lookup
    if label is None or where is None:
        return
    stored = [(text(value) or "").casefold() for value in label.values]
    twice = sorted({word for word in stored if stored.count(word) > 1})
    if twice:
        draft.withhold(
            f"status: {where.table.id} lists {', '.join(twice)} more than once, so no word can be written by its name alone",
            "set_status", "create",
        )  # fmt: skip


def _flag_with_work(explorer: Explorer, draft: Draft, flag: Column) -> None:
    """A "completed" flag knows no "in progress"; a row of work that was begun does."""
    found = next(_work(explorer, draft), None)
    if found is None:
        return
    name, begun = found
    done = f"WHEN {draft.of(draft.booking, flag)} = {'TRUE' if 'bool' in flag.type else '1'} THEN 'done'"
    sql = f"CASE {done} WHEN {begun} THEN 'in progress' ELSE 'booked' END"
    draft.status = Status(sql, flag, words=_DERIVED, why=f"the status is {flag.name}; begun where {name} has a row")
    draft.unsure.append(f"status: {flag.name} says done; that a row in {name} means in progress is a guess")


def _work(explorer: Explorer, draft: Draft) -> Iterator[tuple[str, str]]:
    """Tables of work that was begun, and how a booking is seen to have a row there."""
    for one in draft.joins:
        if one.reference is None and _begins(one.table):
            yield one.table.id, f"{draft.of(one, one.table.key[0])} IS NOT NULL"
    for table, reference in joins.hangers(explorer, draft):
        if _begins(table):
            alias = draft.alias(table.name)
            here = f"{alias}.{draft.quoted(reference.column)} = {draft.of(draft.booking, reference.target)}"
            yield table.id, f"EXISTS (SELECT 1 FROM {draft.named(table)} {alias} WHERE {here})"  # noqa: S608 (names only)


def _begins(table: Table) -> bool:
    return any(words.hint("started_at", column.name) and column.kind in ("moment", "none") for column in table.columns.values())


def _from_times(draft: Draft) -> Status | None:
    """No status at all, but times that are filled in when work begins and ends."""
    columns = [c for c in draft.booking.table.columns.values() if c.kind in ("moment", "none") and words.hint("done_at", c.name)]
    columns = [column for column in columns if column.empty > 0 and not words.hint("deleted_at", column.name)]
    ended = _best("finished_at", columns)
    begun = _best("started_at", [column for column in columns if column is not ended])
    if ended is None and begun is None:
        return None
    lines = [f"WHEN {draft.of(draft.booking, column)} IS NOT NULL THEN '{word}'"
             for column, word in ((ended, "done"), (begun, "in progress")) if column]  # fmt: skip
    names = " and ".join(column.name for column in (begun, ended) if column)
    draft.unsure.append(f"status: there is no such column; it is derived from {names}")
    return Status(f"CASE {' '.join(lines)} ELSE 'booked' END", words=_DERIVED, why=f"the status is derived from {names}")


def _nowhere(draft: Draft) -> Status:
    draft.unsure.append("status: no column looks like one, so every booking counts as booked; say in SQL how it can be told")
    return Status("'booked'", words={"booked": "pending"}, why="no status was found")


def _best(what: str, columns: Sequence[Column]) -> Column | None:
    """An ending is no beginning: `ActualStartTime` is akin to both by "time"."""
    found = [(words.hint(what, column.name), column) for column in columns]
    weight, column = max(found, key=lambda one: one[0], default=(0.0, None))
    return column if weight > 0 else None


def _others(explorer: Explorer, draft: Draft) -> None:
    """A second status beside this one is said, not chosen: which is true, only the owner knows."""
    for column in draft.booking.table.columns.values():
        like = column.kind in ("word", "number") and words.hint("status", column.name) and recognise.few(column.values)
        if like and column is not draft.status.column:
            draft.unsure.append(f"status: {column.name} looks like a status too; where both count, join them in the SELECT")
    for table, _reference in joins.hangers(explorer, draft):
        second = next((c for c in table.columns.values() if words.hint("status", c.name) and known(c.values) >= 0.5), None)
        if second is not None:
            draft.unsure.append(f"status: {table.id} has a status of its own ({second.name}); is the later one true?")


def look_ahead(draft: Draft, start: Column, now: datetime) -> dict[str, float]:
    """For each stored status the share of its rows in the sample that begin after now."""
    column, rows = draft.status.column, draft.booking.table.sample
    if column is None or start.name not in draft.booking.table.columns:
        return {}
    found: dict[str, list[bool]] = {}
    for row in rows:
        begins = recognise.moment(row[start.name], start.sort.form)
        if begins is not None:
            found.setdefault(text(row[column.name]) or "", []).append(begins > now)
    return {stored: sum(later) / len(later) for stored, later in found.items()}


def ours(draft: Draft, counts: Mapping[str, int]) -> dict[str, str | None]:
    """Each stored word with what it means; None where nobody can say."""
    meant = _of_flag(draft) if _is_flag(draft.status) else {stored: words.meaning(stored) for stored in counts}
    made_up = draft.status.words
    found = {stored: made_up.get(stored) or meant.get(stored) for stored in counts}
    likely = max(draft.ahead, key=lambda stored: draft.ahead[stored], default=None)
    if not any(found[stored] for stored in counts if stored not in made_up) and likely in found and draft.ahead[likely] > 0.5:
        found[likely] = "pending"
        draft.unsure.append(
            f"status: no stored word says what it means; {likely} counts as pending, since its bookings are to come"
        )
    return found


def _is_flag(status: Status) -> bool:
    return status.column is not None and status.column.kind == "flag" and status.label is None


def _of_flag(draft: Draft) -> Mapping[str, str]:
    """A flag says done only where its name does, and where the bookings to come do not have it."""
    name = draft.status.column.name if draft.status.column else ""
    if words.finished(name) and max(draft.ahead.get(yes, 0.0) for yes in _YES) <= 0.5:
        return {"": "pending"} | dict.fromkeys(_NO, "pending") | dict.fromkeys(_YES, "done")
    draft.unsure.append(f"status: {name} is yes or no, and does not say of what; nothing is taken for done")
    return {}
