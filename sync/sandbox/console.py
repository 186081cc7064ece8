"""What the sandbox has beside the API: the customer's page, the fault switches, the ledger and the truth.

RULE: none of it belongs to the Partner API; the daemon never calls it. It speaks to the partner only, under the server's lock.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sync.core.times import iso, local
from sync.sandbox.faults import KINDS, Fault
from sync.sandbox.openapi import describe
from sync.sandbox.outbox import Webhook
from sync.sandbox.partner import JSON_TYPE, Answer, Partner
from sync.sandbox.shapes import Refused
from sync.sandbox.values import CATEGORIES, told, understood

FORM_TYPE = "application/x-www-form-urlencoded"
SHOWN = ("code", "status", "starts_at", "rego", "first_name", "last_name", "phone", "service_category", "job_notes", "reference")
TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


class Console:
    """Requests to `/`, `/openapi.json` and `/sandbox/…`. A form gets the page back, JSON gets JSON."""

    def __init__(self, partner: Partner) -> None:
        self.partner = partner
        self.exact: Mapping[tuple[str, str], Callable[[dict[str, Any]], Any]] = {
            ("GET", "/openapi.json"): lambda _: describe(partner),
            ("GET", "/sandbox/faults"): lambda _: [dataclasses.asdict(fault) for fault in partner.faults],
            ("DELETE", "/sandbox/faults"): lambda _: self._clear(),
            ("GET", "/sandbox/ledger"): lambda _: self._ledger(),
            ("GET", "/sandbox/bookings"): lambda _: partner.bookings,
            ("POST", "/sandbox/webhook"): self._webhook,
            ("POST", "/sandbox/book"): self._book,
        }
        self.on_booking: Mapping[str, Callable[[str, dict[str, Any]], Any]] = {
            "move": lambda key, body: partner.move(key, body.get("starts_at")),
            "cancel": lambda key, body: partner.cancel(key),
            "edit": lambda key, body: partner.edit(key, **body),
        }

    def serves(self, path: str) -> bool:
        return path in ("/", "/openapi.json") or path.startswith("/sandbox/")

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Whatever is asked, something is answered; a wrong request gets its reason."""
        form = headers.get("content-type", "").startswith(FORM_TYPE)
        try:
            if method != "GET" and _foreign(headers):
                raise Refused(403, "foreign_origin", "only this page's own forms are taken")
            if (method, path) == ("GET", "/"):
                return self._page("")
            result = self._done(method, path, _filled(body) if form else json.loads(body or b"{}"), form)
        except Refused as refused:
            return self._page(refused.message, refused.status) if form else _json(refused.status, refused.message)
        except (ValueError, TypeError, AttributeError) as error:
            return _json(422, f"the body cannot be understood: {error}")
        return Answer(303, {"Location": "/"}) if form else _json(200, result)

    def _done(self, method: str, path: str, body: Any, form: bool) -> Any:
        if (method, path) == ("POST", "/sandbox/faults"):
            return self._add(body)
        if form and body.get("starts_at"):
            body["starts_at"] = self._typed(body["starts_at"])
        if (method, path) in self.exact:
            return self.exact[method, path](body)
        steps = path.split("/")  # "", "sandbox", "bookings", id, act
        if method == "POST" and len(steps) == 5 and steps[2] == "bookings" and steps[4] in self.on_booking:
            self.on_booking[steps[4]](steps[3], body)
            return self.partner.bookings[steps[3]]
        raise Refused(404, "no_such_path", "there is nothing here")

    def _add(self, rules: Any) -> list[dict[str, Any]]:
        """Switch faults on: a list of rules, each with its `kind` and any of the fields of `Fault`."""
        self.partner.faults += [Fault(**{name: value for name, value in rule.items() if name != "fired"}) for rule in rules]
        return [dataclasses.asdict(fault) for fault in self.partner.faults]

    def _clear(self) -> list[Any]:
        self.partner.faults = []
        return []

    def _ledger(self) -> dict[str, Any]:
        post = self.partner.post
        return {
            "calls": [{**dataclasses.asdict(call), "at": iso(call.at)} for call in self.partner.calls],
            "messages": [{**dataclasses.asdict(message), "at": iso(message.at)} for message in self.partner.messages],
            "webhooks": {"waiting": len(post.waiting), "sent": post.sent, "given_up": len(post.given_up)},
        }

    def _webhook(self, body: dict[str, Any]) -> dict[str, str]:
        """Where events go from now on; an empty address switches them off."""
        now = self.partner.webhook or Webhook("", "")
        wanted = Webhook(body["url"], body.get("secret", now.secret), body.get("method", now.method)) if body.get("url") else None
        self.partner.webhook = wanted
        return {"url": wanted.url if wanted else ""}

    def _book(self, body: dict[str, Any]) -> dict[str, str]:
        fields = {name: value for name, value in body.items() if name != "workshop_id" and value != ""}
        return {"id": self.partner.book(body.get("workshop_id", ""), fields)}

    def _typed(self, text: str) -> str | int:
        """A time as a browser's form gives it, the workshop's own time without a zone, in the wire's form."""
        shapes, diary = self.partner.shapes, self.partner.diary
        try:
            moment, _ = local(datetime.fromisoformat(text).replace(tzinfo=None), diary.zone)
        except ValueError:
            raise Refused(422, "invalid_fields", "a day and a time are needed") from None
        return told(moment, shapes.tables["formats"]["time"])

    def _page(self, problem: str, status: int = 200) -> Answer:
        diary, form = self.partner.diary, self.partner.shapes.tables["formats"]["time"]
        rows = []
        for key in reversed(diary.bookings):
            row = {name: diary.field(key, name) for name in SHOWN}
            row["starts_at"] = f"{understood(row['starts_at'], form).astimezone(diary.zone):%Y-%m-%dT%H:%M}"
            mine = [message for message in self.partner.messages if message.booking_id == key]
            rows.append({**row, "id": key, "status": diary.status(key), "messages": mine})
        page = TEMPLATES.get_template("page.html").render(
            problem=problem, bookings=rows, workshops=diary.workshops.values(), categories=CATEGORIES, zone=diary.zone,
            kinds=KINDS, faults=self.partner.faults,
        )  # fmt: skip
        return Answer(status, {"Content-Type": "text/html; charset=utf-8"}, page.encode())


def _filled(body: bytes) -> dict[str, Any]:
    return {name: value for name, value in parse_qsl(body.decode(errors="replace")) if value.strip()}


def _foreign(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that another site's page sent this."""
    origin = headers.get("origin", "")
    return bool(origin) and urlsplit(origin).netloc != headers.get("host", "")


def _json(status: int, body: Any) -> Answer:
    shown = {"message": body} if status >= 400 else body
    return Answer(status, {"Content-Type": JSON_TYPE}, json.dumps(shown, ensure_ascii=False).encode())
