"""init on the shops as they are: with `--yes` it finds table, key, time, status, plate, phone and name, and may only read."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sync.cli import main
from sync.core.canonical import view
from sync.machine import SystemClock
from sync.ports import Window
from sync.share import CONFIG
from sync.shop import profile as profiles
from sync.shop.store import ShopStore
from tests.shops.program import ZONE, Planned, Program, name, phone, plate
from tests.shops.site import utc

pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]

# Of each layout: the bookings' table, its key, what its status is read from, and its start.
RIGHT: Mapping[str, tuple[str, list[str], tuple[str, ...], str]] = {
    "dms-mirror": ("appointments", ["id"], ("progress_status",), "bring_timestamp"),
    "small-shop": ("Appointment", ["id"], ("Completed",), "date"),
    "event-garage": ("MaintenanceJob", ["id"], ("ActualStartTime", "ActualEndTime"), "starttime"),
    "erp": ("in_interventi", ["id"], ("codice",), "first_start"),
    "frappe": ("tabService Appointment", ["name"], ("status",), "scheduled_start"),
    "firebird-garage": ("jobs", ["branch", "jobnr"], ("stat",), "dropoff"),
}
# Of each layout: what each word on a booking means. None: nobody can tell from a number or a letter, and init says so.
DERIVED = {"booked": "pending", "in progress": "processing", "done": "done"}
MEANT: Mapping[str, Mapping[str, str | None]] = {
    "dms-mirror": {"1": "pending", "3": None, "4": None, "9": None},
    "small-shop": DERIVED,
    "event-garage": DERIVED,
    "erp": {"CALL": "pending", "WIP": "processing", "OK": "done", "FAT": "done", "deleted": "cancelled"},
    "frappe": {
        "Scheduled": "pending", "Checked-In": "processing", "In Progress": "processing", "Completed": "done",
        "Cancelled": "cancelled",
    },
    "firebird-garage": {"B": "pending", "W": None, "I": None, "X": None},
}  # fmt: skip


def told(*words: str) -> Any:
    """What a command says in JSON."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as end:
        main(["--json", *words])
    assert not end.value.code, err.getvalue()
    return json.loads(out.getvalue())


def test_init_sees_a_shop_as_its_owner_does(program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a user who may only read: every booking to come with its time, plate, phone and name; check --offline is content."""
    went = [one for one in program.populate(300, 1) if _is_ordinary(one)]
    url = program.shop_url if "read_only_url" in program.absent else program.read_only_url()
    found = told("init", url, "--yes", "--name", "Northside", "--timezone", str(ZONE), "--out", str(tmp_path / "made"))
    table, key, columns, start = RIGHT[program.name]
    assert went, "no ordinary booking is to come: nothing would be compared"
    assert found["table"].lower() == table.lower()
    assert all(column.lower() in found["columns"]["status"].lower() for column in columns)
    assert found["columns"]["starts_at"].rpartition(".")[2].strip('"').lower() == start
    assert re.findall(r"\.[\"`]?(\w+)", found["columns"]["key"].lower()) == key
    means = {one["stored"]: one["means"] for one in found["statuses"] if one["rows"]}
    assert len(means) >= 2
    assert means.items() <= MEANT[program.name].items()
    assert not [line for line in found["unsure"] if line.startswith(("booking.", "write.", "dialects"))]
    shown = _by_plate(program, tmp_path / "made" / "our-shop.toml")
    for one in went:
        expected = {"starts_at": utc(one.start).replace(".000Z", "Z"), "name": " ".join(name(one.customer))}
        seen = shown[plate(one.number)]
        assert {field: seen[field] for field in expected} == expected
        assert seen["phone"] in (phone(one.customer).replace(" ", ""), None if _has_no_phone(program, one) else "")
        assert seen["status"] == "pending"
        assert program.row(str(seen["key"])) == program.row(*(program.keys_of(plate(one.number)) or [str(seen["key"])]))
    for secret in ("APP_KEY", "APP_SECRET"):
        monkeypatch.setenv(f"REPAIRY_SYNC_REPAIRY_{secret}", "made-up")
    assert told("--config", str(tmp_path / "made" / "repairy-sync.toml"), "check", "--offline")["findings"]


def _is_ordinary(one: Planned) -> bool:
    return not one.trait and one.status == "pending" and one.start > datetime.now(ZONE).replace(tzinfo=None) + timedelta(hours=1)


def _has_no_phone(program: Program, one: Planned) -> bool:
    """Every tenth in the mirror is only written into the appointment, where there is no place for one."""
    return program.name == "dms-mirror" and one.number % 10 == 3


def _by_plate(program: Program, file: Path) -> dict[str, dict[str, str | None]]:
    """What a pass would read through the profile that was made."""
    store = ShopStore(program.shop_url, profiles.load(file, CONFIG / "profiles"), ZONE, "w1", SystemClock())
    try:
        now = datetime.now(UTC)
        rows = store.window(Window(now, now + timedelta(days=365))).rows
        return {str(seen["rego"]): seen for row in rows if (seen := {"key": row.key, **view(row.fields)})["rego"]}
    finally:
        store.close()
