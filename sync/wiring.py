"""Wiring: settings in, the working program out. The only place that knows both the engine and the adapters."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import time

from sync import logs
from sync.core.action import Rules
from sync.core.booking import SIDES, Link
from sync.core.guard import Limits
from sync.engine import Engine
from sync.engine.rebuild import catch_up
from sync.engine.site import Journal, Site
from sync.errors import SyncError, Unreachable
from sync.machine import SystemClock, Threads
from sync.ports import Clock, Fan
from sync.repairy import contract as wire
from sync.repairy.client import Client
from sync.settings import Settings, Workshop
from sync.share import CONFIG
from sync.shop import profile as profiles
from sync.shop.store import ShopStore
from sync.state.journal import MappingJournal
from sync.state.lease import Lease, acquire
from sync.state.safekeeping import Safekeeping
from sync.state.store import StateStore

IN_MEMORY = "sqlite://"
TICK_SECONDS = 60.0  # after these, what is left comes with the next turn


class NoJournal:
    """For passes that write nothing."""

    def append(self, **facts: object) -> None:
        """Nothing is remembered."""


@dataclass
class Bridge:
    """One workshop, ready to work: what the daemon and the commands call."""

    name: str
    engine: Engine
    shop: ShopStore
    state: StateStore
    lease: Lease | None
    ending: threading.Event
    copy_daily: Callable[[], None]

    def tick(self) -> None:
        """One pass, and on while there is more to do at once; the watchdog is fed when this ends.

        Raises SyncError; Unreachable, once all that can be done is done, where a side could not be read."""
        self.copy_daily()
        clock = self.engine.site.clock
        over = clock.monotonic() + TICK_SECONDS
        for _ in range(20):
            result = self.engine.run()
            if not result.moved or self.ending.is_set() or clock.monotonic() >= over:
                break
        unread = [self.state.source(self.name, side).last_error for side in SIDES if not result.reached.get(side, True)]
        if any(unread):
            raise Unreachable("; ".join(filter(None, unread)))

    def stop(self) -> None:
        """The pass ends after the call in hand."""
        self.ending.set()

    def renew(self) -> None:
        """Keeps the lease. Raises LeaseLost, Unreachable."""
        if self.lease is not None:
            self.lease.renew()

    def close(self) -> None:
        self.shop.close()
        if self.lease is not None:
            self.lease.release()


class App:
    """Everything that one process opens, closed together."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock: Clock = clock or SystemClock()
        self.log = logs.get("repairy-sync")
        self.contract = wire.load(settings.repairy.contract)
        self.profiles = {one.name: profiles.load(one.profile_path, CONFIG / "profiles") for one in settings.workshops}
        self.state_url = settings.state.url.render_as_string(hide_password=False)
        self.state = StateStore(self.state_url, self.clock)
        self.journal = MappingJournal(settings.state.journal_path)
        names = [one.name for one in settings.workshops]
        self.safe = Safekeeping(self.state, self.journal, names, settings.state.backups, self.clock, self.log)
        self.client = self._client()
        self.threads = Threads(settings.repairy.concurrency)

    def _client(self) -> Client:
        repairy, secrets = self.settings.repairy, self.settings.secrets
        return Client(
            str(repairy.base_url),
            repairy.partner_id,
            secrets.app_key.get_secret_value(),
            secrets.app_secret.get_secret_value(),
            self.contract,
            self.clock,
            timeout=repairy.timeout.total_seconds(),
            requests_per_second=repairy.requests_per_second,
            ca_bundle=str(repairy.ca_bundle or ""),
            connections=repairy.concurrency,
        )

    def migrate(self) -> list[str]:
        """Bring the state up to date, after a copy. Raises Unreachable, ConfigError; SyncError where it is lost or damaged."""
        return self.safe.migrate()

    def workshops(self, name: str | None = None) -> Sequence[Workshop]:
        """All, or the one named. Raises ConfigError."""
        return [self.settings.workshop(name)] if name else self.settings.workshops

    @contextmanager
    def bridges(self, names: Sequence[Workshop], holder: str, *, rebuilding: bool = False) -> Iterator[list[Bridge]]:
        """These workshops, their leases held by `holder` (a command), their state as far as the mapping journal.

        Raises LeaseHeld naming who has one, Unreachable; ConfigError where one was exported from here."""
        opened: list[Bridge] = []
        try:
            for workshop in names:
                lease = acquire(self.state_url, workshop.name, holder, self.clock)
                opened.append(self._bridge(workshop, self.state.under(lease), lease, self.journal, self.threads))
                self.safe.refuse_left(workshop.name)
            self.safe.copy_daily()
            for bridge in opened if not rebuilding else ():
                catch_up(bridge.engine.site, self.journal.read())
            yield opened
        finally:
            for bridge in opened:
                bridge.close()

    @contextmanager
    def rehearsal(self, workshop: Workshop, *, rebuilding: bool = False) -> Iterator[Bridge]:
        """A workshop on a copy of the state, in observe: a pass that writes nothing at all. Raises SyncError where it is lost."""
        if not rebuilding:
            self.safe.refuse_lost([workshop.name])
        blank = rebuilding and self.safe.damage()  # nothing of a damaged state is used
        state = StateStore(IN_MEMORY, self.clock) if blank else self.state.copy(workshop.name)
        bridge = self._bridge(workshop, state, None, NoJournal(), self.threads, mode="observe")
        try:
            if not rebuilding:
                catch_up(bridge.engine.site, self.journal.read())
            yield bridge
        finally:
            bridge.close()
            state.close()

    @contextmanager
    def looking(self, workshop: Workshop) -> Iterator[Site]:
        """A workshop as the state has it now: for those who only look. Neither side is asked, nothing is written."""
        self.safe.refuse_lost([workshop.name])
        state = self.state.copy(workshop.name)
        bridge = self._bridge(workshop, state, None, NoJournal(), self.threads)
        try:
            yield bridge.engine.site
        finally:
            bridge.close()
            state.close()

    def close(self) -> None:
        self.threads.close()
        self.client.close()
        self.state.close()

    def shop(self, workshop: Workshop) -> ShopStore:
        """The workshop's database; the password is part of the address by now."""
        url = self.settings.shop_database(workshop)
        return ShopStore(url, self.profiles[workshop.name], workshop.zone, workshop.id, self.clock)

    def _bridge(
        self, workshop: Workshop, state: StateStore, lease: Lease | None, journal: Journal, fan: Fan, mode: str | None = None
    ) -> Bridge:
        shop, ending = self.shop(workshop), threading.Event()
        settings = self.settings
        site = Site(
            name=workshop.name,
            id=workshop.id,
            prefix=workshop.reference_prefix,
            rules=self._rules(workshop, mode or settings.mode),
            shop=shop,
            repairy=self.client.workshop(workshop.id, workshop.zone),
            state=state,
            clock=self.clock,
            fan=fan,
            log=self.log,
            journal=journal,
            limits=Limits(settings.safety.max_share, settings.safety.max_count, settings.safety.min_count),
            quarantine=settings.repairy.quarantine,
            poll=settings.schedule.repairy,
            polls=max(8, int(settings.repairy.requests_per_second * settings.schedule.repairy.total_seconds())),
            sweep=time.fromisoformat(settings.schedule.sweep),
            past=settings.schedule.window_past,
            future=settings.schedule.window_future,
            visible_per_hour=settings.safety.visible_per_hour,
            retention=settings.state.retention,
            profile_digest=self._digest(workshop),
            stopping=ending.is_set,
        )
        return Bridge(workshop.name, Engine(site), shop, state, lease, ending, self.safe.copy_daily)

    def _rules(self, workshop: Workshop, mode: str) -> Rules:
        safety = self.settings.safety
        return Rules(
            policy=workshop.policy.model_dump(),
            zone=workshop.zone,
            visible=frozenset(safety.visible),
            settle=safety.settle,
            freshness=safety.freshness,
            missing=safety.missing_row,
            mode=mode,
        )

    def _digest(self, workshop: Workshop) -> str:
        """What tells that the profile or the wire contract was edited: what they mean, not how they are laid out."""
        facts = [repr(self.profiles[workshop.name]), repr(self.contract)]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


@contextmanager
def opened(settings: Settings, clock: Clock | None = None) -> Iterator[App]:
    """The program, closed at the end. Raises ConfigError."""
    app = App(settings, clock)
    try:
        yield app
    finally:
        app.close()


def known(app: App, ref: str, workshop: str | None) -> Link:
    """The one link that a person means by REF. Raises SyncError saying what to do."""
    found = app.state.find(ref, workshop)
    live = [link for link in found if link.state != "closed"] or found
    if len(live) == 1:
        return live[0]
    if not live:
        raise SyncError(f"no booking is known as {ref}; a reference, shop key, Repairy id or code, or the id of a hold is meant")
    names = ", ".join(sorted({f"{link.reference or link.repairy_id} ({link.workshop})" for link in live}))
    raise SyncError(f"{ref} means more than one booking: {names}; name one of these, or add --workshop")
