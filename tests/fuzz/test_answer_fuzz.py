"""API answer fuzz: whatever comes back from Repairy, the client says something true in its own words, and no more.

`ANSWERS=n` sets how many the soak and the proof try; a failure names its seed.
"""

from __future__ import annotations

import contextlib
import json
import os
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date
from functools import cache
from random import Random
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from sync.core import times
from sync.core.booking import FIELDS, STATUSES, Sighting
from sync.core.canonical import view
from sync.core.sight import fingerprint
from sync.errors import NotFound, SyncError, Unknown, Unreachable, WriteFailed
from sync.ports import Names
from sync.repairy.client import Client
from sync.repairy.contract import Contract
from sync.repairy.workshop import WorkshopRepairy
from sync.sandbox.partner import APP_KEY, APP_SECRET, PARTNER_ID, WORKSHOPS, Partner
from sync.share import CONFIG
from sync.shop.profile import Profile
from sync.shop.store import ShopStore
from sync.state.store import StateStore
from tests.fakes import MELBOURNE, FakeClock
from tests.fuzz.answers import DONE, SPEAKS_OF_SUCCESS, Wire, spoil
from tests.layouts import DEMO, demo_database

TESTED, SOAKED, PROVED = 500, 5_000, 1_000_000
PARTS = 10
WORKSHOP = next(iter(WORKSHOPS))
BOOKED = {
    "starts_at": "2026-03-09T22:00:00Z", "ends_at": "2026-03-10T04:00:00Z", "service_category": "service", "rego": "AAA001",
    "first_name": "Customer", "last_name": "One", "phone": "0400 000 001", "email": "customer1@example.com", "make": "Toyota",
    "year": 2016, "job_notes": "first line\nsecond line",
}  # fmt: skip
SENT = {
    "name": "Quetzal Xylograph", "phone": "0400 731 975", "email": "zyzzyva@example.com", "rego": "QZX731",
    "vin": "QZXVIN73197531975", "starts_at": "2026-03-11T22:00:00Z", "service_category": "service",
    "job_notes": "gryphon under the bonnet", "service_code": "logbook",
}  # fmt: skip
CANARIES = (
    "quetzal",
    "xylograph",
    "731 975",
    "731975",
    "zyzzyva",
    "qzx731",
    "qzxvin",
    "gryphon",
    "sandbox-secret",
    "sandbox-key",
)
Work = Callable[[WorkshopRepairy, str], Any]
READS: dict[str, Work] = {
    "read": lambda site, booking: site.read(booking),
    "availability": lambda site, _: site.availability(date(2026, 3, 6), date(2026, 3, 16)),
    "catalog": lambda site, _: site.catalog(),
    "report": lambda site, _: site.report(date(2026, 3, 1), date(2026, 3, 31)),
    "reminder": lambda site, _: site.reminder("r1"),
}
WRITES: dict[str, Work] = {
    "create": lambda site, _: site.create(SENT, "NS-7"),
    "update": lambda site, booking: site.update(booking, {"job_notes": SENT["job_notes"], "starts_at": SENT["starts_at"]}),
    "update a part": lambda site, booking: site.update(booking, {"rego": SENT["rego"], "name": SENT["name"]}, reference="NS-8"),
    "set_status": lambda site, booking: site.set_status(booking, "processing"),
    "quote": lambda site, _: site.quote({**SENT, "address": "1 Gryphon Road"}),
    "remind": lambda site, _: site.remind(phone=SENT["phone"]),
}
CALLED = (
    "token",
    "read",
    "availability",
    "catalog",
    "report",
    "reminder",
    "create",
    "update",
    "set_status",
    "quote",
    "remind",
    "refresh",
)


@cache
def contract() -> Contract:
    """With everything switched on."""
    tables = tomllib.loads((CONFIG / "repairy-api.toml").read_text("utf-8"))
    tables["operations"]["report"] = "GET /reports/bookings"
    return Contract.parse(tables)


class Bench:
    """One call after the other, each to a fresh sandbox behind a wire that spoils answers. What is read is also kept."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.state = StateStore("sqlite://", self.clock)
        url = "sqlite:///file:answers?mode=memory&cache=shared&uri=true"
        self.engine = sa.create_engine(url, poolclass=sa.StaticPool)
        demo_database(self.engine)
        self.shop = ShopStore(url, Profile.parse(DEMO), MELBOURNE, WORKSHOP, self.clock)
        self.seen = Counter[str]()

    def close(self) -> None:
        self.shop.close()
        self.state.close()
        self.engine.dispose()

    def run(self, seed: int) -> None:
        """Everything that must hold of one call. AssertionError names the seed."""
        chance = Random(seed)
        self.partner = Partner(contract(), self.clock, seed=seed)
        booking = self.partner.book(WORKSHOP, BOOKED)
        name = chance.choice((*READS, *WRITES))
        wires: list[Wire] = []
        seam = httpx.MockTransport(lambda request: self._answer(request, chance, wires))
        client = Client("https://example.com", PARTNER_ID, APP_KEY, APP_SECRET, contract(), self.clock, timeout=30.0,
                        requests_per_second=1e6, transport=seam)  # fmt: skip
        story = f"seed {seed}: {name}"
        try:
            if chance.random() < 0.1:
                self.clock.sleep(0.95 * 48 * 3600)
            site = client.workshop(WORKSHOP, MELBOURNE)
            if chance.random() < 0.15:  # a token that must be renewed
                self._quietly(lambda: site.read(booking))
                self.clock.sleep(0.95 * 48 * 3600)
            first = len(self.partner.calls)
            found = self._tried(story, lambda: (READS | WRITES)[name](site, booking))
        finally:
            client.close()
        told = f"{story}: {[(wire.status, wire.done) for wire in wires]}: {found!r:.200}"
        self._true(told, name, found, wires, first)
        if isinstance(found, Sighting):
            self._sound(told, found, None if name == "create" else booking)

    def _answer(self, request: httpx.Request, chance: Random, wires: list[Wire]) -> httpx.Response:
        sent = request.read()
        answer = self.partner.handle(request.method, request.url.raw_path.decode(), dict(request.headers), sent)
        wire = Wire(answer.status, dict(answer.headers), answer.body, sent)
        if chance.random() < (0.15 if "/auth/" in request.url.path else 0.6):
            spoil(wire, chance)
            self.seen[f"call {self.partner.calls[-1].operation}"] += 1
            self.seen.update(wire.done)
        wires.append(wire)
        headers = [(name.encode(), value.encode("latin-1")) for name, value in wire.headers.items()]
        return httpx.Response(wire.status, headers=headers, stream=httpx.ByteStream(wire.body))

    @staticmethod
    def _quietly(work: Callable[[], Any]) -> None:
        with contextlib.suppress(SyncError):
            work()

    @staticmethod
    def _tried(story: str, work: Callable[[], Any]) -> Any:
        """What came back, or the error of ours that was raised."""
        try:
            return work()
        except SyncError as error:
            return error
        except Exception as error:
            raise AssertionError(f"{story}: {type(error).__name__} left the client: {error!s:.200}") from error

    def _true(self, told: str, name: str, found: Any, wires: list[Wire], first: int) -> None:
        """Errors are of the operation's own kinds, say nothing of the customer, and deny nothing that happened."""
        self.seen[type(found).__name__] += 1
        if isinstance(found, Exception):
            allowed = (Unreachable, NotFound) if name in READS else (WriteFailed, NotFound)
            assert isinstance(found, allowed), told
            words = f"{found} {found!r}".casefold()
            assert not [canary for canary in CANARIES if canary in words], told
            assert len(words) < 2_000, told
        took = any(call.took and call.operation == name.partition(" ")[0] for call in self.partner.calls[first:])
        if name in WRITES and took and set().union(*(wire.done for wire in wires)) <= SPEAKS_OF_SUCCESS:
            assert not isinstance(found, Exception) or isinstance(found, Unknown), f"{told}: it happened"

    def _sound(self, told: str, shown: Sighting, booking: str | None) -> None:
        """A sighting is one whatever it was made from: it can be compared, kept in the state and put into a shop."""
        assert shown.key == (booking or shown.key) != "", told
        assert set(shown.fields) <= set(FIELDS), told
        named = [shown.ref, shown.code, shown.workshop_id, shown.changed_at, *shown.fields.values()]
        assert all(value is None or (isinstance(value, str) and "\x00" not in value) for value in named), told
        status = shown.fields["status"] or ""
        assert status in STATUSES or status.startswith("?"), told
        times.parse(shown.fields["starts_at"] or "")
        json.dumps(dict(shown.fields), ensure_ascii=False).encode()
        view(shown.fields), fingerprint(shown)
        link = self.state.add(
            "W", repairy=dict(shown.fields), repairy_base=dict(shown.fields), repairy_code=shown.code, repairy_ref=shown.ref
        )
        assert self.state.link(link.id).repairy == dict(shown.fields), told
        if status in STATUSES:
            stored = self._tried(
                told, lambda: self.shop.create({**shown.fields, "status": "pending"}, Names(repairy_id=shown.key))
            )
            assert not isinstance(stored, Exception) or isinstance(stored, WriteFailed), f"{told}: {stored!r}"


def check(seeds: Iterable[int]) -> Counter[str]:
    bench = Bench()
    try:
        for seed in seeds:
            bench.run(seed)
        return bench.seen
    finally:
        bench.close()


def _parts(first: int, count: int) -> list[range]:
    step = -(-count // PARTS)
    return [range(at, min(at + step, first + count)) for at in range(first, first + count, step)]


def _count(default: int) -> int:
    return int(os.environ.get("ANSWERS", default))


def _all_seen(seen: Counter[str]) -> None:
    """An answer that was never spoilt, or a way that was never taken, proves nothing."""
    wanted = (*DONE, *(f"call {name}" for name in CALLED), "Sighting", "Unknown", "NotSent", "Rejected", "Unreachable")
    assert sorted(kind for kind in wanted if not seen[kind]) == []


def test_every_answer_is_understood_or_doubted() -> None:
    _all_seen(check(range(TESTED)))


@pytest.mark.soak
@pytest.mark.parametrize("seeds", _parts(TESTED, _count(SOAKED)), ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_many_answers(seeds: range) -> None:
    seen = check(seeds)
    assert seen["Sighting"] > 0
    assert seen["Unknown"] > 0


@pytest.mark.prove
@pytest.mark.timeout(0)
@pytest.mark.parametrize("seeds", _parts(1_000_000, _count(PROVED)), ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_very_many_answers(seeds: range) -> None:
    _all_seen(check(seeds))
