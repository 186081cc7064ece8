"""Whether a row shows what was written: a shop that cuts a text or replaces a letter without a word is found out here.

Pure. Asked inside the transaction, so that what was damaged is not kept. A text that the shop tidied, or wrote otherwise,
is none of this: that is for the engine, which sees what stands there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sync.core.booking import Fields
from sync.core.canonical import alike, canonical, split_name, view
from sync.errors import CHARACTERS, TOO_LONG, Rejected

_TEXTS = ("description", "job_notes", "service_code", "name", "phone", "email", "rego", "make", "model", "badge", "year", "vin")
_STANDS_IN = "[?\\ufffd\\u00bf\\x00]{1,4}"  # what stands for a letter that was lost; for each of its bytes, on some
_WORDS = {
    TOO_LONG: "was cut by the shop's database; the write was taken back: shorten it, or state the column under [limits]",
    CHARACTERS: "has a character that the shop's database replaced; the write was taken back: write it in other letters",
}


def refuse_damage(sent: Fields, shown: Fields, added: str | None = None) -> None:
    """Raises Rejected, naming the field, where the row shows a text that was sent cut short or with letters replaced.

    `sent` has what the statements carried and nothing else; `added`: its notes are one line or more of those shown."""
    for field, whole, kept in _pairs(sent, shown, added):
        if code := _damage(whole, kept):
            raise Rejected(f"{field} {_WORDS[code]}", code=code)


def _pairs(sent: Fields, shown: Fields, added: str | None) -> Iterator[tuple[str, str, str]]:
    mine, theirs = view(sent), view(shown)
    for field in _TEXTS:
        whole, kept = mine.get(field), theirs.get(field)
        if field == "job_notes" and added is not None:
            yield from _lines(canonical(field, added) or "", kept or "")
        elif field == "name" and whole and shown.get("first_name"):
            parts = zip(split_name(whole), (shown.get("first_name"), shown.get("last_name")), strict=True)
            yield from ((field, part, canonical(field, there) or "") for part, there in parts)
        elif whole and kept:
            yield field, whole, kept


def _lines(added: str, kept: str) -> Iterator[tuple[str, str, str]]:
    """Each line added that is not there, beside each line that is."""
    there = kept.splitlines()
    for line in added.splitlines():
        if not any(alike(line, one) for one in there):
            yield from (("job_notes", line, one) for one in there)


def _damage(whole: str, kept: str) -> str | None:
    """How `kept` is what is left of `whole`; None where it is something else, or all of it."""
    if not kept or alike(whole, kept):
        return None
    if whole.startswith(kept):
        return TOO_LONG
    pattern = "".join(_letter(letter) for letter in whole)
    return CHARACTERS if re.fullmatch(pattern, kept) else None


def _letter(letter: str) -> str:
    return re.escape(letter) if letter.isascii() else f"(?:{re.escape(letter)}|{_STANDS_IN})"
