"""The status page in a real browser: signing in, deciding by a click, refusing what is not its own, readable by everybody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from sync.web import login
from sync.web.server import Listener
from tests.browser import screenshots
from tests.integration.opened_page import TOKEN, WORKSHOP, OpenedPage

pytestmark = pytest.mark.xdist_group("browser")

Window = Callable[..., Page]
AXE = (Path(__file__).with_name("axe.min.js")).read_text(encoding="utf-8")
MOVED = "2030-01-07T22:00:00Z"
PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
LOOKS: dict[str, dict[str, Any]] = {"light": {}, "dark": {"color_scheme": "dark"}, "phone": PHONE}
PAGES = ("/", "/?span=30d", "/review", "/bookings/1", "/find?ref=nothing")


@contextmanager
def other_site(html: str) -> Iterator[str]:
    """Another program's page on this machine: to a browser the same site, but another origin."""
    listener = Listener(Starlette(routes=[Route("/", lambda _: HTMLResponse(html))]), "127.0.0.1:0")
    listener.start()
    try:
        yield f"http://127.0.0.1:{listener.port}/"
    finally:
        listener.stop()


# ---------------------------------------------------------------- the door


def test_signing_in_and_out_by_keyboard(shared: OpenedPage, window: Window) -> None:
    page = window(shared, "/", enter=False)
    expect(page).to_have_url(f"{shared.url}/login")
    page.get_by_label("Token").fill(TOKEN)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("All in step.")
    page.get_by_role("button", name="Sign out").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{shared.url}/login")
    page.goto("/review")
    expect(page).to_have_url(f"{shared.url}/login")


def test_the_lock_out_is_said(empty: OpenedPage, window: Window) -> None:
    page = window(empty, "/login", enter=False)
    for turn in range(login.TRIES):
        page.get_by_label("Token").fill(f"guess {turn}")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_contain_text("Locked" if turn == login.TRIES - 1 else "not the token")
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("Try again in")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_form_of_another_site_does_nothing(shared: OpenedPage, window: Window, host: str) -> None:
    """In the signed-in owner's own browser: from another port of this machine, and from another name."""
    page = window(shared)
    target = f"{shared.url}/workshops/{WORKSHOP}/pause"
    form = f'<form action="{target}" method="post"><input name="value" value="all"><button>Win a prize</button></form>'
    with other_site(form) as address:
        page.goto(address.replace("127.0.0.1", host))
        page.get_by_role("button", name="Win a prize").click()
        expect(page.get_by_role("alert")).to_contain_text("from another site")
    assert shared.app.state.decisions(WORKSHOP) == []
    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_contain_text("All in step.")


def test_the_page_is_not_shown_in_a_frame(shared: OpenedPage, window: Window) -> None:
    page = window(shared)
    with other_site(f'<iframe src="{shared.url}/"></iframe>') as address:
        frame = page.context.new_page()
        frame.goto(address)
        expect(frame.frame_locator("iframe").get_by_text("All in step.")).to_have_count(0)


# ---------------------------------------------------------------- what it shows


def test_charts_are_drawn(shared: OpenedPage, window: Window) -> None:
    page = window(shared)
    expect(page.locator(".chart canvas")).to_have_count(4)
    page.get_by_role("link", name="30 days").click()
    expect(page.get_by_role("heading", name="The last 30 days")).to_be_visible()
    expect(page.locator(".chart canvas")).to_have_count(4)


def test_it_is_live(shared: OpenedPage, window: Window) -> None:
    """What changes is shown without a reload, and the keyboard's place is kept."""
    page = window(shared)
    link = page.get_by_role("link", name="AAA002")
    link.focus()
    shared.site.office.status(2, "On hoist")
    shared.pass_on()
    expect(page.get_by_role("row").filter(has=link)).to_contain_text("processing")
    expect(link).to_be_focused()


def test_a_window_whose_session_ended_goes_to_the_door(shared: OpenedPage, window: Window) -> None:
    page = window(shared)
    page.context.clear_cookies()
    expect(page).to_have_url(f"{shared.url}/login")


# ---------------------------------------------------------------- what it does


@pytest.mark.parametrize(("scripts", "number"), [(True, 4), (False, 6)], ids=["with-scripts", "without"])
def test_a_held_booking_is_resolved_by_a_click(shared: OpenedPage, window: Window, scripts: bool, number: int) -> None:
    shared.move_on_both_sides(number, shared.site.office.at(5, 9), MOVED)
    page = window(shared, "/review", java_script_enabled=scripts)
    case = page.get_by_role("article", name=f"NS-{number}")
    expect(case.get_by_role("row", name="Start differs")).to_contain_text("Tue 8 Jan 2030, 09:00")
    case.get_by_role("button", name="Use Repairy’s").click()
    expect(page.get_by_text("You decided: use Repairy’s. The next pass carries it out.")).to_be_visible()
    shared.pass_on()
    if not scripts:
        page.reload()
    expect(page.get_by_text("Nothing waits for you.")).to_be_visible()
    assert str(shared.site.row(number)["dropoff"]).startswith("2030-01-08 09:00")


def test_an_overwritten_value_is_put_back_from_the_story(shared: OpenedPage, window: Window) -> None:
    shared.site.office.job(10, "Six new tyres")
    shared.pass_on()
    page = window(shared)
    page.get_by_role("link", name="AAA010").click()
    expect(page.get_by_role("listitem").filter(has_text="Changed in the shop").first).to_contain_text("Six new tyres")
    page.get_by_role("button", name="Put back what was overwritten").last.click()
    expect(page.get_by_text("You decided: put the overwritten value back")).to_be_visible()
    shared.pass_on()
    assert shared.site.booking(10)["productDescription"] == "Brake pads, front"


def test_what_was_typed_at_either_side_runs_nowhere(shared: OpenedPage, window: Window) -> None:
    shared.site.office.job(1, "<img src=x onerror=alert(1)><script>alert(2)</script>")
    shared.pass_on()
    page = window(shared)
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    expect(page.get_by_text("<img src=x onerror=alert(1)>")).to_have_count(1)
    page.get_by_role("link", name="AAA001").click()
    expect(page.get_by_text("<script>alert(2)</script>").first).to_be_visible()


# ---------------------------------------------------------------- for everybody


@pytest.fixture(scope="module")
def busy(shared: OpenedPage) -> OpenedPage:
    """With something held, so that every part of the pages is there."""
    shared.move_on_both_sides(12, shared.site.office.at(5, 9), MOVED)
    return shared


@pytest.mark.soak
@pytest.mark.parametrize("path", [*PAGES, "/login", "/bookings/999999"])
@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_serious(busy: OpenedPage, window: Window, look: str, path: str) -> None:
    page = window(busy, path, enter=path != "/login", **LOOKS[look])
    page.evaluate(AXE)
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    told = [f"{one['id']}: {one['help']} {[node['html'][:120] for node in one['nodes'][:3]]}" for one in found]
    assert not [line for line, one in zip(told, found, strict=True) if one["impact"] in ("serious", "critical")]


@pytest.mark.parametrize("path", [*PAGES, "/login"])
def test_a_phone_needs_no_scrolling_sideways(busy: OpenedPage, window: Window, path: str) -> None:
    page = window(busy, path, enter=path != "/login", **PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["viewport"]["width"]  # type: ignore[index]


def test_a_booking_is_a_card_on_a_phone(busy: OpenedPage, window: Window) -> None:
    """Time, plate and state in one line, both sides below them: all of it within the screen, none of it broken up."""
    row = window(busy, "/", **PHONE).get_by_role("row").filter(has_text="AAA003")
    boxes = [row.locator(part).bounding_box() for part in (".clock", ".plate", ".stands", "[data-of=Shop]", "[data-of=Repairy]")]
    assert all(box and box["x"] + box["width"] <= PHONE["viewport"]["width"] and box["height"] < 45 for box in boxes)  # type: ignore[index]
    tops = [round(box["y"]) for box in boxes if box]
    assert tops[0] == tops[1] == tops[2] < tops[3] == tops[4]


def test_the_keyboard_reaches_the_content_first(busy: OpenedPage, window: Window) -> None:
    page = window(busy, "/review")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_everything_is_readable_without_scripts(busy: OpenedPage, window: Window) -> None:
    page = window(busy, java_script_enabled=False)
    expect(page.get_by_role("heading", level=1)).to_contain_text("1 thing for you to decide")
    page.get_by_text("These figures as a table").click()
    expect(page.get_by_role("columnheader", name="Longest lag")).to_be_visible()


def test_the_readmes_pictures_can_be_taken(browser: Browser, tmp_path: Path) -> None:
    """Small enough for a README, each of another page."""
    with screenshots.scene(tmp_path) as scene:
        files = screenshots.take(browser, scene, tmp_path)
    assert [file.name for file in files] == ["screenshot-status.png", "screenshot-review.png", "screenshot-booking.png"]
    assert len({file.read_bytes() for file in files}) == 3
    assert all(20_000 < file.stat().st_size < 150_000 for file in files)
