"""Throw-away database servers on free loopback ports, one per test session and pytest-xdist worker.

A server that is not installed: its tests are skipped with the line that installs it; where CI is set they fail.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest
import sqlalchemy as sa

from sync.demo.stage import free_ports

_ATTEMPTS = 3  # to lay a server out, and to start it: its port may be taken by another worker before it has it
_STARTS_WITHIN = 30.0


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """An empty PostgreSQL server; its user may create databases."""
    initdb = _newest_initdb() or _missing("PostgreSQL", "postgresql")
    with _folder("postgres") as folder:
        before = _as_user("postgres")
        make: list[Any] = [
            initdb,
            "-D",
            folder / "data",
            "-U",
            "test",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]
        _made([*before, *make], folder)
        careless = [part for name in ("fsync", "synchronous_commit", "full_page_writes") for part in ("-c", f"{name}=off")]

        def command(port: int) -> list[Any]:
            listen = ["-p", str(port), "-k", folder, "-c", "listen_addresses=127.0.0.1"]
            return [*before, initdb.with_name("postgres"), "-D", folder / "data", *listen, *careless]

        with _server(command, "postgresql+psycopg://test@127.0.0.1:{port}/postgres", signal.SIGQUIT) as url:
            yield url


@pytest.fixture(scope="session")
def mariadb_url() -> Iterator[str]:
    """A MariaDB server with an empty database `shop`; its user may create others."""
    server, install = _found("mariadbd"), _found("mariadb-install-db")
    if server is None or install is None:
        _missing("MariaDB", "mariadb-server")
    user = "mysql" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    with _folder(user) as folder:
        make = [install, "--no-defaults", f"--user={user}", f"--datadir={folder}/data", "--skip-test-db"]
        _made([*make, "--auth-root-authentication-method=normal"], folder)
        opening = folder / "open.sql"
        opening.write_text(
            "CREATE DATABASE shop CHARACTER SET utf8mb4;\n"
            "CREATE USER test@'127.0.0.1' IDENTIFIED BY 'test';\n"
            "GRANT ALL ON *.* TO test@'127.0.0.1' WITH GRANT OPTION;\n"
        )

        def command(port: int) -> list[Any]:
            paths = [f"--datadir={folder}/data", f"--tmpdir={folder}", f"--socket={folder}/s", f"--pid-file={folder}/pid"]
            careless = [
                "--innodb-flush-log-at-trx-commit=0",
                "--innodb-buffer-pool-size=32M",
                "--skip-log-bin",
                "--performance-schema=0",
            ]
            listen = ["--bind-address=127.0.0.1", f"--port={port}", f"--init-file={opening}", "--default-time-zone=+00:00"]
            return [server, "--no-defaults", f"--user={user}", *paths, *listen, *careless]

        with _server(command, "mariadb+pymysql://test:test@127.0.0.1:{port}/shop?charset=utf8mb4", signal.SIGTERM) as url:
            yield url


@pytest.fixture(scope="session")
def firebird_url() -> Iterator[str]:
    """A Firebird server with an empty database, of character set UTF8; its user may create others beside it."""
    with firebird_server() as url:
        yield url


@contextmanager
def firebird_server() -> Iterator[str]:
    """Close every connection to it: the client library crashes at the end of a process that has one open."""
    server, isql = _found("firebird"), shutil.which("isql-fb")
    shared = next(iter(sorted(Path("/usr/lib").glob("*/firebird/*/plugins.conf"))), None)
    if server is None or isql is None or shared is None:
        _missing("Firebird", "firebird3.0-server")
    with _folder("firebird") as folder:
        before, root, data = _as_user("firebird"), folder / "root", folder / "db"
        _firebird_root(root, data, shared.parent)
        place = {**os.environ, "FIREBIRD": str(root), "FIREBIRD_LOCK": str(folder), "FIREBIRD_TMP": str(folder)}
        for database, sql in (
            ([], f"CREATE DATABASE '{data}/security3.fdb';"),
            ([f"{data}/security3.fdb"], "CREATE USER sysdba PASSWORD 'masterkey'; COMMIT;"),
            ([], f"CREATE DATABASE '{data}/shop.fdb' PAGE_SIZE 8192 DEFAULT CHARACTER SET UTF8;"),
        ):
            make: list[Any] = [*before, isql, "-q", "-user", "sysdba", *database]
            subprocess.run(make, input=sql, text=True, env=place, check=True, stdout=subprocess.DEVNULL, cwd=folder)
        careless: list[Any] = [*before, "gfix", "-user", "sysdba", "-write", "async", data / "shop.fdb"]
        subprocess.run(careless, env=place, check=True, stdout=subprocess.DEVNULL, cwd=folder)

        def command(port: int) -> list[Any]:
            settings = [*_FIREBIRD, f"RemoteServicePort = {port}", f"SecurityDatabase = {data}/security3.fdb"]
            (root / "firebird.conf").write_text("\n".join([*settings, f"DatabaseAccess = Restrict {data}", ""]))
            return ["env", *(f"{name}={place[name]}" for name in place if name.startswith("FIREBIRD")), *before, server]

        form = f"firebird+firebird://sysdba:masterkey@127.0.0.1:{{port}}/{data}/shop.fdb?charset=UTF8"
        with _server(command, form, signal.SIGTERM) as url:
            yield url


def firebird_database(server: str, name: str, charset: str) -> str:
    """An empty database of this character set beside the server's own; its URL."""
    beside = sa.make_url(server)
    path = Path(str(beside.database)).with_name(f"{name}.fdb")
    login = f"USER '{beside.username}' PASSWORD '{beside.password}' DEFAULT CHARACTER SET {charset}"
    sql = f"CREATE DATABASE '{beside.host}/{beside.port}:{path}' {login};"
    subprocess.run(["isql-fb", "-q"], input=sql, text=True, check=True, stdout=subprocess.DEVNULL)
    return beside.set(database=str(path), query={"charset": charset}).render_as_string(hide_password=False)


_FIREBIRD = (
    "RemoteBindAddress = 127.0.0.1",
    "ServerMode = Super",
    "AuthServer = Srp",
    "UserManager = Srp",
    "WireCrypt = Enabled",
)


def _firebird_root(root: Path, data: Path, shared: Path) -> None:
    """A folder that stands in for the installed one: own settings, the installed plug-ins and messages."""
    for folder in (root, data):
        folder.mkdir()
        if os.geteuid() == 0:
            shutil.chown(folder, "firebird")
    (root / "firebird.conf").write_text(f"SecurityDatabase = {data}/security3.fdb\n")
    (root / "databases.conf").write_text(f"security.db = {data}/security3.fdb\n{{\n\tRemoteAccess = false\n}}\n")
    shutil.copy(shared / "plugins.conf", root / "plugins.conf")
    shutil.copytree(shared / "intl", root / "intl")  # behind a symlink its character sets are not found
    for name in ("firebird.msg", "plugins"):
        (root / name).symlink_to(shared / name)


def _missing(server: str, package: str) -> NoReturn:
    line = f"no {server} server: apt-get install {package}"
    if os.environ.get("CI"):
        pytest.fail(line)
    pytest.skip(line)


def _newest_initdb() -> Path | None:
    """The newest one that Debian keeps beside the others, else the one on the path."""
    kept = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    found = shutil.which("initdb")
    return kept[-1] if kept else Path(found) if found else None


def _found(program: str) -> str | None:
    return shutil.which(program) or shutil.which(program, path="/usr/sbin")


def _as_user(user: str) -> list[str]:
    """What goes before a command so that it runs as the package's own user: database servers refuse to run as root."""
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if os.geteuid() == 0 else []


@contextmanager
def _folder(user: str) -> Iterator[Path]:
    """A folder of that user's, with a short path: the name of a socket is limited to 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="rs-"))
    try:
        folder.chmod(0o755)
        if os.geteuid() == 0:
            shutil.chown(folder, user)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _made(command: Sequence[Any], folder: Path) -> None:
    """Lay out a server's data in `data`. What it says where it fails is shown, also where the next attempt succeeds."""
    for _ in range(_ATTEMPTS):
        shutil.rmtree(folder / "data", ignore_errors=True)
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
        if not done.returncode:
            return
        warnings.warn(f"{command[0]} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}", stacklevel=2)
    pytest.fail(f"{command[0]} failed {_ATTEMPTS} times; the warnings say how")


@contextmanager
def _server(command: Callable[[int], Sequence[Any]], form: str, stop: signal.Signals) -> Iterator[str]:
    process, url = _started(command, form)
    try:
        yield url
    finally:
        process.send_signal(stop)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _started(command: Callable[[int], Sequence[Any]], form: str) -> tuple[subprocess.Popen[bytes], str]:
    for _ in range(_ATTEMPTS):
        (port,) = free_ports(1)
        process = subprocess.Popen(command(port), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if _answers(form.format(port=port), process):
            return process, form.format(port=port)
        process.kill()
        process.wait()
    pytest.fail(f"the server did not start in {_ATTEMPTS} attempts")


def _answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    end = time.monotonic() + _STARTS_WITHIN
    while process.poll() is None and time.monotonic() < end:
        try:
            engine.connect().close()
            return True
        except sa.exc.SQLAlchemyError:
            time.sleep(0.05)
    return False
