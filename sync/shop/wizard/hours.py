"""When a booking begins and ends, when its row was changed, and whether it is in use: which columns say so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import median
from zoneinfo import ZoneInfo

from sync.shop.values import text
from sync.shop.wizard import doubts, ends, joins, recognise, words
from sync.shop.wizard.candidates import start_score
from sync.shop.wizard.doubts import clocks
from sync.shop.wizard.draft import Draft, Joined, Picked
from sync.shop.wizard.explore import Column, Explorer, Reference, Table

_TIMES = ("moment", "day")
_MINUTES = (10, 24 * 60)  # between which the median of a duration lies, if it is in minutes


def choose(explorer: Explorer, draft: Draft, start: Column, now: datetime) -> None:
    """Start, end, stamp and lock into the draft."""
    own = draft.booking.table
    end = _end(own, start)
    apart = None if end else ends.apart(own, start, _clock(own))
    session = None if end or apart else _session(explorer, draft, start, now)
    if session is not None:
        _from_sessions(draft, *session)
    else:
        _start(draft, own, start, now)
        if end is not None:
            _time(draft, "ends_at", end)
        elif apart is None or not ends.pick(draft, start, *apart):
            _length(draft, own)
            ends.say(draft, start)
        doubts.say(draft, start, now)
    _stamp(draft, now)
    _lock(draft)


def zone_of(start: Column, zone: ZoneInfo) -> str:
    """ "UTC" where the starts would lie at night by the workshop's own clock, and by day if they are UTC."""
    moments = [moment for moment in start.moments() if start.kind == "moment"]
    meant = [moment.replace(tzinfo=UTC).astimezone(zone) for moment in moments]
    return "UTC" if _by_day(moments) < 0.6 and _by_day(meant) > 0.9 else "workshop"


def _by_day(moments: Sequence[datetime]) -> float:
    return sum(6 <= moment.hour < 19 for moment in moments) / len(moments) if moments else 1.0


def _start(draft: Draft, own: Table, start: Column, now: datetime) -> None:
    """One column, or a day with its clock beside it; a day alone where there is no clock."""
    if start.kind == "moment":
        _time(draft, "starts_at", start)
        return
    _time(draft, "date", start)
    clock = _clock(own)
    if clock is not None:
        draft.pick("time", draft.booking, clock)
    else:
        draft.unsure.append(f"date: {start.name} has no time of day; new bookings at Repairy begin at default_time")


def _length(draft: Draft, own: Table) -> None:
    """A duration in hours, read as minutes, would be written as minutes too."""
    minutes = _hinted("minutes", own, ("number",))
    if minutes is None:
        return
    if _are_minutes(minutes):
        draft.pick("minutes", draft.booking, minutes)
    else:
        draft.unsure.append(
            f"minutes: {minutes.name} does not look like minutes, and is left out; if it is in hours, say in the SELECT "
            f"{draft.of(draft.booking, minutes)} * 60 AS minutes"
        )


def _are_minutes(column: Column) -> bool:
    lengths = [float(text(value) or 0) for value in column.values if _is_number(value)]
    whole = all(length.is_integer() for length in lengths)
    return bool(lengths) and whole and _MINUTES[0] <= median(lengths) <= _MINUTES[1]


def _is_number(value: object) -> bool:
    return recognise.sort([value]).kind in ("number", "flag", "year")


def _clock(own: Table) -> Column | None:
    """The time of day at which bookings begin, where it has a column of its own."""
    return next(iter(clocks(own)), None)


def _time(draft: Draft, field: str, column: Column) -> None:
    draft.pick(field, draft.booking, column)
    if column.sort.form:
        draft.formats[field] = column.sort.form


def _end(table: Table, start: Column) -> Column | None:
    """The time that is always later than the start, and not by weeks; its name says that it ends something, not that it did."""
    found = [
        (ends.weight(column), column)
        for column in table.columns.values()
        if column.kind == "moment" and column is not start and recognise.in_order(_pairs(table, start, column))
    ]
    weight, column = max(found, key=lambda one: one[0], default=(0.0, None))
    return column if weight > ends.ENOUGH else None


def _pairs(table: Table, start: Column, end: Column) -> list[tuple[datetime | None, datetime | None]]:
    return [
        (recognise.moment(row[start.name], start.sort.form), recognise.moment(row[end.name], end.sort.form))
        for row in table.sample
    ]


def _session(explorer: Explorer, draft: Draft, start: Column, now: datetime) -> tuple[Table, Reference, Column, Column] | None:
    """A table of sessions with a start and an end, where the bookings themselves have neither pair nor a good start."""
    for table, reference in joins.hangers(explorer, draft):
        times = [column for column in table.columns.values() if column.kind == "moment"]
        begin = max(times, key=lambda one: start_score(one, now), default=None)
        if begin is None or start_score(begin, now) <= start_score(start, now) or words.hint("done_at", begin.name):
            continue
        end = _end(table, begin)
        if end is not None:
            return table, reference, begin, end
    return None


def _from_sessions(draft: Draft, table: Table, reference: Reference, begin: Column, end: Column) -> None:
    """The first session's start and the last one's end."""
    alias, quoted = draft.alias(table.name), draft.quoted
    inner = (
        f"SELECT {quoted(reference.column)} AS booking, MIN({quoted(begin.name)}) AS first_start, "  # noqa: S608 (names only)
        f"MAX({quoted(end.name)}) AS last_end FROM {draft.named(table)} GROUP BY {quoted(reference.column)}"
    )
    on = f"({inner}) {alias} ON {alias}.booking = {draft.of(draft.booking, reference.target)}"
    joined = Joined(alias, table, on, None, draft.booking.alias, many=True)
    draft.joins.append(joined)
    draft.picked["starts_at"] = Picked(f"{alias}.first_start", joined, None)
    draft.picked["ends_at"] = Picked(f"{alias}.last_end", joined, None)
    draft.unsure.append(
        f"starts_at: from {table.id}: the first {begin.name}, the last {end.name}; a booking without such a row has no time yet. "
        "How such rows are moved and made is for whoever knows the product: no statement was proposed"
    )


def _stamp(draft: Draft, now: datetime) -> None:
    """The program's own stamp of the last change, where every row has one."""
    column = _hinted("changed_at", draft.booking.table, _TIMES)
    if column is None or column.empty > 0.05 or words.hint("created_at", column.name) > words.hint("changed_at", column.name):
        return
    _time(draft, "changed_at", column)
    if draft.engine == "sqlite" and "now" in (column.default or "").lower() and "localtime" not in (column.default or ""):
        draft.timezones["changed_at"] = "UTC"
    elif any(moment > now for moment in column.moments()):
        draft.unsure.append(f"changed_at: {column.name} has times still to come: is it kept in another zone? see timezones")
    else:
        draft.unsure.append(f"changed_at: whether {column.name} is the workshop's time or UTC cannot be seen; see timezones")


def _lock(draft: Draft) -> None:
    """A flag or a time that says "somebody has this open", of the booking or of its status."""
    beside = [draft.status.lookup] if draft.status.lookup else []
    for joined in (draft.booking, *beside):
        column = _hinted("locked", joined.table, ("flag", "number", "moment", "none", "word"))
        if column is None or any(one.column is column for one in draft.picked.values()):
            continue
        sql = draft.of(joined, column)
        timed = column.kind == "moment" or (column.kind == "none" and any(part in column.type for part in ("date", "time")))
        draft.pick("locked", joined, column, f"CASE WHEN {sql} IS NULL THEN 0 ELSE 1 END" if timed else sql)
        return


def _hinted(what: str, table: Table, kinds: tuple[str, ...]) -> Column | None:
    found = [(words.hint(what, column.name), column) for column in table.columns.values() if column.kind in kinds]
    weight, column = max(found, key=lambda one: one[0], default=(0.0, None))
    return column if weight > 0 else None
