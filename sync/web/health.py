"""`/livez` and `/readyz`, for whatever watches this machine. They need no token, and hold no personal data.

`routes` gives Starlette routes, so that the status page stands beside them in one application.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


class Moving(Protocol):
    """What /livez asks (`sync.pulse.Pulse`)."""

    def late(self) -> list[str]:
        """Workshops of which no pass has ended for too long."""
        ...


def routes(pulse: Moving, checks: Mapping[str, Callable[[], object]]) -> list[Route]:
    """`checks`: what must hold to be ready -> a call that raises where it does not, such as "state": store.ready."""

    def livez(_: Request) -> Response:
        return _answer("alive", "late", pulse.late())

    def readyz(_: Request) -> Response:
        return _answer("ready", "failed", [name for name, check in checks.items() if not _holds(check)])

    return [Route("/livez", livez), Route("/readyz", readyz)]


def _holds(check: Callable[[], object]) -> bool:
    try:
        check()
    except Exception:  # noqa: BLE001  not ready, whatever the reason; why stands in the log
        return False
    return True


def _answer(word: str, against: str, wrong: list[str]) -> Response:
    """200 {word: true}, or 503 {word: false, against: [names]}."""
    if wrong:
        return JSONResponse({word: False, against: wrong}, 503)
    return JSONResponse({word: True})
