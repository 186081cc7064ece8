"""What the play needs: a folder, the sandbox on a socket, the shop's file, and the real daemon as a process between them.

RULE: the program under trial is only ever started, asked and ended from outside, as its owner would. Nothing is played here.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

import sync
from sync.demo import compare, shop
from sync.repairy.contract import load
from sync.sandbox.partner import APP_KEY, APP_SECRET, PARTNER_ID, WEBHOOK_SECRET, WORKSHOPS
from sync.sandbox.server import Sandbox

WORKSHOP = next(iter(WORKSHOPS))
WEB_TOKEN = "demo-token-for-this-folder"
SECRETS = {
    "repairy_app_key": APP_KEY, "repairy_app_secret": APP_SECRET,
    "repairy_webhook_secret": WEBHOOK_SECRET, "web_token": WEB_TOKEN,
}  # fmt: skip
CONTRACT = """
# As if Repairy Support had answered: a create with skipNotification is silent. Bookings are created in bulk only then.
confirmed = ["silence.create", "visible.create"]
"""
CONFIG = """
mode = "two-way"
secrets_dir = "secrets"

[repairy]
base_url = "{api}"
partner_id = "{partner}"
contract = "contract.toml"
timeout = "2s"
quarantine = "4s"
requests_per_second = 50

[state]
url = "sqlite:///state.db"

[schedule]
shop = "500ms"
repairy = "1s"

[safety]
visible = ["moved", "done", "cancelled"]
settle = "1s"

[web]
listen = "127.0.0.1:{web}"

[webhooks]
listen = "127.0.0.1:{hooks}"
public_url = "{hook_url}"

[[workshops]]
id = "{workshop}"
name = "Northside"
timezone = "Australia/Melbourne"
shop_url = "sqlite:///shop.db"
profile = "demo"
reference_prefix = "{prefix}"
"""
READY_SECONDS = 20.0
COMMAND_SECONDS = 30.0
TAIL = 25
_NEVER_GIVEN = range(20_000, 32_000)  # below those that systems give to connections


class Broken(Exception):
    """The play cannot go on; the message says what was waited for and what the program said last."""


class Stage:
    """Set up by `with`; ends every process that it started and, unless `keep`, removes its folder."""

    def __init__(self, keep: bool) -> None:
        self.keep = keep
        self.folder = Path(tempfile.mkdtemp(prefix="repairy-sync-demo-"))
        self.config, self.log = self.folder / "repairy-sync.toml", self.folder / "daemon.log"
        self.office = shop.Office(self.folder / "shop.db", shop.first_day(datetime.now(UTC)))
        self.web, hooks = free_ports(2)
        self.hook_url = f"http://127.0.0.1:{hooks}/webhooks/repairy"
        self.sandbox = Sandbox(load(), webhook_url=self.hook_url)
        self.daemon: subprocess.Popen[bytes] | None = None
        self._client = httpx.Client(trust_env=False, timeout=10)
        self._hooks = hooks
        self._begun: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Stage:
        try:
            self.office.open_shop()
            self.sandbox.start()
            self._write_files()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        with ExitStack() as undo:
            if not self.keep:
                undo.callback(shutil.rmtree, self.folder, ignore_errors=True)
            undo.callback(self._client.close)
            undo.callback(self.sandbox.stop)
            undo.callback(self.stop)

    def _write_files(self) -> None:
        secrets = self.folder / "secrets"
        secrets.mkdir(mode=0o700)
        for name, value in SECRETS.items():
            file = secrets / name
            file.touch(mode=0o600)
            file.write_text(value, encoding="utf-8")
        (self.folder / "contract.toml").write_text(CONTRACT, encoding="utf-8")
        facts = {"api": self.sandbox.base_url, "partner": PARTNER_ID, "web": self.web, "hooks": self._hooks,
                 "hook_url": self.hook_url, "workshop": WORKSHOP, "prefix": compare.PREFIX}  # fmt: skip
        self.config.write_text(CONFIG.format(**facts), encoding="utf-8")

    # The program under trial

    def command(self, *words: str) -> str:
        """Run one of its commands to the end; its stdout. Raises Broken where it failed (3, something is held, is no failure)."""
        done = subprocess.run(  # noqa: S603 (our own program)
            self._line(*words), env=_environment(), cwd=self.folder, capture_output=True, text=True, timeout=COMMAND_SECONDS,
            check=False,
        )  # fmt: skip
        if done.returncode not in (0, 3):
            raise Broken(f"`repairy-sync {' '.join(words)}` ended with {done.returncode}:\n{_tail(done.stderr or done.stdout)}")
        return done.stdout

    def begin(self, *words: str) -> subprocess.Popen[bytes]:
        """Start one of its commands; what it says goes to the daemon's log."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 (our own program)
                self._line(*words), env=_environment(), cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._begun.append(process)
        return process

    def start(self) -> float:
        """The daemon; returns the seconds until it said that it is ready. Raises Broken with the end of its log."""
        began, self.daemon = time.monotonic(), self.begin("run")
        while not self._is_ready():
            if self.ended():
                raise Broken(f"the daemon ended with exit code {self.daemon.returncode}:\n{self.said()}")
            if time.monotonic() > began + READY_SECONDS:
                raise Broken(f"the daemon was not ready after {READY_SECONDS:.0f} s:\n{self.said()}")
            time.sleep(0.05)
        return time.monotonic() - began

    def ended(self) -> bool:
        """Whether the daemon ended though nobody asked it to."""
        return self.daemon is not None and self.daemon.poll() is not None

    def kill(self) -> None:
        """As a power cut would."""
        if self.daemon:
            self.daemon.kill()
            self.daemon.wait()

    def stop(self) -> None:
        """End what was started, as systemd would; what does not end is killed."""
        for process in [each for each in self._begun if each.poll() is None]:
            process.terminate()
            try:
                process.wait(COMMAND_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def said(self) -> str:
        """The end of the daemon's log."""
        return _tail(self.log.read_text(encoding="utf-8", errors="replace")) if self.log.exists() else ""

    def _line(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "sync", "--config", str(self.config), *words]

    def _is_ready(self) -> bool:
        with suppress(httpx.HTTPError):
            return self._client.get(f"http://127.0.0.1:{self.web}/readyz").status_code == 200
        return False

    # The two sides, as they are

    def ask(self, path: str) -> Any:
        """What the sandbox shows beside the API."""
        return self._client.get(self.sandbox.base_url + path).raise_for_status().json()

    def tell(self, path: str, body: object) -> Any:
        """What a customer's browser, Repairy's staff or a fault switch sends."""
        return self._client.post(self.sandbox.base_url + path, content=json.dumps(body)).raise_for_status().json()

    def sides(self) -> compare.Sides:
        """Both sides read directly; Repairy's even while its socket is closed."""
        with self.sandbox.lock:
            bookings = json.loads(json.dumps(list(self.sandbox.partner.bookings.values())))
        return compare.shop_side(self.office.rows()), compare.repairy_side(bookings)

    def ledger(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.ask("/sandbox/ledger")
        return found


def _environment() -> dict[str, str]:
    """Ours, without settings meant for another installation; the package is found wherever this one was."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REPAIRY_SYNC_")}
    kept.pop("CREDENTIALS_DIRECTORY", None)
    kept.pop("NOTIFY_SOCKET", None)
    home = str(Path(sync.__file__).parent.parent)
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, (home, kept.get("PYTHONPATH"))))}


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on, and that no connection is given while their server restarts."""
    found: list[int] = []
    with ExitStack() as held:
        for port in random.SystemRandom().sample(_NEVER_GIVEN, len(_NEVER_GIVEN)):
            with suppress(OSError):
                held.enter_context(socket.create_server(("127.0.0.1", port)))
                found.append(port)
            if len(found) == count:
                return found
    raise Broken("no port of 127.0.0.1 is free between 20000 and 32000")


def _tail(text: str) -> str:
    return "\n".join(text.splitlines()[-TAIL:])
