"""Canonical forms: every spelling of a value that shops and Repairy use is one value."""

from __future__ import annotations

import pytest

from sync.core.canonical import alike, appended, canonical, e164, split_name, view

SAME: dict[str, tuple[str, list[str | None]]] = {
    "phone": (
        "0400000001",
        [
            "0400 000 001",
            "+61 400 000 001",
            "61400000001",
            "0061 400 000 001",
            "400000001",
            "+61 (0)400 000 001",
            "(04) 0000-0001",
        ],
    ),
    "rego": ("AAA001", ["aaa001", "AAA 001", "aaa-001", " AAA.001 ", "AAA·001"]),
    "vin": ("VIN00000000000001", ["vin 0000 0000 0000 01"]),
    "email": ("one@example.com", ["One@Example.COM", " one@example.com "]),
    "starts_at": ("2026-03-10T22:00:00Z", ["2026-03-11T09:00:00+11:00", "2026-03-10T22:00:00.900Z"]),
    "year": ("2019", ["2019.0", " 2019 ", "MY2019"]),
    "service_category": ("service", ["Service", " SERVICE "]),
    "make": ("Make One", ["  Make   One ", "Make\tOne"]),
    "job_notes": (
        "first\nsecond",
        ["first\r\nsecond", "  first  \n second\n\n", "<p>first</p><p>second</p>", "first<br/>second", "first&#10;second"],
    ),
    "description": ("brakes & tyres", ["brakes &amp; tyres", "<b>brakes</b> &amp; tyres", "brakes  &  tyres"]),
}
CASES = [(field, one, spelt) for field, (one, spellings) in SAME.items() for spelt in [one, *spellings]]


@pytest.mark.parametrize(("field", "one", "spelt"), CASES)
def test_one_value_however_it_is_spelt(field: str, one: str, spelt: str) -> None:
    assert canonical(field, spelt) == one


@pytest.mark.parametrize(("field", "one", "spelt"), CASES)
def test_the_canonical_form_is_its_own(field: str, one: str, spelt: str) -> None:
    assert canonical(field, canonical(field, spelt)) == one


@pytest.mark.parametrize("field", sorted(SAME.keys() - {"starts_at"}))
@pytest.mark.parametrize("empty", ["", "   ", None])
def test_empty_is_none(field: str, empty: str | None) -> None:
    assert canonical(field, empty) is None


@pytest.mark.parametrize(
    ("spelt", "one"),
    [
        ("03 9000 0000", "0390000000"),
        ("390000000", "0390000000"),
        ("13 00 00", "130000"),
        ("+64 21 000 001", "6421000001"),
        ("1800 000 000", "1800000000"),
        ("+1 200 555 0100", "12005550100"),  # eleven digits
        ("+44 1000 000 001", "441000000001"),  # twelve
        ("61 0000 00", "61000000"),
    ],
)
def test_other_phones_keep_their_digits(spelt: str, one: str) -> None:
    assert canonical("phone", spelt) == one


@pytest.mark.parametrize(
    ("spelt", "form"), [("0400 000 001", "+61400000001"), ("400000001", "+61400000001"), ("+64 21 000 001", "+6421000001")]
)
def test_international_form(spelt: str, form: str) -> None:
    assert e164(spelt) == form


@pytest.mark.parametrize("text", ["a < b and b > a", "5 <6", "<not a tag>", "1 &2", "XL"])
def test_text_that_only_looks_like_html_stays(text: str) -> None:
    assert canonical("job_notes", text) == text


def test_a_plain_day_stays_one() -> None:
    assert canonical("starts_at", "2026-03-11") == "2026-03-11"


NAMES = {
    "whole": ({"name": " Customer  One "}, "Customer One"),
    "parts": ({"first_name": "Customer", "last_name": "One"}, "Customer One"),
    "a first name alone": ({"first_name": "Customer"}, "Customer"),
    "a last name alone": ({"last_name": "One"}, "One"),
    "a company alone": ({"company": "Company One"}, "Company One"),
    "one part": ({"first_name": None, "last_name": "One"}, "One"),
    "whole goes before parts": ({"name": "Customer One", "first_name": "C", "last_name": "O"}, "Customer One"),
    "company where there is no name": ({"name": None, "company": "Company One"}, "Company One"),
    "name goes before the company": ({"first_name": "Customer", "company": "Company One"}, "Customer"),
    "nothing": ({"name": "", "company": None}, None),
}


@pytest.mark.parametrize("case", NAMES)
def test_a_name_is_compared_whole(case: str) -> None:
    fields, name = NAMES[case]
    seen = view(fields)
    assert seen == {"name": name}


def test_a_side_without_a_name_shows_none() -> None:
    assert view({"rego": "aaa 001"}) == {"rego": "AAA001"}


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Customer One", ("Customer", "One")),
        ("Customer van One", ("Customer van", "One")),
        ("Customer", ("Customer", "")),
        ("", ("", "")),
    ],
)
def test_a_name_is_split_at_the_last_space(name: str, parts: tuple[str, str]) -> None:
    assert split_name(name) == parts


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("Brake pads!", "brake pads", True),
        ("A-B", "ab", True),
        (None, "", True),
        ("Straße", "STRASSE", True),
        ("pads", "pad", False),
        (None, "x", False),
    ],
)
def test_alike_is_the_same_letters_and_digits(a: str | None, b: str | None, same: bool) -> None:
    assert alike(a, b) is same


@pytest.mark.parametrize("value", ["see x.test/?id=1&section=2&note=3", "service&regas", "a=1&copy=2&times=3", "&notit;"])
def test_an_entity_ends_in_a_semicolon(value: str) -> None:
    assert canonical("description", value) == value
    assert appended(value, "Tyres & brakes") == f"{value}\nTyres & brakes"


def test_entities_are_read_by_name_and_by_number() -> None:
    assert canonical("description", "caf&eacute; &#38; &#x26; &AMP;") == "café & & &"
