"""New rows, many at once, as a pass makes them: none takes another's customer for a stranger, or its number."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from sync.ports import Names
from sync.shop.store import ShopStore
from tests.layouts import Layout
from tests.simulation.scripted import Scripted
from tests.simulation.world import NAME

MANY = 8  # as many as a pass writes at once
SELECT = "SELECT id AS key, state AS status, at AS starts_at, rego, phone, ref AS repairy_ref FROM jobs"
CREATE = [
    {
        "set": "customer_id",
        "find": ["SELECT id FROM customers WHERE phone = :phone"],
        "insert": "INSERT INTO customers (id, phone) SELECT COALESCE(MAX(id), 0) + 1, :phone FROM customers RETURNING id",
    },
    {
        "set": "key",
        "insert": "INSERT INTO jobs (id, customer, state, at, rego, phone, ref)"
        " SELECT COALESCE(MAX(id), 0) + 1, :customer_id, :status, :starts_at, :rego, :phone, :repairy_id FROM jobs RETURNING id",
    },
]


@pytest.fixture
def slowly() -> Iterator[None]:
    """Each row that is inserted takes its time, as over a network to a busy server."""

    def before(_: Any, __: Any, sql: str, *___: Any) -> None:
        if sql.startswith("INSERT"):
            time.sleep(0.05)

    sa.event.listen(sa.Engine, "before_cursor_execute", before)
    yield
    sa.event.remove(sa.Engine, "before_cursor_execute", before)


@pytest.fixture
def shop(layout: Layout) -> ShopStore:
    layout.run(
        "CREATE TABLE customers (id INTEGER PRIMARY KEY, phone VARCHAR(20))",
        "CREATE TABLE jobs (id INTEGER PRIMARY KEY, customer INTEGER, state VARCHAR(10), at VARCHAR(20), rego VARCHAR(10),"
        " phone VARCHAR(20), ref VARCHAR(40))",
    )
    return layout.shop(SELECT, {"create": CREATE})


@pytest.mark.usefixtures("slowly")
def test_a_new_customer_who_booked_often_is_made_once_and_every_booking_gets_its_number(layout: Layout, shop: ShopStore) -> None:
    def made(number: int) -> str:
        booking = {"starts_at": "2026-03-05T22:00:00Z", "rego": f"AAA00{number}", "phone": "0400000001"}
        return shop.create(booking, Names(f"W-{number}", f"r{number}", f"C{number}")).key

    with ThreadPoolExecutor(MANY) as pool:
        keys = list(pool.map(made, range(1, MANY + 1)))

    assert sorted(keys) == [str(number) for number in range(1, MANY + 1)]
    assert layout.rows("SELECT COUNT(*) FROM customers") == [(1,)]


def test_a_row_that_names_the_booking_and_is_anothers_is_held_with_its_key() -> None:
    """As where staff wrote a booking's code into the text of another row, in which the profile looks for it."""
    story = Scripted()
    try:
        story.opened()
        story.people.staff_book()
        story.settled()
        (row,) = story.world.store.window(story.world.site.window).rows
        story.people.book_online()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(story.world.store, "create", lambda *_: row)
            story.passes(4, 200.0)
        held = [one.reason for one in story.world.state.store.standings(NAME, kind="held")]
        (its_own,) = story.world.state.store.by_shop_keys(NAME, [row.key])[row.key]
    finally:
        story.close()

    assert (its_own.paired, its_own.state) == (True, "open")
    assert len(held) == 1
    assert held[0].startswith(f"the shop's row {row.key} names this booking but is another's")
