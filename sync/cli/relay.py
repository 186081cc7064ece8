"""The command for a small public host: relay. It knows one secret and one file, and no configuration."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from sync import logs
from sync.errors import ConfigError
from sync.settings import secrets


def add(app: typer.Typer) -> None:
    app.command()(relay)


def relay(
    context: typer.Context,
    listen: Annotated[str, typer.Option(help="Where a proxy with a certificate passes requests on to.", metavar="HOST:PORT")] = (
        "127.0.0.1:8781"
    ),
    file: Annotated[str, typer.Option(help="Where events are kept until they are fetched.", metavar="FILE")] = "relay.db",
    folder: Annotated[
        str,
        typer.Option("--secrets-dir", help="With repairy_webhook_secret; else $CREDENTIALS_DIRECTORY.", metavar="DIR"),
    ] = "",
    contract_file: Annotated[str, typer.Option("--contract", help="A wire contract of your own.", metavar="FILE")] = "",
) -> None:
    """The webhook endpoint alone, for a small public host: keeps signed events until the daemon fetches them.

    Enter its address, https://HOST/webhooks/repairy, at Repairy, and set webhooks.relay = "https://HOST" for the daemon.

    Example: repairy-sync relay --listen 127.0.0.1:8781 --file /var/lib/repairy-sync/relay.db
    """
    from sync.machine import SystemClock
    from sync.notify import Notify
    from sync.relay import Shelf, listener
    from sync.repairy import contract as wire

    logs.configure(context.obj.verbose)
    contract = wire.load(Path(contract_file) if contract_file else None)
    shelf = Shelf(Path(file))
    serving = listener(contract, _secrets(folder), listen, shelf, SystemClock())
    over = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: over.set())
    serving.start()
    Notify(os.environ).tell(READY="1")
    sys.stderr.write(f"relay: http://{serving.host}:{serving.port}/webhooks/repairy, kept in {file}\n")
    over.wait()
    serving.stop()
    shelf.close()


def _secrets(folder: str) -> list[str]:
    """The webhook secret, and the next one during rotation. Raises ConfigError."""
    where = folder or os.environ.get("CREDENTIALS_DIRECTORY", "")
    found = secrets.find(Path(where) if where else None, os.environ, (), secrets.WEBHOOK[:1])
    if found.problems:
        raise ConfigError(*[f"secret {name}: {what}" for name, what in found.problems])
    return [one.get_secret_value() for one in found.secrets.webhook]
