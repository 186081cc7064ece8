"""The daemon: passes by the clock, webhooks in between, an orderly end. Knows nothing of bookings.

One job per workshop runs `tick` at the shorter of the two schedules; the engine knows what is due inside. A pass that
fails is told once and tried again at its next turn: a shop or an API that is down is not fatal, a lost lease is.

Signals: SIGTERM and SIGINT end it with the call in hand finished; a second one ends it at once. SIGHUP is ignored: a
changed configuration takes effect at the next start.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, timedelta
from queue import Empty, SimpleQueue
from typing import Protocol

from apscheduler.events import EVENT_JOB_MAX_INSTANCES, JobSubmissionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from sync.errors import ConfigError, LeaseLost, SyncError
from sync.ports import Clock
from sync.pulse import Pulse

WIDTH = 8  # passes at once, of different workshops
DEBOUNCE = timedelta(milliseconds=200)  # several webhooks of one moment make one pass
RENEW = timedelta(seconds=15)  # a lease ends 60 seconds after its last renewal
STOP_SECONDS = 25.0  # for passes to end; systemd and `docker stop` are told 30
LOOK_SECONDS = 0.5
GOOD, UNREACHABLE, CONFIGURATION = 0, 75, 78


class Bridge(Protocol):
    """One workshop."""

    @property
    def name(self) -> str: ...

    def tick(self) -> None:
        """One pass: gathers what is due, acts, records. Raises SyncError."""
        ...

    def stop(self) -> None:
        """Asks a running pass to end after the call in hand. From another thread; does not wait."""
        ...

    def renew(self) -> None:
        """Keeps the lease. Raises LeaseLost, Unreachable."""
        ...


class Listener(Protocol):
    """Something that answers while the daemon runs (`sync.web.server.Listener`)."""

    def start(self) -> None:
        """Returns when it listens. Raises ConfigError."""
        ...

    def stop(self) -> None: ...


class Log(Protocol):
    """structlog's, as far as it is used here."""

    def info(self, event: str, **words: object) -> object: ...
    def warning(self, event: str, **words: object) -> object: ...
    def error(self, event: str, **words: object) -> object: ...


class Service(Protocol):
    """Whoever started this process (`sync.notify.Notify`)."""

    @property
    def watchdog(self) -> timedelta | None: ...
    def tell(self, **words: str) -> None: ...


class Daemon:
    """`listeners` may be added to until `run`: those that call `wake` are made after it.

    `heartbeat` is called after a good pass while every workshop's last pass was good; it may block for seconds.
    `leave` ends the process where a pass will not end (`os._exit`: the state is safe against it, waiting is not an end).
    """

    def __init__(
        self,
        bridges: Sequence[Bridge],
        listeners: Sequence[Listener],
        clock: Clock,
        *,
        shop_every: timedelta,
        repairy_every: timedelta,
        log: Log,
        notify: Service,
        heartbeat: Callable[[], None],
        leave: Callable[[int], object] = os._exit,
    ) -> None:
        self.listeners = list(listeners)
        self.every = _interval(shop_every, repairy_every, notify.watchdog)
        self.pulse = Pulse([bridge.name for bridge in bridges], clock, self.every)
        self._bridges = {bridge.name: bridge for bridge in bridges}
        self._clock, self._log, self._notify, self._heartbeat, self._leave = clock, log, notify, heartbeat, leave
        self._ends: SimpleQueue[int] = SimpleQueue()  # exit codes; the one queue that a signal handler may put into
        self._moved = threading.Condition()  # guards the next three
        self._busy: set[str] = set()
        self._woken: set[str] = set()
        self._ending = False
        self._told: dict[tuple[str, str], str] = {}  # by what and whose; each written by one thread at a time
        self._fed = 0
        self._scheduler = _scheduler(len(bridges))

    def run(self) -> int:
        """Blocks until a signal or a lost lease; returns the exit code. Call it in the main thread, leases in hand."""
        with self._signals():
            try:
                self._begin()
                code = self._watch()
            except SyncError as error:
                self._log.error("the daemon could not start", problem=str(error))
                code = CONFIGURATION if isinstance(error, ConfigError) else UNREACHABLE
            return self._end(code)

    def wake(self, name: str | None = None) -> None:
        """A pass soon, of one workshop or all. From any thread; many calls of one moment make one pass."""
        with self._moved:
            for each in self._bridges if name is None else [name]:
                if each not in self._woken:
                    self._woken.add(each)
                    self._soon(each)

    # ------------------------------------------------------------------ beginning and end

    def _begin(self) -> None:
        for bridge in self._bridges.values():
            bridge.renew()
        for listener in self.listeners:
            listener.start()
        for name, bridge in self._bridges.items():
            self._plan(self._pass, name, self.every, bridge, "default")
            self._plan(self._renew, f"lease of {name}", RENEW, bridge, "lease")
        self._scheduler.add_listener(self._skipped, EVENT_JOB_MAX_INSTANCES)
        self._scheduler.start()
        self._notify.tell(READY="1", STATUS=self._sentence())
        self._log.info("working", workshops=list(self._bridges), every=self.every.total_seconds())

    def _plan(self, work: Callable[[Bridge], None], id: str, every: timedelta, bridge: Bridge, executor: str) -> None:
        trigger = IntervalTrigger(seconds=every.total_seconds(), timezone=UTC)
        self._scheduler.add_job(work, trigger, args=[bridge], id=id, executor=executor, next_run_time=self._clock.now())

    def _watch(self) -> int:
        """Until somebody wants an end; returns the code to exit with."""
        while True:
            try:
                return self._ends.get(timeout=LOOK_SECONDS)
            except Empty:
                self._feed()
                self._rouse()

    def _end(self, code: int) -> int:
        self._notify.tell(STOPPING="1", STATUS="ending: the call in hand is finished first")
        with self._moved:
            self._ending = True
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        for bridge in self._bridges.values():
            bridge.stop()
        with self._moved:
            self._moved.wait_for(lambda: not self._busy, STOP_SECONDS)
            left = sorted(self._busy)
        for listener in self.listeners:
            listener.stop()
        self._log.info("ended", code=code)
        if left:
            self._log.error("a pass did not end; the next start settles what it left", workshops=left)
            self._leave(code or 1)
        return code

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """The first signal asks for an end; from then on they have their usual effect, which is at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        ends = (signal.SIGTERM, signal.SIGINT)

        def asked(number: int, _: object) -> None:
            self._ends.put(GOOD)
            for each in ends:
                signal.signal(each, signal.SIG_DFL)

        before = {number: signal.signal(number, asked) for number in ends}
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    # ------------------------------------------------------------------ while it runs

    def _pass(self, bridge: Bridge) -> None:
        """One job: a tick and what follows from it."""
        with self._moved:
            self._woken.discard(bridge.name)
            if self._ending:
                return
            self._busy.add(bridge.name)
        self.pulse.begin(bridge.name)
        try:
            self.pulse.end(bridge.name, self._tried("pass", bridge.name, bridge.tick))
            if self.pulse.good:
                self._tried("heartbeat", bridge.name, self._heartbeat)
        finally:
            self._rest(bridge.name)

    def _rest(self, name: str) -> None:
        """The pass is over; one that was asked for meanwhile comes now."""
        with self._moved:
            self._busy.discard(name)
            self._moved.notify_all()
            if name in self._woken:
                self._soon(name)

    def _renew(self, bridge: Bridge) -> None:
        self._tried("renewal of the lease", bridge.name, bridge.renew)

    def _tried(self, what: str, name: str, work: Callable[[], None]) -> str:
        """Does it; what went wrong is told once, and once when it is over. Returns it: never anything of a customer's."""
        raised: BaseException | None = None
        try:
            work()
        except LeaseLost as error:
            self._ends.put(UNREACHABLE)
            raised = error
        except (Exception, SystemExit) as error:  # noqa: BLE001  a fault of ours is not the end of the daemon
            raised = error
        problem = _said(raised)
        before, self._told[what, name] = self._told.get((what, name), ""), problem
        if problem and problem != before:
            self._log.warning(f"{what} failed", workshop=name, problem=problem, exc_info=_fault(raised))
        elif before and not problem:
            self._log.info(f"{what} is good again", workshop=name)
        return problem

    def _soon(self, name: str) -> None:
        """Bring the next pass forward, unless one runs: its end does it then. Holds `_moved`."""
        if self._scheduler.running and not self._ending and name not in self._busy:
            with suppress(JobLookupError):
                self._scheduler.modify_job(name, next_run_time=self._clock.now() + DEBOUNCE)

    def _skipped(self, event: JobSubmissionEvent) -> None:
        """APScheduler skips a pass that comes due while one runs, and says so only here."""
        if event.job_id in self._bridges and self.pulse.overrun(event.job_id):
            self._log.warning("a pass takes longer than its interval", workshop=event.job_id, every=self.every.total_seconds())

    def _rouse(self) -> None:
        """APScheduler goes by the wall clock; where that was set back, the next pass would be hours away."""
        with self._moved:
            for name in self.pulse.idle():
                self._soon(name)

    def _feed(self) -> None:
        """A sign of life only where every workshop ended a pass since the last one."""
        rounds = self.pulse.rounds
        if rounds > self._fed:
            self._fed = rounds
            self._notify.tell(**({"WATCHDOG": "1"} if self._notify.watchdog else {}), STATUS=self._sentence())

    def _sentence(self) -> str:
        problems = "; ".join(f"{name}: {problem}" for name, problem in self.pulse.problems().items())
        return problems or f"working for {', '.join(self._bridges)}"


def _interval(shop: timedelta, repairy: timedelta, watchdog: timedelta | None) -> timedelta:
    """Between two passes. Short enough for the watchdog, which only ended passes feed; one with nothing due costs little."""
    return min(shop, repairy, *([watchdog / 3] if watchdog else []))


def _scheduler(workshops: int) -> BackgroundScheduler:
    """No pass is dropped for being late, none runs beside itself; renewals never wait for passes."""
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # `_skipped` tells it in our words
    executors = {"default": ThreadPoolExecutor(max(1, min(WIDTH, workshops))), "lease": ThreadPoolExecutor(1)}
    defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    return BackgroundScheduler(timezone=UTC, executors=executors, job_defaults=defaults)


def _said(error: BaseException | None) -> str:
    """Messages of ours hold nothing of a customer; those of others might."""
    if isinstance(error, SyncError):
        return f"{type(error).__name__}: {error}"
    return f"{type(error).__name__}, a fault of the program: please report it" if error else ""


def _fault(error: BaseException | None) -> BaseException | None:
    """What is logged with its place in the code: only what nobody foresaw."""
    return None if isinstance(error, SyncError) else error
