"""/metrics on a real listener over a real state, read with Prometheus's own parser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

from sync.core.times import stamp
from sync.machine import SystemClock
from sync.pulse import Pulse
from sync.records import Intent, Source, Standing
from sync.share import CONFIG
from sync.state import migrate
from sync.state.store import StateStore
from sync.web import metrics, webhooks
from sync.web.server import Listener

CLOCK = SystemClock()
NOW = CLOCK.now()
Labels = dict[str, str]


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateStore]:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    migrate.upgrade(url)
    opened = StateStore(url, CLOCK)
    yield opened
    opened.close()


@pytest.fixture
def counted(state: StateStore) -> metrics.Counted:
    pulse = Pulse(["Northside", "Southside"], CLOCK, timedelta(seconds=30))
    calls = {"read": 7, "create": 1}
    names = ("Northside", "Southside")
    return metrics.Counted(names, state, pulse, webhooks.Intake(CLOCK), CLOCK, lambda: calls, lambda: {"Northside": True})


@pytest.fixture
def answer(counted: metrics.Counted) -> Iterator[Callable[[], httpx.Response]]:
    listener = Listener(Starlette(routes=metrics.routes(counted)), "127.0.0.1:0")
    listener.start()
    yield lambda: httpx.get(f"http://127.0.0.1:{listener.port}/metrics", trust_env=False)
    listener.stop()


@pytest.fixture
def value(answer: Callable[[], httpx.Response]) -> Callable[..., float | None]:
    """One sample's value, None where there is none."""

    def looked_up(name: str, **labels: str) -> float | None:
        families = text_string_to_metric_families(answer().text)
        found = [
            one.value for each in families for one in each.samples if (one.name, one.labels) == (f"repairy_sync_{name}", labels)
        ]
        assert len(found) < 2
        return found[0] if found else None

    return looked_up


Value = Callable[..., float | None]
NORTH = {"workshop": "Northside"}


def test_it_is_prometheus_text(answer: Callable[[], httpx.Response]) -> None:
    """With help and a type for each family, and no token asked for."""
    found = answer()
    families = list(text_string_to_metric_families(found.text))
    assert found.status_code == 200
    assert found.headers["content-type"].startswith("text/plain")
    assert all(each.documentation and each.type in ("gauge", "counter") for each in families)
    assert all(each.name.startswith("repairy_sync_") for each in families)


def test_last_attempt_and_last_success_stand_apart(state: StateStore, value: Value) -> None:
    """A side that fails goes on being tried: only the success grows old."""
    state.save_source(Source("Northside", "shop", last_attempt=NOW, last_good=NOW - timedelta(hours=3), last_error="down"))
    where = NORTH | {"side": "shop"}
    assert value("last_attempt_timestamp_seconds", **where) == pytest.approx(NOW.timestamp())
    assert value("last_success_timestamp_seconds", **where) == pytest.approx(NOW.timestamp() - 3 * 3600)


def test_a_side_never_read_has_no_line(value: Value) -> None:
    """A zero would be the year 1970."""
    assert value("last_success_timestamp_seconds", workshop="Northside", side="repairy") is None


def test_the_oldest_due_booking_gives_the_age(state: StateStore, value: Value) -> None:
    now = datetime.now(UTC)  # the page asks the real clock; the file may have been loaded long ago
    state.add("Northside", shop_key="1", due_at=stamp(now - timedelta(minutes=10)))
    state.add("Northside", shop_key="2", due_at=stamp(now - timedelta(minutes=90)))
    state.add("Northside", shop_key="3", due_at=stamp(now + timedelta(minutes=90)))
    assert value("due", **NORTH) == 2
    assert value("oldest_due_age_seconds", **NORTH) == pytest.approx(90 * 60, abs=30)
    assert value("oldest_due_age_seconds", workshop="Southside") == 0


def test_what_stands_is_counted_by_kind(state: StateStore, value: Value) -> None:
    stands = [
        Standing("", "Northside", None, kind, "time", f"{kind} {n}", NOW) for kind in ("held", "noted", "plan") for n in (1, 2)
    ]
    state.stand("Northside", None, stands)
    found = {kind: value("standing", **NORTH, kind=kind) for kind in ("waiting", "noted", "held")}
    assert (found, value("held_plans", **NORTH)) == ({"waiting": 0, "noted": 2, "held": 2}, 2)


@pytest.mark.parametrize("outcome", ["accepted", "rejected", "unknown", None])
def test_intents_are_counted_by_outcome(outcome: str | None, state: StateStore, value: Value) -> None:
    link = state.add("Northside", shop_key="1")
    intent = Intent("a" * 32, link.id, "Northside", "repairy", "create", {}, {"rego": "AAA001"}, None, None, {}, NOW)
    state.intend(intent)
    if outcome:
        state.finish(intent, outcome, "", link)
    where = NORTH | {"side": "repairy", "kind": "create", "outcome": outcome or "open"}
    settled, rest = value("intents_total", **where), value("unsettled_intents", **where)
    assert (settled, rest) == ((None, 1) if outcome in (None, "unknown") else (1, None))


def test_webhooks_are_counted_by_result(counted: metrics.Counted, value: Value) -> None:
    counted.intake.refuse("its signature is wrong", {"x-signature": "abc"})
    counted.intake.stored = 4
    results = {name: value("webhooks_total", result=name) for name in ("stored", "repeated", "foreign", "refused", "unstored")}
    assert results == {"stored": 4, "repeated": 0, "foreign": 0, "refused": 1, "unstored": 0}


def test_passes_are_counted_and_a_failing_one_shows(counted: metrics.Counted, value: Value) -> None:
    for problem in ("", "Unreachable: down"):
        counted.pulse.begin("Northside")
        counted.pulse.end("Northside", problem)
    assert (value("passes_total", **NORTH), value("pass_failing", **NORTH)) == (2, 1)
    assert value("overruns_total", **NORTH) == value("pass_failing", workshop="Southside") == 0


def test_calls_and_breaker(value: Value) -> None:
    assert (value("calls_total", operation="read"), value("breaker_open", **NORTH)) == (7, 1)


def test_nothing_of_a_booking_is_in_it(state: StateStore, answer: Callable[[], httpx.Response]) -> None:
    """Neither keys, references, plates nor names, wherever in the state they stand."""
    fields = {"rego": "AAA001", "name": "Customer One", "phone": "0400000001"}
    link = state.add("Northside", shop_key="key-1", reference="NS-key-1", repairy_id="booking-1", shop=fields, repairy=fields)
    state.intend(Intent("b" * 32, link.id, "Northside", "shop", "change", fields, fields, fields, fields, {}, NOW))
    state.stand("Northside", link.id, [Standing("", "Northside", link.id, "held", "name", "Customer One or Customer Two", NOW)])
    assert not re.search(r"AAA001|Customer|0400|key-1|booking-1", answer().text)


def test_a_state_that_cannot_be_read_is_503(state: StateStore, answer: Callable[[], httpx.Response], tmp_path: Path) -> None:
    """Prometheus counts the scrape as failed, which is what it is."""
    state.close()
    (tmp_path / "state.db").unlink()
    assert answer().status_code == 503


# ---------------------------------------------------------------- what is made of them


def expressions(file: str) -> list[str]:
    """Every query of the dashboard or the rules."""
    given = yaml.safe_load((CONFIG / file).read_text(encoding="utf-8"))  # JSON is YAML
    if file.endswith(".json"):
        return [target["expr"] for panel in given["panels"] for target in panel["targets"]]
    return [rule["expr"] for group in given["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("file", ["grafana-dashboard.json", "alert-rules.yml"])
def test_dashboard_and_rules_ask_for_what_there_is(file: str, answer: Callable[[], httpx.Response]) -> None:
    there = set(re.findall(r"^# TYPE (\S+)", answer().text, re.MULTILINE))
    asked = {name for each in expressions(file) for name in re.findall(r"repairy_sync_\w+", each)}
    assert asked
    assert asked <= there


def test_the_dashboard_shows_every_metric(answer: Callable[[], httpx.Response]) -> None:
    """But for the version, and moments that other panels tell."""
    there = set(re.findall(r"^# TYPE repairy_sync_(\S+)", answer().text, re.MULTILINE))
    shown = " ".join(expressions("grafana-dashboard.json"))
    rest = {name for name in there if f"repairy_sync_{name}" not in shown}
    assert rest == {"info", "last_attempt_timestamp_seconds", "webhook_last_stored_timestamp_seconds", "unsettled_intents"}


def test_every_rule_says_what_to_do() -> None:
    given = yaml.safe_load((CONFIG / "alert-rules.yml").read_text(encoding="utf-8"))
    rules = [rule for group in given["groups"] for rule in group["rules"]]
    assert all(rule["annotations"]["summary"] and rule["annotations"]["description"] for rule in rules)
    assert len({rule["alert"] for rule in rules}) == len(rules)
