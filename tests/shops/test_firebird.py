"""A Firebird shop on a real server, through the store alone: what is Firebird's own about keys, texts, locks and lost servers."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sync.check.shop import MARKER
from sync.engine.site import LOST
from sync.errors import NotSent, Rejected, Stale, Unknown, Unreachable, Unsupported
from sync.ports import Names, Window
from sync.shop import connect, profile, survey
from sync.shop.store import ShopStore
from tests.conftest import firebird_database, firebird_server
from tests.fakes import FakeClock
from tests.layouts import STATES
from tests.shops.firebird_garage import READER, FirebirdGarage
from tests.shops.program import ZONE

PROFILES = Path(__file__).parents[2] / "config" / "profiles"
NAMES = Names("NS7K2-1", "68b7bf3f6210580c57363a94", "C1")
MONDAY = datetime(2026, 3, 2, 9)  # noqa: DTZ001 (on the wall)
MARCH = Window(datetime(2026, 3, 1, tzinfo=ZONE), datetime(2026, 4, 1, tzinfo=ZONE))
BOOKING: dict[str, str | None] = {
    "starts_at": "2026-03-05T22:00:00Z", "ends_at": "2026-03-06T01:30:00Z", "description": "Logbook service",
    "job_notes": "Rattle: at 100%\nCall first – “soon”", "name": "Customer Élan", "phone": "0400000001",
    "email": "one@example.com", "rego": "AAA001", "make": "Make",
}  # fmt: skip


@pytest.fixture(scope="module")
def garage(firebird_url: str) -> Iterator[FirebirdGarage]:
    made = FirebirdGarage()
    made.install(firebird_database(firebird_url, "garage", "WIN1252"))
    yield made
    made.close()


@pytest.fixture
def shop(garage: FirebirdGarage) -> Iterator[ShopStore]:
    """Empty of bookings."""
    for table in ("JOBS", "CARS", "CUSTOMERS"):
        garage.run(f"DELETE FROM {table}")
    made = store(garage.url)
    yield made
    made.close()


def store(url: str) -> ShopStore:
    described = profile.load(Path("firebird-garage"), PROFILES)
    return ShopStore(url, described, ZONE, "w1", FakeClock())


def test_the_profile_fits_and_the_tables_are_known(garage: FirebirdGarage, shop: ShopStore) -> None:
    garage.book(1, MONDAY)
    assert shop.verify() == []
    known = shop.identity()
    assert known[""] == "firebird garage.fdb"
    assert {"jobs", "cars", "customers"} <= known.keys()
    assert "memo" in known["jobs"]


def test_a_statement_that_the_server_would_not_take_is_named_without_running_it(garage: FirebirdGarage) -> None:
    """The tables stand in for a release with another name for a column."""
    described = profile.load(Path("firebird-garage"), PROFILES)
    renamed = described.write.model_copy(update={"set_notes": ("UPDATE JOBS SET REMARK = :job_notes WHERE JOBNR = :x_jobnr",)})
    shop = ShopStore(garage.url, described.model_copy(update={"write": renamed}), ZONE, "w1", FakeClock())
    (line,) = shop.verify()
    shop.close()
    assert line.startswith("write.set_notes: Column unknown, REMARK")


def procedure(garage: FirebirdGarage, call: str) -> list[str]:
    described = profile.load(Path("firebird-garage"), PROFILES)
    called = described.write.model_copy(update={"set_notes": (call,)})
    shop = ShopStore(garage.url, described.model_copy(update={"write": called}), ZONE, "w1", FakeClock())
    try:
        return shop.verify()
    finally:
        shop.close()


def test_a_call_of_a_procedure_is_compiled_too(garage: FirebirdGarage) -> None:
    garage._alter("RECREATE PROCEDURE SET_MEMO (NR INTEGER, MEMO VARCHAR(200)) AS BEGIN EXIT; END")
    assert procedure(garage, "EXECUTE PROCEDURE SET_MEMO(:x_jobnr, :job_notes)") == []
    (line,) = procedure(garage, "EXECUTE PROCEDURE SET_MEMOS(:x_jobnr, :job_notes)")
    assert line.startswith("write.set_notes: Procedure unknown, SET_MEMOS")
    garage._alter("DROP PROCEDURE SET_MEMO")


def test_a_key_that_went_to_another_row_is_merely_not_found(garage: FirebirdGarage, shop: ShopStore) -> None:
    """It is longer than a CHAR column: as a parameter of that type the server would refuse the whole statement."""
    described = profile.load(Path("firebird-garage"), PROFILES)
    select = described.booking.select.replace("CAST(J.BRANCH AS VARCHAR(6)) || '-' || CAST(J.JOBNR AS VARCHAR(11))", "J.STAT")
    assert "J.STAT AS key" in select
    shop = ShopStore(
        garage.url,
        described.model_copy(update={"booking": described.booking.model_copy(update={"select": select})}),
        ZONE,
        "w1",
        FakeClock(),
    )
    garage.book(1, MONDAY)
    try:
        (key,) = shop.read({"B"})
        assert shop.read({key, key + LOST}).keys() == {key}
        with pytest.raises(Stale):
            shop.change(key + LOST, {}, {"description": "x"}, NAMES)
    finally:
        shop.close()


def test_the_clock_alone_is_not_checked(garage: FirebirdGarage) -> None:
    """Firebird 3 has no zone of a session that could be asked."""
    described = profile.load(Path("firebird-garage"), PROFILES)
    assert survey.unchecked("firebird", described) == ""
    stamped = described.write.model_copy(update={"set_notes": ("UPDATE JOBS SET PICKUP = CURRENT_TIMESTAMP WHERE JOBNR = 1",)})
    said = survey.unchecked("firebird", described.model_copy(update={"write": stamped}))
    assert said == "not checked on Firebird: the zone of the database's own clock (current_timestamp)"


def test_a_right_that_lacks_is_named_without_running_the_statement(garage: FirebirdGarage, shop: ShopStore) -> None:
    reader = store(garage.read_only_url())
    lines = reader.verify()
    reader.close()
    assert {"write.set_status", "write.set_notes"} <= {line.partition(":")[0] for line in lines}
    assert all("no permission" in line for line in lines)


def test_a_user_that_may_delete_is_known(garage: FirebirdGarage, shop: ShopStore) -> None:
    reader = store(garage.read_only_url())
    assert (reader.may_alter(), reader.may_delete()) == (False, False)
    garage._alter(f"GRANT DELETE ON JOBS TO USER {READER}")
    assert (reader.may_alter(), reader.may_delete()) == (False, True)
    garage._alter(f"REVOKE DELETE ON JOBS FROM USER {READER}")
    reader.close()


def test_a_database_that_takes_no_write_is_known(firebird_url: str) -> None:
    url = firebird_database(firebird_url, "frozen", "WIN1252")
    garage = FirebirdGarage()
    garage.install(url)
    shop = store(url)
    assert not shop.cannot_write()
    shop.close()
    garage.close()
    at = sa.make_url(url)
    database = f"{at.host}/{at.port}:{at.database}"
    login = ["-user", str(at.username), "-password", str(at.password)]
    subprocess.run(["gfix", "-mode", "read_only", *login, database], check=True)
    shop = store(url)
    assert shop.cannot_write()
    shop.close()


@pytest.mark.parametrize("kind", ["VARCHAR(200)", "BLOB SUB_TYPE TEXT"])
def test_a_code_in_a_text_column_is_written_and_read_as_check_proposes(garage: FirebirdGarage, kind: str) -> None:
    write, read = MARKER["firebird"]
    garage._alter(
        f"CREATE TABLE MARKED (ID INTEGER NOT NULL PRIMARY KEY, STATE VARCHAR(10), DUE TIMESTAMP, RNO CHAR(10), REMARKS {kind})"
    )
    columns = f"ID AS key, STATE AS status, DUE AS starts_at, RNO AS rego, {read} AS repairy_ref"
    insert = f"INSERT INTO MARKED VALUES (7, :status, :starts_at, :rego, {write}) RETURNING ID"
    shop = ShopStore(garage.url, profile.Profile.parse({
        "name": "x", "booking": {"select": f"SELECT {columns} FROM MARKED"}, "status": STATES,
        "write": {"create": [{"set": "key", "insert": insert}]},
    }), ZONE, "w1", FakeClock())  # fmt: skip
    try:
        assert shop.verify() == []
        assert shop.create({"starts_at": "2026-03-05T22:00:00Z", "rego": "AAA001"}, NAMES).ref == "C1"
        garage.run("UPDATE MARKED SET REMARKS = 'call first [Repairy C1] ok'")
        again = shop.remembered(NAMES)
        assert again is not None
        assert (again.key, again.ref) == ("7", "C1")
        garage.run("UPDATE MARKED SET REMARKS = 'plain'")
        assert shop.remembered(NAMES) is None
    finally:
        shop.close()
        garage.close()
        garage._alter("DROP TABLE MARKED")


def test_a_key_of_two_parts_made_by_trigger_and_generator(garage: FirebirdGarage, shop: ShopStore) -> None:
    """Told by RETURNING as a text, read back, and its parts reach the statements."""
    made = shop.create(BOOKING, NAMES)
    branch, _, number = made.key.partition("-")
    assert (branch, int(number) > 50_000) == ("1", True)
    assert made.fields["status"] == "pending"
    assert {name: made.fields[name] for name in BOOKING} == BOOKING
    assert shop.read({made.key, "1-1", "2-7", "no such key" * 40}) == {made.key: made}
    assert shop.remembered(NAMES) == made


def test_a_booking_lives_its_life(garage: FirebirdGarage, shop: ShopStore) -> None:
    key = shop.create(BOOKING, NAMES).key
    for change in (
        {"starts_at": "2026-03-08T23:00:00Z", "ends_at": "2026-03-09T01:00:00Z"},
        {"job_notes": "x" * 40_000},
        {"status": "processing"},
        {"status": "done"},
        {"status": "cancelled"},
    ):
        before = shop.read({key})[key]
        after = shop.change(key, before.fields, change, NAMES)
        assert after.fields == {**before.fields, **change}
        assert shop.read({key})[key] == after
    seen = garage.row(key)
    assert seen is not None
    assert (seen.status, seen.start, len(seen.notes)) == ("cancelled", MONDAY + timedelta(days=7, hours=1), 40_000)


SHORT = "SELECT CUSTNR FROM CUSTOMERS WHERE CAST(PHONE AS VARCHAR(10)) = :phone"


@pytest.mark.parametrize(("there", "find"), [("+61 (400) 000-001", None), ("400000001", None), ("400000001", SHORT)])
def test_a_caller_is_found_by_phone_as_it_was_written(
    garage: FirebirdGarage, shop: ShopStore, there: str, find: str | None
) -> None:
    """Also where some ways to write a phone are longer than the column: the driver refuses to bind them."""
    garage.run("INSERT INTO CUSTOMERS (CUSTNR, FULLNAME, PHONE) VALUES (7, 'Known', :phone)", phone=there)
    table = profile.load(Path("firebird-garage"), PROFILES).model_dump()
    table["write"]["create"][0]["find"] = [find] if find else table["write"]["create"][0]["find"]
    other = ShopStore(garage.url, profile.Profile.parse(table), ZONE, "w1", FakeClock())
    assert other.create(BOOKING, NAMES).fields["name"] == "Known"
    other.close()


def test_padding_is_no_part_of_a_text(garage: FirebirdGarage, shop: ShopStore) -> None:
    key = garage.book(1, MONDAY)
    fields = shop.read({key})[key].fields
    assert (fields["rego"], fields["name"], fields["vin"]) == ("AAA001", "Customer One", None)


def test_only_jobs_of_this_branch_with_a_day_are_in_the_window(garage: FirebirdGarage, shop: ShopStore) -> None:
    key = garage.book(1, MONDAY)
    garage.book(2, MONDAY + timedelta(days=60))
    for change in ("KIND = 'Q'", "BRANCH = 2", "DROPOFF = NULL"):
        other = garage.book(3, MONDAY)
        garage._edit(other, change)
    assert [row.key for row in shop.window(MARCH).rows] == [key]


def test_the_same_number_in_another_branch_is_another_booking(garage: FirebirdGarage, shop: ShopStore) -> None:
    key = garage.book(1, MONDAY)
    other = garage.book(2, MONDAY)
    garage._edit(other, f"BRANCH = 2, JOBNR = {key.partition('-')[2]}")
    shop.change(key, {}, {"status": "processing"}, NAMES)
    there = garage.row(f"2-{key.partition('-')[2]}")
    assert there is not None
    assert there.status == "pending"


@pytest.mark.parametrize("charset", ["WIN1252", "UTF8", ""])
def test_bytes_that_do_not_decode_are_read_and_never_written_over(garage: FirebirdGarage, shop: ShopStore, charset: str) -> None:
    """Whatever the connection's character set: 0x81 and 0x8D are no characters of WIN1252."""
    key = garage.book(1, MONDAY)
    garage._edit(key, "MEMO = CAST(x'4361666581208D20' AS BLOB SUB_TYPE TEXT)")
    here = sa.make_url(garage.url).set(query={"charset": charset} if charset else {})
    again = store(here.render_as_string(hide_password=False))
    try:
        row = again.read({key})[key]
        assert row.fields["job_notes"] == "Cafe\ufffd \ufffd"
        assert "job_notes:undecodable" in row.marks
        with pytest.raises(Unsupported):
            again.change(key, row.fields, {"job_notes": "ours"}, NAMES)
        assert again.change(key, row.fields, {"status": "processing"}, NAMES).fields["status"] == "processing"
    finally:
        again.close()
    assert garage.run("SELECT 1 FROM JOBS WHERE MEMO = CAST(x'4361666581208D20' AS BLOB SUB_TYPE TEXT)")


def test_a_character_that_the_database_does_not_have_is_refused(garage: FirebirdGarage, shop: ShopStore) -> None:
    with pytest.raises(Rejected):
        shop.create({**BOOKING, "description": "Ремень"}, NAMES)
    assert shop.keys(MARCH) == set()


def test_an_edit_in_between_is_stale(garage: FirebirdGarage, shop: ShopStore) -> None:
    key = garage.book(1, MONDAY)
    before = shop.read({key})[key]
    garage.note(key, "theirs")
    with pytest.raises(Stale):
        shop.change(key, before.fields, {"job_notes": "ours"}, NAMES)
    seen = garage.row(key)
    assert seen is not None
    assert seen.notes == "theirs"


def test_a_booking_open_on_a_screen_waits(garage: FirebirdGarage, shop: ShopStore) -> None:
    key = garage.book(1, MONDAY)
    garage._edit(key, "USEDBY = 'DESK1'")
    assert shop.read({key})[key].locked
    with pytest.raises(NotSent):
        shop.change(key, {}, {"status": "processing"}, NAMES)


def test_a_row_held_by_another_transaction_is_waited_for_two_seconds_and_read_meanwhile(
    garage: FirebirdGarage, shop: ShopStore
) -> None:
    key = garage.book(1, MONDAY)
    with garage.lock(key):
        began = time.monotonic()
        assert not shop.read({key})[key].locked
        assert time.monotonic() - began < 1
        with pytest.raises(NotSent, match="in use"):
            shop.change(key, {}, {"status": "processing"}, NAMES)
        assert time.monotonic() - began < connect.LOCK_WAIT + 1.5


def test_a_duplicate_is_named_without_the_value(garage: FirebirdGarage, shop: ShopStore) -> None:
    shop.create(BOOKING, NAMES)
    key = garage.book(7, MONDAY)
    with pytest.raises(Rejected) as refusal:
        shop.link(key, NAMES)
    assert refusal.value.code == connect.CLASH
    assert "UNIQUE KEY" in str(refusal.value)
    assert str(NAMES.repairy_id) not in str(refusal.value)


def test_a_number_that_somebody_else_took_is_worked_out_again(garage: FirebirdGarage, shop: ShopStore) -> None:
    """The generator was set back: the next number is taken, the one after is not."""
    key = garage.book(1, MONDAY)
    garage._alter(f"SET GENERATOR GEN_JOBNR TO {int(key.partition('-')[2]) - 1}")
    assert shop.create(BOOKING, NAMES).key == f"1-{int(key.partition('-')[2]) + 1}"


def test_a_text_longer_than_its_column_is_refused_in_the_engines_words(garage: FirebirdGarage, shop: ShopStore) -> None:
    """`make` is within the profile's limit of 20 only in characters that the profile counts."""
    key = garage.book(1, MONDAY)
    with pytest.raises(Rejected, match="string right truncation") as refusal, connect.writing(shop._engine) as connection:
        connection.execute(sa.text("UPDATE CARS SET MAKE = :make"), {"make": "A name that is longer than twenty"})
    assert "A name" not in str(refusal.value)
    assert key in shop.keys(MARCH)


def test_two_servers_with_one_path_are_two_shops(garage: FirebirdGarage, shop: ShopStore) -> None:
    """The driver keeps servers by the database's path; the second shop must not send the first one's reads elsewhere."""
    key = garage.book(1, MONDAY)
    elsewhere = sa.make_url(garage.url).set(port=1)
    other = store(elsewhere.render_as_string(hide_password=False))
    try:
        shop._engine.dispose()  # a new connection, made after the other shop was known
        assert key in shop.keys(MARCH)
        with pytest.raises(Unreachable):
            other.keys(MARCH)
    finally:
        other.close()
        sa.create_engine(garage.url).dispose()  # the garage's own engine has no such care: the path is this server's again


def test_a_wrong_password_and_a_missing_file_are_unreachable(garage: FirebirdGarage) -> None:
    url = sa.make_url(garage.url)
    for wrong in (url.set(password="wrong"), url.set(database=f"{url.database}x")):
        shop = store(wrong.render_as_string(hide_password=False))
        with pytest.raises(Unreachable) as refusal:
            shop.keys(MARCH)
        shop.close()
        assert "wrong" not in str(refusal.value)


def cut(garage: FirebirdGarage) -> None:
    """The server ends every connection but this one."""
    garage.run("DELETE FROM MON$ATTACHMENTS WHERE MON$ATTACHMENT_ID <> CURRENT_CONNECTION AND MON$SYSTEM_FLAG = 0")


def test_a_connection_that_was_cut_is_opened_again(garage: FirebirdGarage, shop: ShopStore) -> None:
    key = garage.book(1, MONDAY)
    assert key in shop.keys(MARCH)
    cut(garage)
    assert key in shop.keys(MARCH)


def test_a_connection_cut_while_a_change_is_stored_leaves_its_outcome_unknown(garage: FirebirdGarage, shop: ShopStore) -> None:
    key = garage.book(1, MONDAY)
    sa.event.listen(shop._engine, "commit", lambda _: cut(garage), once=True)
    with pytest.raises(Unknown):
        shop.change(key, {}, {"status": "processing"}, NAMES)
    assert shop.read({key})[key].fields["status"] in ("pending", "processing")


def test_a_connection_cut_before_a_change_is_stored_means_that_it_was_not(garage: FirebirdGarage, shop: ShopStore) -> None:
    key = garage.book(1, MONDAY)
    sa.event.listen(shop._engine, "begin", lambda _: cut(garage), once=True)
    with pytest.raises((NotSent, Unreachable)):
        shop.change(key, {}, {"status": "processing"}, NAMES)
    assert shop.change(key, {}, {"status": "processing"}, NAMES).fields["status"] == "processing"


def test_a_right_that_lacks_is_a_refusal_and_no_lost_server(garage: FirebirdGarage, shop: ShopStore) -> None:
    key = garage.book(1, MONDAY)
    reader = store(garage.read_only_url())
    assert reader.keys(MARCH) == {key}
    with pytest.raises(Rejected, match="no permission"):
        reader.change(key, {}, {"status": "processing"}, NAMES)
    reader.close()


def test_a_server_that_is_gone_is_unreachable_and_nothing_was_sent() -> None:
    with firebird_server() as url:
        garage = FirebirdGarage()
        garage.install(firebird_database(url, "again", "WIN1252"))
        shop = store(garage.url)
        assert shop.keys(MARCH) == set()
        garage.close()
    with pytest.raises(Unreachable):
        shop.keys(MARCH)
    with pytest.raises(NotSent):
        shop.create(BOOKING, NAMES)
    shop.close()


def test_a_statement_that_ends_while_its_connection_is_closed_is_no_error(
    garage: FirebirdGarage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The collector, run by one thread, tells a connection of it that another thread closes."""
    unraised: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", unraised.append)
    engine = connect.open_database(garage.url, "UTC", None)
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1 FROM rdb$database").all()
        driven = connection.connection.dbapi_connection
        statement = driven._prepare("SELECT 2 FROM rdb$database", driven.main_transaction)
        reference = driven._statements.pop()  # as its close() does
        statement.free()
        assert reference() is statement
        del statement
        gc.collect()
        assert reference() is None
    engine.dispose()
    assert not unraised


@pytest.mark.parametrize("charset", ["WIN1252", "UTF8"])
def test_letters_that_win1252_lacks_are_refused_in_words(garage: FirebirdGarage, shop: ShopStore, charset: str) -> None:
    """Whether the driver or the server finds it."""
    made = shop.create(BOOKING, NAMES)
    other = store(sa.make_url(garage.url).update_query_dict({"charset": charset}).render_as_string(hide_password=False))
    with pytest.raises(Rejected, match="a character that the shop's database cannot store; nothing was replaced") as refusal:
        other.change(made.key, {}, {"job_notes": "Ж"}, NAMES)
    other.close()
    assert refusal.value.code == "characters"
    assert shop.read({made.key})[made.key].fields["job_notes"] == made.fields["job_notes"]


def test_a_text_longer_than_its_column_is_refused_in_words(shop: ShopStore) -> None:
    with pytest.raises(Rejected, match="nothing was cut") as refusal:
        shop.create({**BOOKING, "rego": "A" * 90}, NAMES)
    assert refusal.value.code == "too_long"
