"""`contract --probe`: two made-up bookings go through a booking's life at Repairy, step by step, and the owner says what came.

The first is made silently, moved, changed, worked on, completed and completed again; as it then can be cancelled no more
(so it is assumed), a second one, made without silence, is cancelled. Each is recorded before it is sent (`sync.made_up`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta

from sync import made_up
from sync.core.booking import STATUSES, Link, Sighting
from sync.core.canonical import canonical
from sync.core.times import iso, local
from sync.errors import Conflict, NotFound, Rejected, SyncError, Unknown, Unsupported
from sync.probe.facts import Seen
from sync.settings import Workshop
from sync.state.glance import Glance
from sync.wiring import App

Ask = Callable[[str], bool | None]  # step -> whether a message came
AHEAD = timedelta(days=28)  # where a made-up booking is in nobody's way
ECHO_SECONDS = 5.0
LOOK_SECONDS = 0.2
NOTE = "Made up by repairy-sync to try the Partner API. No car will come."
MADE_UP: Mapping[str, str] = {
    "rego": "MADEUP1", "first_name": "Made-up", "last_name": "Booking", "service_category": "service", "job_notes": NOTE,
    "description": "Test", "make": "Test", "model": "Test", "badge": "Test", "year": "2000", "email": "made-up@example.com",
}  # fmt: skip
OTHER: Mapping[str, str] = {
    "rego": "MADEUP2", "last_name": "Booking Two", "service_category": "repair", "job_notes": f"{NOTE} Changed.",
    "description": "Changed", "make": "Other", "model": "Other", "badge": "Other", "year": "2001",
}  # fmt: skip


@dataclass
class Life:
    """Both bookings, and what was learnt on the way. `by_hand`: what a person should remove at Repairy."""

    app: App
    workshop: Workshop
    phone: str
    ask: Ask
    answers: dict[str, bool | None] = field(default_factory=dict)
    seen: Seen = field(default_factory=Seen)
    made: list[Link] = field(default_factory=list)
    by_hand: list[Link] = field(default_factory=list)
    taken: set[tuple[str, str]] = field(default_factory=set)  # status before, status after

    def __post_init__(self) -> None:
        self.contract = self.app.contract
        self.repairy = self.app.client.workshop(self.workshop.id, self.workshop.zone)
        self.start = _start(self.app.clock.now(), self.workshop)


def run(app: App, workshop: Workshop, phone: str, ask: Ask) -> Life:
    """The whole of it. Raises SyncError; what was made is cancelled then too, or named by the error."""
    decided = [one.value for one in app.state.decisions(workshop.name) if one.kind == "pause"]
    if [app.state.desk(workshop.name).paused, *decided][-1]:
        raise SyncError(f"{workshop.name} is paused, so nothing that could message is sent: `repairy-sync resume` first")
    life = Life(app, workshop, phone, ask)
    for link in made_up.left(app, workshop):
        _remove(life, link)
    _first(life)
    _second(life)
    _transitions(life)
    _echo(life)
    return life


def _first(life: Life) -> None:
    with_silence = _Trial(life, life.start)
    try:
        with_silence.book("created_silently", silent=True)
        with_silence.change("moved", {"starts_at": iso(life.start + timedelta(hours=1))})
        with_silence.change("updated", {**OTHER, "ends_at": iso(life.start + timedelta(hours=3))})
        for status in ("processing", "pending", "done"):
            with_silence.become(status, status)
        if with_silence.status == "done":
            with_silence.again()
    finally:
        _remove(life, with_silence.link)


def _second(life: Life) -> None:
    loud = _Trial(life, life.start + timedelta(days=1))
    try:
        loud.book("created", silent=False)
        loud.become("cancelled", "cancelled")
    finally:
        _remove(life, loud.link)


class _Trial:
    """One made-up booking."""

    def __init__(self, life: Life, start: datetime) -> None:
        self.life, self.start, self.status = life, start, "pending"
        self.link = made_up.record(life.app, life.workshop)

    def book(self, step: str, *, silent: bool) -> None:
        """Raises WriteFailed: without a booking there is no probe."""
        row = _booked(self.life, self.link, self.start, silent)
        self.link = _named(self.life, self.link, row)
        self.life.made.append(self.link)
        _judge_create(self.life, self.link, row, self.start)
        self._asked(step)

    def change(self, step: str, fields: Mapping[str, str]) -> None:
        """Those that the contract says can be changed; which of them took is seen from the answer."""
        life, editable = self.life, set[str](self.life.contract.update.editable)
        given = {name: text for name, text in fields.items() if name in editable}
        if not given:
            return
        try:
            row = life.repairy.update(self._id, given)
        except (Rejected, Unsupported) as error:
            life.seen.differs.append(f"update.editable: {', '.join(given)}: {error}")
            return
        lost = [name for name, text in given.items() if canonical(name, row.fields.get(name)) != canonical(name, text)]
        life.seen.judged(not lost, "update.editable", f"update.editable: {', '.join(lost)} did not change: leave them out")
        self._asked(step)

    def become(self, step: str, status: str) -> None:
        """One step, where the contract allows it."""
        life, before = self.life, self.status
        if status not in life.contract.next()[before]:
            return
        try:
            row = life.repairy.set_status(self._id, status)
        except (Rejected, NotFound) as error:
            life.seen.differs.append(f"status.next.{before}: {status} was refused: {error}")
            return
        self.status = status
        life.taken.add((before, status))
        shown = row.fields.get("status")
        life.seen.judged(shown == status, f"status.words.{status}", f"status.words.{status}: Repairy shows {shown}")
        self._asked(step)

    def again(self) -> None:
        """What is done is done once more: no line of the contract, but the question is whether customers hear it twice."""
        try:
            self.life.repairy.set_status(self._id, "done")
        except (Rejected, NotFound):
            self.life.seen.told.append("a booking that is done cannot be completed a second time")
            return
        came = self._asked("done_again")
        if came is not None:
            self.life.seen.told.append(f"a repeated completion {'messages again' if came else 'sends nothing'}")

    def _asked(self, step: str) -> bool | None:
        self.life.answers[step] = self.life.ask(step)
        return self.life.answers[step]

    @property
    def _id(self) -> str:
        return self.link.repairy_id or ""


# ---------------------------------------------------------------- making and removing


def _booked(life: Life, link: Link, start: datetime, silent: bool) -> Sighting:
    """The create, repeated once where its outcome is not known: with one reference there is one booking (documented)."""
    fields = {**MADE_UP, "phone": life.phone, "starts_at": iso(start)}
    try:
        return life.repairy.create(fields, link.reference or "", silent=silent)
    except Unknown:
        return life.repairy.create(fields, link.reference or "", silent=silent)


def _named(life: Life, link: Link, row: Sighting) -> Link:
    try:
        return made_up.known(life.app, link, row)
    except Conflict:  # nobody else has a reason to touch it; if somebody did, what is there now counts
        return made_up.known(life.app, life.app.state.link(link.id), row)


def _remove(life: Life, link: Link) -> None:
    """Cancel it where that can be done. Raises SyncError naming one that may be open and could not be cancelled."""
    try:
        if link.repairy_id is None:  # it may have been made all the same
            link = _named(life, link, _booked(life, link, life.start, silent=True))
        status = life.repairy.read(link.repairy_id or "").fields["status"]
        if status != "cancelled":
            _cancel(life, link, status or "")
    except NotFound:
        pass
    except (Rejected, Unsupported) as error:
        if link.repairy_id is None:  # it was never made
            made_up.over(life.app, link)
            return
        raise SyncError(_open(link, error)) from None
    except SyncError as error:
        raise SyncError(_open(link, error)) from None
    made_up.over(life.app, link)


def _cancel(life: Life, link: Link, status: str) -> None:
    """Raises Rejected, and the others of a write; what is done and stays so is named for removal by hand."""
    try:
        life.repairy.set_status(link.repairy_id or "", "cancelled")
    except Rejected as error:
        if status != "done":
            raise
        life.by_hand.append(link)
        words = "errors.refused: a transition that is not allowed is answered in another way"
        life.seen.judged(error.transition, "errors.refused", f"{words}: {error}")
        return
    if status == "done" and "cancelled" not in life.contract.next()["done"]:
        life.seen.differs.append("status.next.done: a booking that is done can be cancelled")


def _open(link: Link, error: SyncError) -> str:
    return (
        f"the made-up booking {name(link)} may be open at Repairy and could not be cancelled ({error}): run this command "
        "again, or cancel it there by hand"
    )


def name(link: Link) -> str:
    """As a person finds it at Repairy."""
    return " ".join(part for part in (link.repairy_code, link.repairy_id, f"({link.reference})") if part)


def _start(now: datetime, workshop: Workshop) -> datetime:
    """Ten o'clock on a weekday some weeks ahead."""
    day = (now + AHEAD).astimezone(workshop.zone).date()
    while day.weekday() > 3:  # the second booking comes a day later
        day += timedelta(days=1)
    return local(datetime.combine(day, time(10)), workshop.zone)[0]


# ---------------------------------------------------------------- seen on the way


def _judge_create(life: Life, link: Link, row: Sighting, start: datetime) -> None:
    """What a create that was understood proves: the names it was written and is shown with."""
    sent, seen = {**MADE_UP, "phone": life.phone, "starts_at": iso(start)}, life.seen
    seen.judged(True, "token.app_key token.app_secret token.access headers.partner_id answer.envelope", "")
    seen.judged(row.ref == link.reference, "create", "booking.reference: the new booking does not show our reference")
    for name, text in sent.items():
        if life.contract.name(name):
            right = canonical(name, row.fields.get(name)) == canonical(name, text)
            also = {"starts_at": " formats.time", "phone": " formats.phone"}.get(name, "")
            seen.judged(right, f"booking.{name}{also}", f"booking.{name}: Repairy does not show what was sent")
    shown = row.fields.get("status")
    seen.judged(shown == "pending", "status.words.pending", f"status.words.pending: a new booking shows {shown}")


def _transitions(life: Life) -> None:
    """A list of transitions is right where each of them was taken."""
    for before, after in life.contract.next().items():
        if after and {(before, status) for status in after} <= life.taken:
            life.seen.judged(True, f"status.next.{before}", "")
    if {status for _, status in life.taken} == set(STATUSES):
        life.seen.judged(True, "status.path", "")


def _echo(life: Life) -> None:
    """Whether our own writes come back as events; one that came proves how Repairy signs."""
    given = life.app.settings.webhooks
    if not given.public_url and not given.relay:
        return
    over, found = life.app.clock.monotonic() + ECHO_SECONDS, sorted(set(_events(life)))
    while not found and life.app.clock.monotonic() < over:
        life.app.clock.sleep(LOOK_SECONDS)
        found = sorted(set(_events(life)))
    if found:
        life.seen.judged(True, "webhook.algorithm webhook.signs webhook.encoding webhook.booking", "")
        life.seen.told.append(f"our own calls come back as events: {', '.join(found)}")
    else:
        life.seen.told.append("no event of these bookings came: `repairy-sync check --webhook` says whether any could")


def _events(life: Life) -> Iterator[str]:
    glance = Glance(life.app.state.database, life.app.clock)
    for link in life.made:
        yield from (action for _, action in glance.told(life.workshop.name, link.repairy_id or ""))
