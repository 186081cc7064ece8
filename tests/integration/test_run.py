"""`repairy-sync run` as systemd starts it: a real process, real signals, real sockets, its state on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
import re
import signal
import socket
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from sync.demo.shop import plate
from sync.demo.stage import WORKSHOP
from sync.sandbox.outbox import signature
from sync.sandbox.partner import WEBHOOK_SECRET
from tests.integration.daemon_process import HELD, PATIENCE, UNSETTLED, Ground, ground_on, until

pytestmark = pytest.mark.soak

MANY = 14  # changes at once that the guard lets through
PERSONAL = re.compile(r"AAA ?\d|Customer (?!s)|0?400 ?000|@example|61 ?400", re.IGNORECASE)
SECRETS = re.compile(r"sandbox-secret|sandbox-webhook|demo-token|sandbox-key")


@pytest.fixture(params=["sqlite", "postgres"])
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    with ground_on(request.param, request) as made:
        yield made


@pytest.fixture
def lite(request: pytest.FixtureRequest) -> Iterator[Ground]:
    with ground_on("sqlite", request) as made:
        yield made


@pytest.fixture(scope="module")
def quiet(request: pytest.FixtureRequest) -> Iterator[Ground]:
    """One running daemon for all that only ask it; nothing is due."""
    with ground_on("sqlite", request) as made:
        made.backfilled()
        made.start()
        yield made


def settled(ground: Ground) -> bool:
    return not ground.query(UNSETTLED)


# ---------------------------------------------------------------- the normal flow


def test_backfill_sync_and_run_bring_both_sides_together(ground: Ground) -> None:
    """On either state: what stood in the shop, an edit by `sync`, then by the daemon one from each side."""
    ground.backfilled()
    assert not ground.wrong()
    ground.office.note(3, "Key is in the letter box")
    ground.command("sync")
    assert ground.repairy(3)["notes"] == "Key is in the letter box"
    ground.start()
    ground.book_online(41, ground.office.at(5, 9))
    ground.office.status(4, "On hoist")
    until("the online booking in the shop", lambda: ground.shop(41).get("status") == "pending", ground)
    until("agreement", lambda: ground.repairy(4)["status"] == "processing" and not ground.wrong() and settled(ground), ground)
    assert not ground.query(HELD)
    assert ground.ended_by(signal.SIGTERM) == 0


# ---------------------------------------------------------------- its end


def test_sigterm_finishes_the_call_in_hand(ground: Ground) -> None:
    """Exit 0 within 30 s; the outcome of that call is recorded, so the next start sends nothing again."""
    ground.backfilled()
    before = ground.calls("set_status")
    ground.start()
    ground.fault("slow", "set_status", seconds=1.5)
    ground.office.status(1, "Ready")
    until("Repairy took the call", lambda: ground.repairy(1)["status"] == "done", ground)
    began = time.monotonic()
    assert ground.ended_by(signal.SIGTERM) == 0
    assert time.monotonic() - began < 30
    assert ground.query("SELECT outcome FROM intent WHERE kind = 'done'") == [("accepted",)]
    assert "nothing to do" in ground.command("sync")
    assert ground.calls("set_status") == before + 1


def test_sigterm_in_many_calls_leaves_the_rest_for_the_next_start(lite: Ground) -> None:
    """Only what is in hand is finished; all the rest comes after the next start."""
    lite.backfilled()
    lite.start()
    lite.fault("slow", "set_status", seconds=1.0, times=None)
    first = lite.calls("set_status")
    for number in range(9, 9 + MANY):
        lite.office.status(number, "On hoist")
    until("some are under way", lambda: lite.calls("set_status") >= first + 2, lite)
    assert lite.ended_by(signal.SIGTERM) == 0
    assert lite.calls("set_status") < first + MANY
    assert settled(lite)
    lite.sandbox.partner.faults = []
    lite.start()
    until("the rest", lambda: not lite.wrong(), lite)
    assert lite.calls("set_status") == first + MANY


# ---------------------------------------------------------------- one writer


def test_a_second_instance_refuses_and_says_who_works(quiet: Ground) -> None:
    """75, with the other's command, process and host."""
    for words in (["run"], ["sync"], ["backfill", "--nothing-at-repairy"]):
        _refused(quiet, words)


def test_a_second_instance_refuses_on_postgresql_too(request: pytest.FixtureRequest) -> None:
    with ground_on("postgres", request) as ground:
        ground.start()
        _refused(ground, ["run"])


def _refused(ground: Ground, command: list[str]) -> None:
    assert ground.daemon
    refused = ground.tried(*command)
    assert refused.returncode == 75
    assert f"run (process {ground.daemon.pid} on {socket.gethostname()}" in refused.stderr
    assert not ground.ended()


def test_commands_that_only_look_work_beside_it(quiet: Ground) -> None:
    for words in (["status"], ["held"], ["plan"]):
        assert quiet.tried("--json", *words).returncode == 0, words


def test_a_lock_file_that_was_deleted_ends_it(lite: Ground) -> None:
    """Another may have the lease by now: it writes nothing more, and exits 75 so that systemd starts it again."""
    lite.start()
    lite.folder.joinpath("state.db.Northside.lock").unlink()
    assert lite.daemon
    assert lite.daemon.wait(PATIENCE) == 75


def test_a_daemon_that_slept_through_its_lease_commits_nothing(request: pytest.FixtureRequest) -> None:
    """SIGSTOP in the middle of a call, the lease taken over by another host, SIGCONT: not one row changes, exit 75.

    (A webhook that reaches it before it ends would be stored for the other host; here none comes.)"""
    with ground_on("postgres", request) as ground:
        ground.sandbox.partner.webhook = None
        ground.backfilled()
        ground.start()
        old = ground.daemon
        assert old
        ground.fault("slow", "set_status", seconds=1.5)
        ground.office.status(1, "Ready")
        until("Repairy took the call", lambda: ground.repairy(1)["status"] == "done", ground)
        old.send_signal(signal.SIGSTOP)
        assert len(ground.query(UNSETTLED)) == 1
        ground.age_lease()
        new = ground.begin("run", config=ground.elsewhere())
        until("the other host settled the call", lambda: settled(ground), ground)
        ground.office.status(2, "Ready")
        until("the other host works", lambda: ground.repairy(2)["status"] == "done" and settled(ground), ground)
        _frozen(ground, new)
        before = ground.dump()
        old.send_signal(signal.SIGCONT)
        assert old.wait(PATIENCE) == 75
        assert ground.dump() == before
        assert "no longer holds the lease" in ground.said()
        new.send_signal(signal.SIGCONT)
        new.terminate()
        assert new.wait(PATIENCE) == 0
        assert ground.query("SELECT fence FROM lease") == [(3,)]  # backfill, the old one, the new one
        assert ground.messages() == Counter({"done": 2})
        assert not ground.wrong()


def _frozen(ground: Ground, process: Any) -> None:
    """Stop it between two transactions, so that none of its locks keeps the other waiting."""
    busy = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"

    def between() -> bool:
        process.send_signal(signal.SIGSTOP)
        if ground.query(busy):
            process.send_signal(signal.SIGCONT)
            return False
        return True

    until("a quiet moment of the other host", between, ground)


# ---------------------------------------------------------------- systemd


def test_systemd_is_told_ready_then_fed_then_told_of_the_end(lite: Ground) -> None:
    """The watchdog is fed by ended passes; READY comes though Repairy is down."""
    lite.sandbox.stop_listening()
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as channel:
        path = str(lite.folder / "notify")
        channel.bind(path)
        channel.settimeout(PATIENCE)
        lite.environ = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "60000000"}
        lite.start()
        heard = [channel.recv(4096).decode()]
        while sum("WATCHDOG=1" in each for each in heard) < 3:
            heard.append(channel.recv(4096).decode())
        assert heard[0].startswith("READY=1")
        assert lite.ended_by(signal.SIGTERM) == 0
        while "STOPPING=1" not in heard[-1]:
            heard.append(channel.recv(4096).decode())
    assert not any(PERSONAL.search(each) for each in heard)


# ---------------------------------------------------------------- what is down at the start


def test_a_shop_that_is_down_at_the_start_is_not_fatal(lite: Ground) -> None:
    lite.backfilled()
    away = lite.office.file.with_name("away.db")
    lite.office.file.rename(away)
    lite.start()
    until("it is said", lambda: "shop not read" in lite.said(), lite)
    assert not lite.office.file.exists(), "an empty shop was made"
    away.rename(lite.office.file)
    lite.office.status(1, "On hoist")
    until("the edit at Repairy", lambda: lite.repairy(1)["status"] == "processing", lite)


def test_an_api_that_is_down_at_the_start_is_not_fatal(lite: Ground) -> None:
    lite.backfilled()
    lite.sandbox.stop_listening()
    lite.office.status(1, "On hoist")
    lite.start()
    until("it is said", lambda: "repairy not read" in lite.said(), lite)
    assert not lite.ended()
    lite.sandbox.start_listening()
    until("the edit at Repairy", lambda: lite.repairy(1)["status"] == "processing", lite, within=3 * PATIENCE)


def test_a_state_that_cannot_be_reached_is_75_and_said(lite: Ground) -> None:
    """Nothing listens there: the message names the state, not the password."""
    lite.configure({lite.state: "postgresql+psycopg://someone:canary-word@127.0.0.1:1/state"})
    refused = lite.tried("run")
    assert refused.returncode == 75
    assert "state database" in refused.stderr
    assert "canary-word" not in refused.stderr + refused.stdout


# ---------------------------------------------------------------- the log


def test_every_action_is_one_line_with_both_ids_and_field_names(lite: Ground) -> None:
    """Through good and bad answers: a line per booking action that had an outcome; none holds a person, a plate or a secret."""
    lite.backfilled()
    ((at_first,),) = lite.query("SELECT count(*) FROM intent WHERE outcome = 'accepted'")
    lite.start()
    lite.fault("500_after", "set_status")
    lite.fault("garbled", "update")
    lite.fault("500_before", "read", times=2)
    lite.office.status(1, "On hoist")
    lite.office.note(2, "Call Customer Two on 0400 000 002 about AAA002")
    lite.office.move(10, lite.office.at(3, 16))
    lite.office.book(42, lite.office.at(5, 10))
    lite.book_online(41, lite.office.at(5, 9))
    until("all of it", lambda: not lite.wrong() and lite.shop(41) and lite.repairy(42) and settled(lite), lite)
    lite.ended_by(signal.SIGTERM)
    told = [dict(re.findall(r"(\w+)=(\"[^\"]*\"|\S*)", line)) for line in lite.lines() if "event=booking" in line]
    kinds = {(line["side"], line["kind"], line["fields"]) for line in told if line["outcome"] == "accepted"}
    assert {("repairy", "change", "status"), ("repairy", "change", "job_notes")} <= kinds
    assert ("shop", "create") in {each[:2] for each in kinds}
    rows = {str(row["plate"]): row for row in lite.office.rows()}
    moved = [line for line in told if line["shop_key"] == str(rows[plate(10)]["id"]) and line["outcome"] == "accepted"]
    assert [line["repairy_id"] for line in moved] == [lite.repairy(10)["repairy id"]]
    assert not [line for line in lite.lines() if PERSONAL.search(line) or SECRETS.search(line)]
    ((written,),) = lite.query("SELECT count(*) FROM intent WHERE outcome = 'accepted'")
    assert len([line for line in told if line["outcome"] == "accepted"]) == written - at_first


# ---------------------------------------------------------------- the webhook endpoint and health


def occupy(ground: Ground) -> None:
    """Its pass goes on and on: every call to Repairy takes long, and there is much to write."""
    ground.fault("slow", times=None, seconds=1.5)
    for number in range(1, MANY + 1):
        ground.office.job(number, "Roadworthy inspection")
    until("it is busy", lambda: not settled(ground), ground)


def send(ground: Ground, event: str, *, secret: str = WEBHOOK_SECRET, workshop: str = WORKSHOP) -> tuple[int, float]:
    """A signed delivery about AAA001: the answer's status, and the seconds that it took."""
    names = ground.sandbox.partner.shapes.tables["webhook"]
    booking = {"id": ground.repairy_id(1), "workshopId": workshop}
    body = json.dumps({"id": event, "action": "bookingUpdated", "data": booking}).encode()
    stamp = str(int(datetime.now(UTC).timestamp()))
    headers = {names["timestamp"]: stamp, names["signature"]: signature(names, secret, stamp, "", body)}
    began = time.monotonic()
    status = ground.post(body, headers)
    return status, time.monotonic() - began


def stored(ground: Ground, event: str) -> int:
    return len(ground.query(f"SELECT id FROM webhook_event WHERE id = '{event}'"))


def test_the_endpoint_stores_before_it_acknowledges(quiet: Ground) -> None:
    """Another process sees each event as soon as its answer is there; one that comes twice is stored once."""
    for event in ("event-1", "event-2", "event-1"):
        assert send(quiet, event)[0] == 200
        assert stored(quiet, event) == 1


@pytest.mark.parametrize(
    ("how", "status"), [({"secret": "made-up"}, 401), ({"workshop": "f" * 24}, 200)], ids=["forged", "foreign"]
)
def test_a_forged_delivery_is_401_and_a_foreign_one_is_dropped(quiet: Ground, how: dict[str, str], status: int) -> None:
    assert send(quiet, "event-3", **how)[0] == status
    assert stored(quiet, "event-3") == 0


def test_a_busy_pass_keeps_neither_webhooks_nor_health_waiting(lite: Ground) -> None:
    """Ten deliveries while every call to Repairy takes longer than a second: each stored and answered within one."""
    lite.backfilled()
    lite.sandbox.partner.webhook = None  # only the deliveries of this test
    lite.start()
    occupy(lite)
    answers = [send(lite, f"event-{number}") for number in range(10)]
    began = time.monotonic()
    health = [lite.health(path) for path in ("/livez", "/readyz")]
    assert time.monotonic() - began < 2
    assert lite.wrong(), "inconclusive: the daemon had done all its work"
    assert {status for status, _ in answers} == {200}
    assert max(seconds for _, seconds in answers) < 1
    assert [stored(lite, f"event-{number}") for number in range(10)] == [1] * 10
    assert health == [200, 200]


def test_the_public_address_serves_no_health(quiet: Ground) -> None:
    """What a proxy publishes is the webhook path alone; /livez and /readyz stand on the other address, without a token."""
    for path in ("/livez", "/readyz"):
        assert quiet.health(path) == 200
        assert httpx.get(quiet.hook_url.replace("/webhooks/repairy", path), trust_env=False).status_code == 404


def test_a_delivery_to_a_state_that_is_locked_is_not_acknowledged(lite: Ground) -> None:
    """Another program holds the state file: 503, and no row; sent again it is stored."""
    lite.backfilled()
    lite.start()
    with closing(sqlite3.connect(lite.folder / "state.db", isolation_level=None, timeout=10)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert send(lite, "event-1")[0] == 503
        other.execute("ROLLBACK")
    until("it is taken", lambda: send(lite, "event-1")[0] == 200, lite)
    assert stored(lite, "event-1") == 1
