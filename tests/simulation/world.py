"""A whole installation in one process: real engine, client and stores, a sandbox and a shop database, on one seeded machine.

`World(seed)` makes it, `boot` starts the program (again), `turn` lets a pass run, `deliver` brings webhooks. What people
do is in `people`, what must hold in `proof`, what happens when in `story`.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from itertools import count
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from sync.core.action import Rules
from sync.engine import Engine
from sync.engine.rebuild import catch_up
from sync.engine.site import Site
from sync.errors import Unreachable
from sync.machine import Serial
from sync.records import Intent
from sync.repairy.client import Client
from sync.repairy.contract import Contract, load
from sync.repairy.webhook import Refused, verify
from sync.sandbox.outbox import Delivery, Webhook
from sync.sandbox.partner import APP_KEY, APP_SECRET, PARTNER_ID, WEBHOOK_SECRET, WORKSHOPS, Partner
from sync.shop.profile import Profile
from sync.shop.store import ShopStore
from sync.state.store import StateStore
from tests.layouts import DEMO, WORDS
from tests.simulation.frail import FrailShop, FrailState, FrailWire
from tests.simulation.machine import Crash, Machine

NAME, PREFIX, WORKSHOP = "Northside", "NS7K2-", next(iter(WORKSHOPS))
ZONE = ZoneInfo("Australia/Melbourne")
TIMEOUT = 30.0
QUARANTINE = timedelta(minutes=10)
VISIBLE = frozenset({"created", "moved", "updated", "done", "cancelled"})
POLICY = {"status": "shop", "time": "hold", "service": "shop", "notes": "merge", "customer": "shop", "vehicle": "shop"}
STARTS = ("2026-03-02T09:00", "2026-04-03T15:00", "2026-10-02T15:00", "2026-07-14T08:00")  # two of them before a DST day
_SCHEMA = """
CREATE TABLE statuses (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, phone TEXT, email TEXT);
CREATE TABLE vehicles (id INTEGER PRIMARY KEY, customer_id INTEGER, plate TEXT, make TEXT);
CREATE TABLE bookings (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL, vehicle_id INTEGER, status_id INTEGER NOT NULL,
  kind TEXT NOT NULL, dropoff TEXT, pickup TEXT, work TEXT, notes TEXT, online_ref TEXT UNIQUE, in_use INTEGER, modified TEXT);
CREATE TABLE remarks (id INTEGER PRIMARY KEY, booking_id INTEGER, text TEXT);
"""
_REMARKS = (
    "(SELECT group_concat(text, char(10)) FROM (SELECT text FROM remarks WHERE booking_id = b.id ORDER BY id)) AS job_notes"
)
_serial = count()


@cache
def contract() -> Contract:
    return load()


def _without(profile: dict[str, Any], *columns: str) -> dict[str, Any]:
    """The demo profile of a shop that keeps less."""
    select = profile["booking"]["select"]
    for column in columns:
        select = select.replace(column, "")
    return {**profile, "booking": {"select": select}}


def _plain() -> dict[str, Any]:
    """A shop that remembers neither when a row changed nor what it is called at Repairy."""
    table = _without(DEMO, "b.modified AS changed_at, ", "b.online_ref AS repairy_ref, ")
    write = {name: text for name, text in table["write"].items() if name != "link"}
    return {**table, "write": write}


def _mute() -> dict[str, Any]:
    """A shop that has no word for cancelled."""
    words = {ours: word for ours, word in DEMO["status"]["write"].items() if ours != "cancelled"}
    return {**DEMO, "status": {**DEMO["status"], "write": words}}


def _remarks() -> dict[str, Any]:
    """A shop that keeps notes as rows of their own, which can only be added."""
    write = {name: text for name, text in DEMO["write"].items() if name != "set_notes"}
    add = "INSERT INTO remarks (booking_id, text) SELECT {}, :{} WHERE :{} IS NOT NULL"
    write["add_note"] = [add.format(":key", "note", "note"), "UPDATE bookings SET modified = :now WHERE id = :key"]
    write["create"] = [*write["create"], {"set": "remark", "insert": add.format(":key", "job_notes", "job_notes")}]
    select = DEMO["booking"]["select"].replace("b.notes AS job_notes", _REMARKS)
    return {**DEMO, "limits": {}, "booking": {"select": select}, "write": write}


def _days() -> dict[str, Any]:
    """A shop that keeps days only."""
    select = DEMO["booking"]["select"].replace("b.dropoff AS starts_at, b.pickup AS ends_at,", "date(b.dropoff) AS date,")
    write = {**DEMO["write"], "reschedule": "UPDATE bookings SET dropoff = :date || ' 00:00:00', modified = :now WHERE id = :key"}
    last = {
        "set": "key",
        "insert": DEMO["write"]["create"][2]["insert"].replace(":starts_at, :ends_at", ":date || ' 00:00:00', NULL"),
    }
    return {**DEMO, "booking": {"select": select}, "write": {**write, "create": [*DEMO["write"]["create"][:2], last]}}


PROFILES = {"demo": lambda: DEMO, "plain": _plain, "mute": _mute, "remarks": _remarks, "days": _days}


@cache
def profile(name: str) -> Profile:
    return Profile.parse(PROFILES[name]())


@dataclass(frozen=True)
class Setting:
    """What differs from seed to seed before anything happens."""

    profile: str = "demo"
    visible: frozenset[str] = VISIBLE
    policy: dict[str, str] = field(default_factory=lambda: dict(POLICY))
    start: str = STARTS[0]
    confirmed: bool = False  # Repairy has said that a create can be silent


@dataclass(frozen=True)
class Effect:
    """One write that reached Repairy, seen from inside it."""

    at: datetime
    operation: str
    booking_id: str
    body: dict[str, Any]
    before: dict[str, Any]


class Lines:
    """The mapping journal, in memory: it outlives every crash."""

    def __init__(self, machine: Machine) -> None:
        self.machine, self.lines = machine, list[dict[str, object]]()

    def append(self, **facts: object) -> None:
        self.machine.point("journal:before")
        self.lines.append({})  # a line that was not on the disk when the process ended is torn: it tells nothing
        self.machine.point("journal:fsync")
        self.lines[-1] = facts
        self.machine.point("journal:after")

    def read(self) -> list[dict[str, object]]:
        return [line for line in self.lines if line]


class Said:
    """The log, into the trace."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def info(self, event: str, **facts: Any) -> None:
        self.machine.say(f"  {event}", **{name: value for name, value in facts.items() if name not in ("op", "workshop")})

    warning = info


class World:
    """Everything there is. `wrong` collects broken promises as they happen; `proof` adds those of the end."""

    def __init__(self, seed: int, setting: Setting | None = None) -> None:
        self.setting = setting or _drawn(Random(f"setting {seed}"))
        self.seed, self.wrong = seed, list[str]()
        self.machine = machine = Machine(seed, datetime.fromisoformat(self.setting.start).replace(tzinfo=ZONE))
        self.clock, self.chance = machine.clock, machine.chance
        self.partner = Partner(
            contract(), self.clock, webhook=Webhook("https://example.com/webhooks/repairy", WEBHOOK_SECRET), seed=seed
        )
        self.effects: list[Effect] = []
        self.raced: set[tuple[str, str]] = set()  # booking and wire field that somebody changed while our write was on its way
        self.profile_digest = "p"
        self.heard: set[str] = set()  # bookings that an event told us of
        self._observe()
        self._open_shop()
        self.state = FrailState(StateStore("sqlite://", self.clock), machine)
        self.journal = Lines(machine)
        self.wire = FrailWire(self.partner, machine, TIMEOUT)
        self.crashed = False  # the process ended, and its next work begins with a start
        self.boot()

    def _open_shop(self) -> None:
        name = f"file:shop-{os.getpid()}-{next(_serial)}"
        self.desk = sqlite3.connect(f"{name}?mode=memory&cache=shared", uri=True, isolation_level=None)
        self.desk.executescript(_SCHEMA)
        self.desk.executemany("INSERT INTO statuses (name) VALUES (?)", [(word,) for word in WORDS])
        url = f"sqlite:///{name}?mode=memory&cache=shared&uri=true"
        self.store = ShopStore(url, profile(self.setting.profile), ZONE, WORKSHOP, self.clock)
        self.shop = FrailShop(self.store, self.machine, self._shop_written)

    def close(self) -> None:
        self.client.close()
        self.store.close()
        self.desk.close()
        self.state.close()

    # The program

    def boot(self) -> None:
        """A new process on the same state, shop and journal."""
        self.client = Client(
            "https://example.com", PARTNER_ID, APP_KEY, APP_SECRET, contract(), self.clock,
            timeout=TIMEOUT, requests_per_second=50, transport=self.wire.transport,
        )  # fmt: skip
        rules = Rules(self.setting.policy, ZONE, visible=self.setting.visible)
        self.site = Site(
            NAME, WORKSHOP, PREFIX, rules, self.shop, self.client.workshop(WORKSHOP, ZONE), self.state, self.clock, Serial(),
            Said(self.machine), self.journal, quarantine=QUARANTINE, profile_digest=self.profile_digest, luck=self.chance.random,
        )  # fmt: skip
        if self.setting.confirmed:
            self.site.repairy.ability = replace(self.site.repairy.ability, silence_confirmed=True)
        self.engine = Engine(self.site)

    def lose_state(self, copy: StateStore | None = None) -> None:
        """The state is gone, or an older copy is in its place; a new process finds it so."""
        self.state.close()
        self.state = FrailState(copy or StateStore("sqlite://", self.clock), self.machine)
        self.crashed = copy is not None  # `rebuild` asks the journal itself
        self.boot()

    def turn(self, work: Callable[[Engine], object] = Engine.run) -> bool:
        """One pass, or other work of the engine, whatever becomes of it; whether it came to its end."""
        self.machine.say("pass")
        try:
            if self.crashed:
                self.crashed = False
                catch_up(self.site, self.journal.read())
            work(self.engine)
        except Crash:
            self.crash()
        except Unreachable as error:
            self.machine.say("pass ended", why=str(error))
        else:
            return True
        return False

    def crash(self) -> None:
        """The process has ended; another one is started."""
        self.machine.say("crashed; a new process starts")
        self.clock.sleep(self.chance.uniform(1, 40))
        self.crashed = True
        self.boot()

    def later(self, seconds: float) -> None:
        self.clock.sleep(seconds)
        self.partner.tick()

    # Webhooks

    def deliver(self, shuffled: bool = False) -> None:
        """Bring what is due to the endpoint, perhaps out of order."""
        due = self.partner.due_deliveries()
        if shuffled and len(due) > 1:
            self.chance.shuffle(due)
            self.machine.struck("webhook_out_of_order")
        for one in due:
            told: list[int] = []
            try:
                self._receive(one, told)
            except Crash:
                if not told:
                    self.partner.delivered(one, 0)
                self.crash()

    def _receive(self, one: Delivery, told: list[int]) -> None:
        """One delivery and the answer that its sender gets; `told` once it has left."""
        status = self._endpoint(one)
        self.machine.point("webhook.acknowledge:before", one.booking_id)
        told.append(status)
        self.partner.delivered(one, status)
        self.machine.point("webhook.acknowledge:after", one.booking_id)

    def _endpoint(self, one: Delivery) -> int:
        """What the web endpoint does: check, store, acknowledge."""
        try:
            event = verify(contract(), [WEBHOOK_SECRET], one.method, "/webhooks/repairy", one.headers, one.body, self.clock.now())
        except Refused as error:
            self.machine.say("webhook refused", why=str(error))
            return 401
        try:
            fresh = self.state.add_event(event, NAME)
        except Unreachable:
            return 503
        self.machine.say("webhook", booking=event.booking_id[:6], action=event.action, fresh=fresh)
        self.heard.add(event.booking_id)
        return 200

    # What is watched

    def _observe(self) -> None:
        """Every write that takes effect inside the sandbox is noted at that moment, late ones too."""
        diary = self.partner.diary
        create, update, set_status = diary.create, diary.update, diary.set_status

        def created(body: dict[str, Any]) -> str:
            known = set(diary.bookings)
            booking_id = create(body)
            self._repairy_written("create", booking_id, body, {} if booking_id not in known else diary.bookings[booking_id])
            return booking_id

        def updated(booking_id: str, body: dict[str, Any]) -> None:
            before = json.loads(json.dumps(diary.bookings.get(booking_id, {})))
            update(booking_id, body)
            self._repairy_written("update", booking_id, body, before)

        def stepped(booking_id: str, status: str, body: dict[str, Any]) -> None:
            before = json.loads(json.dumps(diary.bookings.get(booking_id, {})))
            set_status(booking_id, status, body)
            self._repairy_written("set_status", booking_id, {"status": status}, before)

        diary.create, diary.update, diary.set_status = created, updated, stepped  # type: ignore[method-assign]

    def _repairy_written(self, operation: str, booking_id: str, body: dict[str, Any], before: dict[str, Any]) -> None:
        self.effects.append(Effect(self.clock.now(), operation, booking_id, body, before))
        self.machine.say("repairy took", operation=operation, booking=booking_id[:6], fields=",".join(sorted(body)))
        shown = self.wire.shown.get(booking_id)
        for name in body.keys() & before.keys():
            if shown is not None and shown.get(name) != before.get(name):
                self.raced.add((booking_id, name))
        reference = body.get("externalId")
        if not any(self._meant(intent, booking_id, reference) for intent in self._open("repairy")):
            self.wrong.append(f"{operation} of {booking_id} reached Repairy without an open intent")

    def _meant(self, intent: Intent, booking_id: str, reference: Any) -> bool:
        link = self.state.store.link(intent.link_id)
        return bool(link.repairy_id == booking_id or (reference and link.reference == reference))

    def _shop_written(self, name: str, args: Any) -> None:
        """A write to the shop is about to be made: its intent is there, and holds what the write replaces."""
        key = args[0] if name in ("change", "link") else None
        mine = [one for one in self._open("shop") if key is None or self.state.store.link(one.link_id).shop_key == key]
        if not mine:
            self.wrong.append(f"{name} of the shop's row {key} without an open intent")
        elif name == "change":
            lacking = sorted(field for field in args[2] if field in args[1] and field not in mine[-1].before)
            self.wrong += [f"the shop's {', '.join(lacking)} of row {key} would be lost: not in the journal"] if lacking else []

    def _open(self, side: str) -> list[Intent]:
        return [one for one in self.state.store.open_intents(NAME) if one.side == side]


def _drawn(chance: Random) -> Setting:
    kind = chance.choice(("demo", "demo", "plain", "mute", "remarks", "days"))
    visible = chance.choice((VISIBLE, VISIBLE, frozenset({"moved", "cancelled"}), frozenset()))
    policy = dict(POLICY)
    if chance.random() < 0.4:
        policy |= {
            "status": chance.choice(("shop", "repairy", "hold")),
            "time": chance.choice(("shop", "repairy")),
            "service": chance.choice(("repairy", "hold")),
        }
    return Setting(kind, visible, policy, chance.choice(STARTS))
