"""Secrets: files in a folder, or environment variables. No message here holds a value, only names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

PREFIX = "REPAIRY_SYNC_"
ALWAYS = ("repairy_app_key", "repairy_app_secret")
WEBHOOK = ("repairy_webhook_secret", "repairy_webhook_secret_next")
NAMES = (*ALWAYS, *WEBHOOK, "shop_password", "web_token")


@dataclass(frozen=True)
class Secrets:
    """The secrets that were given, by name. Neither text form shows a value."""

    given: Mapping[str, SecretStr] = field(default_factory=dict)

    @property
    def app_key(self) -> SecretStr:
        return self.given["repairy_app_key"]

    @property
    def app_secret(self) -> SecretStr:
        return self.given["repairy_app_secret"]

    @property
    def webhook(self) -> tuple[SecretStr, ...]:
        """Those that a signature may be made with: the present one, and the next during rotation."""
        return tuple(self.given[name] for name in WEBHOOK if name in self.given)

    @property
    def web_token(self) -> SecretStr | None:
        return self.given.get("web_token")

    def shop_password(self, workshop: str) -> SecretStr | None:
        """The workshop's own, else the one for all."""
        return self.given.get(own_password(workshop)) or self.given.get("shop_password")


def own_password(workshop: str) -> str:
    """What the secret with this workshop's password is called."""
    return "shop_password_" + re.sub(r"[^a-z0-9]", "_", workshop.lower())


def variable(name: str) -> str:
    """The environment variable of a secret."""
    return PREFIX + name.upper()


@dataclass(frozen=True)
class Found:
    """What a search brought: secrets, and problems as (dotted key, what to do)."""

    secrets: Secrets
    problems: tuple[tuple[str, str], ...]


def find(folder: Path | None, environ: Mapping[str, str], workshops: Iterable[str], required: Iterable[str]) -> Found:
    """Every secret that has a name we know. An empty one counts as not given. With nothing required, the folder may be absent."""
    known = dict.fromkeys((*NAMES, *map(own_password, workshops)))
    required = tuple(required)
    problems: list[tuple[str, str]] = []
    in_files = dict(_read(folder, known, problems, bool(required))) if folder else {}
    in_environ = {name: value for name in known if (value := environ.get(variable(name)))}
    twice = in_files.keys() & in_environ.keys()
    problems += [(name, f"given twice; keep either the file in {folder} or {variable(name)}") for name in twice]
    given = {name: SecretStr(value) for name, value in (in_files | in_environ).items()}
    for name in required:
        if name not in given and name not in dict(problems):
            there = "secrets_dir" if folder is None or "secrets_dir" in dict(problems) else folder
            problems.append((name, f"missing; give it as a file of this name in {there}, or as {variable(name)}"))
    return Found(Secrets(given), tuple(sorted(problems)))


def _read(folder: Path, known: Iterable[str], problems: list[tuple[str, str]], needed: bool) -> Iterator[tuple[str, str]]:
    try:
        files = sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.is_file())
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        if needed:
            why = getattr(error, "strerror", "not a path")
            problems.append(("secrets_dir", f"cannot be read: {why}; a relative path begins at this file"))
        return
    for path in files:
        problem, value = _value(path, known)
        if problem and (needed or path.name not in known):
            problems.append((path.name, problem))
        elif value:
            yield path.name, value


def _value(path: Path, known: Iterable[str]) -> tuple[str, str]:
    """What is wrong with a secret's file, or else its content without the closing line end."""
    if path.name not in known:
        return f"no secret has this name; known are {', '.join(known)}", ""
    try:
        if path.stat().st_mode & 0o007:
            return f"others may read {path}; run: chmod o= {path}", ""
        return "", path.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        return f"cannot be read: {error.strerror}: {path}", ""
    except ValueError:
        return f"is not text in UTF-8: {path}", ""
