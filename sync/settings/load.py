"""Finds the file, lays the environment over it, and says everything that is wrong at once."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, TomlConfigSettingsSource

from sync.errors import ConfigError
from sync.settings import secrets
from sync.settings.clashes import Clash, Raw, clashes, passwords_given_twice, value, workshops
from sync.settings.model import Settings, reading

CONFIG_VARIABLE = secrets.PREFIX + "CONFIG"
NAME = "repairy-sync.toml"
SYSTEM = Path("/etc/repairy-sync") / NAME


def load(config: Path | None = None, environ: Mapping[str, str] = os.environ, *, need_secrets: bool = True) -> Settings:
    """The configuration: of this file, else of the first found where one may be.

    Raises ConfigError with a line for every problem. Without `need_secrets` none has to be there, nor their folder."""
    file = _file(config, environ)
    sources = (Environment(Settings, environ), _toml(file))
    raw = _laid_over(sources[1](), sources[0]())
    found = _secrets(raw, file, environ, need_secrets)
    problems = [*_unknown_variables(raw, environ), *_secret_problems(file, found)]
    clashing = [*clashes(raw, _default), *passwords_given_twice(raw, found.secrets)]
    problems += [_line(file, raw, environ, where, what) for where, what in clashing]
    try:
        with reading(file.absolute().parent, sources):
            settings = Settings()
    except ValidationError as error:
        problems += [_line(file, raw, environ, *each) for each in _complaints(error)]
    if problems:
        raise ConfigError(*dict.fromkeys(problems))
    settings._file, settings._secrets = file.absolute(), found.secrets
    return settings


def options(model: type[BaseModel] = Settings) -> Iterator[tuple[str, str, FieldInfo]]:
    """Every option outside [[workshops]]: table ("" for none), key, and its field."""
    for key, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from ((key, inner, inner_field) for inner, inner_field in field.annotation.model_fields.items())
        elif key != "workshops":
            yield "", key, field


def variable(table: str, key: str) -> str:
    """The environment variable that overrides an option."""
    return secrets.PREFIX + (f"{table}__{key}" if table else key).upper()


class Environment(PydanticBaseSettingsSource):
    """Options from the environment. Text is taken as it is; numbers and lists are written as in the file."""

    def __init__(self, settings_cls: type[BaseSettings], environ: Mapping[str, str]) -> None:
        super().__init__(settings_cls)
        self._environ = environ

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Part of the interface of a source; `__call__` needs none of it."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for table, key, field in options():
            if (written := self._environ.get(variable(table, key))) is not None:
                (found.setdefault(table, {}) if table else found)[key] = _value(field, written)
        return found


def _value(field: FieldInfo, written: str) -> Any:
    if isinstance(field.get_default(call_default_factory=True), str) or field.is_required():
        return written
    try:
        return tomllib.loads(f"value = {written}")["value"]
    except tomllib.TOMLDecodeError:
        return written  # its type is refused later, by name


def _laid_over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """One level of tables, which is all that the environment reaches."""
    merged = below | above
    for key, found in above.items():
        if isinstance(found, dict):
            merged[key] = (below[key] if isinstance(below.get(key), dict) else {}) | found
    return merged


def _file(config: Path | None, environ: Mapping[str, str]) -> Path:
    named = config or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    places = [named] if named else [Path(NAME), SYSTEM]
    for place in places:
        if place.is_file():
            return place
    if named:
        raise ConfigError(f"{named}: no such file; `repairy-sync init` makes one")
    looked = " or ".join(map(str, places))
    raise ConfigError(f"no configuration in {looked}; name one with --config, or make one: `repairy-sync init`")


def _toml(file: Path) -> TomlConfigSettingsSource:
    try:
        return TomlConfigSettingsSource(Settings, file)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: not TOML: {_without_quotes(str(error))}") from None
    except ValueError:
        raise ConfigError(f"{file}: not text in UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None


def _without_quotes(message: str) -> str:
    """The parser's message; what it quotes from the file is left out, but for single signs."""
    return re.sub(r"(['\"]).{2,}?\1", "…", message)


def _default(table: str, key: str) -> Any:
    return {(where, name): field.get_default(call_default_factory=True) for where, name, field in options()}[table, key]


def _secrets(raw: Raw, file: Path, environ: Mapping[str, str], needed: bool) -> secrets.Found:
    named = raw.get("secrets_dir")
    folder = named if isinstance(named, str) and named else environ.get("CREDENTIALS_DIRECTORY")
    webhooks = value(raw, "webhooks", "public_url") or value(raw, "webhooks", "relay")
    required = (*secrets.ALWAYS, *secrets.WEBHOOK[: 1 if webhooks else 0]) if needed else ()
    return secrets.find(file.absolute().parent / folder if folder else None, environ, _names(raw), required)


def _names(raw: Raw) -> list[str]:
    return [each["name"] for _, each in workshops(raw) if isinstance(each.get("name"), str)]


def _secret_problems(file: Path, found: secrets.Found) -> Iterator[str]:
    return (f"{file}: {key if key == 'secrets_dir' else f'secret {key}'}: {what}" for key, what in found.problems)


def _unknown_variables(raw: Raw, environ: Mapping[str, str]) -> Iterator[str]:
    own = map(secrets.own_password, _names(raw))
    known = {CONFIG_VARIABLE, *map(secrets.variable, (*secrets.NAMES, *own))}
    known |= {variable(table, key) for table, key, _ in options()}
    for name in sorted(environ):
        if name.upper().startswith(secrets.PREFIX) and name not in known:
            in_file = name.upper().startswith(secrets.PREFIX + "WORKSHOPS")
            what = "workshops are read from the file only" if in_file else f"unknown{_nearest(name.upper(), known)}"
            yield f"environment: {name}: {what}"


def _nearest(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, known, 1, 0.6)
    return f"; did you mean {near[0]}?" if near else ""


def _line(file: Path, raw: Raw, environ: Mapping[str, str], where: tuple[str | int, ...], what: str) -> str:
    """One problem as the owner reads it: the file or variable, the dotted key, what is allowed."""
    table, key = where if len(where) == 2 else ("", where[0])
    if isinstance(key, str) and variable(str(table), key) in environ:
        return f"environment: {variable(str(table), key)}: {what}"
    return f"{file}: {_dotted(raw, where)}: {what}"


def _dotted(raw: Raw, where: tuple[str | int, ...]) -> str:
    """`workshops.Northside.timezone`, or by its place from 1 where it has no name; places within other lists are left out."""
    names = {place: each.get("name") for place, each in workshops(raw)}
    if len(where) > 1 and where[0] == "workshops" and isinstance(where[1], int):
        name = names.get(where[1])
        shown = name if isinstance(name, str) and re.fullmatch(r"[\w -]{1,64}", name) else str(where[1] + 1)
        where = ("workshops", shown, *where[2:])
    return ".".join(part for part in where if isinstance(part, str))


def _complaints(error: ValidationError) -> Iterator[Clash]:
    """Each error of pydantic's, in our words. `input` is never looked at."""
    for each in error.errors(include_url=False, include_input=False):
        words = _WORDS.get(each["type"])
        context = each.get("ctx", {})
        yield each["loc"], words(each["loc"], context) if words else each["msg"]


def _field(where: tuple[str | int, ...]) -> tuple[FieldInfo | None, Iterable[str]]:
    """The option at a place, and the keys that its table knows."""
    keys = [part for part in where if isinstance(part, str)]
    model: Any = Settings
    for part in keys[:-1]:
        inner = {_key(name, field): field for name, field in model.model_fields.items()}[part].annotation
        model = getattr(inner, "__args__", (inner,))[0]
    known = {_key(name, field): field for name, field in model.model_fields.items()}
    return known.get(keys[-1]), known


def _key(name: str, field: FieldInfo) -> str:
    """What an option is called in the file."""
    return field.alias or name


def _missing(where: tuple[str | int, ...], _: Any) -> str:
    field, _keys = _field(where)
    return f"missing; {field.description}" if field else "missing"


def _extra(where: tuple[str | int, ...], _: Any) -> str:
    _, known = _field(where)
    near = _nearest(str(where[-1]), known)
    return f"unknown key{near or '; known here are ' + ', '.join(known)}"


_WORDS: Mapping[str, Callable[[tuple[str | int, ...], Any], str]] = {
    "missing": _missing,
    "extra_forbidden": _extra,
    "value_error": lambda _, ctx: str(ctx["error"]),
    "literal_error": lambda _, ctx: f"must be {ctx['expected']}".replace("'", '"'),
    "string_type": lambda *_: "not text; write it in quotes",
    "int_type": lambda *_: "not a whole number; write it without quotes or a point",
    "int_from_float": lambda *_: "not a whole number; write it without quotes or a point",
    "float_type": lambda *_: "not a number; write it without quotes",
    "finite_number": lambda *_: "not a number",
    "list_type": lambda *_: 'not a list; write ["…", "…"]',
    "model_type": lambda *_: "not a table",
    "model_attributes_type": lambda *_: "not a table",
    "too_short": lambda *_: "empty; at least one is needed",
    "greater_than": lambda _, ctx: f"must be more than {ctx['gt']}",
    "greater_than_equal": lambda _, ctx: f"must be at least {ctx['ge']}",
    "less_than_equal": lambda _, ctx: f"must be at most {ctx['le']}",
}
