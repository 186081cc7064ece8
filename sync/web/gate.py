"""Before every address of the status page: who may ask, and from where.

1. Nothing but the sign-in page and its looks without a session, nothing at all under a foreign name (Host).
2. GET changes nothing. An action is a POST with the session's ticket, from this page's own origin.
3. Whatever is answered carries headers by which no script or style runs that is not a file of ours (CSP).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from sync.errors import NotFound, SyncError
from sync.web import login, looks, wording
from sync.web.login import COOKIE, LASTS, Door, Session

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


class Gate:
    """Lets requests through to handlers: those that the door and these host names allow."""

    def __init__(self, door: Door, hosts: frozenset[str]) -> None:
        self._door, self._hosts = door, hosts

    def ticket(self, ask: Ask) -> str:
        """What the forms of the answer carry."""
        return self._door.ticket(ask.session) if ask.session else ""

    def routes(self, shown: Mapping[str, Handler], acted: Mapping[str, Handler]) -> list[BaseRoute]:
        """Addresses and what answers there: to GET, and to POST; signing in and out beside them."""
        return [
            *[Route(path, self._guarded(handler), methods=["GET"]) for path, handler in shown.items()],
            *[Route(path, self._guarded(handler), methods=["POST"]) for path, handler in acted.items()],
            Route("/logout", self._guarded(self._logout), methods=["POST"]),
            Route("/login", self._guarded(self._login_form, open_to_all=True), methods=["GET"]),
            Route("/login", self._guarded(self._login, open_to_all=True), methods=["POST"]),
            Mount("/static", _Static(directory=looks.HERE / "static")),
        ]

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
                response = _problem(refused.status, refused.said)
            except NotFound as error:
                response = _problem(404, str(error))
            except SyncError as error:
                response = _problem(503, str(error))
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
        return redirect("/") if ask.session else self._sign_in(200, "")

    def _login(self, ask: Ask) -> Response:
        session = self._door.enter(ask.form.get("token", ""))
        if session is None:
            wait = self._door.locked()
            said = f"Locked after repeated wrong tokens. Try again in {wait} seconds." if wait else "That is not the token."
            return self._sign_in(429 if wait else 401, said, {"Retry-After": str(wait)} if wait else {})
        response = redirect("/")
        how: dict[str, Any] = {"path": "/", "httponly": True, "samesite": "strict", "secure": ask.secure}
        response.set_cookie(COOKIE, self._door.cookie(session), max_age=int(LASTS.total_seconds()), **how)
        return response

    def _sign_in(self, status: int, said: str, headers: Mapping[str, str] | None = None) -> Response:
        return HTMLResponse(looks.render("login.html", said=said), status, headers)

    def _logout(self, ask: Ask) -> Response:
        if ask.session:
            self._door.leave(ask.session)
        response = redirect("/login")
        response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return response


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


def redirect(path: str) -> RedirectResponse:
    return RedirectResponse(path, 303)


def _to(path: str, request: Request) -> Response:
    """To the sign-in page; where a part of a page was asked for, the whole page goes."""
    if request.headers.get("hx-request"):
        return Response(status_code=401, headers={"HX-Redirect": path})
    return redirect(path)


def _problem(status: int, said: str) -> Response:
    return HTMLResponse(looks.render("problem.html", said=wording.sentence(said)), status)
