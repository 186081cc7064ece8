"""The whole life of one booking, clicked through by its customer and its workshop's owner, with the real daemon between them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from sync.demo.stage import WEB_TOKEN
from tests.browser.conftest import PATIENCE
from tests.integration.daemon_process import Ground

pytestmark = pytest.mark.xdist_group("browser")

NUMBER, PLATE = 41, "AAA041"
SETTLE = {'settle = "1s"': 'settle = "2s"'}  # the customer's click comes while the office's edit still waits

STORY = (
    "First seen at Repairy",
    "Created in the shop by repairy-sync",
    "Repairy told of a new booking",
    "Changed in the shop",
    "Changed at Repairy",
    "Held: Time was changed on both sides",
    "A person decided: use Repairy’s",
    "No longer held \\(a person decided\\)",
    "Changed in the shop by repairy-sync",
    "Set to done at Repairy by repairy-sync \\(the customer may be messaged\\)",
)


@pytest.fixture
def ground() -> Iterator[Ground]:
    with Ground("sqlite:///state.db", SETTLE) as made:
        made.start()
        yield made


@contextmanager
def tab(browser: Browser, url: str) -> Iterator[Page]:
    context = browser.new_context(base_url=url)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto("/")
    yield page
    context.close()


def typed(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M}"


def shown(moment: datetime) -> str:
    return f"{moment:%a} {moment.day} {moment:%b %Y, %H:%M}"


def books(customer: Page, start: datetime) -> None:
    fields = {"When": typed(start), "Plate": PLATE, "First name": "Customer", "Phone": "0400 000 041", "Notes": "Rattles"}
    for label, value in fields.items():
        customer.get_by_label(label).fill(value)
    customer.get_by_role("button", name="Book").click()
    expect(customer.get_by_role("heading", name=PLATE)).to_be_visible()


def enters(owner: Page) -> None:
    owner.get_by_label("Token").fill(WEB_TOKEN)
    owner.keyboard.press("Enter")


def row(owner: Page) -> Locator:
    return owner.get_by_role("row").filter(has=owner.get_by_role("link", name=PLATE))


def in_story(owner: Page, said: str) -> Locator:
    return owner.get_by_role("listitem").filter(has_text=re.compile(said)).first


@pytest.mark.soak
def test_a_booking_from_the_customers_click_to_the_message_that_it_is_ready(ground: Ground, browser: Browser) -> None:
    """Booked, in the shop, on the page; edited on both sides, held, decided by one click; worked on, done, told once."""
    booked, by_office, by_customer = (ground.office.at(2, 16), ground.office.at(3, 8), ground.office.at(3, 17))
    with tab(browser, ground.sandbox.base_url) as customer, tab(browser, f"http://127.0.0.1:{ground.web}") as owner:
        enters(owner)
        books(customer, booked)
        expect(row(owner)).to_contain_text("in step")
        expect(row(owner)).to_contain_text(f"{booked:%H:%M}")
        assert PLATE in [one["plate"] for one in ground.office.rows()]

        article = customer.get_by_role("article").filter(has_text=PLATE)
        article.get_by_label("New time").fill(typed(by_customer))
        ground.office.move(NUMBER, by_office)
        article.get_by_role("button", name="Move").click()
        expect(owner.get_by_role("heading", level=1)).to_contain_text("1 thing for you to decide")
        expect(row(owner)).to_contain_text("for you to decide")

        owner.get_by_role("link", name="To decide", exact=True).click()
        case = owner.get_by_role("article")
        expect(case).to_contain_text("Time was changed on both sides.")
        for moment in (by_office, booked, by_customer):
            expect(case.get_by_role("row", name="Start differs")).to_contain_text(shown(moment))
        case.get_by_role("button", name="Use Repairy’s").click()
        expect(owner.get_by_text("Nothing waits for you.")).to_be_visible()

        owner.get_by_role("link", name="Status", exact=True).click()
        expect(row(owner)).to_contain_text(f"{by_customer:%H:%M}")
        ground.office.status(NUMBER, "On hoist")
        expect(row(owner).get_by_text("processing")).to_have_count(2)
        ground.office.status(NUMBER, "Ready")
        row(owner).get_by_role("link").click()
        for said in STORY:
            expect_after_reloads(owner, in_story(owner, said))
        customer.goto("/")
        told = customer.get_by_text("Messages received:")
        expect(told).to_have_text(re.compile(r"^Messages received: created \(.*\), moved \(.*\), done \(.*\)$"))


def expect_after_reloads(page: Page, wanted: Locator) -> None:
    """A booking's page is not live: its reader reloads it."""
    for _ in range(40):
        if wanted.count():
            return
        page.wait_for_timeout(250)
        page.reload()
    expect(wanted).to_have_count(1)
