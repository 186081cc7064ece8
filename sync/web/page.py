"""The status page: its addresses, and the rules that every one of them keeps.

1. Nothing but the sign-in page and its looks without a session, nothing at all under a foreign name (Host).
2. GET changes nothing. An action is a POST with the session's ticket, from this page's own origin; it stores a decision
   by `sync.decisions`, as the command line does, and the next pass carries it out.
3. Everything shown is escaped, and no script or style runs that is not a file of ours (CSP).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from sync import decisions
from sync.core.booking import Link
from sync.engine.planning import baseline_count
from sync.engine.site import Site
from sync.errors import NotFound, SyncError
from sync.ports import Clock
from sync.state.glance import Glance
from sync.state.store import StateStore
from sync.web import board, login, review, wording
from sync.web.charts import Charts, Span
from sync.web.login import COOKIE, LASTS, Door, Session
from sync.web.story import story
from sync.wiring import App

HERE = Path(__file__).parent
MAX_FORM = 8 * 1024  # bytes
READ_SECONDS = 8.0
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",  # with less, browsers would not say where a form comes from
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
TEMPLATES = Environment(
    loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
TEMPLATES.globals |= {
    name: getattr(wording, name) for name in ("SIDES", "GROUPS", "TONES", "ago", "lasting", "wall", "exact", "sentence", "count")
}


@dataclass(frozen=True)
class Ask:
    """What a handler sees of a request."""

    path: Mapping[str, Any]
    query: Mapping[str, str]
    form: Mapping[str, str]
    session: Session | None
    secure: bool


class Refused(Exception):
    """The request is not answered with what it asks for."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status, self.said = status, said


Handler = Callable[[Ask], Response]


def routes(app: App, sites: Sequence[Site], wake: Callable[[], None]) -> list[BaseRoute]:
    """The page's, to stand beside the health routes; none without the secret `web_token`. `wake` must not block."""
    token, settings = app.settings.secrets.web_token, app.settings
    if token is None or not token.get_secret_value().strip():
        return []
    hosts = login.allowed_hosts(settings.web.listen.host, settings.web.allowed_hosts)
    door = Door(token.get_secret_value(), app.clock)
    deaf = not settings.webhooks.public_url and not settings.webhooks.relay
    return Page(sites, app.state, app.clock, door, hosts, wake, deaf).routes()


class Page:
    """`sites` are the workshops shown; `wake` is called after a decision and must not block; `deaf`: no webhooks configured."""

    def __init__(
        self,
        sites: Sequence[Site],
        state: StateStore,
        clock: Clock,
        door: Door,
        hosts: frozenset[str],
        wake: Callable[[], None],
        deaf: bool,
    ) -> None:
        self._sites = {site.name: site for site in sites}
        self._state, self._clock, self._door, self._hosts, self._wake, self._deaf = state, clock, door, hosts, wake, deaf
        self._glance = Glance(state.database, clock)
        self._charts = Charts(sites, self._glance, clock)

    def routes(self) -> list[BaseRoute]:
        shown: dict[str, Handler] = {
            "/": self._board, "/live": self._live, "/charts": self._figures, "/review": self._review,
            "/review/queue": self._queue, "/bookings/{id:int}": self._booking, "/find": self._find,
        }  # fmt: skip
        acted: dict[str, Handler] = {
            "/bookings/{id:int}/resolve": self._resolve, "/plans/{digest}/approve": self._approve,
            "/workshops/{name}/pause": self._pause, "/logout": self._logout,
        }  # fmt: skip
        return [
            *[Route(path, self._guarded(handler), methods=["GET"]) for path, handler in shown.items()],
            *[Route(path, self._guarded(handler), methods=["POST"]) for path, handler in acted.items()],
            Route("/login", self._guarded(self._login_form, open_to_all=True), methods=["GET"]),
            Route("/login", self._guarded(self._login, open_to_all=True), methods=["POST"]),
            Mount("/static", _Static(directory=HERE / "static")),
        ]

    # -- the rules

    def _guarded(self, handler: Handler, *, open_to_all: bool = False) -> Callable[[Request], Any]:
        """The handler in a thread, behind the rules; whatever comes of it carries the headers."""

        async def endpoint(request: Request) -> Response:
            try:
                ask = await self._checked(request, open_to_all)
                if ask.session is None and not open_to_all:
                    response: Response = _to("/login", request)
                else:
                    response = await run_in_threadpool(handler, ask)
            except Refused as refused:
                response = self._problem(refused.status, refused.said)
            except NotFound as error:
                response = self._problem(404, str(error))
            except SyncError as error:
                response = self._problem(503, str(error))
            response.headers.update(HEADERS)
            return response

        return endpoint

    async def _checked(self, request: Request, open_to_all: bool) -> Ask:
        """Raises Refused."""
        if login.host_of(request.headers) not in self._hosts:
            raise Refused(400, "This page is not opened under that name; web.allowed_hosts lists the names that are.")
        session, form = self._door.session(request.cookies.get(COOKIE)), dict[str, str]()
        if request.method == "POST":
            if login.is_foreign(request.headers, self._hosts):
                raise Refused(403, "This came from another site, and nothing was done.")
            form = await _form(request)
            if not open_to_all and session is not None and not self._door.admits(session, form.get("ticket", "")):
                raise Refused(403, "This form is from another session, and nothing was done. Go back, reload, and try again.")
        return Ask(request.path_params, request.query_params, form, session, login.is_secure(request.headers))

    # -- signing in and out

    def _login_form(self, ask: Ask) -> Response:
        return _redirect("/") if ask.session else self._sign_in(200, "")

    def _login(self, ask: Ask) -> Response:
        session = self._door.enter(ask.form.get("token", ""))
        if session is None:
            wait = self._door.locked()
            said = f"Locked after repeated wrong tokens. Try again in {wait} seconds." if wait else "That is not the token."
            return self._sign_in(429 if wait else 401, said, {"Retry-After": str(wait)} if wait else {})
        response = _redirect("/")
        how: dict[str, Any] = {"path": "/", "httponly": True, "samesite": "strict", "secure": ask.secure}
        response.set_cookie(COOKIE, self._door.cookie(session), max_age=int(LASTS.total_seconds()), **how)
        return response

    def _sign_in(self, status: int, said: str, headers: Mapping[str, str] | None = None) -> Response:
        return HTMLResponse(TEMPLATES.get_template("login.html").render(said=said), status, headers)

    def _logout(self, ask: Ask) -> Response:
        if ask.session:
            self._door.leave(ask.session)
        response = _redirect("/login")
        response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return response

    # -- what is shown

    def _board(self, ask: Ask) -> Response:
        return self._shown("board.html", ask, **self._now(), **self._over(ask))

    def _live(self, ask: Ask) -> Response:
        return self._shown("live.html", ask, **self._now())

    def _figures(self, ask: Ask) -> Response:
        return self._shown("charts.html", ask, **self._over(ask))

    def _now(self) -> dict[str, Any]:
        now = self._clock.now()
        found = [(site, board.workshop_now(site, self._glance)) for site in self._sites.values()]
        days = [(site, board.bookings(site, self._glance)) for site in self._sites.values()]
        saying = board.saying([one for _, one in found], now)
        return {"now": now, "workshops": found, "days": days, "saying": saying, "deaf": board.DEAF if self._deaf else ""}

    def _over(self, ask: Ask) -> dict[str, Any]:
        span: Span = "30d" if ask.query.get("span") == "30d" else "24h"
        return {"span": span, "buckets": self._charts.buckets(span), "zone": str(self._charts.zone)}

    def _review(self, ask: Ask) -> Response:
        old = [(site.name, count) for site in self._sites.values() if (count := baseline_count(site))]
        return self._shown("review.html", ask, **self._queues(), old=old)

    def _queue(self, ask: Ask) -> Response:
        return self._shown("queue.html", ask, **self._queues())

    def _queues(self) -> dict[str, Any]:
        return {"queues": [review.queue(site, self._glance) for site in self._sites.values()], "now": self._clock.now()}

    def _booking(self, ask: Ask) -> Response:
        link = self._link(ask)
        site = self._sites[link.workshop]
        told = {"link": link, "zone": site.rules.zone, "now": self._clock.now()}
        return self._shown("booking.html", ask, **told, case=review.case(site, link), story=story(site, self._glance, link))

    def _find(self, ask: Ask) -> Response:
        """The one booking that is meant, or the list of them."""
        wanted = ask.query.get("ref", "").strip()
        found = [link for link in self._state.find(wanted) if link.workshop in self._sites] if wanted else []
        if len(found) == 1:
            return _redirect(f"/bookings/{found[0].id}")
        return self._shown("found.html", ask, wanted=wanted, found=found)

    def _link(self, ask: Ask) -> Link:
        """Raises NotFound: also for a workshop that is not shown here."""
        link = self._state.link(int(ask.path["id"]))
        if link.workshop not in self._sites:
            raise NotFound("the state holds no such booking")
        return link

    def _shown(self, template: str, ask: Ask, **facts: Any) -> Response:
        ticket = self._door.ticket(ask.session) if ask.session else ""
        return HTMLResponse(TEMPLATES.get_template(template).render(ticket=ticket, **facts))

    def _problem(self, status: int, said: str) -> Response:
        return HTMLResponse(TEMPLATES.get_template("problem.html").render(said=wording.sentence(said)), status)

    # -- what is decided

    def _resolve(self, ask: Ask) -> Response:
        link, way = self._link(ask), ask.form.get("way", "")
        self._decided(lambda: decisions.resolve(self._state, link, way, ask.form.get("value", "").strip()))
        self._sites[link.workshop].log.info("decided on the page", workshop=link.workshop, reference=link.reference, way=way)
        return _redirect("/review" if ask.form.get("back") == "review" else f"/bookings/{link.id}")

    def _approve(self, ask: Ask) -> Response:
        digest, use = str(ask.path["digest"]), ask.form.get("use", "")
        plans = self._decided(lambda: decisions.approve(self._state, self._sites, digest, use))
        for one in plans:
            self._sites[one.workshop].log.info("approved on the page", workshop=one.workshop, digest=digest, count=one.count)
        return _redirect("/review")

    def _pause(self, ask: Ask) -> Response:
        name, value = str(ask.path["name"]), ask.form.get("value", "")
        if name not in self._sites or value not in ("", "all", "visible"):
            raise Refused(400, "There is no such workshop, or no such way to pause it.")
        self._decided(lambda: decisions.pause(self._state, [name], value))  # type: ignore[arg-type]
        self._sites[name].log.info("paused on the page" if value else "resumed on the page", workshop=name, what=value)
        return _redirect("/")

    def _decided(self, decide: Callable[[], Any]) -> Any:
        """Stored, and taken up at once. Raises Refused where it is no decision that can be made."""
        try:
            made = decide()
        except SyncError as error:
            if type(error) is SyncError:  # what was asked for makes no sense; anything else is the state's trouble
                raise Refused(400, str(error)) from error
            raise
        self._wake()
        return made


class _Static(StaticFiles):
    """Files of ours; nothing private, so without a session."""

    def file_response(self, *args: Any, **words: Any) -> Response:
        response = super().file_response(*args, **words)
        response.headers.update(HEADERS | {"Cache-Control": "no-cache"})
        return response


async def _form(request: Request) -> dict[str, str]:
    """The fields of a plain form. Raises Refused for one too large, too slow, or of another kind."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise Refused(415, "A form is expected here.")
    body = bytearray()
    try:
        async with asyncio.timeout(READ_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_FORM:
                    raise Refused(413, "That is too much.")
    except (TimeoutError, ClientDisconnect):
        raise Refused(408, "The form did not come whole.") from None
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=20))
    except ValueError:
        raise Refused(400, "The form cannot be read.") from None


def _redirect(path: str) -> RedirectResponse:
    return RedirectResponse(path, 303)


def _to(path: str, request: Request) -> Response:
    """To the sign-in page; where a part of a page was asked for, the whole page goes."""
    if request.headers.get("hx-request"):
        return Response(status_code=401, headers={"HX-Redirect": path})
    return _redirect(path)
