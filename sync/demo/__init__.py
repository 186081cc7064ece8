"""`repairy-sync demo`: the whole thing on one machine. A stand-in for Repairy, a made-up shop, the real daemon between them.

`stage` sets up and takes down, `shop` is the workshop, `play` its morning, `compare` the verdict. Loopback and one folder only.
"""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import httpx

from sync.demo import compare, shop
from sync.demo.play import Morning
from sync.demo.stage import WEB_TOKEN, Broken, Stage

GOOD, FAILED = 0, 1


def run_demo(serve: bool, say: Callable[[str], None]) -> int:
    """Play it, compare both sides, say what came of it: 0 where all agrees, else 1. `serve`: then stay until a signal comes."""
    began, code = time.monotonic(), FAILED
    try:
        with _ended_by_signal(), Stage(keep=serve) as stage:
            say(f"Everything of this demo lies in {stage.folder}")
            code = _played(stage, say)
            say(f"Took {time.monotonic() - began:.1f} s.")
            if serve:
                _stay(stage, say)
    except KeyboardInterrupt:
        say("Ended from outside.")
    return code


def _played(stage: Stage, say: Callable[[str], None]) -> int:
    morning = Morning(stage, say)
    try:
        morning.play()
    except (Broken, OSError, ValueError, KeyError, httpx.HTTPError, subprocess.TimeoutExpired) as error:
        say(f"The play stopped: {error}")
        return FAILED
    return judged(stage, morning, say)


def judged(stage: Stage, morning: Morning, say: Callable[[str], None]) -> int:
    """The verdict from both sides themselves."""
    found, ledger = compare.pairs(stage.sides(), shop.stay()), stage.ledger()
    say(compare.booking_table(found))
    say(compare.count_table("Calls", [(call["operation"], _outcome(call)) for call in ledger["calls"]], "Kind", "Answer"))
    told = [(message["kind"], _cause(message)) for message in ledger["messages"]]
    say(compare.count_table("Messages to customers", told, "Kind", "Cause"))
    wrong = [f"{pair.plate}: {', '.join(pair.differences)}" for pair in found if pair.differences]
    wrong += [f"lost: {line}" for line in morning.missing()]
    wrong += [f"sent again: {line}" for line in compare.repeated(ledger["messages"])]
    wrong += [f"message {kind} for a booking made in the shop" for kind in compare.not_silent(ledger["messages"])]
    for line in wrong:
        say(f"WRONG   {line}")
    say(f"{len(found)} bookings, {len(shop.stay())} more that had to stay in the shop: {_verdict(bool(wrong))}")
    return FAILED if wrong else GOOD


def _verdict(wrong: bool) -> str:
    return "NOT in step." if wrong else "both sides agree in every field, and no message went out twice."


def _outcome(call: dict[str, object]) -> str:
    return str(call["status"]) + (f" ({call['fault']})" if call["fault"] else "")


def _cause(message: dict[str, str]) -> str:
    return "the customer's own act online" if message["by"] == "online" else "the workshop, by this program"


def _stay(stage: Stage, say: Callable[[str], None]) -> None:
    say(f"""
It goes on until Ctrl-C. The folder is kept.
  Customer's page   {stage.sandbox.base_url}/
  Status page       http://127.0.0.1:{stage.web}/   (token: {WEB_TOKEN})
  Shop's database   sqlite3 {stage.office.file}
  Daemon's log      {stage.log}
  The program       repairy-sync --config {stage.config} status""")
    threading.Event().wait()


@contextmanager
def _ended_by_signal() -> Iterator[None]:
    """SIGTERM ends it as Ctrl-C does: by an exception, so that the daemon is never left behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def asked(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, asked)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
