"""Nothing that comes out of the program holds a secret or a customer, whatever goes wrong. `show` alone shows a booking.

Canaries stand in every personal field and every secret; then the program works, fails and is misconfigured, and
everything that it said or left is searched for them.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from sync.core.booking import FIELDS
from sync.demo.stage import free_ports
from sync.errors import WriteFailed
from sync.ports import Names
from sync.repairy.contract import load
from sync.sandbox.faults import AFTER, BEFORE, PACE, Fault
from sync.sandbox.partner import PARTNER_ID, WORKSHOPS
from sync.sandbox.server import Sandbox
from tests.integration.canaries import PERSONAL, SECRET, Heard, canary_at_the_counter
from tests.integration.installation import WORKSHOP, Installation
from tests.integration.scripted_server import Answer, Request, serving
from tests.layouts import DEMO, Layout, demo_database

NUMBER = 57  # the row whose customer is the canary
HELD_BY_DESIGN = ("state.db", "shop.db", "secrets/", "backups/")
FAULTS = tuple(kind for kind in BEFORE + AFTER + PACE if kind != "down")
LOOKS = (("status",), ("held",), ("check",), ("contract",), ("plan",), ("migrate",), ("pause", "--visible"), ("resume",))


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Installation]:
    """Installed with canaries for secrets, and one customer at the counter who is a canary."""
    made = Installation(tmp_path)
    made.sandbox = Sandbox(
        load(), app_key=SECRET["repairy_app_key"], app_secret=SECRET["repairy_app_secret"],
        webhook_secret=SECRET["repairy_webhook_secret"],
    )  # fmt: skip
    made.office.open_shop()
    made.sandbox.start()
    for name, value in SECRET.items():
        if name != "shop_password":
            made.secret(name, value)
    made.contract('confirmed = ["silence.create", "visible.create"]\n')
    made.configure()
    try:
        yield made
    finally:
        made.sandbox.stop()


def _canary_online(site: Installation) -> str:
    given = {
        "first_name": PERSONAL["first name"], "last_name": PERSONAL["last name"], "phone": PERSONAL["phone"],
        "email": PERSONAL["email"], "rego": PERSONAL["plate"], "vin": PERSONAL["vin"], "job_notes": PERSONAL["notes"],
    }  # fmt: skip
    booking = site.book_online(NUMBER + 1, site.office.at(9, 11), **given)
    site.tell(booking)
    return booking


def _run(site: Installation, heard: Heard, *words: str, also: tuple[str, ...] = ()) -> None:
    """One command, for a program and for a person; what it said is kept."""
    for json_ in (True, False):
        said = site.run(*also, *words, json=json_)
        heard.add(f"stdout of {' '.join(words)}", said.out)
        heard.add(f"stderr of {' '.join(words)}", said.err)


def _tokens(site: Installation) -> dict[str, str]:
    """Every token that the sandbox ever gave out."""
    gate = site.sandbox.partner.gate
    return {f"token {at}": token for at, token in enumerate([*gate._ends, *gate._refresh])}


def _searched(site: Installation, heard: Heard) -> None:
    """Nothing outside the two databases holds a canary; nothing at all but the secrets' own folder holds a secret."""
    secrets = SECRET | _tokens(site)
    heard.folder(site.folder, HELD_BY_DESIGN)
    assert heard.leaks(PERSONAL, secrets) == []
    kept = Heard()
    kept.folder(site.folder, ("secrets/",))
    assert kept.outputs.keys() > {"file shop.db"}
    assert kept.leaks(secrets) == []


# -- that the search finds something


def test_what_a_person_asks_for_is_shown_and_the_search_finds_it(site: Installation, heard: Heard) -> None:
    """The searcher is no blind one: `show` holds nearly every personal canary, and its log none."""
    site.run("sync")
    canary_at_the_counter(site, NUMBER)
    assert site.run("sync").code == 0
    row = site.office.rows()[-1]
    said = site.run("-v", "show", f"NS-{row['id']}")
    heard.add("show", said.out)
    assert set(heard.leaks(PERSONAL)) >= {f"{name} in show" for name in ("name", "phone", "email", "plate", "notes")}
    assert heard.leaks(SECRET | _tokens(site)) == []
    alone = Heard({"log": said.err.encode()})
    assert alone.leaks(PERSONAL, SECRET) == []


# -- in order, and with faults


def test_a_day_without_trouble(site: Installation, heard: Heard) -> None:
    _run(site, heard, "backfill", "--nothing-at-repairy", also=("-v",))
    canary_at_the_counter(site, NUMBER)
    booking = _canary_online(site)
    _run(site, heard, "sync", also=("-v",))
    with site.sandbox.lock:
        site.sandbox.partner.edit(booking, jobNotes=PERSONAL["internal"], customer={"email": PERSONAL["email"] + ".au"})
    site.tell(booking, "bookingUpdated")
    _run(site, heard, "sync", also=("-v",))
    for words in LOOKS:
        _run(site, heard, *words, also=("-v",))
    assert any(one["customer"]["email"].startswith(PERSONAL["email"]) for one in site.bookings())
    _searched(site, heard)


@pytest.mark.soak
def test_every_fault_of_the_sandbox(site: Installation, heard: Heard) -> None:
    """The same with each fault while the canaries are written; each fires."""
    site.run("sync")
    canary_at_the_counter(site, NUMBER)
    booking = _canary_online(site)
    for kind in FAULTS:
        fault = Fault(kind, 2, seconds=0.2)
        with site.sandbox.lock:
            site.sandbox.partner.faults = [fault]
            site.sandbox.partner.edit(booking, jobNotes=f"{PERSONAL['notes']} {kind}")
        site.tell(booking, f"bookingUpdated{kind}")
        _run(site, heard, "sync", also=("-v",))
        assert fault.fired > 0, kind
    site.sandbox.stop_listening()
    _run(site, heard, "sync", also=("-v",))
    _run(site, heard, "check", also=("-v",))
    site.sandbox.start_listening()
    _searched(site, heard)


def _quoting(request: Request) -> Answer:
    """A server that repeats all it was sent: head, path, body."""
    if request.path.startswith("/auth/") and "refresh" not in request.path:
        return Answer(
            200, {"accessToken": "canary-issued-access-31", "refreshToken": "canary-issued-refresh-32", "expiresIn": 600}
        )
    told = f"{request.method} {request.path} {dict(request.headers)} {json.dumps(request.body)} {PERSONAL['internal']}"
    status = 409 if "e" in request.path[-3:] else 422
    return Answer(status, {"code": "invalid", "message": told, "detail": told, "data": {"message": told.upper()}})


ISSUED = {"access": "canary-issued-access-31", "refresh": "canary-issued-refresh-32"}


def test_a_server_that_repeats_what_it_was_sent(site: Installation, heard: Heard) -> None:
    """In refusals, and in a refusal of the very token."""
    site.run("sync")
    canary_at_the_counter(site, NUMBER)
    refusals = 0
    with serving(_quoting) as server:
        site.sandbox._address = ("127.0.0.1", server.server_address[1])
        site.configure()
        for words in (("sync",), ("held",), ("status",), ("check",)):
            _run(site, heard, *words, also=("-v",))
        refusals = sum("/auth/" not in request.path for request in server.seen)
    assert refusals > 0
    heard.folder(site.folder, HELD_BY_DESIGN)
    # `internal` came from the server alone: even that is not repeated, where it is what a customer is called by
    known = {name: value for name, value in PERSONAL.items() if name != "internal"}
    assert heard.leaks(known, SECRET | ISSUED) == []


def test_a_token_request_that_is_refused_repeats_nothing(site: Installation, heard: Heard) -> None:
    def refusing(request: Request) -> Answer:
        return Answer(401, {"code": str(request.body), "message": json.dumps(request.body)})

    with serving(refusing) as server:
        site.sandbox._address = ("127.0.0.1", server.server_address[1])
        site.configure()
        canary_at_the_counter(site, NUMBER)
        _run(site, heard, "sync", also=("-v",))
        _run(site, heard, "check", also=("-v",))
        assert len(server.seen) > 0
    heard.folder(site.folder, HELD_BY_DESIGN)
    assert heard.leaks(PERSONAL, SECRET) == []


# -- the shop


def test_a_shop_that_quotes_values_when_it_refuses(layout: Layout, heard: Heard) -> None:
    """Unique keys, checks, lengths, types: what a server says of them does not leave the adapter."""
    demo_database(layout.engine)
    layout.run("CREATE UNIQUE INDEX one_name ON customers (name)", "CREATE UNIQUE INDEX one_plate ON vehicles (plate)")
    if not layout.lite:
        layout.run("ALTER TABLE bookings ADD CONSTRAINT short CHECK (notes IS NULL OR length(notes) < 12)")
    shop = layout.shop(DEMO["booking"]["select"], {**DEMO["write"]}, status=DEMO["status"])
    fields = {
        "name": PERSONAL["name"], "phone": PERSONAL["phone"], "email": PERSONAL["email"], "rego": PERSONAL["plate"],
        "starts_at": "2026-03-09T22:00:00Z", "job_notes": "short", "status": "pending",
    }  # fmt: skip
    made = shop.create(fields, Names(repairy_id="b1"))
    wrong: list[dict[str, str]] = [
        {**fields, "phone": "0400 731 976"},  # the same name again
        {**fields, "name": "Other One", "phone": "0400 000 009"},  # the same plate again
        {**fields, "name": PERSONAL["name"] * 20, "phone": "0400 000 008", "rego": "AAA008"},
        {**fields, "name": PERSONAL["name"] + "\x00", "phone": "0400 000 007", "rego": PERSONAL["plate"] * 5},
        {**fields, "job_notes": PERSONAL["notes"] * 3, "rego": "AAA007", "phone": "0400 000 006", "name": "Other Two"},
    ]
    failed = 0
    for at, given in enumerate(wrong):
        failed += _heard_error(heard, f"create {at}", lambda given=given, at=at: shop.create(given, Names(repairy_id=f"c{at}")))
    for name in ("job_notes", "description"):
        given = {name: PERSONAL["notes"] * 30}
        failed += _heard_error(heard, f"change {name}", lambda given=given: shop.change(made.key, {}, given, Names()))
    assert failed >= 2
    assert heard.leaks(PERSONAL, SECRET) == []


def _heard_error(heard: Heard, what: str, work: Any) -> bool:
    """Whether it failed, and what the error says. Only errors of ours may come."""
    try:
        work()
    except WriteFailed as error:
        heard.add(what, f"{error} {error!r} {error.args} {vars(error)}")
        return True
    return False


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "mariadb+pymysql"])
def test_a_shop_that_cannot_be_reached(site: Installation, heard: Heard, driver: str) -> None:
    """The password stands in no error, neither from its file nor where somebody wrote it into the address."""
    site.secret("shop_password", SECRET["shop_password"])
    config = site.folder / "repairy-sync.toml"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = probe.getsockname()[1]
    text = config.read_text(encoding="utf-8")
    for user in ("bridge", "bridge:canary%40Shop%2FPass%3Aword-2b64cc83"):
        config.write_text(text.replace("sqlite:///shop.db", f"{driver}://{user}@127.0.0.1:{closed}/shop"), encoding="utf-8")
        for words in (("sync",), ("check",), ("plan",), ("status",)):
            _run(site, heard, *words, also=("-v",))
    assert b"could not be" in b"".join(heard.outputs.values())
    assert heard.leaks(PERSONAL, SECRET) == []


# -- the configuration


WRONG = {
    "a secret as an option": lambda text: text.replace("[repairy]", f'[repairy]\napp_secret = "{SECRET["repairy_app_secret"]}"'),
    "a secret as a number's value": lambda text: text.replace('timeout = "1s"', f'timeout = "{SECRET["web_token"]}"'),
    "a secret in the address": lambda text: text.replace("http://127", "http://user:" + SECRET["web_token"] + "@127"),
    "a secret as the mode": lambda text: text.replace('mode = "two-way"', f'mode = "{SECRET["repairy_webhook_secret"]}"'),
    "a secret as a state": lambda text: text.replace("sqlite:///state.db", f"mysql://x:{SECRET['web_token']}@h/db"),
    "a secret without its quotes": lambda text: text + f"\nx = {SECRET['repairy_webhook_secret_next']} y\n",
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_configuration(site: Installation, heard: Heard, what: str) -> None:
    config = site.folder / "repairy-sync.toml"
    config.write_text(WRONG[what](config.read_text(encoding="utf-8")), encoding="utf-8")
    codes = set()
    for words in (("check",), ("sync",)):
        said = site.run("-v", *words)
        codes.add(said.code)
        heard.add(" ".join(words), said.out + said.err)
    assert codes == {78}
    assert heard.leaks(PERSONAL, SECRET) == []


def test_secrets_given_wrong(site: Installation, heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice, readable by others, under a name that is none, or in bytes that are none."""
    monkeypatch.setenv("REPAIRY_SYNC_REPAIRY_APP_KEY", SECRET["repairy_app_key"])
    (site.folder / "secrets" / "web_token").chmod(0o644)
    site.secret("repairy_app_secrets", SECRET["repairy_app_secret"])
    (site.folder / "secrets" / "repairy_webhook_secret").write_bytes(b"\xff" + SECRET["repairy_webhook_secret"].encode())
    said = site.run("-v", "check")
    heard.add("check", said.out + said.err)
    assert said.code == 78
    assert [
        name for name in ("repairy_app_key", "web_token", "repairy_app_secrets", "repairy_webhook_secret") if name not in said.err
    ] == []
    assert heard.leaks(PERSONAL, SECRET) == []


# -- the daemon


@contextmanager
def _daemon(site: Installation, heard: Heard) -> Iterator[tuple[int, int]]:
    """`run` as it is installed, in a process of its own; the ports of [web] and [webhooks]."""
    web, hooks = free_ports(2)
    url = f"http://127.0.0.1:{hooks}/webhooks/repairy"
    parts = f'[web]\nlisten = "127.0.0.1:{web}"\n[webhooks]\nlisten = "127.0.0.1:{hooks}"\npublic_url = "{url}"\n'
    parts += '[schedule]\nshop = "1s"\nrepairy = "1s"\n'
    site.configure(policy=parts)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("REPAIRY", "NOTIFY", "WATCHDOG"))}
    log = site.folder / "daemon.log"
    with log.open("wb") as out:
        words = [sys.executable, "-m", "sync", "--config", str(site.folder / "repairy-sync.toml"), "-v", "run"]
        child = subprocess.Popen(words, stdout=out, stderr=subprocess.STDOUT, env=env, cwd=Path(__file__).parents[2])
        try:
            _until(lambda: child.poll() is not None or _ok(f"http://127.0.0.1:{web}/readyz"))
            assert child.poll() is None, log.read_text(encoding="utf-8")[-2000:]
            heard.add("the process list", Path(f"/proc/{child.pid}/cmdline").read_bytes())
            yield web, hooks
            heard.add("the process list", Path(f"/proc/{child.pid}/cmdline").read_bytes())
        finally:
            child.send_signal(signal.SIGTERM)
            child.wait(40)


def _ok(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _until(what: Any, seconds: float = 40.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come in time"
        time.sleep(0.1)


def _signed(body: bytes, secret: str, booking: str = "") -> dict[str, str]:
    stamp = str(int(time.time()))
    mac = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"x-webhook-signature": mac, "x-webhook-timestamp": stamp, "x-odd": PERSONAL["email"]}


@pytest.mark.soak
def test_the_daemon_its_health_and_its_webhooks(site: Installation, heard: Heard) -> None:
    """Good webhooks, forged ones, ones whose path or header holds a secret; health, metrics, the page without its token."""
    answers = {}
    with _daemon(site, heard) as (web, hooks):
        _until(lambda: site.run("status").json["workshops"][0]["last_success"]["shop"] is not None)
        canary_at_the_counter(site, NUMBER)
        booking = _canary_online(site)
        _until(lambda: len(site.run("held").json["held"]) == 2)  # one customer, twice: both are shown to a person
        event = {
            "id": "e1",
            "action": "bookingUpdated",
            "data": {"id": booking, "workshopId": WORKSHOP, "customer": dict(PERSONAL)},
        }
        body = json.dumps(event).encode()
        with closing(httpx.Client(base_url=f"http://127.0.0.1:{hooks}", timeout=20, trust_env=False)) as client:
            for name, sent in {
                "good": (body, _signed(body, SECRET["repairy_webhook_secret"])),
                "next": (body.replace(b"e1", b"e2"), _signed(body.replace(b"e1", b"e2"), SECRET["repairy_webhook_secret_next"])),
                "forged": (body, _signed(body, SECRET["web_token"])),
                "secret as signature": (body, _signed(body, "x") | {"x-webhook-signature": SECRET["repairy_webhook_secret"]}),
                "no JSON": (b"{" + body, _signed(b"{" + body, SECRET["repairy_webhook_secret"])),
            }.items():
                answer = client.post("/webhooks/repairy", content=sent[0], headers=sent[1])
                answers[name] = answer.status_code
                heard.add(f"webhook {name}", f"{answer.headers} {answer.text}")
            answer = client.post("/webhooks/repairy/" + SECRET["repairy_webhook_secret"], content=body)
            heard.add("webhook with the secret as its path", f"{answer.headers} {answer.text}")
        for path in ("/livez", "/readyz", "/metrics", "/", "/held", f"/?token={SECRET['repairy_app_key'][:4]}", "/nothing"):
            found = httpx.get(f"http://127.0.0.1:{web}{path}", timeout=20, trust_env=False, follow_redirects=False)
            heard.add(f"GET {path}", f"{found.headers} {found.text}")
        with site.sandbox.lock:
            site.sandbox.partner.faults = [Fault("garbled", 5), Fault("500_after", 5)]
            site.sandbox.partner.edit(booking, jobNotes=PERSONAL["internal"])
        told = body.replace(b"e1", b"e3")  # what is webhooked is read at once
        url, signature = f"http://127.0.0.1:{hooks}/webhooks/repairy", _signed(told, SECRET["repairy_webhook_secret"])
        assert httpx.post(url, content=told, headers=signature, timeout=20, trust_env=False).status_code == 200
        _until(lambda: sum(fault.fired for fault in site.sandbox.partner.faults) >= 5)
    assert answers == {"good": 200, "next": 200, "forged": 401, "secret as signature": 401, "no JSON": 401}
    assert len((site.folder / "daemon.log").read_bytes()) > 100
    _searched(site, heard)


def test_the_canaries_stand_in_every_personal_field() -> None:
    """What this page plants covers what a booking can hold of a customer."""
    plain = {
        "status",
        "starts_at",
        "ends_at",
        "service_category",
        "service_code",
        "description",
        "make",
        "model",
        "badge",
        "year",
    }
    planted = {"name", "first_name", "last_name", "phone", "email", "rego", "vin", "job_notes", "company"}
    assert set(FIELDS) - plain == planted
    assert PARTNER_ID not in SECRET.values()
    assert WORKSHOPS
