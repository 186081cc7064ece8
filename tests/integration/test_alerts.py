"""What is told, to whom and how often: the pure part in cases, then through Apprise to a real SMTP and HTTP server."""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from sync import alerts
from sync.alerts import PATIENCE, Habit, Look, Machine, Memory, Place, Problem, look, message, news, tell
from sync.core.create import not_mapped
from sync.errors import ConfigError, Unreachable
from sync.ports import Event
from sync.pulse import Pulse
from sync.records import Source, Standing
from sync.settings import load
from sync.settings.kinds import hours
from sync.watch import Addresses, Looking, Watch
from sync.web.webhooks import Intake
from sync.wiring import App, opened
from tests.fakes import FakeClock
from tests.integration import sinks
from tests.integration.daemon_process import ground_on, until
from tests.integration.installation import installed

ZONE = ZoneInfo("Australia/Melbourne")
OPEN = datetime(2026, 3, 5, 10, 0, tzinfo=ZONE).astimezone(UTC)  # a Thursday
NIGHT = datetime(2026, 3, 5, 2, 30, tzinfo=ZONE).astimezone(UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
clock = FakeClock(OPEN)
GOOD = Place("Northside", hours("Mon-Fri 07:00-18:00"), ZONE, [], [])
DOWN = Source(
    "Northside",
    "shop",
    last_attempt=OPEN,
    last_good=OPEN - timedelta(hours=1),
    last_error="the shop database could not be opened",
)


def stands(kind: str = "held", reason: str = "both sides changed the time", **facts: object) -> Standing:
    return replace(Standing("3f9a0c2b", "Northside", 1, kind, "status", reason, OPEN), **facts)  # type: ignore[arg-type]


# ---------------------------------------------------------------- what is a problem

CASES: dict[str, tuple[Place, Machine, str]] = {
    "a side that cannot be read": (
        replace(GOOD, sources=[DOWN]),
        Machine(),
        "the shop database could not be read since Thu 05 Mar 09:00",
    ),
    "Repairy": (replace(GOOD, sources=[replace(DOWN, side="repairy")]), Machine(), "Repairy could not be reached"),
    "a side never read": (replace(GOOD, sources=[replace(DOWN, last_good=None)]), Machine(), "could not be read yet"),
    "passes that fail": (replace(GOOD, failing="Unreachable: the state"), Machine(), "no pass succeeds: Unreachable: the state"),
    "a pass that hangs": (replace(GOOD, late=True), Machine(), "something hangs"),
    "something held": (replace(GOOD, standings=[stands()]), Machine(), "a booking waits for a decision"),
    "several held": (replace(GOOD, standings=[stands(), stands(id="b")]), Machine(), "2 bookings wait for a decision"),
    "a word that nobody mapped": (
        replace(
            GOOD, standings=[stands(reason=not_mapped("?Waiting for parts")), stands(reason=not_mapped("?Waiting for parts"))]
        ),
        Machine(),
        "2 bookings wait: status 'Waiting for parts' is not mapped: add it to",
    ),
    "cancelled online": (
        replace(GOOD, standings=[stands(reason="cancelled online, and the shop's profile has no way to say so")]),
        Machine(),
        "a customer cancelled online, and the shop does not know it: `repairy-sync show 3f9a0c2b`",
    ),
    "the guard": (
        replace(GOOD, standings=[stands("plan", "60 bookings to cancel in one pass", digest="0123456789ab")]),
        Machine(),
        "held until you approve it: 60 bookings to cancel in one pass (`repairy-sync approve 0123456789ab`)",
    ),
    "webhooks that stay away": (replace(GOOD, habit=Habit(0, [4, 3, 9, 5])), Machine(), "at least 3 on this weekday"),
    "a disk nearly full": (GOOD, Machine(free=499_000_000), "only 499 MB are free"),
    "no copy": (GOOD, Machine(copy_age=timedelta(days=3)), "the newest copy of the state is 3 days old"),
    "a refused webhook": (
        GOOD,
        Machine(refused="its signature is wrong"),
        "a signed webhook was refused: its signature is wrong",
    ),
    "a relay": (GOOD, Machine(relay="it does not answer"), "no events can be fetched: it does not answer"),
}


@pytest.mark.parametrize(("place", "machine", "says"), CASES.values(), ids=CASES.keys())
def test_what_is_wrong_is_said_in_the_owners_words(place: Place, machine: Machine, says: str) -> None:
    assert any(says in one.says for one in look([place], machine, OPEN).found.values())


def test_each_word_that_nobody_mapped_is_told_once_however_many_wait_and_whatever_else_is_held() -> None:
    memory, begun = Memory(), list[str]()
    words = ["?Parts", "?Parts", "?Paint"]
    for count in range(4):
        standings = [stands(), *(stands(reason=not_mapped(word)) for word in words[:count])]
        for _ in range(PATIENCE["word"]):
            told = news(memory, look([replace(GOOD, standings=standings)], Machine(), OPEN), OPEN)
            begun += [one.which or one.kind for one in told.begun]
            tell(memory, told, OPEN)
    assert begun == ["held", not_mapped("?Parts"), not_mapped("?Paint")]


def test_every_kind_of_problem_has_its_case_and_its_patience() -> None:
    kinds = {one.kind for place, machine, _ in CASES.values() for one in look([place], machine, OPEN).found.values()}
    assert kinds == set(PATIENCE)


@pytest.mark.parametrize(("place", "machine", "says"), CASES.values(), ids=CASES.keys())
def test_nothing_is_a_problem_outside_the_hours(place: Place, machine: Machine, says: str) -> None:
    """Nor can anything be over then."""
    assert look([place], machine, NIGHT) == Look({}, frozenset())


QUIET = {
    "all is well": (replace(GOOD, sources=[replace(DOWN, last_error="")]), Machine(10**12, timedelta(hours=30))),
    "a server that slept: an old reading that did not fail": (
        replace(GOOD, sources=[replace(DOWN, last_good=OPEN - 3 * DAY, last_error="")]),
        Machine(),
    ),
    "a server that slept: its last attempt failed": (
        replace(GOOD, sources=[replace(DOWN, last_attempt=OPEN - timedelta(hours=14))]),
        Machine(),
    ),
    "few webhooks on that weekday": (replace(GOOD, habit=Habit(0, [4, 2, 9, 5])), Machine()),
    "a weekday known for three weeks": (replace(GOOD, habit=Habit(0, [4, 4, 4])), Machine()),
    "one webhook today": (replace(GOOD, habit=Habit(1, [4, 4, 4, 4])), Machine()),
}


@pytest.mark.parametrize(("place", "machine"), QUIET.values(), ids=QUIET.keys())
def test_what_is_no_problem(place: Place, machine: Machine) -> None:
    assert not look([place], machine, OPEN).found


def test_what_belongs_to_a_held_plan_is_told_as_the_plan_only() -> None:
    many = [stands(id=str(n), reason="part of a held plan", digest="0123456789ab") for n in range(60)]
    found = look([replace(GOOD, standings=[*many, stands("plan", "60 at once", digest="0123456789ab")])], Machine(), OPEN).found
    assert list(found) == ["guard/Northside/0123456789ab"]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """A whole installation in its opening hours, nothing in its state."""
    with installed(tmp_path) as made:
        made.secret("repairy_webhook_secret", "made-up")
        made.configure(safety='[webhooks]\npublic_url = "https://shop.example.com/webhooks/repairy"')
        with opened(load(tmp_path / "repairy-sync.toml"), clock) as one:
            one.migrate()
            yield one


def kinds(app: App, intake: Intake, pulse: Pulse | None = None) -> set[str]:
    """What is found wrong there."""
    beats = pulse or Pulse(["Northside"], clock, timedelta(seconds=30))
    return {one.kind for one in Looking(app, app.settings.workshops, beats, intake)().found.values()} - {"disk"}


def test_the_facts_are_gathered_from_state_and_process(app: App) -> None:
    """Each problem from where it really shows; before, there is none."""
    intake = Intake(clock)
    assert kinds(app, intake) == set()
    app.state.save_source(DOWN)
    app.state.stand("Northside", None, [stands(link_id=None), stands("plan", "60 at once", link_id=None, digest="0123456789ab")])
    for week in range(1, 5):
        for number in range(3):
            moment = OPEN - timedelta(weeks=week, minutes=number + 1)
            app.state.add_event(Event(f"{week}{number}", "created", "booking-1", None, moment), "Northside")
    copies = app.settings.state.journal_path.parent / "backups"
    copies.mkdir(exist_ok=True)
    (copies / "state.db.2026-03-01.bak").touch()
    os.utime(copies / "state.db.2026-03-01.bak", ((OPEN - 4 * DAY).timestamp(),) * 2)
    intake.refuse("its signature is wrong", {"x-webhook-signature": "00"})
    intake.unfetched = "it does not answer"
    pulse = Pulse(["Northside"], clock, timedelta(seconds=30))
    pulse.end("Northside", "Unreachable: the state database could not be used")
    assert kinds(app, intake, pulse) == {"unreachable", "held", "guard", "silent", "copy", "refused", "relay", "failed"}


def test_strangers_who_try_the_door_are_no_problem(app: App) -> None:
    """A delivery without a signature is not Repairy's."""
    intake = Intake(clock)
    intake.refuse("it has no header x-webhook-signature", {"user-agent": "scanner"})
    assert kinds(app, intake) == set()


def test_an_event_of_today_ends_the_silence(app: App) -> None:
    for week in range(5):
        for number in range(3):
            moment = OPEN - timedelta(weeks=week, minutes=number + 1)
            app.state.add_event(Event(f"{week}{number}", "created", "booking-1", None, moment), "Northside")
    assert kinds(app, Intake(clock)) == set()


# ---------------------------------------------------------------- when it is told

HELD = look([replace(GOOD, standings=[stands()])], Machine(), OPEN)
FAILING = look([replace(GOOD, sources=[DOWN])], Machine(), OPEN)
WELL, CLOSED = look([GOOD], Machine(), OPEN), look([GOOD], Machine(), NIGHT)


def told(memory: Memory, *looks: Look, now: datetime = OPEN) -> list[tuple[int, int, int]]:
    """New, over, still: of each message that these looks, a minute apart, brought."""
    messages = []
    for turn, one in enumerate(looks):
        found = news(memory, one, now + turn * MINUTE)
        if found:
            tell(memory, found, now + turn * MINUTE)
            messages.append((len(found.begun), len(found.over), len(found.still)))
    return messages


def test_a_problem_is_told_once_when_it_begins_and_once_when_it_is_over() -> None:
    assert told(Memory(), *[HELD] * 60, *[WELL] * 60) == [(1, 0, 0), (0, 1, 0)]


@pytest.mark.parametrize("kind", PATIENCE)
def test_it_is_told_after_its_number_of_looks_in_a_row(kind: str) -> None:
    seen = Look({"it": Problem(kind, "Northside", "says", "ends")}, frozenset({"Northside"}))
    seen = Look({one.key: one for one in seen.found.values()}, seen.judged)
    assert told(Memory(), *[seen] * (PATIENCE[kind] - 1)) == []
    assert told(Memory(), *[seen] * PATIENCE[kind]) == [(1, 0, 0)]


def test_a_server_that_wakes_up_has_time_to_reach_its_sides() -> None:
    """Its first attempts fail while the network comes up; nobody hears of it, however long it slept."""
    assert told(Memory(), *[FAILING] * 5, WELL, *[FAILING] * 5, *[WELL] * 20) == []


def test_nothing_is_told_at_night_and_what_ended_then_is_told_in_the_morning() -> None:
    memory = Memory()
    told(memory, HELD, HELD)
    assert told(memory, *[CLOSED] * 300) == []
    assert told(memory, WELL, WELL) == [(0, 1, 0)]


def test_what_goes_on_is_told_again_a_day_later_and_not_before() -> None:
    memory = Memory()
    told(memory, HELD, HELD)
    assert told(memory, *[HELD] * 600) == []
    assert told(memory, *[HELD] * 100, now=OPEN + DAY + 2 * MINUTE) == [(0, 0, 1)]


def test_a_digest_says_what_stands_now() -> None:
    memory = Memory()
    told(memory, HELD, HELD)
    more = look([replace(GOOD, standings=[stands(), stands(id="b")])], Machine(), OPEN)
    assert "2 bookings wait" in message(news(memory, more, OPEN + 2 * DAY))[1]


def test_what_could_not_be_told_is_told_later() -> None:
    """Without `tell`, the same news comes again."""
    memory = Memory()
    news(memory, HELD, OPEN)
    assert news(memory, HELD, OPEN) == news(memory, HELD, OPEN + MINUTE) != alerts.News()


def test_a_restart_forgets_nothing_told() -> None:
    memory = Memory()
    told(memory, HELD, HELD)
    again = Memory.read(json.loads(json.dumps(memory.written)))
    assert told(again, *[HELD] * 30) == []
    assert told(again, WELL, WELL) == [(0, 1, 0)]


# ---------------------------------------------------------------- to whom


class Eyes:
    """What the watch sees, as a test sets it."""

    def __init__(self) -> None:
        self.look = WELL
        self.error: Exception | None = None

    def __call__(self) -> Look:
        if self.error:
            raise self.error
        return self.look


class Lines:
    """A log."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, event: str, **facts: object) -> None:
        self.lines.append(f"{event} {facts}")

    warning = info


@pytest.fixture
def mail() -> Iterator[sinks.Sink]:
    with sinks.smtp() as sink:
        yield sink


@pytest.fixture
def hook() -> Iterator[sinks.Sink]:
    with sinks.http() as sink:
        yield sink


@pytest.fixture
def seen() -> Eyes:
    return Eyes()


@pytest.fixture
def lines() -> Lines:
    return Lines()


Make = Callable[..., Watch]


@pytest.fixture
def watch(mail: sinks.Sink, hook: sinks.Sink, seen: Eyes, lines: Lines, tmp_path: Path) -> Make:
    def made(*urls: str) -> Watch:
        addresses = Addresses(urls or (mailto(mail), f"json://127.0.0.1:{hook.port}/alerts"))
        return Watch(seen, addresses.send, tmp_path / "alerts.json", clock, lines)

    return made


def mailto(sink: sinks.Sink) -> str:
    return f"mailto://127.0.0.1:{sink.port}?from=sync@example.com&to=owner@example.com&mode=insecure"


def nobody() -> str:
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"json://127.0.0.1:{free.getsockname()[1]}/"


def test_a_mail_and_a_post_say_what_began_and_what_is_over(watch: Make, seen: Eyes, mail: sinks.Sink, hook: sinks.Sink) -> None:
    one = watch()
    for seen.look in (HELD, HELD, HELD, WELL, WELL, WELL):
        one.once()
    assert [str(each["Subject"]) for each in mail.mails] == ["repairy-sync: 1 new", "repairy-sync: 1 over"]
    assert "Northside: a booking waits for a decision" in mail.texts[0]
    assert "over: Northside: no booking waits" in mail.texts[1]
    assert [json.loads(body)["title"] for body in hook.bodies] == ["repairy-sync: 1 new", "repairy-sync: 1 over"]


def test_one_address_that_is_down_keeps_nobody_from_being_told_once(
    watch: Make, seen: Eyes, mail: sinks.Sink, lines: Lines
) -> None:
    """Which kind of address it was is logged once, without the address."""
    one, seen.look = watch(mailto(mail), nobody()), HELD
    for _ in range(5):
        one.once()
    assert len(mail.bodies) == 1
    assert [line for line in lines.lines if "alerts failed" in line] == ["alerts failed {'problem': 'not reached: JSON'}"]


def test_what_reaches_nobody_is_sent_until_it_does(watch: Make, seen: Eyes, mail: sinks.Sink) -> None:
    one, seen.look, mail.status = watch(mailto(mail)), HELD, 451
    for _ in range(2):
        one.once()
    assert not mail.bodies
    mail.status = 200
    one.once()
    one.once()
    assert len(mail.bodies) == 1


def test_a_new_process_does_not_tell_it_again(watch: Make, seen: Eyes, mail: sinks.Sink) -> None:
    seen.look = HELD
    for _ in range(2):
        one = watch()
        for _ in range(3):
            one.once()
    assert len(mail.bodies) == 1


def test_a_spoilt_memory_begins_anew(watch: Make, seen: Eyes, mail: sinks.Sink, tmp_path: Path) -> None:
    (tmp_path / "alerts.json").write_text('{"told": [3]}', encoding="utf-8")
    one, seen.look = watch(), HELD
    for _ in range(2):
        one.once()
    assert len(mail.bodies) == 1


@pytest.mark.parametrize("error", [Unreachable("the state database could not be used"), ZeroDivisionError()], ids=repr)
def test_a_look_that_fails_is_told_once_in_the_log(watch: Make, seen: Eyes, lines: Lines, error: Exception) -> None:
    one, seen.error = watch(), error
    one.once()
    one.once()
    seen.error = None
    one.once()
    assert [line.split(" {")[0] for line in lines.lines] == ["alerts failed", "alerts are good again"]


def test_addresses_that_nobody_understands_are_named_by_their_place() -> None:
    with pytest.raises(ConfigError) as raised:
        Addresses(["json://127.0.0.1/", "carrier-pigeon:secret-loft"])
    assert "alerts.notify: address 2" in str(raised.value)
    assert "secret-loft" not in str(raised.value)


def test_no_address_reaches_the_log(watch: Make, seen: Eyes, caplog: pytest.LogCaptureFixture) -> None:
    """Apprise would tell it, password and all."""
    with caplog.at_level(logging.DEBUG):
        one, seen.look = watch(nobody().replace("//", "//user:canary-secret@")), HELD
        one.once()
        one.once()
    assert "canary-secret" not in caplog.text


# ---------------------------------------------------------------- the daemon


def test_good_passes_ping_and_a_heartbeat_that_fails_is_told_once(request: pytest.FixtureRequest, hook: sinks.Sink) -> None:
    """A watcher that is down is told of in one line; the passes go on, and so do the pings."""
    with ground_on("sqlite", request) as ground:
        ground.configure({"[web]": f'[alerts]\nheartbeat_url = "http://127.0.0.1:{hook.port}/ping/canary"\n\n[web]'})
        ground.start()
        until("three pings", lambda: len(hook.paths) >= 3, ground)
        hook.status = 500
        failed = len(hook.paths)
        until("three that fail", lambda: len(hook.paths) >= failed + 3, ground)
        hook.status = 200
        until("word that it is over", lambda: any("heartbeat is good again" in line for line in ground.lines()), ground)
        assert set(hook.paths) == {"/ping/canary"}
        assert sum("heartbeat failed" in line for line in ground.lines()) == 1
        assert not any("canary" in line for line in ground.lines())


def test_an_address_that_is_none_stops_the_start(request: pytest.FixtureRequest) -> None:
    with ground_on("sqlite", request) as ground:
        ground.configure({"[web]": '[alerts]\nnotify = ["carrier-pigeon:loft"]\n\n[web]'})
        ended = ground.tried("run")
        assert ended.returncode == 78
        assert "alerts.notify: address 1 is not one that Apprise knows" in ended.stderr
