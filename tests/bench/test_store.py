"""How fast the shop store reads: 100,000 bookings in the window, beside the bare driver reading the same SELECT.

`make bench` prints it. Each ratio is of times taken in turn in one run; nothing here asserts a time.
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from sync.ports import Window
from sync.shop.profile import Profile
from sync.shop.statement import aliased
from sync.shop.store import ShopStore
from tests.fakes import MELBOURNE, FakeClock
from tests.layouts import DEMO, SELECT, demo_database

pytestmark = [pytest.mark.bench, pytest.mark.timeout(0)]

BOOKINGS, DAYS, SLOTS, CUSTOMERS = 100_000, 390, 40, 20_000
WINDOW = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC))
FIRST = datetime(2026, 3, 1, 7)  # noqa: DTZ001 (the shop keeps naive times)
TURNS = 5


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    url = f"sqlite:///{tmp_path / 'shop.db'}" if request.param == "sqlite" else request.getfixturevalue(f"{request.param}_url")
    made = sa.create_engine(url)
    metadata = demo_database(made)
    fill(made, metadata)
    yield made
    metadata.drop_all(made)
    made.dispose()


def fill(engine: sa.Engine, metadata: sa.MetaData) -> None:
    """Bookings on the quarter hours of every day, each changed at its own second."""
    people = range(1, CUSTOMERS + 1)
    customers = [{"id": n, "name": f"Customer {n}", "phone": f"04{n:08}", "email": f"customer{n}@example.com"} for n in people]
    vehicles = [{"id": n, "customer_id": n, "plate": f"AA{n:05}", "make": "Make"} for n in people]
    with engine.begin() as connection:
        for name, rows in (("customers", customers), ("vehicles", vehicles), ("bookings", [booking(n) for n in range(BOOKINGS)])):
            for at in range(0, len(rows), 2000):
                connection.execute(metadata.tables[name].insert(), rows[at : at + 2000])
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:  # as every server does by itself
        for name in metadata.tables:
            connection.exec_driver_sql(f"ANALYZE {'' if engine.dialect.name in ('sqlite', 'postgresql') else 'TABLE '}{name}")


def booking(n: int) -> dict[str, object]:
    start = FIRST + timedelta(days=n % DAYS, minutes=15 * (n // DAYS % SLOTS))
    return {
        "id": n + 1, "customer_id": n % CUSTOMERS + 1, "vehicle_id": n % CUSTOMERS + 1, "status_id": n % 4 + 1, "kind": "job",
        "dropoff": start, "pickup": start + timedelta(hours=4), "work": f"Logbook service {n}", "notes": f"note {n}\nand more",
        "in_use": 0, "modified": FIRST - timedelta(seconds=n),
    }  # fmt: skip


def bare(engine: sa.Engine) -> int:
    """The driver alone: the SELECT, every row fetched."""
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute(aliased(SELECT, engine.dialect))
        return len(cursor.fetchall())
    finally:
        connection.close()


def seconds(work: Callable[[], int]) -> float:
    gc.collect()
    began = time.perf_counter()
    assert work() == BOOKINGS
    return time.perf_counter() - began


def peak(work: Callable[[], int]) -> int:
    """Bytes, beyond what was there before."""
    tracemalloc.start()
    work()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def test_reading_a_hundred_thousand_bookings(engine: sa.Engine) -> None:
    def opened() -> ShopStore:
        return ShopStore(engine.url.render_as_string(hide_password=False), Profile.parse(DEMO), MELBOURNE, "w1", FakeClock())

    def read(shop: ShopStore) -> int:
        return len(shop.window(WINDOW).rows)

    floor, first, again = list[float](), list[float](), list[float]()
    for _ in range(TURNS):
        floor.append(seconds(lambda: bare(engine)))
        with closing(opened()) as shop:
            first.append(seconds(lambda: read(shop)))
            again.append(seconds(lambda: read(shop)))
        del shop  # with the rows that it remembers
    memory = peak(lambda: bare(engine))
    with closing(opened()) as shop:
        ours = peak(lambda: read(shop))
    print(f"\n{engine.dialect.name}: {BOOKINGS} bookings; the bare driver: {min(floor):.2f} s, {memory / 1e6:.0f} MB at the most")
    print(f"  first reading of a process: {min(first) / min(floor):.2f} times that")
    print(f"  every later one:            {min(again) / min(floor):.2f} times that")
    print(f"  memory at the most:         {ours / memory:.1f} times that, {ours / BOOKINGS:.0f} bytes a booking")
