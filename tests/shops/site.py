"""An installation over a layout's database: the sandbox on a socket, the profile as it is shipped, the commands in process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sync.core.canonical import plate as spelled
from sync.machine import SystemClock
from sync.state.store import StateStore
from tests.integration.installation import WORKSHOP, Installation, Said, opened
from tests.shops.program import ZONE, Program, email, name, phone, plate

VISIBLE = '["created", "moved", "updated", "done", "cancelled"]'


class Site(Installation):
    """`program` is the shop; times are on its wall."""

    def __init__(self, program: Program, folder: Path) -> None:
        super().__init__(folder)
        self.program = program
        self.settings |= {
            "shop_url": program.shop_url, "profile": program.profile_in(folder), "timezone": str(ZONE), "visible": VISIBLE,
        }  # fmt: skip

    def sync(self) -> dict[str, Any]:
        """What `sync` says of the workshop."""
        return workshop(self.run("sync"))

    def online(self, number: int, start: datetime, **fields: Any) -> str:
        """Customer `number` books at Repairy; its id. Nobody is told yet: `tell` does."""
        first, last = name(number)
        booked = {
            "starts_at": utc(start), "service_category": "service", "rego": plate(number), "first_name": first,
            "last_name": last, "phone": phone(number), "email": email(number), **fields,
        }  # fmt: skip
        with self.sandbox.lock:
            return self.sandbox.partner.book(WORKSHOP, booked)

    def at_repairy(self, number: int) -> dict[str, Any]:
        """The one booking there with that plate, in any spelling."""
        (found,) = [one for one in self.bookings() if spelled(one["car"]["rego"]) == plate(number)]
        return found

    def begin(self) -> None:
        """What stands in the shop to come is pushed: the two sides are in step from here on."""
        said = workshop(self.run("backfill", "--nothing-at-repairy"))
        assert said["held"] == []

    def tonight(self) -> None:
        """The next pass is the night's, which looks at everything."""
        with contextlib.closing(StateStore(f"sqlite:///{self.folder / 'state.db'}", SystemClock())) as state:
            state.save_desk(replace(state.desk("Northside"), last_sweep=None))

    def edit(self, booking_id: str, **wire: Any) -> None:
        """Repairy's staff change it, and a webhook says so."""
        with self.sandbox.lock:
            self.sandbox.partner.edit(booking_id, **wire)
        self.tell(booking_id, "bookingUpdated")


@contextlib.contextmanager
def at_work(program: Program, folder: Path) -> Iterator[Site]:
    made = Site(program, folder)
    with opened(made):
        yield made


def workshop(said: Said) -> dict[str, Any]:
    """The workshop in a command's answer; a failed command shows what it said."""
    assert said.code in (0, 3), f"{said.code}: {said.out}{said.err}"
    found: dict[str, Any] = said.json["workshops"][0]
    return found


def soon(days: int, hour: int = 9, minute: int = 0) -> datetime:
    """A time on the shop's wall, so many days from today."""
    return datetime.now(ZONE).replace(hour=hour, minute=minute, second=0, microsecond=0, tzinfo=None) + timedelta(days=days)


def utc(wall: datetime) -> str:
    """As Repairy has it."""
    return wall.replace(tzinfo=ZONE).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
