"""A real Chromium over the status page.

Where it is not installed the tests are skipped with the line that installs it; where CI is set they fail.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from sync.web.login import COOKIE
from tests.integration.opened_page import OpenedPage, page_over

PATIENCE = 20_000  # milliseconds
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For one module: playwright keeps an event loop in this thread while it runs."""
    found = shutil.which("chromium")
    if found is None:
        line = "no Chromium: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(line)
        pytest.skip(line)
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def shared(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenedPage]:
    """For all tests: each changes bookings of its own."""
    with page_over(tmp_path_factory.mktemp("browser")) as made:
        yield made


@pytest.fixture
def empty(browser: Browser, tmp_path: Path) -> Iterator[OpenedPage]:
    """Before the first pass; its door may be locked."""
    with page_over(tmp_path, filled=False) as made:
        yield made


@pytest.fixture
def window(browser: Browser) -> Iterator[Callable[..., Page]]:
    """A new browser window, signed in at this page unless told otherwise; at the end no window may have complained.

    A complaint is a script's error, a file that did not come, or something that the content policy stopped."""
    complaints: list[str] = []
    contexts = []

    def open_window(at: OpenedPage, path: str = "/", *, enter: bool = True, **how: Any) -> Page:
        context = browser.new_context(base_url=at.url, **how)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        if enter:
            with at.client() as client:
                context.add_cookies([{"name": COOKIE, "value": client.cookies[COOKIE], "url": at.url, "sameSite": "Strict"}])
        page.goto(path)
        return page

    yield open_window
    for context in contexts:
        context.close()
    assert not [one for one in complaints if "the server responded with a status of 4" not in one]
