"""A site's wire contract, added to without losing a comment: what is confirmed, and values that proved to be others.

The text is changed in place and read back as TOML; where that shows anything but what was meant, nothing is written.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sync.errors import ConfigError
from sync.repairy import contract

NEW = "repairy-contract.toml"  # beside the configuration, where none is configured
Changes = Mapping[str, Any]  # dotted key -> value


def save(file: Path, confirmed: Sequence[str], changes: Changes, why: str) -> None:
    """Write it. Raises ConfigError with the lines to put in by hand where the text is laid out in another way."""
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    text = edited(before, confirmed, changes, why)
    part = file.with_name(f"{file.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        if file.exists():
            part.chmod(file.stat().st_mode & 0o777)
        contract.load(part)
        os.replace(part, file)
    except OSError as error:
        raise ConfigError(f"{file} cannot be written ({error.strerror}). {_by_hand(confirmed, changes)}") from None
    finally:
        part.unlink(missing_ok=True)


def edited(before: str, confirmed: Sequence[str], changes: Changes, why: str) -> str:
    """The text with these laid in. Raises ConfigError where that cannot be done in place."""
    had = tomllib.loads(before)
    fresh = [key for key in confirmed if key not in had.get("confirmed", [])]
    text = before
    for key, value in changes.items():
        text = _with_value(text, key, value)
    text = _with_confirmed(text, fresh, why, "confirmed" in had)
    wanted = _laid({**had, "confirmed": [*fresh, *had.get("confirmed", [])]}, changes)
    try:
        same = tomllib.loads(text) == wanted
    except ValueError:
        same = False
    if not same:
        raise ConfigError(f"the contract is laid out in a way that cannot be added to. {_by_hand(confirmed, changes)}")
    return text


def _by_hand(confirmed: Sequence[str], changes: Changes) -> str:
    lines = [f"confirmed = {_toml(list(confirmed))}", *(f"{key} = {_toml(value)}" for key, value in changes.items())]
    return "Put in by hand: " + "; ".join(lines)


def _with_confirmed(text: str, keys: Sequence[str], why: str, there: bool) -> str:
    """New entries in front of those there are, so that comments between them stay; else a new line at the top."""
    if not keys:
        return text
    listed = _toml(list(keys))[1:-1]
    if there:
        return re.sub(r"(?m)^(\s*confirmed\s*=\s*\[)", lambda found: f"{found[1]}{listed}, ", text, count=1)
    return f"# {why}\nconfirmed = [{listed}]\n" + ("\n" if text.strip() else "") + text


def _with_value(text: str, dotted: str, value: Any) -> str:
    """One value in its table: in the place of the old one, else below the table's name, else in a new table at the end."""
    table, _, key = dotted.rpartition(".")
    head = re.search(rf"(?m)^\[\s*{re.escape(table)}\s*\][^\n]*\n?", text)
    if head is None:
        return f"{text.rstrip()}\n\n[{table}]\n{key} = {_toml(value)}\n".lstrip("\n")
    behind = re.search(r"(?m)^\[", text[head.end() :])
    end = head.end() + behind.start() if behind else len(text)
    old = re.search(rf"(?m)^\s*{re.escape(key)}\s*=\s*", text[head.end() : end])
    if old is None:
        line = head[0] if head[0].endswith("\n") else head[0] + "\n"
        return f"{text[: head.start()]}{line}{key} = {_toml(value)}\n{text[head.end() :]}"
    start = head.end() + old.end()
    return f"{text[:start]}{_toml(value)}{text[start + _length(text[start:end]) :]}"


def _length(text: str) -> int:
    """Of the TOML value that a text begins with."""
    for length in range(1, len(text) + 1):
        try:
            tomllib.loads(f"x = {text[:length]}")
        except ValueError:
            continue
        if length == len(text) or re.match(r"[ \t]*(#|\n|$)", text[length:]):
            return length
    return 0


def _laid(table: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    laid = json.loads(json.dumps(table))
    for dotted, value in changes.items():
        *steps, key = dotted.split(".")
        inner = laid
        for step in steps:
            inner = inner.setdefault(step, {})
        inner[key] = value
    found: dict[str, Any] = laid
    return found


def _toml(value: Any) -> str:
    """JSON's form of what is written here is TOML's too; but for an object, of which only the empty one is."""
    return json.dumps(value, ensure_ascii=False)
