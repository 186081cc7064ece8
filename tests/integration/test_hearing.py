"""What is wrong with webhooks is seen by who looks: refused deliveries and silence, in `status`, in `check` and on the page."""

from __future__ import annotations

import json
import re
import signal
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

from sync import settings, wiring
from sync.core.times import start_of
from sync.demo.stage import WEB_TOKEN
from sync.machine import SystemClock
from sync.ports import Event
from sync.sandbox.partner import WEBHOOK_SECRET
from sync.state.store import StateStore
from sync.web import hearing
from sync.web.webhooks import Intake
from tests.integration.daemon_process import Ground, ground_on, until
from tests.integration.installation import Installation, installed

HEADERS = {"x-webhook-signature": "00" * 32, "x-webhook-timestamp": "1", "x-other": "secret value"}
ALWAYS = "Mon-Sun 00:00-23:59"


def page_of(ground: Ground) -> str:
    """The status page, signed in."""
    with httpx.Client(base_url=f"http://127.0.0.1:{ground.web}", trust_env=False, follow_redirects=True) as client:
        client.post("/login", data={"token": WEB_TOKEN}, headers={"Origin": str(client.base_url).rstrip("/")})
        return client.get("/").text


def test_a_refused_delivery_is_seen_everywhere_with_its_headers_and_no_value(request: pytest.FixtureRequest) -> None:
    """Also after the restart that an owner tries first."""
    with ground_on("sqlite", request) as ground:
        ground.start()
        assert ground.post(b"{}", HEADERS) == 401
        shown = page_of(ground)
        ground.ended_by(signal.SIGTERM)
        ground.start()
        assert ground.post(b"{}", HEADERS) == 401
        until("both in the file", lambda: '"refused": 2' in (ground.folder / "webhooks.json").read_text(), ground)
        status, check = (json.loads(ground.tried("--json", what).stdout) for what in ("status", "check"))
        plain = ground.tried("status").stdout
    said = [*status["webhooks"], *[one["says"] for one in check["findings"] if one["about"] == "webhooks"], shown, plain]
    assert len(said) == 4
    for each in said:
        assert re.search(r"[12] webhook deliver(y was|ies were) refused since", " ".join(each.split()))
        assert "x-webhook-signature (64)" in " ".join(each.split())
        assert "secret value" not in each


def test_the_file_is_for_its_owner_and_holds_the_last_few(tmp_path: Path) -> None:
    intake, file = Intake(SystemClock()), tmp_path / "webhooks.json"
    keeper = hearing.Keeper(file, intake)
    for number in range(9):
        intake.refuse(f"reason {number}", {"x-a": "1" * number})
    keeper.once()
    heard = hearing.read(file)
    assert heard
    assert (heard.refused, [one.reason for one in heard.refusals]) == (9, [f"reason {n}" for n in range(4, 9)])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "[]", '{"since": "x"}', '{"since": "2026-01-01T00:00:00Z", "refused": 1}'])
def test_a_file_that_is_not_ours_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "webhooks.json").write_text(text, encoding="utf-8")
    assert hearing.read(tmp_path / "webhooks.json") is None


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path) as made:
        made.secret("repairy_webhook_secret", WEBHOOK_SECRET)
        made.configure(
            safety='[webhooks]\npublic_url = "https://hooks.example.com/webhooks/repairy"', policy=f'hours = "{ALWAYS}"'
        )
        made.run("sync")
        yield made


def told(site: Installation, weeks: range) -> None:
    """Three events at the beginning of this weekday, so many weeks ago."""
    store = StateStore(f"sqlite:///{site.folder / 'state.db'}", SystemClock())
    zone = ZoneInfo(site.settings["timezone"])
    midnight = start_of(datetime.now(UTC).astimezone(zone).date(), zone)
    for back in weeks:
        for number in range(3):
            moment = midnight - timedelta(weeks=back)
            store.add_event(Event(f"{back}-{number}", "updated", "booking-1", None, moment), "Northside")
    store.close()


def test_a_day_without_events_where_there_usually_are_some_is_said(site: Installation) -> None:
    told(site, range(1, 5))
    status, check = site.run("status").json, site.run("check", "--offline").json
    (said,) = status["webhooks"]
    assert said.startswith("Northside: no webhook came from Repairy today; by this time there were at least 3")
    assert said in [one["says"] for one in check["findings"]]


@pytest.mark.parametrize("weeks", [range(0), range(2, 5), range(5)], ids=["never any", "a weaker week", "some today"])
def test_silence_that_is_usual_is_not_remarked_on(site: Installation, weeks: range) -> None:
    told(site, weeks)
    assert site.run("status").json["webhooks"] == []


def test_silence_is_no_remark_where_no_webhooks_are_configured(site: Installation) -> None:
    """That is said in other words already."""
    told(site, range(1, 5))
    site.configure(safety="")
    with wiring.opened(settings.load(site.folder / "repairy-sync.toml")) as app:
        assert hearing.remarks(app, app.settings.workshops) == []
    assert "No webhooks are configured" in " ".join(site.run("status", json=False).out.split())
