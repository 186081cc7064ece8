"""SQL Server, as far as it can be shown without one: the batches that the store sends, and what it makes of the driver's errors.

Not shown here, for want of a server: that SQL Server takes these batches; that a lock wait ends after LOCK_TIMEOUT with error
1222; that SCOPE_IDENTITY still knows the key in the batch after the INSERT; how CHAR, datetime and bit values arrive.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pymssql
import pytest
import sqlalchemy as sa

from sync.check.shop import MARKER
from sync.errors import NotSent, Rejected, Stale, Unknown, Unreachable
from sync.ports import Names, Window
from sync.shop import connect, survey
from sync.shop.profile import Profile
from sync.shop.store import ShopStore
from tests.fakes import MELBOURNE, FakeClock
from tests.shops.mssql_stand_in import StandIn

NAMES = Names("NS7K2-1", "r1", "C1")
MARCH = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
TABLES = """
CREATE TABLE [Work Orders] (ID INTEGER PRIMARY KEY, [Customer ID] INT NOT NULL, Kind TEXT, Stage TEXT, Due TEXT, Plate TEXT,
  Remark TEXT, WebRef TEXT UNIQUE);
CREATE TABLE Customers (ID INTEGER PRIMARY KEY, FullName TEXT NOT NULL, Phone TEXT);
CREATE TABLE Audit (ID INTEGER PRIMARY KEY, What TEXT);
INSERT INTO Audit VALUES (900, 'x');
CREATE TRIGGER Audited AFTER INSERT ON [Work Orders] BEGIN INSERT INTO Audit (What) VALUES ('made'); END;
"""
SELECT = """
SELECT w.ID AS key, w.Stage AS status, w.Due AS starts_at, w.Remark AS job_notes, w.WebRef AS repairy_ref, w.Plate AS rego,
       c.FullName AS name, c.Phone AS phone
FROM [Work Orders] w JOIN Customers c ON c.ID = w.[Customer ID]
WHERE w.Kind NOT LIKE 'quote%'
"""
PROFILE: dict[str, Any] = {
    "name": "x",
    "dialects": ["mssql"],
    "booking": {"select": SELECT, "lock": "SELECT ID FROM [Work Orders] WITH (UPDLOCK, ROWLOCK) WHERE ID = :key"},
    "status": {
        "read": {"Booked": "pending", "On lift": "processing", "Ready": "done"},
        "write": {"pending": "Booked", "processing": "On lift", "done": "Ready"},
    },
    "write": {
        "set_status": "UPDATE [Work Orders] SET Stage = :status WHERE ID = :key AND Stage = :old_status",
        "set_notes": "UPDATE [Work Orders] SET Remark = :job_notes WHERE ID = :key",
        "link": "UPDATE [Work Orders] SET WebRef = :repairy_id WHERE ID = :key",
        "create": [
            {
                "set": "customer",
                "find": "SELECT ID FROM Customers WHERE Phone = :phone",
                "insert": "INSERT INTO Customers (FullName, Phone) VALUES (:name, :phone)",
            },
            {
                "set": "key",
                "insert": "INSERT INTO [Work Orders] ([Customer ID], Kind, Stage, Due, Plate, Remark, WebRef)"
                " VALUES (:customer, 'job', :status, :starts_at, :rego, :job_notes, :repairy_id)",
            },
        ],
    },
}
BOOKING: dict[str, str | None] = {
    "starts_at": "2026-03-05T22:00:00Z", "name": "Customer O'One", "phone": "0400000001", "rego": "AAA001",
    "job_notes": "Rattle: at 100% – “soon”",
}  # fmt: skip


class Server:
    """What was sent, and what fails next."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.sent: list[str] = []
        self.fails: list[tuple[str, Exception]] = []
        with sqlite3.connect(file) as lite:
            lite.executescript(TABLES)

    def failing(self, batch: str) -> Exception | None:
        found = next((one for one in self.fails if batch.startswith(one[0])), None)
        if found:
            self.fails.remove(found)
        return found[1] if found else None

    def shop(self, profile: dict[str, Any]) -> ShopStore:
        made = ShopStore("mssql+pymssql://bridge@server.invalid/shop", Profile.parse(profile), MELBOURNE, "w1", FakeClock())
        sa.event.listen(made._engine, "do_connect", lambda *_: StandIn(self.file, self.sent, self.failing))
        return made

    def batch(self, beginning: str) -> str:
        """The last one that begins so, on one line."""
        return [line for one in self.sent if (line := re.sub(r"\s+", " ", one)).startswith(beginning)][-1]


def told(number: int, message: str, kind: type[Exception] = pymssql.OperationalError) -> Exception:
    """In the driver's shape: number and words in one argument, the words in bytes, the library's own after the server's."""
    words = f"{message}DB-Lib error message 20018, severity 16:\nGeneral SQL Server error: Check messages from the SQL Server\n"
    return kind((number, words.encode()))


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path / "shop.db")


@pytest.fixture
def shop(server: Server) -> Iterator[ShopStore]:
    made = server.shop(PROFILE)
    yield made
    made.close()


def test_a_session_waits_two_seconds_for_a_lock_and_reads_dates_in_one_way(server: Server, shop: ShopStore) -> None:
    """Before anything is read: a login whose language is British English would read 2026-03-05 as the 3rd of May."""
    shop.keys(MARCH)
    told = [batch for batch in server.sent if batch.startswith("SET ")]
    assert told[:2] == ["SET LOCK_TIMEOUT 2000", "SET DATEFORMAT ymd"]
    assert server.sent.index("SET DATEFORMAT ymd") < next(at for at, one in enumerate(server.sent) if "Work Orders" in one)


def test_the_select_is_wrapped_with_bounds_as_text_and_its_own_percent_sign_stays(server: Server, shop: ShopStore) -> None:
    shop.window(MARCH)
    sent = server.batch("SELECT * FROM")
    assert sent.startswith("SELECT * FROM ( SELECT w.ID AS [key], w.Stage AS status,")
    assert sent.endswith(
        "WHERE w.Kind NOT LIKE 'quote%' ) AS booking WHERE starts_at >= N'2026-02-28' AND starts_at < N'2026-04-03'"
    )


def test_keys_are_sought_in_their_own_type_and_one_row_by_top(server: Server, shop: ShopStore) -> None:
    key = shop.create(BOOKING, NAMES).key
    other = server.shop(PROFILE)
    assert set(other.read({key, "no such key"})) == {key}
    other.close()
    assert server.batch("SELECT TOP 1 * FROM").endswith("AS booking WHERE [key] IS NOT NULL")
    assert server.batch("SELECT * FROM").endswith(f"AS booking WHERE [key] IN ({key})")
    assert not any("LIMIT" in batch for batch in server.sent)


def test_counts_by_status_are_plain_sql(server: Server, shop: ShopStore) -> None:
    shop.create(BOOKING, NAMES)
    assert shop.stored_statuses() == {"Booked": 1}
    assert server.batch("SELECT status").startswith("SELECT status, count(*) AS rows FROM ( SELECT")


def test_a_new_row_is_asked_for_its_key_in_its_own_scope_and_never_by_output(server: Server, shop: ShopStore) -> None:
    """Tables with triggers refuse OUTPUT, and @@IDENTITY would be the trigger's own row."""
    made = shop.create(BOOKING, NAMES)
    assert {name: made.fields[name] for name in BOOKING} == BOOKING
    at = next(at for at, batch in enumerate(server.sent) if batch.startswith("INSERT INTO [Work Orders]"))
    assert server.sent[at + 1] == "SELECT CAST(SCOPE_IDENTITY() AS BIGINT)"
    assert not any("OUTPUT" in batch.upper() or "@@IDENTITY" in batch.upper() for batch in server.sent)


def test_values_are_unicode_texts_with_their_quotes_doubled_and_times_that_datetime_takes(
    server: Server, shop: ShopStore
) -> None:
    """`datetime` takes three digits of a second and no more."""
    shop.create(BOOKING, NAMES)
    assert "N'Customer O''One'" in server.batch("INSERT INTO Customers")
    sent = server.batch("INSERT INTO [Work Orders]")
    assert "'2026-03-06 09:00:00.000'" in sent
    assert "N'Rattle: at 100% – “soon”'" in sent


def test_a_change_locks_writes_and_compares_in_one_transaction(server: Server, shop: ShopStore) -> None:
    key = shop.create(BOOKING, NAMES).key
    server.sent.clear()
    assert shop.change(key, {"status": "pending"}, {"status": "processing"}, NAMES).fields["status"] == "processing"
    sent = [batch for batch in server.sent if batch != "SELECT 1"]  # whether the connection still lives
    assert [batch.split()[0] for batch in sent] == ["SELECT", "SELECT", "UPDATE", "SELECT", "COMMIT"]
    assert sent[0] == f"SELECT ID FROM [Work Orders] WITH (UPDLOCK, ROWLOCK) WHERE ID = {key}"
    assert server.batch("UPDATE").endswith(f"WHERE ID = {key} AND Stage = N'Booked'")


def test_a_row_that_went_away_is_stale(server: Server, shop: ShopStore) -> None:
    key = shop.create(BOOKING, NAMES).key
    with sqlite3.connect(server.file) as lite:
        lite.execute("DELETE FROM [Work Orders]")
    with pytest.raises(Stale):
        shop.change(key, {}, {"job_notes": "ours"}, NAMES)


def test_keys_that_are_guids_are_bound_as_text(server: Server) -> None:
    """pymssql gives a uniqueidentifier as a UUID, and takes one."""
    guid = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")
    shop = server.shop(PROFILE)
    compiled = shop._select.having("key", [guid]).compile(
        dialect=shop._engine.dialect, compile_kwargs={"render_postcompile": True}
    )
    shop.close()
    assert pymssql._mssql.substitute_params("%(a)s", {"a": guid}) == f"N'{guid}'".encode()
    assert str(compiled).endswith("WHERE [key] IN (%(key_1)s)")


@pytest.mark.parametrize(
    ("number", "words"),
    [(1222, "Lock request time out period exceeded."), (1205, "Transaction was deadlocked."), (3960, "Snapshot.")],
)
def test_a_lock_a_deadlock_and_a_snapshot_conflict_are_tried_later(
    server: Server, shop: ShopStore, number: int, words: str
) -> None:
    key = shop.create(BOOKING, NAMES).key
    server.fails.append(("UPDATE", told(number, words)))
    with pytest.raises(NotSent, match="in use"):
        shop.change(key, {}, {"job_notes": "ours"}, NAMES)
    assert shop.read({key})[key].fields["job_notes"] == BOOKING["job_notes"]


@pytest.mark.parametrize("number", [547, 50000, 51001, 229])
def test_what_the_server_or_a_procedure_refuses_is_not_tried_again(server: Server, shop: ShopStore, number: int) -> None:
    """From 50000 on the numbers are those of the shop's own procedures."""
    key = shop.create(BOOKING, NAMES).key
    server.fails.append(("UPDATE", told(number, "The booking is invoiced.")))
    with pytest.raises(Rejected, match=r"refused it: The booking is invoiced\.$"):
        shop.change(key, {}, {"job_notes": "ours"}, NAMES)


@pytest.mark.parametrize("number", [20003, 20006, 20047, 4060, 18456, 10054])
def test_a_server_that_went_away_took_nothing(server: Server, shop: ShopStore, number: int) -> None:
    key = shop.create(BOOKING, NAMES).key
    server.fails.append(("UPDATE", told(number, "Adaptive Server connection failed")))
    with pytest.raises(NotSent, match="could not be reached"):
        shop.change(key, {}, {"job_notes": "ours"}, NAMES)


def test_a_connection_lost_while_it_commits_leaves_the_outcome_unknown(server: Server, shop: ShopStore) -> None:
    key = shop.create(BOOKING, NAMES).key
    server.fails.append(("COMMIT", told(20003, "Adaptive Server connection timed out")))
    with pytest.raises(Unknown):
        shop.change(key, {}, {"job_notes": "ours"}, NAMES)


def test_a_number_that_somebody_else_took_is_worked_out_again(server: Server, shop: ShopStore) -> None:
    taken = "Violation of UNIQUE KEY constraint 'UQ_Work'. The duplicate key value is (0400 000 001)."
    server.fails.append(("INSERT INTO [Work", told(2627, taken, pymssql.IntegrityError)))
    assert shop.create(BOOKING, NAMES).fields["rego"] == "AAA001"


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("Violation of UNIQUE KEY constraint 'UQ_Work'. The duplicate key value is (0400 000 001).", "'UQ_Work'"),
        (
            "String or binary data would be truncated in table 'T', column 'C'. Truncated value: 'Smith'.",
            "truncated in table 'T'",
        ),
        ("Conversion failed when converting the nvarchar value 'Smith' to data type int.", "Conversion failed"),
    ],
)
def test_a_message_never_shows_a_value(words: str, shown: str) -> None:
    said = connect.said(told(2627, words))
    assert shown in said
    assert not re.search(r"Smith|0400|DB-Lib", said)


def test_a_server_that_is_off_is_unreachable_and_says_so_plainly() -> None:
    """The real driver, and a port that nobody listens on."""
    shop = ShopStore("mssql+pymssql://bridge:secret@127.0.0.1:1/shop", Profile.parse(PROFILE), MELBOURNE, "w1", FakeClock())
    with pytest.raises(Unreachable, match="Unable to connect") as refusal:
        shop.keys(MARCH)
    shop.close()
    assert "secret" not in str(refusal.value)


def test_what_cannot_be_asked_of_sql_server_is_said_in_one_line() -> None:
    profile = Profile.parse({**PROFILE, "write": {**PROFILE["write"], "cancel": "UPDATE X SET At = GETDATE() WHERE ID = :key"}})
    assert survey.unchecked("mssql", profile) == (
        "not checked on SQL Server: whether it accepts the statements; what the database user may do; "
        "the zone of the database's own clock (getdate)"
    )


def test_a_code_in_a_text_column_is_written_and_read_in_its_own_words(server: Server) -> None:
    """`check` proposes them; CHARINDEX and a LIKE whose brackets are sets stand in for the server's."""
    write, read = MARKER["mssql"]
    steps = [PROFILE["write"]["create"][0], {**PROFILE["write"]["create"][1]}]
    steps[1]["insert"] = steps[1]["insert"].replace(":job_notes", write)
    shop = server.shop({**PROFILE, "write": {"create": steps}})
    shop.create(BOOKING, NAMES)
    shop.close()
    assert "'[Repairy ' + N'C1' + ']'" in server.batch("INSERT INTO [Work Orders]")
    lite = sqlite3.connect(":memory:")
    lite.create_function("CHARINDEX", -1, lambda part, text, since=1: text.find(part, since - 1) + 1)
    lite.create_function("LIKE", 2, lambda form, text: form == "%[[]Repairy %]%" and bool(re.search(r"\[Repairy .*\]", text)))
    texts = {"call first [Repairy C1] ok": "C1", "[Repairy C1]": "C1", "plain": None, "[Repairy C1": None, "] [Repairy C1": None}
    for text, code in texts.items():
        assert lite.execute(f"SELECT {read} FROM (SELECT ? AS remarks)", (text,)).fetchone() == (code,)
    lite.close()
