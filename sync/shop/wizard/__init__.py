"""The wizard: makes a profile from a live shop database. It reads, and never writes; nothing it finds leaves this machine.

`explore` asks the database, `recognise` and `words` judge values and names, `candidates` finds the bookings, `joins`,
`statuses`, `cancelled`, `hours`, `doubts`, `ends`, `fields` and `texts` (by the `scores` of columns) fill a `draft`;
`propose`, and `writes` with `inserts`, `fed`, `constants`, `finds` and `unique`, say it as a profile. Whoever asks the owner
is `cli.init`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from sync.core.booking import Fields
from sync.core.canonical import view
from sync.ports import Clock, Window
from sync.shop import connect
from sync.shop.profile import Profile
from sync.shop.store import ShopStore
from sync.shop.survey import MILD
from sync.shop.wizard import fields, filters, hours, joins, propose, statuses, texts, unique
from sync.shop.wizard.candidates import Candidate, rank
from sync.shop.wizard.draft import Draft, Joined
from sync.shop.wizard.explore import Explorer, unheard
from sync.shop.wizard.propose import Word

__all__ = ["Candidate", "Draft", "Explorer", "Word", "draft", "explorer", "likely", "preview", "words_of"]

_NEAR, _FAR = timedelta(days=60), timedelta(days=3650)
_SHOWN = 10


def explorer(url: str | sa.URL, password: str | None, zone: ZoneInfo) -> Explorer:
    """Ready to look. Raises Unreachable where the address or the driver is wrong."""
    return Explorer(connect.open_database(url, str(zone), password))


def likely(looked: Explorer, now: datetime, say: Callable[[int, int], None] = unheard) -> list[Candidate]:
    """The tables that could hold the bookings, the likeliest first. `now` is on the shop's wall; `say` is told how many of how
    many tables were looked at. Raises Unreachable."""
    return rank(looked.look(say).values(), now)


def draft(looked: Explorer, chosen: Candidate, now: datetime, zone: ZoneInfo) -> Draft:
    """A proposal for this table. Raises Unreachable."""
    table = chosen.table
    letter = next((sign for sign in table.name.lower().removeprefix("tab") if sign.isascii() and sign.isalpha()), "b")
    made = Draft(looked.engine.dialect, Joined(letter, table), read_only=looked.read_only())
    _say_key(made)
    joins.follow(looked, made)
    three = [one.table for one in (made.booking, made.customer, made.vehicle) if one]
    made.references = {one.id: looked.references(one) for one in three}
    made.unique = {one.id: unique.columns(looked, one) for one in three}
    statuses.choose(looked, made)
    hours.choose(looked, made, chosen.start, now)
    made.timezone = hours.zone_of(chosen.start, zone)
    made.ahead = statuses.look_ahead(made, chosen.start, now)
    fields.choose(looked, made)
    texts.choose(made)
    filters.choose(made)
    for name in ("rego", "phone", "name"):
        if name not in made.picked and not (name == "name" and "first_name" in made.picked):
            made.unsure.append(f"{name}: no column was found; a booking without it cannot be created at Repairy")
    return made


def _say_key(made: Draft) -> None:
    """That the key is a guess, or that there is none."""
    table = made.booking.table
    if not made.key:
        made.unsure.append(
            f"key: {table.id} has no primary key, and no other column looks like a booking's number. Without a key nothing can "
            "be read: put what tells one booking from another, and never changes, in place of '' AS key"
        )
    elif table.implied:
        made.unsure.append(
            f"key: {table.id} has no primary key; {table.key[0]} never repeats in what is there. Is it the booking's number, "
            "which never changes and is never used again?"
        )


def words_of(looked: Explorer, made: Draft) -> list[Word]:
    """The stored statuses with their counts, most rows first, and what each probably means. Raises Unreachable."""
    unused = [*made.status.words, *(made.status.label.values if made.status.label else ())]
    found = propose.counted(looked.fetch(propose.counting(made)))
    found |= {str(word): (word, 0) for word in unused if str(word) not in found}
    means = statuses.ours(made, {stored: rows for stored, (_, rows) in found.items()})
    derived = made.status.words
    every = (Word(stored, raw, rows, means[stored], stored in derived) for stored, (raw, rows) in found.items())
    return sorted(every, key=lambda one: -one.rows)


def preview(
    url: str | sa.URL, password: str | None, profile: Profile, zone: ZoneInfo, clock: Clock
) -> tuple[list[Fields], list[str]]:
    """Ten bookings as Repairy would see them, the next ones first, and what `check` says against the profile."""
    store = ShopStore(url, profile, zone, "", clock, password)
    try:
        faults = store.verify()
        blind = not all(fault.startswith(MILD) for fault in faults)
        return ([] if blind else _nearest(store, clock)), faults
    finally:
        store.close()


def _nearest(store: ShopStore, clock: Clock) -> list[Fields]:
    now = clock.now()
    for past in (_NEAR, _FAR):
        rows = store.window(Window(now - past, now + _FAR)).rows
        if rows:
            break
    today = now.date().isoformat()
    coming = sorted(rows, key=lambda one: ((one.fields["starts_at"] or "") < today, one.fields["starts_at"] or ""))
    return [{"key": one.key, **view(one.fields)} for one in coming[:_SHOWN]]
