"""The status page: its addresses, what each shows, and what can be decided there.

A decision is stored by `sync.decisions`, as the command line does, and the next pass carries it out. Who may ask is
settled in `gate` before anything here is called.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute

from sync import decisions
from sync.core.booking import Link
from sync.engine.planning import baseline_count
from sync.engine.site import Site
from sync.errors import NotFound, SyncError
from sync.ports import Clock
from sync.state.glance import Glance
from sync.state.store import StateStore
from sync.web import board, login, looks, review
from sync.web.charts import Charts, Span
from sync.web.gate import Ask, Gate, Handler, Refused, redirect
from sync.web.login import Door
from sync.web.story import story
from sync.wiring import App


def _none() -> Sequence[str]:
    return ()


def routes(
    app: App, sites: Sequence[Site], wake: Callable[[], None], remarks: Callable[[], Sequence[str]] = _none
) -> list[BaseRoute]:
    """The page's, to stand beside the health routes; none without the secret `web_token`. `wake` must not block.

    `remarks`: what is to be said beside how the workshops stand."""
    token, settings = app.settings.secrets.web_token, app.settings
    if token is None or not token.get_secret_value().strip():
        return []
    hosts = login.allowed_hosts(settings.web.listen.host, settings.web.allowed_hosts)
    gate = Gate(Door(token.get_secret_value(), app.clock), hosts)
    deaf = [] if settings.webhooks.public_url or settings.webhooks.relay else [board.DEAF]
    return Page(sites, app.state, app.clock, gate, wake, lambda: [*deaf, *remarks()]).routes()


class Page:
    """`sites` are the workshops shown; `wake` is called after a decision and must not block."""

    def __init__(
        self,
        sites: Sequence[Site],
        state: StateStore,
        clock: Clock,
        gate: Gate,
        wake: Callable[[], None],
        remarks: Callable[[], Sequence[str]],
    ) -> None:
        self._sites = {site.name: site for site in sites}
        self._state, self._clock, self._gate, self._wake, self._remarks = state, clock, gate, wake, remarks
        self._glance = Glance(state.database, clock)
        self._charts = Charts(sites, self._glance, clock)

    def routes(self) -> list[BaseRoute]:
        shown: dict[str, Handler] = {
            "/": self._board, "/live": self._live, "/charts": self._figures, "/review": self._review,
            "/review/queue": self._queue, "/bookings/{id:int}": self._booking, "/find": self._find,
        }  # fmt: skip
        acted: dict[str, Handler] = {
            "/bookings/{id:int}/resolve": self._resolve, "/plans/{digest}/approve": self._approve,
            "/workshops/{name}/pause": self._pause,
        }  # fmt: skip
        return self._gate.routes(shown, acted)

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
        return {"now": now, "workshops": found, "days": days, "saying": saying, "remarks": self._remarks()}

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
        return self._shown(
            "booking.html", ask, **told, case=review.case(site, link, self._glance), story=story(site, self._glance, link)
        )

    def _find(self, ask: Ask) -> Response:
        """The one booking that is meant, or the list of them."""
        wanted = ask.query.get("ref", "").strip()
        found = [link for link in self._state.find(wanted) if link.workshop in self._sites] if wanted else []
        if len(found) == 1:
            return redirect(f"/bookings/{found[0].id}")
        return self._shown("found.html", ask, wanted=wanted, found=found)

    def _link(self, ask: Ask) -> Link:
        """Raises NotFound: also for a workshop that is not shown here."""
        link = self._state.link(int(ask.path["id"]))
        if link.workshop not in self._sites:
            raise NotFound("the state holds no such booking")
        return link

    def _shown(self, template: str, ask: Ask, **facts: Any) -> Response:
        return HTMLResponse(looks.render(template, ticket=self._gate.ticket(ask), **facts))

    # -- what is decided

    def _resolve(self, ask: Ask) -> Response:
        link, way = self._link(ask), ask.form.get("way", "")
        seen = ask.form["of"].split() if "of" in ask.form else None
        self._decided(lambda: decisions.resolve(self._state, link, way, ask.form.get("value", "").strip(), seen))
        self._sites[link.workshop].log.info("decided on the page", workshop=link.workshop, reference=link.reference, way=way)
        return redirect("/review" if ask.form.get("back") == "review" else f"/bookings/{link.id}")

    def _approve(self, ask: Ask) -> Response:
        digest, use = str(ask.path["digest"]), ask.form.get("use", "")
        plans = self._decided(lambda: decisions.approve(self._state, self._sites, digest, use))
        for one in plans:
            self._sites[one.workshop].log.info("approved on the page", workshop=one.workshop, digest=digest, count=one.count)
        return redirect("/review")

    def _pause(self, ask: Ask) -> Response:
        name, value = str(ask.path["name"]), ask.form.get("value", "")
        if name not in self._sites or value not in ("", "all", "visible"):
            raise Refused(400, "There is no such workshop, or no such way to pause it.")
        self._decided(lambda: decisions.pause(self._state, [name], value))  # type: ignore[arg-type]
        self._sites[name].log.info("paused on the page" if value else "resumed on the page", workshop=name, what=value)
        return redirect("/")

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
