"""`/metrics`, in Prometheus's text form: what is counted about passes, both sides, the queue and webhooks.

No token is needed, so no label names a booking or anything of a customer: workshops, sides, and words of this program only.
Everything is read when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sync import __version__
from sync.core.booking import Side
from sync.errors import Unreachable
from sync.ports import Clock
from sync.pulse import Pulse
from sync.state.store import StateStore
from sync.web.webhooks import Intake

PREFIX = "repairy_sync_"
SIDES: tuple[Side, ...] = ("shop", "repairy")
STANDING = ("waiting", "noted", "held")
UNSETTLED = ("open", "unknown")
RESULTS = ("stored", "repeated", "foreign", "refused", "unstored")


def _none() -> Mapping[str, bool]:
    return {}


@dataclass(frozen=True)
class Counted:
    """What is counted, and where. `calls`: API operation -> requests; `breakers`: workshop -> whether it is open."""

    workshops: tuple[str, ...]
    state: StateStore
    pulse: Pulse
    intake: Intake
    clock: Clock
    calls: Callable[[], Mapping[str, int]]
    breakers: Callable[[], Mapping[str, bool]] = _none


def routes(counted: Counted) -> list[Route]:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(counted))

    def metrics(_: Request) -> Response:
        try:
            return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
        except Unreachable:
            return Response("the state database could not be read\n", 503, media_type="text/plain")

    return [Route("/metrics", metrics)]


class _Collector:
    def __init__(self, counted: Counted) -> None:
        self._counted = counted

    def collect(self) -> Iterator[Metric]:
        for part in (_program, _sources, _queue, _intents, _passes, _webhooks, _calls):
            yield from part(self._counted)


def _gauge(name: str, says: str, labels: Iterable[str], values: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    family = GaugeMetricFamily(PREFIX + name, says, labels=tuple(labels))
    for where, value in values:
        family.add_metric(where, value)
    return family


def _counter(name: str, says: str, labels: Iterable[str], values: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    family = CounterMetricFamily(PREFIX + name, says, labels=tuple(labels))
    for where, value in values:
        family.add_metric(where, value)
    return family


def _program(_: Counted) -> Iterator[Metric]:
    yield _gauge("info", "The program that answers", ("version",), [((__version__,), 1)])


def _sources(counted: Counted) -> Iterator[Metric]:
    """A side that was never tried, or never read, has no line."""
    found = {(name, side): counted.state.source(name, side) for name in counted.workshops for side in SIDES}
    where = ("workshop", "side")
    tried = [(key, _seconds(source.last_attempt)) for key, source in found.items() if source.last_attempt]
    good = [(key, _seconds(source.last_good)) for key, source in found.items() if source.last_good]
    yield _gauge("last_attempt_timestamp_seconds", "When a side was last asked", where, tried)
    yield _gauge("last_success_timestamp_seconds", "When a side was last read well", where, good)


def _seconds(moment: datetime | None) -> float:
    return moment.timestamp() if moment else 0.0


def _queue(counted: Counted) -> Iterator[Metric]:
    now = counted.clock.now()
    due = {name: counted.state.due_counts(name, now) for name in counted.workshops}
    standing = {name: counted.state.standing_counts(name) for name in counted.workshops}
    yield _gauge("due", "Bookings that are due", ("workshop",), [((name,), count) for name, (count, _) in due.items()])
    ages = [((name,), (now - (oldest or now)) / timedelta(seconds=1)) for name, (_, oldest) in due.items()]
    yield _gauge("oldest_due_age_seconds", "For how long the oldest due booking has been due", ("workshop",), ages)
    kinds = [((name, kind), found.get(kind, 0)) for name, found in standing.items() for kind in STANDING]
    yield _gauge("standing", "What waits, is noted or held", ("workshop", "kind"), kinds)
    plans = [((name,), found.get("plan", 0)) for name, found in standing.items()]
    yield _gauge("held_plans", "Guard trips that wait for `approve`", ("workshop",), plans)


def _intents(counted: Counted) -> Iterator[Metric]:
    """Apart, since what is open or unknown becomes something else: a counter would run backwards."""
    found = {(name, *key): n for name in counted.workshops for key, n in counted.state.intent_counts(name).items()}
    where = ("workshop", "side", "kind", "outcome")
    settled = [(key, n) for key, n in found.items() if key[-1] not in UNSETTLED]
    yield _counter("intents", "Writes that were settled, by outcome", where, settled)
    rest = [(key, n) for key, n in found.items() if key[-1] in UNSETTLED]
    yield _gauge("unsettled_intents", "Writes of which it is not known yet what came", where, rest)


def _passes(counted: Counted) -> Iterator[Metric]:
    pulse, problems = counted.pulse, counted.pulse.problems()
    where = ("workshop",)
    yield _counter("passes", "Passes that ended", where, [((name,), n) for name, n in pulse.passes.items()])
    yield _counter("overruns", "Passes longer than their interval", where, [((name,), n) for name, n in pulse.overruns.items()])
    failing = [((name,), float(name in problems)) for name in counted.workshops]
    yield _gauge("pass_failing", "Whether the last pass failed as a whole", where, failing)
    is_open = [((name,), float(found)) for name, found in counted.breakers().items()]
    yield _gauge("breaker_open", "Whether writes are stopped after a storm of failures", where, is_open)


def _webhooks(counted: Counted) -> Iterator[Metric]:
    intake = counted.intake
    results = [((result,), getattr(intake, result)) for result in RESULTS]
    yield _counter("webhooks", "Deliveries by result", ("result",), results)
    last = [((), intake.last_stored.timestamp())] if intake.last_stored else []
    yield _gauge("webhook_last_stored_timestamp_seconds", "When the last new event was stored", (), last)


def _calls(counted: Counted) -> Iterator[Metric]:
    found = [((operation,), n) for operation, n in counted.calls().items()]
    yield _counter("calls", "Requests to Repairy", ("operation",), found)
