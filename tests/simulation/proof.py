"""What must hold when a history has come to rest: each function names the promise and yields what breaks it.

RULE: looks at the truth of both sides directly. The program's state is asked only what it says to its owner: what is
held, noted or waiting, and what stands in the journal.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

from sync.core.action import Rules
from sync.core.booking import GROUPS as FIELDS
from sync.core.booking import Link
from sync.core.guard import Limits
from sync.records import Standing
from sync.sandbox.partner import Call
from tests.simulation.people import Case
from tests.simulation.story import History
from tests.simulation.world import NAME, PREFIX, QUARANTINE

GROUPS = ("status", "time", "service", "notes", "phone")
WHOLE = ("identity", "create", "missing", "plan")  # a standing of these scopes is about the booking as a whole
WIRE = {"status": "status", "time": "bookingTime", "service": "productDescription", "notes": "jobNotes", "phone": "customer"}

# Faults after which nobody can know whether the call took effect.
UNKNOWN = ("500_before", "lost_request", "late", "race", "500_after", "lost_answer", "cut", "garbled")
MOMENT = timedelta(seconds=55)  # a slow answer and a new token fit in; passes are farther apart
MESSAGES = {"done": "status", "cancelled": "status", "moved": "time"}  # which group's edit causes it


def broken(history: History) -> list[str]:
    """Every promise that this history broke."""
    found = [*history.world.wrong, *history.world.wire.blind]
    for promise in PROMISES:
        found += [f"{promise.__name__}: {line}" for line in promise(history)]
    return found


def one_booking_each(history: History) -> Iterator[str]:
    """One Repairy booking per shop row, one shop row per Repairy booking (4)."""
    for case in history.people.cases:
        rows, bookings = history.people.rows(case), history.people.bookings(case)
        alive = [key for key, one in bookings if one["status"] != "cancelled"]
        if len(rows) > 1:
            yield f"case {case.number} has {len(rows)} rows in the shop"
        if len(alive) > 1 or len(bookings) > 1 + case.reopened:
            yield f"case {case.number} has {len(bookings)} bookings at Repairy, {len(alive)} of them open"
        if not (rows and bookings) and not _may_be_half(history, case, bool(rows)):
            yield f"case {case.number} is only {'in the shop' if rows else 'at Repairy'}, and nothing says why"
        if case.baseline and bookings and case.born == "shop":
            yield f"case {case.number} is of the baseline and was created at Repairy"


def _may_be_half(history: History, case: Case, in_shop: bool) -> bool:
    world = history.world
    if case.baseline:
        return True
    if "skip" in history.people.decided.get(case.number, ()):
        return True  # left alone by a person
    if not in_shop and case.repairy_id not in world.heard:
        return True  # nobody can know of it (documented: bookings cannot be listed)
    links = _links(history, case)
    if case.deleted and any(link.state == "closed" for link in links):
        return True  # over on the other side when the row went
    over = all(one["status"] in ("done", "cancelled") for _, one in history.people.bookings(case))
    if case.deleted and over and "create" in history.people.decided.get(case.number, ()):
        return True  # the same, and a person said that the row is another's by now
    if case.deleted and case.reopened and any(link.state == "closed" for link in _of_same_rows(history, links)):
        return True  # cancelled, opened again in the shop as a booking of its own, and deleted before Repairy had that one
    if in_shop and any(
        link.state == "skipped" and world.shop.shown.get(link.shop_key or "", set()) & {"done", "cancelled"} for link in links
    ):
        return True  # over when first seen
    return any(one.scope in WHOLE for link in links for one in _standings(history, link))


def references_fit(history: History) -> Iterator[str]:
    """The external reference at Repairy names the row that the booking belongs to, and no two share one (4)."""
    taken: Counter[str] = Counter()
    for case in history.people.cases:
        row = history.people.row(case)
        for key, booking in history.people.bookings(case):
            reference = booking["externalId"]
            taken[reference or key] += 1
            if reference and not case.deleted and (row is None or reference.partition("~")[0] != f"{PREFIX}{row['id']}"):
                yield f"case {case.number}: booking {key} is called {reference}, the row is {row and row['id']}"
    yield from (f"{reference} names {times} bookings" for reference, times in taken.items() if times > 1)


def agreement(history: History) -> Iterator[str]:
    """Each field agrees on both sides, or the booking is held or noted in that group with both values visible (7, 8)."""
    for case in history.people.cases:
        row, bookings = history.people.row(case), history.people.bookings(case)
        if not row or not bookings or case.baseline or "skip" in history.people.decided.get(case.number, ()):
            continue
        for group in GROUPS:
            mine, theirs = (history.people.shown(case, side, group) for side in ("shop", "repairy"))
            if mine != theirs and not _explained(history, case, group):
                yield f"case {case.number}: {group} is {mine!r} in the shop and {theirs!r} at Repairy, and nothing stands"


def _explained(history: History, case: Case, group: str) -> bool:
    """A standing says so, and the program's pictures of both sides are true."""
    for link in _links(history, case):
        stands = [one for one in _standings(history, link) if one.kind in ("held", "noted") and one.scope in (group, *WHOLE)]
        if stands and _pictures_true(history, link):
            return True
    return False


def _pictures_true(history: History, link: Link) -> bool:
    world = history.world
    shop = world.store.read({link.shop_key}).get(link.shop_key) if link.shop_key else None
    booking = world.partner.bookings.get(link.repairy_id or "")
    same_row = shop is None or dict(shop.fields) == dict(link.shop or {})
    return same_row and (
        booking is None
        or (booking["jobNotes"], booking["status"], booking["productDescription"])
        == tuple((link.repairy or {}).get(name) for name in ("job_notes", "status", "description"))
    )


def no_lost_edit(history: History) -> Iterator[str]:
    """Where nobody else wished at the same time, the last value stands on both sides (7)."""
    for case in history.people.cases:
        for group, wish in case.wishes.items():
            if wish.contested or case.deleted or _raced(history, case, group) or _explained(history, case, group):
                continue
            for side in ("shop", "repairy"):
                now = history.people.shown(case, side, group)  # type: ignore[arg-type]
                if now in (None, wish.value) or (case.reopened and group == "status"):
                    continue
                if side == wish.side or not (case.baseline or _half(history, case)):
                    yield f"case {case.number}: {wish.side} last set {group} to {wish.value!r}; {side} shows {now!r}"


def no_lost_line(history: History) -> Iterator[str]:
    """Every line of notes that anybody added stands on both sides, unless somebody took it out (7)."""
    for case in history.people.cases:
        if (
            case.baseline
            or _half(history, case)
            or _raced(history, case, "notes")
            or _explained(history, case, "notes")
            or case.reopened
            or case.number in history.people.decided
        ):
            continue
        if history.world.setting.policy["notes"] != "merge":
            continue
        for side in ("shop", "repairy"):
            now = history.people.shown(case, side, "notes") or frozenset()
            if now != case.lines:
                yield f"case {case.number}: notes of {side}: lost {sorted(case.lines - now)}, too many {sorted(now - case.lines)}"


def _half(history: History, case: Case) -> bool:
    return not (history.people.rows(case) and history.people.bookings(case))


def _raced(history: History, case: Case, group: str) -> bool:
    return any((key, WIRE[group]) in history.world.raced for key, _ in history.people.bookings(case))


def at_most_one_message(history: History) -> Iterator[str]:
    """Created, done and cancelled are caused at most once by us; a move to a time only after another was shown (1)."""
    world = history.world
    causes = Counter((one.booking_id, one.kind) for one in world.partner.messages if one.by == "api" and one.kind != "moved")
    yield from (f"{kind} of {key} messaged {times} times" for (key, kind), times in causes.items() if times > 1)
    steps = Counter((one.booking_id, one.body["status"]) for one in world.effects if one.operation == "set_status")
    yield from (
        f"{key} was made {status} {times} times"
        for (key, status), times in steps.items()
        if times > 1 and status in ("done", "cancelled")
    )
    allowed, by_hand = world.setting.visible, _decided(history)
    for one in world.partner.messages:
        if one.by == "api" and one.kind not in allowed and one.booking_id not in by_hand:
            yield f"{one.kind} of {one.booking_id} messaged a customer, which the owner did not allow"


def _decided(history: History) -> set[str]:
    """Bookings at Repairy of which a person decided something."""
    cases = [case for case in history.people.cases if case.number in history.people.decided]
    return {key for case in cases for key, _ in history.people.bookings(case)}


def creates_one_at_a_time(history: History) -> Iterator[str]:
    """A reference is created again only after the quarantine (outcomes)."""
    last = dict[str, object]()
    for effect in history.world.effects:
        if effect.operation == "create" and effect.before == {} and (reference := effect.body.get("externalId")):
            if reference in last:
                yield f"{reference} made two bookings"
            last[reference] = effect.at


def unknown_rests(history: History) -> Iterator[str]:
    """After a write of which nobody can know what became, none goes to that booking for a quarantine (3, outcomes)."""
    last = dict[str, Call]()
    for call in history.world.partner.calls:
        if call.operation not in ("create", "update", "set_status") or _arrived(call):
            continue  # what arrives late was sent before
        about = call.reference if call.operation == "create" else call.path.split("/")[2]
        before = last.get(about)
        if before and before.fault in UNKNOWN and call.at - before.at < QUARANTINE - timedelta(seconds=10):
            yield f"{call.method} {call.path} was sent {call.at - before.at} after one that ended in {before.fault}"
        last |= {name: call for name in (about, call.booking_id) if name}


def read_before_written(history: History) -> Iterator[str]:
    """A booking is written by what was read of it a moment ago, not in an earlier pass (the window for a lost edit)."""
    read = dict[str, datetime]()
    for call in history.world.partner.calls:
        if call.operation == "read" and call.took:
            read[call.booking_id] = call.at
        elif call.operation in ("update", "set_status") and not _arrived(call):
            about = call.path.split("/")[2]
            if about not in read or call.at - read[about] > MOMENT:
                yield f"{call.method} {call.path} was sent {call.at - read[about] if about in read else ''} after it was read"


def _arrived(call: Call) -> bool:
    """The ledger's line of a delayed call when it comes at last, taken or refused: it was sent long before."""
    return call.fault in ("late", "race") and call.reached


def no_echo(history: History) -> Iterator[str]:
    """Nothing is changed on one side that nobody ever changed on the other (9)."""
    world = history.world
    for case in [case for case in history.people.cases if case.number not in history.people.decided]:
        theirs = {group for group, wish in case.wishes.items() if "repairy" not in wish.sides}
        mine = {group for group, wish in case.wishes.items() if "shop" not in wish.sides}
        ids = {key for key, _ in history.people.bookings(case)}
        for one in world.effects:
            if one.booking_id in ids and one.operation != "create":
                changed = {name for name in one.body if one.body[name] != one.before.get(name)}
                yield from (
                    f"case {case.number}: {group} was changed at Repairy; only customers ever changed it"
                    for group in mine
                    if WIRE[group] in changed and not case.reopened
                )
        mine_now = [link for link in _links(history, case) if link.repairy_id in ids]  # its key may have been another's before
        for intent in (one for link in mine_now for one in world.state.store.intents(link.id)):
            if intent.side == "shop" and intent.kind not in ("create", "link") and intent.outcome == "accepted":
                yield from (
                    f"case {case.number}: {group} was changed in the shop; only its staff ever changed it"
                    for group in theirs
                    if intent.after.keys() & set(FIELDS[group])
                )


def fresh(history: History) -> Iterator[str]:
    """No message goes out for an edit of the shop's that is older than the window, but a coming visit's cancellation (14)."""
    for case in [case for case in history.people.cases if case.number not in history.people.decided]:
        ids = {key for key, _ in history.people.bookings(case)}
        for one in history.world.partner.messages:
            wish = case.wishes.get(MESSAGES.get(one.kind, ""))
            if one.by != "api" or one.booking_id not in ids or wish is None or wish.side != "shop" or one.kind == "cancelled":
                continue
            if one.at - wish.at > Rules.freshness:
                yield f"case {case.number}: {one.kind} messaged {one.at - wish.at} after the edit"


def guarded(history: History) -> Iterator[str]:
    """No pass creates, cancels or finishes more than the guard lets through (13)."""
    world = history.world
    passes = [datetime.fromisoformat(line.split()[0]) for line in world.machine.trace if line.endswith("Z pass")]
    wrote = Counter[tuple[int, str]]()
    for one in world.effects:
        kind = one.body.get("status") if one.operation == "set_status" else one.operation
        wrote[bisect_right(passes, one.at), str(kind)] += 1
    most = Limits().allowed(len(world.partner.bookings))
    if history.people.approved:
        return
    yield from (f"{times} bookings were made {kind} in one pass" for (_, kind), times in wrote.items() if times > most)


def journal_settled(history: History) -> Iterator[str]:
    """No write is left open, and nothing waits for a clock that never comes (8)."""
    state = history.world.state.store
    yield from (f"an intent to {one.kind} at {one.side} is still {one.outcome}" for one in state.open_intents(NAME))
    for one in state.standings(NAME, kind="waiting"):
        yield f"still waiting: {one.scope}: {one.reason}"


def webhooks_taken(history: History) -> Iterator[str]:
    """Each acknowledged event was looked at (10, 11)."""
    yield from (f"event for {one.booking_id} was stored and never settled" for one in history.world.state.store.events(NAME))


def quiet(history: History) -> Iterator[str]:
    """One more pass, also after another day, writes nothing (8, 9)."""
    world = history.world
    before = _everything(history)
    for seconds in (60.0, 86_400.0):
        world.turn()
        world.later(seconds)
    if _everything(history) != before:
        yield "a further pass wrote something"


def _everything(history: History) -> tuple[object, ...]:
    world = history.world
    writes = sum(one.operation in ("create", "update", "set_status") for one in world.partner.calls)
    rows = world.desk.execute("SELECT * FROM bookings ORDER BY id").fetchall()
    intents = sum(len(world.state.store.intents(link.id)) for link in world.state.store.links(NAME))
    return writes, rows, intents


def _links(history: History, case: Case) -> list[Link]:
    keys, ids = {str(row["id"]) for row in history.people.rows(case)}, {key for key, _ in history.people.bookings(case)}
    return [link for link in history.world.state.store.links(NAME) if link.shop_key in keys or link.repairy_id in ids]


def _of_same_rows(history: History, links: Iterable[Link]) -> list[Link]:
    """All that ever had a shop row of theirs."""
    found = history.world.state.store.by_shop_keys(NAME, [link.shop_key for link in links if link.shop_key])
    return [link for same in found.values() for link in same]


def _standings(history: History, link: Link) -> list[Standing]:
    return history.world.state.store.standings(NAME, link_id=link.id)


PROMISES: tuple[Callable[[History], Iterator[str]], ...] = (
    one_booking_each, references_fit, agreement, no_lost_edit, no_lost_line, at_most_one_message, creates_one_at_a_time,
    unknown_rests, read_before_written, no_echo, fresh, guarded, journal_settled, webhooks_taken, quiet,
)  # fmt: skip
