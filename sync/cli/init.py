"""The command that begins an installation: init. It shows what the wizard found, asks, and writes three things into a folder.

Questions and what they are about go to stderr; stdout carries what was made. The shop is only read.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

import sqlalchemy as sa
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from sync import logs
from sync.cli.common import Asked, table
from sync.errors import SyncError
from sync.machine import SystemClock
from sync.settings import secrets
from sync.share import CONFIG
from sync.shop import wizard
from sync.shop.wizard import address, files, propose, words

_VISIBLE = {
    "created": "a confirmation of bookings that the shop makes",
    "moved": "a new time",
    "updated": "other changes",
    "done": "the review request and the service reminder",
    "cancelled": "a cancellation",
}
_MEANINGS = ("pending", "processing", "done", "cancelled", "ignore", "later")
_LATER = "(Enter: later)"


def add(app: typer.Typer) -> None:
    app.command()(init)


def init(
    context: typer.Context,
    shop_url: Annotated[
        str, typer.Argument(metavar="SHOP_URL", help="The shop's database, such as mariadb+pymysql://bridge@localhost/shop.")
    ],
    out: Annotated[
        Path, typer.Option("--out", help="Where the files go; nothing there is written over.", metavar="DIR")
    ] = Path(),
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing: take what is proposed.")] = False,
    show: Annotated[bool, typer.Option("--print", help="Write nothing: print profile and configuration.")] = False,
    name: Annotated[str, typer.Option("--name", help="What you call the workshop.")] = "",
    timezone: Annotated[str, typer.Option("--timezone", help="Its IANA time zone.")] = "",
) -> None:
    """Looks at a live shop database, only reading, and makes a profile and a configuration from it.

    Example: repairy-sync init mariadb+pymysql://bridge@localhost/shop --out /etc/repairy-sync
    """
    asked: Asked = context.obj
    logs.configure(asked.verbose)
    ask = Questions(silent=yes)
    if not yes and not sys.stdin.isatty():
        raise typer.BadParameter(
            "init asks questions, and this is no terminal: run it on one, or add --yes to take what is proposed"
        )
    if not show:
        files.refuse_to_overwrite(out)
    url, password = _address(shop_url, ask)
    workshop = name or ask.text("What do you call this workshop?", "Workshop")
    zone = ZoneInfo(_zone(timezone, ask))
    made = _propose(url, password, workshop, zone, ask)
    config = files.configuration(
        (CONFIG / "repairy-sync.toml").read_text(encoding="utf-8"), _values(ask, url, workshop, zone, out)
    )
    if show:
        texts = made.facts | {"profile": made.profile, "configuration": config}
        asked.say(texts, made.profile, f"# {files.CONFIG}\n{config}", *([_sample(made.rows)] if yes else []))
    else:
        written, kept = files.write(out, made.profile, config, _secrets(ask, password))
        paths = {"files": [str(path) for path in written], "kept": [str(path) for path in kept]}
        asked.say(made.facts | paths, *_next(out, written, kept))
    if made.unusable:
        raise SyncError(f"Not usable yet: {made.unusable.removeprefix('key: ')}.")


@dataclass(frozen=True)
class Questions:
    """Asks on the terminal, on stderr; silent, it takes what is proposed."""

    silent: bool

    def text(self, question: str, proposed: str, *, among: Sequence[str] = (), hidden: bool = False) -> str:
        if self.silent:
            return proposed
        while True:
            words = f"{question} ({', '.join(among)})" if among else question
            given = str(typer.prompt(words, default=proposed, hide_input=hidden, show_default=bool(proposed), err=True)).strip()
            if not among or given in among:
                return given
            typer.echo(f"one of {', '.join(among)}", err=True)

    def yes(self, question: str) -> bool:
        return not self.silent and typer.confirm(question, default=False, err=True)

    def show(self, *lines: Any) -> None:
        """Only beside questions."""
        if not self.silent:
            self.say(*lines)

    def say(self, *lines: Any) -> None:
        console = Console(stderr=True, highlight=False)
        for line in lines:
            console.print(line, markup=False, soft_wrap=True) if isinstance(line, str) else console.print(line)


@dataclass(frozen=True)
class Made:
    """What came of it."""

    profile: str  # its text
    facts: dict[str, Any]  # for --json
    rows: Sequence[Mapping[str, str | None]]  # some bookings as Repairy would see them
    unusable: str  # why the bridge cannot work with it at all; "" where it can


def _address(shop_url: str, ask: Questions) -> tuple[sa.URL, str]:
    """The address without its password, and the password: of the address, the environment, or the prompt."""
    try:
        url, typed = address.parted(shop_url)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if url.get_backend_name() == "sqlite":
        return url, ""
    given = typed or os.environ.get(secrets.variable("shop_password"), "")
    if not given:
        given = ask.text(f"Password of {url.username or 'the user'} {_LATER.replace('later', 'none')}", "", hidden=True)
    return url, given


def _zone(named: str, ask: Questions) -> str:
    """The option, else asked for; proposed is this machine's own, where it has one."""
    machine = Path(os.path.realpath("/etc/localtime")).as_posix().partition("zoneinfo/")[2]
    usable = machine in available_timezones() and machine not in ("UTC", "Etc/UTC", "Universal")
    zone = named or ask.text("Its time zone?", machine if usable else "Australia/Melbourne")
    while zone not in available_timezones():
        if named or ask.silent:
            raise typer.BadParameter(f'"{zone}" is no IANA time zone; write one such as Australia/Melbourne')
        zone = ask.text("No such time zone; one such as Australia/Melbourne?", "Australia/Melbourne")
    return zone


@contextmanager
def _looking() -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal; elsewhere one line, when all is seen."""
    console = Console(stderr=True)
    with Progress(transient=True, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("looking at the tables", total=None)

        def say(done: int, of: int) -> None:
            bar.update(task, completed=done, total=of)
            if done == of and not console.is_terminal:
                typer.echo(f"{of} tables looked at", err=True)

        yield say


def _propose(url: sa.URL, password: str, name: str, zone: ZoneInfo, ask: Questions) -> Made:
    """The dialogue about the database. Raises Unreachable; SyncError where nothing looks like bookings."""
    now = datetime.now(zone).replace(tzinfo=None)
    looked = wizard.explorer(url, password or None, zone)
    with _looking() as say:
        candidates = wizard.likely(looked, now, say)
    if not candidates:
        raise SyncError(
            f"none of the {len(looked.tables)} tables looks like bookings: no dates in them, or no rows yet. A profile can be "
            "written by hand, beginning from the built-in `demo`"
        )
    chosen = _table(candidates, ask)
    draft = wizard.draft(looked, chosen, now, zone)
    found = _statuses(wizard.words_of(looked, draft), ask)
    facts = [f"{one.table.id}: {one.why}" for one in candidates[:4]]
    written = propose.profile(draft, found, name, facts)
    rows, faults = wizard.preview(url, password or None, propose.parsed(written), zone, SystemClock())
    draft.refused = propose.refused(faults)
    faults = [fault for fault in faults if not fault.startswith("write.")]  # this user may not write there, for one: refused
    keyless = next((line for line in draft.unsure if not draft.key and line.startswith("key: ")), "")
    faults = [fault for fault in faults if not (keyless and fault.startswith("booking.select: `key`"))]  # said already
    _show(ask, draft.unsure, faults, rows)
    draft.unsure += [fault for fault in faults if not fault.startswith("status.read")]  # those stand with the statuses
    written = propose.profile(draft, found, name, facts)
    return Made(
        written,
        {
            "table": chosen.table.id,
            "candidates": [{"table": one.table.id, "rows": one.table.rows, "why": one.why} for one in candidates],
            "columns": dict(propose.columns(draft)),
            "statuses": [{"stored": word.stored, "rows": word.rows, "means": word.means} for word in found],
            "unsure": list(dict.fromkeys([*draft.unsure, *faults])),
            "sample": rows,
        },
        rows,
        keyless,
    )


def _table(candidates: Sequence[wizard.Candidate], ask: Questions) -> wizard.Candidate:
    shown = table("Tables that could hold the bookings", "", "table", "rows", "why")
    for number, one in enumerate(candidates[:9], 1):
        shown.add_row(str(number), one.table.id, f"{one.table.rows:,}", one.why)
    ask.show(shown)
    numbers = [str(number) for number in range(1, len(candidates[:9]) + 1)]
    return candidates[int(ask.text("Which one holds the bookings?", "1", among=numbers)) - 1]


def _statuses(found: Sequence[wizard.Word], ask: Questions) -> list[wizard.Word]:
    """Each stored status with what the owner says it means; "later" leaves it open, and its bookings are held."""
    ask.show("What does each stored status mean? `ignore`: none of Repairy's concern; `later`: its bookings wait for you")
    answered = []
    for word in found:
        guess = None if word.means else words.guess(word.stored)
        rows = f"{word.rows:,} rows" + (f"; UNSURE: {guess}?" if guess else "")
        means = ask.text(f'"{word.stored}" ({rows})', word.means or "later", among=_MEANINGS)
        answered.append(replace(word, means=None if means == "later" else means))
    return answered


def _show(ask: Questions, unsure: Sequence[str], faults: Sequence[str], rows: Sequence[Mapping[str, str | None]]) -> None:
    lines = [*(f"unsure: {line}" for line in unsure), *(f"still to do: {line}" for line in faults)]
    ask.say(*map(propose.one_line, lines))
    ask.show(_sample(rows))


def _sample(rows: Sequence[Mapping[str, str | None]]) -> Table:
    names = [name for name in ("key", "status", "starts_at", "name", "phone", "rego", "make", "description") if _any(rows, name)]
    shown = table("Bookings as Repairy would see them", *names)
    for row in rows:
        shown.add_row(*(row.get(name) or "" for name in names))
    return shown


def _any(rows: Sequence[Mapping[str, str | None]], name: str) -> bool:
    return any(row.get(name) for row in rows)


def _values(ask: Questions, url: sa.URL, name: str, zone: ZoneInfo, out: Path) -> dict[str, object]:
    """What the configuration says that the sample does not."""
    visible = [kind for kind, what in _VISIBLE.items() if ask.yes(f"May Repairy send {what} ({kind})?")]
    lan = _lan()
    on_lan = lan and ask.yes(f"Show the status page to the shop's network, at http://{lan}:8780? Otherwise only here")
    values: dict[str, object] = {
        "secrets_dir": files.SECRETS,
        "safety.visible": visible,
        "web.listen": f"{lan if on_lan else '127.0.0.1'}:8780",
        "workshops.name": name,
        "workshops.timezone": str(zone),
        "workshops.shop_url": _from(url, out),
        "workshops.profile": files.PROFILE,
        "workshops.reference_prefix": files.prefix(name),
    }
    if not out.resolve().is_relative_to("/etc"):
        values["state.url"] = "sqlite:///state.db"
    for key, question in (("repairy.base_url", "Address of the Partner API"), ("repairy.partner_id", "Partner ID"),
                          ("workshops.id", "Repairy's workshop id")):  # fmt: skip
        if answer := ask.text(f"{question} {_LATER}", ""):
            values[key] = answer
    return values


def _from(url: sa.URL, out: Path) -> str:
    """The address as the configuration names it: paths there are relative to its folder."""
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:") or str(url.database).startswith("file:"):
        return url.render_as_string(hide_password=False)
    path = Path(str(url.database)).absolute()
    beside = path.is_relative_to(out.absolute())
    return url.set(database=str(path.relative_to(out.absolute()) if beside else path)).render_as_string()


def _lan() -> str:
    """This machine's own address on its network; "" without one. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # set aside for documentation: only the route is looked up
            address = str(probe.getsockname()[0])
        except OSError:
            return ""
    return "" if address.startswith("127.") else address


def _secrets(ask: Questions, password: str) -> dict[str, str]:
    """What goes into the folder of secrets; what comes by the environment stays there."""
    given = {"web_token": files.token(), "shop_password": password}
    for name, what in (("repairy_app_key", "Repairy's app key"), ("repairy_app_secret", "Repairy's app secret")):
        given[name] = ask.text(f"{what} {_LATER}", "", hidden=True)
    return {name: value for name, value in given.items() if value and not os.environ.get(secrets.variable(name))}


def _next(out: Path, written: Sequence[Path], kept: Sequence[Path]) -> list[str]:
    """What was made, and what its owner does now."""
    return [
        *(f"made {path}" for path in written),
        *(f"kept {path} as it was; what was given now is not in it: look which of the two is right" for path in kept),
        f"Now read {out / files.PROFILE}, lines with UNSURE first, and put into {out / files.CONFIG} what Repairy gave you: "
        f"base_url, partner_id, the workshop's id; repairy_app_key and repairy_app_secret are files in {out / files.SECRETS}.",
        f"Then: repairy-sync --config {out / files.CONFIG} check. Nothing is written to either side until you change `mode`.",
    ]
