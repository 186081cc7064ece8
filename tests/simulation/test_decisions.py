"""What a person decides, said late, twice, or of a booking that is another by then: one promise each, on the real engine.

`Tale` is a world that a person leads through; the same promises under faults are in `test_histories`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sync import decisions
from sync.core.booking import Link
from sync.core.sight import fingerprint
from sync.engine.backfill import Span, backfill
from sync.errors import Rejected, SyncError
from sync.sandbox.faults import Fault
from tests.simulation.people import Case
from tests.simulation.scenarios import NIGHT, Tale
from tests.simulation.world import NAME, WORKSHOP, ZONE

CAR, PHONE = "BBB222", "0400 000 222"


@pytest.fixture
def tale() -> Tale:
    return Tale()


def store(tale: Tale) -> Any:
    return tale.world.state.store


def say(tale: Tale, link: Link, way: str, value: str = "", seen: list[str] | None = None) -> None:
    decisions.resolve(store(tale), store(tale).link(link.id), way, value, seen)


def stands(tale: Tale) -> list[tuple[int | None, str, str]]:
    return [(one.link_id, one.kind, one.scope) for one in store(tale).standings(NAME)]


def intents(tale: Tale) -> int:
    return sum(len(store(tale).intents(link.id)) for link in store(tale).links(NAME))


def messages(tale: Tale) -> list[str]:
    return [one.kind for one in tale.world.partner.messages]


def mode(tale: Tale, how: str) -> None:
    tale.world.site.rules = replace(tale.world.site.rules, mode=how)


def coming(tale: Tale) -> datetime:
    """In three days, at nine."""
    day = tale.world.clock.now().astimezone(ZONE) + timedelta(days=3)
    return day.replace(hour=9, minute=0, second=0, microsecond=0)


def walk_in(tale: Tale, start: datetime, plate: str = CAR, phone: str | None = PHONE) -> str:
    """A row of the shop that is no `Case`; its key."""
    desk = tale.world.desk
    customer = desk.execute("INSERT INTO customers (name, phone, email) VALUES ('X Y', ?, 'x@example.com')", (phone,)).lastrowid
    car = desk.execute("INSERT INTO vehicles (customer_id, plate) VALUES (?, ?)", (customer, plate)).lastrowid
    status = "(SELECT id FROM statuses WHERE name = 'Booked')"
    columns = "customer_id, vehicle_id, status_id, kind, dropoff, modified"
    values = (customer, car, start.replace(tzinfo=None).isoformat(" "), tale.people._now())
    row = desk.execute(f"INSERT INTO bookings ({columns}) VALUES (?, ?, {status}, 'job', ?, ?)", values)
    return str(row.lastrowid)


def online(tale: Tale, start: datetime, plate: str = CAR, phone: str = PHONE) -> str:
    """A booking at Repairy that is no `Case`; its id."""
    fields = {
        "first_name": "X", "last_name": "Y", "phone": phone, "email": "x@example.com", "rego": plate,
        "service_category": "service", "starts_at": start.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }  # fmt: skip
    return tale.world.partner.book(WORKSHOP, fields)


def half(tale: Tale, key: str) -> Link:
    (found,) = store(tale).by_shop_keys(NAME, [key])[key]
    return found


def pair(tale: Tale) -> tuple[Case, Link]:
    """A booking in step on both sides; there is another, so that the shop is never empty."""
    tale.opened()
    tale.booked()
    case = tale.booked()
    return case, tale.link(case)


def gone(tale: Tale) -> Link:
    """A pair whose row was deleted: held."""
    case, link = pair(tale)
    tale.people.staff_delete(case)
    tale.world.later(NIGHT)
    tale.calm()
    assert (link.id, "held", "missing") in stands(tale)
    return link


def settles(tale: Tale) -> bool:
    """Whether some more passes write nothing, and something says how it stands."""
    tale.passes(2)
    before = intents(tale)
    tale.passes(5)
    return intents(tale) == before and bool(stands(tale))


# -- it is new


def test_new_is_an_answer_to_what_was_asked_only(tale: Tale) -> None:
    """Said of a row of the baseline while paused: the same booking, made online meanwhile, is still that one."""
    start = coming(tale)
    key = walk_in(tale, start)
    tale.opened()
    tale.pause("all")
    say(tale, half(tale, key), "create")
    tale.passes(2)
    online(tale, start)
    tale.passes(3, 200.0)
    tale.pause("")
    tale.calm()
    assert (len(tale.rows()), len(tale.world.partner.bookings)) == (1, 1)


def test_what_a_backfill_could_not_make_is_paired(tale: Tale) -> None:
    """It lacked a phone; its customer books online."""
    start = coming(tale)
    walk_in(tale, start, phone=None)
    tale.opened()
    tale.work(lambda engine: backfill(engine, Span(tale.world.clock.now().astimezone(ZONE).date()), create=True))
    tale.calm()
    assert [one[1:] for one in stands(tale)] == [("noted", "create")]
    online(tale, start)
    tale.passes(3, 200.0)
    tale.calm()
    assert len(tale.rows()) == 1


# -- a row that is gone


def test_a_row_inserted_again_whose_text_is_too_long_is_held(tale: Tale) -> None:
    """It ended every pass of the workshop."""
    link = gone(tale)
    tale.world.partner.edit(link.repairy_id, jobNotes="x " * 150)
    tale.calm()
    say(tale, link, "use", "repairy")
    tale.work()
    assert (link.id, "held", "missing") in stands(tale)


def test_a_row_that_the_shop_will_not_take_back_is_held(tale: Tale) -> None:
    link = gone(tale)
    tale.world.desk.execute("CREATE TRIGGER no BEFORE INSERT ON bookings BEGIN SELECT RAISE(ABORT, 'no'); END")
    say(tale, link, "use", "repairy")
    assert settles(tale)


def test_a_cancellation_that_repairy_refuses_is_held(tale: Tale) -> None:
    link = gone(tale)

    def refuse(*_: object) -> None:
        raise Rejected("no", transition=True)

    tale.world.site.repairy._port.set_status = refuse  # type: ignore[attr-defined]
    say(tale, link, "use", "shop")
    assert settles(tale)


def test_a_booking_with_an_unknown_status_cannot_be_cancelled_and_is_held(tale: Tale) -> None:
    link = gone(tale)
    tale.world.partner.edit(link.repairy_id, status="parked")
    tale.calm()
    say(tale, link, "use", "shop")
    tale.passes(3)
    assert (link.id, "held", "missing") in stands(tale)


@pytest.mark.parametrize(("how", "side"), [("to-shop", "shop"), ("to-repairy", "repairy")])
def test_the_mode_goes_before_what_a_person_says_of_a_row_that_is_gone(tale: Tale, how: str, side: str) -> None:
    link, rows = gone(tale), len(tale.rows())
    mode(tale, how)
    say(tale, link, "use", side)
    tale.passes(3)
    assert (tale.world.partner.bookings[link.repairy_id or ""]["status"], len(tale.rows())) == ("pending", rows)
    assert not messages(tale)


def test_a_late_click_decides_what_it_was_about(tale: Tale) -> None:
    """Seen as a question of the time; by now the row is gone, and the shop's would cancel."""
    case, link = pair(tale)
    tale.people.staff_move(case)
    tale.people.online_move(case)
    tale.world.deliver()
    tale.calm()
    say(tale, link, "use", "repairy")
    tale.calm()
    tale.people.staff_delete(case)
    tale.world.later(NIGHT)
    tale.calm()
    say(tale, link, "use", "shop", ["time"])
    tale.calm()
    assert "cancelled" not in messages(tale)
    assert (link.id, "held", "missing") in stands(tale)


# -- what nobody may write now


@pytest.mark.parametrize("how", ["pause", "observe", "to-shop"])
def test_a_create_is_not_repeated_where_it_would_not_begin(tale: Tale, how: str) -> None:
    """Its outcome is unknown; meanwhile the owner stopped all writes to Repairy."""
    tale.opened()
    tale.world.partner.faults.append(Fault("lost_request", 1, "create"))
    tale.people.staff_book()
    tale.passes(3, 200.0)
    assert any(scope == "intent" for _, _, scope in stands(tale)), "the fault did not strike"
    if how == "pause":
        tale.pause("all")
    else:
        mode(tale, how)
    tale.passes(5, 400.0)
    assert not tale.world.partner.bookings
    if how == "pause":
        tale.pause("")
    mode(tale, "two-way")
    tale.calm()
    assert len(tale.world.partner.bookings) == 1


def test_what_is_not_asked_about_is_not_let_go_with_the_rest(tale: Tale) -> None:
    """A click on the held time; that it is done is only noted, since the owner allows no such message."""
    tale.world.setting = replace(tale.world.setting, visible=frozenset({"moved"}))
    tale.world.boot()
    case, link = pair(tale)
    tale.people.staff_status(case, "done")
    tale.calm()
    tale.people.staff_move(case)
    tale.people.online_move(case)
    tale.world.deliver()
    tale.calm()
    say(tale, link, "use", "shop")
    tale.calm()
    assert "done" not in messages(tale)


# -- held plans


def test_a_plan_is_approved_though_one_of_its_bookings_became_another(tale: Tale) -> None:
    """Staff entered one of eighteen online bookings by hand: it is paired, and the others are let go."""
    tale.opened()
    cases = [tale.people.book_online() for _ in range(18)]
    tale.passes(3, 200.0)
    ((_, booking),) = tale.people.bookings(cases[8])
    walk_in(
        tale,
        datetime.fromisoformat(booking["bookingTime"]).astimezone(ZONE),
        booking["car"]["rego"],
        booking["customer"]["phone"],
    )
    tale.passes(2)
    (plan,) = store(tale).plans(NAME)
    decisions.approve(store(tale), [NAME], plan.digest)
    tale.passes(3)
    assert (len(tale.rows()), store(tale).plans(NAME)) == (18, [])


def test_what_is_frozen_does_not_go_because_its_booking_is_due_for_something_else(tale: Tale) -> None:
    """Twenty cancellations wait for a person; three of the customers add a note."""
    tale.opened()
    cases = list[Case]()
    for _ in range(2):
        cases += [tale.people.staff_book() for _ in range(10)]
        tale.calm()
    for case in cases:
        tale.people.staff_status(case, "cancelled")
    tale.calm()
    (plan,) = store(tale).plans(NAME)
    for case in cases[:3]:
        tale.people.online_notes(case)
    tale.world.deliver()
    tale.calm()
    assert not messages(tale)
    assert [one.digest for one in store(tale).plans(NAME)] == [plan.digest]
    decisions.approve(store(tale), [NAME], plan.digest)
    tale.calm()
    assert messages(tale) == ["cancelled"] * 20


# -- what is left alone


def test_a_forgotten_customer_is_not_brought_back(tale: Tale) -> None:
    case, link = pair(tale)
    tale.people.staff_status(case, "cancelled")
    tale.calm()
    store(tale).decide(NAME, "forget", str(link.id), "")
    tale.calm()
    with pytest.raises(SyncError, match="left alone"):
        say(tale, link, "retry")
    store(tale).decide(NAME, "resolve", str(link.id), '{"retry": true}')  # decided before it was forgotten
    tale.passes(3)
    assert "phone" not in (store(tale).link(link.id).repairy or {})
    assert not stands(tale)


def test_a_made_up_booking_is_not_made_real(tale: Tale) -> None:
    """That of `check --test-booking`, as it is recorded."""
    tale.opened()
    key = walk_in(tale, coming(tale), "TST1234", "0491 570 006")
    digest = fingerprint(tale.world.store.read({key})[key])
    choice = {"forgotten": "1", "made_up": "in the shop", "rego": "TST1234"}
    link = store(tale).add(NAME, reference="NS7K2-made-up-1", shop_key=key, shop_digest=digest, state="closed", choice=choice)
    tale.calm()
    store(tale).decide(NAME, "resolve", str(link.id), '{"retry": true}')
    tale.calm()
    tale.world.desk.execute("UPDATE bookings SET notes = 'seen', modified = ? WHERE id = ?", (tale.people._now(), key))
    tale.calm()
    assert not tale.world.partner.bookings
    assert store(tale).link(link.id).choice == choice


def test_two_halves_are_linked_only_when_it_is_known_what_became_of_them(tale: Tale) -> None:
    """The row's own create had arrived, and nobody told us: linked to another, that booking would be nobody's."""
    tale.opened()
    tale.world.partner.faults += [Fault("lost_answer", 1, "create"), Fault("webhook_lost", 1, "*")]
    start = coming(tale)
    key = walk_in(tale, start, "AAA111")
    tale.passes(2, 200.0)
    tale.passes(1, 1.0)
    booking = online(tale, start, CAR)
    tale.passes(2, 5.0)
    say(tale, half(tale, key), "link", booking)
    tale.calm()
    known = {link.repairy_id for link in store(tale).links(NAME)}
    assert set(tale.world.partner.bookings) <= known


def test_a_booking_that_is_opened_again_after_its_row_went_on_is_asked_about(tale: Tale) -> None:
    """Cancelled, opened again in the shop as a booking of its own, and opened again at Repairy too."""
    case, link = pair(tale)
    tale.people.staff_status(case, "cancelled")
    tale.calm()
    tale.people.staff_status(case, "pending")
    tale.calm()
    (old, _), _ = tale.people.bookings(case)
    tale.world.partner.edit(old, status="pending")
    tale.world.deliver()
    tale.calm()
    assert (link.id, "held", "missing") in stands(tale)


# -- what was overwritten is put back


def _op(tale: Tale, link: Link, side: str) -> str:
    """The last change of that side."""
    return str([one.op for one in store(tale).intents(link.id) if one.side == side and one.kind == "change"][-1])


def moved(tale: Tale) -> tuple[Case, Link]:
    case, link = pair(tale)
    tale.people.staff_move(case)
    tale.calm()
    return case, link


def worked(tale: Tale) -> tuple[Case, Link]:
    """Repairy's text was written into the shop."""
    tale.opened()
    tale.booked()
    case = tale.people.book_online()
    tale.calm()
    tale.people.online_work(case)
    tale.calm()
    return case, tale.link(case)


@pytest.mark.parametrize("stop", [lambda tale: tale.pause("visible"), lambda tale: mode(tale, "to-shop")], ids=["pause", "mode"])
def test_putting_back_is_stopped_as_any_write_is(tale: Tale, stop: Callable[[Tale], None]) -> None:
    _, link = moved(tale)
    sent, effects = messages(tale), len(tale.world.effects)
    stop(tale)
    say(tale, link, "restore", _op(tale, link, "repairy"))
    tale.passes(3)
    assert (messages(tale), len(tale.world.effects)) == (sent, effects)


def test_putting_back_messages_once_though_nobody_knows_of_it(tale: Tale) -> None:
    """Its outcome is unknown: it is held and not sent again."""
    _, link = moved(tale)
    sent = messages(tale)
    tale._asked = lambda: None  # type: ignore[method-assign]  # nobody releases it
    tale.world.partner.faults.append(Fault("lost_request", 1, "update"))
    say(tale, link, "restore", _op(tale, link, "repairy"))
    tale.calm()
    assert messages(tale) == sent
    assert (link.id, "held", "restore") in stands(tale)
    say(tale, link, "skip")
    tale.calm()
    assert not [one for one in stands(tale) if one[1] == "held"]


def test_what_a_side_cannot_take_back_is_noted(tale: Tale) -> None:
    """Done is final at Repairy."""
    case, link = pair(tale)
    for status in ("processing", "done"):
        tale.people.staff_status(case, status)
        tale.calm()
    last = store(tale).intents(link.id)[-1].op
    say(tale, link, "restore", last)
    tale.work()
    assert (link.id, "noted", "restore") in stands(tale)
    before = intents(tale)
    tale.passes(4)
    assert intents(tale) == before


def test_nothing_is_put_back_into_a_row_that_is_gone(tale: Tale) -> None:
    case, link = worked(tale)
    op = _op(tale, link, "shop")
    tale.people.staff_delete(case)
    tale.world.later(NIGHT)
    tale.calm()
    say(tale, link, "restore", op)
    assert settles(tale)
    assert (link.id, "held", "missing") in stands(tale)


def test_nothing_is_put_back_into_another_customers_row(tale: Tale) -> None:
    case, link = worked(tale)
    op, desk = _op(tale, link, "shop"), tale.world.desk
    (row,) = tale.people.rows(case)
    desk.execute("UPDATE vehicles SET plate = 'ZZZ999' WHERE plate = ?", (row["rego"],))
    desk.execute(
        "UPDATE customers SET name = 'N9', phone = '0400 000 777', email = 'n9@example.com' WHERE email = ?", (case.email,)
    )
    change = "UPDATE bookings SET dropoff = '2026-03-20 09:00:00', work = 'new job', modified = ? WHERE id = ?"
    desk.execute(change, (tale.people._now(), row["id"]))
    tale.calm()
    assert (link.id, "held", "identity") in stands(tale)
    say(tale, link, "restore", op)
    tale.calm()
    assert desk.execute("SELECT work FROM bookings WHERE id = ?", (row["id"],)).fetchone() == ("new job",)


def test_putting_one_value_back_releases_no_message_of_another(tale: Tale) -> None:
    """Whether `done` reached Repairy is not known; an old text is put back meanwhile."""
    case, link = pair(tale)
    tale.people.staff_work(case)
    tale.calm()
    op = _op(tale, link, "repairy")
    tale._asked = lambda: None  # type: ignore[method-assign]
    tale.world.partner.faults.append(Fault("lost_request", 1, "set_status"))
    tale.people.staff_status(case, "done")
    tale.calm()
    assert (link.id, "held", "status") in stands(tale)
    say(tale, link, "restore", op)
    tale.calm()
    assert "done" not in messages(tale)
