"""The README's pictures: the pages of an installation with a made-up day, taken by a real browser.

python -m tests.browser.screenshots docs
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from sync.core.times import iso, local
from sync.demo.shop import ZONE
from sync.web.login import COOKIE
from tests.integration.opened_page import OpenedPage, page_over, ticket

SIZE = {"width": 1040, "height": 740}
WEBHOOKS = '[webhooks]\npublic_url = "https://example.com/webhooks/repairy"'
HELD, STORIED = 4, 6  # bookings
PICTURES = {"status": "/", "review": "/review", "booking": f"/bookings/{STORIED}"}


def take(browser: Browser, scene: OpenedPage, folder: Path) -> list[Path]:
    """A picture of each page, docs/screenshot-NAME.png where that is the folder."""
    context = browser.new_context(base_url=scene.url, viewport=SIZE)  # type: ignore[arg-type]
    with scene.client() as client:
        context.add_cookies([{"name": COOKIE, "value": client.cookies[COOKIE], "url": scene.url, "sameSite": "Strict"}])
    page, files = context.new_page(), []
    for name, path in PICTURES.items():
        page.goto(path)
        page.wait_for_load_state("networkidle")
        files.append(folder / f"screenshot-{name}.png")
        page.locator("#story-title, h1").last.evaluate("it => it.matches('h2') && it.scrollIntoView()")
        page.screenshot(path=files[-1])
    context.close()
    return files


@contextmanager
def scene(folder: Path) -> Iterator[OpenedPage]:
    """A day on which something is in every column: one booking waits for its owner, another has a story."""
    secret = folder / "secrets" / "repairy_webhook_secret"
    secret.parent.mkdir(mode=0o700)
    secret.touch(mode=0o600)
    secret.write_text("made-up-for-pictures", encoding="utf-8")
    with page_over(folder, web=WEBHOOKS, visible='["moved", "done"]') as page:
        office = page.site.office
        office.status(1, "On hoist")
        office.status(2, "Ready")
        office.job(STORIED, "Four tyres and alignment")
        page.pass_on()
        collide(page, STORIED, hour=9)
        with page.client() as client:
            form = {"ticket": ticket(client.get("/review").text), "way": "use", "value": "repairy"}
            client.post(f"/bookings/{page.link(STORIED).id}/resolve", data=form)
        page.pass_on()
        office.note(STORIED, "Call before any other work")
        page.pass_on()
        collide(page, HELD, hour=10)
        yield page


def collide(page: OpenedPage, number: int, hour: int) -> None:
    """The office and the customer move it, each to another time of the same day."""
    office = page.site.office
    moved, _ = local(office.at(number // 8, hour + 5), ZONE)
    page.move_on_both_sides(number, office.at(number // 8, hour), iso(moved))


@contextmanager
def chromium() -> Iterator[Browser]:
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        yield browser
        browser.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made, chromium() as browser, scene(Path(made)) as shown:
        for file in take(browser, shown, Path(sys.argv[1])):
            sys.stdout.write(f"{file}: {file.stat().st_size // 1024} kB\n")
