"""What a profile may say, and how it is told what it may not: every problem at once, file and key first."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from sync.errors import ConfigError
from sync.shop import ability, statement
from sync.shop.profile import Profile, load
from tests.fakes import MELBOURNE
from tests.layouts import DEMO

SMALL: dict[str, Any] = {
    "name": "Small",
    "booking": {"select": "SELECT id AS key, state AS status, at AS starts_at, phone, notes AS job_notes, x_no FROM jobs"},
    "status": {"read": {"A": "pending", "Z": "done"}, "write": {"pending": "A"}},
    "write": {},
}


def changed(path: str, value: Any, table: dict[str, Any] = SMALL) -> dict[str, Any]:
    """A profile's tables with one value put in."""
    tables: dict[str, Any] = copy.deepcopy(table)
    *above, last = path.split("/")
    inner = tables
    for part in above:
        inner = inner.setdefault(part, {})
    inner[last] = value
    return tables


def problems(tables: dict[str, Any]) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as error:
        Profile.parse(tables, "our-shop.toml")
    return error.value.problems


def test_the_demo_profile_and_the_smallest_one_are_sound() -> None:
    assert Profile.parse(DEMO).name == "Demo layout"
    assert Profile.parse(SMALL).columns == ("key", "status", "starts_at", "phone", "job_notes", "x_no")


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown key": (changed("colour", "red"), "colour: unknown key"),
    "an unknown key further in": (changed("write/set_state", "UPDATE x"), "write.set_state: unknown key"),
    "a status that is not ours": (changed("status/read/A", "booked"), "status.read.A: must be 'pending'"),
    "a status to write that is not ours": (changed("status/write/open", "A"), "status.write.open: must be"),
    "a word read back as another": (changed("status/write/pending", "Z"), "status.write.pending: is read back as another"),
    "one word with two meanings": (changed("status/read/a ", "done"), "status.read.a : stands twice"),
    "no words": (changed("status/read", {}), "status.read: needs a line"),
    "no select": (changed("booking", {}), "booking.select: is required"),
    "no key": (changed("booking/select", "SELECT a AS status, b AS starts_at FROM c"), "needs the column `key`"),
    "no start": (changed("booking/select", "SELECT a AS key, b AS status FROM c"), "needs `starts_at`, or `date`"),
    "time without date": (changed("booking/select", "SELECT key, status, starts_at, time FROM c"), "`time` only beside `date`"),
    "an end and minutes": (changed("booking/select", "SELECT key, status, starts_at, ends_at, minutes FROM c"), "not both"),
    "an unknown column": (changed("booking/select", "SELECT key, status, starts_at, colour FROM c"), "unknown column `colour`"),
    "an asterisk": (changed("booking/select", "SELECT * FROM c"), "no `*`"),
    "a column twice": (changed("booking/select", "SELECT key, status, starts_at, a AS status FROM c"), "`status` stands twice"),
    "an order": (changed("booking/select", "SELECT key, status, starts_at FROM c ORDER BY 1"), "has no ORDER BY"),
    "two statements": (changed("booking/select", "SELECT key, status, starts_at FROM c; DROP TABLE c"), "has no `;`"),
    "no query": (changed("booking/select", "DELETE FROM c"), "begins with SELECT"),
    "a parameter in the select": (changed("booking/select", "SELECT key, status, starts_at FROM c WHERE d = :now"), "takes no"),
    "an unknown parameter": (
        changed("write/set_status", "UPDATE j SET s = :statu"),
        "write.set_status: unknown parameter :statu",
    ),
    "old of a column not read": (changed("write/reschedule", "UPDATE j SET a = :starts_at WHERE b = :old_vin"), ":old_vin"),
    "a carried column not read": (changed("write/reschedule", "UPDATE j SET a = :starts_at WHERE b = :x_id"), ":x_id"),
    "note outside add_note": (changed("write/set_notes", "UPDATE j SET n = :note"), "write.set_notes: unknown parameter :note"),
    "a statement for another field": (changed("write/set_notes", "UPDATE j SET n = :email"), "uses none of what it is for"),
    "an empty statement": (changed("write/link", " "), "write.link: is empty"),
    "a lock by more than the key": (
        changed("booking/lock", "SELECT 1 WHERE a = :phone"),
        "booking.lock: unknown parameter :phone",
    ),
    "a bad zone": (changed("timezone", "Melbourne"), "timezone: must be"),
    "a bad zone of a column": (changed("timezones", {"starts_at": "Mars"}), "timezones.starts_at: must be"),
    "a zone of no column": (changed("timezones", {"phone": "UTC"}), "timezones.phone: unknown"),
    "a form that does not read": (changed("formats", {"starts_at": "%d %Q"}), "formats.starts_at: must be a form"),
    "twelve hours without their half of the day": (
        changed("formats", {"starts_at": "%d/%m/%Y %I:%M"}),
        "formats.starts_at: must be a form",
    ),
    "a form without the year": (changed("formats", {"date": "%d/%m"}), "formats.date: must be a form"),
    "an offset of a time without its day": (changed("formats", {"time": "%H:%M%z"}), "formats.time: must be a form"),
    "a form of a text": (changed("formats", {"phone": "%d"}), "formats.phone: unknown"),
    "a bad time of day": (changed("default_time", "8 o'clock"), "default_time: must be"),
    "a limit of no text": (changed("limits", {"starts_at": 3}), "limits.starts_at: unknown"),
    "a limit that is no number": (changed("limits", {"job_notes": "many"}), "limits.job_notes: "),
    "an overflow": (changed("limits", {"overflow": "cut"}), "limits.overflow: must be 'hold' or 'shorten'"),
    "a category": (changed("default_category", "wash"), "default_category: must be"),
    "a create without pending": (
        changed("write/create", [{"set": "key", "insert": "INSERT INTO j (s) VALUES (:status)"}], changed("status/write", {})),
        "status.write.pending: is required",
    ),
    "a create without key": (
        changed("write/create", [{"set": "a", "insert": "INSERT INTO j DEFAULT VALUES"}]),
        "write.create: needs",
    ),
    "a step that does nothing": (changed("write/create", [{"set": "key"}]), "write.create 1: needs `insert`, or `find`"),
    "a step's value too early": (
        changed("write/create", [{"set": "key", "find": "SELECT 1 WHERE a = :key", "insert": "INSERT INTO j DEFAULT VALUES"}]),
        "write.create 1.find: unknown parameter :key",
    ),
    "a step named as a field": (changed("write/create", [{"set": "phone", "insert": "INSERT"}]), "`phone` is taken"),
    "old in a create": (changed("write/create", [{"set": "key", "insert": "INSERT :old_status"}]), ":old_status"),
    "both ways with notes": (
        changed("write", {"set_notes": "UPDATE j SET n = :job_notes", "add_note": "INSERT :note"}),
        "write.add_note: is for shops without set_notes",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_its_file_and_key(fault: str) -> None:
    tables, expected = FAULTS[fault]
    found = problems(tables)
    assert any(expected in line for line in found), found
    assert all(line.startswith("our-shop.toml: ") for line in found)


def test_all_problems_are_told_at_once_those_of_form_and_those_of_sense() -> None:
    tables = changed("timezone", "Mars", changed("colour", "red", changed("status/read/A", "booked")))
    tables["write"] = {"set_status": "UPDATE j SET s = :statu", "create": [{"set": "key", "insert": "INSERT :foo", "zeal": 1}]}
    found = "\n".join(problems(tables))
    for key in ("colour", "status.read.A", "write.create.1.zeal", "timezone", "write.set_status", "write.create 1.insert"):
        assert f"our-shop.toml: {key}: " in found


def test_colons_that_are_no_parameters_are_left_alone() -> None:
    sql = "UPDATE j SET a = '12:30 :no', b = c::date, d = \":no\" /* :no */ WHERE e = :key -- :no"
    assert statement.parameters(sql) == {"key"}
    assert statement.clause(sql).compile().string == sql


def test_an_order_inside_brackets_is_the_authors_own() -> None:
    select = "SELECT key, (SELECT n FROM m ORDER BY n LIMIT 1) AS job_notes, status, starts_at FROM c"
    assert Profile.parse(changed("booking/select", select)).columns == ("key", "job_notes", "status", "starts_at")


def test_columns_are_named_by_alias_by_themselves_and_in_quotes() -> None:
    select = 'SELECT a.key, b.`status`, COALESCE(x, f(1, 2)) AS "starts_at", [rego] FROM t'
    assert statement.columns(select) == ("key", "status", "starts_at", "rego")


FORMS = {
    "starts_at": ("%d/%m/%Y %H:%M", "%d/%m/%Y %I:%M %p", "%Y-%m-%dT%H:%M:%S%z", "%Y%m%d%H", "%d.%m.%Y"),
    "date": ("%d.%m.%y",),
    "time": ("%H%M", "%I:%M%p"),
}


@pytest.mark.parametrize(("column", "form"), [(column, form) for column, forms in FORMS.items() for form in forms])
def test_a_form_that_reads_what_it_writes_is_sound(column: str, form: str) -> None:
    assert Profile.parse(changed("formats", {column: form})).formats == {column: form}


def test_a_comparison_in_the_select_is_not_its_end() -> None:
    assert statement.columns("SELECT key, a IS DISTINCT FROM 'x' AS locked, status FROM t") == ("key", "locked", "status")


def test_companion_rows_know_the_key_of_their_own_step() -> None:
    steps = [{"set": "key", "insert": ["INSERT INTO j (s) VALUES (:status)", "INSERT INTO planner (job) VALUES (:key)"]}]
    assert len(Profile.parse(changed("write/create", steps)).write.create[0].insert) == 2


def test_a_profile_is_laid_over_the_one_that_it_extends(tmp_path: Path) -> None:
    builtin, site = tmp_path / "builtin", tmp_path / "site"
    builtin.mkdir()
    site.mkdir()
    (builtin / "product.toml").write_text(
        'name = "Product"\ntimezone = "UTC"\n[booking]\nselect = "SELECT id AS key, s AS status, d AS starts_at FROM jobs"\n'
        '[status.read]\n"A" = "pending"\n[write]\nlink = "UPDATE jobs SET r = :repairy_id WHERE id = :key"\n'
    )
    (site / "middle.toml").write_text('extends = "product"\n[status.read]\n"B" = "done"\n')
    (site / "ours.toml").write_text('extends = "middle.toml"\nname = "Ours"\n[write]\nlink = "UPDATE jobs SET r = :code"\n')
    profile = load(site / "ours.toml", builtin)
    assert (profile.name, profile.timezone, dict(profile.words)) == ("Ours", "UTC", {"a": "pending", "b": "done"})
    assert profile.write.link == ("UPDATE jobs SET r = :code",)
    assert load(Path("product"), builtin).name == "Product"


UNREADABLE = {
    "not there": (None, "cannot be read"),
    "no TOML": ("name = ", "is not TOML"),
    "in a circle": ('extends = "a.toml"', "extends: goes round in a circle"),
    "an unknown parent": ('extends = "nobody"', "a built-in profile: a"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, case: str) -> None:
    content, expected = UNREADABLE[case]
    if content is not None:
        (tmp_path / "a.toml").write_text(content)
    with pytest.raises(ConfigError, match=expected):
        load(tmp_path / "a.toml", tmp_path)


ABLE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a day only": (
        changed("booking/select", "SELECT key, status, date FROM c"),
        {"grain": "day", "reads": {"status", "starts_at"}},
    ),
    "a day and a time": (changed("booking/select", "SELECT key, status, date, time FROM c"), {"grain": "minute"}),
    "a form with minutes": (changed("formats", {"starts_at": "%d/%m/%Y %H:%M"}), {"grain": "minute"}),
    "a form with a day": (changed("formats", {"starts_at": "%d/%m/%Y"}), {"grain": "day"}),
    "read only": (SMALL, {"grain": "second", "writes": set(), "statuses": set(), "creates": False, "links": False}),
    "minutes are an end": (
        changed("booking/select", "SELECT key, status, starts_at, minutes FROM c"),
        {"reads": {"status", "starts_at", "ends_at"}},
    ),
    "parts are a name": (
        changed("booking/select", "SELECT key, status, starts_at, first_name, last_name FROM c"),
        {"reads": {"status", "starts_at", "first_name", "last_name", "name"}},
    ),
    "appended notes": (
        changed("write/add_note", "INSERT INTO n VALUES (:key, :note)"),
        {"append_notes": True, "writes": {"job_notes"}},
    ),
    "a start alone": (changed("write/reschedule", "UPDATE j SET d = :starts_at"), {"writes": {"starts_at"}}),
    "a start and minutes": (
        changed("write/reschedule", "UPDATE j SET d = :date, m = :minutes"),
        {"writes": {"starts_at", "ends_at"}},
    ),
    "cancelled by its own statement": (
        changed("write/cancel", "UPDATE j SET gone = 1 WHERE id = :key"),
        {"statuses": {"cancelled"}},
    ),
    "words to write": (changed("write/set_status", "UPDATE j SET s = :status WHERE id = :key"), {"statuses": {"pending"}}),
    "customers only by a person": (changed("write/set_customer", "UPDATE c SET p = :phone"), {"writes": set()}),
}


@pytest.mark.parametrize("case", ABLE)
def test_what_a_shop_can_do_follows_from_its_profile(case: str) -> None:
    tables, expected = ABLE[case]
    able = ability.of(Profile.parse(tables), MELBOURNE)
    assert {name: getattr(able, name) for name in expected} == expected
    assert able.zone is MELBOURNE
