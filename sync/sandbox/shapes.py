"""The wire's shapes as the contract names them: where a field stands in a body, and what a body must look like.

RULE: the contract is read here as plain tables; nothing of the client's code is used, so that their mistakes are not shared.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sync.repairy.contract import Contract
from sync.sandbox.values import KINDS, LINE, Kind, kinds

ABSENT = object()


class Refused(Exception):
    """An answer that is an error: HTTP status, the service's own word for it, and a sentence."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers


def dig(body: Any, path: str) -> Any:
    """What stands at a dotted path, or ABSENT."""
    for step in path.split(".") if path else ():
        if not isinstance(body, Mapping) or step not in body:
            return ABSENT
        body = body[step]
    return body


def put(body: dict[str, Any], path: str, value: Any) -> None:
    """Set a dotted path, making the objects on the way; the path "" merges an object into the body."""
    *way, last = path.split(".")
    for step in way:
        body = body.setdefault(step, {})
    if last:
        body[last] = value
    else:
        body.update(value)


def parent(path: str) -> str:
    return path.rpartition(".")[0]


def beside(path: str, name: str) -> str:
    """The path of another name in the same object."""
    return ".".join(filter(None, (parent(path), name)))


class Shapes:
    """One contract, as tables of field -> dotted path and field -> kind."""

    def __init__(self, contract: Contract) -> None:
        self.tables: dict[str, Any] = contract.model_dump(by_alias=True)
        table = self.tables
        self.kinds: Mapping[str, Kind] = kinds(table["formats"])
        self.booking: dict[str, str] = {field: path for field, path in table["booking"].items() if path}
        self.asked = {field: path for field, path in self.booking.items() if field in KINDS}  # what a booking holds by request
        self.created = {**self.asked, **{field: path for field, path in table["create"].items() if field in KINDS}}
        self.required = frozenset(table["required"]["create"]) & self.created.keys()
        editable = set(table["update"]["editable"])
        self.updated = {field: path for field, path in self.asked.items() if field in editable}
        self.services_editable = "service_code" in editable
        self.replaces = table["update"].get("objects", "merge") == "replace"
        self.empty: str | None = {"null": None, "text": ""}[table["formats"]["empty"]]
        self.words: dict[str, str] = dict(table["status"]["words"])
        self.path_words = {status: table["status"]["path"].get(status) or word for status, word in self.words.items()}

    def take(
        self, body: Any, fields: Mapping[str, str], required: Collection[str] = (), needed: Collection[str] | None = None
    ) -> dict[str, Any]:
        """The fields that a body brings, normalised. Refused, with every problem: a `required` one that is absent,
        a `needed` one (default: the required) that is empty, a wrong value."""
        taken, problems = {}, []
        for field, path in fields.items():
            value = self._sent(body, path)
            if value is ABSENT:
                problems += [f"{path} is required"] if field in required else []
                continue
            try:
                taken[field] = self._value(field, value, field in (required if needed is None else needed))
            except ValueError as problem:
                problems.append(f"{path} must be {problem}")
        if problems:
            raise self.refused("invalid", "invalid_fields", "; ".join(problems))
        return taken

    def _sent(self, body: Any, path: str) -> Any:
        above = dig(body, parent(path))
        if above is not ABSENT and not isinstance(above, Mapping):
            raise self.refused("invalid", "invalid_fields", f"{parent(path) or 'the body'} must be an object")
        return dig(body, path)

    def _value(self, field: str, value: Any, needed: bool) -> Any:
        return None if value == self.empty and not needed else self.kinds.get(field, LINE).take(value, needed)

    def objects_sent(self, body: Any) -> frozenset[str]:
        """The editable fields whose object is in an update, where a sent object replaces the whole one."""
        if not self.replaces:
            return frozenset()
        return frozenset(field for field, path in self.updated.items() if parent(path) and dig(body, parent(path)) is not ABSENT)

    def refused(self, kind: str, code: str, message: str) -> Refused:
        """An error of one of the contract's kinds: the last status that it names for it."""
        return Refused(self.tables["errors"][kind][-1], code, message)

    def wrapped(self, answer: Any) -> Any:
        envelope = self.tables["answer"]["envelope"]
        if not envelope:
            return answer
        outer: dict[str, Any] = {}
        put(outer, envelope, answer)
        return outer
