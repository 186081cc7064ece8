"""Whether a row shows what was written: a shop that cuts a text or replaces a letter without a word is found out here.

Pure. Asked inside the transaction, so that what was damaged is not kept. A text that the shop tidied, or wrote otherwise,
is none of this: that is for the engine, which sees what stands there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sync.core.booking import Fields, Sighting
from sync.core.canonical import alike, canonical, split_name, view
from sync.errors import CHARACTERS, TOO_LONG, Rejected
from sync.shop.values import unreadable

_TEXTS = ("description", "job_notes", "service_code", "name", "phone", "email", "rego", "make", "model", "badge", "year", "vin")
_ITS_OWN = ("description", "job_notes")  # not a number of a list in the shop, nor of a customer who is there
_STANDS_IN = frozenset("?\ufffd\u00bf\x00")  # what stands for a letter that was lost
_SIGNS: tuple[Callable[[str], int], ...] = (  # how many of them stand for one: it, its halves in UTF-16, or its bytes
    lambda letter: 1,
    lambda letter: 1 + (letter > "\uffff"),
    lambda letter: len(letter.encode(errors="replace")),
)
_SAYS = {
    "cut": (
        TOO_LONG,
        "was cut by the shop's database; the write was taken back: shorten it, or state the column under [limits]",
    ),
    "replaced": (
        CHARACTERS,
        "has a character that the shop's database replaced; the write was taken back: write it in other letters",
    ),
    "emptied": (
        CHARACTERS,
        "is shown empty by the shop's row once it is written; the write was taken back: write it in other words or letters",
    ),
}


def readable(shown: Sighting) -> Sighting:
    """The row as it stands after a write. Raises Rejected where its key or a time in it cannot be understood any more."""
    odd = [mark.partition(":")[0] for mark in shown.marks if unreadable([mark])]
    if odd:
        raise Rejected(f"the row shows {' and '.join(odd)} in a form that cannot be read back; nothing was kept")
    return shown


def refuse_damage(sent: Fields, shown: Fields, added: str | None = None, *, new: bool = False) -> None:
    """Raises Rejected, naming the field, where the row shows a text that was sent cut short, with letters replaced, or empty.

    `sent` has what the statements carried and nothing else; `added`: its notes are one line or more of those shown.
    `new`: a row just made may lack what the shop keeps elsewhere, such as a service that is not in its list."""
    for field, whole, kept in _pairs(sent, shown, added):
        damage = _damage(whole, kept)
        if damage and (damage != "emptied" or not new or field in _ITS_OWN):
            code, words = _SAYS[damage]
            raise Rejected(f"{field} {words}", code=code)


def _pairs(sent: Fields, shown: Fields, added: str | None) -> Iterator[tuple[str, str, str]]:
    mine, theirs = view(sent), view(shown)
    for field in _TEXTS:
        whole, kept = mine.get(field) or "", theirs.get(field) or ""
        if field not in theirs:
            continue
        if field == "job_notes" and added is not None:
            yield from _lines(canonical(field, added) or "", kept)
            continue
        yield field, whole, kept
        if field == "name" and not alike(whole, kept):
            yield from ((field, part, there) for part, there in _parts(sent, shown, whole, kept) if there)


def _lines(added: str, kept: str) -> Iterator[tuple[str, str, str]]:
    """Each line added that is not there, beside each line that is."""
    there = [line for line in kept.splitlines() if line] or [""]
    for line in added.splitlines():
        if not any(alike(line, one) and not _damage(line, one) for one in there):
            yield from (("job_notes", line, one) for one in there)


def _parts(sent: Fields, shown: Fields, whole: str, kept: str) -> Iterator[tuple[str, str]]:
    """The parts of a name, each beside its own: one that is shown whole may be put together from two columns."""
    parts = (sent.get("first_name"), sent.get("last_name")) if sent.get("first_name") else split_name(whole)
    first, last = (canonical("name", part) or "" for part in parts)
    if "first_name" in shown:
        yield first, canonical("name", shown["first_name"]) or ""
        yield last, canonical("name", shown.get("last_name")) or ""
        return
    for at, letter in enumerate(kept):
        if letter == " " and first.startswith(kept[:at]) and last.startswith(kept[at + 1 :]):
            yield from ((first, kept[:at]), (last, kept[at + 1 :]))


def _damage(whole: str, kept: str) -> str | None:
    """How `kept` is what is left of `whole`; None where it is something else, or all of it."""
    if whole and not kept:
        return "emptied"
    if any(_replaced(whole, kept, signs) for signs in _SIGNS):
        return "replaced"
    rest = whole.removeprefix(kept)  # a full stop may be tidied away, an emoji or € at the end is lost
    return "cut" if rest != whole and (not alike(whole, kept) or not rest.isascii()) else None


def _replaced(whole: str, kept: str, signs: Callable[[str], int]) -> bool:
    """Whether `kept` is `whole`, or its head, but for letters that signs stand for."""
    at, lost = 0, False
    for letter in whole:
        if at >= len(kept):
            break
        if kept[at].lower() == letter.lower():
            at += 1
        elif not letter.isascii() and _STANDS_IN.issuperset(kept[at : at + signs(letter)]):
            at, lost = at + signs(letter), True
        else:
            return False
    return lost and at >= len(kept)
