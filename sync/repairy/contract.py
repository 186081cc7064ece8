"""The wire contract: every name, word, form and rule of the Partner API that is data, read from TOML.

The built-in file states each fact once and says which are only assumed; a site's file is laid over it, key by key.
Here is only what client, webhook check and sandbox must agree on: the data, and how one value is spelt. No signing.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from datetime import UTC, datetime, tzinfo
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from sync.core.booking import STATUSES, UNMAPPED
from sync.errors import ConfigError
from sync.repairy import tables, wire
from sync.share import CONFIG

# Tables whose inside is the wire's own or one thing: a site's file replaces them whole.
WHOLE = ("create", "constants.create", "constants.update", "silence.create", "silence.update", "silence.set_status",
         "status.path", "webhook.actions")  # fmt: skip
NEEDED = ("token", "create", "read", "update", "set_status")
# Operation -> what its path may and must name.
PLACES: Mapping[str, tuple[str, ...]] = {
    "availability": ("workshop_id",), "catalog": ("workshop_id",), "read": ("booking_id",), "update": ("booking_id",),
    "set_status": ("booking_id", "status"), "reminder": ("reminder_id",),
}  # fmt: skip


class Contract(tables.Table):
    """The whole contract, checked. Values go out and come in by its methods; nothing else knows a wire name."""

    assumed: tuple[str, ...]
    confirmed: tuple[str, ...] = ()
    operations: tables.Operations
    headers: tables.Headers
    token: tables.Token
    answer: tables.Answer
    booking: tables.Booking
    create: Mapping[tables.Name, tables.Dotted]
    services: tables.Services
    formats: tables.Formats
    required: tables.Required
    constants: tables.Constants
    update: tables.Update
    status: tables.StatusTable
    visible: tables.Visible
    silence: tables.Silence
    status_body: tables.StatusBody
    errors: tables.Errors
    availability: tables.Availability
    quote: tables.Quote
    reminder: tables.Reminder
    report: tables.Report
    webhook: tables.Webhook

    @classmethod
    def parse(cls, mapping: Mapping[str, Any], source: str = "contract") -> Contract:
        """A whole contract from a mapping shaped like the TOML. Raises ConfigError with every problem."""
        return _checked(mapping, lambda _: source, source)

    def unconfirmed(self) -> list[tuple[str, Any]]:
        """What is assumed and not confirmed: dotted key and value, in the file's order."""
        known = _leaves(self.model_dump(by_alias=True))
        return [(k, v) for k, v in known if _listed(k, self.assumed) and not _listed(k, self.confirmed)]

    def is_confirmed(self, key: str) -> bool:
        """Whether one dotted key is a documented or confirmed fact."""
        return not _listed(key, self.assumed) or _listed(key, self.confirmed)

    def call(self, operation: str, **places: str) -> tuple[str, str] | None:
        """Method and path with its places filled in as they are (quote them first); None where it is switched off."""
        method, _, path = getattr(self.operations, operation).partition(" ")
        return (method, path.format_map(places)) if method else None

    @staticmethod
    def get(body: Any, dotted: str, default: Any = None) -> Any:
        return wire.get(body, dotted, default)

    @staticmethod
    def put(body: MutableMapping[str, Any], dotted: str, value: Any) -> None:
        wire.put(body, dotted, value)

    def name(self, field: str, *, create: bool = False) -> str:
        """The dotted wire name of one of our fields on a booking, or in a create request; "" where it has none."""
        own = self.create.get(field) if create else None  # type: ignore[call-overload]
        return str(own or getattr(self.booking, field, ""))

    def word(self, status: str) -> str:
        """Our status as the wire's word."""
        return str(getattr(self.status.words, status))

    def path_word(self, status: str) -> str:
        """Our status as the word in the path of set_status."""
        return self.status.path.get(status) or self.word(status)  # type: ignore[call-overload]

    def status_of(self, word: str) -> str:
        """The wire's word as our status; an unknown one is kept, marked: "?word"."""
        known = {self.word(status).casefold(): status for status in STATUSES}
        return known.get(word.strip().casefold(), UNMAPPED + word)

    def next(self) -> dict[str, tuple[str, ...]]:
        """Status -> those that may follow it."""
        return {status: tuple(getattr(self.status.next, status)) for status in STATUSES}

    def time_out(self, moment: datetime, zone: tzinfo = UTC) -> str | int:
        return wire.time_out(moment, self.formats.time, zone)

    def time_in(self, value: Any) -> datetime:
        return wire.time_in(value, self.formats.time)

    def phone_out(self, number: str) -> str:
        return wire.phone_out(number, self.formats.phone)


def load(site: Path | None = None, builtin: Path = CONFIG / "repairy-api.toml") -> Contract:
    """The built-in contract with a site's file laid over it. Raises ConfigError with every problem of both files."""
    base = _toml(builtin)
    over = _toml(site) if site else {}
    if "assumed" in over:
        raise ConfigError(f"{site}: assumed: only the built-in contract says what is assumed; allowed is `confirmed`")
    return _checked(_laid(base, over), lambda key: str(site if _holds(over, key) else builtin), str(site or builtin))


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); allowed is a TOML file that this user can read") from error
    except ValueError as error:
        raise ConfigError(f"{path}: is not TOML in UTF-8: {error}") from error


def _laid(base: Mapping[str, Any], over: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """`over` on `base`, key by key; what WHOLE names is replaced."""
    laid = dict(base)
    for key, value in over.items():
        below = base.get(key)
        dotted = f"{path}{key}"
        tables = isinstance(value, Mapping) and isinstance(below, Mapping) and dotted not in WHOLE
        laid[key] = _laid(below, value, f"{dotted}.") if tables else value  # type: ignore[arg-type]
    return laid


def _leaves(table: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key and value of everything in a contract but `assumed` and `confirmed`."""
    for key, value in table.items():
        dotted = f"{path}{key}"
        if isinstance(value, Mapping) and dotted not in WHOLE:
            yield from _leaves(value, f"{dotted}.")
        elif dotted not in ("assumed", "confirmed"):
            yield dotted, value


def _listed(key: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(key, pattern) for pattern in patterns)


def _holds(table: Any, key: str) -> bool:
    """Whether a dotted key, as far as there are tables to step into, stands in this file."""
    for step in key.split("."):
        if not isinstance(table, Mapping):
            return True
        if step not in table:
            return False
        table = table[step]
    return True


def _checked(mapping: Mapping[str, Any], source: Callable[[str], str], blamed: str) -> Contract:
    """The contract, or ConfigError with a line for each problem; `source` names the file that a key came from.

    For what is wrong together the site's file is blamed: the built-in one alone is right."""
    try:
        contract = Contract.model_validate(mapping)
    except ValidationError as error:
        raise ConfigError(*(_line(problem, source) for problem in error.errors(include_input=False, include_url=False))) from None
    problems = [f"{blamed}: {key}: {what}" for key, what in _contradictions(contract)]
    if problems:
        raise ConfigError(*problems)
    return contract


def _line(problem: Any, source: Callable[[str], str]) -> str:
    """One pydantic problem as: file: dotted key: what is allowed."""
    steps = [str(step) for step in problem["loc"]]
    key = ".".join(steps)
    if problem["type"] == "extra_forbidden":
        return f"{source(key)}: {key}: there is no such key; allowed here: {', '.join(_siblings(steps[:-1]))}"
    if problem["type"] == "missing":
        return f"{source(key)}: {key}: is missing"
    return f"{source(key)}: {key}: {problem['msg'].removeprefix('Value error, ')}"


def _siblings(steps: list[str]) -> list[str]:
    """The keys that a table knows."""
    table: type[BaseModel] = Contract
    for step in steps:
        table = table.model_fields[step].annotation  # type: ignore[assignment]
    return [info.alias or name for name, info in table.model_fields.items()]


def _contradictions(contract: Contract) -> Iterator[tuple[str, str]]:
    """What is well-formed on its own and wrong together: dotted key, what is allowed."""
    yield from _paths(contract)
    yield from _clashes("booking", {field: name for field, name in contract.booking if name})
    yield from _nameless(contract)
    yield from _patterns(contract)
    words = [word.casefold() for _, word in contract.status.words]
    if len(set(words)) < len(words):
        yield "status.words", "each status needs a word of its own"


def _paths(contract: Contract) -> Iterator[tuple[str, str]]:
    """Operations whose path lacks a place, has a strange one, or that must not be off."""
    for operation, call in contract.operations:
        key, places = f"operations.{operation}", PLACES.get(operation, ())
        if (call and sorted(re.findall(r"\{([^{}]*)\}", call)) != sorted(places)) or re.search(
            r"[{}]", re.sub(r"\{[^{}]*\}", "", call)
        ):
            yield (
                key,
                f"its path must name {' and '.join(f'{{{place}}}' for place in places) or 'nothing'} in braces, and no more",
            )
        if not call and operation in NEEDED:
            yield key, "cannot be switched off"


def _nameless(contract: Contract) -> Iterator[tuple[str, str]]:
    """Fields that are asked for and have no place on the wire."""
    for key, fields in (("required.create", contract.required.create), ("update.editable", contract.update.editable)):
        for field in fields:
            if not (contract.services.list if field == "service_code" else contract.name(field)):
                yield key, f"{field} has no name in [booking]; allowed are fields that have one"
    if not (contract.booking.name or contract.booking.first_name):
        yield "booking.first_name", "a customer needs a name: give this, or booking.name"


def _patterns(contract: Contract) -> Iterator[tuple[str, str]]:
    """Entries of `assumed` and `confirmed` that mean nothing."""
    known = [key for key, _ in _leaves(contract.model_dump(by_alias=True))]
    for pattern in contract.assumed:
        if not any(fnmatchcase(key, pattern) for key in known):
            yield "assumed", f'"{pattern}" matches no key of the contract'
    for pattern in contract.confirmed:
        if not any(fnmatchcase(key, pattern) and _listed(key, contract.assumed) for key in known):
            yield "confirmed", f'"{pattern}" is not assumed; allowed: {", ".join(contract.assumed)}'


def _clashes(table: str, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Two fields under one wire name, or one inside the other."""
    for field, name in names.items():
        for rival, other in names.items():
            if field < rival and (name == other or name.startswith(f"{other}.") or other.startswith(f"{name}.")):
                yield (
                    f"{table}.{field}",
                    f'"{name}" collides with {table}.{rival}, "{other}"; each needs a place of its own',
                )
