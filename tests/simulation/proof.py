"""What must hold when a history has come to rest: each function names the promise and yields what breaks it.

RULE: looks at the truth of both sides directly. The program's state is asked only what it says to its owner: what is
held, noted or waiting, and what stands in the journal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from sync.core.booking import Link
from sync.records import Standing
from tests.simulation.people import Case
from tests.simulation.story import History
from tests.simulation.world import NAME, PREFIX

GROUPS = ("status", "time", "service", "notes", "phone")
WHOLE = ("identity", "create", "missing", "plan")  # a standing of these scopes is about the booking as a whole
WIRE = {"status": "status", "time": "bookingTime", "service": "productDescription", "notes": "jobNotes", "phone": "customer"}


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
    if not in_shop and case.repairy_id not in world.heard:
        return True  # nobody can know of it (documented: bookings cannot be listed)
    links = _links(history, case)
    if case.deleted and any(link.state == "closed" for link in links):
        return True  # over on the other side when the row went
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
        if not row or not bookings or case.baseline:
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
    allowed = world.setting.visible
    for (key, kind), _ in causes.items():
        if kind not in allowed:
            yield f"{kind} of {key} messaged a customer, which the owner did not allow"
    if "moved" not in allowed and any(one.by == "api" and one.kind == "moved" for one in world.partner.messages):
        yield "a move messaged a customer, which the owner did not allow"


def creates_one_at_a_time(history: History) -> Iterator[str]:
    """A reference is created again only after the quarantine (outcomes)."""
    last = dict[str, object]()
    for effect in history.world.effects:
        if effect.operation == "create" and effect.before == {} and (reference := effect.body.get("externalId")):
            if reference in last:
                yield f"{reference} made two bookings"
            last[reference] = effect.at


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


def _standings(history: History, link: Link) -> list[Standing]:
    return history.world.state.store.standings(NAME, link_id=link.id)


PROMISES: tuple[Callable[[History], Iterator[str]], ...] = (
    one_booking_each, references_fit, agreement, no_lost_edit, no_lost_line, at_most_one_message, creates_one_at_a_time,
    journal_settled, webhooks_taken, quiet,
)  # fmt: skip
