"""What is wrong, in the owner's words, and what to tell of it: facts in, problems and news out.

RULE: nothing here looks or sends; `sync.watch` does. A sentence names workshops, holds and status words; no booking, no customer.

A problem is told once when it begins and once when it is over; what goes on is said again a day later. What concerns a
workshop is looked at in its hours only: a server that sleeps at night has no problem at night, and none begins or ends
then. A problem counts after several looks in a row, so that a server that wakes up has time to reach its sides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Any, Protocol

from sync.core.status import NOT_MAPPED
from sync.core.times import iso, parse
from sync.records import Source, Standing

MEGABYTE = 1_000_000
LEAST_FREE = 500 * MEGABYTE  # bytes
OLDEST_COPY = timedelta(hours=50)  # two days, and a late start
USUAL = 3  # events by this time, on each of the last weeks' same days, that make none today strange
WEEKS = 4
AGAIN = timedelta(days=1)
TRIED = timedelta(hours=1)  # an older failure says nothing of now: nothing was due since, or the server slept
# Kind -> looks in a row, one a minute, after which it is told that it began, or is over.
PATIENCE: Mapping[str, int] = {
    "unreachable": 10, "failed": 10, "late": 2, "held": 2, "word": 2, "cancelled": 1, "guard": 1,
    "silent": 5, "refused": 1, "relay": 10, "disk": 5, "copy": 10,
}  # fmt: skip


class Opening(Protocol):
    """When a workshop is open (`sync.settings.Hours`)."""

    def contains(self, local: datetime) -> bool: ...


@dataclass(frozen=True)
class Habit:
    """Webhook events from midnight until this time of day: today, and on the same weekday of the weeks before."""

    today: int
    before: Sequence[int]


@dataclass(frozen=True)
class Place:
    """One workshop, as far as alerts look at it. `standings`: what is held, and held plans."""

    name: str
    hours: Opening
    zone: tzinfo
    sources: Sequence[Source]
    standings: Sequence[Standing]
    failing: str = ""  # what the last pass as a whole failed with
    late: bool = False  # no pass has ended for too long
    habit: Habit | None = None


@dataclass(frozen=True)
class Machine:
    """What all workshops share."""

    free: int | None = None  # bytes, where the state is
    copy_age: timedelta | None = None  # of the newest copy of the state
    refused: str = ""  # why a signed webhook was refused within the hour
    relay: str = ""  # why no events can be fetched


@dataclass(frozen=True)
class Problem:
    """`about`: a workshop, "" for the machine; `which`: what tells it from others of its kind there."""

    kind: str
    about: str
    says: str
    ends: str
    which: str = ""

    @property
    def key(self) -> str:
        return f"{self.kind}/{self.about}/{self.which}"


@dataclass(frozen=True)
class Look:
    """The problems there are; `judged`: about whom that can be said now."""

    found: Mapping[str, Problem]
    judged: frozenset[str]


def look(places: Iterable[Place], machine: Machine, now: datetime) -> Look:
    """`now` is aware UTC. The machine is looked at while any workshop is open."""
    is_open = [place for place in places if place.hours.contains(now.astimezone(place.zone).replace(tzinfo=None))]
    found = [problem for place in is_open for problem in _of_place(place, now)]
    found += _of_machine(machine) if is_open else ()
    about = {place.name for place in is_open} | ({""} if is_open else set())
    return Look({problem.key: problem for problem in found}, frozenset(about))


def _of_place(place: Place, now: datetime) -> Iterator[Problem]:
    for source in place.sources:
        if source.last_error and source.last_attempt and now - source.last_attempt < TRIED:
            yield _unreachable(place, source)
    if place.failing:
        yield Problem("failed", place.name, f"no pass succeeds: {place.failing}", "passes succeed again")
    if place.late:
        yield Problem("late", place.name, "no pass has ended for long: something hangs; restart the service", "passes end again")
    yield from _held(place)
    if says := silence(place.habit):
        yield Problem("silent", place.name, says, "webhooks come again")


def silence(habit: Habit | None) -> str:
    """What is strange about a day without an event; "" where nothing is."""
    if not habit or habit.today or len(habit.before) != WEEKS or min(habit.before) < USUAL:
        return ""
    usual = f"by this time there were at least {min(habit.before)} on this weekday in each of the last {WEEKS} weeks"
    return f"no webhook came from Repairy today; {usual}. If it is no holiday, see whether they can reach this server"


_SIDES = {
    "shop": ("the shop database could not be read", "the shop database can be read again"),
    "repairy": ("Repairy could not be reached", "Repairy can be reached again"),
}


def _unreachable(place: Place, source: Source) -> Problem:
    since = f"since {source.last_good.astimezone(place.zone):%a %d %b %H:%M}" if source.last_good else "yet"
    says, ends = _SIDES[source.side]
    return Problem(
        "unreachable", place.name, f"{says} {since}; nothing is lost, `repairy-sync check` says what to do", ends, source.side
    )


def _held(place: Place) -> Iterator[Problem]:
    name, plans = place.name, [one for one in place.standings if one.kind == "plan"]
    held = [one for one in place.standings if one.kind == "held" and not one.digest]
    for one in plans:
        says = f"held until you approve it: {one.reason} (`repairy-sync approve {one.digest}`)"
        yield Problem("guard", name, says, f"decided: {one.reason}", one.digest)
    for one in held:
        if one.scope == "status" and one.reason.startswith("cancelled online"):
            says = f"a customer cancelled online, and the shop does not know it: `repairy-sync show {one.id}`"
            yield Problem("cancelled", name, says, f"the cancellation {one.id} is dealt with", one.id)
    words = Counter(one.reason for one in held if one.reason.endswith(NOT_MAPPED))
    for reason, count in words.items():
        yield Problem("word", name, f"{_waiting(count)}: {reason}", f"no booking waits for this: {reason}", reason)
    if rest := len(held) - words.total():
        says = f"{_waiting(rest)} for a decision: the review queue on the status page, or `repairy-sync held`"
        yield Problem("held", name, says, "no booking waits for a decision any more")


def _waiting(count: int) -> str:
    return f"{count} bookings wait" if count > 1 else "a booking waits"


def _of_machine(machine: Machine) -> Iterator[Problem]:
    if machine.free is not None and machine.free < LEAST_FREE:
        says = f"only {machine.free // MEGABYTE} MB are free on the disk that holds the state: make room"
        yield Problem("disk", "", says, "there is room on the disk again")
    if machine.copy_age is not None and machine.copy_age > OLDEST_COPY:
        says = f"the newest copy of the state is {machine.copy_age.days} days old: the log says why there is no newer one"
        yield Problem("copy", "", says, "the state is copied again")
    if machine.refused:
        says = f"a signed webhook was refused: {machine.refused}. Bookings made online may not reach the shop"
        yield Problem("refused", "", says, "no signed webhook was refused for an hour")
    if machine.relay:
        yield Problem("relay", "", f"no events can be fetched: {machine.relay}", "events are fetched from the relay again")


@dataclass
class Memory:
    """What has been told. Kept across restarts as `written`; how often a change was seen is not."""

    told: dict[str, Problem] = field(default_factory=dict)
    last: datetime | None = None  # the last message
    seen: dict[str, int] = field(default_factory=dict)  # looks in a row that differ from what was told

    @property
    def written(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {"told": [asdict(one) for one in self.told.values()], "last": iso(self.last) if self.last else None}

    @classmethod
    def read(cls, written: Mapping[str, Any]) -> Memory:
        """Raises KeyError, TypeError, ValueError where it is not as written."""
        told = [Problem(**one) for one in written["told"] if one["kind"] in PATIENCE]
        return cls({one.key: one for one in told}, parse(written["last"]) if written["last"] else None)


@dataclass(frozen=True)
class News:
    """What is to be told now: nothing, where all three are empty. `still` makes it the day's digest."""

    begun: Sequence[Problem] = ()
    over: Sequence[Problem] = ()
    still: Sequence[Problem] = ()

    def __bool__(self) -> bool:
        return bool(self.begun or self.over or self.still)


def news(memory: Memory, now_seen: Look, now: datetime) -> News:
    """What one more look brings; it is counted in `memory.seen`. Call `tell` when it has been told."""
    begins = [one for key, one in now_seen.found.items() if key not in memory.told]
    ends = [one for key, one in memory.told.items() if one.about in now_seen.judged and key not in now_seen.found]
    memory.seen = {one.key: memory.seen.get(one.key, 0) + 1 for one in (*begins, *ends)}
    begun, over = _ripe(memory, begins), _ripe(memory, ends)
    if begun or over or not memory.told or (memory.last and now - memory.last < AGAIN):
        return News(begun, over)
    return News(still=[now_seen.found[key] for key in memory.told if key in now_seen.found])


def _ripe(memory: Memory, changed: Iterable[Problem]) -> list[Problem]:
    return [one for one in changed if memory.seen[one.key] >= PATIENCE[one.kind]]


def tell(memory: Memory, told: News, now: datetime) -> None:
    """It has been told."""
    memory.told |= {one.key: one for one in (*told.begun, *told.still)}
    for one in told.over:
        del memory.told[one.key]
    memory.last = now


def message(told: News) -> tuple[str, str]:
    """Title and text."""
    parts = (("", told.begun), ("over: ", told.over), ("still: ", told.still))
    lines = [f"{word}{_named(one, one.ends if word == 'over: ' else one.says)}" for word, each in parts for one in each]
    counts = [(len(told.begun), "new"), (len(told.over), "over"), (len(told.still), "going on")]
    return "repairy-sync: " + ", ".join(f"{n} {word}" for n, word in counts if n), "\n".join(lines)


def _named(one: Problem, sentence: str) -> str:
    return f"{one.about}: {sentence}" if one.about else sentence
