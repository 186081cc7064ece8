"""The command line. Each command opens what it needs, calls one function, and says what came of it.

stdout carries results (one JSON object with --json), stderr the log. Exit codes, the first that applies:
2 usage · 78 configuration · 75 a side, address or lease could not be had · 1 failed · 3 done, but something is held · 0 good.
"""

from __future__ import annotations

import os
import sys

import typer

from sync import __version__
from sync.cli import contract, house, init, moving, passes, privacy, relay, review, state, support, unit
from sync.cli.common import Asked
from sync.errors import ConfigError, LeaseHeld, LeaseLost, SyncError, Unreachable

app = typer.Typer(
    name="repairy-sync",
    help="Keeps a workshop's own booking database and Repairy in step, both ways.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> None:
    if asked:
        sys.stdout.write(__version__ + "\n")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    config: str = typer.Option(
        "", "--config", help="The configuration; else $REPAIRY_SYNC_CONFIG, ./ or /etc/repairy-sync/.", metavar="FILE"
    ),
    json: bool = typer.Option(False, "--json", help="One JSON object on stdout."),
    verbose: bool = typer.Option(False, "-v", "--verbose", help="Log more."),
    version: bool = typer.Option(False, "--version", help="Say the version and exit.", is_eager=True, callback=_version),
) -> None:
    context.obj = Asked(config, json, verbose)


for module in (init, passes, review, house, contract, state, privacy, relay, unit, moving, support):
    module.add(app)


_CODES: tuple[tuple[type[SyncError], int], ...] = (
    (ConfigError, 78),
    (Unreachable, 75),
    (LeaseHeld, 75),
    (LeaseLost, 75),
    (SyncError, 1),
)


def main(words: list[str] | None = None) -> None:
    """The entry point: errors become one message on stderr and an exit code. `words` default to the command line's."""
    try:
        app(args=words)
    except SyncError as error:
        sys.stderr.write(f"{error}\n")
        sys.stderr.flush()
        code = next(code for kind, code in _CODES if isinstance(error, kind))
        sys.exit(code)
    except BrokenPipeError:  # the reader of our stdout has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
