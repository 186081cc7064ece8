"""`export` and `import`: an installation goes on on another server, with all that was in flight, and the old one stops."""

from __future__ import annotations

import json
import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sync.machine import SystemClock
from sync.state.lease import acquire
from tests.integration.daemon_process import new_database
from tests.integration.in_flight import address, in_flight, query, until_done
from tests.integration.installation import Installation, installed

pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]

KINDS = ("sqlite", "postgres")


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Installation]:
    """An installation whose shop is a file of its own, so that another server can reach it too."""
    (tmp_path / "old").mkdir()
    with installed(tmp_path / "old") as made:
        made.configure(visible='["done"]', shop_url=f"sqlite:///{made.folder / 'shop.db'}")
        yield made


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    with new_database(request.getfixturevalue("postgres_url")) as url:
        yield url


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "move.zip"


def new_server(old: Installation, folder: Path) -> Installation:
    """A second server that reaches the same shop and the same Repairy; nothing of ours is there but the secrets."""
    folder.mkdir()
    made = Installation(folder)
    made.sandbox, made.office, made.settings = old.sandbox, old.office, dict(old.settings)
    for each in (old.folder / "secrets").iterdir():
        made.secret(each.name, each.read_text())
    return made


@pytest.mark.parametrize(("here", "there"), [("sqlite", "sqlite"), ("sqlite", "postgres"), ("postgres", "sqlite")])
def test_another_server_goes_on_and_the_old_one_stops(
    request: pytest.FixtureRequest, old: Installation, tmp_path: Path, file: Path, here: str, there: str
) -> None:
    """Links, a write of which nobody heard the end, a held booking and a decision about another, between kinds of state.

    Nothing is doubled, the customer gets one message, what was held is held until the person says what, and the old
    installation ends with 78, which no service manager starts again."""
    if here == "postgres":
        old.configure(state=request.getfixturevalue("server"))
    held = in_flight(old)
    bookings, messages = len(old.bookings()), old.messages()
    assert old.run("resolve", held, "--use", "repairy").code == 0
    assert old.run("export", str(file)).code == 0

    new = new_server(old, tmp_path / "new")
    if there == "postgres":  # a configuration that is here is used as it is
        new.settings["state"] = request.getfixturevalue("server")
        new.contract((old.folder / "contract.toml").read_text())
        new.configure()
    elif here == "postgres":
        new.settings["state"] = "sqlite:///state.db"
        new.contract((old.folder / "contract.toml").read_text())
        new.configure()
    assert (moved := new.run("import", str(file))).code == 0, moved.err
    said = until_done(lambda: new.run("sync"))
    assert (said.code, said.json["workshops"][0]["waiting"]) == (0, []), said
    assert (len(new.bookings()), new.messages()) == (bookings, messages)
    assert messages.count("done") == 1
    assert new.booking(2)["status"] == "done"
    assert str(new.row(4)["dropoff"]).startswith("2030-01-08 09:00")
    assert query(new, "SELECT op FROM intent WHERE outcome IS NULL OR outcome = 'unknown'") == []
    writes = new.writes
    assert new.run("sync").json["workshops"][0]["actions"] == []
    for command in ("run", "sync", "backfill"):
        said = old.run(command)
        assert (said.code, "export --undo" in said.err) == (78, True), command
    assert new.writes == writes


def test_the_journal_goes_along(old: Installation, tmp_path: Path, file: Path) -> None:
    """So that a state that is lost there can be rebuilt."""
    old.run("backfill", "--nothing-at-repairy")
    old.run("export", str(file))
    new = new_server(old, tmp_path / "new")
    new.run("import", str(file))
    lines = [json.loads(line) for line in (new.folder / "journal.jsonl").read_text().splitlines()]
    assert lines == [json.loads(line) for line in (old.folder / "journal.jsonl").read_text().splitlines()]
    assert any(line["kind"] == "link" for line in lines)


def test_configuration_contract_and_profiles_are_put_into_place(old: Installation, tmp_path: Path, file: Path) -> None:
    """A profile of the owner's with the one that it extends; a file from elsewhere is named. Secrets stay."""
    (old.folder / "profiles").mkdir()
    (old.folder / "profiles" / "base.toml").write_text('extends = "demo"\n')
    (old.folder / "ours.toml").write_text('extends = "profiles/base.toml"\n')
    old.configure(profile="ours.toml")
    old.run("sync")
    assert old.run("export", str(file)).code == 0
    new = new_server(old, tmp_path / "new")
    said = new.run("import", str(file))
    assert said.code == 0, said.err
    for name in ("repairy-sync.toml", "contract.toml", "ours.toml", "profiles/base.toml"):
        assert (new.folder / name).read_bytes() == (old.folder / name).read_bytes()
    names = zipfile.ZipFile(file).namelist()
    assert not any("secret" in name for name in names)
    held = b"".join(zipfile.ZipFile(file).read(name) for name in names)
    assert not any(each.read_bytes() in held for each in (old.folder / "secrets").iterdir())


def test_the_file_is_for_its_owner_only(old: Installation, file: Path) -> None:
    old.run("sync")
    old.run("export", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_undo_lets_the_old_one_work_again(old: Installation, file: Path) -> None:
    old.run("sync")
    old.run("export", str(file))
    assert old.run("sync").code == 78
    assert old.run("export", "--undo").json == {"back": ["Northside"]}
    assert old.run("sync").code == 0
    assert old.run("export", "--undo").json == {"back": []}


def test_undo_on_postgresql(old: Installation, file: Path, server: str) -> None:
    """There the lease itself is taken for good."""
    old.configure(state=server)
    assert old.run("sync").code == 0
    old.run("export", str(file))
    assert old.run("sync").code == 78
    old.run("export", "--undo")
    assert old.run("sync").code == 0


def test_an_export_that_fails_leaves_all_as_it_was(old: Installation, tmp_path: Path) -> None:
    old.run("sync")
    assert old.run("export", str(tmp_path / "no such folder" / "move.zip")).code == 78
    assert old.run("sync").code == 0


def test_a_running_daemon_keeps_both_from_beginning(old: Installation, tmp_path: Path, file: Path) -> None:
    """Export and import need the lease."""
    old.run("sync")
    with acquire(address(old), "Northside", "run", SystemClock()):
        assert (old.run("export", str(file)).code, file.exists()) == (75, False)
    old.run("export", str(file))
    new = new_server(old, tmp_path / "new")
    with acquire(address(new), "Northside", "run", SystemClock()):
        assert new.run("import", str(file)).code == 75


def test_a_state_that_is_there_is_not_written_over(old: Installation, tmp_path: Path, file: Path) -> None:
    """Neither another one, nor the very one that was exported."""
    old.run("backfill", "--nothing-at-repairy")
    old.run("export", str(file))
    before = query(old, "SELECT * FROM booking_link ORDER BY id")
    said = old.run("import", str(file))
    assert (said.code, "export --undo" in said.err) == (1, True), said
    assert query(old, "SELECT * FROM booking_link ORDER BY id") == before
    assert old.run("sync").code == 78


def rewritten(file: Path, **changes: bytes) -> None:
    """The same zip, these files in it changed, all checksums of the zip itself in order."""
    with zipfile.ZipFile(file) as box:
        files = {name: box.read(name) for name in box.namelist()}
    with zipfile.ZipFile(file, "w") as box:
        for name, content in (files | {name.replace("__", "/"): content for name, content in changes.items()}).items():
            box.writestr(name, content)


def manifest(file: Path, **changes: object) -> bytes:
    return json.dumps({**json.loads(zipfile.ZipFile(file).read("manifest.json")), **changes}).encode()


REFUSED: dict[str, Callable[[Path], object]] = {
    "a row": lambda file: rewritten(file, **{"state/0.jsonl": b"{}"}),
    "a file more": lambda file: rewritten(file, **{"config/../../made-up": b"x"}),
    "a newer schema": lambda file: rewritten(file, **{"manifest.json": manifest(file, schema="9999")}),
    "a newer format": lambda file: rewritten(file, **{"manifest.json": manifest(file, **{"repairy-sync": 2})}),
    "an older schema": lambda file: rewritten(file, **{"manifest.json": manifest(file, schema="0000")}),
    "no manifest": lambda file: rewritten(file, **{"manifest.json": b""}),
    "cut off": lambda file: file.write_bytes(file.read_bytes()[:-100]),
    "a bit": lambda file: file.write_bytes(file.read_bytes()[:200] + b"?" + file.read_bytes()[201:]),
    "not there": lambda file: file.unlink(),
}


@pytest.mark.parametrize("how", REFUSED)
def test_a_file_that_is_not_what_was_written_is_refused(old: Installation, tmp_path: Path, file: Path, how: str) -> None:
    """And nothing is put anywhere."""
    old.run("backfill", "--nothing-at-repairy")
    old.run("export", str(file))
    REFUSED[how](file)
    new = new_server(old, tmp_path / "new")
    said = new.run("import", str(file))
    assert (said.code, str(file) in said.err) == (78, True), said
    assert sorted(path.name for path in new.folder.iterdir()) == ["secrets"]


def test_another_workshops_configuration_is_refused(old: Installation, tmp_path: Path, file: Path) -> None:
    old.run("sync")
    old.run("export", str(file))
    new = new_server(old, tmp_path / "new")
    new.contract("")
    new.configure()
    config = new.folder / "repairy-sync.toml"
    config.write_text(config.read_text().replace('"Northside"', '"Southside"'))
    said = new.run("import", str(file))
    assert (said.code, "Northside" in said.err) == (78, True)
