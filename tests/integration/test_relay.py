"""The relay and the daemon's side of it: real listeners, real files, a real process that is killed."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from sync import relay
from sync.errors import ConfigError, Unreachable
from sync.machine import SystemClock
from sync.ports import Event
from sync.relay import Fetcher, Shelf, signed
from sync.repairy import contract
from sync.repairy.transport import Transport
from sync.sandbox.partner import WEBHOOK_SECRET
from sync.state import migrate
from sync.state.store import StateStore
from sync.web import relay as web
from sync.web import webhooks
from sync.web.server import Listener
from tests.integration.daemon_process import ground_on, until

SECRET, NEXT = "made-up-secret", "made-up-next-secret"
NORTH, SOUTH = "a" * 24, "b" * 24
WORKSHOPS = {NORTH: "Northside", SOUTH: "Southside"}
RULES = contract.load()


class Lines:
    """A log."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, event: str, **_: object) -> None:
        self.lines.append(event)

    warning = info


def event(id: str = "event-1", workshop: str | None = NORTH) -> bytes:
    data = {"id": "booking-1"} | ({"workshopId": workshop} if workshop else {})
    return json.dumps({"id": id, "action": "bookingUpdated", "data": data}, indent=3).encode()


def headers(body: bytes, secret: str = SECRET, at: float | None = None) -> dict[str, str]:
    """As Repairy signs."""
    stamp = str(int(time.time() if at is None else at))
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {"x-webhook-signature": digest, "x-webhook-timestamp": stamp, "x-noise": "not kept"}


class Both:
    """A relay that listens and a daemon's fetcher before it."""

    def __init__(self, folder: Path, shelf: Shelf | None = None) -> None:
        self.clock, self.log, self.woken = SystemClock(), Lines(), list[bool]()
        self.file = folder / "relay.db"
        self.shelf = shelf or Shelf(self.file)
        self.public = relay.listener(RULES, [SECRET, NEXT], "127.0.0.1:0", self.shelf, SystemClock())
        self.public.start()
        url = f"sqlite:///{folder / 'state.db'}"
        migrate.upgrade(url)
        self.state = StateStore(url, self.clock)
        self.intake = webhooks.Intake(self.clock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.public.port}"

    def fetcher(self, *secrets: str, store: Callable[[Event, str], bool] | None = None, url: str = "") -> Fetcher:
        wire = Transport(url or self.url, self.clock, 5.0)
        kept, wake = store or self.state.add_event, lambda: self.woken.append(True)
        return Fetcher(wire, RULES, secrets or (SECRET,), kept, WORKSHOPS, wake, self.intake, self.clock, self.log)  # type: ignore[arg-type]

    def deliver(self, body: bytes, secret: str = SECRET) -> httpx.Response:
        return httpx.post(self.url + webhooks.PATH, content=body, headers=headers(body, secret), trust_env=False)

    def kept(self) -> int:
        return len(self.shelf.page(0, 1 << 30))

    def stored(self, workshop: str = "Northside") -> list[str]:
        return sorted(one.id for one in self.state.events(workshop))

    def close(self) -> None:
        self.public.stop()
        self.shelf.close()
        self.state.close()


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    made = Both(tmp_path)
    yield made
    made.close()


# ---------------------------------------------------------------- the way of an event


def test_an_event_goes_from_repairy_to_the_daemon_and_leaves_the_relay(both: Both) -> None:
    assert both.deliver(event()).status_code == 200
    both.fetcher().once()
    assert (both.stored(), both.kept(), both.woken, both.intake.stored) == (["event-1"], 0, [True], 1)


def test_one_that_comes_twice_is_kept_once(both: Both) -> None:
    answers = [both.deliver(event()).json()["result"] for _ in range(2)]
    assert (answers, both.kept()) == (["stored", "known"], 1)


def test_each_workshop_gets_its_own_and_an_event_without_one_is_for_all(both: Both) -> None:
    for body in (event("1"), event("2", SOUTH), event("3", None), event("4", "c" * 24)):
        both.deliver(body)
    both.fetcher().once()
    assert (both.stored(), both.stored("Southside"), both.intake.foreign, both.kept()) == (["1", "3"], ["2", "3"], 1, 0)


def test_more_than_one_answer_holds_comes_in_several(both: Both) -> None:
    for number in range(300):
        body = json.dumps({"id": f"{number:03}", "action": "x", "data": {"id": "b", "text": "y" * 3000}}).encode()
        both.shelf.put(relay.delivery(RULES, [SECRET], "POST", webhooks.PATH, headers(body), body, both.clock.now()))
    both.fetcher().once()
    assert (len(both.stored()), both.kept()) == (300, 0)


def test_one_that_waited_for_days_counts_by_when_it_came(both: Both) -> None:
    """A closed shop's server fetches on Monday what was signed on Friday."""
    body, moment = event(), both.clock.now() - timedelta(days=3)
    both.shelf.put(relay.delivery(RULES, [SECRET], "POST", webhooks.PATH, headers(body, at=moment.timestamp()), body, moment))
    both.fetcher().once()
    assert [one.received_at for one in both.state.events("Northside")] == [moment]


@pytest.mark.parametrize("secret", [SECRET, NEXT])
def test_both_secrets_count_during_a_rotation(both: Both, secret: str) -> None:
    """For Repairy's signature and for the daemon's."""
    both.deliver(event(), secret)
    both.fetcher(secret).once()
    assert both.stored() == ["event-1"]


def test_only_what_is_needed_to_verify_it_is_kept(both: Both) -> None:
    both.deliver(event())
    assert sorted(both.shelf.page(0)[0]["headers"]) == ["x-webhook-signature", "x-webhook-timestamp"]


def test_the_file_is_for_its_owner_only(both: Both) -> None:
    assert stat.S_IMODE(both.file.stat().st_mode) == 0o600


# ---------------------------------------------------------------- nothing is lost


def test_what_the_state_could_not_take_comes_again(both: Both) -> None:
    def broken(*_: object) -> bool:
        raise Unreachable("the state database could not be used: disk I/O error")

    both.deliver(event())
    both.fetcher(store=broken).once()
    assert (both.kept(), both.intake.unfetched) == (1, "the state database could not be used: disk I/O error")
    both.fetcher().once()
    assert (both.stored(), both.kept(), both.intake.unfetched) == (["event-1"], 0, "")


def test_a_daemon_that_ends_before_it_said_so_gets_it_again_and_knows_it(both: Both) -> None:
    """The crash between the commit here and the word to the relay."""

    def stored_then_gone(one: Event, workshop: str) -> bool:
        both.state.add_event(one, workshop)
        raise KeyboardInterrupt

    both.deliver(event())
    with pytest.raises(KeyboardInterrupt):
        both.fetcher(store=stored_then_gone).once()
    both.fetcher().once()
    assert (both.stored(), both.kept(), both.intake.repeated, both.intake.stored) == (["event-1"], 0, 1, 0)


def test_a_full_relay_says_503_and_drops_nothing(tmp_path: Path) -> None:
    both = Both(tmp_path, Shelf(tmp_path / "relay.db", most=3))
    answers = [both.deliver(event(str(number))).status_code for number in range(5)]
    both.fetcher().once()
    after = both.deliver(event("4")).status_code
    both.close()
    assert (answers, both.intake.stored, after) == ([200, 200, 200, 503, 503], 3, 200)


def test_its_bytes_are_bounded_too(tmp_path: Path) -> None:
    both = Both(tmp_path, Shelf(tmp_path / "relay.db", most_bytes=2000))
    answers = {both.deliver(event(str(number))).status_code for number in range(20)}
    size = both.file.stat().st_size
    both.close()
    assert answers == {200, 503}
    assert size < 50_000


def test_what_does_not_verify_here_stays_there_and_is_counted_once(both: Both) -> None:
    """A secret that the daemon does not know yet: nothing is thrown away; what comes behind it is fetched all the same."""
    both.deliver(event("new"), NEXT)
    both.deliver(event("old"), SECRET)
    one = both.fetcher(SECRET)
    one.once()
    one.once()
    assert (both.stored(), both.kept(), both.intake.refused) == (["old"], 1, 1)
    both.fetcher(NEXT).once()
    assert (both.stored(), both.kept()) == (["new", "old"], 0)


def test_what_was_changed_at_the_relay_is_not_believed(both: Both) -> None:
    both.deliver(event())
    with closing(sqlite3.connect(both.file)) as file, file:
        file.execute("UPDATE delivery SET body = CAST(replace(CAST(body AS TEXT), 'booking-1', 'booking-2') AS BLOB)")
    both.fetcher().once()
    assert (both.stored(), both.intake.refused) == ([], 1)


# ---------------------------------------------------------------- who gets nothing


def ask(both: Both, body: bytes, secret: str = SECRET, at: float | None = None) -> httpx.Response:
    stamp = str(int(time.time() if at is None else at))
    said = {relay.TIMESTAMP: stamp, relay.SIGNATURE: signed(secret, stamp, body)}
    return httpx.post(both.url + web.PATH, content=body, headers=said, trust_env=False)


ASKED = b'{"done": [], "after": 0}'


def test_a_stranger_gets_and_deletes_nothing(both: Both) -> None:
    both.deliver(event())
    key = both.shelf.page(0)[0]["key"]
    body = json.dumps({"done": [key], "after": 0}).encode()
    answers = [
        httpx.post(both.url + web.PATH, content=body, trust_env=False),
        ask(both, body, "another secret"),
        ask(both, body, at=time.time() - 301),
        ask(both, body, at=time.time() + 330),  # a busy machine lets seconds go by
        httpx.post(both.url + web.PATH, content=body, headers=headers(body), trust_env=False),  # a webhook's own signature
    ]
    assert ([one.status_code for one in answers], both.kept()) == ([401] * 5, 1)


@pytest.mark.parametrize("stamp", ["", "x", "1" * 400, "-5", "1e9", "١٢"])
def test_a_time_that_is_none_is_401(both: Both, stamp: str) -> None:
    said = {relay.TIMESTAMP.encode(): stamp.encode(), relay.SIGNATURE.encode(): b"00"}
    answer = httpx.post(both.url + web.PATH, content=ASKED, headers=said, trust_env=False)
    assert answer.status_code == 401


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"done": 3, "after": 0}', b'{"done": [], "after": "x"}', b"\xff"])
def test_a_signed_request_that_makes_no_sense_is_400(both: Both, body: bytes) -> None:
    assert ask(both, body).status_code == 400


def test_a_delivery_with_a_wrong_signature_is_401_and_the_daemon_hears_of_it_once(both: Both) -> None:
    """The owner is told by the daemon: nobody looks at the relay."""
    both.deliver(event(), "another secret")
    one = both.fetcher()
    one.once()
    one.once()
    (refusal,) = both.intake.refusals
    assert (both.kept(), both.intake.refused, refusal.headers["x-webhook-signature"]) == (0, 1, 64)


def test_a_relay_with_another_secret_is_told_once(both: Both) -> None:
    one = both.fetcher("another secret")
    for _ in range(3):
        one.once()
    assert "give both the same repairy_webhook_secret" in both.intake.unfetched
    assert both.log.lines == ["no events from the relay"]


def test_a_relay_that_is_away_is_told_once_and_once_when_it_is_back(both: Both) -> None:
    both.deliver(event())
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    one = both.fetcher(url=f"http://127.0.0.1:{port}")
    one.once()
    one.once()
    assert "webhooks.relay does not answer" in both.intake.unfetched
    again = Listener(both.public._server.config.app, f"127.0.0.1:{port}")  # type: ignore[arg-type]
    again.start()
    one.once()
    again.stop()
    assert (both.stored(), both.log.lines) == (["event-1"], ["no events from the relay", "events come from the relay again"])


def test_something_that_is_no_relay_is_said_so(both: Both) -> None:
    one = both.fetcher(url=both.url + "/elsewhere")
    one.once()
    assert both.intake.unfetched == "webhooks.relay answers HTTP 404: see whether it is the address of a relay"


def test_it_fetches_by_itself_until_it_is_stopped(both: Both) -> None:
    both.deliver(event())
    one = both.fetcher()
    one.start()
    over = time.monotonic() + 10
    while not both.stored() and time.monotonic() < over:
        time.sleep(0.02)
    one.stop()
    one.stop()
    assert both.stored() == ["event-1"]


# ---------------------------------------------------------------- the command


def begun(folder: Path, environ: Mapping[str, str], listen: str = "127.0.0.1:0") -> tuple[subprocess.Popen[str], str]:
    """The relay as a process, and its address."""
    line = [sys.executable, "-m", "sync", "relay", "--listen", listen, "--file", str(folder / "relay.db")]
    process = subprocess.Popen(line, env={**os.environ, **environ}, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    said = process.stderr.readline()
    return process, said.removeprefix("relay: ").partition("/webhooks")[0]


def test_what_it_acknowledged_survives_its_sudden_end(tmp_path: Path, both: Both) -> None:
    """Killed right behind the answer; the next process gives it out."""
    place = tmp_path / "public"
    place.mkdir()
    secret = {"REPAIRY_SYNC_REPAIRY_WEBHOOK_SECRET": SECRET}
    first, url = begun(place, secret)
    answers = []
    for number in range(5):
        body = event(f"event-{number}")
        answers.append(httpx.post(url + webhooks.PATH, content=body, headers=headers(body), trust_env=False).status_code)
    first.kill()
    first.communicate()
    second, url = begun(place, secret)
    both.fetcher(url=url).once()
    second.send_signal(signal.SIGTERM)
    second.communicate(timeout=20)
    assert (answers, both.stored(), second.returncode) == ([200] * 5, [f"event-{number}" for number in range(5)], 0)


def test_without_the_secret_it_does_not_begin(tmp_path: Path) -> None:
    process, said = begun(tmp_path, {"CREDENTIALS_DIRECTORY": ""})
    process.communicate()
    assert process.returncode == 78
    assert "secret repairy_webhook_secret: missing" in said


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="the relay's file cannot be used"):
        Shelf(tmp_path / "nowhere" / "relay.db")


def test_an_address_that_is_none_is_named(both: Both) -> None:
    with pytest.raises(ConfigError, match="host:port"):
        relay.listener(RULES, [SECRET], "8781", both.shelf, both.clock)


# ---------------------------------------------------------------- the daemon


@pytest.mark.soak
def test_a_booking_made_online_reaches_the_shop_of_a_daemon_that_only_calls_out(request: pytest.FixtureRequest) -> None:
    """Repairy's webhooks end at the relay; the daemon listens nowhere for them. /metrics counts what was fetched."""
    with ground_on("sqlite", request) as ground:
        environ = {"REPAIRY_SYNC_REPAIRY_WEBHOOK_SECRET": WEBHOOK_SECRET}
        process, url = begun(ground.folder, environ, f"127.0.0.1:{ground._hooks}")
        ground.configure({"public_url": f'relay = "{url}"\npublic_url'})
        ground.start()
        ground.book_online(41, ground.office.at(5, 9))
        until("the online booking in the shop", lambda: ground.shop(41).get("status") == "pending", ground)
        counted = httpx.get(f"http://127.0.0.1:{ground.web}/metrics", trust_env=False).text
        assert 'repairy_sync_webhooks_total{result="stored"} 1.0' in counted
        assert ground.ended_by(signal.SIGTERM) == 0
        process.terminate()
        process.communicate(timeout=20)
