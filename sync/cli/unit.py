"""The command for the systemd unit: service install, service uninstall. The unit's text is config/systemd's, with this
installation's paths in place of the examples; state, configuration and secrets are never touched.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from sync.cli.common import Asked
from sync.errors import ConfigError
from sync.settings import Settings, secrets
from sync.share import CONFIG
from sync.state.database import sqlite_file

NAME = "repairy-sync"
UNIT = Path("etc/systemd/system") / f"{NAME}.service"
USER = Path("etc/sysusers.d") / f"{NAME}.conf"  # how systemd is told of a system user; removing it leaves the user
STATE = Path("/var/lib") / NAME
RUNNING = Path("run/systemd/system")  # there is such a folder only where systemd runs
_CLOSED = {"/home": "ProtectHome", "/root": "ProtectHome", "/run/user": "ProtectHome", "/tmp": "PrivateTmp"}  # noqa: S108

service = typer.Typer(
    name="service", help="The systemd unit: install, uninstall.\n\nExample: repairy-sync service install", no_args_is_help=True
)
Root = Annotated[Path, typer.Option("--root", help="Write below this folder, and start nothing.", metavar="DIR")]


def add(app: typer.Typer) -> None:
    app.add_typer(service)


@service.command()
def install(
    context: typer.Context,
    only_print: Annotated[bool, typer.Option("--print", help="Show the unit; write nothing.")] = False,
    root: Root = Path("/"),
) -> None:
    """Write the systemd unit for this program, this configuration and the secrets that are there. May be repeated.

    Example: repairy-sync --config /etc/repairy-sync/repairy-sync.toml service install
    """
    asked: Asked = context.obj
    settings = asked.load(need_secrets=False)
    text = unit(settings, command())
    if only_print:
        sys.stdout.write(text)
        return
    account = f'u {NAME} - "Keeps a workshop and Repairy in step" {STATE}\n'
    wrote = [_write(root / UNIT, text), _write(root / USER, account)]
    pending = _systemd(root, ["systemd-sysusers"], ["systemctl", "daemon-reload"])
    steps = [*pending, *_rights(settings), f"systemctl enable --now {NAME}", f"journalctl -u {NAME} -f"]
    warnings = list(_unseen(settings, command()))
    lines = ["next, as root:", *(f"  {step}" for step in steps), *(f"careful: {one}" for one in warnings)]
    asked.say({"wrote": wrote, "next": steps, "warnings": warnings}, *(f"wrote {one}" for one in wrote), *lines)


@service.command()
def uninstall(context: typer.Context, root: Root = Path("/")) -> None:
    """Stop the service and remove the unit. State, configuration, secrets and the user stay.

    Example: repairy-sync service uninstall
    """
    asked: Asked = context.obj
    there = [root / one for one in (UNIT, USER) if (root / one).exists()]
    stopping = _systemd(root, ["systemctl", "disable", "--now", NAME]) if there else []
    for one in there:
        _changed(one, one.unlink)
    pending = [*stopping, *_systemd(root, ["systemctl", "daemon-reload"])] if there else []
    said = [f"removed {one}" for one in there] or [f"nothing to do: there is no {root / UNIT}"]
    stays = f"left as they are: {STATE} (the state, its copies, the mapping journal), the configuration, the secrets, user {NAME}"
    steps = [f"still to be run, as root: {one}" for one in pending]
    asked.say({"removed": [str(one) for one in there], "next": pending, "left": [str(STATE)]}, *said, stays, *steps)


def command() -> list[str]:
    """How this installation's program is started: its own script, else the interpreter with the package."""
    script = Path(sys.executable).with_name(NAME)
    return [str(script)] if script.is_file() else [sys.executable, "-m", "sync"]


def unit(settings: Settings, program: list[str]) -> str:
    """The unit's text. Raises ConfigError where a secret is missing that the program cannot start without."""
    text = (CONFIG / "systemd" / UNIT.name).read_text(encoding="utf-8")
    words = [*program, "--config", str(settings.file), "run"]
    text = re.sub(r"(?m)^ExecStart=.*$", lambda _: "ExecStart=" + " ".join(map(_quoted, words)).replace("$", "$$"), text)
    lines = [f"LoadCredential={one.name}:{_percent(str(one))}" for one in present(settings)]
    if settings.secrets_dir:  # that is for commands by hand; the daemon reads what systemd hands over
        lines.append("Environment=REPAIRY_SYNC_SECRETS_DIR=%d")
    first, last = text.index("LoadCredential="), text.rindex("SetCredential=")
    text = text[:first] + "\n".join(lines) + text[text.index("\n", last) :]
    opened = "".join(f"ReadWritePaths={_quoted(str(one))}\n" for one in writable(settings))
    return text.replace("ProtectSystem=strict\n", "ProtectSystem=strict\n" + opened)


def folder(settings: Settings) -> Path:
    """Where the secrets' files lie, for systemd to read as root."""
    return settings.secrets_dir or settings.file.parent / "secrets"


def present(settings: Settings) -> list[Path]:
    """The secrets that are there. Raises ConfigError naming the required ones that are not."""
    own = (secrets.own_password(one.name) for one in settings.workshops)
    found = [file for name in dict.fromkeys((*secrets.NAMES, *own)) if (file := folder(settings) / name).is_file()]
    listening = bool(settings.webhooks.public_url or settings.webhooks.relay)
    needed = {*secrets.ALWAYS, *secrets.WEBHOOK[: 1 if listening else 0]} - {one.name for one in found}
    if needed:
        missing = (f"secret {name}: missing; put it into the file {folder(settings) / name}" for name in sorted(needed))
        raise ConfigError(*missing, "then run service install again")
    return found


def writable(settings: Settings) -> list[Path]:
    """Folders outside the unit's own that the program writes to: a state or journal elsewhere, a shop that is a file."""
    shops = [settings.shop_database(one) for one in settings.workshops]
    files = [Path(url.database) for url in shops if url.get_backend_name() == "sqlite" and url.database]
    state = sqlite_file(settings.state.url.render_as_string(hide_password=False))
    files += [settings.state.journal_path, *([state] if state else [])]
    return sorted({file.absolute().parent for file in files if not file.absolute().is_relative_to(STATE)})


def _rights(settings: Settings) -> Iterator[str]:
    """What the daemon's user must be given; systemd itself sees to its StateDirectory and hands over the secrets."""
    for one in writable(settings):
        yield f"chgrp {NAME} {one} && chmod g+rwx {one}"
    if not settings.file.stat().st_mode & 0o004:
        yield f"chgrp {NAME} {settings.file} && chmod g+r {settings.file}"


def _unseen(settings: Settings, program: list[str]) -> Iterator[str]:
    for one in (Path(program[0]), settings.file, *writable(settings)):
        for closed, line in _CLOSED.items():
            if one.is_relative_to(closed):
                yield f"{one} lies under {closed}, which the unit cannot see ({line}): move it, /opt is a good place"


def _write(file: Path, text: str) -> str:
    def write() -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    _changed(file, write)
    return str(file)


def _changed(file: Path, change: Callable[[], object]) -> None:
    try:
        change()
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}; run it as root, or below another folder with --root") from None


def _systemd(root: Path, *calls: list[str]) -> list[str]:
    """Make these calls where systemd runs and this is its own file system; those that are left for a person."""
    if root != Path("/") or not (root / RUNNING).is_dir():
        return [" ".join(call) for call in calls]
    done = [(call, subprocess.run(call, check=False, capture_output=True).returncode) for call in calls]  # noqa: S603
    return [" ".join(call) for call, code in done if code]


def _quoted(word: str) -> str:
    """As systemd reads a word of a command or of a list of paths."""
    plain = _percent(word).replace("\\", "\\\\").replace('"', '\\"')
    return plain if re.fullmatch(r"[^\s'\"\\;]+", plain) else f'"{plain}"'


def _percent(text: str) -> str:
    return text.replace("%", "%%")
