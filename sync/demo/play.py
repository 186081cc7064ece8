"""A workshop's morning, scene by scene: somebody does something on one side, and both sides must come to show it.

RULE: what people do here they do as in life: the staff in the shop's own program, customers on the booking page. What
each scene leaves behind is kept in `entered`, and asked for again at the end.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sync.core.times import iso, local
from sync.demo.shop import A_DAY, OPEN, ZONE, email, name, phone, plate
from sync.demo.stage import WORKSHOP, Broken, Stage

Wanted = Mapping[int, Mapping[str, str]]  # number of a booking's plate -> fields that both sides must show
Say = Callable[[str], None]
POLL = 0.05
PATIENCE = 30.0
OUTAGE = 1.2
SLOW = 1.8  # within the daemon's timeout: it is killed while it waits
TWO_PASSES = 1.2


class Morning:
    """One play on a stage. `play` raises Broken where something does not arrive in time."""

    def __init__(self, stage: Stage, say: Say) -> None:
        self.stage, self.office, self.say = stage, stage.office, say
        self.entered: dict[str, dict[str, str]] = {}
        self.began = 0.0  # when the last failure was over

    def play(self) -> None:
        for scene in (
            self.backfill, self.opens, self.books_online, self.starts, self.finishes_and_moves,
            self.outage, self.cancels_online, self.both_edit, self.after_the_outage,
            self.power_cut, self.both_move, self.after_the_power_cut, self.quiet,
        ):  # fmt: skip
            scene()

    # The scenes. After a failure the play goes on at once: what it left is asked for when the next scenes are over.

    def backfill(self) -> None:
        self.tell("07:30", f"{OPEN} open bookings stand in the shop; Repairy knows none of them: backfill")
        began, tens = time.monotonic(), [0]
        job = self.stage.begin("backfill", "--nothing-at-repairy")

        def ended() -> bool:
            there = len(self.stage.sides()[1])
            if there // 10 > tens[0]:
                tens[0] = there // 10
                self.also(f"{there} of {OPEN} at Repairy")
            return job.poll() is not None

        self.wait("backfill", ended, within=60)
        if job.returncode:
            raise Broken(f"backfill ended with {job.returncode}:\n{self.stage.said()}")
        self.until("on both sides", {number: {"name": name(number)} for number in range(1, OPEN + 1)}, since=began)

    def opens(self) -> None:
        self.tell("07:55", "The daemon starts")
        self.also(f"ready after {self.stage.start():.1f} s")

    def books_online(self) -> None:
        self.tell("08:02", f"The customer of {plate(41)} books online")
        self.book_online(41, self.office.at(5, 9))
        self.until("in the shop", {41: {"status": "pending", "start": str(self.office.at(5, 9)), "name": name(41)}})

    def starts(self) -> None:
        self.tell("08:10", f"The mechanic takes {plate(1)} and {plate(2)} on the hoist; the office notes on {plate(12)}, twice")
        self.office.status(1, "On hoist")
        self.office.status(2, "On hoist")
        self.office.note(12, "Key is in the letter box")
        self.office.note(12, "Call before any other work")
        self.until("at Repairy", {
            1: {"status": "processing"}, 2: {"status": "processing"},
            12: {"notes": "Key is in the letter box\nCall before any other work"},
        })  # fmt: skip

    def finishes_and_moves(self) -> None:
        later = self.office.at(3, 16)
        self.tell("08:45", f"{plate(1)} is ready, and so is {plate(A_DAY)}, whose parts had to come")
        self.office.status(1, "Ready")
        self.office.status(A_DAY, "Ready")
        self.tell("08:50", f"The office moves {plate(10)} to {_short(later)}")
        self.office.move(10, later)
        self.until("settled and at Repairy, which tells the customers", {
            1: {"status": "done"}, A_DAY: {"status": "done"}, 10: {"start": str(later)},
        })  # fmt: skip

    def outage(self) -> None:
        self.tell("09:00", f"Repairy cannot be reached. The workshop goes on: a walk-in ({plate(42)}), {plate(3)} on the hoist,")
        self.say(f"        a note on {plate(20)}")
        self.stage.sandbox.stop_listening()
        self.office.book(42, self.office.at(5, 10))
        self.office.status(3, "On hoist")
        self.office.note(20, "Left the spare key")
        time.sleep(OUTAGE)
        self.stage.sandbox.start_listening()
        self.began = time.monotonic()
        self.tell("09:20", "Repairy is back. What could not be sent is tried again after a few seconds; the morning goes on")

    def cancels_online(self) -> None:
        self.tell("09:21", f"The customer of {plate(17)} cancels online")
        self.online(17, "cancel")
        self.until("cancelled in the shop", {17: {"status": "cancelled"}})

    def both_edit(self) -> None:
        start = self.office.at(4, 15, 30)
        self.tell("09:25", f"{plate(18)}: the office changes the job while the customer moves it online to {_short(start)}")
        self.office.job(18, "Four tyres and alignment")
        self.online(18, "move", {"starts_at": _utc(start)})
        self.until("both edits on both sides", {18: {"job": "Four tyres and alignment", "start": str(start)}})

    def after_the_outage(self) -> None:
        self.until("all of the outage has arrived", {
            42: {"status": "pending", "name": name(42)}, 3: {"status": "processing"}, 20: {"notes": "Left the spare key"},
        }, since=self.began)  # fmt: skip

    def power_cut(self) -> None:
        self.tell("10:00", f"{plate(2)} is ready, and while Repairy is being told so the power fails (SIGKILL)")
        self.stage.tell("/sandbox/faults", [{"kind": "slow", "operation": "set_status", "seconds": SLOW}])
        self.office.status(2, "Ready")
        self.wait("Repairy took the call", lambda: self.stage.sides()[1][plate(2)]["status"] == "done")
        self.stage.kill()
        self.also("Repairy took the call; the daemon died before it could read the answer")
        self.tell("10:01", f"While all is dark the customer of {plate(43)} books online, and the office notes on {plate(21)}")
        self.book_online(43, self.office.at(5, 11))
        self.office.note(21, "Noise from the rear left")
        self.also(f"the daemon is back after {self.stage.start():.1f} s; what was under way is looked at, not sent again")
        self.began = time.monotonic()

    def both_move(self) -> None:
        ours, theirs = self.office.at(4, 8, 30), self.office.at(4, 14, 30)
        self.tell("10:05", f"{plate(19)}: the office moves it to {_short(ours)}, the customer online to {_short(theirs)}")
        self.office.move(19, ours)
        self.online(19, "move", {"starts_at": _utc(theirs)})
        held = self.held(19)
        self.also(f"held for a person: {held['reason']}")
        self.tell("10:15", f"The office has called the customer: repairy-sync resolve {held['id']} --use shop")
        self.stage.command("resolve", str(held["id"]), "--use", "shop")
        self.until("as the office has it", {19: {"start": str(ours)}})

    def after_the_power_cut(self) -> None:
        self.until("all of the power cut has arrived", {
            43: {"status": "pending", "name": name(43)}, 21: {"notes": "Noise from the rear left"}, 2: {"status": "done"},
        }, since=self.began)  # fmt: skip

    def quiet(self) -> None:
        self.tell("11:00", "Nobody does anything; the program must come to rest")
        self.wait("nothing is due, waiting or held, and nothing is written", self.at_rest)
        self.also("nothing is due, waiting or held, and nothing more is written")

    # What people do

    def book_online(self, number: int, start: datetime) -> None:
        first, _, last = name(number).partition(" ")
        self.stage.tell("/sandbox/book", {
            "workshop_id": WORKSHOP, "starts_at": _utc(start), "service_category": "service", "rego": plate(number),
            "first_name": first, "last_name": last, "phone": phone(number), "email": email(number),
            "make": "Toyota", "model": "Yaris", "year": 2020, "job_notes": "Booked online", "description": "Logbook service",
        })  # fmt: skip

    def online(self, number: int, act: str, body: Mapping[str, str] | None = None) -> None:
        booking_id = self.stage.sides()[1][plate(number)]["repairy id"]
        self.stage.tell(f"/sandbox/bookings/{booking_id}/{act}", body or {})

    # What is asked of the program

    def held(self, number: int) -> dict[str, Any]:
        """The entry of the review queue for this booking, as soon as it stands there."""
        reference, found = self.stage.sides()[0][plate(number)]["reference"], list[dict[str, Any]]()

        def stands() -> bool:
            queue = json.loads(self.stage.command("--json", "held"))["held"]
            found[:] = [entry for entry in queue if entry["reference"] == reference]
            return bool(found)

        self.wait("held for a person", stands)
        return found[0]

    def at_rest(self) -> bool:
        """Whether it says so itself, and wrote nothing to Repairy for as long as two passes take."""
        before, began = self.writes(), time.monotonic()
        shown = json.loads(self.stage.command("--json", "status"))["workshops"]
        if any(each[count] for each in shown for count in ("due", "waiting", "held")):
            return False
        time.sleep(max(0.0, began + TWO_PASSES - time.monotonic()))
        return self.writes() == before

    def writes(self) -> int:
        return sum(call["operation"] in ("create", "update", "set_status") for call in self.stage.ledger()["calls"])

    # Telling and waiting

    def tell(self, clock: str, what: str) -> None:
        self.say(f"{clock}   {what}")

    def also(self, what: str) -> None:
        self.say(f"        … {what}")

    def until(self, where: str, wanted: Wanted, since: float | None = None) -> None:
        """Wait until both sides show it, and say how long that took."""
        began = since or time.monotonic()
        for number, fields in wanted.items():
            self.entered.setdefault(plate(number), {}).update(fields)
        self.wait(where, lambda: not self.missing({plate(number) for number in wanted}))
        self.also(f"{where} after {time.monotonic() - began:.1f} s")

    def missing(self, plates: set[str] | None = None) -> list[str]:
        """What was entered and is not shown by both sides: a line each."""
        sides = dict(zip(("the shop", "Repairy"), self.stage.sides(), strict=True))
        return [
            f"{plate} {field} should be {value!r} and is {side.get(plate, {}).get(field)!r} in {where}"
            for where, side in sides.items()
            for plate, fields in self.entered.items()
            if plates is None or plate in plates
            for field, value in fields.items()
            if side.get(plate, {}).get(field) != value
        ]

    def wait(self, what: str, there: Callable[[], bool], within: float = PATIENCE) -> None:
        over = time.monotonic() + within
        while not there():
            if self.stage.ended():
                raise Broken(f"the daemon ended:\n{self.stage.said()}")
            if time.monotonic() > over:
                lines = "\n".join(self.missing())
                raise Broken(f"{what}: not within {within:.0f} s\n{lines}\nThe daemon said last:\n{self.stage.said()}")
            time.sleep(POLL)


def _utc(wall: datetime) -> str:
    return iso(local(wall, ZONE)[0])


def _short(moment: datetime) -> str:
    return f"{moment:%a %H:%M}"
