"""`check --webhook`, through a real nginx and a real Caddy with a self-signed certificate, with a daemon and without one."""

from __future__ import annotations

import http.server
import os
import shutil
import socket
import sqlite3
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from sync import relay, settings, wiring
from sync.demo.stage import free_ports
from sync.machine import SystemClock
from sync.ports import PROBED, Event
from sync.probe import hooks
from sync.relay import Shelf
from sync.repairy import contract
from sync.repairy.webhook import signed, verify
from sync.sandbox.partner import WEBHOOK_SECRET
from sync.share import CONFIG
from sync.web import webhooks
from sync.web.server import Listener
from tests.conftest import _missing
from tests.integration.daemon_process import ground_on, until
from tests.integration.installation import Installation, installed

RULES = contract.load()


def webhook_finding(site: Installation) -> tuple[str, str, int]:
    """Level, text and exit code of the finding that `check --webhook` ends with."""
    said = site.run("check", "--webhook")
    (*_, found) = [one for one in said.json["findings"] if one["about"] == "webhooks"]
    return found["level"], found["says"], said.code


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    monkeypatch.setattr(hooks, "SEEN_SECONDS", 0.5)
    monkeypatch.setattr(hooks, "EVERY_SECONDS", 0.5)
    with installed(tmp_path) as made:
        made.secret("repairy_webhook_secret", WEBHOOK_SECRET)
        yield made


def at(site: Installation, url: str, port: int, relay: str = "") -> None:
    """Webhooks come to `url`; the daemon's place for them is `port`."""
    lines = f'[webhooks]\nlisten = "127.0.0.1:{port}"\npublic_url = "{url}"\nrelay = "{relay}"\n'
    site.configure(safety=f'{lines}[web]\nlisten = "127.0.0.1:{free_ports(1)[0]}"\n')


# ---------------------------------------------------------------- proxies


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with cert.pem and key.pem for localhost, signed by itself."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    (folder / "key.pem").chmod(0o644)
    return folder


def replaced(text: str, changes: Mapping[str, str]) -> str:
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def nginx_line(folder: Path, tls: Path, public: int, hooks_port: int) -> list[str]:
    """The shipped example with its places filled in, as the only thing in nginx's http block."""
    server = replaced((CONFIG / "proxy" / "nginx.conf").read_text(encoding="utf-8"), {
        "listen 443 ssl;": f"listen 127.0.0.1:{public} ssl;", "    listen [::]:443 ssl;\n": "",
        "hooks.example.com;": "localhost;",
        "/etc/letsencrypt/live/hooks.example.com/fullchain.pem": str(tls / "cert.pem"),
        "/etc/letsencrypt/live/hooks.example.com/privkey.pem": str(tls / "key.pem"), "127.0.0.1:8781": f"127.0.0.1:{hooks_port}",
    })  # fmt: skip
    (folder / "site.conf").write_text(server, encoding="utf-8")
    temp = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    user = "user root;" if os.geteuid() == 0 else ""
    main = f"{user} daemon off; pid {folder}/pid; error_log {folder}/error.log info; worker_processes 1; events {{}}"
    (folder / "nginx.conf").write_text(f"{main} http {{ {temp} include {folder}/site.conf; }}", encoding="utf-8")
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin") or _missing("nginx", "nginx-light")
    return [program, "-c", str(folder / "nginx.conf"), "-p", str(folder), "-e", str(folder / "error.log")]


def caddy_line(folder: Path, tls: Path, public: int, hooks_port: int) -> list[str]:
    """The shipped example with its places filled in."""
    text = replaced((CONFIG / "proxy" / "Caddyfile").read_text(encoding="utf-8"), {
        "{\n\tservers {": "{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n\tservers {",
        "\nhooks.example.com {": f"\nhttps://localhost:{public} {{\n\tbind 127.0.0.1\n\ttls {tls}/cert.pem {tls}/key.pem",
        "127.0.0.1:8781": f"127.0.0.1:{hooks_port}",
    })  # fmt: skip
    (folder / "Caddyfile").write_text(text, encoding="utf-8")
    program = shutil.which("caddy") or _missing("Caddy", "caddy")
    return [program, "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


Line = Callable[[Path, Path, int, int], list[str]]
PROXIES = [pytest.param(nginx_line, id="nginx"), pytest.param(caddy_line, id="caddy")]


@contextmanager
def proxied(line: Line, folder: Path, tls: Path, hooks_port: int) -> Iterator[int]:
    """The proxy before that port; its own port."""
    folder.mkdir()
    public = free_ports(1)[0]
    home = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with (folder / "said").open("wb") as log:
        process = subprocess.Popen(line(folder, tls, public, hooks_port), env=home, stdout=log, stderr=log)
    try:
        over = time.monotonic() + 20
        while not listens(public):
            ended = process.poll() is not None or time.monotonic() > over
            assert not ended, (folder / "said").read_text()
            time.sleep(0.05)
        yield public
    finally:
        process.terminate()
        process.wait(20)


def listens(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def asked(tls: Path, public: int, method: str, path: str, body: bytes = b"") -> int:
    """The status of one request through the proxy."""
    trust = ssl.create_default_context(cafile=str(tls / "cert.pem"))
    with httpx.Client(verify=trust, trust_env=False, timeout=20) as client:
        return client.request(method, f"https://localhost:{public}{path}", content=body).status_code


@pytest.mark.parametrize("line", PROXIES)
def test_a_probe_goes_through_a_proxy_and_is_heard_by_check_itself(
    line: Line, site: Installation, tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No service runs; the proxy's certificate is trusted here as a public one would be."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    inside = free_ports(1)[0]
    with proxied(line, tmp_path / "proxy", certificate, inside) as public:
        at(site, f"https://localhost:{public}/webhooks/repairy", inside)
        level, says, code = webhook_finding(site)
    assert (level, code) == ("good", 0), says
    assert "`check` listened itself" in says
    assert "does not prove that Repairy signs in the same way" in says


@pytest.mark.parametrize("line", PROXIES)
def test_only_the_one_path_and_only_what_repairy_sends_passes_the_proxy(line: Line, tmp_path: Path, certificate: Path) -> None:
    """Behind it is a program that answers 200 to everything: what is not 200 was kept back by the proxy."""
    tries = {
        ("POST", "/webhooks/repairy"): {200}, ("PUT", "/webhooks/repairy"): {200}, ("PATCH", "/webhooks/repairy"): {200},
        ("GET", "/webhooks/repairy"): {404, 405}, ("DELETE", "/webhooks/repairy"): {404, 405},
        ("POST", "/"): {404}, ("GET", "/login"): {404}, ("GET", "/metrics"): {404}, ("POST", "/webhooks/repairy/more"): {404},
        ("POST", "/webhooks"): {404}, ("POST", "/relay/events"): {404}, ("POST", "/webhooks/repairy/../../login"): {404},
    }  # fmt: skip
    with answering(200) as (inside, seen), proxied(line, tmp_path / "proxy", certificate, inside) as public:
        found = {(method, path): asked(certificate, public, method, path) for method, path in tries}
    assert {key: status in tries[key] for key, status in found.items()} == dict.fromkeys(tries, True), found
    assert [path for path, _ in seen] == ["/webhooks/repairy"] * 3


@pytest.mark.parametrize("line", PROXIES)
def test_a_body_that_no_booking_needs_is_kept_back_and_a_large_one_never_touches_the_disk(
    line: Line, tmp_path: Path, certificate: Path
) -> None:
    folder = tmp_path / "proxy"
    with answering(200) as (inside, seen), proxied(line, folder, certificate, inside) as public:
        large = asked(certificate, public, "POST", "/webhooks/repairy", b"x" * 250_000)
        larger = asked(certificate, public, "POST", "/webhooks/repairy", b"x" * 300_000)
    logs = "".join(file.read_text(errors="replace") for file in folder.iterdir() if file.is_file())
    assert large == 200
    assert larger in (413, 502)
    assert "temporary file" not in logs
    assert max(size for _, size in seen) <= 256 * 1024


@pytest.mark.parametrize("line", PROXIES)
def test_what_a_client_says_about_addresses_goes_no_further(line: Line, tmp_path: Path, certificate: Path) -> None:
    with answering(200) as (inside, _), proxied(line, tmp_path / "proxy", certificate, inside) as public:
        trust = ssl.create_default_context(cafile=str(certificate / "cert.pem"))
        said = {"X-Forwarded-For": "192.0.2.1", "X-Real-IP": "192.0.2.1", "Forwarded": "for=192.0.2.1"}
        with httpx.Client(verify=trust, trust_env=False) as client:
            answer = client.post(f"https://localhost:{public}/webhooks/repairy", headers=said)
    assert "192.0.2.1" not in answer.text


@pytest.mark.parametrize("line", PROXIES)
def test_a_proxy_with_nobody_behind_it_answers_within_repairys_patience(line: Line, tmp_path: Path, certificate: Path) -> None:
    with closing(socket.socket()) as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen: the port is nobody else's meanwhile
        with proxied(line, tmp_path / "proxy", certificate, nobody.getsockname()[1]) as public:
            began = time.monotonic()
            status = asked(certificate, public, "POST", "/webhooks/repairy", b"{}")
    assert (status, time.monotonic() - began < 10) == (502, True)


def test_a_probe_reaches_the_running_service_through_nginx_and_nothing_is_read_or_left(
    request: pytest.FixtureRequest, tmp_path: Path, certificate: Path
) -> None:
    """The daemon is a process of its own; the status page is not to be had through the proxy."""
    with ground_on("sqlite", request) as ground:
        ground.environ = {"SSL_CERT_FILE": str(certificate / "cert.pem")}
        with proxied(nginx_line, tmp_path / "proxy", certificate, ground._hooks) as public:
            ground.configure({ground.hook_url: f"https://localhost:{public}/webhooks/repairy"})
            ground.start()
            until("a first pass", lambda: ground.query("SELECT id FROM pass_run"), ground)
            reads = ground.calls("read")
            env = {**os.environ, **ground.environ}
            done = subprocess.run(
                ground._line("--json", "check", "--webhook"),
                env=env,
                cwd=ground.folder,
                capture_output=True,
                text=True,
                check=False,
            )
            left = ground.query("SELECT id FROM webhook_event")
            page = asked(certificate, public, "GET", "/login")
    assert "arrived in the running service's state" in done.stdout, done.stdout + done.stderr
    assert (left, ground.calls("read"), page) == ([], reads, 404)


# ---------------------------------------------------------------- what goes wrong


@contextmanager
def answering(status: int, location: str = "") -> Iterator[tuple[int, list[tuple[str, int]]]]:
    """A program that answers everything with this, and the headers that it was sent; what it was asked: path, size."""
    seen: list[tuple[str, int]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            seen.append((self.path, len(self.rfile.read(size))))
            said = str(dict(self.headers)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            if location:
                self.send_header("Location", location)
            self.end_headers()
            with suppress(OSError):  # a proxy that has seen enough
                self.wfile.write(said)

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.answer)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1], seen
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "part"),
    [
        (401, "another repairy_webhook_secret"), (403, "a proxy or firewall"), (404, "must end in /webhooks/repairy"),
        (405, "does not let this method pass"), (413, "client_max_body_size"), (502, "does not reach webhooks.listen"),
        (503, "could not be stored"), (504, "does not answer it in time"), (301, "a redirect"),
        (418, "no answer of repairy-sync"),
        (200, "another installation or another program answers there"),
    ],
)  # fmt: skip
def test_each_answer_is_said_with_what_to_do(site: Installation, status: int, part: str) -> None:
    with answering(status, "/elsewhere") as (port, seen):
        at(site, f"http://127.0.0.1:{port}/webhooks/repairy", free_ports(1)[0])
        level, says, code = webhook_finding(site)
    assert (level, code, len(seen)) == ("error", 1, 1)
    assert part in says


def test_nobody_there_is_said(site: Installation) -> None:
    port = free_ports(1)[0]
    at(site, f"http://127.0.0.1:{port}/webhooks/repairy", free_ports(1)[0])
    assert f"nobody answers at 127.0.0.1:{port}" in webhook_finding(site)[1]


def test_a_name_that_nobody_knows_is_said(site: Installation) -> None:
    at(site, "https://hooks.invalid/webhooks/repairy", free_ports(1)[0])
    assert "the name hooks.invalid is not known" in webhook_finding(site)[1]


def test_a_certificate_that_nobody_trusts_is_said(site: Installation, tmp_path: Path, certificate: Path) -> None:
    inside = free_ports(1)[0]
    with proxied(nginx_line, tmp_path / "proxy", certificate, inside) as public:
        at(site, f"https://localhost:{public}/webhooks/repairy", inside)
        level, says, _ = webhook_finding(site)
    assert level == "error"
    assert "the certificate there is not trusted (self-signed certificate)" in says


def test_plain_http_where_tls_should_be_is_said(site: Installation) -> None:
    with answering(200) as (port, _):
        at(site, f"https://127.0.0.1:{port}/webhooks/repairy", free_ports(1)[0])
        assert "does not speak TLS" in webhook_finding(site)[1]


def test_a_service_with_another_secret_is_said(site: Installation) -> None:
    """The daemon was not restarted after the secret changed."""

    def other(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Event:
        return verify(RULES, ["another secret"], method, path, headers, body, SystemClock().now())

    intake = webhooks.Intake(SystemClock())
    listener = webhooks_listener(other, intake)
    listener.start()
    at(site, f"http://127.0.0.1:{listener.port}/webhooks/repairy", listener.port)
    says = webhook_finding(site)[1]
    listener.stop()
    assert "another repairy_webhook_secret" in says
    assert intake.refused == 1


def webhooks_listener(verify: webhooks.Verify, intake: webhooks.Intake) -> Listener:
    return Listener(webhooks.app(verify, lambda *_: True, {"": "x"}, lambda: None, intake), "127.0.0.1:0")


def test_without_an_address_it_says_what_does_not_reach_the_shop(site: Installation) -> None:
    level, says, code = webhook_finding(site)
    assert (level, code) == ("warning", 0)
    assert "bookings made online" in says
    assert "config/proxy" in says


def test_the_secret_in_an_address_is_never_shown(site: Installation) -> None:
    """A contract with the secret in the path: it is added where the address lacks it, and told nowhere."""
    site.contract('[webhook]\nalgorithm = "path"\n')
    port = free_ports(1)[0]
    for address in (f"http://127.0.0.1:{port}/webhooks/repairy", f"http://127.0.0.1:{port}/webhooks/repairy/{WEBHOOK_SECRET}"):
        at(site, address, port)
        level, says, _ = webhook_finding(site)
        assert (level, WEBHOOK_SECRET in says) == ("good", False), says


def test_what_else_comes_while_check_listens_is_sent_again_later(site: Installation) -> None:
    """A real event during those seconds is not taken by a program that keeps nothing."""
    at(site, "", 0)
    came = list[str]()
    with wiring.opened(settings.load(site.folder / "repairy-sync.toml")) as app:
        mine = hooks._listening(app, hooks._probe(app), came)
        assert mine
        answer = delivered(f"http://127.0.0.1:{mine.port}")
        mine.stop()
    assert (answer, came) == (503, [])


def delivered(url: str) -> int:
    """One real event; the answer's status."""
    body = b'{"id": "event-1", "action": "bookingUpdated", "data": {"id": "booking-1"}}'
    headers = signed(RULES, WEBHOOK_SECRET, "1", body, SystemClock().now())
    return httpx.post(url + webhooks.PATH, content=body, headers=headers, trust_env=False).status_code


# ---------------------------------------------------------------- a relay


@pytest.fixture
def public_relay(tmp_path: Path) -> Iterator[tuple[str, Shelf]]:
    shelf = Shelf(tmp_path / "relay.db")
    listener = relay.listener(RULES, [WEBHOOK_SECRET], "127.0.0.1:0", shelf, SystemClock())
    listener.start()
    yield f"http://127.0.0.1:{listener.port}", shelf
    listener.stop()
    shelf.close()


def test_a_probe_is_taken_from_the_relay_and_what_lies_beside_it_stays(
    site: Installation, public_relay: tuple[str, Shelf]
) -> None:
    url, shelf = public_relay
    delivered(url)
    at(site, "", free_ports(1)[0], relay=url)
    level, says, _ = webhook_finding(site)
    kept = shelf.page(0)
    assert (level, len(kept)) == ("good", 1), says
    assert "at the relay (no service runs to fetch it)" in says


def test_a_public_address_that_is_not_the_relay_of_this_installation_is_said(
    site: Installation, public_relay: tuple[str, Shelf]
) -> None:
    with answering(200) as (port, _):
        at(site, f"http://127.0.0.1:{port}/webhooks/repairy", free_ports(1)[0], relay=public_relay[0])
        level, says, _ = webhook_finding(site)
    assert level == "error"
    assert "both must mean the same relay" in says


@pytest.mark.soak
def test_a_probe_reaches_a_service_that_fetches_from_a_relay(
    request: pytest.FixtureRequest, public_relay: tuple[str, Shelf]
) -> None:
    with ground_on("sqlite", request) as ground:
        ground.configure({f'"{ground.hook_url}"': f'""\nrelay = "{public_relay[0]}"'})
        ground.start()
        said = ground.tried("--json", "check", "--webhook").stdout
        assert "arrived in the running service's state" in said
        assert (ground.query("SELECT id FROM webhook_event"), public_relay[1].page(0)) == ([], [])


def test_a_probe_that_a_crash_left_is_never_read(site: Installation) -> None:
    """It is stored as looked at; a pass asks Repairy nothing for it."""
    site.run("backfill", "--nothing-at-repairy")
    before = site.calls("read")
    site.tell("no-such-booking", action=PROBED)
    assert site.run("sync").code == 0
    with closing(sqlite3.connect(site.folder / "state.db")) as state:
        (row,) = state.execute("SELECT settled_at IS NOT NULL, booking_id FROM webhook_event").fetchall()
    assert (row, site.calls("read") - before) == ((1, "no-such-booking"), 0)
