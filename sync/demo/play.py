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
PATIENCE = 15.0


class Morning:
    """One play on a stage. `play` raises Broken where something does not arrive in time."""

    def __init__(self, stage: Stage, say: Say) -> None:
        self.stage, self.office, self.say = stage, stage.office, say
        self.entered: dict[str, dict[str, str]] = {}

    def play(self) -> None:
        for scene in (
            self.backfill, self.opens, self.books_online, self.starts_and_finishes, self.moves_and_notes,
            self.cancels_online, self.both_edit, self.both_move, self.outage, self.power_cut, self.quiet,
        ):  # fmt: skip
            scene()

    # The scenes

    def backfill(self) -> None:
        self.tell("07:30", f"{OPEN} open bookings stand in the shop; Repairy knows none of them: backfill")
        job = self.stage.begin("backfill", "--nothing-at-repairy")
        shown = 0
        while job.poll() is None:
            there = len(self.stage.sides()[1])
            if there // 10 > shown // 10:
                self.also(f"{there} of {OPEN} at Repairy")
                shown = there
            time.sleep(POLL)
        if job.returncode != 0:
            raise Broken(f"backfill ended with {job.returncode}:\n{self.stage.said()}")
        self.until("back-filled", {number: {"name": name(number)} for number in range(1, OPEN + 1)})

    def opens(self) -> None:
        self.tell("07:55", "The daemon starts")
        began = time.monotonic()
        self.stage.start()
        self.also(f"ready after {time.monotonic() - began:.1f} s, process {self.stage.daemon and self.stage.daemon.pid}")

    def books_online(self) -> None:
        self.tell("08:02", f"The customer of {plate(41)} books online")
        self.book_online(41, self.office.at(5, 9))
        self.until("in the shop", {41: {"status": "pending", "start": str(self.office.at(5, 9)), "name": name(41)}})

    def starts_and_finishes(self) -> None:
        self.tell("08:10", f"The mechanic takes {plate(1)} and {plate(2)} on the hoist")
        self.office.status(1, "On hoist")
        self.office.status(2, "On hoist")
        self.until("in progress at Repairy", {1: {"status": "processing"}, 2: {"status": "processing"}})
        self.tell("08:45", f"{plate(1)} is ready; the parts for {plate(A_DAY)} have come, and it is ready too")
        self.office.status(1, "Ready")
        self.office.status(A_DAY, "Ready")
        self.until("done at Repairy, which asks for a review", {1: {"status": "done"}, A_DAY: {"status": "done"}})

    def moves_and_notes(self) -> None:
        later = self.office.at(3, 16)
        self.tell("09:00", f"The office moves {plate(10)} to {_short(later)}, and adds notes to {plate(11)} and {plate(12)}")
        self.office.move(10, later)
        self.office.note(11, "Wants the old parts back")
        self.office.note(12, "Key is in the letter box")
        self.office.note(12, "Call before any other work")
        self.until("at Repairy", {
            10: {"start": str(later)}, 11: {"notes": "Wants the old parts back"},
            12: {"notes": "Key is in the letter box\nCall before any other work"},
        })  # fmt: skip

    def cancels_online(self) -> None:
        self.tell("09:10", f"The customer of {plate(17)} cancels online")
        self.online(17, "cancel")
        self.until("cancelled in the shop", {17: {"status": "cancelled"}})

    def both_edit(self) -> None:
        start = self.office.at(4, 15, 30)
        self.tell("09:20", f"{plate(18)}: the office changes the job while the customer moves it online to {_short(start)}")
        self.office.job(18, "Four tyres and alignment")
        self.online(18, "move", {"starts_at": _utc(start)})
        self.until("both edits on both sides", {18: {"job": "Four tyres and alignment", "start": str(start)}})

    def both_move(self) -> None:
        ours, theirs = self.office.at(4, 8, 30), self.office.at(4, 14, 30)
        self.tell("09:30", f"{plate(19)}: the office moves it to {_short(ours)}, the customer online to {_short(theirs)}")
        self.office.move(19, ours)
        self.online(19, "move", {"starts_at": _utc(theirs)})
        held = self.held(19)
        self.also(f"held for a person: {held['reason']}")
        self.say(f"        The office asked the customer: repairy-sync resolve {held['id']} --use shop")
        self.stage.command("resolve", str(held["id"]), "--use", "shop")
        self.until("as the office has it", {19: {"start": str(ours)}})

    def outage(self) -> None:
        self.tell("10:00", "Repairy cannot be reached. The workshop goes on: a walk-in, a car on the hoist, a note")
        self.stage.sandbox.stop_listening()
        self.office.book(42, self.office.at(5, 10))
        self.office.status(3, "On hoist")
        self.office.note(20, "Left the spare key")
        time.sleep(1.5)
        self.stage.sandbox.start_listening()
        self.tell("10:20", "Repairy is back")
        self.until("caught up", {
            42: {"status": "pending", "name": name(42)}, 3: {"status": "processing"}, 20: {"notes": "Left the spare key"},
        })  # fmt: skip

    def power_cut(self) -> None:
        self.tell("10:40", f"{plate(2)} is ready, and the power fails while Repairy is being told (SIGKILL, no answer read)")
        self.stage.tell("/sandbox/faults", [{"kind": "slow", "operation": "set_status", "seconds": 1.8}])
        self.office.status(2, "Ready")
        self.wait("Repairy took the call", lambda: self.stage.sides()[1][plate(2)]["status"] == "done")
        self.stage.kill()
        self.tell("10:41", f"While it is dark the customer of {plate(43)} books online, and the office notes on {plate(21)}")
        self.book_online(43, self.office.at(5, 11))
        self.office.note(21, "Noise from the rear left")
        began = time.monotonic()
        self.stage.start()
        self.also(f"started again after {time.monotonic() - began:.1f} s; what was under way is looked at, not sent again")
        self.until("caught up", {
            43: {"status": "pending", "name": name(43)}, 21: {"notes": "Noise from the rear left"}, 2: {"status": "done"},
        })  # fmt: skip

    def quiet(self) -> None:
        self.tell("11:00", "Nobody does anything; the program must come to rest")
        self.wait("nothing waits", self.at_rest)
        calls = self.writes()
        time.sleep(1.2)
        if self.writes() != calls:
            raise Broken("both sides were quiet, and still it wrote to Repairy")
        self.also("nothing is due, waiting or held, and no more calls write")

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
        shown = json.loads(self.stage.command("--json", "status"))["workshops"]
        return not any(each[count] for each in shown for count in ("due", "waiting", "held"))

    def writes(self) -> int:
        return sum(call["operation"] in ("create", "update", "set_status") for call in self.stage.ledger()["calls"])

    # Telling and waiting

    def tell(self, clock: str, what: str) -> None:
        self.say(f"{clock}   {what}")

    def also(self, what: str) -> None:
        self.say(f"        … {what}")

    def until(self, where: str, wanted: Wanted) -> None:
        """Wait until both sides show it, and say how long that took."""
        began = time.monotonic()
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

    def wait(self, what: str, there: Callable[[], bool]) -> None:
        over = time.monotonic() + PATIENCE
        while not there():
            if self.stage.daemon and self.stage.daemon.poll() is not None:
                raise Broken(f"the daemon ended with {self.stage.daemon.returncode}:\n{self.stage.said()}")
            if time.monotonic() > over:
                lines = "\n".join(self.missing())
                raise Broken(f"{what}: not within {PATIENCE:.0f} s\n{lines}\nThe daemon said last:\n{self.stage.said()}")
            time.sleep(POLL)


def _utc(wall: datetime) -> str:
    return iso(local(wall, ZONE)[0])


def _short(moment: datetime) -> str:
    return f"{moment:%a %H:%M}"

