"""init as an owner runs it: on the demo's shop, on servers, on a terminal. It reads, proposes, and never writes over anything."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import pty
import select
import sqlite3
import subprocess
import sys
import termios
import time
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sync import settings
from sync.cli import main
from sync.core.canonical import view
from sync.demo.shop import ZONE, Office, email, first_day, name, phone, plate
from sync.machine import SystemClock
from sync.ports import Names, Window
from sync.share import CONFIG
from sync.shop import profile as profiles
from sync.shop.store import ShopStore
from tests.integration.installation import Said
from tests.layouts import Layout, demo_database

WITHIN = 30.0  # seconds that a dialogue may take on a busy machine


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The demo's shop in a file."""
    file = tmp_path / "shop.db"
    Office(file, first_day(datetime.now(UTC))).open_shop()
    return file


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for one in ("APP_KEY", "APP_SECRET"):
        monkeypatch.setenv(f"REPAIRY_SYNC_REPAIRY_{one}", "made-up")


def run(*words: str) -> Said:
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(list(words))
        except SystemExit as end:
            code = int(end.code or 0)
    return Said(code, out.getvalue(), err.getvalue())


def init(file: Path, out: Path, *words: str) -> Any:
    """What it says in JSON of the demo's shop."""
    said = run("--json", "init", f"sqlite:///{file}", "--yes", "--timezone", str(ZONE), "--out", str(out), *words)
    assert said.code == 0, said.err
    return said.json


@contextlib.contextmanager
def store(file: Path, profile: Path) -> Iterator[ShopStore]:
    """The shop through a profile that was made."""
    made = ShopStore(f"sqlite:///{file}", profiles.load(profile, CONFIG / "profiles"), ZONE, "w1", SystemClock())
    try:
        yield made
    finally:
        made.close()


def ahead() -> Window:
    """From this morning on, whatever the hour."""
    today = datetime.now(ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    return Window(today, today + timedelta(days=60))


# What it proposes


def test_the_demos_shop_is_seen_whole(shop: Path, tmp_path: Path) -> None:
    """Every booking of today and to come, with all that the demo's own profile reads."""
    init(shop, tmp_path / "made")
    with store(shop, tmp_path / "made" / "our-shop.toml") as made, store(shop, CONFIG / "profiles" / "demo.toml") as own:
        assert made.verify() == []
        seen = {row.key: view(row.fields) for row in made.window(ahead()).rows}
        assert len(seen) >= 40
        assert seen == {row.key: view(row.fields) for row in own.window(ahead()).rows}


def test_the_demos_statuses_are_proposed_by_their_words(shop: Path, tmp_path: Path) -> None:
    """Also those that stand in the list and on no booking; nothing is proposed to be written twice over."""
    found = init(shop, tmp_path / "made")
    assert {one["stored"]: one["means"] for one in found["statuses"]} == {
        "Booked in": "pending", "On hoist": "processing", "Waiting for parts": "processing", "Ready": "done",
        "Collected": "done", "Cancelled": "cancelled", "No show": "ignore",
    }  # fmt: skip
    written = tomllib.loads((tmp_path / "made" / "our-shop.toml").read_text())["status"]["write"]
    assert written == {"pending": "Booked in", "processing": "On hoist", "done": "Ready", "cancelled": "Cancelled"}


def test_what_is_proposed_can_write(shop: Path, tmp_path: Path) -> None:
    """A status, a time, notes, a link, and a new booking for a customer who is known by phone."""
    init(shop, tmp_path / "made")
    names = Names("r1", "64a1b2c3d4e5f60718293a4b", "CODE1")
    with store(shop, tmp_path / "made" / "our-shop.toml") as made:
        before = made.read(["1"])["1"].fields
        start = "2027-03-05T22:00:00Z"
        wanted = {"status": "processing", "starts_at": start, "ends_at": "2027-03-06T00:00:00Z", "job_notes": "by the wizard"}
        assert wanted.items() <= dict(made.change("1", before, wanted, names).fields).items()
        assert made.link("1", names).ref == names.repairy_id
        booked = {
            "starts_at": start, "ends_at": None, "rego": plate(1), "name": name(1), "phone": phone(1), "email": email(1),
            "service_category": "tyres", "description": "Four tyres", "job_notes": None,
        }  # fmt: skip
        created = made.create(booked, Names("r2", "64a1b2c3d4e5f60718293a4c", "CODE2"))
        assert (created.fields["status"], created.fields["rego"]) == ("pending", plate(1))
    with contextlib.closing(sqlite3.connect(shop)) as rows:
        assert rows.execute("SELECT count(*) FROM customers WHERE phone = ?", (phone(1),)).fetchone() == (1,)


def test_the_tables_that_it_considered_are_said(shop: Path, tmp_path: Path) -> None:
    found = init(shop, tmp_path / "made")
    assert found["table"] == "bookings"
    assert found["candidates"][0]["rows"] == 48
    assert "# bookings: 48 rows, dropoff up to" in (tmp_path / "made" / "our-shop.toml").read_text()


# What it leaves behind


def test_how_far_it_is_goes_to_stderr_in_one_line(shop: Path, tmp_path: Path) -> None:
    said = run("init", f"sqlite:///{shop}", "--yes", "--out", str(tmp_path / "made"))
    assert "4 tables looked at" in said.err
    assert "looked at" not in said.out


def test_the_files_load_and_check_is_content(shop: Path, tmp_path: Path, secrets: None) -> None:
    init(shop, tmp_path / "made", "--name", "Northside")
    said = run("--json", "--config", str(tmp_path / "made" / "repairy-sync.toml"), "check", "--offline")
    assert said.code == 0, said.out + said.err


def test_the_configuration_observes_and_names_the_shop(shop: Path, tmp_path: Path) -> None:
    init(shop, tmp_path / "made", "--name", "Northside")
    made = settings.load(tmp_path / "made" / "repairy-sync.toml", need_secrets=False)
    (workshop,) = made.workshops
    assert (made.mode, workshop.name, workshop.timezone, made.safety.visible) == ("observe", "Northside", str(ZONE), [])
    assert Path(str(made.shop_database(workshop).database)) == shop
    assert made.secrets.web_token is not None


def test_it_says_which_tables_are_read_and_written(shop: Path, tmp_path: Path) -> None:
    init(shop, tmp_path / "made")
    written = (tmp_path / "made" / "our-shop.toml").read_text()
    assert "# It reads bookings, statuses, vehicles, customers; it would write bookings, customers, vehicles.\n" in written


def test_a_password_that_a_file_has_no_use_for(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another workshop's shop_password may stand in the environment."""
    monkeypatch.setenv("REPAIRY_SYNC_SHOP_PASSWORD", "made-up")
    assert init(shop, tmp_path / "made")["table"] == "bookings"


def test_two_installations_have_prefixes_of_their_own(shop: Path, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        init(shop, tmp_path / folder, "--name", "Northside")
    made = [settings.load(tmp_path / folder / "repairy-sync.toml", need_secrets=False).workshops[0] for folder in ("one", "two")]
    assert made[0].reference_prefix != made[1].reference_prefix
    assert all(one.reference_prefix.startswith("NO") and len(one.reference_prefix) == 7 for one in made)


def test_secrets_are_the_owners_alone(shop: Path, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        init(shop, tmp_path / "made")
    finally:
        os.umask(before)
    folder = tmp_path / "made" / "secrets"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [(file.name, file.stat().st_mode & 0o777) for file in folder.iterdir()] == [("web_token", 0o600)]


def test_it_never_writes_over_a_file(shop: Path, tmp_path: Path) -> None:
    init(shop, tmp_path / "made")
    before = {file: file.read_bytes() for file in (tmp_path / "made").rglob("*") if file.is_file()}
    said = run("init", f"sqlite:///{shop}", "--yes", "--out", str(tmp_path / "made"))
    assert said.code == 1
    assert "our-shop.toml and" in said.err
    assert "never writes over" in said.err
    assert {file: file.read_bytes() for file in (tmp_path / "made").rglob("*") if file.is_file()} == before


def test_print_writes_nothing(shop: Path, tmp_path: Path) -> None:
    said = run("init", f"sqlite:///{shop}", "--yes", "--print", "--out", str(tmp_path / "made"))
    assert said.code == 0
    assert "[booking]" in said.out
    assert "reference_prefix" in said.out
    assert sorted(file.name for file in tmp_path.iterdir()) == ["shop.db"]


def test_the_shop_is_only_read(shop: Path, tmp_path: Path) -> None:
    """Not a byte of its file changes; it may even be read-only."""
    before = hashlib.sha256(shop.read_bytes()).digest()
    shop.chmod(0o400)
    init(shop, tmp_path / "made")
    assert hashlib.sha256(shop.read_bytes()).digest() == before


# Servers


@pytest.mark.parametrize("engine", ["postgres", "maria"])
def test_a_server_with_the_password_kept_apart(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """The demo layout on a server: seen whole, and the password stands in its own file only."""
    layout: Layout = request.getfixturevalue(engine)
    _fill(layout)
    url = sa.make_url(layout.url)
    given = url if url.password else url.set(password="not-asked-for")
    address = given.render_as_string(hide_password=False)
    if engine == "postgres":  # where its drivers take it too
        bare = given._replace(password=None).update_query_dict({"password": str(given.password)})
        address = bare.render_as_string(hide_password=False)
    said = run("--json", "init", address, "--yes", "--timezone", str(ZONE), "--out", str(tmp_path / "made"))
    assert said.code == 0, said.err
    assert said.json["table"] == "bookings"
    assert {"key", "status", "starts_at", "ends_at", "rego", "phone", "name", "email"} <= said.json["columns"].keys()
    assert not [line for line in said.json["unsure"] if line.startswith(("booking.", "write.", "dialects"))]
    assert "[[write.create]]\nset" in (tmp_path / "made" / "our-shop.toml").read_text()
    assert (tmp_path / "made" / "secrets" / "shop_password").read_text() == f"{given.password}\n"
    for file in ("our-shop.toml", "repairy-sync.toml"):
        written = (tmp_path / "made" / file).read_text()
        assert f":{given.password}@" not in written
        assert f"password={given.password}" not in written


def _fill(layout: Layout) -> None:
    metadata = demo_database(layout.engine)
    tables = metadata.tables
    today = datetime.now(ZONE).replace(hour=9, minute=0, second=0, microsecond=0, tzinfo=None)
    numbers = range(1, 41)
    with layout.engine.begin() as connection:
        people = [{"id": n, "name": name(n), "phone": phone(n), "email": email(n)} for n in numbers]
        connection.execute(tables["customers"].insert(), people)
        cars = [{"id": n, "customer_id": n, "plate": plate(n), "make": "Toyota"} for n in numbers]
        connection.execute(tables["vehicles"].insert(), cars)
        bookings = [
            {
                "customer_id": n, "vehicle_id": n, "status_id": 1 + n % 4, "kind": "job", "work": "Logbook service", "in_use": 0,
                "dropoff": today + timedelta(days=n - 20), "pickup": today + timedelta(days=n - 20, hours=2),
            }
            for n in numbers
        ]  # fmt: skip
        connection.execute(tables["bookings"].insert(), bookings)


# When it cannot


def test_without_a_terminal_it_says_what_to_do(shop: Path, tmp_path: Path) -> None:
    said = run("init", f"sqlite:///{shop}", "--out", str(tmp_path / "made"))
    assert said.code == 2
    assert "--yes" in said.err
    assert not (tmp_path / "made").exists()


def test_no_table_looks_like_bookings(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "empty.db")) as file:
        file.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, word TEXT)")
    said = run("init", f"sqlite:///{tmp_path}/empty.db", "--yes", "--out", str(tmp_path / "made"))
    assert said.code == 1
    assert "none of the 1 tables looks like bookings" in said.err
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("url", "code"),
    [("sqlite:///not-there.db", 75), ("postgresql+psycopg://nobody@127.0.0.1:1/shop", 75), ("not an address", 2)],
)
def test_what_cannot_be_opened_is_said_in_one_line(url: str, code: int, tmp_path: Path) -> None:
    said = run("init", url, "--yes", "--out", str(tmp_path / "made"))
    assert said.code == code
    assert "Traceback" not in said.err
    assert not (tmp_path / "made").exists()


def test_a_zone_that_is_none(shop: Path, tmp_path: Path) -> None:
    said = run("init", f"sqlite:///{shop}", "--yes", "--timezone", "Melbourne", "--out", str(tmp_path / "made"))
    assert said.code == 2
    assert "Australia/Melbourne" in said.err


# On a terminal


class Terminal:
    """A program on a pseudo-terminal, and what it has shown."""

    def __init__(self, *words: str, term: str = "dumb") -> None:
        self.side, other = pty.openpty()
        program = [sys.executable, "-m", "sync", *words]
        environ = os.environ | {"TERM": term, "COLUMNS": "200", "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            program, stdin=other, stdout=subprocess.PIPE, stderr=other, env=environ, start_new_session=True
        )
        os.close(other)
        self.shown = ""
        self._read = 0

    def wait(self, *questions: str, hidden: bool = False) -> str:
        """Until one of these is asked, which is returned; for a hidden answer until the terminal echoes no more."""
        end = time.monotonic() + WITHIN
        while not (found := [one for one in questions if one in self.shown[self._read :]]) or hidden == self._echoes():
            assert time.monotonic() < end, f"{questions} was not asked:\n{self.shown}"
            if select.select([self.side], [], [], 0.1)[0]:
                self.shown += os.read(self.side, 65536).decode(errors="replace")
        return found[0]

    def answer(self, question: str, text: str, *, hidden: bool = False) -> None:
        """Wait for the question, then type."""
        self.wait(question, hidden=hidden)
        self._read = self.shown.index(question, self._read) + len(question)
        os.write(self.side, f"{text}\n".encode())

    def _echoes(self) -> bool:
        return bool(termios.tcgetattr(self.side)[3] & termios.ECHO)

    def over(self) -> str:
        """What stood on stdout when it ended well."""
        out, _ = self.process.communicate(timeout=WITHIN)
        os.close(self.side)
        assert self.process.returncode == 0, self.shown
        return out.decode()


def test_how_far_it_is_is_a_bar_on_a_terminal(shop: Path) -> None:
    terminal = Terminal("init", f"sqlite:///{shop}", "--yes", "--print", term="xterm")
    assert terminal.wait("looking at the tables")
    terminal.over()


def test_the_questions_on_a_terminal(shop: Path, tmp_path: Path) -> None:
    """Table, statuses, messages, page, Repairy's facts: what is answered stands in the files; a wrong answer is asked again."""
    terminal = Terminal("init", f"sqlite:///{shop}", "--out", str(tmp_path / "made"))
    terminal.answer("call this workshop?", "Northside")
    terminal.answer("time zone?", "Melbourne")
    terminal.answer("No such time zone", "Australia/Melbourne")
    terminal.answer("Which one holds the bookings?", "")
    terminal.answer('"Booked in" (40 rows)', "booked")
    terminal.answer("one of pending", "pending")
    for word, means in (("Collected", ""), ("No show", "cancelled"), ("Ready", ""), ("Cancelled", ""),
                        ("Waiting for parts", "later"), ("On hoist", "")):  # fmt: skip
        terminal.answer(f'"{word}" (', means)
    for kind in ("created", "moved", "updated"):
        terminal.answer(f"({kind})?", "n")
    terminal.answer("(done)?", "y")
    terminal.answer("(cancelled)?", "n")
    if terminal.wait("status page", "Address of the Partner API") == "status page":  # only where there is a network
        terminal.answer("status page", "n")
    terminal.answer("Address of the Partner API", "https://partner.example.com")
    terminal.answer("Partner ID", "partner-1")
    terminal.answer("workshop id", "64a1b2c3d4e5f60718293a4b")
    terminal.answer("app key", "typed-key", hidden=True)
    terminal.answer("app secret", "typed-secret", hidden=True)
    said = terminal.over()
    made = settings.load(tmp_path / "made" / "repairy-sync.toml")
    profile = profiles.load(tmp_path / "made" / "our-shop.toml", CONFIG / "profiles")
    assert "made " in said
    assert made.safety.visible == ["done"]
    assert (made.repairy.base_url, made.workshops[0].name) == ("https://partner.example.com", "Northside")
    assert made.secrets.app_key.get_secret_value() == "typed-key"
    assert (profile.words["no show"], "waiting for parts" in profile.words) == ("cancelled", False)
    assert "typed-key" not in terminal.shown
    assert sum(plate(number) in terminal.shown for number in range(1, 60)) > 5, "the sample"
