"""The API's description as OpenAPI 3.1, made from the contract and the same table of values that the service checks by.

RULE: describes only; a schema here is exactly what is accepted, or says in words what a schema cannot say.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from sync.sandbox.operations import QUOTE_REQUIRED
from sync.sandbox.partner import JSON_TYPE, Partner
from sync.sandbox.shapes import Shapes, parent
from sync.sandbox.values import CATEGORIES, DATE, ID, LINE, LOCAL_PHONE
from sync.sandbox.workshop import PARTS

Schema = dict[str, Any]
BOOLEAN: Schema = {"type": "boolean"}
TEXT: Schema = {"type": "string"}
ANYTHING: Schema = {"type": "object"}
WITH_BODY = ("token", "refresh", "create", "update", "set_status", "quote", "remind", "call_lead")
SUMMARY = {
    "token": "Exchange App Key and Secret for an access token, which lives 48 hours",
    "refresh": "Renew the access token; the refresh token is used up",
    "availability": "Opening hours and open slots, for at most so many days as `maxDays` says",
    "catalog": "The services that a workshop offers",
    "create": "Request a booking; an external reference that exists returns its booking instead",
    "read": "One booking",
    "update": "Replace the fields that are sent; those that are not editable are ignored",
    "set_status": "Move a booking on to another status",
    "quote": "Ask for an estimate",
    "remind": "Send a reminder by SMS, now",
    "reminder": "One service reminder",
    "report": "Bookings of some days",
    "call_lead": "Tell of a call",
}


def describe(partner: Partner) -> Schema:
    """The whole description of the operations that the contract switches on."""
    shapes = partner.shapes
    paths: Schema = {}
    for operation, call in shapes.tables["operations"].items():
        if call:
            method, path = call.split(" ", 1)
            paths.setdefault(path, {})[method.lower()] = _operation(operation, path, partner)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Partner API (sandbox)", "version": "1", "description": "Made from the wire contract."},
        "servers": [{"url": "/"}],
        "security": [{"token": [], "partner": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "partner": {"type": "apiKey", "in": "header", "name": shapes.tables["headers"]["partner_id"]},
            },
            "schemas": {"Booking": _booking(shapes), "Error": _error(shapes)},
        },
    }


def _operation(operation: str, path: str, partner: Partner) -> Schema:
    described: Schema = {
        "operationId": operation,
        "summary": SUMMARY[operation],
        "parameters": _places(path, partner) + _query(operation, partner),
        "responses": _responses(operation, partner.shapes),
    }
    if operation in ("token", "refresh"):
        described["security"] = []
    if operation in WITH_BODY:
        body = {"required": operation != "set_status", "content": {JSON_TYPE: {"schema": _request(operation, partner)}}}
        described["requestBody"] = body
    if operation == "availability":
        described["x-maxDays"] = partner.shapes.tables["availability"]["days"]
    return described


def _places(path: str, partner: Partner) -> list[Schema]:
    schemas: Mapping[str, Any] = {
        "workshop_id": _workshop(partner),
        "status": {"type": "string", "enum": list(partner.shapes.path_words.values())},
    }
    known = {"booking_id": partner.bookings, "reminder_id": partner.operations.reminders}
    return [
        {
            "name": place,
            "in": "path",
            "required": True,
            "schema": schemas.get(place, ID.schema),
            **_examples(known.get(place, ())),
        }
        for place in re.findall(r"\{(\w+)\}", path)
    ]


def _workshop(partner: Partner) -> Schema:
    return {"type": "string", "enum": list(partner.diary.workshops)}


def _examples(ids: Iterable[str]) -> Schema:
    """A few that exist, where there are any."""
    shown = {each: {"value": each} for each in itertools.islice(ids, 3)}
    return {"examples": shown} if shown else {}


def _query(operation: str, partner: Partner) -> list[Schema]:
    names = partner.shapes.tables.get(operation, {})
    wanted = [(names[end], DATE.schema, True) for end in ("from", "to")] if operation in ("availability", "report") else []
    if operation == "availability":
        wanted.append((names["catalog_id"], {"type": "string", "enum": _catalog_ids(partner)}, False))
    return [{"name": name, "in": "query", "required": needed, "schema": schema} for name, schema, needed in wanted]


def _catalog_ids(partner: Partner) -> list[str]:
    """Those of every workshop; each workshop takes its own only."""
    return [each for workshop in partner.diary.workshops.values() for each in workshop.catalog_ids()]


def _request(operation: str, partner: Partner) -> Schema:
    names = partner.shapes.tables["token"]
    bodies: Mapping[str, Callable[[Partner], Schema]] = {
        "token": lambda _: _texts(names["app_key"], names["app_secret"]),
        "refresh": lambda _: _texts(names["refresh"]),
        "create": _create_request,
        "update": _update_request,
        "set_status": _status_request,
        "quote": _quote_request,
        "remind": _reminder_request,
        "call_lead": lambda partner: _holding(partner.shapes.booking["workshop_id"], _workshop(partner)),
    }
    return bodies[operation](partner)


def _texts(*names: str) -> Schema:
    return tree(dict.fromkeys(names, TEXT), names)


def _create_request(partner: Partner) -> Schema:
    shapes = partner.shapes
    required = shapes.required | {"workshop_id"}
    leaves = _fields(shapes, shapes.created, required) | _silence(shapes, "create") | _services(partner)
    leaves[shapes.created["workshop_id"]] = _workshop(partner)
    return tree(leaves, {shapes.created[field] for field in required})


def _update_request(partner: Partner) -> Schema:
    shapes = partner.shapes
    leaves = _fields(shapes, shapes.updated, shapes.required) | _silence(shapes, "update")
    leaves |= _services(partner) if shapes.services_editable else {}
    needed = {path for field, path in shapes.updated.items() if field in shapes.required and parent(path)}
    return tree(leaves, needed if shapes.replaces else (), outermost=False)


def _status_request(partner: Partner) -> Schema:
    names = partner.shapes.tables["status_body"].values()
    return tree(dict.fromkeys(names, BOOLEAN) | _silence(partner.shapes, "set_status"))


def _quote_request(partner: Partner) -> Schema:
    names = {field: path for field, path in partner.shapes.tables["quote"].items() if field != "id"}
    leaves = _fields(partner.shapes, names, QUOTE_REQUIRED) | {names["workshop_id"]: _workshop(partner)}
    return tree(leaves, {names[field] for field in QUOTE_REQUIRED})


def _reminder_request(partner: Partner) -> Schema:
    names = partner.shapes.tables["reminder"]
    who = {names["customer_id"]: ID.schema, names["customer_phone"]: LOCAL_PHONE.schema}
    where = {names["workshop_id"]: _workshop(partner)}
    return {"anyOf": [tree(where | who, {names["workshop_id"], name}) for name in who]}


def _fields(shapes: Shapes, fields: Mapping[str, str], needed: Collection[str]) -> Schema:
    return {path: shapes.kinds.get(field, LINE).described(field in needed, shapes.empty) for field, path in fields.items()}


def _silence(shapes: Shapes, part: str) -> Schema:
    words = {bool: "boolean", int: "integer", str: "string", float: "number"}
    return {name: {"type": words.get(type(value), "object")} for name, value in shapes.tables["silence"][part].items()}


def _services(partner: Partner) -> Schema:
    """A catalog service by its id, whatever else is sent; or a custom one, stored as sent."""
    names = partner.shapes.tables["services"]
    if not names["list"]:
        return {}
    listed = tree({names["catalog_id"]: {"type": "string", "enum": _catalog_ids(partner)}}, {names["catalog_id"]})
    custom = tree(
        {
            names["catalog_id"]: False,
            names["title"]: LINE.described(True),
            names["category"]: {"type": "string", "enum": CATEGORIES},
        },
        {names["title"]},
    )
    return {names["list"]: {"type": "array", "items": {"anyOf": [listed, custom]}}}


def _responses(operation: str, shapes: Shapes) -> Schema:
    """The good answer, and every error that this operation can give; 5XX only by a fault switch."""
    errors = shapes.tables["errors"]
    kinds = ["token", "forbidden", "busy", "not_found", "invalid"] + (["refused"] if operation == "set_status" else [])
    codes = {str(code) for kind in kinds for code in errors[kind]}
    failed = {"description": "refused", "content": {JSON_TYPE: {"schema": {"$ref": "#/components/schemas/Error"}}}}
    good: Schema = {"description": "done", "content": {JSON_TYPE: {"schema": _answer(operation, shapes)}}}
    links = _links(operation, shapes)
    if links:
        good["links"] = links
    return {"200": good, **dict.fromkeys(sorted(codes), failed), "5XX": failed}


def _links(operation: str, shapes: Shapes) -> Schema:
    """Where the id in an answer leads."""
    tables = shapes.tables
    leads: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
        "create": (tables["answer"]["created_id"], "booking_id", ("read", "update", "set_status")),
        "remind": (tables["reminder"]["id"], "reminder_id", ("reminder",)),
    }
    path, place, operations = leads.get(operation, ("", "", ()))
    found = "$response.body#/" + ".".join(filter(None, (tables["answer"]["envelope"], path))).replace(".", "/")
    known = [each for each in operations if path and tables["operations"][each]]
    return {each: {"operationId": each, "parameters": {place: found}} for each in known}


def _answer(operation: str, shapes: Shapes) -> Schema:
    tables = shapes.tables
    if operation in ("token", "refresh"):
        names = [tables["token"][name] for name in ("access", "refresh")]
        ends = tables["token"]["expires_in"]
        return tree({**dict.fromkeys(names, TEXT), ends: {"type": "integer"}}, {*names, ends})
    booking = {"$ref": "#/components/schemas/Booking"}
    shown: Schema = {
        "create": {"allOf": [booking, _holding(tables["answer"]["created_id"], ID.schema)]},
        "quote": _holding(tables["quote"]["id"], ID.schema),
        "reminder": _holding(tables["reminder"]["id"], ID.schema),
        "remind": _holding(tables["reminder"]["id"], ID.schema),
        "availability": _list(tables["availability"]["list"], _day(tables["availability"])),
        "catalog": _list(tables["services"]["catalog"], _item(tables["services"])),
        "report": _list(tables["report"]["list"], booking),
        "call_lead": _holding(tables["booking"]["id"], ID.schema),
    }.get(operation, booking)
    whole: Schema = _holding(tables["answer"]["envelope"], shown)
    return whole


def _holding(path: str, inner: Any) -> Any:
    """An object with this at that path; the thing itself where there is no path."""
    return tree({path: inner}, {path}) if path else inner


def _list(path: str, item: Schema) -> Any:
    return _holding(path, {"type": "array", "items": item})


def _day(names: Mapping[str, Any]) -> Schema:
    hours, times = {"type": ["string", "null"]}, {"type": "array", "items": {"type": "string"}}
    leaves = {"date": DATE.schema, "opens": hours, "closes": hours, "slots": times, "pickups": times}
    return tree({names[name]: schema for name, schema in leaves.items()}, {names[name] for name in leaves})


def _item(names: Mapping[str, str]) -> Schema:
    leaves = {names[part]: {"type": "number" if "cost" in part else "string"} for part in PARTS}
    return tree({names["id"]: ID.schema, **leaves}, {names["id"], *leaves})


def _booking(shapes: Shapes) -> Schema:
    """Every field that a booking shows; an empty one is null."""
    fixed = {"id": ID.schema, "code": {"type": "string"}, "workshop_id": ID.schema, "status": {"type": "string"}}
    time = {"type": shapes.kinds["starts_at"].schema["type"]}
    stamps = dict.fromkeys(("starts_at", "created_at", "updated_at"), time)
    leaves = {}
    for field, path in shapes.booking.items():
        kind = shapes.kinds.get(field, LINE).schema["type"]
        leaves[path] = fixed.get(field) or stamps.get(field) or {"type": [kind, "null"]}
    if shapes.tables["services"]["list"]:
        leaves[shapes.tables["services"]["list"]] = {"type": "array", "items": ANYTHING}
    return tree(leaves, leaves)


def _error(shapes: Shapes) -> Schema:
    names = [shapes.tables["errors"][part] for part in ("code", "message")]
    return tree({name: {"type": "string"} for name in names}, names)


def tree(leaves: Mapping[str, Any], required: Collection[str] = (), outermost: bool = True) -> Schema:
    """Dotted path -> schema as nested objects. An object is required where something in it is; `outermost` False: only within
    the objects that are sent."""
    properties: Schema = {}
    inner: dict[str, dict[str, Any]] = {}
    for path, schema in leaves.items():
        first, _, rest = path.partition(".")
        if rest:
            inner.setdefault(first, {})[rest] = schema
        else:
            properties[first] = schema
    for first, below in inner.items():
        properties[first] = tree(below, {path.partition(".")[2] for path in required if path.startswith(f"{first}.")})
    firsts = sorted({path.partition(".")[0] for path in required}) if outermost else []
    return {"type": "object", "properties": properties, **({"required": firsts} if firsts else {})}
