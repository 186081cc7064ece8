# ruff: noqa: DTZ001 (naive times are what shops keep)
"""From raw values to booking text and back: every form in which a shop may keep a time, a status, a name, a number."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from sync.core.booking import Sighting
from sync.ports import Names
from sync.shop import remembered
from sync.shop.binding import Binder, laid_over, over_limit, phone_forms
from sync.shop.profile import Profile
from sync.shop.values import Reader, key_text, key_value, text
from tests.fakes import MELBOURNE

NOW = datetime(2026, 3, 5, 22, tzinfo=UTC)


def profile(columns: str, **tables: Any) -> Profile:
    words = {"Booked": "pending", "1": "processing", "true": "done", "": "ignore"}
    status = {"read": words, "write": {"pending": "Booked", "processing": 1, "done": True}}
    select = f"SELECT key, status, {columns} FROM jobs"
    return Profile.parse({"name": "x", "booking": {"select": select}, "status": status, **tables})


def read(columns: str, row: Mapping[str, object], **tables: Any) -> Sighting:
    return Reader(profile(columns, **tables), MELBOURNE).sighting({"key": 7, "status": "Booked", **row})


TEXTS: dict[str, tuple[object, str | None]] = {
    "null": (None, None),
    "empty": ("", None),
    "only blanks": ("   ", None),
    "CHAR padding": ("ABC   ", "ABC"),
    "inner spelling stays": ("aB-1  2", "aB-1  2"),
    "a whole number": (400000001, "400000001"),
    "a decimal": (Decimal("12.50"), "12.5"),
    "a decimal that is whole": (Decimal(100), "100"),
    "a float that is whole": (400000001.0, "400000001"),
    "true": (True, "true"),
    "false": (False, "false"),
    "bytes": ("Zoë".encode(), "Zoë"),
    "a bit": (b"\x01", "1"),
    "nothing in bytes": (b"", None),
    "a UUID": (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_a_raw_value_as_text(case: str) -> None:
    raw, expected = TEXTS[case]
    assert text(raw) == expected


STATUSES: dict[str, tuple[object, str]] = {
    "a word": ("Booked", "pending"),
    "its case does not count": ("BOOKED", "pending"),
    "nor its padding": ("booked    ", "pending"),
    "a number": (1, "processing"),
    "a bit": (b"\x01", "processing"),
    "a boolean": (True, "done"),
    "null": (None, "ignore"),
    "empty": ("", "ignore"),
    "not listed": ("Parts", "?Parts"),
    "a number not listed": (9, "?9"),
    "a boolean not listed": (False, "?false"),
}


@pytest.mark.parametrize("case", STATUSES)
def test_a_stored_status_as_our_word(case: str) -> None:
    raw, expected = STATUSES[case]
    assert read("starts_at", {"status": raw, "starts_at": None}).fields["status"] == expected


TIMES: dict[str, tuple[object, str | None]] = {
    "naive is the workshop's": (datetime(2026, 3, 6, 9, 0), "2026-03-05T22:00:00Z"),
    "aware is what it says": (datetime(2026, 3, 6, 9, 0, tzinfo=timezone(timedelta(hours=2))), "2026-03-06T07:00:00Z"),
    "fractions go": (datetime(2026, 3, 6, 9, 0, 0, 999999), "2026-03-05T22:00:00Z"),
    "text as SQLite keeps it": ("2026-03-06 09:00:00", "2026-03-05T22:00:00Z"),
    "text with a T": ("2026-03-06T09:00", "2026-03-05T22:00:00Z"),
    "text in UTC": ("2026-03-06T09:00:00Z", "2026-03-06T09:00:00Z"),
    "a day": (date(2026, 3, 6), "2026-03-06"),
    "a day in text": ("2026-03-06", "2026-03-06"),
    "null": (None, None),
    "empty": ("", None),
    "a zero date": ("0000-00-00 00:00:00", None),
    "a zero date in bytes": (bytearray(b"0000-00-00 00:00:00"), None),
    "nothing in bytes": (memoryview(bytearray()), None),
    "text in bytes": (bytearray(b"2026-03-06 09:00:00"), "2026-03-05T22:00:00Z"),
    "a day without dashes": ("20260306", "2026-03-06"),
    "a day and time without dashes": ("20260306T090000", "2026-03-05T22:00:00Z"),
    "the empty date of Delphi and Access": (datetime(1899, 12, 30), None),
    "the same in text": ("1899-12-30 00:00:00", None),
    "the first day that is one": (date(1900, 1, 1), "1900-01-01"),
    "the last day that is one": ("9990-12-31", "9990-12-31"),
}


@pytest.mark.parametrize("case", TIMES)
def test_a_start_as_utc_text(case: str) -> None:
    raw, expected = TIMES[case]
    assert read("starts_at", {"starts_at": raw}).fields["starts_at"] == expected


@pytest.mark.parametrize("raw", ["tomorrow", 46000, "2026-13-01", "infinity"])
def test_a_start_that_is_no_time_is_marked_and_nobody_writes_there(raw: object) -> None:
    seen = read("starts_at", {"starts_at": raw})
    assert (seen.fields["starts_at"], seen.marks, seen.locked) == (None, ("starts_at:unreadable",), True)


FAR: dict[str, tuple[str, dict[str, object], dict[str, Any]]] = {
    "a day": ("starts_at", {"starts_at": date(9999, 12, 31)}, {}),
    "a day in text": ("starts_at", {"starts_at": "0001-01-01"}, {}),
    "a day in another form": ("starts_at", {"starts_at": "31/12/9999"}, {"formats": {"starts_at": "%d/%m/%Y"}}),
    "a time": ("starts_at", {"starts_at": datetime(1, 1, 1)}, {}),
    "a time that has a zone": ("starts_at", {"starts_at": datetime(9999, 12, 31, 23, tzinfo=UTC)}, {}),
    "a time in text": ("starts_at", {"starts_at": "9999-12-31 09:00:00"}, {}),
    "a time just before": ("starts_at", {"starts_at": "1899-12-31 23:59:59"}, {}),
    "a day just before the empty date": ("starts_at", {"starts_at": "1899-12-29"}, {}),
    "a time just after": ("starts_at", {"starts_at": datetime(9991, 1, 1)}, {}),
    "a day of its own": ("date", {"date": "31/12/9999"}, {"formats": {"date": "%d/%m/%Y"}}),
    "a day beside its time": ("date, time", {"date": date(9999, 12, 31), "time": "09:00"}, {}),
}


@pytest.mark.parametrize("case", FAR)
def test_a_day_that_stands_for_never_is_no_day_in_whatever_form(case: str) -> None:
    columns, row, tables = FAR[case]
    seen = read(columns, row, **tables)
    assert (seen.fields["starts_at"], seen.marks, seen.locked) == (None, ("starts_at:unreadable",), True)


@pytest.mark.parametrize("raw", ["9999-12-31 00:00:00", datetime(9999, 12, 31), date(1, 1, 1)])
def test_nor_is_a_stamp_or_an_end(raw: object) -> None:
    for column in ("changed_at", "ends_at"):
        seen = read(f"starts_at, {column}", {"starts_at": None, column: raw})
        assert (seen.changed_at, seen.fields.get("ends_at"), seen.marks) == (None, None, (f"{column}:unreadable",))


def test_nor_is_an_end_that_so_many_minutes_make() -> None:
    seen = read("starts_at, minutes", {"starts_at": datetime(9990, 12, 31, 9), "minutes": 60 * 24 * 2})
    assert (seen.fields["ends_at"], seen.marks) == (None, ("ends_at:unreadable",))


@pytest.mark.parametrize("raw", [timedelta(hours=25), timedelta(days=1), timedelta(hours=-1)])
def test_a_length_of_time_that_is_no_time_of_day_is_marked(raw: timedelta) -> None:
    """MariaDB's TIME goes from -838 to 838 hours."""
    seen = read("date, time", {"date": date(2026, 3, 6), "time": raw})
    assert (seen.fields["starts_at"], seen.marks) == (None, ("starts_at:unreadable",))


def test_an_hour_that_happens_twice_is_the_earlier_and_marked() -> None:
    seen = read("starts_at", {"starts_at": datetime(2026, 4, 5, 2, 30)})
    assert (seen.fields["starts_at"], seen.marks) == ("2026-04-04T15:30:00Z", ("starts_at:twice",))


def test_an_hour_that_does_not_exist_is_shifted_forward_and_marked() -> None:
    seen = read("starts_at", {"starts_at": datetime(2026, 10, 4, 2, 30)})
    assert (seen.fields["starts_at"], seen.marks) == ("2026-10-03T16:30:00Z", ("starts_at:skipped",))


JOINED: dict[str, tuple[str, dict[str, object], dict[str, str | None]]] = {
    "date and time": ("date, time", {"date": date(2026, 3, 6), "time": time(9)}, {"starts_at": "2026-03-05T22:00:00Z"}),
    "MariaDB's time": (
        "date, time",
        {"date": date(2026, 3, 6), "time": timedelta(hours=9)},
        {"starts_at": "2026-03-05T22:00:00Z"},
    ),
    "time as text": ("date, time", {"date": "2026-03-06", "time": "9:00"}, {"starts_at": "2026-03-05T22:00:00Z"}),
    "a day without its time": ("date, time", {"date": date(2026, 3, 6), "time": None}, {"starts_at": "2026-03-06"}),
    "a day alone": ("date", {"date": datetime(2026, 3, 6)}, {"starts_at": "2026-03-06"}),
    "no day": ("date, time", {"date": None, "time": "09:00"}, {"starts_at": None}),
    "minutes": (
        "starts_at, minutes",
        {"starts_at": datetime(2026, 3, 6, 9), "minutes": 90},
        {"starts_at": "2026-03-05T22:00:00Z", "ends_at": "2026-03-05T23:30:00Z"},
    ),
    "no minutes": (
        "starts_at, minutes",
        {"starts_at": datetime(2026, 3, 6, 9), "minutes": None},
        {"starts_at": "2026-03-05T22:00:00Z", "ends_at": None},
    ),
    "minutes of a day": (
        "date, minutes",
        {"date": date(2026, 3, 6), "minutes": 90},
        {"starts_at": "2026-03-06", "ends_at": None},
    ),
}


@pytest.mark.parametrize("case", JOINED)
def test_columns_that_make_one_time(case: str) -> None:
    columns, row, expected = JOINED[case]
    assert read(columns, row).fields == {"status": "pending", **expected}


def test_each_column_has_its_own_zone_and_form() -> None:
    seen = read(
        "starts_at, ends_at, changed_at",
        {"starts_at": "06/03/2026 09:00", "ends_at": "2026-03-06 10:00:00", "changed_at": "2026-03-05 22:00:00"},
        timezones={"changed_at": "UTC"},
        formats={"starts_at": "%d/%m/%Y %H:%M"},
    )
    assert seen.fields == {"status": "pending", "starts_at": "2026-03-05T22:00:00Z", "ends_at": "2026-03-05T23:00:00Z"}
    assert seen.changed_at == "2026-03-05T22:00:00Z"


def test_of_the_values_that_were_read_so_many_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "_MANY", 10)
    asked: list[int] = []

    def spelled(raw: int) -> str:
        asked.append(raw)
        return str(raw)

    texts = remembered.Remembered(spelled)
    assert texts.column([1, 2, 1, 2]) == ["1", "2", "1", "2"]
    assert asked == [1, 2], "what comes again is looked up"
    assert texts.column(range(100)) == [str(number) for number in range(100)]
    assert len(texts) <= 10


def test_internal_notes_and_carried_columns_never_enter_a_snapshot() -> None:
    seen = read(
        "starts_at, internal_notes, x_no, rego", {"starts_at": None, "internal_notes": "private", "x_no": 3, "rego": "aaa-001 "}
    )
    assert seen.fields == {"status": "pending", "starts_at": None, "rego": "aaa-001"}


def test_bytes_that_do_not_decode_are_replaced_and_marked() -> None:
    for raw in (b"caf\xe9", b"caf\xe9".decode("utf-8", "surrogateescape")):
        seen = read("starts_at, description", {"starts_at": None, "description": raw})
        assert (seen.fields["description"], seen.marks) == ("caf\ufffd", ("description:undecodable",))


@pytest.mark.parametrize(
    ("raw", "locked"),
    [
        (None, False),
        (0, False),
        ("", False),
        ("N", False),
        (b"\x00", False),
        (1, True),
        (True, True),
        ("Y", True),
        (NOW, True),
        ("0000-00-00 00:00:00", False),
        ("2026-03-06 00:00:00", True),
    ],
)
def test_what_counts_as_locked(raw: object, locked: bool) -> None:
    assert read("starts_at, locked", {"starts_at": None, "locked": raw}).locked is locked


@pytest.mark.parametrize("raw", [7, "A-7", "    12", UUID(int=7), Decimal(7), b"\x00\xff"])
def test_a_key_goes_back_in_the_type_it_was_read_in(raw: object) -> None:
    assert key_value(key_text(raw), type(raw)) == raw


FIELDS: dict[str, str | None] = {
    "status": "processing",
    "starts_at": "2026-03-05T22:00:00Z",
    "ends_at": "2026-03-05T23:30:00Z",
    "name": "Customer Number One",
    "phone": "+61 400 000 001",
    "rego": "aaa-001",
    "job_notes": None,
}
BOUND: dict[str, object] = {
    "starts_at": datetime(2026, 3, 6, 9),
    "ends_at": datetime(2026, 3, 6, 10, 30),
    "date": date(2026, 3, 6),
    "time": "09:00",
    "minutes": 90,
    "name": "Customer Number One",
    "first_name": "Customer Number",
    "last_name": "One",
    "phone": "0400000001",
    "phone_e164": "+61400000001",
    "rego": "aaa-001",
    "status": 1,
    "job_notes": None,
    "now": datetime(2026, 3, 6, 9),
    "uuid": "u",
    "reference": "NS-1",
    "repairy_id": "r1",
    "code": None,
    "workshop_id": "w1",
}
AS_TEXT = {
    "starts_at": "2026-03-06 09:00:00",
    "ends_at": "2026-03-06 10:30:00",
    "date": "2026-03-06",
    "now": "2026-03-06 09:00:00",
}


def bound(fields: dict[str, str | None], columns: str = "starts_at", as_text: bool = False, **tables: Any) -> dict[str, object]:
    binder = Binder(profile(columns, **tables), MELBOURNE, "w1", as_text)
    return binder.values(fields, Names("NS-1", "r1"), NOW, "u")


@pytest.mark.parametrize("name", BOUND)
def test_a_parameter_is_bound_in_the_shops_own_form(name: str) -> None:
    assert bound(FIELDS)[name] == BOUND[name]
    assert type(bound(FIELDS)[name]) is type(BOUND[name])


@pytest.mark.parametrize("name", AS_TEXT)
def test_on_sqlite_times_are_text(name: str) -> None:
    assert bound(FIELDS, as_text=True)[name] == AS_TEXT[name]


def test_forms_and_zones_hold_for_what_is_written_too() -> None:
    tables = {"formats": {"starts_at": "%d/%m/%Y %H:%M", "time": "%I:%M %p"}, "timezones": {"ends_at": "UTC"}}
    values = bound(FIELDS, "starts_at, ends_at", **tables)
    assert (values["starts_at"], values["time"], values["ends_at"]) == (
        "06/03/2026 09:00",
        "09:00 AM",
        datetime(2026, 3, 5, 23, 30),
    )


def test_what_is_empty_is_bound_as_nothing() -> None:
    values = bound({"starts_at": None, "ends_at": None, "phone": None, "status": "pending"})
    assert {
        name: values[name] for name in ("starts_at", "date", "time", "minutes", "phone", "phone_e164", "name")
    } == dict.fromkeys(("starts_at", "date", "time", "minutes", "phone", "phone_e164", "name"))


def test_a_status_keeps_the_type_it_has_in_the_profile() -> None:
    assert [bound({"status": word})["status"] for word in ("pending", "processing", "done", "cancelled")] == [
        "Booked",
        1,
        True,
        None,
    ]


def test_a_single_word_is_a_first_name_with_an_empty_last_one() -> None:
    values = bound({"name": "Customer"})
    assert (values["first_name"], values["last_name"]) == ("Customer", "")


FORMS = {
    "+61 400 000 001": {"0400000001", "400000001", "61400000001", "0061400000001", "+61400000001", "+610400000001"},
    "1300 000 001": {"1300000001", "+1300000001"},
    "+44 7400 000001": {"447400000001", "+447400000001"},
}


@pytest.mark.parametrize("number", FORMS)
def test_a_phone_is_looked_for_in_every_form_that_means_it(number: str) -> None:
    """First as it is bound. A number that only ends alike is another's."""
    assert set(phone_forms(number)) == FORMS[number]
    assert phone_forms(number)[0] == bound({"phone": number})["phone"]


NAMED: dict[str, tuple[dict[str, str | None], tuple[str | None, ...]]] = {
    "both": (
        {"name": "Customer van Number One", "first_name": "Customer", "last_name": "van Number One"},
        ("Customer van Number One", "Customer", "van Number One"),
    ),
    "parts": ({"first_name": "Customer", "last_name": "van One"}, ("Customer van One", "Customer", "van One")),
    "a first name alone": (
        {"name": "Customer van One", "first_name": "Customer van One"},
        ("Customer van One", "Customer van One", ""),
    ),
    "empty parts": ({"name": "Customer One", "first_name": None, "last_name": None}, ("Customer One", "Customer", "One")),
    "nothing": ({"name": None}, (None, "", "")),
}


@pytest.mark.parametrize("case", NAMED)
def test_a_name_that_came_in_parts_is_bound_in_these_parts(case: str) -> None:
    fields, expected = NAMED[case]
    values = bound(fields)
    assert tuple(values[name] for name in ("name", "first_name", "last_name")) == expected


LIMITED: dict[str, tuple[dict[str, str | None], str | None]] = {
    "parts within": ({"name": "Cust van Number One", "first_name": "Cust", "last_name": "van Number One"}, None),
    "a part over": ({"name": "Customer One", "first_name": "Customer", "last_name": "One"}, "first_name"),
    "a part that a split makes over": ({"name": "Cust van One"}, "first_name"),
    "a whole name over that its parts make": ({"first_name": "Cust", "last_name": "van Number One and more"}, "name"),
    "all within": ({"name": "Cust One"}, None),
    "no name": ({"phone": "0400000001"}, None),
}


@pytest.mark.parametrize("case", LIMITED)
def test_limits_hold_for_what_is_bound(case: str) -> None:
    fields, over = LIMITED[case]
    assert over_limit(fields, profile("starts_at", limits={"first_name": 6, "name": 20})) == over


LAID: dict[str, tuple[dict[str, str | None], dict[str, str | None], dict[str, str | None]]] = {
    "a whole name over parts": ({"first_name": "A", "last_name": "B"}, {"name": "C D"}, {"name": "C D"}),
    "a part over a whole name": ({"name": "A B"}, {"last_name": "C"}, {"first_name": "A", "last_name": "C"}),
    "a part over a part": ({"first_name": "A", "last_name": "B"}, {"last_name": "C"}, {"first_name": "A", "last_name": "C"}),
    "another field": ({"name": "A B"}, {"phone": "1"}, {"name": "A B", "phone": "1"}),
}


@pytest.mark.parametrize("case", LAID)
def test_changes_laid_over_a_row(case: str) -> None:
    under, changes, expected = LAID[case]
    assert laid_over(under, changes) == expected


STORED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a full time": ("starts_at", "2026-03-05T22:00:30Z", {}),
    "a day": ("date", "2026-03-06", {}),
    "a day and minutes": ("date, time", "2026-03-05T22:00:00Z", {}),
    "text with minutes": ("starts_at", "2026-03-05T22:00:00Z", {"formats": {"starts_at": "%d/%m/%Y %H:%M"}}),
    "text with a day": ("starts_at", "2026-03-06", {"formats": {"starts_at": "%d/%m/%Y"}}),
}


@pytest.mark.parametrize("case", STORED)
def test_a_start_as_this_shop_would_show_it(case: str) -> None:
    columns, expected, tables = STORED[case]
    assert Binder(profile(columns, **tables), MELBOURNE, "w1", False).stored("2026-03-05T22:00:30Z") == expected


def test_old_values_are_as_they_were_read() -> None:
    old = Binder.old({"key": 7, "status": "BOOKED ", "x_no": 3})
    assert old == {"old_key": 7, "old_status": "BOOKED ", "old_x_no": 3, "x_no": 3, "key": 7}
