"""The command support: a zip for whoever helps, without personal data or secrets.

RULE: what goes in is named here, one by one; nothing is copied whole but profiles and the contract, whose comments stay out.
Then every text goes through `clean`, which knows what customers are called in this state.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
import sqlite3
import subprocess
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel

from sync import __version__, report
from sync.cli.common import Asked
from sync.cli.house import looked
from sync.core.times import iso
from sync.errors import ConfigError, SyncError
from sync.settings import Settings
from sync.settings import Workshop as Configured
from sync.state import migrate
from sync.state.backup import private
from sync.wiring import App

RUNS, WRITES, LINES = 50, 200, 500
REMOVED = "[removed]"
_OURS = re.compile(r"^timestamp=\d{4}-\d\d-\d\dT\S+ level=\w+ ")
_PATTERNS = (
    re.compile(r"[\w.+%-]+@[\w-]+\.[\w.-]+"),  # an e-mail address, also user@host
    re.compile(r"(?<![\w.:-])\(?(?:\+?61|0)(?:[\s()-]{0,2}\d){8,9}(?![\w-])"),  # an Australian phone
    re.compile(r"(?<=://)[^/\s\"']*@"),  # user and password of an address
)
SHORT, RUN = 4, 4  # letters of the shortest word that may be a name; words in a row that betray a text
_TEXTS = ("job_notes", "internal_notes", "description")  # shorter ones are words of the trade
_PERSONAL = (
    "rego", "vin", "name", "first_name", "last_name", "company", "phone", "email", "job_notes", "internal_notes", "description",
)  # fmt: skip


def add(app: typer.Typer) -> None:
    app.command()(support)


def support(
    context: typer.Context,
    file: Annotated[
        str, typer.Argument(help="The zip to write; it must not exist.", metavar="FILE")
    ] = "repairy-sync-support.zip",
    offline: Annotated[bool, typer.Option("--offline", help="Ask neither side.")] = False,
    log: Annotated[str, typer.Option(help="Where the log is kept; default: the service's journal.", metavar="FILE")] = "",
) -> None:
    """A bundle for whoever helps: versions, configuration, profile, contract, findings, counts, recent runs. No customer, no
    secret: look into it before you send it.

    Example: repairy-sync support bundle.zip
    """
    asked: Asked = context.obj
    if Path(file).exists():
        raise ConfigError(f"{file}: exists; name another file")
    parts: dict[str, Any] = {"versions.json": versions()}
    about = Known()
    try:
        with asked.app() as app:
            parts |= dict(_parts(app, offline, log))
            about = known(app)
    except ConfigError as error:  # what is wrong with the configuration is what helps most
        parts["configuration.json"] = {"problems": error.problems}
    write(Path(file), parts, about)
    asked.say(
        {"file": file, "holds": sorted(parts)}, f"wrote {file}: {', '.join(sorted(parts))}", "look into it before you send it"
    )


def _parts(app: App, offline: bool, log: str) -> Iterator[tuple[str, Any]]:
    yield "configuration.json", redacted(app.settings)
    yield (
        "contract.json",
        {"assumed": [key for key, _ in app.contract.unconfirmed()], "facts": app.contract.model_dump(mode="json")},
    )
    yield "check.json", _tried(lambda: [vars(one) for one in looked(app, list(app.settings.workshops), offline=offline)])
    for one in app.settings.workshops:
        yield f"{one.name}/profile.json", app.profiles[one.name].model_dump(mode="json")
        yield f"{one.name}/state.json", _tried(lambda one=one: _state(app, one))  # type: ignore[misc]
    yield "log.txt", _log(log)


def _tried(look: Callable[[], Any]) -> Any:
    try:
        return look()
    except SyncError as error:
        return {"problem": str(error)}


def versions() -> dict[str, Any]:
    """Of the program, what it runs on and what it is made with; nothing that names the machine."""
    names = [re.split(r"[^\w.-]", one)[0] for one in requires("repairy-sync") or ()]
    return {
        "repairy-sync": __version__, "schema": migrate.head(), "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}", "sqlite": sqlite3.sqlite_version,
        "libraries": {name: found for name in sorted(set(names)) if (found := _version(name))},
    }  # fmt: skip


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def redacted(settings: BaseModel) -> dict[str, Any]:
    """Every option. Of one whose text form is hidden (addresses that may hold a password) only its kind; of secrets the names."""
    found: dict[str, Any] = {}
    for key, field in type(settings).model_fields.items():
        value = getattr(settings, key)
        if isinstance(value, BaseModel):
            found[key] = redacted(value)
        elif isinstance(value, list) and value and isinstance(value[0], BaseModel):
            found[key] = [redacted(one) for one in value]
        elif not field.repr:
            found[key] = getattr(value, "drivername", None) or (f"given ({len(value)})" if value else "")
        else:
            found[key] = value if isinstance(value, str | int | float | list) else str(value or "")
    if isinstance(settings, Settings):
        found["secrets"] = sorted(settings.secrets.given)
    return found


def _state(app: App, workshop: Configured) -> dict[str, Any]:
    """Counts, what stands, and the last runs and writes; of writes the names of fields, never a value."""
    with app.looking(workshop) as site:
        state, name = site.state, site.name
        writes = [intent for link in state.links(name) for intent in state.intents(link.id)]
        recent = sorted(writes, key=lambda one: one.started_at)[-WRITES:]
        return {
            "status": report.status(site),
            "links": state.count(name),
            "standing": {kind: report.standings(site, kind) for kind in ("waiting", "noted", "held")},
            "plans": report.held([site])["plans"],
            "runs": [
                {"started_at": iso(one.started_at), "finished_at": iso(one.finished_at), "counts": one.counts, "error": one.error}
                for one in state.last_runs(name, RUNS)
            ],
            "outcomes": Counter(f"{one.side} {one.kind} {one.outcome or 'open'}" for one in writes),
            "writes": [
                {
                    "op": one.op, "link": one.link_id, "side": one.side, "kind": one.kind, "fields": sorted(one.after),
                    "started_at": iso(one.started_at), "outcome": one.outcome, "error": one.error, "looks": one.looks,
                }
                for one in recent
            ],
        }  # fmt: skip


def _log(file: str) -> str:
    """The end of it: lines that this program's own log has written, no other's."""
    try:
        lines = Path(file).read_text(encoding="utf-8", errors="replace").splitlines() if file else _journal()
    except OSError as error:
        return f"{file}: cannot be read: {error.strerror}\n"
    return "".join(f"{line}\n" for line in [line for line in lines if _OURS.match(line)][-LINES:])


def _journal() -> list[str]:
    tool = shutil.which("journalctl")
    if tool is None:
        return []
    words = [tool, "--unit", "repairy-sync", "--lines", str(LINES), "--output", "cat", "--no-pager", "--quiet"]
    try:
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=30).stdout.splitlines()  # noqa: S603
    except subprocess.TimeoutExpired:
        return []


@dataclass(frozen=True)
class Known:
    """What no bundle may hold: secrets as they are; what customers are called as lower-case words with one blank between."""

    secrets: frozenset[str] = frozenset()
    phrases: frozenset[str] = frozenset()


def known(app: App) -> Known:
    """From the secrets and the whole state. Of texts every four words in a row, so that an extract is found as well."""
    phrases: set[str] = set()
    for workshop in app.settings.workshops:
        for link in app.state.links(workshop.name) if migrate.current(app.state_url) else ():
            for view in filter(None, (link.shop, link.repairy, link.shop_base, link.repairy_base)):
                phrases.update(*(_phrases(name, str(view[name])) for name in _PERSONAL if view.get(name)))
    secrets = (secret.get_secret_value() for secret in app.settings.secrets.given.values())
    return Known(frozenset(filter(None, secrets)), frozenset(phrases))


def _phrases(name: str, value: str) -> Iterator[str]:
    """The value, and what of it betrays a customer by itself. Very short words are words of the trade, not names."""
    words = re.findall(r"\w+", value.lower())
    if len(value) >= SHORT and (name not in _TEXTS or len(words) >= RUN):
        yield from (" ".join(words[at : at + RUN]) for at in range(max(1, len(words) - RUN + 1)))
    if "name" in name:
        yield from (word for word in words if len(word) >= SHORT)


def clean(text: str, about: Known) -> str:
    """Without anything that is, or looks like, a customer or a secret."""
    for secret in about.secrets:
        text = text.replace(secret, REMOVED)
    words = list(re.finditer(r"\w+", text))
    lower = [word[0].lower() for word in words]
    gone: set[int] = set()
    for at in range(len(words)):
        for last in range(min(at + RUN, len(words)), at, -1):
            if " ".join(lower[at:last]) in about.phrases:
                gone.update(range(at, last))
    for at in sorted(gone, reverse=True):  # from the end, so that what lies before keeps its place
        text = text[: words[at].start()] + REMOVED + text[words[at].end() :]
    for pattern in _PATTERNS:
        text = pattern.sub(REMOVED, text)
    return text


def cleaned(value: Any, about: Known) -> Any:
    """The same of every text in it; the names of keys are ours."""
    if isinstance(value, str):
        return clean(value, about)
    if isinstance(value, Mapping):
        return {key: cleaned(one, about) for key, one in value.items()}
    return [cleaned(one, about) for one in value] if isinstance(value, list | tuple) else value


def write(file: Path, parts: Mapping[str, Any], about: Known) -> None:
    try:
        private(file)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle:
            for name, part in parts.items():
                safe = cleaned(part, about)
                text = safe if isinstance(safe, str) else json.dumps(safe, indent=1, ensure_ascii=False, default=str)
                bundle.writestr(name, text)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written: {error.strerror}") from None
