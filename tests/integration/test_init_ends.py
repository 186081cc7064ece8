"""What init makes of an end in a DATE and a TIME column, on the servers that have such types: it is read, and moves along."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from sync.core.canonical import view
from sync.machine import SystemClock
from sync.ports import Names
from sync.shop import wizard
from sync.shop.profile import Profile
from sync.shop.store import ShopStore
from sync.shop.wizard import propose
from tests.layouts import Layout

ZONE = ZoneInfo("Australia/Melbourne")
TYPED = "day DATE, begins TIME, finish_date DATE, finish_time TIME"
TEXTS = "day VARCHAR(10), begins VARCHAR(5), finish_date VARCHAR(10), finish_time VARCHAR(5)"
FORMS = {"VARCHAR(10)": "%d.%m.%Y", "VARCHAR(5)": "%H:%M", "DATE": "%Y-%m-%d", "TIME": "%H:%M:%S"}


@pytest.mark.parametrize("engine", ["postgres", "maria"])
@pytest.mark.parametrize(
    "columns", [TYPED, TEXTS, TYPED.replace(" finish_date DATE,", ""), TEXTS.replace(" finish_date VARCHAR(10),", "")]
)
def test_an_end_in_columns_of_its_own_moves_along(engine: str, columns: str, request: pytest.FixtureRequest) -> None:
    layout: Layout = request.getfixturevalue(engine)
    _fill(layout, columns)
    profile = _proposed(layout)
    store = ShopStore(layout.url, profile, ZONE, "w1", SystemClock())
    try:
        before = store.read(["9"])["9"].fields
        start = _start(9)
        assert (before["starts_at"], before["ends_at"]) == (_utc(start), _utc(start + timedelta(hours=2)))
        wanted = {"starts_at": "2027-03-05T22:00:00Z", "ends_at": "2027-03-06T01:30:00Z"}
        store.change("9", before, wanted, Names("r1", "64a1b2c3d4e5f60718293a4b", "CODE1"))
        assert wanted.items() <= view(store.read(["9"])["9"].fields).items()
    finally:
        store.close()


def _proposed(layout: Layout) -> Profile:
    now = datetime.now(ZONE).replace(tzinfo=None)
    looked = wizard.explorer(layout.url, None, ZONE)
    drafted = wizard.draft(looked, wizard.likely(looked, now)[0], now, ZONE)
    profile = propose.parsed(propose.profile(drafted, wizard.words_of(looked, drafted), "Northside"))
    assert wizard.preview(layout.url, None, profile, ZONE, SystemClock())[1] == []
    return profile


def _fill(layout: Layout, columns: str) -> None:
    layout.run(
        f"CREATE TABLE bookings (id INTEGER PRIMARY KEY, {columns}, rego VARCHAR(9), customer VARCHAR(40), phone VARCHAR(20), "
        "status VARCHAR(9))"
    )
    kinds = dict(column.split(" ") for column in columns.split(", "))
    for number in range(1, 41):
        start = _start(number)
        moments = [start + timedelta(hours=2) if name.startswith("finish") else start for name in kinds]
        times = ", ".join(f"'{moment.strftime(FORMS[kind])}'" for moment, kind in zip(moments, kinds.values(), strict=True))
        layout.run(
            f"INSERT INTO bookings VALUES ({number}, {times}, 'AAA{number:03}', 'Customer One', '0400 000 {number:03}', 'Booked')"
        )


def _start(number: int) -> datetime:
    return datetime.combine(datetime.now(ZONE).date() + timedelta(days=number - 20), time(8 + number % 8, 15))


def _utc(moment: datetime) -> str:
    return moment.replace(tzinfo=ZONE).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
