"""`support`: a bundle that helps, and holds no customer and no secret."""

from __future__ import annotations

import json
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sync.cli.support import Known, clean
from sync.sandbox.faults import Fault
from tests.integration.canaries import PERSONAL, SECRET, Heard, canary_at_the_counter
from tests.integration.installation import Installation, installed

NUMBER = 57


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Installation]:
    (tmp_path / "site").mkdir()
    with installed(tmp_path / "site") as made:
        yield made


def bundle(site: Installation, *words: str) -> tuple[dict[str, Any], Heard]:
    """Its files, and all of it for a search."""
    file = site.folder.parent / "bundle.zip"
    said = site.run("support", str(file), *words)
    assert said.code == 0, said.err
    heard = Heard({"stdout": said.out.encode(), "stderr": said.err.encode()})
    with zipfile.ZipFile(file) as box:
        texts = {name: box.read(name).decode() for name in box.namelist()}
    for name, text in texts.items():
        heard.add(name, text)
    return {name: json.loads(text) if name.endswith(".json") else text for name, text in texts.items()}, heard


def canary(site: Installation) -> None:
    """A customer at the counter whose every word is a canary, of whom a write failed."""
    canary_at_the_counter(site, NUMBER)
    with site.sandbox.lock:
        site.sandbox.partner.faults = [Fault("lost_answer", 1, operation="create")]


def test_no_customer_and_no_secret_is_in_it(site: Installation) -> None:
    """Canaries in a booking, in every secret, in the shop's address, in a profile's comment and SQL, and in the log."""
    site.run("sync")
    canary(site)
    site.run("sync")
    for name, value in SECRET.items():
        if not name.startswith("repairy_app"):
            site.secret(name, value)
    keys = {name: (site.folder / "secrets" / name).read_text() for name in ("repairy_app_key", "repairy_app_secret")}
    (site.folder / "ours.toml").write_text(
        f'# ask {PERSONAL["name"]}, {PERSONAL["phone"]}\nextends = "demo"\nname = "for {PERSONAL["email"]}"\n'
    )
    site.configure(profile="ours.toml", state=f"sqlite:///{site.folder}/state.db")
    log = site.folder / "daemon.log"
    ours = "timestamp=2026-03-05T12:00:00Z level=info event=pass"
    log.write_text(
        f"{ours} workshop=Northside\n{ours} error='{PERSONAL['plate']} of {PERSONAL['name']} {PERSONAL['phone']}'\n"
        f"{ours} token={SECRET['web_token']}\nanother program: {PERSONAL['notes']}\n"
    )
    found, heard = bundle(site, "--log", str(log))
    assert heard.leaks(PERSONAL, SECRET, keys) == []
    assert found["log.txt"].splitlines()[0] == f"{ours} workshop=Northside"
    assert len(found["log.txt"].splitlines()) == 3


def test_the_search_would_find_them(site: Installation) -> None:
    """The state beside it holds nearly all of them, so that they might have come in."""
    site.run("sync")
    canary(site)
    site.run("sync")
    heard = Heard({"state": (site.folder / "state.db").read_bytes()})
    assert {f"{name} in state" for name in ("name", "phone", "email", "plate", "notes")} <= set(heard.leaks(PERSONAL))


def test_it_holds_what_helps(site: Installation) -> None:
    """Versions, options, profile, contract, findings, counts, runs; writes with outcome and names of fields."""
    site.run("sync")
    canary(site)
    site.run("sync")
    found, _ = bundle(site)
    assert found["versions.json"]["schema"] == "0001"
    assert "sqlalchemy" in found["versions.json"]["libraries"]
    assert found["configuration.json"]["mode"] == "two-way"
    assert found["configuration.json"]["workshops"][0]["shop_url"] == "sqlite"
    assert found["configuration.json"]["secrets"] == ["repairy_app_key", "repairy_app_secret"]
    assert "SELECT" in found["Northside/profile.json"]["booking"]["select"]
    assert found["contract.json"]["facts"]
    assert any(one["about"] == "contract" for one in found["check.json"])
    state = found["Northside/state.json"]
    assert state["status"]["name"] == "Northside"
    assert state["runs"]
    assert sum(state["outcomes"].values()) == len(state["writes"]) > 0
    assert {"side", "kind", "fields", "outcome"} <= state["writes"][0].keys()


def test_it_is_made_without_a_state_and_without_either_side(site: Installation) -> None:
    found, _ = bundle(site, "--offline")
    assert found["Northside/state.json"]["status"]["links"] == 0


def test_it_is_made_where_the_configuration_is_wrong(site: Installation) -> None:
    """Then its problems are what helps."""
    site.configure(mode="both-ways")
    found, _ = bundle(site)
    assert any("mode" in line for line in found["configuration.json"]["problems"])


def test_it_is_for_its_owner_and_written_over_nothing(site: Installation) -> None:
    bundle(site, "--offline")
    file = site.folder.parent / "bundle.zip"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert site.run("support", str(file)).code == 78


@pytest.mark.parametrize(
    "text",
    [
        "call 0400 000 001", "call +61 400 000 001", "call (03) 9000 0001", "to made-up@example.com", "at mysql://user:pw@host/db",
        "customer one wants", "One Customer, wanting", "plate aaa001.", "brake noise when it is cold",
    ],
)  # fmt: skip
def test_what_looks_like_a_customer_is_removed(text: str) -> None:
    about = Known(phrases=frozenset({"customer one", "wanting", "aaa001", "noise when it is"}))
    assert "[removed]" in clean(text, about)


@pytest.mark.parametrize(
    "text", ["2026-03-05T12:00:00Z", "op 3f9a0c2b71de40aa", "NS7K2-1042", "127.0.0.1:8780", "0001", "17568 rows"]
)
def test_what_helps_is_kept(text: str) -> None:
    assert clean(text, Known(phrases=frozenset({"customer one"}))) == text
