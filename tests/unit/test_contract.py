"""The wire contract: what the built-in file says, how a site's file is laid over it, and every way either can be wrong."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sync.core.booking import STATUSES
from sync.errors import ConfigError
from sync.repairy import wire
from sync.repairy.contract import Contract, load
from sync.share import CONFIG

BUILTIN = CONFIG / "repairy-api.toml"
START = datetime(2026, 3, 5, 22, 0, tzinfo=UTC)


def site(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "site.toml"
    file.write_text(text, encoding="utf-8")
    return file


def problems(tmp_path: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load(site(tmp_path, text))
    return caught.value.problems


def changed(**tables: Any) -> dict[str, Any]:
    """The built-in tables with some keys changed: `booking={"id": "x"}`."""
    whole = tomllib.loads(BUILTIN.read_text(encoding="utf-8"))
    return {**whole, **{name: {**whole.get(name, {}), **keys} for name, keys in tables.items()}}


def test_the_built_in_contract_is_whole() -> None:
    contract = load()
    assert contract.call("update", booking_id="b1") == ("PUT", "/bookings/b1")
    assert contract.call("report") is None


def test_what_is_documented_is_not_assumed() -> None:
    contract = load()
    for key in (
        "operations.create",
        "booking.id",
        "booking.reference",
        "booking.rego",
        "answer.created_id",
        "webhook.signature",
        "reminder.id",
    ):
        assert contract.is_confirmed(key), key


@pytest.mark.parametrize(
    "key",
    [
        "headers.partner_id", "token.app_key", "token.expires_in", "operations.availability", "operations.report", "create",
        "booking.status", "booking.starts_at", "formats.time", "formats.phone", "required.create", "update.editable",
        "status.words.done", "status.next.pending", "visible.create", "silence.create", "status_body.send_review",
        "errors.refused", "availability.slots", "quote.id", "webhook.algorithm", "webhook.signs", "webhook.booking",
        "answer.envelope",
    ],
)  # fmt: skip
def test_each_assumption_has_its_line_and_is_listed(key: str) -> None:
    contract = load()
    assert not contract.is_confirmed(key)
    assert key in dict(contract.unconfirmed())


def test_every_table_with_an_assumption_asks_its_question() -> None:
    """The list for Repairy Support is made of these comments."""
    table, asking = "", set[str]()
    for line in BUILTIN.read_text(encoding="utf-8").splitlines():
        table = found[1] if (found := re.match(r"\[([a-z_.]+)\]", line)) else table
        asking |= {table} if "Ask:" in line else set()
    assert {key.rpartition(".")[0] or key for key, _ in load().unconfirmed()} - asking == set()


def test_a_sites_file_is_laid_over_key_by_key(tmp_path: Path) -> None:
    contract = load(site(tmp_path, '[booking]\nstarts_at = "when"\n[status.words]\ndone = "finished"\n'))
    assert (contract.booking.starts_at, contract.booking.ends_at) == ("when", "pickupTime")
    assert (contract.word("done"), contract.word("pending")) == ("finished", "pending")


def test_what_is_sent_along_is_replaced_whole(tmp_path: Path) -> None:
    """`silence.create = {}` takes the built-in silence away."""
    assert load(site(tmp_path, "[silence]\ncreate = {}\n")).silence.create == {}


def test_confirmed_takes_keys_and_wildcards_off_the_list(tmp_path: Path) -> None:
    contract = load(site(tmp_path, 'confirmed = ["token.*", "silence.create", "booking.status"]\n'))
    left = dict(contract.unconfirmed())
    assert not [key for key in left if key.startswith("token.") or key in ("silence.create", "booking.status")]
    assert "silence.update" in left
    assert contract.is_confirmed("silence.create")


def test_a_value_that_a_site_changed_stays_unconfirmed(tmp_path: Path) -> None:
    contract = load(site(tmp_path, '[headers]\npartner_id = "X-Other"\n'))
    assert dict(contract.unconfirmed())["headers.partner_id"] == "X-Other"


@pytest.mark.parametrize("entry", ["booking.id", "no.such", "webhook.signature", ""])
def test_confirming_what_is_not_assumed_is_an_error(tmp_path: Path, entry: str) -> None:
    (line,) = problems(tmp_path, f'confirmed = ["{entry}"]\n')
    assert f'site.toml: confirmed: "{entry}" is not assumed; allowed: operations.availability' in line


def test_a_site_does_not_say_what_is_assumed(tmp_path: Path) -> None:
    assert problems(tmp_path, "assumed = []\n")[0].endswith("allowed is `confirmed`")


def test_all_problems_are_told_at_once_with_file_key_and_what_is_allowed(tmp_path: Path) -> None:
    lines = problems(
        tmp_path,
        """
        [bookings]
        [booking]
        regoo = "car.rego"
        id = "a b"
        [formats]
        time = "rfc822"
        [status.words]
        done = ""
        [webhook]
        tolerance = "5 parsecs"
        signs = "{timestamp}"
        """,
    )
    told = {line.split(": ")[1]: line for line in lines}
    assert set(told) == {
        "bookings",
        "booking.regoo",
        "booking.id",
        "formats.time",
        "status.words.done",
        "webhook.tolerance",
        "webhook.signs",
    }
    assert all(line.startswith(f"{tmp_path / 'site.toml'}: ") for line in lines)
    assert "allowed here: id, code, reference" in told["booking.regoo"]
    assert "'iso8601-utc'" in told["formats.time"]
    assert '"5m"' in told["webhook.tolerance"]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[operations]\nread = "GET /bookings"\n', "operations.read"),
        ('[operations]\nread = "GET /bookings/{booking_id}/{secret}"\n', "operations.read"),
        ('[operations]\nread = "GET /bookings/{booking_id}}"\n', "operations.read"),
        ('[operations]\nread = "FETCH /bookings/{booking_id}"\n', "operations.read"),
        ('[operations]\ncreate = ""\n', "operations.create"),
        ('[status.words]\ndone = "Pending"\n', "status.words"),
        ('[booking]\nends_at = "bookingTime"\n', "booking.ends_at"),
        ('[booking]\njob_notes = "car.rego.notes"\n', "booking.job_notes"),
        ('[booking]\nvin = ""\n', "update.editable"),
        ('[booking]\nrego = ""\n[update]\neditable = []\n', "required.create"),
        ('[headers]\npartner_id = "X Partner"\n', "headers.partner_id"),
        ('[update]\neditable = ["status"]\n', "update.editable.0"),
        ('[status.next]\ndone = ["nowhere"]\n', "status.next.done.0"),
        ("[errors]\nrefused = [200]\n", "errors.refused.0"),
        ('[webhook]\nactions = { x = "renamed" }\n', "webhook.actions.x"),
        ('[silence]\ncreate = "yes"\n', "silence.create"),
    ],
)
def test_each_contradiction_is_named(tmp_path: Path, text: str, key: str) -> None:
    assert [line for line in problems(tmp_path, text) if f"site.toml: {key}: " in line]


@pytest.mark.parametrize("text", ["[booking", "a = 1\na = 2", "\udcff"])
def test_a_file_that_is_not_toml_is_an_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "site.toml"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError, match="not TOML"):
        load(file)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.toml")


@pytest.mark.parametrize("status", STATUSES)
def test_status_words_go_both_ways_in_any_case(status: str) -> None:
    contract = Contract.parse(changed(status={"words": {"pending": "NEW", "processing": "WIP", "done": "OK", "cancelled": "NO"}}))
    assert contract.status_of(contract.word(status).lower()) == status


def test_a_status_word_of_the_path_may_differ() -> None:
    contract = Contract.parse(changed(status={"path": {"done": "complete"}}))
    assert (contract.path_word("done"), contract.path_word("pending"), contract.word("done")) == ("complete", "pending", "done")


def test_an_unknown_status_word_is_kept_and_marked() -> None:
    assert load().status_of("On Hold") == "?On Hold"


@pytest.mark.parametrize(
    ("form", "wired"),
    [
        ("iso8601-utc", "2026-03-05T22:00:00Z"),
        ("iso8601-offset", "2026-03-06T09:00:00+11:00"),
        ("epoch", 1772748000),
        ("epoch-ms", 1772748000000),
    ],
)
def test_times_go_both_ways_in_every_form(form: str, wired: str | int) -> None:
    assert wire.time_out(START, form, ZoneInfo("Australia/Melbourne")) == wired
    assert wire.time_in(wired, form) == START


@pytest.mark.parametrize(
    "value", ["2026-03-05T22:00:00.123456Z", "2026-03-06T09:00:00+11:00", "2026-03-05T22:00:00", "20260305T220000Z"]
)
def test_a_utc_time_is_read_in_any_iso_spelling(value: str) -> None:
    assert wire.time_in(value, "iso8601-utc") == START


@pytest.mark.parametrize("form", ["iso8601-utc", "iso8601-offset", "epoch", "epoch-ms"])
@pytest.mark.parametrize("value", [None, True, "", "soon", [], {}, 1e400, float("nan"), 10**30, "0001-01-01T00:00:00+14:00"])
def test_what_is_no_time_is_a_value_error(form: str, value: Any) -> None:
    with pytest.raises(ValueError):
        wire.time_in(value, form)


@pytest.mark.parametrize(
    "number", ["0400000001", "0400 000 001", "+61 400 000 001", "61400000001", "400000001", "+61 (0)400 000 001"]
)
def test_an_australian_phone_goes_out_in_the_form_asked_for(number: str) -> None:
    assert wire.phone_out(number, "national") == "0400000001"
    assert wire.phone_out(number, "e164") == "+61400000001"


@pytest.mark.parametrize("number", ["+64 21 000 001", "13 00 00", "unknown"])
def test_another_phone_goes_out_as_it_is(number: str) -> None:
    assert wire.phone_out(number, "e164") == number


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, None), ("", None), (2015, "2015"), (2015.0, "2015"), (1.5, "1.5"), ("a\x00\ud800", "a\ufffd\ufffd"), (" a ", " a ")],
)
def test_scalars_become_text_that_a_database_takes(value: Any, text: str | None) -> None:
    assert wire.text(value) == text


def test_dotted_names_step_into_objects_and_make_them() -> None:
    body: dict[str, Any] = {"car": None}
    wire.put(body, "car.owner.name", "x")
    assert body == {"car": {"owner": {"name": "x"}}}
    assert (wire.get(body, "car.owner.name"), wire.get(body, "car.none.name", 7), wire.get([], "a"), wire.get(body, "")) == (
        "x",
        7,
        None,
        body,
    )


ODD: list[Any] = [0, -1.5, True, "", "x", "{", "a..b", "\n", [], [1], ["x"], {}, {"x": 1}, {"": {"": []}}]


def places(table: dict[str, Any], way: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The way to everything in a TOML file, tables too."""
    found = [(*way, key) for key in table]
    return found + [deeper for key, value in table.items() if isinstance(value, dict) for deeper in places(value, (*way, key))]


def test_whatever_stands_in_a_contract_it_loads_or_says_what_is_wrong() -> None:
    """Every key and table, each replaced by every odd value."""
    whole, told = tomllib.loads(BUILTIN.read_text(encoding="utf-8")), list[str]()
    loaded = 0
    for *way, last in places(whole):
        for odd in ODD:
            table = whole
            for step in way:
                table = table[step]
            was, table[last] = table[last], odd
            try:
                Contract.parse(whole).unconfirmed()
                loaded += 1
            except ConfigError as error:
                told += error.problems
            table[last] = was
    assert loaded > 100
    assert len(told) > 1000
    assert [line for line in told if not re.match(r"contract: [a-z]\S*: .", line)] == []
