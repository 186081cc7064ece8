"""A program for test_daemon: the daemon with a bridge that only keeps a diary. Its first argument says how it behaves (JSON).

Keys: `every` (seconds), `steps` (calls in one pass, each `step` seconds), `deaf` (ignores `stop`), `raises` (what each
pass raises), `lost` (the number of the pass that loses the lease), `state` (a state URL whose lease is taken),
`patience` (seconds that a pass is given to end).
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import timedelta
from typing import Any

from sync import daemon as daemon_module
from sync import errors
from sync.daemon import Daemon
from sync.machine import SystemClock
from sync.notify import Notify
from sync.state import lease


def say(event: str, **words: object) -> None:
    """A line of the diary; in one write, so that lines of two threads stay apart."""
    sys.stdout.write(json.dumps({"said": event, **words}, default=repr) + "\n")
    sys.stdout.flush()


class Diary:
    """The log, as lines of the diary."""

    def __init__(self) -> None:
        self.info = self.warning = self.error = say


class Bridge:
    """One pass is `steps` calls; a stop ends it after the call in hand."""

    name = "Northside"

    def __init__(self, ways: dict[str, Any]) -> None:
        self.ways, self.passes, self.stopped = ways, 0, False

    def tick(self) -> None:
        self.passes += 1
        say("pass", number=self.passes)
        if self.passes == self.ways.get("lost"):
            raise errors.LeaseLost("another process took over")
        if "raises" in self.ways:
            raise getattr(errors, self.ways["raises"], ValueError)("0400 000 001")
        for step in range(self.ways.get("steps", 0)):
            if self.stopped and not self.ways.get("deaf"):
                return
            say("call", step=step)
            time.sleep(self.ways["step"])
            say("answer", step=step)
        say("passed", number=self.passes)

    def stop(self) -> None:
        self.stopped = True
        say("stop")

    def renew(self) -> None:
        say("renew")


def main(ways: dict[str, Any]) -> int:
    clock, held = SystemClock(), None
    daemon_module.STOP_SECONDS = ways.get("patience", daemon_module.STOP_SECONDS)
    if "state" in ways:
        try:
            held = lease.acquire(ways["state"], "Northside", "run", clock)
        except errors.LeaseHeld as error:
            say("refused", why=str(error))
            return 75
    every = timedelta(seconds=ways.get("every", 0.1))
    daemon = Daemon(
        [Bridge(ways)],
        [],
        clock,
        shop_every=every,
        repairy_every=2 * every,
        log=Diary(),
        notify=Notify(os.environ),
        heartbeat=lambda: say("heartbeat"),
    )
    code = daemon.run()
    if held:  # a lease that nobody refers to is let go
        held.release()
    return code


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
