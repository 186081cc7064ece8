"""Work in flight: what must survive a move to another server, and an upgrade."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from sync.machine import SystemClock
from sync.ports import Event
from sync.sandbox.faults import Fault
from sync.state.store import StateStore
from tests.integration.installation import WORKSHOP, Installation, Said

OPEN = "UPDATE intent SET outcome = NULL, finished_at = NULL, look_at = NULL WHERE outcome = 'unknown'"


def address(site: Installation) -> str:
    return site.settings["state"].replace("sqlite:///", f"sqlite:///{site.folder}/")


def query(site: Installation, sql: str) -> list[Any]:
    engine = sa.create_engine(address(site), poolclass=sa.NullPool)
    with engine.begin() as connection:
        found = connection.execute(sa.text(sql))
        return [tuple(row) for row in found] if found.returns_rows else []


def in_flight(site: Installation) -> str:
    """Links; a `done` that reached Repairy while nobody heard the answer, as after a power cut; a booking that both sides moved.
    Returns the reference of the held one."""
    assert site.run("backfill", "--nothing-at-repairy").code == 0
    moved = site.id_of(4)
    with site.sandbox.lock:
        site.sandbox.partner.move(moved, "2030-01-07T22:00:00Z")
        site.sandbox.partner.faults = [Fault("lost_answer", 1, operation="set_status")]
    site.office.move(4, site.office.at(5, 9))
    site.office.status(2, "Collected")
    with closing(StateStore(address(site), SystemClock())) as store:
        store.add_event(Event("E1", "bookingUpdated", moved, WORKSHOP, datetime.now(UTC)), "Northside")
    said = site.run("sync")
    query(site, OPEN)
    assert said.json["workshops"][0]["held"], said
    return str(said.json["workshops"][0]["held"][0]["reference"])


def until_done(sync: Callable[[], Said]) -> Said:
    """`sync` never waits for a clock: an unknown outcome is looked at once its quarantine is over."""
    over = time.monotonic() + 15
    while (said := sync()).json["workshops"][0]["waiting"] and time.monotonic() < over:
        time.sleep(0.2)
    return said
