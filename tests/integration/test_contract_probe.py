"""`contract --probe` against the sandbox: what it writes is compared with the rules that the sandbox really goes by.

The answers are what the sandbox sent to the owner's phone, step by step.
"""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sync import made_up, settings, wiring
from sync.core.booking import Link
from sync.errors import ConfigError, SyncError
from sync.probe import facts, file, steps
from sync.probe.facts import QUESTIONS, Seen
from sync.repairy import contract as wire
from sync.sandbox.faults import Fault
from sync.sandbox.partner import Partner
from sync.sandbox.server import Sandbox
from sync.share import CONFIG
from tests.integration.daemon_process import ground_on, until
from tests.integration.installation import Installation, installed

PHONE = "0400000001"
SILENT = dict.fromkeys(QUESTIONS, False)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path) as made:
        made.contract("# our own\n")
        yield made


class Owner:
    """Holds the phone: answers with what the sandbox sent since the last question."""

    def __init__(self, sandbox: Sandbox, phone: str = PHONE) -> None:
        self.sandbox, self.phone, self.seen, self.asked = sandbox, phone, 0, list[str]()

    def __call__(self, step: str) -> bool:
        self.asked.append(step)
        with self.sandbox.lock:
            mine = [one for one in self.sandbox.partner.messages if one.to == self.phone]
        came, self.seen = len(mine) > self.seen, len(mine)
        return came


def other_rules(site: Installation, rules: Mapping[str, Any]) -> None:
    """The real thing is not as the built-in contract assumes: dotted keys and what they really are."""
    table = tomllib.loads((CONFIG / "repairy-api.toml").read_text(encoding="utf-8"))
    for dotted, value in rules.items():
        *path, key = dotted.split(".")
        inner = table
        for step in path:
            inner = inner[step]
        inner[key] = value
    before = site.sandbox.partner
    site.sandbox.partner = Partner(wire.Contract.parse(table), before.clock)
    site.sandbox.console.partner = site.sandbox.partner


def probed(site: Installation, owner: Owner, phone: str = PHONE) -> tuple[steps.Life, facts.Learnt]:
    """The steps without the command around them."""
    with wiring.opened(settings.load(site.folder / "repairy-sync.toml")) as app:
        app.migrate()
        life = steps.run(app, app.settings.workshops[0], phone, owner)
        return life, facts.learnt(app.contract, life.answers, life.seen)


def left(site: Installation) -> list[Link]:
    with wiring.opened(settings.load(site.folder / "repairy-sync.toml")) as app:
        return made_up.left(app, app.settings.workshops[0])


def answered(site: Installation, answers: Mapping[str, bool]) -> str:
    """A file of answers, by name."""
    lines = [f"{step} = {str(came).lower()}" for step, came in answers.items()]
    (site.folder / "answers.toml").write_text("\n".join(lines), encoding="utf-8")
    return str(site.folder / "answers.toml")


# ---------------------------------------------------------------- what is learnt


def test_where_all_is_as_assumed_it_is_confirmed_and_nothing_is_changed(site: Installation) -> None:
    life, found = probed(site, Owner(site.sandbox))
    assert (found.changes, life.seen.differs, found.doubts) == ({}, [], [])
    assert {
        "silence.create", "visible.create", "visible.update", "visible.statuses", "status.words.done", "status.next.pending",
        "token.access", "headers.partner_id", "booking.starts_at", "formats.time", "formats.phone", "update.editable", "create",
        "errors.refused", "status.path",
    } <= set(found.confirmed)  # fmt: skip
    assert "a repeated completion messages again" in life.seen.told


def test_every_step_is_asked_about_in_order(site: Installation) -> None:
    owner = Owner(site.sandbox)
    probed(site, owner)
    assert owner.asked == list(QUESTIONS)


@pytest.mark.parametrize(
    ("rules", "changes"),
    [
        ({"silence.create": {}}, {"silence.create": {}}),
        ({"visible.create": False}, {"visible.create": False}),
        ({"visible.update": []}, {"visible.update": []}),
        ({"visible.statuses": ["cancelled", "processing"]}, {"visible.statuses": ["processing", "cancelled"]}),
        ({"visible.statuses": []}, {"visible.statuses": []}),
    ],
    ids=str,
)
def test_messages_that_are_not_as_assumed_are_learnt(
    site: Installation, rules: Mapping[str, Any], changes: Mapping[str, Any]
) -> None:
    other_rules(site, rules)
    _, found = probed(site, Owner(site.sandbox))
    assert found.changes == changes
    assert set(changes) <= set(found.confirmed)


def test_updates_that_message_make_every_field_visible(site: Installation) -> None:
    """Which of the changed fields it was is not known, so all count."""
    other_rules(site, {"visible.update": ["job_notes"]})
    _, found = probed(site, Owner(site.sandbox))
    assert "starts_at" not in found.changes["visible.update"]
    assert {"job_notes", "rego", "phone"} <= set(found.changes["visible.update"])


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"update.editable": ["starts_at", "job_notes"]}, "did not change: leave them out"),
        ({"status.next.done": ["cancelled"]}, "status.next.done: a booking that is done can be cancelled"),
        ({"status.next.processing": ["done", "cancelled"]}, "status.next.processing: pending was refused"),
        ({"errors.refused": [422]}, "errors.refused: a transition that is not allowed is answered in another way"),
        ({"booking.job_notes": "notes"}, "booking.job_notes: Repairy does not show what was sent"),
    ],
    ids=str,
)
def test_what_it_sees_by_itself_and_is_not_as_assumed_is_said(site: Installation, rules: Mapping[str, Any], said: str) -> None:
    other_rules(site, rules)
    life, found = probed(site, Owner(site.sandbox))
    assert any(said in one for one in life.seen.differs), life.seen.differs
    assert not {key for key in found.confirmed if key.startswith(said.partition(":")[0])}


def test_a_phone_that_gets_nothing_proves_no_silence(site: Installation) -> None:
    """The dangerous mistake: with a wrong phone everything looks silent."""
    _, found = probed(site, Owner(site.sandbox, phone="0400000002"))
    assert not [key for key in (*found.confirmed, *found.changes) if key.startswith(("visible", "silence"))]
    assert "see whether it is the right phone" in found.doubts[0]


def test_what_the_owner_is_not_sure_of_is_not_confirmed(site: Installation) -> None:
    contract = wire.load()
    found = facts.learnt(contract, {"created": True, "moved": True, "done": None, "cancelled": True}, Seen())
    assert found.confirmed == ["visible.create"]


# ---------------------------------------------------------------- never synced, and gone at the end


def test_both_bookings_are_over_at_the_end_and_the_one_that_stays_is_named(site: Installation) -> None:
    life, _ = probed(site, Owner(site.sandbox))
    assert sorted(str(one["status"]) for one in site.bookings()) == ["cancelled", "done"]
    assert [one.repairy_id for one in life.by_hand] == [one["id"] for one in site.bookings() if one["status"] == "done"]
    assert left(site) == []


def test_neither_reaches_the_shop_by_webhook_or_pass(site: Installation) -> None:
    """Events of both bookings lie there; passes read neither and make nothing of them."""
    probed(site, Owner(site.sandbox))
    site.contract('confirmed = ["silence.create", "visible.create"]')
    assert site.run("backfill", "--nothing-at-repairy").code == 0
    before, reads = site.shop_digest(), site.calls("read")
    for one in site.bookings()[:2]:
        site.tell(str(one["id"]))
        site.tell(str(one["id"]), "bookingUpdated")
    assert site.run("sync").code == 0
    assert (site.shop_digest(), site.calls("read")) == (before, reads)


def test_an_event_that_comes_before_the_id_is_recorded_makes_nothing(site: Installation) -> None:
    """The create's own event overtakes its answer, or a crash came between: the reference tells whose it is."""
    site.contract('confirmed = ["silence.create", "visible.create"]')
    assert site.run("backfill", "--nothing-at-repairy").code == 0
    before = site.shop_digest()
    with wiring.opened(settings.load(site.folder / "repairy-sync.toml")) as app:
        link = made_up.record(app, app.settings.workshops[0])
        life = steps.Life(app, app.settings.workshops[0], PHONE, Owner(site.sandbox))
        row = steps._booked(life, link, life.start, True)
    site.tell(row.key)
    said = site.run("sync")
    assert (said.code, site.shop_digest()) == (0, before)
    assert [one["reference"] for one in said.json["workshops"][0]["held"]] == []
    assert [one.reference for one in left(site)] == [link.reference]


class Crash(BaseException):
    """As if the process had been killed: nothing of ours catches it."""


@pytest.mark.parametrize("step", ["created_silently", "moved", "processing", "created"])
def test_after_a_crash_the_next_probe_cancels_what_was_left(
    site: Installation, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = Owner(site.sandbox)

    def dies(asked: str) -> bool:
        if asked == step:
            raise Crash
        return owner(asked)

    with monkeypatch.context() as killed, suppress(Crash):
        killed.setattr(steps, "_remove", lambda life, link: None)  # a process that is killed removes nothing
        probed(site, dies)  # type: ignore[arg-type]
    crashed = {str(one["id"]) for one in site.bookings()}
    assert left(site)
    probed(site, Owner(site.sandbox))
    assert left(site) == []
    assert {str(one["status"]) for one in site.bookings() if str(one["id"]) in crashed} <= {"cancelled", "done"}


@pytest.mark.parametrize("kind", ["lost_answer", "500_after", "lost_request"])
def test_a_create_whose_answer_is_lost_makes_one_booking(site: Installation, kind: str) -> None:
    with site.sandbox.lock:
        site.sandbox.partner.faults = [Fault(kind, 1, "create")]
    probed(site, Owner(site.sandbox))
    assert len(site.bookings()) == 2


def test_a_probe_that_breaks_off_cancels_and_says_why(site: Installation) -> None:
    with site.sandbox.lock:
        site.sandbox.partner.faults = [Fault("500_before", None, "update")]
    with pytest.raises(SyncError, match="says nothing certain"):
        probed(site, Owner(site.sandbox))
    assert ([str(one["status"]) for one in site.bookings()], left(site)) == (["cancelled"], [])


def test_one_that_cannot_be_cancelled_is_named_and_check_tells_of_it(site: Installation) -> None:
    with site.sandbox.lock:
        site.sandbox.partner.faults = [Fault("500_before", None, "update"), Fault("500_before", None, "set_status")]
    with pytest.raises(SyncError, match="may be open at Repairy and could not be cancelled"):
        probed(site, Owner(site.sandbox))
    (link,) = left(site)
    says = [one["says"] for one in site.run("check").json["findings"]]
    assert any(f"({link.reference})" in one and "contract --probe" in one for one in says)


def test_what_is_paused_is_not_probed(site: Installation) -> None:
    site.run("sync")
    site.run("pause")
    with pytest.raises(SyncError, match="is paused"):
        probed(site, Owner(site.sandbox))
    assert site.bookings() == []


# ---------------------------------------------------------------- the command


def test_the_command_writes_what_it_learnt_into_the_contract_and_keeps_the_rest(site: Installation) -> None:
    """Answers as the sandbox gives them, found by a first run; the second run starts from the same contract."""
    text = '# our own\nconfirmed = [\n  "status.words.done", # asked in May\n]\n\n[visible]\n'
    text += '# said by phone\nstatuses = ["done"] # so far\n'
    site.contract(text)
    life, _ = probed(site, Owner(site.sandbox))
    said = site.run("contract", "--probe", PHONE, "--answers", answered(site, {k: bool(v) for k, v in life.answers.items()}))
    after = (site.folder / "contract.toml").read_text(encoding="utf-8")
    assert said.code == 0, said.err
    assert said.json["changed"] == {"visible.statuses": ["done", "cancelled"]}
    assert 'statuses = ["done", "cancelled"] # so far\n' in after
    assert all(line in after for line in ("# our own", '"status.words.done", # asked in May', "# said by phone"))
    written = wire.load(site.folder / "contract.toml")
    assert all(written.is_confirmed(key) for key in ("silence.create", "visible.create", "visible.statuses", "token.access"))


def test_without_a_contract_of_its_own_a_new_file_is_written_and_named(site: Installation) -> None:
    configuration = site.folder / "repairy-sync.toml"
    configuration.write_text(configuration.read_text(encoding="utf-8").replace('contract = "contract.toml"\n', ""))
    answers = answered(site, SILENT | {"created": True, "moved": True, "done": True, "cancelled": True})
    said = site.run("contract", "--probe", PHONE, "--answers", answers, json=False)
    assert said.code == 0
    assert wire.load(site.folder / file.NEW).is_confirmed("silence.create")
    assert f'set repairy.contract = "{file.NEW}"' in said.out


@pytest.mark.parametrize("phone", ["03 9000 0001", "12", "", "0400 000 00", "customer"])
def test_a_phone_that_no_message_reaches_is_refused_before_anything_is_sent(site: Installation, phone: str) -> None:
    said = site.run("contract", "--probe", phone or " ", "--answers", answered(site, SILENT))
    assert (said.code, site.calls("create")) == (2, 0)


def test_without_a_terminal_it_asks_for_a_file_of_answers(site: Installation) -> None:
    said = site.run("contract", "--probe", PHONE)
    assert (said.code, site.calls("create")) == (2, 0)
    assert "--answers FILE" in said.err


@pytest.mark.parametrize("text", ["nothing = true", "done = 1", "done ="])
def test_answers_that_mean_nothing_are_refused_before_anything_is_sent(site: Installation, text: str) -> None:
    (site.folder / "answers.toml").write_text(text, encoding="utf-8")
    said = site.run("contract", "--probe", PHONE, "--answers", str(site.folder / "answers.toml"))
    assert (said.code, site.calls("create")) == (78, 0)


def test_on_a_terminal_it_asks_after_each_step(site: Installation) -> None:
    """A real terminal; whoever sits there looks at the phone and types."""
    owner, log = Owner(site.sandbox), ""
    mine, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "sync", "--config", str(site.folder / "repairy-sync.toml"), "contract", "--probe", PHONE],
        stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    answered, over = 0, time.monotonic() + 60
    with suppress(OSError):  # the other end is closed
        os.write(mine, b"yes\n")
        while time.monotonic() < over and (part := os.read(mine, 4096)):
            log += part.decode()
            if log.count("Did a message come") > answered:
                answered += 1
                os.write(mine, b"yes\n" if owner(str(answered)) else b"no\n")
    assert process.wait(20) == 0, log
    os.close(mine)
    assert answered == len(QUESTIONS)
    assert wire.load(site.folder / "contract.toml").is_confirmed("visible.statuses")


def test_where_webhooks_arrive_the_signature_is_confirmed_and_the_echo_told(request: pytest.FixtureRequest) -> None:
    """A real daemon beside it takes the events, and makes nothing of them."""
    with ground_on("sqlite", request) as ground:
        ground.start()
        until("a first pass", lambda: ground.query("SELECT id FROM pass_run"), ground)
        owner = Owner(ground.sandbox)
        with wiring.opened(settings.load(ground.config)) as app:
            life = steps.run(app, app.settings.workshops[0], PHONE, owner)
            found = facts.learnt(app.contract, life.answers, life.seen)
        until("every event looked at", lambda: not ground.query("SELECT id FROM webhook_event WHERE settled_at IS NULL"), ground)
        rows = [row for row in ground.office.rows() if "MADEUP" in str(row["plate"])]
        open_halves = ground.query("SELECT id FROM booking_link WHERE state != 'closed' AND shop_key IS NULL")
    assert {"webhook.signs", "webhook.algorithm", "webhook.booking"} <= set(found.confirmed)
    assert any("come back as events" in one for one in life.seen.told)
    assert (rows, open_halves) == ([], [])


# ---------------------------------------------------------------- the file


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '# why\nconfirmed = ["a"]\n\n[visible]\ncreate = false\n'),
        ("# mine\n", '# why\nconfirmed = ["a"]\n\n# mine\n\n[visible]\ncreate = false\n'),
        ("confirmed = []\n[visible]\n", 'confirmed = ["a", ]\n[visible]\ncreate = false\n'),
        ('confirmed = ["b"] # x\n[visible]\ncreate = true # y\n[token]\naccess = "t"\n',
         'confirmed = ["a", "b"] # x\n[visible]\ncreate = false # y\n[token]\naccess = "t"\n'),
        ('confirmed = [\n  "b", # x\n]\n[visible]\nupdate = [\n "starts_at",\n]\ncreate = true\n',
         'confirmed = ["a", \n  "b", # x\n]\n[visible]\nupdate = [\n "starts_at",\n]\ncreate = false\n'),
        ('confirmed = ["a"]\n[visible]\ncreate = false\n', 'confirmed = ["a"]\n[visible]\ncreate = false\n'),
    ],
)  # fmt: skip
def test_a_contract_is_added_to_in_place(before: str, after: str) -> None:
    assert file.edited(before, ["a"], {"visible.create": False}, "why") == after


@pytest.mark.parametrize("before", ["visible.create = true\n", "visible = { create = true }\n", '"confirmed" = ["b"]\n'])
def test_a_layout_that_cannot_be_added_to_is_left_alone_and_the_lines_are_told(before: str) -> None:
    with pytest.raises(ConfigError, match=r'Put in by hand: confirmed = \["a"\]; visible.create = false'):
        file.edited(before, ["a"], {"visible.create": False}, "why")
