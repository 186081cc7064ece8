"""What every command shares: the global options, the opened program, and how results are printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.progress import Progress
from rich.table import Table

from sync import logs, settings
from sync.errors import ConfigError
from sync.wiring import App, opened

HELD = 3
WHOLE = 500  # columns of a table that no terminal shows
Workshop = Annotated[str, typer.Option("--workshop", help="Only this workshop.", metavar="NAME")]


@dataclass(frozen=True)
class Asked:
    """The options before the command."""

    config: str
    json: bool
    verbose: bool

    def load(self, *, need_secrets: bool = True) -> settings.Settings:
        """Raises ConfigError with every problem at once."""
        return settings.load(Path(self.config) if self.config else None, need_secrets=need_secrets)

    @contextmanager
    def app(self) -> Iterator[App]:
        """The program over the configuration asked for."""
        logs.configure(self.verbose)
        with opened(self.load()) as app:
            yield app

    def say(self, result: dict[str, Any], *lines: RenderableType) -> None:
        """JSON, or lines and tables: coloured and as wide as the terminal there, plain and whole elsewhere."""
        if self.json:
            sys.stdout.write(json.dumps(result, ensure_ascii=False, default=str) + "\n")
            return
        console = Console(highlight=False)
        if not console.is_terminal:
            console.width = WHOLE
        for line in lines:
            console.print(line, markup=False, soft_wrap=not isinstance(line, Table))


def chosen(app: App, name: str) -> Sequence[settings.Workshop]:
    """The workshops that --workshop leaves. Raises ConfigError naming those there are."""
    try:
        return app.workshops(name or None)
    except KeyError:
        known = ", ".join(workshop.name for workshop in app.settings.workshops)
        raise ConfigError(f"--workshop {name}: there is no such workshop; allowed: {known}") from None


@contextmanager
def progress(asked: Asked, app: App, what: str, workshop: str) -> Iterator[Callable[[int, int], None]]:
    """How to tell that so many of so many are done: a bar on a terminal, plain lines in the log elsewhere."""
    with Progress(transient=True, disable=asked.json) as bar:
        task = bar.add_task(f"{what} {workshop}", total=None)

        def say(done: int, of: int) -> None:
            bar.update(task, completed=done, total=of)
            if not bar.console.is_terminal:
                app.log.info(what, workshop=workshop, done=done, of=of)

        yield say


def table(title: str, *columns: str) -> Table:
    """One look for all tables."""
    made = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    for column in columns:
        made.add_column(column)
    return made


def rows(title: str, entries: Sequence[dict[str, Any]]) -> list[str | Table]:
    """Waiting, noted or held, for people; nothing where there is none."""
    if not entries:
        return []
    made = table(title, "id", "reference", "shop", "Repairy", "why", "since")
    for one in entries:
        made.add_row(
            one["id"], one["reference"] or "", one["shop_key"] or "", one["repairy_id"] or "", one["reason"], one["since"]
        )
    return [made]
