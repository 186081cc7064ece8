"""Commands that move an installation to another server in one file: export, import. Secrets are never in it.

The file is a zip: `manifest.json` (versions, and each other file's SHA-256), `config/…`, `state/…`, `journal.jsonl`.
Only one installation may work: what was exported refuses to work on, and what is here already is never written over.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from sync import __version__, logs
from sync.cli import parcel
from sync.cli.common import Asked, Workshop
from sync.core.times import iso
from sync.errors import ConfigError, SyncError
from sync.machine import SystemClock
from sync.ports import Clock
from sync.settings import Settings
from sync.settings import Workshop as Configured
from sync.settings.load import CONFIG_VARIABLE, NAME, SYSTEM
from sync.state import migrate
from sync.state.journal import MappingJournal
from sync.state.lease import acquire, come_back, leave, refuse_left
from sync.state.safekeeping import Safekeeping
from sync.state.store import StateStore
from sync.state.transfer import dump, load


def add(app: typer.Typer) -> None:
    app.command("export")(export)
    app.command("import")(import_)


@dataclass(frozen=True)
class Place:
    """An installation's settings, state and journal: all that moving needs. Neither side is asked."""

    settings: Settings
    clock: Clock
    store: StateStore
    journal: MappingJournal

    @property
    def url(self) -> str:
        return self.store.database.url

    @property
    def safe(self) -> Safekeeping:
        names = [one.name for one in self.settings.workshops]
        return Safekeeping(self.store, self.journal, names, self.settings.state.backups, self.clock, logs.get("repairy-sync"))


@contextmanager
def _placed(asked: Asked) -> Iterator[Place]:
    logs.configure(asked.verbose)
    settings, clock = asked.load(need_secrets=False), SystemClock()
    with closing(StateStore(settings.state.url.render_as_string(hide_password=False), clock)) as store:
        yield Place(settings, clock, store, MappingJournal(settings.state.journal_path))


def _chosen(settings: Settings, name: str) -> Sequence[Configured]:
    found = [one for one in settings.workshops if name in ("", one.name)]
    if not found:
        known = ", ".join(one.name for one in settings.workshops)
        raise ConfigError(f"--workshop {name}: there is no such workshop; allowed: {known}")
    return found


# -- export


def export(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="The zip to write; it must not exist.", metavar="FILE")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Work here again: the export was imported nowhere.")] = False,
    workshop: Workshop = "",
) -> None:
    """Configuration, profiles, contract and state in one file, to move to another server; this installation then refuses to
    work. Secrets are not in it, personal data is. Stop the service first.

    Example: repairy-sync export move.zip
    """
    asked: Asked = context.obj
    if undo == bool(file):
        raise typer.BadParameter("say FILE, or --undo")
    with _placed(asked) as here:
        names = [one.name for one in _chosen(here.settings, workshop)]
        if undo:
            back = [name for name in names if come_back(here.store.database, name, here.clock.now())]
            asked.say({"back": back}, f"works here again: {', '.join(back)}" if back else "nothing to do: nothing was moved away")
            return
        rows = _exported(here, names, Path(file))
    asked.say(
        {"file": file, "workshops": names, "rows": rows},
        f"wrote {file}: {', '.join(names)}, {rows} rows. It holds personal data; secrets are not in it",
        "this installation refuses to work from now on (`repairy-sync export --undo` takes that back)",
        "next: on the new server, `repairy-sync --config /etc/repairy-sync/repairy-sync.toml import FILE`; here, "
        "`repairy-sync service uninstall`",
    )


def _exported(here: Place, names: Sequence[str], file: Path) -> int:
    """Closed before it is read, so that nothing comes to it later; opened again where the file could not be written."""
    if file.exists():
        raise ConfigError(f"{file}: exists; name another file")
    here.safe.migrate()
    now, number = here.clock.now(), uuid.uuid4().hex[:12]
    left: list[str] = []
    try:
        with ExitStack() as leases:
            for name in names:
                leases.enter_context(acquire(here.url, name, "export", here.clock))
                refuse_left(here.store.database, name)
                leave(here.store.database, name, f"exported to {file.name} at {iso(now)}", now)
                left.append(name)
            return _packed(here, names, file, {"export": number, "made": iso(now)})
    except BaseException:
        for name in left:
            come_back(here.store.database, name, here.clock.now())
        file.unlink(missing_ok=True)
        raise


def _packed(here: Place, names: Sequence[str], file: Path, facts: dict[str, object]) -> int:
    rows = 0
    with parcel.writing(file) as box:
        for inside, path in parcel.configured(here.settings):
            box.add(inside, path.read_bytes())
        for number, name in enumerate(names):
            lines = list(dump(here.store, name))
            rows += len(lines) - 2
            box.add(f"state/{number}.jsonl", "".join(f"{line}\n" for line in lines).encode())
        mine = [line for line in here.journal.read() if line.get("workshop") in names]
        box.add("journal.jsonl", parcel.as_lines(mine))
        box.close({
            **facts, "program": __version__, "schema": migrate.current(here.url), "workshops": list(names),
            "config": here.settings.file.name, "secrets": sorted(here.settings.secrets.given),
        })  # fmt: skip
    return rows


# -- import


def import_(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="What `export` wrote.", metavar="FILE")],
) -> None:
    """Go on with what `export` wrote on another server. Where there is no configuration yet, it is put into place too: as
    --config, else here. A configuration that is here is used as it is, so the state may go to another kind of database.

    Example: repairy-sync --config /etc/repairy-sync/repairy-sync.toml import move.zip
    """
    asked: Asked = context.obj
    box = parcel.opened(Path(file), migrate.head())
    target = _configuration(asked, box)
    wrote = parcel.put(box, target) if target else []
    with _placed(Asked(str(target), asked.json, asked.verbose) if target else asked) as here:
        kept = [] if target else parcel.other(box, here.settings.file)
        rows = _imported(here, box)
        folder = here.settings.secrets_dir or here.settings.file.parent / "secrets"
    names = ", ".join(box.workshops)
    lines = [f"wrote {one}" for one in wrote] + [f"not the export's, kept as it is: {one}" for one in kept]
    lines += [f"{given}: came along as {there}; put it there, or change the line that names it" for given, there in box.outside]
    secrets = f"put the secrets into {folder}: {', '.join(box.secrets)}" if box.secrets else f"put the secrets into {folder}"
    asked.say(
        {"workshops": box.workshops, "rows": rows, "wrote": wrote, "kept": kept, "next": [secrets, "check", "service install"]},
        *lines, f"imported {names}: {rows} rows",
        f"next: {secrets}; then `repairy-sync check` and `repairy-sync service install`",
    )  # fmt: skip


def _configuration(asked: Asked, box: parcel.Parcel) -> Path | None:
    """Where the configuration goes; None where there is one."""
    if asked.config:
        return None if Path(asked.config).exists() else Path(asked.config)
    try:
        asked.load(need_secrets=False)
    except ConfigError:
        there = os.environ.get(CONFIG_VARIABLE) or SYSTEM.exists() or Path(NAME).exists()
        return None if there else Path(NAME)  # what is wrong with one that is there is said when it is used
    return None


def _imported(here: Place, box: parcel.Parcel) -> int:
    """All workshops or none: what might be refused is tried on a state in memory first."""
    unknown = set(box.workshops) - {one.name for one in here.settings.workshops}
    if unknown:
        raise ConfigError(f"{here.settings.file}: the export holds {', '.join(sorted(unknown))}, which is no workshop here")
    with closing(StateStore("sqlite://", here.clock)) as rehearsal:
        for name in box.workshops:
            load(rehearsal, name, box.state(name))
    told = [name for name in box.workshops if any(line.get("workshop") == name for line in here.journal.read())]
    if told:
        raise SyncError(_occupied(", ".join(told), str(here.journal.path)))
    migrate.upgrade(here.url, backups=here.safe.copies, keep=here.settings.state.backups)
    with ExitStack() as stack:
        leases = [stack.enter_context(acquire(here.url, name, "import", here.clock)) for name in box.workshops]
        for name in box.workshops:
            refuse_left(here.store.database, name)
            if here.store.count(name):
                raise SyncError(_occupied(name, here.store.database.engine.url.render_as_string(hide_password=True)))
        counts = [load(here.store.under(lease), lease.workshop, box.state(lease.workshop)) for lease in leases]
        parcel.append(here.journal.path, box.read("journal.jsonl"))  # what a crash loses here, the next start adds from the state
    return sum(sum(each.values()) for each in counts)


def _occupied(name: str, where: str) -> str:
    return (
        f"{name} is here already ({where}): an import never writes over it. Where this is the server that it was exported from, "
        "`repairy-sync export --undo` lets it work again; else move the old state and its journal away first"
    )
