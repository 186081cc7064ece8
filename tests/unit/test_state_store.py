"""The state store on SQLite: what each method promises, in memory where that is enough, in a real file elsewhere."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import sqlalchemy as sa

from sync.core.booking import Link
from sync.core.times import stamp
from sync.errors import ConfigError, Conflict, NotFound, SyncError, Unreachable
from sync.ports import Event
from sync.records import Desk, Intent, Source, Standing
from sync.state import migrate, tables
from sync.state.database import Database, open_engine, wal_is_safe
from sync.state.journal import MappingJournal
from sync.state.store import StateStore
from tests.fakes import FakeClock

NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)


class _Noon:
    """A clock that stands still."""

    def now(self) -> datetime:
        return NOON

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None: ...


@pytest.fixture
def store() -> Iterator[StateStore]:
    opened = StateStore("sqlite://", _Noon())
    yield opened
    opened.close()


@pytest.fixture
def url(tmp_path: Path) -> str:
    made = f"sqlite:///{tmp_path / 'state.db'}"
    migrate.upgrade(made)
    return made


def later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def intent(op: str, link: Link, **changes: Any) -> Intent:
    made = Intent(op, link.id, link.workshop, "repairy", "change", {"rego": "AAA001"}, {"rego": "AAA002"}, {}, None, {}, NOON)
    return replace(made, **changes)


def standing(reason: str, **changes: Any) -> Standing:
    return replace(Standing("", "north", None, "held", "time", reason, NOON), **changes)


# --- links ---


def test_a_new_link_reads_back_equal(store: StateStore) -> None:
    """Every field of a link survives the trip, in its own type."""
    made = store.add(
        "north", reference="N-1", shop_key="1", repairy_id="R1", repairy_code="C1", shop={"rego": "AAA001"},
        repairy={"vin": None}, shop_base={}, repairy_base=None, shop_ref="C1", repairy_ref="N-1", state="closed",
        seen={"shop.status": {"first": "x"}},
        missing={"shop": "x"}, visible={"done", "created"}, refused={"shop.rego": None}, choice={"time": "shop"}, locked=True,
        marks=("starts_at:twice", "a"), attempts=3, due_at=stamp(NOON), poll_at=stamp(NOON), error="why", shop_digest="d1",
    )  # fmt: skip
    assert store.link(made.id) == made
    assert (made.shop_base, made.repairy_base) == ({}, None)
    assert made.visible == frozenset({"created", "done"})
    assert made.marks == ("starts_at:twice", "a")


def test_a_bare_link_has_the_defaults_of_its_class(store: StateStore) -> None:
    made = store.add("north")
    assert made == Link(made.id, "north")


def test_a_saved_link_is_returned_as_it_is_stored(store: StateStore) -> None:
    made = store.add("north", shop_key="1")
    saved = store.save(made, shop=MappingProxyType({"rego": "AAA001"}), visible=frozenset({"done"}), shop_digest="d1")
    assert store.link(made.id) == saved
    assert saved.version == made.version + 1
    assert store.digests("north") == {"1": "d1"}


def test_who_saves_an_old_copy_is_told(store: StateStore) -> None:
    """Compare-and-set: the second of two who read the same row changes nothing."""
    made = store.add("north", reference="N-1")
    store.save(made, error="first")
    with pytest.raises(Conflict, match="N-1"):
        store.save(made, error="second")
    assert store.link(made.id).error == "first"


def test_a_link_that_is_not_there_is_not_found(store: StateStore) -> None:
    with pytest.raises(NotFound):
        store.link(7)


def test_a_batch_is_saved_whole_or_not_at_all(store: StateStore) -> None:
    """Different columns for different links in one transaction; one stale link undoes it all."""
    one, two = store.add("north", reference="N-1"), store.add("north", reference="N-2")
    saved = store.save_all([(one, {"error": "a"}), (two, {"attempts": 2, "shop_digest": "d"})])
    assert store.links("north") == saved
    with pytest.raises(Conflict):
        store.save_all([(saved[0], {"error": "b"}), (two, {"attempts": 3})])
    assert store.links("north") == saved


@pytest.mark.parametrize("column", ["reference", "repairy_id"])
def test_a_name_stands_for_one_link_of_a_workshop(store: StateStore, column: str) -> None:
    """Reference and Repairy id are unique per workshop, when added and when saved."""
    store.add("north", **{column: "X"})
    store.add("south", **{column: "X"})
    with pytest.raises(Conflict):
        store.add("north", **{column: "X"})
    other = store.add("north", **{column: "Y"})
    with pytest.raises(Conflict):
        store.save(other, **{column: "X"})
    assert store.link(other.id) == other


def test_many_links_may_lack_a_name(store: StateStore) -> None:
    store.add_all("north", [{"shop_key": "1"}, {"shop_key": "2"}])
    assert [link.reference for link in store.links("north")] == [None, None]


def test_due_links_are_those_whose_moment_has_come(store: StateStore) -> None:
    store.add("north", reference="never")
    store.add("north", reference="now", due_at=stamp(NOON))
    store.add("north", reference="later", due_at=stamp(later(1)))
    assert [link.reference for link in store.links("north", due=NOON)] == ["now"]


def test_links_are_narrowed_by_state(store: StateStore) -> None:
    for state in ("open", "open", "closed", "skipped"):
        store.add("north", state=state)
    assert [link.state for link in store.links("north", states={"closed", "skipped"})] == ["closed", "skipped"]
    assert store.count("north") == {"open": 2, "closed": 1, "skipped": 1}
    assert store.open_count("north") == 2
    assert store.open_count("south") == 0


def test_halves_know_one_side_and_are_not_closed(store: StateStore) -> None:
    store.add("north", reference="whole", shop_key="1", repairy_id="R1")
    store.add("north", reference="closed", shop_key="2", state="closed")
    store.add("north", reference="shop", shop_key="3")
    store.add("north", reference="repairy", repairy_id="R4", state="baseline")
    assert [link.reference for link in store.halves("north")] == ["shop", "repairy"]


def test_polls_go_longest_overdue_first_and_only_where_there_is_a_booking(store: StateStore) -> None:
    for name, seconds in (("R1", -5), ("R2", -9), ("R3", 0), ("R4", 1)):
        store.add("north", repairy_id=name, poll_at=stamp(later(seconds)))
    store.add("north", shop_key="1", poll_at=stamp(later(-99)))
    assert [link.repairy_id for link in store.to_poll("north", NOON, 9)] == ["R2", "R1", "R3"]
    assert [link.repairy_id for link in store.to_poll("north", NOON, 1)] == ["R2"]


def test_links_are_found_by_their_keys_however_many(store: StateStore) -> None:
    """More keys than one statement takes; a key may have had several bookings, oldest first."""
    store.add_all("north", [{"shop_key": str(key), "repairy_id": f"R{key}"} for key in range(1200)])
    store.add("north", shop_key="7", reference="N-7~2")
    found = store.by_shop_keys("north", [*map(str, range(1200)), "none"])
    assert len(found) == 1200
    assert [link.reference for link in found["7"]] == [None, "N-7~2"]
    assert set(store.by_repairy_ids("north", {"R1", "R1199", "none"})) == {"R1", "R1199"}
    store.add("north", reference="N1")
    assert set(store.by_references("north", {"N1", "R1"})) == {"N1"}
    assert store.by_references("south", {"N1"}) == {}


def test_digests_are_those_of_the_newest_link_of_a_key(store: StateStore) -> None:
    store.add("north", shop_key="1", shop_digest="old")
    store.add("north", shop_key="1", shop_digest="new")
    store.add("north", shop_key="2")
    assert store.digests("north") == {"1": "new"}


@pytest.mark.parametrize("ref", ["N-1", "shop-1", "R1", "C1"])
def test_a_person_may_name_a_booking_in_any_way(store: StateStore, ref: str) -> None:
    made = store.add("north", reference="N-1", shop_key="shop-1", repairy_id="R1", repairy_code="C1")
    store.add("south", reference="S-1")
    assert store.find(ref) == [made]
    assert store.find(ref, "south") == []


def test_a_holds_id_names_its_booking(store: StateStore) -> None:
    made = store.add("north", reference="N-1")
    store.stand("north", made.id, [standing("why")])
    assert store.find(store.standings()[0].id, "north") == [made]


def test_two_halves_become_one(store: StateStore) -> None:
    """Journal and holds of the half that goes are those of the half that stays."""
    keep, drop = store.add("north", shop_key="1"), store.add("north", repairy_id="R1", reference="N-1")
    store.intend(intent("op1", drop))
    store.stand("north", drop.id, [standing("two candidates", scope="identity")])
    joined = store.join(keep, drop, repairy_id="R1", reference="N-1")
    assert store.links("north") == [joined]
    assert joined.paired
    assert [one.op for one in store.intents(keep.id)] == ["op1"]
    assert [one.link_id for one in store.standings("north")] == [keep.id]


@pytest.mark.parametrize("moved", ["keep", "drop"])
def test_halves_that_changed_meanwhile_are_not_joined(store: StateStore, moved: str) -> None:
    halves = {"keep": store.add("north", shop_key="1"), "drop": store.add("north", repairy_id="R1")}
    store.save(halves[moved], error="news")
    with pytest.raises(Conflict):
        store.join(halves["keep"], halves["drop"], repairy_id="R1")
    assert len(store.links("north")) == 2


def test_the_id_of_a_link_that_went_is_not_used_again(store: StateStore) -> None:
    keep, drop = store.add("north"), store.add("north")
    store.join(keep, drop, error="joined")
    assert store.add("north").id > drop.id


# --- the journal ---


def test_an_intent_reads_back_equal(store: StateStore) -> None:
    link = store.add("north")
    made = intent("op1", link, context={"keys": ["1"], "bound": {"a": None}}, shop={"rego": None}, repairy=None)
    store.intend(made)
    assert store.open_intents("north") == store.intents(link.id) == [made]


def test_an_outcome_and_its_link_are_stored_together(store: StateStore) -> None:
    link = store.add("north")
    store.intend(intent("op1", link))
    after = store.finish(intent("op1", link), "accepted", "", link, repairy_base={"rego": "AAA002"})
    assert store.link(link.id) == after
    assert store.open_intents("north") == []
    assert (store.intents(link.id)[0].outcome, store.intents(link.id)[0].finished_at) == ("accepted", NOON)


def test_a_stale_link_leaves_the_intent_open(store: StateStore) -> None:
    """Neither half of `finish` is stored without the other."""
    link = store.add("north")
    store.intend(intent("op1", link))
    store.save(link, error="news")
    with pytest.raises(Conflict):
        store.finish(intent("op1", link), "accepted", "", link, error="")
    assert store.open_intents("north") == [intent("op1", link)]


def test_an_intent_is_settled_once(store: StateStore) -> None:
    link = store.add("north")
    store.intend(intent("op1", link))
    link = store.finish(intent("op1", link), "rejected", "no", link)
    with pytest.raises(Conflict):
        store.finish(intent("op1", link), "accepted", "", link, error="changed")
    assert store.link(link.id) == link


def test_an_unknown_outcome_stays_open_and_can_be_settled(store: StateStore) -> None:
    link = store.add("north")
    store.intend(intent("op1", link))
    link = store.finish(intent("op1", link), "unknown", "timed out", link, look_at=later(600))
    store.look_again("op1", later(1200))
    (open_one,) = store.open_intents("north")
    assert (open_one.outcome, open_one.looks, open_one.look_at) == ("unknown", 1, later(1200))
    store.finish(open_one, "accepted", "", link)
    assert store.open_intents("north") == []


def test_the_cap_counts_visible_writes_that_went_or_may_have_gone(store: StateStore) -> None:
    link, seen = store.add("north"), {"visible": ["done"]}
    for op, outcome in (("a", "accepted"), ("b", "unknown"), ("c", "rejected"), ("d", "not_sent"), ("e", "stale")):
        store.intend(intent(op, link, context=seen))
        store.finish(intent(op, link), outcome, "", link)
    store.intend(intent("open", link, context=seen))
    store.intend(intent("silent", link))
    store.intend(intent("before", link, context=seen, started_at=later(-1)))
    assert store.visible_since("north", NOON) == 3


def test_an_intent_needs_its_link(store: StateStore) -> None:
    """Foreign keys count."""
    with pytest.raises(Conflict):
        store.intend(intent("op1", Link(99, "north")))


# --- standings ---


def test_what_goes_on_standing_keeps_its_id_and_since(store: StateStore) -> None:
    """The same kind, scope and reason are the same standing, however its count and details move."""
    link = store.add("north")
    store.stand("north", link.id, [standing("a"), standing("b")])
    first = {one.reason: one for one in store.standings("north")}
    store.stand("north", link.id, [standing("b", since=later(60), count=4, details={"x": 1}), standing("c", since=later(60))])
    second = {one.reason: one for one in store.standings("north")}
    assert set(second) == {"b", "c"}
    assert (second["b"].id, second["b"].since) == (first["b"].id, NOON)
    assert (second["b"].count, second["b"].details) == (4, {"x": 1})
    assert second["c"].since == later(60)


def test_an_id_is_eight_hex_digits_and_never_given_twice(store: StateStore) -> None:
    """Not even to the same cause when it comes back in the same second."""
    ids = []
    for _ in range(3):
        store.stand("north", None, [standing("a")])
        ids.append(store.standings("north")[0].id)
        store.stand("north", None, [])
    assert len(set(ids)) == 3
    assert all(len(one) == 8 and int(one, 16) >= 0 for one in ids)


def test_what_no_longer_stands_is_closed_and_kept(store: StateStore) -> None:
    store.stand("north", None, [standing("a")])
    store.stand("north", None, [])
    assert store.standings("north") == []
    with store.database.reading() as connection:
        assert [row.closed_at for row in connection.execute(sa.select(tables.hold))] == [NOON]


def test_a_links_standings_do_not_touch_others(store: StateStore) -> None:
    one, two = store.add("north"), store.add("north")
    store.stand("north", one.id, [standing("a")])
    store.stand("north", two.id, [standing("a")])
    store.stand("north", None, [standing("a")])
    store.stand("north", one.id, [])
    assert {standing.link_id for standing in store.standings("north")} == {two.id, None}


def test_only_the_kinds_named_are_replaced(store: StateStore) -> None:
    """The pass's own workshop-wide notes come and go beside a frozen plan."""
    store.stand("north", None, [standing("too many", kind="plan", digest="abc")], kinds={"plan"})
    store.stand("north", None, [standing("a", kind="noted")], kinds={"noted", "waiting"})
    store.stand("north", None, [], kinds={"noted", "waiting"})
    assert [one.digest for one in store.plans("north")] == ["abc"]
    assert store.standings("north", kind="noted") == []


def test_a_person_closes_one_by_its_id(store: StateStore) -> None:
    store.stand("north", None, [standing("a"), standing("b")])
    gone, stays = store.standings("north")
    store.close_standing(gone.id, "resolve")
    assert store.standings("north") == [stays]


def test_standing_still_writes_nothing(store: StateStore) -> None:
    """A quiet pass over thousands of bookings costs no commit."""
    link = store.add("north")
    store.stand("north", link.id, [standing("a")])
    writes: list[str] = []
    sa.event.listen(store.database.engine, "commit", lambda connection: writes.append("commit"))
    store.stand_all("north", {link.id: [standing("a", since=later(9))], None: []})
    assert writes == ["commit"], "one look, no write"


# --- events ---


def test_an_event_is_taken_in_once(store: StateStore) -> None:
    event = Event("e1", "created", "R1", "w1", NOON)
    assert store.add_event(event, "north")
    assert not store.add_event(event, "north")
    assert store.add_event(event, "south"), "another workshop's event of the same id is another event"
    assert store.events("north") == [event]
    assert store.event_seen("e1")
    assert not store.event_seen("e2")


def test_a_settled_event_is_done_with_and_still_known(store: StateStore) -> None:
    event = Event("e1", "created", "R1", None, NOON)
    store.add_event(event, "north")
    store.settle_event(["e1"])
    assert store.events("north") == []
    assert not store.add_event(event, "north")


def test_a_parked_event_waits_and_is_not_lost(store: StateStore) -> None:
    parked, fresh = Event("e1", "created", "R1", None, NOON), Event("e2", "created", "R2", None, NOON)
    store.add_event(parked, "north")
    store.add_event(fresh, "north")
    store.park_event(["e1"])
    assert store.events("north") == [parked, fresh]
    assert store.events("north", parked=True) == [parked]
    assert store.events("north", parked=False) == [fresh]


# --- sources, desk, decisions, runs ---


def test_a_source_is_blank_then_as_saved(store: StateStore) -> None:
    assert store.source("north", "shop") == Source("north", "shop")
    saved = Source("north", "shop", "7", {"": "db", "jobs": "id"}, NOON, NOON, "why", 4, later(60))
    for one in (replace(saved, cursor="6"), saved):
        store.save_source(one)
    assert store.source("north", "shop") == saved
    assert store.source("north", "repairy") == Source("north", "repairy")


def test_a_desk_is_blank_then_as_saved(store: StateStore) -> None:
    assert store.desk("north") == Desk("north")
    saved = Desk("north", "two-way", NOON, "visible", "abc", later(1), {"shop": "x"})
    for one in (replace(saved, paused=""), saved):
        store.save_desk(one)
    assert store.desk("north") == saved


def test_a_decision_is_taken_up_once(store: StateStore) -> None:
    first, second = store.decide("north", "resolve", "N-1", "shop"), store.decide("north", "pause", "", "all")
    assert store.decisions("north") == [first, second]
    store.take(first)
    with pytest.raises(Conflict):
        store.take(first)
    assert store.decisions("north") == [second]


def test_runs_are_kept_newest_first(store: StateStore) -> None:
    for turn in range(3):
        store.record_run("north", later(turn), later(turn + 1), {"actions": turn})
    assert [run.counts["actions"] for run in store.last_runs("north", 2)] == [2, 1]


def test_passes_that_wrote_nothing_share_a_row_for_half_an_hour(store: StateStore) -> None:
    """Counted beside those that wrote or failed, which have rows of their own; another workshop's are its own."""
    half = NOON.replace(minute=30)
    for at, counts, error in [
        (NOON, {"calls": 2}, ""), (half - timedelta(seconds=1), {}, ""), (NOON, {"repairy.accepted": 1, "calls": 3}, ""),
        (NOON, {"calls": 1}, "shop not read"), (half, {"calls": 5}, ""),
    ]:  # fmt: skip
        store.record_run("north", at, at, counts, error)
    store.record_run("south", NOON, NOON, {})
    assert sorted((run.started_at, run.error, run.counts) for run in store.last_runs("north", 9) if "quiet" in run.counts) == [
        (NOON, "", {"quiet": 2, "calls": 2}),
        (half, "", {"quiet": 1, "calls": 5}),
    ]
    assert len(store.last_runs("north", 9)) == 4
    assert [run.counts for run in store.last_runs("south", 9)] == [{"quiet": 1}]


# --- forgetting ---


def test_what_is_erased_keeps_no_personal_data_and_what_went_once_for_ever(url: str, tmp_path: Path) -> None:
    """Nothing of the customer is left in the rows, nor in the bytes of the file; reference, times and visible kinds stay."""
    store = StateStore(url, _Noon())
    person = {"status": "done", "starts_at": "2026-03-05T22:00:00Z", "name": "Customer One", "phone": "0400000001"}
    link = store.add(
        "north", reference="N-1", shop=person, repairy_base=person, visible={"done"}, refused={"repairy.name": "Customer One"}
    )
    store.intend(intent("op1", link, before=person, after=person, shop=person, context={"bound": person, "visible": ["done"]}))
    link = store.finish(intent("op1", link), "accepted", "refused 0400000001", link)
    store.stand("north", link.id, [standing("a", details={"name": "Customer One"})])
    erased = store.erase(link, state="closed")
    assert store.link(link.id) == erased
    assert (erased.reference, erased.visible, erased.state) == ("N-1", {"done"}, "closed")
    assert erased.shop == {"status": "done", "starts_at": "2026-03-05T22:00:00Z"}
    assert store.intents(link.id)[0].context == {"visible": ["done"]}
    store.close()
    left = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"Customer One" not in left
    assert b"0400000001" not in left


def test_a_link_that_changed_meanwhile_is_not_erased(store: StateStore) -> None:
    link = store.add("north", shop={"name": "Customer One"})
    store.intend(intent("op1", link))
    store.save(link, error="news")
    with pytest.raises(Conflict):
        store.erase(link)
    assert store.intents(link.id) == [intent("op1", link)]


def test_only_what_ended_long_ago_is_dropped(store: StateStore) -> None:
    """Open holds, parked and unsettled events, decisions not taken and all links stay, however old."""
    store.stand("north", None, [standing("open"), standing("closed")])
    store.stand("north", None, [standing("open")])
    for name in ("settled", "waits"):
        store.add_event(Event(name, "created", "R1", None, NOON), "north")
    store.settle_event(["settled"])
    store.take(store.decide("north", "pause", "", "all"))
    waits = store.decide("north", "resume", "", "all")
    store.record_run("north", NOON, NOON, {})
    store.prune(NOON)
    assert store.event_seen("settled"), "what ended at that moment is not older than it"
    store.prune(later(1))
    assert [one.reason for one in store.standings()] == ["open"]
    assert (store.event_seen("settled"), store.event_seen("waits")) == (False, True)
    assert store.decisions("north") == [waits]
    assert store.last_runs("north", 9) == []


# --- copying, opening, failing ---


def test_a_copy_is_whole_and_apart(url: str, tmp_path: Path) -> None:
    """`plan` works on a copy: the file itself is not touched, byte for byte."""
    store = StateStore(url, _Noon())
    link = store.add("north", reference="N-1", shop={"rego": "AAA001"}, shop_key="1", shop_digest="d")
    store.intend(intent("op1", link))
    store.add("south", reference="S-1")
    before = (tmp_path / "state.db").read_bytes()
    copy = store.copy()
    assert copy.links("north") == [link]
    assert copy.digests("north") == {"1": "d"}
    assert copy.intents(link.id) == store.intents(link.id)
    assert store.copy("south").links("north") == []
    copy.save(link, error="planned")
    assert store.links("north") == [link]
    assert (tmp_path / "state.db").read_bytes() == before


def test_a_state_that_was_never_made_copies_as_empty_and_stays_unmade(tmp_path: Path) -> None:
    store = StateStore(f"sqlite:///{tmp_path / 'state.db'}", _Noon())
    assert store.copy().links("north") == []
    assert list(tmp_path.iterdir()) == []


def test_a_state_that_was_never_made_says_what_to_do(tmp_path: Path) -> None:
    store = StateStore(f"sqlite:///{tmp_path / 'state.db'}", _Noon())
    with pytest.raises(Unreachable, match="migrate"):
        store.links("north")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrong", ["mysql://x/y", "state.db", "", "http://x"])
def test_a_place_that_cannot_hold_state_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match=r"state\.url"):
        StateStore(wrong, _Noon())


def test_a_file_that_is_no_database_is_unreachable(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"made up " * 200)
    with pytest.raises(Unreachable, match="not a database"):
        StateStore(f"sqlite:///{tmp_path / 'state.db'}", _Noon()).links("north")


def test_a_full_disk_stores_no_event_and_says_so(url: str) -> None:
    """What cannot be committed is not acknowledged. The limit on pages stands in for the disk's end."""
    store = StateStore(url, _Noon())
    with store.database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
    event = Event("e1", "created", "R" * 20_000, None, NOON)
    with pytest.raises(Unreachable, match="full"):
        store.add_event(event, "north")
    assert not store.event_seen("e1")


def test_a_state_that_only_reads_is_not_ready(url: str) -> None:
    store = StateStore(url, _Noon())
    store.ready()
    with store.database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")
    with pytest.raises(Unreachable, match="readonly"):
        store.ready()
    assert store.last_runs("", 9) == []


def test_an_error_holds_no_personal_data(url: str) -> None:
    """Neither ours nor the library's below it shows what was being stored."""
    store = StateStore(url, _Noon())
    store.add("north", reference="N-1")
    with pytest.raises(Conflict) as caught:
        store.add("north", reference="N-1", shop={"phone": "0400 000 001"})
    shown: BaseException | None = caught.value
    while shown is not None:
        assert "0400" not in str(shown)
        shown = shown.__cause__


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.links("north"),
        lambda store: store.add("north"),
        lambda store: store.add_event(Event("e", "created", "R1", None, NOON), "north"),
        lambda store: store.stand("north", None, [standing("a")]),
        lambda store: store.save_desk(Desk("north")),
        lambda store: store.ready(),
        lambda store: store.copy(),
    ],
    ids=["links", "add", "add_event", "stand", "save_desk", "ready", "copy"],
)
def test_nothing_but_our_own_errors_leaves_the_store(tmp_path: Path, call: Callable[[StateStore], object]) -> None:
    (tmp_path / "state.db").write_bytes(b"made up " * 200)
    with pytest.raises(SyncError):
        call(StateStore(f"sqlite:///{tmp_path / 'state.db'}", _Noon()))


@pytest.mark.parametrize(
    ("version", "safe"),
    [((3, 40, 1), False), ((3, 44, 5), False), ((3, 44, 6), True), ((3, 45, 0), False), ((3, 50, 6), False),
     ((3, 50, 7), True), ((3, 51, 0), False), ((3, 51, 2), False), ((3, 51, 3), True), ((3, 52, 0), True)],
)  # fmt: skip
def test_wal_is_used_only_where_its_bug_is_mended(version: tuple[int, int, int], safe: bool) -> None:
    assert wal_is_safe(version) is safe


def test_every_commit_reaches_the_disk(url: str) -> None:
    with Database(url).reading() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 10_000


# --- two at once ---


def _climb(engine: sa.Engine) -> int:
    """Two threads read a number and write it one higher, 100 times each; what it is in the end."""
    pause = threading.Event()

    def hundred() -> None:
        for _ in range(100):
            with engine.begin() as connection:
                seen = connection.exec_driver_sql("SELECT n FROM counter").scalar_one()
                pause.wait(0.0005)
                connection.exec_driver_sql("UPDATE counter SET n = ?", (seen + 1,))

    threads = [threading.Thread(target=hundred) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with engine.connect() as connection:
        return int(connection.exec_driver_sql("SELECT n FROM counter").scalar_one())


@pytest.fixture
def counter(tmp_path: Path) -> Path:
    path = tmp_path / "counter.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE counter (n INTEGER)")
        connection.execute("INSERT INTO counter VALUES (0)")
    return path


def test_two_writers_lose_nothing(counter: Path) -> None:
    """A transaction begins with BEGIN IMMEDIATE, so that what it read still stands when it writes."""
    assert _climb(open_engine(f"sqlite:///{counter}")) == 200


def test_the_librarys_default_loses_updates_without_an_error(counter: Path) -> None:
    """Why the engine is not the default one: two read, both write one more, and one of the two is gone."""
    engine, read, write = sa.create_engine(f"sqlite:///{counter}"), "SELECT n FROM counter", "UPDATE counter SET n = ?"
    with engine.connect() as one, engine.connect() as other:
        seen = [(each, each.exec_driver_sql(read).scalar_one()) for each in (one, other)]
        for each, number in seen:
            each.exec_driver_sql(write, (number + 1,))
            each.commit()
        assert one.exec_driver_sql(read).scalar_one() == 1


def test_two_threads_that_compare_and_set_lose_nothing(url: str) -> None:
    store = StateStore(url, _Noon())
    made = store.add("north", reference="N-1")

    def climb() -> None:
        for _ in range(100):
            while True:
                link = store.link(made.id)
                try:
                    store.save(link, attempts=link.attempts + 1)
                    break
                except Conflict:
                    continue

    threads = [threading.Thread(target=climb) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert store.link(made.id).attempts == 200


def test_one_in_memory_serves_many_threads(store: StateStore) -> None:
    """One connection, eight threads, each adding and reading."""

    def work(turn: int) -> None:
        for number in range(25):
            store.add("north", reference=f"{turn}-{number}")
            store.links("north", due=NOON)

    threads = [threading.Thread(target=work, args=(turn,)) for turn in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(store.links("north")) == 200


# --- the mapping journal ---


def test_what_was_appended_is_read_in_order(tmp_path: Path) -> None:
    journal = MappingJournal(tmp_path / "journal.jsonl")
    assert journal.read() == []
    journal.append(kind="link", reference="N-1")
    MappingJournal(journal.path).append(kind="visible", reference="N-1", what="done")
    assert journal.read() == [
        {"kind": "link", "reference": "N-1"},
        {"kind": "visible", "reference": "N-1", "what": "done"},
    ]


def test_a_line_torn_by_a_crash_costs_only_itself(tmp_path: Path) -> None:
    """Cut anywhere in the last line: the lines before it and those appended later are read."""
    path = tmp_path / "journal.jsonl"
    journal = MappingJournal(path)
    journal.append(n=1)
    whole = path.read_bytes()
    journal.append(n=2, text="ä")
    for cut in range(len(whole) + 1, len(path.read_bytes()) - 1):
        torn = MappingJournal(tmp_path / f"torn-{cut}")
        torn.path.write_bytes(path.read_bytes()[:cut])
        assert torn.read() == [{"n": 1}]
        torn.append(n=3)
        assert torn.read() == [{"n": 1}, {"n": 3}]


def test_the_journal_is_its_owners_alone(tmp_path: Path) -> None:
    MappingJournal(tmp_path / "journal.jsonl").append(n=1)
    assert os.stat(tmp_path / "journal.jsonl").st_mode & 0o777 == 0o600


def test_threads_append_whole_lines(tmp_path: Path) -> None:
    journal = MappingJournal(tmp_path / "journal.jsonl")

    def work(turn: int) -> None:
        for number in range(20):
            journal.append(turn=turn, number=number)

    threads = [threading.Thread(target=work, args=(turn,)) for turn in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    read: list[Mapping[str, Any]] = journal.read()
    assert {(one["turn"], one["number"]) for one in read} == {(turn, number) for turn in range(4) for number in range(20)}


def test_a_journal_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="journal"):
        MappingJournal(tmp_path / "none" / "journal.jsonl").append(n=1)


def test_a_wait_that_is_over_leaves_no_row_and_a_hold_does() -> None:
    """Bounded: an outage makes and ends thousands of waits; what a person was asked stays as history."""
    store = StateStore("sqlite://", FakeClock())
    link = store.add("Northside", shop_key="1")
    for turn in range(50):
        stands = [
            Standing("", "Northside", link.id, kind, "time", f"{kind} {turn}", store.clock.now()) for kind in ("waiting", "held")
        ]
        store.stand("Northside", link.id, stands)
    store.stand("Northside", link.id, [])
    with store.database.reading() as connection:
        kinds = connection.execute(sa.select(tables.hold.c.kind, sa.func.count()).group_by(tables.hold.c.kind)).all()
    assert [tuple(row) for row in kinds] == [("held", 50)]
