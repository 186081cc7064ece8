"""The tables of the wire contract, each key with what is allowed in it. What they mean stands in config/repairy-api.toml."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from sync.core import times

Status = Literal["pending", "processing", "done", "cancelled"]
Name = Literal[
    "reference", "workshop_id", "starts_at", "ends_at", "job_notes", "description", "service_category", "service_code",
    "name", "first_name", "last_name", "company", "phone", "email", "rego", "make", "model", "badge", "year", "vin",
]  # fmt: skip


def _matches(pattern: str, allowed: str) -> AfterValidator:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"allowed is {allowed}")
        return value

    return AfterValidator(check)


def _duration(value: str) -> str:
    times.duration(value)
    return value


_STEP = r"[^.\s{}]+"
Dotted = Annotated[
    str,
    _matches(rf"{_STEP}(\.{_STEP})*", 'a name, or names joined by dots, such as "car.rego"'),
]
Maybe = Annotated[
    str,
    _matches(
        rf"({_STEP}(\.{_STEP})*)?",
        'a name such as "car.rego", or "" where there is none',
    ),
]
Header = Annotated[str, _matches(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", "the name of an HTTP header")]
Call = Annotated[
    str,
    _matches(
        r"((GET|POST|PUT|PATCH|DELETE) /[^\s?#]*)?",
        'a method and a path such as "GET /bookings/{booking_id}", or ""',
    ),
]
Word = Annotated[str, Field(min_length=1)]
Codes = tuple[Annotated[int, Field(ge=400, le=499)], ...]


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, hide_input_in_errors=True)


class Operations(Table):
    token: Call
    refresh: Call
    availability: Call
    catalog: Call
    create: Call
    read: Call
    update: Call
    set_status: Call
    quote: Call
    remind: Call
    reminder: Call
    report: Call
    call_lead: Call


class Headers(Table):
    partner_id: Header


class Token(Table):
    app_key: Dotted
    app_secret: Dotted
    access: Dotted
    refresh: Dotted
    expires_in: Dotted


class Answer(Table):
    envelope: Maybe
    created_id: Maybe


class Booking(Table):
    id: Dotted
    code: Maybe
    reference: Dotted
    workshop_id: Dotted
    car_id: Maybe
    customer_id: Maybe
    status: Dotted
    starts_at: Dotted
    ends_at: Maybe
    job_notes: Maybe
    description: Maybe
    package_type: Maybe
    service_category: Maybe
    rego: Maybe
    make: Maybe
    model: Maybe
    badge: Maybe
    year: Maybe
    vin: Maybe
    name: Maybe
    first_name: Maybe
    last_name: Maybe
    company: Maybe
    phone: Maybe
    email: Maybe
    created_at: Maybe
    updated_at: Maybe


class Services(Table):
    list: Maybe
    catalog_id: Dotted
    code: Dotted
    title: Dotted
    category: Dotted
    cost: Dotted
    max_cost: Dotted
    icon: Dotted
    color: Dotted
    source: Dotted
    catalog: Maybe
    id: Dotted


class Formats(Table):
    time: Literal["iso8601-utc", "iso8601-offset", "epoch", "epoch-ms"]
    phone: Literal["national", "e164"]
    empty: Literal["null", "text"]


class Required(Table):
    create: tuple[Name, ...]


class Constants(Table):
    create: Mapping[str, Any]
    update: Mapping[str, Any]


class Update(Table):
    editable: tuple[Name, ...]
    objects: Literal["replace", "merge"]


class Words(Table):
    pending: Word
    processing: Word
    done: Word
    cancelled: Word


class Next(Table):
    pending: tuple[Status, ...]
    processing: tuple[Status, ...]
    done: tuple[Status, ...]
    cancelled: tuple[Status, ...]


class StatusTable(Table):
    words: Words
    path: Mapping[Status, Word]
    next: Next


class Visible(Table):
    create: bool
    update: tuple[Name, ...]
    statuses: tuple[Status, ...]


class Silence(Table):
    create: Mapping[str, Any]
    update: Mapping[str, Any]
    set_status: Mapping[str, Any]


class StatusBody(Table):
    send_review: Dotted
    send_reminder: Dotted


class Errors(Table):
    token: Codes
    invalid: Codes
    forbidden: Codes
    not_found: Codes
    refused: Codes
    busy: Codes
    code: Dotted
    message: Dotted


class Availability(Table):
    days: Annotated[int, Field(ge=1)]
    from_: Annotated[Word, Field(alias="from")]
    to: Word
    catalog_id: Word
    list: Maybe
    date: Dotted
    opens: Dotted
    closes: Dotted
    slots: Dotted
    pickups: Dotted


class Quote(Table):
    workshop_id: Dotted
    first_name: Dotted
    last_name: Dotted
    phone: Dotted
    email: Dotted
    address: Dotted
    rego: Dotted
    make: Dotted
    model: Dotted
    badge: Dotted
    year: Dotted
    vin: Dotted
    service_category: Dotted
    description: Dotted
    id: Dotted


class Reminder(Table):
    workshop_id: Dotted
    customer_id: Dotted
    customer_phone: Dotted
    id: Dotted
    code: Dotted
    car_id: Dotted
    last_service_id: Dotted
    last_booking_id: Dotted
    new_booking_id: Dotted
    reference: Dotted


class Report(Table):
    from_: Annotated[Word, Field(alias="from")]
    to: Word
    list: Maybe


class Webhook(Table):
    request_id: Header
    attempt: Header
    signature: Header
    timestamp: Header
    version: Header
    algorithm: Literal["hmac-sha256", "hmac-sha1", "hmac-sha384", "hmac-sha512", "path"]
    signs: Annotated[
        str,
        _matches(
            r"(?=.*\{body\})([^{}]|\{(timestamp|body|request_id)\})*",
            "a text with {body}, and {timestamp} or {request_id} at will",
        ),
    ]
    encoding: Literal["hex", "base64"]
    tolerance: Annotated[str, AfterValidator(_duration)]
    event_id: Dotted
    action: Dotted
    sent_at: Maybe
    booking: Maybe
    actions: Mapping[str, Literal["created", "updated", "cancelled", "done"]]

    @property
    def window(self) -> timedelta:
        return times.duration(self.tolerance)
