"""A text that a shop cannot hold as it is: longer than its column, or in letters that its character set lacks.

Nothing is cut or replaced without a word, nothing damaged goes back to Repairy: through the store and through the engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sync.core.booking import Fields
from sync.errors import Rejected
from sync.ports import Names
from sync.shop.kept import refuse_damage
from sync.shop.store import ShopStore
from tests.integration.installation import Installation, Said, installed
from tests.layouts import Layout

NAMES = Names("NS-1", "r1", "C1")
SELECT = (
    "SELECT id AS key, state AS status, at AS starts_at, rego, phone, name, work AS description, notes AS job_notes FROM jobs"
)
WRITE: dict[str, Any] = {
    "set_notes": "UPDATE jobs SET notes = :job_notes WHERE id = :key",
    "set_service": "UPDATE jobs SET work = :description WHERE id = :key",
    "reschedule": "UPDATE jobs SET at = :starts_at WHERE id = :key",
    "create": [{
        "set": "key",
        "find": "SELECT 0 WHERE 1 = 0",
        "insert": ["INSERT INTO jobs (id, state, at, rego, phone, name, work, notes)"
                   " VALUES (7, :status, :starts_at, :rego, :phone, :name, :description, :job_notes)", "SELECT 7"],
    }],
}  # fmt: skip
BOOKING = {"starts_at": "2026-03-05T22:00:00Z", "rego": "AAA001", "phone": "0400000001", "name": "Customer One"}
LONG, ODD = "Rattle at the front left, only when cold", "Ж rattle"


def jobs(layout: Layout, charset: str = "") -> ShopStore:
    """One booking; notes and work take twenty characters."""
    kind = f"VARCHAR(20){charset}"
    layout.run(f"CREATE TABLE jobs (id INTEGER PRIMARY KEY, state VARCHAR(10), at VARCHAR(20), rego VARCHAR(10),"
               f" phone VARCHAR(20), name {kind}, work {kind}, notes {kind})")  # fmt: skip
    layout.run("INSERT INTO jobs VALUES (1, 'open', '2026-03-06 09:00:00', 'AAA001', '0400000001', 'Customer One', 'w', 'n')")
    return layout.shop(SELECT, WRITE)


def lax(layout: Layout, charset: str = "") -> ShopStore:
    """MariaDB as many an old installation runs it: what does not fit is cut, what has no letter becomes `?`."""
    layout.run("SET GLOBAL sql_mode = ''")
    return jobs(layout, charset)


@pytest.fixture
def old_maria(maria: Layout) -> Iterator[Layout]:
    (mode,) = maria.rows("SELECT @@GLOBAL.sql_mode")[0]
    yield maria
    maria.run(f"SET GLOBAL sql_mode = '{mode}'")


# -- the store


def test_a_text_longer_than_a_column_that_nobody_stated_is_refused_in_words(postgres: Layout) -> None:
    shop = jobs(postgres)
    with pytest.raises(Rejected, match="a text is longer than the shop's column takes; nothing was cut") as refusal:
        shop.change("1", {}, {"job_notes": LONG}, NAMES)
    assert refusal.value.code == "too_long"
    assert postgres.rows("SELECT notes FROM jobs") == [("n",)]


def test_a_strict_mariadb_says_the_same(maria: Layout) -> None:
    shop = jobs(maria)
    with pytest.raises(Rejected, match="nothing was cut") as refusal:
        shop.create({**BOOKING, "job_notes": LONG}, NAMES)
    assert (refusal.value.code, maria.rows("SELECT id FROM jobs")) == ("too_long", [(1,)])


def test_sqlite_takes_any_length(lite: Layout) -> None:
    assert jobs(lite).change("1", {}, {"job_notes": LONG}, NAMES).fields["job_notes"] == LONG


@pytest.mark.parametrize("field", ["job_notes", "description"])
def test_a_text_that_a_shop_cuts_without_a_word_is_taken_back(old_maria: Layout, field: str) -> None:
    shop = lax(old_maria)
    with pytest.raises(Rejected, match=f"{field} was cut by the shop's database; the write was taken back") as refusal:
        shop.change("1", {}, {field: LONG}, NAMES)
    assert (refusal.value.code, old_maria.rows("SELECT work, notes FROM jobs")) == ("too_long", [("w", "n")])


@pytest.mark.parametrize("field", ["job_notes", "description", "name"])
def test_a_new_row_whose_text_was_cut_is_taken_back(old_maria: Layout, field: str) -> None:
    shop = lax(old_maria)
    with pytest.raises(Rejected, match=f"{field} was cut"):
        shop.create({**BOOKING, field: LONG}, NAMES)
    assert old_maria.rows("SELECT id FROM jobs") == [(1,)]


TITLED: dict[str, tuple[list[str], str | None]] = {
    "found": (["INSERT INTO people VALUES (1, 'Customer', '0400000001')"], None),
    "made": ([], "name was cut"),
}


@pytest.mark.parametrize("case", TITLED)
def test_a_customers_name_is_compared_where_it_was_made_and_not_where_the_customer_was_there(lite: Layout, case: str) -> None:
    """The booking's row has the name once more, as its title; the shop cuts the names of new customers."""
    people, says = TITLED[case]
    lite.run(
        "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, phone TEXT)", *people,
        "CREATE TABLE jobs (id INTEGER PRIMARY KEY, person INTEGER, state TEXT, at TEXT, rego TEXT, title TEXT)",
    )  # fmt: skip
    shop = lite.shop(
        "SELECT j.id AS key, j.state AS status, j.at AS starts_at, j.rego AS rego, p.name AS name, p.phone AS phone"
        " FROM jobs j JOIN people p ON p.id = j.person",
        {"create": [
            {"set": "person", "find": "SELECT id FROM people WHERE phone = :phone",
             "insert": "INSERT INTO people (name, phone) VALUES (SUBSTR(:name, 1, 8), :phone)"},
            {"set": "key", "insert": "INSERT INTO jobs (person, state, at, rego, title)"
             " VALUES (:person, :status, :starts_at, :rego, :name)"},
        ]},
    )  # fmt: skip
    with pytest.raises(Rejected, match=says) if says else nullcontext():
        shop.create(BOOKING, NAMES)
    assert len(lite.rows("SELECT title FROM jobs")) == (0 if says else 1)


def test_letters_that_a_latin1_column_lacks_are_refused_in_words(maria: Layout) -> None:
    shop = jobs(maria, " CHARACTER SET latin1")
    with pytest.raises(Rejected, match="a character that the shop's database cannot store; nothing was replaced") as refusal:
        shop.change("1", {}, {"job_notes": ODD}, NAMES)
    assert (refusal.value.code, maria.rows("SELECT notes FROM jobs")) == ("characters", [("n",)])


@pytest.mark.parametrize(
    ("charset", "text"),
    [("latin1", ODD), ("utf8mb3", "Call 😀"), ("latin1", "Call 😀"), ("latin2", "50 €"), ("latin2", "Short… (Rep)")],
)
def test_letters_and_signs_that_a_shop_replaces_without_a_word_are_taken_back(old_maria: Layout, charset: str, text: str) -> None:
    shop = lax(old_maria, f" CHARACTER SET {charset}")
    with pytest.raises(Rejected, match="job_notes has a character that the shop's database replaced") as refusal:
        shop.change("1", {}, {"job_notes": text}, NAMES)
    assert (refusal.value.code, old_maria.rows("SELECT notes FROM jobs")) == ("characters", [("n",)])


def test_a_half_of_a_name_that_a_shop_cuts_without_a_word_is_taken_back(old_maria: Layout) -> None:
    """The SELECT puts it together from two columns."""
    lax(old_maria)
    old_maria.run("ALTER TABLE jobs ADD COLUMN first VARCHAR(4), ADD COLUMN last VARCHAR(20)")
    insert = [
        "INSERT INTO jobs (id, state, at, rego, phone, first, last)"
        " VALUES (7, :status, :starts_at, :rego, :phone, :first_name, :last_name)",
        "SELECT 7",
    ]
    step = {"set": "key", "find": "SELECT 0 WHERE 1 = 0", "insert": insert}
    shop = old_maria.shop(SELECT.replace("name,", "CONCAT(first, ' ', last) AS name,"), {**WRITE, "create": [step]})
    with pytest.raises(Rejected, match="name was cut"):
        shop.create({**BOOKING, "name": "Customer Longname"}, NAMES)
    assert old_maria.rows("SELECT id FROM jobs") == [(1,)]


def test_letters_that_the_connection_lacks_are_refused_in_words(maria: Layout) -> None:
    jobs(maria)
    narrow = Layout(maria.url.replace("utf8mb4", "latin1"))
    shop = narrow.shop(SELECT, WRITE)
    with pytest.raises(Rejected, match="cannot store") as refusal:
        shop.create({**BOOKING, "name": "Ж"}, NAMES)
    narrow.close()
    assert refusal.value.code == "characters"
    assert "Ж" not in str(refusal.value)


def test_letters_that_a_latin1_postgresql_lacks_are_refused_in_words(postgres: Layout) -> None:
    with postgres.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as admin:
        admin.exec_driver_sql("DROP DATABASE IF EXISTS narrow")
        admin.exec_driver_sql("CREATE DATABASE narrow ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    narrow = Layout(sa.make_url(postgres.url).set(database="narrow").render_as_string(hide_password=False))
    shop = jobs(narrow)
    with pytest.raises(Rejected, match="cannot store") as refusal:
        shop.change("1", {}, {"job_notes": ODD}, NAMES)
    assert (refusal.value.code, narrow.rows("SELECT notes FROM jobs")) == ("characters", [("n",)])
    assert shop.change("1", {}, {"job_notes": "café"}, NAMES).fields["job_notes"] == "café"
    narrow.close()


def test_sqlite_stores_every_letter(lite: Layout) -> None:
    assert jobs(lite).change("1", {}, {"job_notes": ODD}, NAMES).fields["job_notes"] == ODD


#  sent, shown -> the code, or None where the shop merely tidied it, refused it, or somebody wrote something else
KEPT: dict[str, tuple[Fields, Fields, str | None]] = {
    "as it was": ({"job_notes": "Call first"}, {"job_notes": "Call first"}, None),
    "tidied": ({"job_notes": "Call  first."}, {"job_notes": "CALL FIRST"}, None),
    "cut": ({"job_notes": "Call first"}, {"job_notes": "Call"}, "too_long"),
    "longer": ({"job_notes": "Call"}, {"job_notes": "Call first"}, None),
    "another": ({"job_notes": "Call first"}, {"job_notes": "Ring first"}, None),
    "emptied": ({"job_notes": "Call first"}, {"job_notes": ""}, "characters"),
    "emptied from null": ({"rego": "AAA001"}, {"rego": None}, "characters"),
    "emptied on purpose": ({"job_notes": None}, {"job_notes": ""}, None),
    "nothing in it but markup": ({"job_notes": "<br>"}, {"job_notes": ""}, None),
    "not shown": ({"job_notes": "Call first"}, {"description": ""}, None),
    "replaced": ({"description": "Ж and Ж"}, {"description": "? and ?"}, "characters"),
    "replaced byte by byte": ({"description": "Ж and"}, {"description": "?? and"}, "characters"),
    "replaced, then cut": ({"description": "Ж and Ж and more"}, {"description": "? and ?"}, "characters"),
    "a long one replaced, then cut": ({"description": "Ж" * 400}, {"description": "?" * 255}, "characters"),
    "a long one replaced by another": ({"description": "Ж" * 400}, {"description": "?" * 255 + " and"}, None),
    "an emoji": ({"job_notes": "Call 😀"}, {"job_notes": "Call ?"}, "characters"),
    "an emoji, byte by byte": ({"job_notes": "Call 😀 now"}, {"job_notes": "Call ???? now"}, "characters"),
    "an emoji, half by half": ({"job_notes": "Call 😀 now"}, {"job_notes": "Call ?? now"}, "characters"),
    "an emoji, and shouted": ({"job_notes": "Call 😀"}, {"job_notes": "CALL ?"}, "characters"),
    "an emoji alone": ({"job_notes": "😀"}, {"job_notes": "?"}, "characters"),
    "an emoji at which it was cut": ({"job_notes": "😀 call"}, {"job_notes": ""}, "characters"),
    "an emoji at its end": ({"job_notes": "Call 😀"}, {"job_notes": "Call"}, "too_long"),
    "a full stop at its end": ({"job_notes": "Call."}, {"job_notes": "Call"}, None),
    "a sign": ({"description": "50 €"}, {"description": "50 ?"}, "characters"),
    "the mark": ({"description": "Short… (Repairy)"}, {"description": "Short? (Repairy)"}, "characters"),
    "a sign written otherwise": ({"description": "Short… “so”"}, {"description": 'Short... "so"'}, None),
    "letters in capitals": ({"description": "é ж"}, {"description": "É Ж"}, None),
    "a question": ({"description": "why"}, {"description": "wh?"}, None),
    "half a plate": ({"rego": "AAA 0012"}, {"rego": "AAA001"}, "too_long"),
    "half a last name": ({"name": "Customer Longname"}, {"first_name": "Customer", "last_name": "Long"}, "too_long"),
    "half a first name": ({"name": "Customer Longname"}, {"first_name": "Cust", "last_name": "Longname"}, "too_long"),
    "a last name of several words": (
        {"name": "Customer van One", "first_name": "Customer", "last_name": "van One"},
        {"first_name": "Customer", "last_name": "van One"},
        None,
    ),
    "half of one": (
        {"name": "Customer van One", "first_name": "Customer", "last_name": "van One"},
        {"first_name": "Customer", "last_name": "van"},
        "too_long",
    ),
    "half of the first of a whole name": ({"name": "Customer Longname"}, {"name": "Cust Longname"}, "too_long"),
    "half of both": ({"name": "Customer Longname"}, {"name": "Cust Long"}, "too_long"),
    "half of a first name of several words": (
        {"name": "Customer A van One", "first_name": "Customer A", "last_name": "van One"},
        {"name": "Cust van One"},
        "too_long",
    ),
    "a name shouted": ({"name": "Customer Longname"}, {"name": "CUSTOMER LONGNAME"}, None),
    "a last name alone": ({"name": "Customer Longname"}, {"name": "Longname"}, None),
    "another name": ({"name": "Customer Longname"}, {"name": "Cust Other"}, None),
    "parted elsewhere": ({"name": "Customer van One"}, {"first_name": "Customer", "last_name": "van One"}, None),
    "no last name kept": ({"name": "Customer Longname"}, {"first_name": "Client", "last_name": ""}, None),
    "no name kept": ({"name": "Customer Longname"}, {"first_name": None, "last_name": None}, "characters"),
    "a time": ({"starts_at": "2026-03-05T22:00:00Z"}, {"starts_at": "2026-03-05"}, None),
}


@pytest.mark.parametrize("case", KEPT)
def test_what_counts_as_damage(case: str) -> None:
    sent, shown, code = KEPT[case]
    said = None
    try:
        refuse_damage(sent, shown)
    except Rejected as refusal:
        said = refusal
    assert (said and said.code) == code
    assert not [value for value in sent.values() if value and value in str(said)]


@pytest.mark.parametrize("field", ["description", "job_notes", "service_code", "make", "phone"])
def test_a_new_row_may_lack_what_the_shop_keeps_elsewhere_but_not_its_own_texts(field: str) -> None:
    if field in ("description", "job_notes"):
        with pytest.raises(Rejected, match=f"{field} is shown empty by the shop's row"):
            refuse_damage({field: "0400000001"}, {field: None}, new=True)
    else:
        refuse_damage({field: "0400000001"}, {field: None}, new=True)
        with pytest.raises(Rejected, match=f"{field} is shown empty"):
            refuse_damage({field: "0400000001"}, {field: None})


def test_an_appended_note_is_looked_for_among_the_lines_there() -> None:
    refuse_damage({"job_notes": "ok\nok then"}, {"job_notes": "ok\nok then"}, "ok then")
    refuse_damage({"job_notes": "ok"}, {"description": "w"}, "ok")
    refuse_damage({"job_notes": "ok\n\nso"}, {"job_notes": "ok\n\nother"}, "so")
    with pytest.raises(Rejected, match="job_notes is shown empty"):
        refuse_damage({"job_notes": "ok"}, {"job_notes": None}, "ok")
    with pytest.raises(Rejected, match="job_notes has a character"):
        refuse_damage({"job_notes": "ok\ncall 😀"}, {"job_notes": "ok\ncall ?"}, "call 😀")
    with pytest.raises(Rejected, match="job_notes was cut"):
        refuse_damage({"job_notes": "ok\ncall before ten"}, {"job_notes": "ok\ncall bef"}, "call before ten")


# -- the whole engine


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path) as made:
        yield made


PROFILE = """
name = "Jobs"
[booking]
select = "{select}, ref AS repairy_ref FROM jobs"
[status.read]
open = "pending"
[status.write]
pending = "open"
{limits}
[write]
set_notes = "UPDATE jobs SET notes = :job_notes WHERE id = :key"
set_service = "UPDATE jobs SET work = :description WHERE id = :key"
reschedule = "UPDATE jobs SET at = :starts_at WHERE id = :key"
link = "UPDATE jobs SET ref = :repairy_id WHERE id = :key"
[[write.create]]
set = "key"
insert = ["INSERT INTO jobs (id, state, at, rego, phone, name, work, notes, ref) SELECT max(id) + 1, :status, :starts_at, :rego, \
:phone, :name, :description, :job_notes, :repairy_id FROM jobs", "SELECT max(id) FROM jobs"]
"""
SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)


def in_step(site: Installation, layout: Layout, limits: str = "", charset: str = "") -> str:
    """One booking on both sides; its id at Repairy."""
    jobs(layout, charset)
    layout.run("ALTER TABLE jobs ADD COLUMN ref VARCHAR(40)", f"UPDATE jobs SET at = '{SOON:%Y-%m-%d} 09:00:00'")
    text = PROFILE.format(select=SELECT.removesuffix(" FROM jobs"), limits=limits)
    (site.folder / "jobs.toml").write_text(text, encoding="utf-8")
    site.configure(profile="jobs.toml", shop_url=layout.url, visible='["moved", "updated"]')
    said = site.run("backfill", "--nothing-at-repairy")
    assert said.code == 0, said.out + said.err
    return str(site.bookings()[0]["id"])


def edited(site: Installation, booking: str, **wire: str) -> Said:
    with site.sandbox.lock:
        site.sandbox.partner.edit(booking, **wire)
    site.tell(booking, "bookingUpdated")
    return site.run("sync")


def held(said: Said) -> list[str]:
    return [one["reason"] for one in said.json["workshops"][0]["held"]]


def test_a_cut_is_held_and_never_pushed_back_as_an_edit(site: Installation, old_maria: Layout) -> None:
    """A shop that cuts without a word, and a profile that states no limits."""
    old_maria.run("SET GLOBAL sql_mode = ''")
    booking = in_step(site, old_maria)
    writes = site.writes
    said = edited(site, booking, jobNotes=LONG)
    assert said.code == 3
    (reason,) = held(said)
    assert "the shop did not take this value: job_notes was cut by the shop's database; the write was taken back" in reason
    assert site.run("sync").code == 3
    assert site.bookings()[0]["jobNotes"] == LONG
    assert site.writes == writes
    assert old_maria.rows("SELECT notes FROM jobs") == [("n",)]


def test_it_goes_on_when_the_text_was_shortened(site: Installation, old_maria: Layout) -> None:
    old_maria.run("SET GLOBAL sql_mode = ''")
    booking = in_step(site, old_maria)
    assert edited(site, booking, jobNotes=LONG).code == 3
    assert edited(site, booking, jobNotes="Rattle when cold").code == 0
    assert old_maria.rows("SELECT notes FROM jobs") == [("Rattle when cold",)]


def test_it_goes_on_when_the_column_was_widened_and_a_person_accepts_that(site: Installation, old_maria: Layout) -> None:
    old_maria.run("SET GLOBAL sql_mode = ''")
    booking = in_step(site, old_maria)
    assert edited(site, booking, jobNotes=LONG).code == 3
    old_maria.run("ALTER TABLE jobs MODIFY notes VARCHAR(200)")
    site.run("sync")
    (plan,) = site.run("held").json["plans"]
    assert site.run("approve", plan["digest"]).code == 0
    assert site.run("resolve", booking, "--retry").code == 0
    assert site.run("sync").code == 0
    assert old_maria.rows("SELECT notes FROM jobs") == [(LONG,)]


@pytest.mark.parametrize("engine", ["postgres", "maria"])
def test_what_the_engine_refuses_is_held_and_the_rest_of_the_edit_goes_on(
    site: Installation, request: pytest.FixtureRequest, engine: str
) -> None:
    """Notes and service go in one transaction; each alone after it was refused."""
    layout: Layout = request.getfixturevalue(engine)
    booking = in_step(site, layout)
    said = edited(site, booking, jobNotes=LONG, productDescription="Four tyres")
    (reason,) = held(said)
    assert "nothing was cut" in reason
    assert layout.rows("SELECT work, notes FROM jobs") == [("Four tyres", "n")]


def test_letters_that_the_shop_lacks_are_held_in_words(site: Installation, maria: Layout) -> None:
    booking = in_step(site, maria, charset=" CHARACTER SET latin1")
    said = edited(site, booking, jobNotes=ODD)
    (reason,) = held(said)
    assert "a character that the shop's database cannot store; nothing was replaced: write it in other letters" in reason
    assert site.bookings()[0]["jobNotes"] == ODD
    assert edited(site, booking, jobNotes="Zh rattle").code == 0
    assert maria.rows("SELECT notes FROM jobs") == [("Zh rattle",)]


def test_a_text_of_which_nothing_was_kept_is_held_and_not_emptied_at_repairy(site: Installation, lite: Layout) -> None:
    """A statement that stores what stands before the first emoji."""
    booking = in_step(site, lite)
    before_it = PROFILE.replace("work = :description", "work = substr(:description, 1, instr(:description, '😀') - 1)")
    text = before_it.format(select=SELECT.removesuffix(" FROM jobs"), limits="")
    (site.folder / "jobs.toml").write_text(text, encoding="utf-8")
    (reason,) = held(edited(site, booking, productDescription="😀 rattle"))
    assert "description is shown empty by the shop's row once it is written; the write was taken back" in reason
    assert site.run("sync").code == 3
    assert site.bookings()[0]["productDescription"] == "😀 rattle"
    assert lite.rows("SELECT work FROM jobs") == [("w",)]


def test_an_online_booking_that_does_not_fit_is_held_and_told_why(site: Installation, old_maria: Layout) -> None:
    old_maria.run("SET GLOBAL sql_mode = ''")
    in_step(site, old_maria)
    new = site.book_online(41, SOON.replace(tzinfo=None), job_notes=LONG)
    site.tell(new)
    said = site.run("sync")
    (reason,) = held(said)
    assert "the shop did not take this booking: job_notes was cut" in reason
    assert old_maria.rows("SELECT id FROM jobs") == [(1,)]
    with site.sandbox.lock:
        site.sandbox.partner.edit(new, jobNotes="Rattle when cold")
    site.tell(new, "bookingUpdated")
    assert site.run("sync").code == 0
    assert old_maria.rows("SELECT id, notes FROM jobs") == [(1, "n"), (2, "Rattle when cold")]


def test_a_stated_limit_holds_before_anything_is_written(site: Installation, lite: Layout) -> None:
    booking = in_step(site, lite, limits="[limits]\njob_notes = 20")
    (reason,) = held(edited(site, booking, jobNotes=LONG))
    assert "job_notes is longer than the 20 characters" in reason
    assert lite.rows("SELECT notes FROM jobs") == [("n",)]


def test_a_limit_too_small_for_a_shortened_text_holds(site: Installation, lite: Layout) -> None:
    """Not even the words that say where the rest is would fit."""
    booking = in_step(site, lite, limits='[limits]\njob_notes = 10\noverflow = "shorten"')
    (reason,) = held(edited(site, booking, jobNotes=LONG))
    assert "job_notes is over the 10 characters that the shop takes; nothing was cut" in reason
    assert lite.rows("SELECT notes FROM jobs") == [("n",)]
    assert site.bookings()[0]["jobNotes"] == LONG


def test_a_shortened_text_says_where_the_rest_is_and_comes_back_without_harm(site: Installation, lite: Layout) -> None:
    """The full one stays at Repairy through further passes, and a change of it is shortened anew."""
    booking = in_step(site, lite, limits='[limits]\njob_notes = 36\noverflow = "shorten"')
    assert edited(site, booking, jobNotes=LONG).code == 0
    ((shown,),) = lite.rows("SELECT notes FROM jobs")
    assert len(shown) <= 36
    assert "… (Repairy" in shown
    lite.run("UPDATE jobs SET work = 'Brakes'")
    assert site.run("sync").code == 0
    assert site.bookings()[0]["jobNotes"] == LONG
    assert site.bookings()[0]["productDescription"] == "Brakes"
    assert edited(site, booking, jobNotes="Squeal " + LONG).code == 0
    assert lite.rows("SELECT notes FROM jobs")[0][0].startswith("Squeal")
    assert site.bookings()[0]["jobNotes"] == "Squeal " + LONG


BY_STAFF = {
    "in front of it": "'Done! ' || notes",
    "after its mark": "notes || ' - done'",
    "the mark removed": "substr(notes, 1, instr(notes, '…') - 1)",
    "all of it replaced": "'New text'",
    "emptied": "NULL",
}


@pytest.mark.parametrize("how", BY_STAFF)
@pytest.mark.parametrize("field", ["job_notes", "description"])
def test_an_edit_of_a_shortened_text_in_the_shop_is_held(site: Installation, lite: Layout, field: str, how: str) -> None:
    wire, column = {"job_notes": ("jobNotes", "notes"), "description": ("productDescription", "work")}[field]
    booking = in_step(site, lite, limits=f'[limits]\n{field} = 36\noverflow = "shorten"')
    assert edited(site, booking, **{wire: LONG}).code == 0
    lite.run(f"UPDATE jobs SET {column} = {BY_STAFF[how].replace('notes', column)}")
    (reason,) = held(site.run("sync"))
    assert "holds this text only shortened" in reason
    assert site.bookings()[0][wire] == LONG


def test_a_person_says_that_the_shops_edit_of_a_shortened_text_is_right(site: Installation, lite: Layout) -> None:
    booking = in_step(site, lite, limits='[limits]\njob_notes = 36\noverflow = "shorten"')
    assert edited(site, booking, jobNotes=LONG).code == 0
    lite.run("UPDATE jobs SET notes = 'New text'")
    assert site.run("sync").code == 3
    assert site.run("resolve", booking, "--use", "shop").code == 0
    assert site.run("sync").code == 0
    assert site.bookings()[0]["jobNotes"] == "New text"
