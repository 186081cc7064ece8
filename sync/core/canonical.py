"""Canonical forms: what a value means, whatever way a side spells it. Compared only; never written back.

The two bases keep each side's own spelling, so a side that pads, upper-cases or reformats starts no ping-pong.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from html.entities import html5

from sync.core.booking import Fields
from sync.core.times import is_day, iso, parse

_SPACE = re.compile(r"\s+")
_TAG = re.compile(r"<(/?)(br|p|div|li|ul|ol|b|i|u|em|strong|span|h[1-6])\b[^<>]*>", re.IGNORECASE)
_BREAKS = {"br", "p", "div", "li"}
_BREAK = re.compile(r"\s*\v\s*")
_ENTITY = re.compile(r"&(?:#\d+|#[xX][0-9a-fA-F]+|(\w+));")
_NOT_DIGIT = re.compile(r"\D")
_NOT_PLATE = re.compile(r"[^0-9A-Z]")
_LETTERS = re.compile(r"[\W_]+")


def text(value: str) -> str:
    """Lines trimmed, HTML to text, no blank lines at the ends."""
    if "<" in value:
        value = _TAG.sub(lambda tag: "\v" if tag[2].lower() in _BREAKS else "", value)
        value = _BREAK.sub("\n", value)  # the end of one paragraph and the start of the next are one
    if "&" in value:
        value = _unescaped(value)
    lines = [_SPACE.sub(" ", line).strip() for line in value.splitlines()]
    return "\n".join(lines).strip()


def appended(raw: str, lines: str) -> str:
    """A side's own text with these plain lines after it, as its mark-up says them; `text` shows both."""
    tagged = _TAG.search(raw) is not None
    if tagged or _unescaped(raw) != raw:
        lines = html.escape(lines, quote=False)
    return f"{raw.rstrip()}<br>{lines.replace(chr(10), '<br>')}" if tagged else f"{raw.rstrip()}\n{lines}"


def _unescaped(value: str) -> str:
    """Entities as their letters, if a semicolon ends them: `?id=1&section=2` is an address and has none."""
    return _ENTITY.sub(lambda it: html.unescape(it[0]) if it[1] is None or f"{it[1]};" in html5 else it[0], value)


def one_line(value: str) -> str:
    """Runs of white space are one space."""
    return _SPACE.sub(" ", value).strip()


def plate(value: str) -> str:
    """Upper case without spaces and dashes."""
    return _NOT_PLATE.sub("", value.upper())


def phone(value: str) -> str:
    """Digits in Australian national form where it is Australian: `04…` = `+61 4…` = nine digits that lost their 0."""
    digits = _NOT_DIGIT.sub("", value)
    if digits.startswith("0061"):
        digits = digits[2:]
    if len(digits) == 12 and digits.startswith("610"):  # +61 (0)4…
        digits = "61" + digits[3:]
    if len(digits) == 11 and digits.startswith("61"):
        return "0" + digits[2:]
    if len(digits) == 9 and digits[0] in "23478":
        return "0" + digits
    return digits


def e164(value: str) -> str:
    """A phone in international form; digits that are not Australian keep a plus in front."""
    digits = phone(value)
    return "+61" + digits[1:] if len(digits) == 10 and digits.startswith("0") else "+" + digits


def moment(value: str) -> str:
    """UTC in whole seconds; a plain day stays one."""
    return value if is_day(value) else iso(parse(value))


_RULES: Mapping[str, Callable[[str], str]] = {
    "starts_at": moment,
    "ends_at": moment,
    "rego": plate,
    "vin": plate,
    "phone": phone,
    "email": lambda value: one_line(value).casefold(),
    "service_category": lambda value: one_line(value).casefold(),
    "year": lambda value: _NOT_DIGIT.sub("", value.split(".")[0]),
    "job_notes": text,
    "description": text,
    "status": str,
}


def canonical(field: str, value: str | None) -> str | None:
    """The one spelling of a value; None for an empty one."""
    return (_RULES.get(field, one_line)(value) or None) if value is not None else None


def view(fields: Fields) -> dict[str, str | None]:
    """All fields canonical, the name whole: its parts joined, or the company where there is no name."""
    seen = {field: canonical(field, value) for field, value in fields.items()}
    first, last, company = seen.pop("first_name", None), seen.pop("last_name", None), seen.pop("company", None)
    if fields.keys() & {"first_name", "last_name", "company"}:
        seen["name"] = seen.get("name") or " ".join(part for part in (first, last) if part) or company
    return seen


def alike(a: str | None, b: str | None) -> bool:
    """The same letters and digits: what a side that tidies texts leaves as it was."""
    return _LETTERS.sub("", a or "").casefold() == _LETTERS.sub("", b or "").casefold()


def split_name(name: str) -> tuple[str, str]:
    """At the last space; one word is the first name."""
    first, _, last = name.rpartition(" ")
    return (first, last) if first else (last, "")
