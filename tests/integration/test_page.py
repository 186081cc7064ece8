"""The status page over real sockets: who may see it, what an action must carry, and that each does what the command does."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from sync import decisions
from sync.core.booking import Side
from sync.demo.stage import WEB_TOKEN, Stage
from sync.engine.deciding import take_up
from sync.records import Standing
from sync.state.glance import Backlog
from sync.web import board, login
from tests.integration.opened_page import TOKEN, WORKSHOP, OpenedPage, page_over, ticket

pytestmark = pytest.mark.xdist_group("page")  # two installations serve them all
MOVED = "2030-01-07T22:00:00Z"
SHOWN = ("/", "/live", "/charts", "/charts?span=30d", "/review", "/review/queue", "/bookings/1", "/find?ref=NS-1")
ACTIONS = ("/bookings/1/resolve", "/plans/000000000000/approve", f"/workshops/{WORKSHOP}/pause", "/logout")


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenedPage]:
    """For tests that change nothing."""
    with page_over(tmp_path_factory.mktemp("quiet")) as made:
        yield made


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[OpenedPage]:
    """Before the first pass."""
    with page_over(tmp_path, filled=False) as made:
        yield made


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenedPage]:
    """For tests that change something: each uses bookings of its own."""
    with page_over(tmp_path_factory.mktemp("changed")) as made:
        yield made


@pytest.fixture
def client(quiet: OpenedPage) -> Iterator[httpx.Client]:
    with quiet.client() as signed_in:
        yield signed_in


@pytest.fixture
def stranger(quiet: OpenedPage) -> Iterator[httpx.Client]:
    with quiet.client(token="") as made:
        yield made


# ---------------------------------------------------------------- the door


@pytest.mark.parametrize("path", ["/", "/login", "/review", "/static/page.css"])
def test_without_the_secret_there_is_no_page(tmp_path: Path, path: str) -> None:
    with page_over(tmp_path, token="", filled=False) as made, made.client(token="") as client:
        assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", SHOWN)
def test_nothing_is_shown_without_a_session(stranger: httpx.Client, path: str) -> None:
    answer = stranger.get(path)
    assert (answer.status_code, answer.headers["location"], answer.text) == (303, "/login", "")


@pytest.mark.parametrize("path", ACTIONS)
def test_nothing_is_done_without_a_session(quiet: OpenedPage, stranger: httpx.Client, path: str) -> None:
    answer = stranger.post(path, data={"way": "retry", "value": "all"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert quiet.app.state.decisions(WORKSHOP) == []


def test_a_part_of_the_page_sends_the_whole_page_to_the_door(stranger: httpx.Client) -> None:
    """htmx would otherwise put the sign-in page into the middle of the board."""
    answer = stranger.get("/live", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/login")


@pytest.mark.parametrize("path", SHOWN)
def test_everything_is_shown_to_a_session(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == (303 if path.startswith("/find") else 200), answer.text


def test_the_cookie_is_kept_from_scripts_and_other_sites(stranger: httpx.Client) -> None:
    cookie = stranger.post("/login", data={"token": TOKEN}).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/" in cookie
    assert "secure" not in cookie, "the page was opened over http: a browser would drop it"
    assert TOKEN not in cookie


def test_behind_https_the_cookie_travels_by_https_only(tmp_path: Path) -> None:
    with page_over(tmp_path, web='allowed_hosts = ["sync.example.com"]', filled=False) as made, made.client(token="") as client:
        headers = {"Host": "sync.example.com", "Origin": "https://sync.example.com"}
        assert "secure" in client.post("/login", data={"token": TOKEN}, headers=headers).headers["set-cookie"].lower()


def test_a_wrong_token_is_refused_and_not_repeated(stranger: httpx.Client) -> None:
    answer = stranger.post("/login", data={"token": "something else"})
    assert answer.status_code == 401
    assert "something else" not in answer.text
    assert "set-cookie" not in answer.headers


def test_repeated_wrong_tokens_lock_the_door_for_a_while(empty: OpenedPage) -> None:
    """While it is locked the right token is not looked at either; those inside stay inside."""
    with empty.client() as inside, empty.client(token="") as outside:
        answers = [outside.post("/login", data={"token": f"guess {turn}"}).status_code for turn in range(login.TRIES)]
        assert answers == [401] * (login.TRIES - 1) + [429]
        locked = outside.post("/login", data={"token": TOKEN})
        assert locked.status_code == 429
        assert 0 < int(locked.headers["retry-after"]) <= 60
        assert inside.get("/").status_code == 200
        empty.clock.ahead += login.LOCKED.total_seconds() + 1
        assert outside.post("/login", data={"token": TOKEN}).status_code == 303


def test_each_further_wrong_token_locks_it_for_longer(empty: OpenedPage) -> None:
    waits = []
    with empty.client(token="") as outside:
        for _ in range(login.TRIES + 7):
            outside.post("/login", data={"token": "wrong"})
            waits.append(int(outside.post("/login", data={"token": "wrong"}).headers.get("retry-after", 0)))
            empty.clock.ahead += waits[-1] + 1
    assert max(waits) == login.LOCKED_MOST.total_seconds()
    assert sorted(waits) == waits


@pytest.mark.parametrize(
    "forge",
    [
        lambda cookie: cookie[:-1] + ("0" if cookie[-1] != "0" else "1"),
        lambda cookie: str(int(cookie.split(".")[0]) + 9999) + cookie[cookie.index(".") :],
        lambda cookie: cookie.replace(".", ".x", 1),
        lambda cookie: cookie.rpartition(".")[0],
        lambda cookie: "",
        lambda cookie: "..",
        lambda cookie: "é.é.é",
        lambda cookie: "9" * 4000,
    ],
    ids=["signature", "expiry", "nonce", "unsigned", "empty", "dots", "letters", "long"],
)
def test_a_forged_cookie_is_no_session(quiet: OpenedPage, client: httpx.Client, forge: object) -> None:
    cookie = forge(client.cookies[login.COOKIE])  # type: ignore[operator]
    raw = f"{login.COOKIE}={cookie}".encode("latin-1", "replace")
    answer = httpx.get(quiet.url + "/", headers={"Cookie": raw}, trust_env=False)  # type: ignore[dict-item]
    assert answer.status_code == 303


def test_a_session_ends_after_its_time(empty: OpenedPage) -> None:
    door = login.Door(TOKEN, empty.clock)
    over = login.Session("nonce", int(empty.clock.now().timestamp()) - 1)
    assert door.session(door.cookie(over)) is None
    assert door.session(door.cookie(login.Session("nonce", over.expires + 60))) is not None


def test_a_changed_token_ends_every_session(quiet: OpenedPage, client: httpx.Client) -> None:
    assert login.Door("another token", quiet.clock).session(client.cookies[login.COOKIE]) is None
    assert login.Door(TOKEN, quiet.clock).session(client.cookies[login.COOKIE]) is not None


def test_a_session_that_was_left_is_over_wherever_its_cookie_is(empty: OpenedPage) -> None:
    with empty.client() as client:
        cookie = client.cookies[login.COOKIE]
        assert client.post("/logout", data={"ticket": ticket(client.get("/").text)}).status_code == 303
        assert httpx.get(empty.url + "/", cookies={login.COOKIE: cookie}, trust_env=False).status_code == 303


# ---------------------------------------------------------------- names and origins


@pytest.mark.parametrize("host", ["evil.example.com", "evil.example.com:8780", "127.0.0.1.example.com", "", "[", "a@127.0.0.2"])
@pytest.mark.parametrize("path", ["/", "/login"])
def test_a_foreign_name_sees_nothing(quiet: OpenedPage, client: httpx.Client, host: str, path: str) -> None:
    """Somebody's name that points at this machine (DNS rebinding)."""
    answer = client.get(path, headers={"Host": host})
    assert answer.status_code == 400
    assert "Northside" not in answer.text
    assert "password" not in answer.text


@pytest.mark.parametrize("host", ["localhost:8780", "LOCALHOST", "[::1]:8780", "127.0.0.1"])
def test_this_machine_s_own_names_are_allowed(client: httpx.Client, host: str) -> None:
    assert client.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("listen", "more", "names"),
    [
        ("127.0.0.1", [], {"localhost", "127.0.0.1", "::1"}),
        ("0.0.0.0", ["sync.example.com:8780"], {"localhost", "127.0.0.1", "::1", "sync.example.com"}),
        ("192.0.2.7", ["Sync.Example.Com"], {"192.0.2.7", "sync.example.com"}),
        ("::1", [], {"localhost", "127.0.0.1", "::1"}),
    ],
)
def test_which_names_are_allowed(listen: str, more: list[str], names: set[str]) -> None:
    assert login.allowed_hosts(listen, more) == names


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example.com"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:9"},
    ],
    ids=["origin", "null", "fetch", "other-port"],
)
@pytest.mark.parametrize("path", ["/login", *ACTIONS])
def test_what_another_site_sends_is_refused(quiet: OpenedPage, path: str, headers: dict[str, str]) -> None:
    """Even with the session's own ticket."""
    with quiet.client() as client:
        data = {"ticket": ticket(client.get("/").text), "way": "retry", "value": "all", "token": TOKEN}
        assert client.post(path, data=data, headers=headers).status_code == 403
        assert client.get("/").status_code == 200, "it was signed out"
    assert quiet.app.state.decisions(WORKSHOP) == []


@pytest.mark.parametrize("path", ACTIONS)
@pytest.mark.parametrize("wrong", ["none", "empty", "made up", "another session's"])
def test_an_action_without_its_ticket_is_refused(quiet: OpenedPage, path: str, wrong: str) -> None:
    with quiet.client() as client, quiet.client() as other:
        theirs = ticket(other.get("/").text)
        given = {"none": {}, "empty": {"ticket": ""}, "made up": {"ticket": "0" * 64}, "another session's": {"ticket": theirs}}
        answer = client.post(path, data={"way": "retry", "value": "all", **given[wrong]})
        assert answer.status_code == 403
        assert client.get("/").status_code == 200
    assert quiet.app.state.decisions(WORKSHOP) == []


@pytest.mark.parametrize("path", ACTIONS)
def test_get_does_nothing(quiet: OpenedPage, client: httpx.Client, path: str) -> None:
    said = ticket(client.get("/").text)
    assert client.get(path, params={"ticket": said, "way": "retry", "value": "all"}).status_code == 405
    assert quiet.app.state.decisions(WORKSHOP) == []


def test_looking_at_everything_changes_nothing(quiet: OpenedPage, client: httpx.Client) -> None:
    """The state's file is the same to the last byte."""
    before = (quiet.site.folder / "state.db").read_bytes()
    for path in SHOWN:
        client.get(path)
    assert (quiet.site.folder / "state.db").read_bytes() == before


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"x" * 9000, "application/x-www-form-urlencoded", 413),
        (b"{}", "application/json", 415),
        (b"ticket=%", "multipart/form-data; boundary=x", 415),
        (b"\xff\xfe=1", "application/x-www-form-urlencoded", 400),
        (b"a=1&" * 40, "application/x-www-form-urlencoded", 400),
    ],
    ids=["large", "json", "multipart", "bytes", "many"],
)
def test_odd_forms_are_refused(client: httpx.Client, body: bytes, kind: str, status: int) -> None:
    assert client.post("/login", content=body, headers={"Content-Type": kind}).status_code == status


# ---------------------------------------------------------------- what the browser is told


@pytest.mark.parametrize("path", [*SHOWN, "/login", "/static/page.js", "/bookings/999999"])
def test_every_answer_forbids_foreign_scripts_and_frames(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == ("no-cache" if path.startswith("/static") else "no-store")


@pytest.mark.parametrize("path", [*SHOWN[:-1], "/login"])
def test_no_script_or_style_stands_in_the_page_itself(client: httpx.Client, path: str) -> None:
    text = client.get(path).text
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", text, re.IGNORECASE)
    assert not re.search(r"""(?:src|href|action)=["'](?:https?:)?//""", text), "something from another host"


def test_health_needs_no_token_and_the_page_s_names_do_not_matter_to_it(quiet: OpenedPage) -> None:
    """The page brings its own routes only: what stands beside it is not guarded by it."""
    assert httpx.get(quiet.url + "/livez", trust_env=False).status_code == 404


def test_what_people_typed_is_shown_and_never_run(opened: OpenedPage) -> None:
    """In the booking's fields on both sides, in a search, in a path."""
    nasty = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    opened.site.office.job(1, nasty)
    opened.site.office.note(1, nasty)
    opened.pass_on()
    number = opened.link(1).id
    with opened.client() as client:
        pages = [client.get(path) for path in ("/", "/review", f"/bookings/{number}")]
        pages.append(client.get("/find", params={"ref": nasty}))
        pages.append(client.post("/login", data={"token": nasty}))
        for page in pages:
            assert "<script>alert" not in page.text
            assert "<img" not in page.text
        assert "alert(1)" in pages[2].text
        assert "&lt;script&gt;" in pages[3].text


# ---------------------------------------------------------------- what it says


def test_in_step_is_said_in_one_sentence(client: httpx.Client) -> None:
    (said,) = re.findall(r'id="saying"[^>]*>([^<]*)<', client.get("/").text)
    assert re.fullmatch(r"All in step\. Last change (just now|\d+ \w+ ago)\.", said)


NOW = datetime(2026, 3, 6, 9, tzinfo=UTC)


def standing(side: Side = "shop", **other: Any) -> board.SideNow:
    minute = NOW - timedelta(minutes=1)
    return replace(board.SideNow(side, minute, NOW - timedelta(minutes=2), timedelta(), 0, 0, ""), **other)


CALM = board.WorkshopNow(
    "Northside", "two-way", "", (standing(), standing("repairy")), Backlog(0), waiting=0, noted=7, held=0, started=True
)


@pytest.mark.parametrize(
    ("changes", "tone", "text"),
    [
        ({}, "good", "All in step. Last change 2 minutes ago."),
        ({"sides": (standing(written=None), standing("repairy", written=None))}, "good", "All in step. Nothing was written yet."),
        ({"waiting": 1}, "busy", "Northside: in step, but for 1 change that waits for its time."),
        ({"waiting": 2}, "busy", "Northside: in step, but for 2 changes that wait for their time."),
        ({"due": Backlog(3, NOW - timedelta(seconds=9))}, "good", "All in step. Last change 2 minutes ago."),
        ({"due": Backlog(3, NOW - timedelta(minutes=9))}, "busy", "Northside: 3 bookings to look at, for 9 minutes."),
        ({"started": False}, "busy", "Northside: the first pass has not ended yet."),
        ({"mode": "observe"}, "attention", "Northside: only watching (mode observe), nothing is written to either side."),
        ({"held": 2, "mode": "observe"}, "attention", "Northside: 2 things for you to decide."),
        ({"held": 2, "paused": "all"}, "attention", "Northside: paused, nothing is pushed. 2 things for you to decide."),
        ({"paused": "visible"}, "attention", "Northside: paused, nothing that may message a customer is pushed."),
        (
            {"stopped": "the tables changed", "held": 1},
            "trouble",
            "Northside: nothing is written until you decide: the tables changed.",
        ),
        (
            {"sides": (standing(read=NOW - timedelta(hours=3)), standing())},
            "trouble",
            "Northside: the shop was last read 3 hours ago.",
        ),
        (
            {"sides": (standing(), standing("repairy", error="it did not answer", read=None)), "held": 1},
            "trouble",
            "Northside: Repairy could not be read; it was never read before. It did not answer.",
        ),
    ],
)
def test_the_sentence_on_top(changes: dict[str, Any], tone: str, text: str) -> None:
    assert board.saying([replace(CALM, **changes)], NOW) == board.Saying(tone, text)


def test_the_sentence_is_of_the_workshops_that_stand_worst() -> None:
    """Every one of these, none of the others."""
    held, down = replace(CALM, name="B", held=1), standing(error="it did not answer")
    troubled = [replace(CALM, name=name, sides=(down, standing("repairy"))) for name in ("C", "D")]
    said = board.saying([CALM, held, *troubled], NOW)
    assert said.tone == "trouble"
    assert [name for name in ("Northside", "B", "C", "D") if f"{name}: " in said.text] == ["C", "D"]


def test_without_webhooks_it_says_that_online_bookings_do_not_arrive(client: httpx.Client) -> None:
    assert "bookings made online do not reach the shop" in client.get("/").text


def test_bookings_of_these_days_are_there_with_both_states(quiet: OpenedPage, client: httpx.Client) -> None:
    page = client.get("/").text
    rows = re.findall(r"<tr role=\"row\">.*?</tr>", page, re.DOTALL)
    (row,) = [row for row in rows if ">AAA001<" in row]
    assert re.findall(r'data-of="(\w+)">(\w+)</td>', row) == [("Shop", "pending"), ("Repairy", "pending")]
    assert "in step" in row
    assert "Customer One" in row
    assert f"{quiet.site.office.at(0, 8):%H:%M}" in row, "the time is the workshop's own"


def test_a_side_that_is_down_comes_first(opened: OpenedPage) -> None:
    shop, away = opened.site.folder / "shop.db", opened.site.folder / "away.db"
    shop.rename(away)
    opened.pass_on()
    with opened.client() as client:
        said = re.findall(r'class="saying (\w+)" id="saying"[^>]*>([^<]*)<', client.get("/").text)
    away.rename(shop)
    opened.pass_on()
    assert said[0][0] == "trouble"
    assert "the shop could not be read" in said[0][1]


def test_a_booking_that_is_not_there_is_said_plainly(client: httpx.Client) -> None:
    answer = client.get("/bookings/999999")
    assert answer.status_code == 404
    assert "no such booking" in answer.text


# ---------------------------------------------------------------- what it does


def test_a_held_booking_shows_both_sides_beside_the_base_and_what_differs(opened: OpenedPage) -> None:
    opened.move_on_both_sides(6, opened.site.office.at(5, 9), MOVED)
    with opened.client() as client:
        page = client.get(f"/bookings/{opened.link(6).id}").text
    assert "Time was changed on both sides." in page
    (start,) = re.findall(r'<tr class="differs">\s*<th scope="row">Start.*?</tr>', page, re.DOTALL)
    cells = [re.sub(r"<[^>]+>|\s+", " ", cell).strip() for cell in re.findall(r"<td>(.*?)</td>", start, re.DOTALL)]
    assert cells[2].startswith("Tue 8 Jan 2030, 09:00")
    assert "changed" in cells[0]
    assert "changed" in cells[2]
    assert cells[1]
    assert cells[1] not in cells[0] + cells[2]


def test_a_button_does_what_the_command_does(opened: OpenedPage) -> None:
    opened.move_on_both_sides(4, opened.site.office.at(5, 9), MOVED)
    link, woken = opened.link(4), opened.woken
    with opened.client() as client:
        said = ticket(client.get("/review").text)
        answer = client.post(
            f"/bookings/{link.id}/resolve", data={"ticket": said, "way": "use", "value": "repairy", "back": "review"}
        )
        assert (answer.status_code, answer.headers["location"]) == (303, "/review")
        assert "You decided: use Repairy’s" in client.get("/review").text
        (decided,) = opened.app.state.decisions(WORKSHOP)
        assert (decided.kind, decided.target, decided.value) == ("resolve", str(link.id), '{"use": "repairy", "of": ["time"]}')
        assert opened.woken > woken, "the daemon was not woken"
        opened.pass_on()
        assert str(opened.site.row(4)["dropoff"]).startswith("2030-01-08 09:00")
        assert ">NS-4<" not in client.get("/review").text


def test_a_decision_stands_on_the_page_until_its_pass_has_ended(opened: OpenedPage) -> None:
    """Taken up, and not carried out: its buttons would be clicked again, and the page would no longer look."""
    opened.move_on_both_sides(7, opened.site.office.at(5, 9), MOVED)
    site, link = opened.bridge.engine.site, opened.link(7)
    with opened.client() as client:
        decisions.resolve(site.state, link, "use", "repairy")
        take_up(site)
        assert site.state.decisions(WORKSHOP) == []
        page, queue = client.get(f"/bookings/{link.id}").text, client.get("/review/queue").text
        assert ("You decided: use Repairy’s" in page, "Use the shop’s" in page) == (True, False)
        assert ("You decided: use Repairy’s" in queue, f"/bookings/{link.id}/resolve" in queue) == (True, False)
        assert "every 2s" in queue
        opened.pass_on()
        page = client.get("/review/queue").text
    assert ">NS-7<" not in page
    assert "every 2s" not in page


def test_a_booking_that_was_made_is_not_made_again_by_a_late_word(opened: OpenedPage) -> None:
    """Clicked twice, the second time while the first was being carried out: nothing is made, no pair is split."""
    day = datetime.fromisoformat(str(opened.site.row(8)["dropoff"]))
    booking = opened.site.book_online(8, day.replace(hour=17))
    opened.site.tell(booking)
    opened.pass_on()
    (half,) = [one for one in opened.app.state.find(booking) if one.shop_key is None]
    for _ in range(2):
        opened.app.state.decide(WORKSHOP, "resolve", str(half.id), '{"create": true}')
        opened.pass_on()
    assert [one["online_ref"] for one in opened.site.office.rows()].count(booking) == 1
    assert len([one for one in opened.site.bookings() if one["car"]["rego"] == "AAA008"]) == 2, "its own, and the online one"


@pytest.mark.parametrize(
    "data",
    [{"way": "use"}, {"way": "use", "value": "both"}, {"way": "skip", "value": "x"}, {"way": "delete"}, {"way": "link"}, {}],
)
def test_what_is_no_decision_is_refused(quiet: OpenedPage, data: dict[str, str]) -> None:
    with quiet.client() as client:
        said = ticket(client.get("/").text)
        assert client.post("/bookings/1/resolve", data={"ticket": said, **data}).status_code == 400
    assert quiet.app.state.decisions(WORKSHOP) == []


def test_a_click_is_about_what_its_page_showed(opened: OpenedPage) -> None:
    """The page was of another question: what stands by now is not decided with it."""
    opened.move_on_both_sides(12, opened.site.office.at(5, 9), MOVED)
    link = opened.link(12)
    with opened.client() as client:
        page = client.get(f"/bookings/{link.id}").text
        assert set(re.findall(r'name="of" value="([\w ]*)"', page)) == {"time"}
        data = {"ticket": ticket(page), "way": "use", "value": "repairy", "of": "missing"}
        assert client.post(f"/bookings/{link.id}/resolve", data=data).status_code == 303
        opened.pass_on()
        assert [one.scope for one in opened.app.state.standings(WORKSHOP, "held", link.id)] == ["time"]


def test_a_near_match_offers_the_other_one_and_links_it(opened: OpenedPage) -> None:
    """A walk-in and an online booking that look alike: the online one is shown beside, and linked by a click."""
    opened.site.office.book(56, opened.site.office.at(4, 9))
    booking = opened.site.book_online(56, opened.site.office.at(5, 9))
    opened.site.tell(booking)
    opened.pass_on()
    (row, online) = sorted(opened.doubtful(), key=lambda id: opened.app.state.link(id).shop_key is None)
    with opened.client() as client:
        page = client.get(f"/bookings/{row}").text
        assert "is it the same?" in page
        assert "Link to AAA056" in page
        data = {"ticket": ticket(page), "way": "link", "value": booking}
        assert client.post(f"/bookings/{row}/resolve", data=data).status_code == 303
    opened.pass_on()
    assert opened.site.row(56)["online_ref"] == booking
    assert online != row


def test_a_held_plan_is_approved(tmp_path: Path) -> None:
    with page_over(tmp_path, safety="min_count = 2\nmax_share = 0.1") as made, made.client() as client:
        for number in range(1, 11):
            made.site.office.note(number, "same day")
        made.pass_on()
        page = client.get("/review").text
        (digest,) = set(re.findall(r"/plans/(\w{12})/approve", page))
        assert "10 changes" in page
        assert client.post(f"/plans/{digest}/approve", data={"ticket": ticket(page)}).status_code == 303
        assert "You approved it." in client.get("/review").text
        take_up(made.bridge.engine.site)
        under_way = client.get("/review/queue").text
        assert ("every 2s" in under_way, "/resolve" in under_way) == (True, False), "each of the ten asks by itself"
        made.pass_on()
        assert sum(one.get("jobNotes") == "same day" for one in made.site.bookings()) == 10


def test_a_plan_that_is_not_held_is_not_approved(quiet: OpenedPage) -> None:
    with quiet.client() as client:
        said = ticket(client.get("/").text)
        assert client.post("/plans/000000000000/approve", data={"ticket": said}).status_code == 400


def test_a_restored_shop_asks_whose_values_are_right(opened: OpenedPage) -> None:
    """Two buttons in place of one, and no approval without a side; the sentence says that nothing is written."""
    state = opened.app.state
    plan = Standing("", WORKSHOP, None, "plan", "restored", "the shop seems restored from a backup", NOW, "abcdef012345", 3)
    state.stand(WORKSHOP, None, [plan], kinds={"plan"})
    with opened.client() as client:
        page = client.get("/review").text
        assert re.findall(r'name="use" value="(\w+)"', page) == ["shop", "repairy"]
        assert "nothing is written until you decide: the shop seems restored" in client.get("/").text
        said = ticket(page)
        for use, status in (("", 400), ("both", 400), ("shop", 303)):
            assert client.post("/plans/abcdef012345/approve", data={"ticket": said, "use": use}).status_code == status
    (decided,) = state.decisions(WORKSHOP)
    assert (decided.kind, decided.target, decided.value) == ("approve", "abcdef012345", "shop")
    state.take(decided)
    state.stand(WORKSHOP, None, [], kinds={"plan"})


def test_pause_and_push_again(opened: OpenedPage) -> None:
    with opened.client() as client:
        said = ticket(client.get("/").text)
        client.post(f"/workshops/{WORKSHOP}/pause", data={"ticket": said, "value": "all"})
        opened.pass_on()
        assert "paused, nothing is pushed" in client.get("/").text
        client.post(f"/workshops/{WORKSHOP}/pause", data={"ticket": said, "value": ""})
        opened.pass_on()
        assert "paused" not in client.get("/").text
        assert client.post("/workshops/Elsewhere/pause", data={"ticket": said, "value": "all"}).status_code == 400


def test_the_story_says_who_changed_what_and_an_overwritten_value_comes_back(opened: OpenedPage) -> None:
    opened.site.office.job(2, "Six new tyres")
    opened.pass_on()
    link = opened.link(2)
    with opened.client() as client:
        page = client.get(f"/bookings/{link.id}").text
        story = re.sub(r"<[^>]+>|\s+", " ", page[page.index('id="story"') :])
        story = re.sub(r"\s+", " ", story)
        assert "First seen in the shop." in story
        assert "Created at Repairy by repairy-sync." in story
        assert "Changed in the shop. Description: Brake pads, front → Six new tyres" in story
        assert "Changed at Repairy by repairy-sync. Description: Brake pads, front → Six new tyres Accepted, after " in story
        assert story.index("First seen in the shop") < story.index("Created at Repairy") < story.index("Changed at Repairy")
        (undo,) = set(re.findall(r'name="way" value="restore">\s*<input type="hidden" name="value" value="(\w+)"', page))
        data = {"ticket": ticket(page), "way": "restore", "value": undo}
        assert client.post(f"/bookings/{link.id}/resolve", data=data).headers["location"] == f"/bookings/{link.id}"
        opened.pass_on()
        assert opened.site.booking(2)["productDescription"] == "Brake pads, front"


def test_figures_count_what_happened(client: httpx.Client) -> None:
    rows = re.findall(r"<tr><th scope=\"row\" data-at=\"(\d+)\">.*?</th>(.*?)</tr>", client.get("/charts").text)
    assert len(rows) == 24
    assert [int(at) for at, _ in rows] == sorted(int(at) for at, _ in rows)
    counted = [[float(cell or 0) for cell in re.findall(r"<td>(.*?)</td>", cells)] for _, cells in rows]
    passes, unread, calls, to_shop, to_repairy, not_taken, usual, longest = (sum(column) for column in zip(*counted, strict=True))
    assert (unread, not_taken, to_shop) == (0, 0, 40), "the references that the shop remembers"
    assert to_repairy >= 40, "the creates of the backfill"
    assert passes >= 1
    assert calls >= 0
    assert 0 < usual <= longest
    assert len(re.findall(r"data-at=", client.get("/charts?span=30d").text)) == 30


# ---------------------------------------------------------------- in the daemon


def test_run_serves_it_beside_health() -> None:
    """The real process: the page behind the token, health without one and under any name, and a click taken up at once."""
    with Stage(keep=False) as stage:
        stage.start()
        with httpx.Client(base_url=f"http://127.0.0.1:{stage.web}", trust_env=False, verify=False) as client:
            assert client.get("/livez", headers={"Host": "watcher.example.com"}).status_code == 200
            assert client.get("/").headers["location"] == "/login"
            assert client.post("/login", data={"token": WEB_TOKEN}).status_code == 303
            page = client.get("/").text
            assert "Northside" in page
            assert "bookings made online do not reach" not in page, "webhooks are configured here"
            client.post(f"/workshops/{WORKSHOP}/pause", data={"ticket": ticket(page), "value": "all"})
            over = time.monotonic() + 20
            while "paused, nothing is pushed" not in client.get("/").text:
                assert time.monotonic() < over
                time.sleep(0.05)
        said = stage.log.read_text(encoding="utf-8")
        assert "paused on the page" in said
        assert WEB_TOKEN not in said
