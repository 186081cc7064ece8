"""A shop and a clock that tests own. The fake shop passes the same contract as the real one: contract/test_shop_contract.py."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from sync.core import times
from sync.core.booking import CUSTOMER, FIELDS, STATUSES, VEHICLE, Ability, Fields, Sighting
from sync.core.canonical import canonical, split_name
from sync.errors import NotSent, Rejected, Stale, Unsupported
from sync.ports import Clock, Names, Reading, Window

MELBOURNE = ZoneInfo("Australia/Melbourne")


class FakeClock:
    """Stands still until it is told to move; sleeping moves it."""

    def __init__(self, now: datetime = datetime(2026, 3, 5, 22, tzinfo=UTC)) -> None:
        self._now = now
        self._running = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._running

    def sleep(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._running += seconds


ALL_ABLE = Ability(
    side="shop",
    reads=frozenset(FIELDS) - {"first_name", "last_name", "company"},
    writes=frozenset({"starts_at", "ends_at", "job_notes", "service_category", "service_code", "description"}),
    statuses=frozenset(STATUSES),
    creates=True,
    links=True,
    zone=MELBOURNE,
)


@dataclass(frozen=True)
class _Fault:
    error: Exception
    after: bool
    on: str | None


class FakeShop:
    """A shop in memory. `rows` is what it holds, by key; with a clock it stamps its changes."""

    def __init__(self, ability: Ability | None = None, clock: Clock | None = None) -> None:
        self.ability = ability or ALL_ABLE
        self.rows: dict[str, Sighting] = {}
        self._clock = clock
        self._faults: list[_Fault] = []
        self._last_key = 0

    # What tests do to it

    def put(self, key: str, *, locked: bool = False, ref: str | None = None, **fields: str | None) -> Sighting:
        """What staff do at the counter: a new row, or an edit of one."""
        return self._keep(key, fields, ref, locked)

    def remove(self, key: str) -> None:
        del self.rows[key]

    def fail_next(self, error: Exception, *, after: bool = False, on: str | None = None) -> None:
        """The next call (of the method named `on`) raises, before it had its effect or after."""
        self._faults.append(_Fault(error, after, on))

    # ports.Shop

    def identity(self) -> Mapping[str, str]:
        with self._call("identity"):
            return {"": "fake shop", "bookings": ", ".join(sorted(self.ability.reads))}

    def changed(self, cursor: str | None, window: Window) -> Reading:
        with self._call("changed"):
            if cursor is None or self._clock is None:
                return self._window(window)
            since = times.iso(times.parse(cursor) - timedelta(seconds=2))
            rows = [row for row in self.rows.values() if (row.changed_at or "") >= since]
            return Reading(rows, max([cursor, *(row.changed_at or "" for row in rows)]))

    def window(self, window: Window) -> Reading:
        with self._call("window"):
            return self._window(window)

    def read(self, keys: Collection[str]) -> Mapping[str, Sighting]:
        with self._call("read"):
            return {key: self.rows[key] for key in keys if key in self.rows}

    def remembered(self, names: Names) -> Sighting | None:
        with self._call("remembered"):
            return self._remembered(names)

    def candidates(self, fields: Fields) -> list[Sighting]:
        with self._call("candidates"):
            return [row for row in self.rows.values() if self._agreement(row.fields, self._stored(fields)) >= 2]

    def keys(self, window: Window) -> set[str]:
        with self._call("keys"):
            return {row.key for row in self._window(window).rows}

    def stored_statuses(self) -> dict[str, int]:
        words = [row.fields["status"] or "" for row in self.rows.values()]
        return {word: words.count(word) for word in words}

    def verify(self) -> list[str]:
        return []

    def close(self) -> None: ...

    def change(self, key: str, expected: Fields, fields: Fields, names: Names, *, added: str | None = None) -> Sighting:
        with self._call("change"):
            row = self._free(key)
            if any(row.fields.get(name) != value for name, value in expected.items()):
                raise Stale("the shop's row was edited since it was read")
            foreign = fields.keys() - self.ability.reads
            if foreign:
                raise Unsupported(f"this shop cannot store {', '.join(sorted(foreign))}")
            wanted = {name: value for name, value in self._stored(fields).items() if row.fields.get(name) != value}
            self._refuse(wanted)
            if self.ability.append_notes and "job_notes" in wanted:
                wanted["job_notes"] = "\n".join(text for text in (row.fields["job_notes"], added or wanted["job_notes"]) if text)
            if wanted:
                self.rows[key] = row._replace(fields={**row.fields, **wanted}, changed_at=self._stamp())
            return self.rows[key]

    def create(self, fields: Fields, names: Names) -> Sighting:
        with self._call("create"):
            if not self.ability.creates:
                raise Unsupported("this shop takes no new bookings")
            self._refuse_long(fields)
            known = self._remembered(names)
            if known is not None:
                return known
            ref = names.repairy_id or names.code if self.ability.links else None
            return self._keep(self._new_key(), fields, ref)

    def link(self, key: str, names: Names) -> Sighting:
        with self._call("link"):
            if not self.ability.links:
                raise Unsupported("this shop's rows cannot remember their booking at Repairy")
            row = self._free(key)
            if row.ref is None or row.ref not in (names.repairy_id, names.code):
                self.rows[key] = row._replace(ref=names.repairy_id or names.code, changed_at=self._stamp())
            return self.rows[key]

    # Its own parts

    @contextmanager
    def _call(self, name: str) -> Iterator[None]:
        fault = next((fault for fault in self._faults if fault.on in (None, name)), None)
        if fault:
            self._faults.remove(fault)
        if fault and not fault.after:
            raise fault.error
        yield
        if fault:
            raise fault.error

    def _keep(self, key: str, fields: Fields, ref: str | None, locked: bool = False) -> Sighting:
        row = self.rows.get(key) or Sighting(key, dict.fromkeys(self._shown()) | {"status": "pending"})
        shown = {**row.fields, **self._stored(fields)}
        self.rows[key] = row._replace(fields=shown, locked=locked, ref=ref or row.ref, changed_at=self._stamp())
        return self.rows[key]

    def _stamp(self) -> str | None:
        return times.iso(self._clock.now()) if self._clock else None

    def _new_key(self) -> str:
        while True:
            self._last_key += 1
            if str(self._last_key) not in self.rows:
                return str(self._last_key)

    def _shown(self) -> list[str]:
        parts = self.ability.reads >= {"first_name", "last_name"}
        return [name for name in FIELDS if name in self.ability.reads and not (parts and name == "name")]

    def _stored(self, fields: Fields) -> dict[str, str | None]:
        """As this shop keeps it: its columns, its grain, its way with names."""
        values = {name: value or None for name, value in fields.items()}
        shown = self._shown()
        if "name" in values and "name" not in shown:
            values["first_name"], values["last_name"] = (part or None for part in split_name(values["name"] or ""))
        elif "name" in shown and {"first_name", "last_name"} & values.keys():
            values["name"] = " ".join(part for part in (values.get("first_name"), values.get("last_name")) if part) or None
        for name in ("starts_at", "ends_at"):
            if values.get(name):
                values[name] = self._grained(values[name] or "")
        return {name: value for name, value in values.items() if name in shown}

    def _grained(self, moment: str) -> str:
        if times.is_day(moment):
            return moment
        if self.ability.grain == "day":
            return times.day_of(moment, self.ability.zone).isoformat()
        exact = times.parse(moment)
        return times.iso(exact.replace(second=0) if self.ability.grain == "minute" else exact)

    def _window(self, window: Window) -> Reading:
        rows = [row for row in self.rows.values() if self._inside(row.fields["starts_at"], window)]
        return Reading(rows, max((row.changed_at for row in rows if row.changed_at), default=None), whole=True)

    def _inside(self, start: str | None, window: Window) -> bool:
        if start is None:
            return False
        if times.is_day(start):
            day = date.fromisoformat(start)
            after = times.start_of(day + timedelta(days=1), self.ability.zone)
            return after > window.since and times.start_of(day, self.ability.zone) < window.until
        return window.since <= times.parse(start) < window.until

    def _remembered(self, names: Names) -> Sighting | None:
        called = {name for name in (names.repairy_id, names.code) if name}
        return next((row for row in self.rows.values() if row.ref in called), None)

    def _free(self, key: str) -> Sighting:
        if key not in self.rows:
            raise Stale("the shop's row is no longer there")
        if self.rows[key].locked:
            raise NotSent("the shop's program has locked this booking; tried again later")
        return self.rows[key]

    def _refuse(self, wanted: Fields) -> None:
        by_person = {*CUSTOMER, *VEHICLE, "first_name", "last_name"}
        for name, value in wanted.items():
            if value not in self.ability.statuses if name == "status" else name not in self.ability.writes | by_person:
                raise Unsupported(f"this shop cannot store {name}")
        self._refuse_long(wanted)

    def _refuse_long(self, fields: Fields) -> None:
        for name, value in fields.items():
            if value and len(value) > self.ability.limits.get(name, len(value)):
                raise Rejected(f"{name} is too long for this shop; nothing was cut", code="too_long")

    @staticmethod
    def _agreement(shown: Fields, sought: Fields) -> int:
        pairs = [(canonical(name, shown.get(name)), canonical(name, sought.get(name))) for name in ("rego", "starts_at", "phone")]
        return sum(one is not None and one == two for one, two in pairs)
