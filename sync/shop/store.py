"""A shop's own database, as `ports.Shop`: reads through the profile's one SELECT, writes through its statements.

Every read wraps the SELECT and adds a predicate; every write is one short transaction: lock, re-read, compare with what
the plan was made from, write, re-read, commit. No statement is made up here, and the shop's schema is never changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from itertools import chain
from operator import attrgetter
from threading import Lock
from uuid import uuid4
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from sync.core import times
from sync.core.booking import CANCELLED, PENDING, Ability, Fields, Sighting
from sync.core.canonical import canonical
from sync.errors import TOO_LONG, NotSent, Rejected, Stale, Unsupported
from sync.ports import Clock, Names, Reading, Window
from sync.shop import ability, connect, create, rights, statement, survey
from sync.shop.binding import Binder, laid_over, over_limit
from sync.shop.kept import readable, refuse_damage
from sync.shop.profile import Profile
from sync.shop.rows import Rows, uncollected
from sync.shop.rules import PURPOSE, spelled
from sync.shop.select import Query, Select, inside
from sync.shop.values import UNDECODABLE, Reader, Row, key_text, unreadable, whole_name

_TELLING = ("rego", "starts_at", "phone")
_KEY, _STAMP = attrgetter("key"), attrgetter("changed_at")
_NO_KEY = "(no key)"  # how a row is named that has none


class ShopStore:
    """One workshop's shop. `url` without a password; safe to share between threads."""

    ability: Ability

    def __init__(
        self,
        url: str | sa.URL,
        profile: Profile,
        workshop_zone: ZoneInfo,
        workshop_id: str,
        clock: Clock,
        password: str | None = None,
    ) -> None:
        self.ability = ability.of(profile, workshop_zone)
        self._profile = profile
        self._zone = workshop_zone
        self._clock = clock
        self._engine = connect.open_database(url, str(profile.zone("", workshop_zone)), password)
        self._select = Select(profile, self._engine.dialect, workshop_zone)
        self._reader = Reader(profile, workshop_zone)
        self._binder = Binder(profile, workshop_zone, workshop_id, as_text=self._engine.dialect.name == "sqlite")
        self._rows = Rows(profile, self._select, self._reader, mixed=self._engine.dialect.name == "sqlite")
        self._one_create = Lock()  # two at once would both find no customer, and work out the same number

    def close(self) -> None:
        self._engine.dispose()

    # Reads

    def identity(self) -> Mapping[str, str]:
        with connect.reading(self._engine) as connection:
            return survey.identity(connection, self._profile)

    def verify(self) -> list[str]:
        """What is wrong with the profile against the live database: a line each, its profile key first. Raises Unreachable."""
        return survey.verify(self._engine, self._profile, self._select, self._zone, self._clock)

    def cannot_write(self) -> bool:
        """Whether the database takes no write from this user at all. Raises Unreachable."""
        return rights.cannot_write(self._engine)

    def may_alter(self) -> bool:
        """Whether the user may alter or drop the tables that the statements name: more than is needed. Raises Unreachable."""
        return rights.may_alter(self._engine, [table for table in self.identity() if table])

    def may_delete(self) -> bool:
        """Whether the user may delete rows of those tables though no statement does. Raises Unreachable."""
        deletes = any("delete" in statement.words(sql) for _, sql in self._profile.statements())
        return not deletes and rights.may_delete(self._engine, [table for table in self.identity() if table])

    def stored_statuses(self) -> dict[str, int]:
        """Every status word in the SELECT's rows as it is stored ("" for null), and how many rows have it. Raises Unreachable."""
        with connect.reading(self._engine) as connection:
            return survey.words(connection, self._select)

    def changed(self, cursor: str | None, window: Window) -> Reading:
        query = self._select.since(cursor) if cursor and "changed_at" in self._profile.columns else None
        if query is None:
            return self.window(window)
        return self._gathered(query, cursor, None)  # not only those in the window: a row may just have left it

    def window(self, window: Window) -> Reading:
        return self._gathered(self._select.within(window), None, window)

    def read(self, keys: Collection[str]) -> Mapping[str, Sighting]:
        self._rows.learn(self._engine, [])
        with connect.reading(self._engine) as connection:
            found = [self._reader.sighting(row) for row in self._rows.found(connection, keys)]
        return {sighting.key: sighting for sighting in found}

    def remembered(self, names: Names) -> Sighting | None:
        with connect.reading(self._engine) as connection:
            row = self._rows.remembered(connection, names)
        return self._reader.sighting(row) if row and key_text(row["key"]) else None

    def candidates(self, fields: Fields) -> list[Sighting]:
        """Rows that agree with these in at least two of plate, start (as this shop stores it) and phone. Raises Unreachable."""
        with connect.reading(self._engine) as connection:
            seen = self._rows.sightings(connection, self._select.all)
            return [sighting for sighting in seen if sighting.key and self._agreement(sighting.fields, fields) >= 2]

    def keys(self, window: Window) -> set[str]:
        """The keys of the window's rows. Raises Unreachable."""
        reading = self.window(window)
        return {sighting.key for sighting in reading.rows} | set(reading.unreadable)

    # Writes

    def change(self, key: str, expected: Fields, fields: Fields, names: Names, *, added: str | None = None) -> Sighting:
        with connect.writing(self._engine) as connection:
            row, before = self._held(connection, key)
            if any(before.fields.get(name) != value for name, value in expected.items()):
                raise Stale("the shop's row was edited since it was read")
            wanted = {name: value for name, value in fields.items() if not self._stores(before, name, value)}
            chosen = self._chosen(wanted)
            self._refuse_damage(wanted, chosen, before, added)
            self._execute(connection, chosen, row, laid_over(before.fields, wanted), names, added or wanted.get("job_notes"))
            after = self._rows.at(connection, row["key"])
            if after is None and wanted.get("status") == CANCELLED:  # a soft delete: the SELECT no longer shows it
                return before._replace(fields={**before.fields, "status": CANCELLED})
            if after is None:
                raise Stale("the shop's row went away while it was written; nothing was kept")
            shown = readable(self._reader.sighting(after))
            refuse_damage(wanted, shown.fields, (added or wanted.get("job_notes")) if self.ability.append_notes else None)
            return shown

    def link(self, key: str, names: Names) -> Sighting:
        if not self._profile.write.link:
            raise Unsupported("the profile has no `link` statement: the shop's row cannot remember its booking at Repairy")
        with connect.writing(self._engine) as connection:
            row, before = self._held(connection, key)
            if before.ref is not None and before.ref in (names.repairy_id, names.code):
                return before
            self._execute(connection, self._profile.write.link, row, before.fields, names, None)
            after = self._rows.at(connection, row["key"])
            if after is None:
                raise Stale("the shop's row went away while it was linked; nothing was kept")
            return self._reader.sighting(after)

    def create(self, fields: Fields, names: Names) -> Sighting:
        return self.create_telling(fields, names)[0]

    def create_telling(self, fields: Fields, names: Names) -> tuple[Sighting, list[str]]:
        """`create`, with the table and key of each other row that its steps made. Raises as it does."""
        fields = {"status": PENDING, **fields}
        if not self._profile.write.create:
            raise Unsupported("the profile has no [[write.create]] steps: new bookings cannot be put into the shop")
        if fields["status"] not in self._profile.status.write:
            raise Unsupported(f"status.write has no word for `{fields['status']}`: such a booking cannot be put into the shop")
        self._refuse_long(fields)
        with self._one_create:
            try:
                return self._created(fields, names)
            except Rejected as error:
                if error.code != connect.CLASH:
                    raise
                return self._created(fields, names)  # staff took the same number: the statement works out the next one

    # One transaction's parts

    def _created(self, fields: Fields, names: Names) -> tuple[Sighting, list[str]]:
        with connect.writing(self._engine) as connection:
            known = self._rows.remembered(connection, names)
            if known is not None:
                return readable(self._reader.sighting(known)), []
            steps, values = self._profile.write.create, self._values(fields, names)
            key, stored, beside = create.run(connection, steps, values, fields.get("rego"))
            row = self._rows.at(connection, key) if key is not None else None
            made = readable(self._reader.sighting(row)) if row else None
            if made is None or not self._is_new(made, fields, stored):
                raise Rejected("booking.select does not show the new row, or its step yields another key; nothing was kept")
            refuse_damage({name: value for name, value in fields.items() if spelled(name, stored)}, made.fields, new=True)
            return made, beside

    def _is_new(self, made: Sighting, fields: Fields, stored: frozenset[str]) -> bool:
        """Whether this is the row just made: a trigger's own insert can put another key in its place.

        A customer who was there has a phone of his own."""
        reads = self.ability.reads
        own = [name for name in _TELLING if fields.get(name) and name in reads and (name != "phone" or spelled(name, stored))]
        return self._agreement(made.fields, fields, own) >= min(len(own), 2)

    def _held(self, connection: sa.Connection, key: str) -> tuple[Row, Sighting]:
        """The row, locked where the profile says how, and as it stands now. Raises Stale, NotSent."""
        self._rows.learn(self._engine, [key])
        lock = self._profile.booking.lock
        if any(statement.parameters(sql) != {"key"} for sql in lock):
            carried = self._carried(key)
        else:
            carried = {"key": self._rows.key(key)} if lock else {}
        for sql in lock:
            connection.execute(statement.clause(sql), create.bound(sql, carried)).close()
        found = self._rows.by_key(connection, [key])
        if not found:
            raise Stale("the shop's row is no longer there")
        if len(found) > 1:
            raise Rejected("booking.select shows this booking more than once, so nothing is written to it: mend its JOINs")
        row, before = found[0], self._reader.sighting(found[0])
        if before.locked:
            raise NotSent("the shop's program has locked this booking; tried again later")
        return row, before

    def _carried(self, key: str) -> Mapping[str, object]:
        """The `x_…` of a row, read before its transaction: a read within would fix on some engines what the re-read sees."""
        with connect.reading(self._engine) as connection:
            row = next(iter(self._rows.found(connection, [key])), None)
        return Binder.old(row) if row else {}

    def _execute(
        self, connection: sa.Connection, statements: Iterable[str], row: Row, fields: Fields, names: Names, note: str | None
    ) -> None:
        known = {**self._values(fields, names), **Binder.old(row), "note": note}
        for sql in statements:
            result = connection.execute(statement.clause(sql), create.bound(sql, known))
            compares = any(name.startswith("old_") for name in statement.parameters(sql))
            unchanged = not result.returns_rows and result.rowcount == 0
            result.close()
            if compares and unchanged:
                raise Stale("the shop's row is not as it was read, so the statement changed nothing")

    def _chosen(self, wanted: Fields) -> list[str]:
        """The statements that write these fields. Raises Unsupported where one has none."""
        names = {field: ability.statement_for(self._profile, field, value) for field, value in wanted.items()}
        missing = [field if field != "status" else f"status {wanted['status']}" for field, name in names.items() if name is None]
        if missing:
            raise Unsupported(f"the profile has no statement that writes {', '.join(missing)}")
        return [sql for name in PURPOSE if name in names.values() for sql in getattr(self._profile.write, name)]

    def _refuse_damage(self, wanted: Fields, statements: Iterable[str], before: Sighting, added: str | None) -> None:
        """Nothing longer than its column, and nothing that could not be read. Raises Rejected, Unsupported."""
        appended = self.ability.append_notes and "job_notes" in wanted
        self._refuse_long({**wanted, "job_notes": added or wanted["job_notes"]} if appended else wanted)
        damaged = [mark.partition(":")[0] for mark in before.marks if mark.endswith(f":{UNDECODABLE}")]
        for field in damaged:
            if any(spelled(field, statement.parameters(sql)) for sql in statements):
                raise Unsupported(f"{field} holds bytes that cannot be read in the shop, so nothing is written over it")

    def _refuse_long(self, fields: Fields) -> None:
        field = over_limit(fields, self._profile)
        if field:
            longest = self._profile.limits.lengths[field]
            raise Rejected(f"{field} is over the {longest} characters that the shop takes; nothing was cut", code=TOO_LONG)

    def _stores(self, before: Sighting, name: str, value: str | None) -> bool:
        """Whether the row holds this value already: equal values are never written."""
        current = whole_name(before.fields) if name == "name" else before.fields.get(name)
        if name == "starts_at":
            value = self._binder.stored(value)
        return value == current or (name == "ends_at" and times.is_day(current) and self._binder.day(value) == current)

    def _values(self, fields: Fields, names: Names) -> dict[str, object]:
        return self._binder.values(fields, names, self._clock.now(), str(uuid4()))

    # Rows

    @uncollected()
    def _gathered(self, query: Query, cursor: str | None, window: Window | None) -> Reading:
        with connect.reading(self._engine) as connection:
            found = self._rows.sightings(connection, query)
        odd = [sighting.key or _NO_KEY for sighting in found if sighting.marks and unreadable(sighting.marks)]
        found = [sighting for sighting in found if not unreadable(sighting.marks)] if odd else found
        keys = list(map(_KEY, found))
        counts = Counter(keys) if len(set(keys)) < len(keys) else {}
        repeated = [key for key, count in counts.items() if count > 1]  # by a JOIN that repeats rows: which one is true?
        latest = self._cursor(cursor, map(_STAMP, found))
        if repeated:
            found = [sighting for sighting in found if counts[sighting.key] == 1]
        if window is not None:
            found = inside(window, self._zone, found)
        return Reading(found, latest, whole=window is not None, unreadable=odd + repeated)

    def _cursor(self, cursor: str | None, stamps: Iterable[str | None]) -> str | None:
        """The latest stamp; one in the future, by somebody's wrong clock, would hide what comes until then."""
        now = self._clock.now()
        latest = max(filter(None, chain(stamps, [cursor])), default=None)
        if latest is None:
            return None
        return min(latest, now.astimezone(self._zone).date().isoformat() if times.is_day(latest) else times.iso(now))

    def _agreement(self, shown: Fields, sought: Fields, names: Iterable[str] = _TELLING) -> int:
        """In how many of these two bookings agree; what is empty agrees with nothing."""
        as_shown = self._binder.day if times.is_day(shown.get("starts_at")) else self._binder.stored  # days called a start
        meant = {**sought, "starts_at": as_shown(sought.get("starts_at"))}
        pairs = ((canonical(name, shown.get(name)), canonical(name, meant.get(name))) for name in names)
        return sum(one is not None and one == two for one, two in pairs)
