"""The wizard's recognisers: what a column holds is told by its values, whatever it is called."""

# ruff: noqa: DTZ001 (shops keep times without a zone)

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from sync.shop.wizard.recognise import Sort, few, in_order, is_phone, is_plate, is_vin, moment, on_the_grid, sort

NINE = datetime(2026, 3, 6, 9, 0)
COLUMNS: dict[str, tuple[list[object], Sort]] = {
    "nothing": ([None, "", "  "], Sort("none")),
    "zero dates": (["0000-00-00 00:00:00", None], Sort("none")),
    "datetimes": ([NINE, datetime(2026, 3, 7, 10, 30)], Sort("moment")),
    "datetimes at midnight": ([datetime(2026, 3, 6), datetime(2026, 3, 7)], Sort("day")),
    "dates": ([date(2026, 3, 6)], Sort("day")),
    "times": ([time(9), time(10, 30)], Sort("clock")),
    "MariaDB's times": ([timedelta(hours=9)], Sort("clock")),
    "a driver's odd one out": ([NINE] * 19 + ["infinity"], Sort("moment")),
    "ISO text": (["2026-03-06 09:00:00", "2026-03-07 10:30:00"], Sort("moment")),
    "ISO text with a T": (["2026-03-06T09:00", "2026-03-07T10:30"], Sort("moment")),
    "ISO days": (["2026-03-06", "2026-03-07"], Sort("day")),
    "Australian text": (["06/03/2026 09:00", "27/03/2026 10:30"], Sort("moment", "%d/%m/%Y %H:%M")),
    "American text": (["03/06/2026 09:00", "03/27/2026 10:30"], Sort("moment", "%m/%d/%Y %H:%M")),
    "German text": (["06.03.2026 09:00"], Sort("moment", "%d.%m.%Y %H:%M")),
    "German days": (["06.03.2026", "27.03.2026"], Sort("day", "%d.%m.%Y")),
    "days without marks": (["20260306", "20260327"], Sort("day", "%Y%m%d")),
    "clocks": (["9:00", "10:30"], Sort("clock")),
    "booleans": ([True, False, None], Sort("flag")),
    "bits": ([0, 1, 1], Sort("flag")),
    "years": ([2016, 2019, 2021], Sort("year")),
    "years as text": (["2016", "2019"], Sort("year")),
    "keys": ([10_000, 10_001, 10_002], Sort("number")),
    "money": ([Decimal("12.50")], Sort("number")),
    "phones": (["0400 000 001", "(03) 9000 0012", "+61 400 000 003"], Sort("phone")),
    "phones that lost their zero": ([400000012, 400000345], Sort("phone")),
    "phones with a few remarks": (["0400 000 001"] * 8 + ["n/a", "ask his wife"], Sort("phone")),
    "e-mails": (["customer1@example.com", "customer2@example.com"], Sort("email")),
    "plates": (["AAA001", "AAA 002", "1AA-1AA"], Sort("plate")),
    "German plates": (["A-AA 1234", "AA-A 123"], Sort("plate")),
    "VINs": (["AAAAAAAAAAAAAAA01", "AAAAAAAAAAAAAAA02"], Sort("vin")),
    "VINs in CHAR(17)": (["AAAAAAAAAAAAAAA01", "                 "], Sort("vin")),
    "statuses": (["Booked", "Booked", "Done", "Booked"], Sort("word")),
    "names": (["Customer One", "Customer Two", "Customer Three", "Customer Four"], Sort("text")),
    "models": (["Corolla", "CX-5", "i30", "Ranger"] * 5, Sort("word")),
    "GUIDs": ([UUID(int=number) for number in range(20)], Sort("text")),
}


@pytest.mark.parametrize(("values", "kind"), COLUMNS.values(), ids=COLUMNS)
def test_a_column_is_what_its_values_are(values: list[object], kind: Sort) -> None:
    assert sort(values) == kind


@pytest.mark.parametrize(
    "value",
    ["0400 000 001", "0400000001", "+61 400 000 001", "(03) 9000 0012", "0049 30 000 1200", "+39 06 0000 1234", "400000012"],
)
def test_a_phone(value: str) -> None:
    assert is_phone(value)


@pytest.mark.parametrize("value", ["12", "10000", "2026-03-06", "AAA001", "0000000000", "customer1@example.com", "12345678"])
def test_no_phone(value: str) -> None:
    """A key, a date, a number that nobody could ring."""
    assert not is_phone(value)


@pytest.mark.parametrize("value", ["AAA001", "aaa 001", "1AA-1AA", "AA 123 AA", "A-AA 1234"])
def test_a_plate(value: str) -> None:
    assert is_plate(value)


@pytest.mark.parametrize("value", ["Booked", "WIP", "2026", "123456", "CX-5", "APT-2026-00001", "four tyres 1", ""])
def test_no_plate(value: str) -> None:
    """A word, a number, a model, the number of a booking."""
    assert not is_plate(value)


@pytest.mark.parametrize(
    ("value", "is_one"), [("AAAAAAAAAAAAAAA01", True), ("AAAAAAAAAAAAAAAAA", False), ("AAAAAAAAAAAAAAO01", False)]
)
def test_a_vin_has_letters_and_digits_and_no_o(value: str, is_one: bool) -> None:
    assert is_vin(value) is is_one


@pytest.mark.parametrize(
    ("value", "form", "found"),
    [
        ("2026-03-06 09:00:00", "", NINE),
        ("2026-03-06T09:00:00+11:00", "", NINE),
        ("06/03/2026 09:00", "%d/%m/%Y %H:%M", NINE),
        (date(2026, 3, 6), "", datetime(2026, 3, 6)),
        ("infinity", "", None),
        (None, "", None),
    ],
)
def test_a_stored_time_is_read_as_it_stands(value: object, form: str, found: datetime | None) -> None:
    assert moment(value, form) == found


def test_people_choose_full_five_minutes() -> None:
    """A program's stamps do not lie on them."""
    stamps = [NINE + timedelta(seconds=37 * number + 1) for number in range(20)]
    assert on_the_grid([NINE, NINE + timedelta(minutes=15)]) == 1
    assert on_the_grid(stamps) < 0.2


def test_a_start_and_its_end_are_in_order_and_near() -> None:
    assert in_order([(NINE, NINE + timedelta(hours=2)), (NINE, NINE + timedelta(days=3)), (NINE, None)])
    assert not in_order([(NINE, NINE - timedelta(hours=2))])
    assert not in_order([(NINE, NINE + timedelta(days=90))])
    assert not in_order([])


def test_a_status_has_few_values() -> None:
    assert few(["a", "b"] * 20)
    assert not few([str(number) for number in range(40)])
    assert not few([])
