"""The commands, each through the entry point, on a real shop file and a real sandbox; both sides are read directly."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from sync.cli import app
from sync.machine import SystemClock
from sync.sandbox.faults import Fault
from sync.state.lease import acquire
from sync.state.store import StateStore
from tests.integration.installation import Installation, installed

OPEN = 40


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path) as made:
        yield made


@pytest.fixture
def filled(site: Installation) -> Installation:
    """After a backfill of the forty open bookings."""
    assert site.run("backfill", "--nothing-at-repairy").code == 0
    return site


# -- looking


def test_plan_writes_nothing_at_all_and_works_before_the_first_migrate(site: Installation) -> None:
    before = site.shop_digest()
    said = site.run("plan")
    assert said.code == 0
    assert said.json["workshops"][0]["name"] == "Northside"
    assert not (site.folder / "state.db").exists()
    assert not (site.folder / "journal.jsonl").exists()
    assert site.shop_digest() == before
    assert site.writes == 0


def test_plan_shows_what_sync_then_does(filled: Installation) -> None:
    filled.office.note(3, "Check the brakes")
    planned = filled.run("plan").json["workshops"][0]
    state = (filled.folder / "state.db").read_bytes()
    assert filled.run("plan").json["workshops"][0]["digest"] == planned["digest"]
    assert (filled.folder / "state.db").read_bytes() == state
    did = filled.run("sync").json["workshops"][0]
    wanted = [("NS-3", "repairy", "change", ["job_notes"])]
    assert [(one["reference"], one["side"], one["kind"], one["fields"]) for one in planned["actions"]] == wanted
    assert [(one["reference"], one["side"], one["kind"], one["fields"]) for one in did["actions"]] == wanted
    assert [one["outcome"] for one in planned["actions"] + did["actions"]] == [None, "accepted"]
    assert len(planned["digest"]) == 12


def test_many_webhooks_of_one_booking_are_one_read(site: Installation) -> None:
    """As after an outage: all of them are done with at once."""
    site.run("backfill", "--nothing-at-repairy")
    five = site.id_of(5)
    site.run("sync")
    for action in ("bookingCreate", "bookingUpdated", "bookingUpdated"):
        site.tell(five, action)
    before = site.calls("read")
    assert site.run("sync").code == 0
    assert site.calls("read") - before == 1
    store = StateStore(f"sqlite:///{site.folder / 'state.db'}", SystemClock())
    assert store.events("Northside") == []
    store.close()


def test_observe_writes_to_neither_side(site: Installation) -> None:
    site.configure(mode="observe")
    before = site.shop_digest()
    assert site.run("backfill", "--nothing-at-repairy").code == 0
    booking = site.book_online(55, site.office.at(3, 9))
    site.tell(booking)
    site.office.book(56, site.office.at(4, 9))
    before_sync = site.shop_digest()
    said = site.run("sync")
    assert {one["kind"] for one in said.json["workshops"][0]["actions"]} == {"create"}
    assert {one["outcome"] for one in said.json["workshops"][0]["actions"]} == {None}
    assert site.shop_digest() == before_sync != before
    assert site.writes == 0
    assert len(site.bookings()) == 1


def test_leaving_observe_sets_the_baseline_anew(site: Installation) -> None:
    site.configure(mode="observe")
    site.run("sync")
    site.office.book(56, site.office.at(4, 9))
    assert site.run("sync").json["workshops"][0]["actions"]
    site.configure(mode="two-way")
    assert site.run("sync").json["workshops"][0]["actions"] == []
    assert site.bookings() == []


@pytest.mark.parametrize(("mode", "shop", "repairy"), [("to-repairy", False, True), ("to-shop", True, False)])
def test_one_way_modes_write_one_side(site: Installation, mode: str, shop: bool, repairy: bool) -> None:
    site.run("backfill", "--nothing-at-repairy")
    site.configure(mode=mode)
    digest, writes, five = site.shop_digest(), site.writes, site.id_of(5)
    with site.sandbox.lock:
        site.sandbox.partner.edit(five, jobNotes="from the customer")
    site.tell(five, "bookingUpdated")
    changed = site.run("sync")
    assert changed.code == 0
    assert (site.shop_digest() != digest) is shop
    site.office.note(6, "from the office")
    site.run("sync")
    assert (site.writes != writes) is repairy


# -- baseline and backfill


def test_the_first_pass_creates_nothing_from_what_it_finds(site: Installation) -> None:
    said = site.run("sync")
    assert said.code == 0
    assert said.json["workshops"][0]["actions"] == []
    assert any("40 open bookings" in one["reason"] for one in said.json["workshops"][0]["noted"])
    site.office.note(3, "edited after the baseline")
    assert site.run("sync").json["workshops"][0]["actions"] == []
    assert site.writes == 0


def test_a_row_made_after_the_baseline_is_booked_once_and_silently(site: Installation) -> None:
    site.run("sync")
    site.office.book(56, site.office.at(4, 9))
    assert [one["kind"] for one in site.run("sync").json["workshops"][0]["actions"]] == ["create", "link"]
    assert site.booking(56)["externalId"].startswith("NS-")
    assert site.run("sync").json["workshops"][0]["actions"] == []
    assert site.messages() == []


def test_backfill_creates_only_when_nothing_else_is_at_repairy(site: Installation) -> None:
    said = site.run("backfill")
    assert said.code == 1
    assert "--nothing-at-repairy" in said.err
    assert site.writes == 0


def test_what_lies_beyond_a_backfills_days_is_not_new_to_the_next_sync(site: Installation) -> None:
    """Its reading is the baseline where there is none yet: the rest of the window is counted, and never pushed."""
    until = site.office.at(1, 0).date().isoformat()
    assert site.run("backfill", "--nothing-at-repairy", "--until", until).code == 0
    pushed = len(site.bookings())
    said = site.run("sync").json["workshops"][0]
    assert 0 < pushed == len(site.bookings()) < OPEN
    assert said["actions"] == []
    assert any(f"{OPEN - pushed} open bookings" in one["reason"] for one in said["noted"])


def test_backfill_refuses_a_silence_that_is_only_assumed_and_names_the_line(site: Installation) -> None:
    site.contract("")
    said = site.run("backfill", "--nothing-at-repairy")
    assert said.code == 78
    assert "silence.create" in said.err
    assert "confirmed" in said.err
    assert site.writes == 0


def test_backfill_pushes_open_bookings_once_without_a_message(filled: Installation) -> None:
    assert len(filled.bookings()) == OPEN
    assert filled.messages() == []
    writes = filled.writes
    again = filled.run("backfill", "--nothing-at-repairy")
    assert again.json["workshops"][0]["actions"] == []
    assert filled.writes == writes
    assert filled.run("sync").json["workshops"][0]["actions"] == []


def test_backfill_dry_run_writes_nothing(site: Installation) -> None:
    said = site.run("backfill", "--dry-run")
    assert len([one for one in said.json["workshops"][0]["actions"] if one["kind"] == "create"]) == OPEN
    assert site.writes == 0
    assert not (site.folder / "state.db").exists()


def test_backfill_pairs_what_is_known_before_it_creates(site: Installation) -> None:
    start = site.office.at(0, 8)
    there = site.book_online(1, start)
    stranger = site.book_online(55, site.office.at(3, 9))
    (site.folder / "known.csv").write_text(f"repairy_id\n{there}\n{stranger}\n", encoding="utf-8")
    assert site.run("backfill", "--known", str(site.folder / "known.csv")).code == 0
    assert len(site.bookings()) == OPEN + 1
    assert site.row(1)["online_ref"] == there
    assert site.row(55)["online_ref"] == stranger
    assert site.calls("create") == OPEN - 1


def test_backfill_before_today_needs_past(site: Installation) -> None:
    assert site.run("backfill", "--nothing-at-repairy", "--since", "2020-01-01").code == 2


def test_backfill_goes_on_where_it_was_interrupted(site: Installation) -> None:
    """The API goes away in the middle; afterwards every booking is there once."""
    with site.sandbox.lock:
        site.sandbox.partner.faults = [Fault("lost_answer", times=5, operation="create", after=10)]
    site.run("backfill", "--nothing-at-repairy")
    with site.sandbox.lock:
        fired = [fault.fired for fault in site.sandbox.partner.faults]
        site.sandbox.partner.faults = []
    assert fired == [5]
    for _ in range(20):
        said = site.run("backfill", "--nothing-at-repairy")
        if not said.json["workshops"][0]["waiting"]:
            break
        _until_due(said)
    plates = [one["car"]["rego"] for one in site.bookings()]
    assert len(plates) == len(set(plates)) == OPEN
    assert site.messages() == []


def _until_due(said: object) -> None:
    """The quarantine is the machine's own time here: two seconds of it."""
    threading.Event().wait(0.5)


# -- both ways


def test_an_online_booking_reaches_the_shop(filled: Installation) -> None:
    booking = filled.book_online(55, filled.office.at(3, 9))
    filled.tell(booking)
    said = filled.run("sync")
    assert said.code == 0
    assert filled.row(55)["online_ref"] == booking
    assert filled.booking(55)["externalId"].startswith("NS-")


def test_a_near_match_is_held_on_both_sides_and_linked_by_a_person(site: Installation) -> None:
    site.run("sync")
    booking = site.book_online(1, site.office.at(1, 8))
    site.tell(booking)
    said = site.run("sync")
    assert said.code == 3
    assert len(said.json["workshops"][0]["held"]) == 2
    refused = site.run("resolve", booking, "--use", "shop")
    assert (refused.code, "which booking this is" in refused.err) == (1, True)
    assert site.run("resolve", booking, "--link", "1").code == 0
    assert site.run("sync").code in (0, 3)
    assert site.row(1)["online_ref"] == booking


def test_a_near_match_that_is_new_goes_into_the_shop(site: Installation) -> None:
    site.run("sync")
    booking = site.book_online(1, site.office.at(1, 8))
    site.tell(booking)
    site.run("sync")
    assert site.run("resolve", booking, "--create").code == 0
    site.run("sync")
    assert [one["online_ref"] for one in site.office.rows()].count(booking) == 1


def test_a_booking_that_was_made_is_not_made_again_by_saying_so_twice(site: Installation) -> None:
    """Two people, or two clicks: the second word comes when both sides have it already."""
    site.run("sync")
    booking = site.book_online(1, site.office.at(1, 8))
    site.tell(booking)
    site.run("sync")
    assert site.run("resolve", booking, "--create").code == 0
    site.run("sync")
    rows, creates = len(site.office.rows()), site.calls("create")
    again = site.run("resolve", booking, "--create")
    assert (again.code, "stands on both sides" in again.err) == (1, True)
    site.run("sync")
    assert (len(site.office.rows()), site.calls("create")) == (rows, creates)


def test_what_may_message_goes_only_where_it_is_allowed(filled: Installation) -> None:
    filled.office.status(2, "Ready")
    said = filled.run("sync")
    assert said.code == 0
    assert any("safety.visible" in one["reason"] for one in said.json["workshops"][0]["noted"])
    assert filled.booking(2)["status"] == "pending"
    filled.configure(visible='["done"]')
    filled.run("resolve", "NS-2", "--retry")
    assert filled.run("sync").code == 0
    assert filled.booking(2)["status"] == "done"
    assert filled.messages().count("done") == 1


def test_a_time_moved_on_both_sides_is_held_and_resolved(filled: Installation) -> None:
    filled.office.move(4, filled.office.at(5, 9))
    four = filled.id_of(4)
    with filled.sandbox.lock:
        filled.sandbox.partner.move(four, "2030-01-07T22:00:00Z")
    filled.tell(four, "bookingUpdated")
    assert filled.run("sync").code == 3
    held = filled.run("held")
    assert held.code == 3
    (one,) = held.json["held"]
    assert one["reference"] == "NS-4"
    assert filled.run("resolve", one["id"], "--use", "repairy").code == 0
    assert filled.run("sync").code == 0
    assert str(filled.row(4)["dropoff"]).startswith("2030-01-08 09:00")
    assert filled.run("held").code == 0


def test_a_large_plan_is_frozen_and_approved(filled: Installation) -> None:
    filled.configure(safety="min_count = 2\nmax_share = 0.1")
    for number in range(1, 11):
        filled.office.note(number, "same day")
    said = filled.run("sync")
    assert said.code == 3
    assert not any("jobNotes" in one and one["jobNotes"] for one in filled.bookings())
    (plan,) = filled.run("held").json["plans"]
    assert plan["count"] == 10
    assert filled.run("approve", "000000000000").code == 1
    assert filled.run("approve", plan["digest"]).code == 0
    assert filled.run("sync").code == 0
    assert sum(one.get("jobNotes") == "same day" for one in filled.bookings()) == 10
    assert filled.run("held").json == {"held": [], "plans": []}


def test_pause_stops_pushing_until_resume(filled: Installation) -> None:
    assert filled.run("pause").code == 0
    filled.office.note(3, "while paused")
    said = filled.run("sync")
    assert said.json["workshops"][0]["waiting"]
    assert not filled.booking(3).get("jobNotes")
    assert filled.run("status").json["workshops"][0]["paused"] == "all"
    assert filled.run("resume").code == 0
    for _ in range(3):
        filled.run("sync")
    assert filled.run("status").json["workshops"][0]["paused"] == ""


# -- what the commands say


def test_status_counts_and_last_success(filled: Installation) -> None:
    one = filled.run("status").json["workshops"][0]
    assert set(one) == {
        "name", "mode", "links", "due", "waiting", "noted", "held", "paused", "last_success", "oldest_due_seconds",
    }  # fmt: skip
    assert one["mode"] == "two-way"
    assert one["links"] >= OPEN
    assert one["last_success"]["shop"].endswith("Z")


def test_show_has_both_sides_the_bases_and_the_journal(filled: Installation) -> None:
    filled.office.note(3, "one line")
    filled.run("sync")
    for ref in ("NS-3", "3", filled.id_of(3)):
        shown = filled.run("show", ref).json
        assert shown["reference"] == "NS-3"
        assert shown["shop"]["job_notes"] == shown["repairy"]["job_notes"] == "one line"
        assert [one["kind"] for one in shown["journal"]] == ["create", "link", "change"]
        assert {"waiting", "noted", "held"} <= set(shown)


def test_an_overwritten_value_is_put_back(filled: Installation) -> None:
    filled.office.job(3, "First job")
    filled.run("sync")
    filled.office.job(3, "Second job")
    filled.run("sync")
    entry = filled.run("show", "NS-3").json["journal"][-1]
    assert entry["before"] == {"description": "First job"}
    assert filled.run("resolve", "NS-3", "--restore", entry["op"]).code == 0
    filled.run("sync")
    assert filled.booking(3)["productDescription"] == "First job"
    assert filled.row(3)["job"] == "First job"


def test_an_unknown_booking_is_said_plainly(filled: Installation) -> None:
    said = filled.run("show", "nothing-like-it")
    assert said.code == 1
    assert "nothing-like-it" in said.err


def test_contract_lists_every_assumption(site: Installation) -> None:
    keys = {one["key"] for one in site.run("contract").json["assumed"]}
    assert {"headers.partner_id", "webhook.signs"} <= keys
    assert "silence.create" not in {key for key in keys if key == "silence.create"}


def test_check_is_good_and_says_what_does_not_reach_the_shop(filled: Installation) -> None:
    said = filled.run("check")
    assert said.code == 0
    assert any(one["about"] == "webhooks" for one in said.json["findings"])
    assert filled.run("check", "--offline").code == 0


def test_check_stops_at_a_wrong_secret(site: Installation) -> None:
    site.secret("repairy_app_secret", "not-the-secret-0001")
    said = site.run("check")
    assert said.code == 1
    assert "not-the-secret-0001" not in said.out + said.err


# -- exit codes


def test_an_api_that_is_down_is_75_and_loses_nothing(filled: Installation) -> None:
    filled.office.note(3, "during the outage")
    filled.sandbox.stop_listening()
    said = filled.run("sync")
    filled.sandbox.start_listening()
    assert said.code in (0, 75)
    _until_due(said)
    filled.run("resolve", "NS-3", "--retry")
    filled.run("sync")
    assert filled.booking(3)["jobNotes"] == "during the outage"


def test_a_shop_that_is_gone_is_75(filled: Installation) -> None:
    (filled.folder / "shop.db").rename(filled.folder / "away.db")
    assert filled.run("sync").code == 75
    assert filled.run("plan").code == 75


def test_a_second_writer_is_75_and_says_who_holds_the_lease(filled: Installation) -> None:
    with acquire(f"sqlite:///{filled.folder / 'state.db'}", "Northside", "run", SystemClock()):
        said = filled.run("sync")
    assert said.code == 75
    assert "run (process" in said.err


def test_every_mistake_of_the_configuration_is_told_at_once_as_78(site: Installation) -> None:
    site.configure(safety='settel = "5m"\nmax_share = 7', state="mysql://nowhere")
    said = site.run("status")
    assert said.code == 78
    assert all(word in said.err for word in ("settel", "max_share", "state.url"))


def test_usage_is_2(site: Installation) -> None:
    assert site.run("resolve", "1").code == 2
    assert site.run("frobnicate").code == 2


@pytest.mark.parametrize("name", sorted(get_command(app).commands))  # type: ignore[attr-defined]
def test_each_command_has_help_with_an_example(site: Installation, name: str) -> None:
    said = site.run(name, "--help", json=False)
    assert said.code == 0
    assert "Example:" in said.out
    assert f"repairy-sync {name}" in " ".join(said.out.split()) or f" {name} " in said.out or said.out.rstrip().endswith(name)


def test_all_actions_of_a_booking_in_a_held_plan_are_released_together(filled: Installation) -> None:
    """A move and an end of the same booking, frozen by the guard's numbers, both go after one approval."""
    filled.configure(visible='["moved", "done"]', safety="min_count = 0\nmax_share = 0.01\nmax_count = 1")
    for number in (2, 3):
        filled.office.move(number, filled.office.at(5, 10 + number))
        filled.office.note(number, "moved and noted")
    assert filled.run("sync").code == 3
    plans = filled.run("held").json["plans"]
    assert [plan["count"] for plan in plans] == [4]
    assert filled.run("approve", plans[0]["digest"]).code == 0
    assert filled.run("sync").code == 0
    assert {filled.booking(number)["jobNotes"] for number in (2, 3)} == {"moved and noted"}
    assert filled.messages() == ["moved", "moved"]


def test_a_reference_that_is_anothers_booking_is_held_until_a_person_says_it_is_new(site: Installation) -> None:
    """A create answered with a stranger's booking is neither adopted nor tried again by itself."""
    site.run("sync")
    stranger = site.book_online(55, site.office.at(4, 9))
    site.office.book(56, site.office.at(4, 9))
    key = site.row(56)["id"]
    with site.sandbox.lock:
        site.sandbox.partner.edit(stranger, externalId=f"NS-{key}")
    assert site.run("sync").code == 3
    creates = site.calls("create")
    for _ in range(2):
        assert site.run("sync").code == 3
    assert site.calls("create") == creates == 1
    assert site.run("resolve", str(key), "--create").code == 0
    assert site.run("sync").code == 0
    assert site.booking(56)["externalId"] == f"NS-{key}~2"
    assert site.booking(55)["externalId"] == f"NS-{key}"
