"""Who edits what: the shop's staff at their own program, customers online. Everybody writes down what they meant.

RULE: these know nothing of the program between the two sides. A booking is recognised on both by its customer's e-mail.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sync.core.booking import SIDES
from tests.simulation.world import NAME, WORKSHOP, ZONE, World

WORD = {"pending": "Booked", "processing": "In progress", "done": "Finished", "cancelled": "Cancelled"}
MEANS = {word: status for status, word in WORD.items()}
NEXT = {
    "pending": ("processing", "cancelled", "done"),
    "processing": ("done", "pending", "cancelled"),
    "done": ("processing",),
    "cancelled": ("pending",),
}


@dataclass
class Wish:
    """What stands to be true of one group of one booking: the last value, by whom and when, and whether two wished at once."""

    side: str
    value: Any
    at: datetime
    contested: bool = False
    sides: set[str] = field(default_factory=set)  # all that ever wished


@dataclass
class Case:
    """One booking as the world knows it."""

    number: int
    born: str  # shop | repairy
    baseline: bool = False
    repairy_id: str = ""
    wishes: dict[str, Wish] = field(default_factory=dict)
    lines: set[str] = field(default_factory=set)  # notes that should stand
    gone_lines: set[str] = field(default_factory=set)
    reopened: int = 0
    deleted: bool = False

    @property
    def email(self) -> str:
        return f"c{self.number}@example.com"


class People:
    """Staff and customers of one world."""

    def __init__(self, world: World) -> None:
        self.world, self.chance = world, world.chance
        self.cases: list[Case] = []
        self.decided: dict[int, set[str]] = {}  # case -> what the owner said of it
        self.approved = False  # whether he let a held plan go
        self._texts = 0
        self.appends = world.setting.profile == "remarks"
        self.by_day = world.setting.profile == "days"
        self._notes_column = (
            "(SELECT group_concat(text, char(10)) FROM remarks WHERE booking_id = b.id)" if self.appends else "b.notes"
        )

    # What both sides show, straight from where it is kept

    def row(self, case: Case) -> dict[str, Any] | None:
        """The shop's row of a booking: the newest, where there are several (which `proof` does not forgive)."""
        return next(iter(self.rows(case)), None)

    def rows(self, case: Case) -> list[dict[str, Any]]:
        found = self.world.desk.execute(
            f"SELECT b.id, s.name, b.dropoff, b.pickup, b.work, {self._notes_column}, b.in_use,"
            " c.name, c.phone, v.plate FROM bookings b"
            " JOIN statuses s ON s.id = b.status_id JOIN customers c ON c.id = b.customer_id"
            " LEFT JOIN vehicles v ON v.id = b.vehicle_id WHERE c.email = ? ORDER BY b.id DESC",
            (case.email,),
        ).fetchall()
        names = ("id", "status", "time", "end", "service", "notes", "in_use", "name", "phone", "rego")
        return [{**dict(zip(names, one, strict=True)), "status": MEANS[one[1]]} for one in found]

    def names(self, case: Case) -> set[str]:
        """Shop keys and Repairy ids."""
        return {str(row["id"]) for row in self.rows(case)} | {key for key, _ in self.bookings(case)}

    def bookings(self, case: Case) -> list[tuple[str, dict[str, Any]]]:
        """Newest last."""
        return [(key, one) for key, one in self.world.partner.bookings.items() if one["customer"]["email"] == case.email]

    def shown(self, case: Case, side: str, group: str) -> Any:
        """What a side shows of a group, made comparable; None where it has no such booking."""
        if side == "shop":
            row = self.row(case)
            return None if row is None else self._plain(group, row[group])
        found = self.bookings(case)
        wire = {"status": "status", "time": "bookingTime", "service": "productDescription", "notes": "jobNotes"}
        if not found:
            return None
        last = found[-1][1]
        held = {"phone": last["customer"]["phone"], "rego": last["car"]["rego"], "name": _whole(last)}
        return self._plain(group, held[group] if group in held else last[wire[group]])

    def agree(self, case: Case, group: str) -> bool:
        return bool(self.shown(case, "shop", group) == self.shown(case, "repairy", group))

    def _wish(self, case: Case, side: str, group: str, value: Any) -> None:
        """To be called before the edit. Two wishes from different sides, of which the first had not arrived, contend."""
        last = case.wishes.get(group)
        agreed = self.agree(case, group) and not self._in_flight(case) and self._known(case, group)
        settled = last is None or agreed or self._alone(case)
        contested = not settled and last is not None and (last.contested or last.side != side)
        sides = (last.sides if last else set()) | {side}
        case.wishes[group] = Wish(side, self._plain(group, value), self.world.clock.now(), contested, sides)
        self.world.machine.say(f"{side} {group}", case=case.number, value=value, contested=contested)

    def _in_flight(self, case: Case) -> bool:
        """A change is on its way that nobody has heard of again: whoever edits now may be before it or after it.

        Not so a create: every booking begins as what was sent, so that an edit of it is always later."""
        state, names = self.world.state.store, self.names(case)
        links = [state.link(one.link_id) for one in state.open_intents(NAME) if one.kind != "create"]
        return any({link.shop_key, link.repairy_id} & names for link in links)

    def _known(self, case: Case, group: str) -> bool:
        """The bridge has seen that both sides have this status: one that came and went between two passes tells nobody anything.

        Other values do not come back."""
        links = self.world.state.store.links(NAME) if group == "status" else []
        mine = [link for link in links if {link.shop_key, link.repairy_id} & self.names(case)]
        snapshots = [(side, link.snapshot(side)) for link in mine for side in SIDES]
        return all(seen is None or seen.get("status") == self.shown(case, side, "status") for side, seen in snapshots)

    def _told_cancelled(self, case: Case) -> bool:
        links = [link for link in self.world.state.store.links(NAME) if {link.shop_key, link.repairy_id} & self.names(case)]
        return any((link.shop or {}).get("status") == "cancelled" for link in links)

    def _alone(self, case: Case) -> bool:
        return self.row(case) is None or not self.bookings(case)

    # Staff

    def staff_book(self, baseline: bool = False) -> Case:
        case, desk, number = Case(len(self.cases), "shop", baseline), self.world.desk, len(self.cases)
        self.cases.append(case)
        start = self._slot()
        customer = desk.execute(
            "INSERT INTO customers (name, phone, email) VALUES (?, ?, ?)",
            (f"Customer N{number}", self._phone(number), case.email),
        ).lastrowid
        car = desk.execute("INSERT INTO vehicles (customer_id, plate) VALUES (?, ?)", (customer, f"AAA{number:03}")).lastrowid
        note = self._note(case)
        end = self.chance.choice((None, start + timedelta(hours=8)))
        desk.execute(
            "INSERT INTO bookings (customer_id, vehicle_id, status_id, kind, dropoff, pickup, work, notes, modified)"
            " VALUES (?, ?, (SELECT id FROM statuses WHERE name = 'Booked'), 'job', ?, ?, ?, ?, ?)",
            (customer, car, self._local(start), end and self._local(end), work := self._text(), note, self._now()),
        )
        self._remark(case, note)
        self._born(case, "shop", {"status": "pending", "time": self._local(start), "service": work})
        return case

    def staff_status(self, case: Case, status: str) -> None:
        now = self.shown(case, "shop", "status")
        gone = self.shown(case, "repairy", "status") == "cancelled" or self._told_cancelled(case)  # or may be in a moment
        if now == "cancelled" and status != "cancelled" and gone:
            case.reopened += 1
        self._wish(case, "shop", "status", status)
        self._set(case, "status_id = (SELECT id FROM statuses WHERE name = ?)", WORD[status])

    def staff_move(self, case: Case) -> None:
        start = self._slot()
        self._wish(case, "shop", "time", self._local(start))
        row = self.row(case)
        end = self._local(start + timedelta(hours=6)) if row and row["end"] else None
        self._set(case, "pickup = ?, dropoff = ?", end, self._local(start))

    def staff_work(self, case: Case) -> None:
        text = self._text()
        self._wish(case, "shop", "service", text)
        self._set(case, "work = ?", text)

    def staff_notes(self, case: Case) -> None:
        if self.appends:
            self._remark(case, self._line(case))
            self._set(case, "in_use = in_use")
        else:
            self._set(case, "notes = ?", self._edited(case, "shop"))

    def _remark(self, case: Case, text: str | None) -> None:
        row = self.row(case)
        if row and text and self.appends:
            self.world.machine.say("shop notes", case=case.number, added=text)
            self.world.desk.execute("INSERT INTO remarks (booking_id, text) VALUES (?, ?)", (row["id"], text))

    def staff_delete(self, case: Case) -> None:
        """The row is gone; what that means, nobody says."""
        row = self.row(case)
        if row:
            self.world.machine.say("shop deletes", case=case.number, key=row["id"])
            case.deleted = True
            self.world.desk.execute("DELETE FROM remarks WHERE booking_id = ?", (row["id"],))  # its key may be given out again
            self.world.desk.execute("DELETE FROM bookings WHERE id = ?", (row["id"],))

    def staff_phone(self, case: Case) -> None:
        self._texts += 1
        phone = f"0400 9{self._texts:05}"
        self._wish(case, "shop", "phone", phone)
        row = self.row(case)
        if row:
            self.world.desk.execute("UPDATE customers SET phone = ? WHERE email = ?", (phone, case.email))
            self._set(case, "in_use = in_use")

    def staff_lock(self, case: Case, locked: bool) -> None:
        """The row is open on somebody's screen."""
        self.world.machine.struck("row_locked" if locked else "row_unlocked", case=case.number)
        self._set(case, "in_use = ?", int(locked))

    def _set(self, case: Case, what: str, *values: Any) -> None:
        row = self.row(case)
        if row is not None:
            self.world.desk.execute(f"UPDATE bookings SET {what}, modified = ? WHERE id = ?", (*values, self._now(), row["id"]))

    # Customers

    def book_online(self) -> Case:
        case = Case(len(self.cases), "repairy")
        self.cases.append(case)
        start, work, note = self._slot(), self._text(), self._note(case)
        fields = {
            "first_name": "Customer", "last_name": f"N{case.number}", "phone": self._phone(case.number), "email": case.email,
            "rego": f"AAA{case.number:03}", "service_category": "service", "starts_at": self._utc(start), "job_notes": note,
            "description": work,
        }  # fmt: skip
        if self.chance.random() < 0.4:
            fields["ends_at"] = self._utc(start + timedelta(hours=8))
        case.repairy_id = self.world.partner.book(WORKSHOP, fields)
        self._born(case, "repairy", {"status": "pending", "time": self._utc(start), "service": work})
        return case

    def online_move(self, case: Case, start: str = "") -> None:
        start = start or self._utc(self._slot())
        self._wish(case, "repairy", "time", start)
        self.world.partner.move(self._newest(case), start)

    def online_cancel(self, case: Case) -> None:
        self._wish(case, "repairy", "status", "cancelled")
        self.world.partner.cancel(self._newest(case))

    def online_status(self, case: Case, status: str) -> None:
        """Repairy's own staff may do what the API may not."""
        self._wish(case, "repairy", "status", status)
        self.world.partner.edit(self._newest(case), status=status)

    def online_work(self, case: Case) -> None:
        text = self._text()
        self._wish(case, "repairy", "service", text)
        self.world.partner.edit(self._newest(case), productDescription=text)

    def online_notes(self, case: Case) -> None:
        self.world.partner.edit(self._newest(case), jobNotes=self._edited(case, "repairy"))

    def _newest(self, case: Case) -> str:
        return self.bookings(case)[-1][0]

    # Values

    def _born(self, case: Case, side: str, values: dict[str, Any]) -> None:
        self.world.machine.say(f"{side} books", case=case.number, **values)
        now = self.world.clock.now()
        case.wishes = {group: Wish(side, self._plain(group, value), now, sides={side}) for group, value in values.items()}

    def _note(self, case: Case) -> str | None:
        if self.chance.random() < 0.4:
            return None
        return "\n".join(self._line(case) for _ in range(self.chance.randint(1, 2)))

    def _line(self, case: Case) -> str:
        self._texts += 1
        line = f"note {self._texts}"
        case.lines.add(line)
        return line

    def _edited(self, case: Case, side: str) -> str | None:
        """The notes as they stand there with a line added, and perhaps one taken out."""
        lines = sorted(self.shown(case, side, "notes") or ())
        if lines and self.chance.random() < 0.3:
            out = lines.pop(self.chance.randrange(len(lines)))
            case.lines.discard(out)
            case.gone_lines.add(out)
        if not lines or self.chance.random() < 0.8:
            lines.append(self._line(case))
        self.world.machine.say(f"{side} notes", case=case.number, lines=",".join(lines))
        return "\n".join(lines) or None

    def _text(self) -> str:
        self._texts += 1
        return self.chance.choice((f"work {self._texts}", f"Work  {self._texts} & more "))

    def _slot(self) -> datetime:
        """A start from tomorrow on, in the workshop's hours, sometimes today's."""
        day = self.world.clock.now().astimezone(ZONE) + timedelta(days=self.chance.choice((0, 1, 1, 2, 3, 5, 9, 20)))
        hour = 2 if self.chance.random() < 0.06 else self.chance.randint(7, 17)  # at two the clocks are changed
        return day.replace(
            hour=hour, minute=self.chance.choice((0, 15, 30)), second=0, microsecond=0, fold=self.chance.choice((0, 1))
        )

    def _phone(self, number: int) -> str:
        return self.chance.choice((f"0400 {number:06}", f"+61 400 {number:06}", f"0400{number:06}"))

    def _now(self) -> str:
        return self._local(self.world.clock.now())

    @staticmethod
    def _local(moment: datetime) -> str:
        return moment.astimezone(ZONE).replace(tzinfo=None, microsecond=0).isoformat(" ")

    @staticmethod
    def _utc(moment: datetime) -> str:
        return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _plain(self, group: str, value: Any) -> Any:
        """A value as it can be compared across the two sides; the world's own rule, not the program's."""
        if value is None:
            return frozenset() if group == "notes" else None
        if group == "time":
            return self._clock_time(datetime.fromisoformat(value))
        if group == "notes":
            return frozenset(" ".join(line.split()) for line in value.splitlines() if line.strip())
        if group == "phone":
            digits = "".join(letter for letter in value if letter.isdigit())
            return "0" + digits[2:] if digits.startswith("61") else digits
        return " ".join(str(value).split())

    def _clock_time(self, moment: datetime) -> str:
        """As a clock on the workshop's wall shows it: all that a shop's naive times can say; or its day."""
        aware = moment.replace(tzinfo=ZONE) if moment.tzinfo is None else moment
        wall = aware.astimezone(UTC).astimezone(ZONE).replace(tzinfo=None, fold=0)
        return wall.date().isoformat() if self.by_day else wall.isoformat(" ")


def _whole(booking: dict[str, Any]) -> str:
    return " ".join(part for part in (booking["customer"]["firstName"], booking["customer"]["lastName"]) if part)
