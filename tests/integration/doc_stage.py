"""What the pages under docs/ are run on: a temporary installation that stands in for the reader's server, and the situations
that a page talks about. A scene is named in the block that it comes before.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sync.cli import main
from sync.demo.shop import ZONE
from sync.sandbox.partner import PARTNER_ID
from tests.integration.doc_pages import Block, Command, blocks
from tests.integration.installation import WORKSHOP, Installation, opened

BIN = Path(sys.executable).parent


@dataclass
class Stage:
    """`etc` is where the reader is: /etc/repairy-sync of the page, and /var/lib/repairy-sync as well."""

    home: Installation
    etc: Path

    def run(self, words: list[str]) -> tuple[int, str]:
        """One command of ours in this process: exit code, and all that was said."""
        said, code = io.StringIO(), 0
        with contextlib.chdir(self.etc), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            try:
                main(words)
            except SystemExit as end:
                code = int(end.code or 0)
        return code, said.getvalue()

    def shell(self, line: str) -> tuple[int, str]:
        """Another program's command, or one of ours in a pipe."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("REPAIRY_SYNC_", "PYTHON"))}
        environ = kept | {"PATH": f"{BIN}:{os.environ['PATH']}", "COLUMNS": "200"}
        done = subprocess.run(
            ["bash", "-c", line], cwd=self.etc, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False, timeout=60,
        )  # fmt: skip
        return done.returncode, done.stdout

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """Of the shop's file."""
        with contextlib.closing(sqlite3.connect(self.home.folder / "shop.db")) as shop:
            return shop.execute(sql).fetchall()

    def here(self, text: str) -> str:
        """The page's places, as they are on this stage."""
        for there, place in self.places.items():
            text = text.replace(there, place)
        return re.sub(r"\b(DIGEST|ENTRY)\b", lambda found: PLACEHOLDERS[found[1]](self), text)

    @property
    def places(self) -> Mapping[str, str]:
        return {
            "/etc/repairy-sync": str(self.etc),
            "/var/lib/repairy-sync": str(self.etc),
            "mariadb+pymysql://bridge@localhost/shop": f"sqlite:///{self.home.folder / 'shop.db'}",
        }


# -- words in capitals that a page leaves to the reader


def _digest(stage: Stage) -> str:
    """Of the held plan; else of what a rebuild would do."""
    held = stage.home.run("held")
    plans = held.json["plans"] if held.out else []
    return str(plans[0]["digest"] if plans else stage.home.run("rebuild").json["workshops"][0]["digest"])


def _entry(stage: Stage) -> str:
    """The last write to Repairy of the booking that these pages talk about."""
    journal = stage.home.run("show", "NS-12").json["journal"]
    return str([one["op"] for one in journal if one["side"] == "repairy" and one["kind"] == "change"][-1])


PLACEHOLDERS: Mapping[str, Callable[[Stage], str]] = {"DIGEST": _digest, "ENTRY": _entry}


# -- how a page begins


def _described(stage: Stage, page: Path) -> None:
    """The tables and the profile that the page itself states."""
    day = (stage.home.office.at(2, 9)).date()
    texts = {language: "\n".join(one.text for one in blocks(page) if one.language == language) for language in ("sql", "toml")}
    shop = stage.home.folder / "shop.db"
    shop.unlink()
    with contextlib.closing(sqlite3.connect(shop)) as made:
        made.executescript(texts["sql"].replace("2026-12-01", day.isoformat()))
    (stage.home.folder / "our-shop.toml").write_text(texts["toml"], encoding="utf-8")
    stage.home.configure(profile="our-shop.toml", visible='["moved"]')


def _small(stage: Stage) -> None:
    """A dozen bookings, linked."""
    with contextlib.closing(sqlite3.connect(stage.home.folder / "shop.db")) as shop, shop:
        shop.execute("DELETE FROM bookings WHERE id > 12 AND id <= 40")
    stage.home.configure(shop_url=f"sqlite:///{stage.home.folder / 'shop.db'}")
    assert stage.home.run("backfill", "--nothing-at-repairy").code == 0


@contextlib.contextmanager
def staged(page: Path, folder: Path) -> Iterator[Stage]:
    """Ready for the page's first command."""
    home = Installation(folder)
    home.office.open_shop()
    with opened(home):
        stage = Stage(home, folder)
        if page.stem == "describe-your-shop":
            _described(stage, page)
        elif page.stem == "install":
            stage.etc = folder / "etc"
            stage.etc.mkdir()
        else:
            _small(stage)
        yield stage


# -- scenes


def booked_online(stage: Stage) -> None:
    stage.home.tell(stage.home.book_online(55, stage.home.office.at(3, 9)))


def _edited_online(stage: Stage, action: str, **fields: str) -> None:
    """The customer's own act upon the booking that came online."""
    (booking,) = [str(one["id"]) for one in stage.home.bookings() if one["car"]["rego"] == "AAA055"]
    with stage.home.sandbox.lock:
        stage.home.sandbox.partner.edit(booking, **fields)
    stage.home.tell(booking, action)


def moved_online(stage: Stage) -> None:
    later = stage.home.office.at(3, 15).replace(tzinfo=ZONE).astimezone(UTC)
    _edited_online(stage, "bookingUpdated", bookingTime=f"{later:%Y-%m-%dT%H:%M:%SZ}", jobNotes="Key in the box")


def moved_in_the_described_shop(stage: Stage) -> None:
    with contextlib.closing(sqlite3.connect(stage.home.folder / "shop.db")) as shop, shop:
        now = datetime.now(ZONE).replace(tzinfo=None).isoformat(" ", "seconds")
        shop.execute("UPDATE job SET clock = '11:00', touched = ? WHERE id = 1", (now,))


def initialised(stage: Stage) -> None:
    """What the dialogue of `init` leaves when all was answered."""
    shop = stage.places["mariadb+pymysql://bridge@localhost/shop"]
    code, said = stage.run(["init", shop, "--out", str(stage.etc), "--yes", "--name", "Northside", "--timezone", str(ZONE)])
    assert code == 0, said
    facts = {"base_url": stage.home.sandbox.base_url, "partner_id": PARTNER_ID, "id": WORKSHOP, "contract": "../contract.toml"}
    edited(stage, **facts)
    for one in (stage.home.folder / "secrets").iterdir():
        shutil.copy(one, stage.etc / "secrets")


def edited(stage: Stage, **options: str) -> None:
    """These options, as an owner's editor leaves them."""
    file = stage.etc / "repairy-sync.toml"
    text = file.read_text(encoding="utf-8")
    for key, value in options.items():
        text = re.sub(rf'(?m)^{key} = "[^"]*"', f'{key} = "{value}"', text)
    file.write_text(text, encoding="utf-8")


def known_ids(stage: Stage) -> None:
    ids = "".join(f"{one['id']}\n" for one in stage.home.bookings())
    (stage.etc / "known.csv").write_text("repairy_id\n" + ids, encoding="utf-8")


def both_moved(stage: Stage) -> None:
    """The office and the customer move booking 12, each another way."""
    home = stage.home
    home.office.move(12, home.office.at(3, 8))
    booking = home.id_of(12)
    with home.sandbox.lock:
        home.sandbox.partner.edit(booking, bookingTime=f"{home.office.at(4, 0).date()}T00:00:00Z")
    home.tell(booking, "bookingUpdated")
    home.run("sync")


def many_noted(stage: Stage) -> None:
    """More edits than these numbers let through."""
    stage.home.configure(safety="max_count = 3\nmin_count = 3")
    for number in range(3, 9):
        stage.home.office.note(number, "Ring before noon")


def finished(stage: Stage) -> None:
    stage.home.configure(visible='["done"]')
    stage.home.run("sync")
    stage.home.office.status(2, "Ready")
    said = stage.home.run("sync")
    assert stage.home.booking(2)["status"] == "done", said


def lost(stage: Stage) -> None:
    for one in stage.etc.glob("state.db*"):
        one.unlink()


def new_server(stage: Stage) -> None:
    """Exported again, since the page took it back; the file is brought to a server that has nothing of ours."""
    old, folder = stage.home, stage.etc / "new"
    (stage.etc / "move.zip").unlink()
    said = old.run("export", str(stage.etc / "move.zip"))
    assert said.code == 0, said
    folder.mkdir()
    shutil.copy(stage.etc / "move.zip", folder)
    stage.home, stage.etc = Installation(folder), folder
    stage.home.sandbox, stage.home.office, stage.home.settings = old.sandbox, old.office, old.settings


def secrets_in_place(stage: Stage) -> None:
    for one in (stage.etc.parent / "secrets").iterdir():
        stage.home.secret(one.name, one.read_text(encoding="utf-8"))


def second_booking(stage: Stage) -> None:
    """Booking 3's customer books the same car online for the same day."""
    day = stage.home.office.at(0, 15)
    stage.home.tell(stage.home.book_online(3, day))
    stage.home.run("sync")


def _shop(stage: Stage, sql: str) -> None:
    with contextlib.closing(sqlite3.connect(stage.home.folder / "shop.db")) as shop, shop:
        shop.executescript(sql)


def new_word(stage: Stage) -> None:
    """What the page held before is decided; the shop's program calls collected cars otherwise."""
    (held,) = stage.home.run("held").json["held"]
    stage.home.run("resolve", held["id"], "--skip")
    stage.home.run("sync")
    _shop(stage, "UPDATE statuses SET label = 'Car wash' WHERE label = 'Collected'")


def shop_away(stage: Stage) -> None:
    stage.home.configure(shop_url="sqlite:///unplugged/shop.db")


def upgraded(stage: Stage) -> None:
    """The shop is back, and its program added a column."""
    _here(stage)
    _shop(stage, "ALTER TABLE bookings ADD COLUMN colour TEXT")


def _here(stage: Stage) -> None:
    stage.home.configure(shop_url=f"sqlite:///{stage.home.folder / 'shop.db'}", safety="")


SCENES: Mapping[str, Callable[[Stage], None]] = {
    "a-customer-books-online": booked_online,
    "the-customer-moves-it": moved_online,
    "the-customer-cancels": lambda stage: _edited_online(stage, "bookingCancelled", status="cancelled"),
    "the-shop-moves-a-job": moved_in_the_described_shop,
    "initialised": initialised,
    "two-way": lambda stage: edited(stage, mode="two-way"),
    "known": known_ids,
    "both-moved": both_moved,
    "many-noted": many_noted,
    "finished": finished,
    "lost": lost,
    "second-booking": second_booking,
    "new-word": new_word,
    "word-known": lambda stage: _shop(stage, "UPDATE statuses SET label = 'Collected' WHERE label = 'Car wash'"),
    "typo": lambda stage: stage.home.configure(safety='setle = "5m"'),
    "no-typo": _here,
    "shop-away": shop_away,
    "upgraded": upgraded,
    "new-server": new_server,
    "secrets-in-place": secrets_in_place,
}


def scene(stage: Stage, block: Block) -> None:
    if name := block.marks.get("scene"):
        SCENES[name](stage)


# -- what a command is said to print


def flat(text: str) -> str:
    """Without a table's lines, and with one blank between words."""
    return " ".join(re.sub(r"[┃│━╇┡┩╀─┼]", " ", text).split())


def prints(command: Command, stage: Stage, said: str) -> list[str]:
    """The lines shown on the page that are not there; an ellipsis stands for anything."""
    text = flat(said)
    return [
        line
        for line in command.shown
        if not re.search(".*?".join(re.escape(flat(stage.here(part))) for part in line.split("…")), text, re.IGNORECASE)
    ]
