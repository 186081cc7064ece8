"""A whole installation in a folder: the sandbox on a socket, the demo's shop in a file, a configuration, the commands.

The commands run in this process through the entry point that the installed program has; what they print is read back.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sync.cli import main
from sync.demo.shop import ZONE, Office, email, first_day, name, phone, plate
from sync.machine import SystemClock
from sync.ports import Event
from sync.repairy.contract import load
from sync.sandbox.partner import APP_KEY, APP_SECRET, PARTNER_ID, WORKSHOPS
from sync.sandbox.server import Sandbox
from sync.state.store import StateStore

WORKSHOP = next(iter(WORKSHOPS))
WRITES = ("create", "update", "set_status")
CONFIG = """
mode = "{mode}"
secrets_dir = "secrets"
[repairy]
base_url = "{api}"
partner_id = "{partner}"
contract = "contract.toml"
timeout = "1s"
quarantine = "2s"
requests_per_second = 500
[state]
url = "{state}"
[safety]
visible = {visible}
settle = "0s"
{safety}
[[workshops]]
id = "{workshop}"
name = "Northside"
timezone = "{timezone}"
shop_url = "{shop_url}"
profile = "{profile}"
reference_prefix = "NS-"
{policy}
"""


@dataclass(frozen=True)
class Said:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Installation:
    """Made by `installed`; `settings` are laid into the configuration with `configure`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sandbox = Sandbox(load())
        self.office = Office(folder / "shop.db", first_day(datetime.now(UTC)))
        self.settings = {
            "mode": "two-way", "visible": "[]", "safety": "", "policy": "", "profile": "demo", "state": "sqlite:///state.db",
            "shop_url": "sqlite:///shop.db", "timezone": str(ZONE),
        }  # fmt: skip

    def configure(self, **changes: str) -> None:
        self.settings |= changes
        facts = {"api": self.sandbox.base_url, "partner": PARTNER_ID, "workshop": WORKSHOP, **self.settings}
        (self.folder / "repairy-sync.toml").write_text(CONFIG.format(**facts), encoding="utf-8")

    def contract(self, text: str) -> None:
        (self.folder / "contract.toml").write_text(text, encoding="utf-8")

    def secret(self, name: str, value: str) -> None:
        folder = self.folder / "secrets"
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(value, encoding="utf-8")

    def run(self, *words: str, json: bool = True) -> Said:
        """One command."""
        out, err, code = io.StringIO(), io.StringIO(), 0
        argv = ["--config", str(self.folder / "repairy-sync.toml"), *(["--json"] if json else []), *words]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main(argv)
            except SystemExit as end:
                code = int(end.code or 0)
        return Said(code, out.getvalue(), err.getvalue())

    # what both sides hold, read directly

    def calls(self, *operations: str) -> int:
        """Calls that the sandbox's own ledger shows, of these operations."""
        with self.sandbox.lock:
            return sum(call.operation in operations for call in self.sandbox.partner.calls)

    @property
    def writes(self) -> int:
        return self.calls(*WRITES)

    def messages(self) -> list[str]:
        with self.sandbox.lock:
            return [message.kind for message in self.sandbox.partner.messages]

    def bookings(self) -> list[dict[str, Any]]:
        with self.sandbox.lock:
            return [dict(booking) for booking in self.sandbox.partner.bookings.values()]

    def id_of(self, number: int) -> str:
        """Repairy's id of the booking with that plate."""
        return str(self.booking(number)["id"])

    def booking(self, number: int) -> dict[str, Any]:
        (found,) = [one for one in self.bookings() if one["car"]["rego"] == plate(number)]
        return found

    def row(self, number: int) -> dict[str, Any]:
        (found,) = [one for one in self.office.rows() if one["plate"] == plate(number)]
        return found

    def shop_digest(self) -> str:
        """Of everything that stands in the shop's file."""
        with contextlib.closing(sqlite3.connect(self.folder / "shop.db")) as shop:
            return hashlib.sha256("\n".join(shop.iterdump()).encode()).hexdigest()

    def book_online(self, number: int, start: datetime, **fields: Any) -> str:
        """A customer's own act at Repairy; the booking's id. `start` is on the shop's wall."""
        booked = {
            "starts_at": start.replace(tzinfo=ZONE).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "service_category": "service",
            "rego": plate(number),
            "first_name": "Customer",
            "last_name": name(number).split()[-1],
            "phone": phone(number),
            "email": email(number),
        }
        with self.sandbox.lock:
            return self.sandbox.partner.book(WORKSHOP, booked | fields)

    def tell(self, booking_id: str, action: str = "bookingCreate") -> None:
        """What a verified webhook leaves in the state."""
        store = StateStore(f"sqlite:///{self.folder / 'state.db'}", SystemClock())
        moment = datetime.now(UTC)
        store.add_event(Event(f"{booking_id}{action}{moment.timestamp()}", action, booking_id, WORKSHOP, moment), "Northside")
        store.close()


@contextlib.contextmanager
def installed(folder: Path) -> Iterator[Installation]:
    """Ready for `configure`d commands, in mode two-way, nothing visible allowed, the create's silence confirmed."""
    made = Installation(folder)
    made.office.open_shop()
    with opened(made):
        yield made


@contextlib.contextmanager
def opened(made: Installation) -> Iterator[None]:
    """The same over whatever shop its `settings` name."""
    made.sandbox.start()
    try:
        made.secret("repairy_app_key", APP_KEY)
        made.secret("repairy_app_secret", APP_SECRET)
        made.contract('confirmed = ["silence.create", "visible.create"]\n')
        made.configure()
        yield
    finally:
        made.sandbox.stop()
