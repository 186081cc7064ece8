"""What a shop profile is: its form, as the TOML file has it, and how it is loaded. Whether it makes sense: `shop.rules`.

No database here. A profile is a file of one SELECT and a handful of statements that describes a shop database.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, StrictInt, StrictStr, ValidationError

from sync.errors import ConfigError
from sync.shop import rules, statement

Status = Literal["pending", "processing", "done", "cancelled"]


def _stored(word: object) -> bool | int | float | str:
    if isinstance(word, (bool, int, float, str)):
        return word
    raise ValueError("must be a text, a number or a boolean, as the shop stores it")


Word = Annotated[bool | int | float | str, PlainValidator(_stored)]
# One string or a list of strings, run in order; empty where the profile has none.
Statements = Annotated[tuple[str, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Booking(_Table):
    select: str
    lock: Statements = ()


class Statuses(_Table):
    """`read`: every stored word -> ours; `write`: ours -> what to store."""

    read: Mapping[str, Literal["pending", "processing", "done", "cancelled", "ignore"]]
    write: Mapping[Status, Word] = {}


class Step(_Table):
    """One step of an insert: look for a row (`find`), else make it (`insert`); its value is a parameter named `set`."""

    set: str = Field(pattern=r"^[a-z]\w*$")
    find: Statements = ()
    several: StrictInt | StrictStr = "hold"
    insert: Statements = ()


class Write(_Table):
    set_status: Statements = ()
    cancel: Statements = ()
    reschedule: Statements = ()
    set_notes: Statements = ()
    add_note: Statements = ()
    set_service: Statements = ()
    set_customer: Statements = ()
    set_vehicle: Statements = ()
    link: Statements = ()
    create: tuple[Step, ...] = ()

    def named(self) -> Iterator[tuple[str, Statements]]:
        """Each statement that changes a row that exists, with its profile key."""
        return ((name, getattr(self, name)) for name in type(self).model_fields if name != "create" and getattr(self, name))


class Limits(BaseModel):
    """The longest text of each field, in characters, beside `overflow`."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)
    __pydantic_extra__: dict[str, Annotated[StrictInt, Field(gt=0)]]
    overflow: Literal["hold", "shorten"] = "hold"

    @property
    def lengths(self) -> Mapping[str, int]:
        return self.__pydantic_extra__


class Profile(_Table):
    """One shop database, as its profile describes it."""

    name: str
    extends: str = ""
    dialects: tuple[str, ...] = ()  # empty: any
    timezone: str = "workshop"
    timezones: Mapping[str, str] = {}
    default_time: str = "08:00"
    default_category: Literal["service", "tyres", "repair", "others"] = "service"
    formats: Mapping[str, str] = {}
    limits: Limits = Field(default_factory=lambda: Limits.model_validate({}))
    booking: Booking
    status: Statuses
    write: Write = Write()

    @staticmethod
    def parse(table: Mapping[str, Any], name: str = "profile") -> Profile:
        """A profile from its TOML tables. Raises ConfigError with every problem; `name` says which file has them."""
        lines, sound = _shaped(deepcopy(dict(table)))
        if sound is not None:
            lines += [f"{key}: {allowed}" for key, allowed in rules.faults(sound)]
        if sound is None or lines:
            raise ConfigError(*(f"{name}: {line}" for line in lines))
        return sound

    @property
    def columns(self) -> tuple[str, ...]:
        """What the SELECT yields, lower-case, in order."""
        return statement.columns(self.booking.select)

    @property
    def words(self) -> Mapping[str, str]:
        """`[status.read]` with its stored words in lower case: case does not count."""
        return {stored.strip().casefold(): ours for stored, ours in self.status.read.items()}

    def zone(self, column: str, workshop: ZoneInfo) -> ZoneInfo:
        """How a naive time in this column is meant."""
        name = self.timezones.get(column, self.timezone)
        return workshop if name == "workshop" else ZoneInfo(name)

    def statements(self) -> Iterator[tuple[str, str]]:
        """Every statement with its dotted profile key, the SELECT not among them."""
        yield from (("booking.lock", sql) for sql in self.booking.lock)
        yield from ((f"write.{name}", sql) for name, several in self.write.named() for sql in several)
        for number, step in enumerate(self.write.create, 1):
            yield from ((f"write.create {number}.find", sql) for sql in step.find)
            yield from ((f"write.create {number}.insert", sql) for sql in step.insert)


def load(path: Path, builtin: Path) -> Profile:
    """The profile in a file, laid over the ones it extends. A bare name is a built-in one: `builtin`/NAME.toml.

    Raises ConfigError with every problem."""
    return Profile.parse(_laid(_place(str(path), Path(), builtin), builtin, ()), path.name)


def _place(name: str, beside: Path, builtin: Path) -> Path:
    """Where a profile of this name lies: a bare name is built in, a path is relative to the file that names it."""
    return builtin / f"{name}.toml" if Path(name).name == name and not name.endswith(".toml") else beside / name


def _laid(path: Path, builtin: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    if path in above:
        raise ConfigError(f"{path.name}: extends: goes round in a circle: {' -> '.join(p.name for p in (*above, path))}")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        known = ", ".join(sorted(file.stem for file in builtin.glob("*.toml"))) or "none"
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); a file, or a built-in profile: {known}") from error
    except ValueError as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from error
    under = table.get("extends", "")
    if not isinstance(under, str) or not under:
        return table
    return _over(_laid(_place(under, path.parent, builtin), builtin, (*above, path)), table)


def _over(under: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Tables key by key, anything else replaced whole."""
    merged = dict(under)
    for key, value in above.items():
        below = merged.get(key)
        merged[key] = _over(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def _shaped(table: dict[str, Any]) -> tuple[list[str], Profile | None]:
    """Every fault of form, and the profile without the faulty parts, so that the rest can be checked in the same run."""
    try:
        return [], Profile.model_validate(table)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        lines = list(dict.fromkeys(f"{_dotted(e['loc'])}: {_allowed(e)}" for e in found))
        mended = [_without(table, e["loc"]) for e in found if e["type"] != "missing"]
        return lines, _shaped(table)[1] if any(mended) and len(mended) == len(found) else None


def _without(table: Any, location: tuple[int | str, ...]) -> bool:
    """Take the value that a fault names out of the tables; false where it cannot be taken."""
    for part, after in zip(location, (*location[1:], None), strict=True):
        inside = table[part] if part in (table if isinstance(table, dict) else range(len(table))) else None
        if inside is None:
            return False
        if not isinstance(inside, (dict, list)) or after is None:
            del table[part]
            return True
        table = inside
    return False


def _dotted(location: tuple[int | str, ...]) -> str:
    """TOML's own spelling of a place; pydantic's words for the members of a union are left out."""
    inner = {"[key]", "str", "int", "bool", "float", "literal"}
    return ".".join(str(part + 1) if isinstance(part, int) else part for part in location if part not in inner)


def _allowed(error: Any) -> str:
    known = {"extra_forbidden": "unknown key", "missing": "is required"}
    if error["type"] == "literal_error":
        return f"must be {error['ctx']['expected']}"
    return known.get(error["type"], str(error["msg"]).removeprefix("Value error, ").lower())
