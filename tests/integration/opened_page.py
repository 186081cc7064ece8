"""The status page on a real listener, over an installation whose passes run when told: a demo shop, the sandbox, the state.

The clock that the door goes by can be moved; everything else goes by the machine's.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette

from sync import settings
from sync.errors import Unreachable
from sync.machine import SystemClock
from sync.web import page
from sync.web.server import Listener
from sync.wiring import App, Bridge, opened
from tests.integration.installation import Installation, installed

TOKEN = "a-token-made-up-for-tests"
WORKSHOP = "Northside"


class MovedClock(SystemClock):
    """The machine's clock, put forward by `ahead` seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


class OpenedPage:
    """`site` is the installation, `bridge` its workshop: `pass_on` runs passes until nothing moves, as the daemon would."""

    def __init__(self, site: Installation, app: App, bridge: Bridge, clock: MovedClock) -> None:
        self.site, self.app, self.bridge, self.clock = site, app, bridge, clock
        self.woken = 0
        self.listener = Listener(Starlette(routes=page.routes(app, [bridge.engine.site], self._wake)), "127.0.0.1:0")

    def _wake(self) -> None:
        self.woken += 1

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.port}"

    def pass_on(self) -> None:
        """A tick; one that could not read a side says so to the daemon, and the page shows it."""
        with contextlib.suppress(Unreachable):
            self.bridge.tick()

    @contextlib.contextmanager
    def client(self, token: str = TOKEN) -> Iterator[httpx.Client]:
        """A browser of its own, signed in where a token is given. It follows no redirect."""
        with httpx.Client(base_url=self.url, trust_env=False, verify=False) as client:
            if token:
                assert client.post("/login", data={"token": token}).status_code == 303
            yield client

    def doubtful(self) -> list[int]:
        """Bookings held because it is not certain which they are."""
        return [one.link_id for one in self.app.state.standings(WORKSHOP, "held") if one.scope == "identity" and one.link_id]

    def link(self, number: int) -> Any:
        (found,) = [one for one in self.app.state.find(f"NS-{number}") if one.shop_key]
        return found

    # what makes something to see

    def move_on_both_sides(self, number: int, shop: datetime, repairy: str) -> None:
        """The time of one booking is changed by the staff and by the customer: it is held."""
        booking = self.site.id_of(number)
        self.site.office.move(number, shop)
        with self.site.sandbox.lock:
            self.site.sandbox.partner.move(booking, repairy)
        self.site.tell(booking, "updated")
        self.pass_on()


@contextlib.contextmanager
def page_over(folder: Path, token: str = TOKEN, web: str = "", filled: bool = True, **changes: str) -> Iterator[OpenedPage]:
    """The page open, forty bookings backfilled where `filled`. `web`: lines of the table [web]; `changes` as of configure."""
    with installed(folder) as site:
        if token:
            site.secret("web_token", token)
        site.configure(**changes)
        assert site.run("backfill", "--nothing-at-repairy").code == 0 if filled else site.run("migrate").code == 0
        file = folder / "repairy-sync.toml"
        file.write_text(f"{file.read_text(encoding='utf-8')}\n[web]\n{web}\n", encoding="utf-8")
        clock = MovedClock()
        with opened(settings.load(file), clock) as app, app.bridges(app.settings.workshops, "test") as (bridge,):
            if filled:
                bridge.tick()
            made = OpenedPage(site, app, bridge, clock)
            made.listener.start()
            try:
                yield made
            finally:
                made.listener.stop()


def ticket(page: str) -> str:
    """What the page's forms carry."""
    found = re.search(r'name="ticket" value="([0-9a-f]+)"', page)
    assert found, page[:300]
    return found[1]
