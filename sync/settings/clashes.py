"""What is wrong between options that may each be right.

It looks at the values as they stand in the file, so that a mistake in one line does not hide a clash in others. What is
not of the right type is passed over here: it has been named already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from itertools import combinations
from typing import Any

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from sync.core.times import duration
from sync.settings.secrets import Secrets, own_password

Clash = tuple[tuple[str | int, ...], str]  # where, and what to do
Raw = Mapping[str, Any]


def clashes(raw: Raw, defaults: Callable[[str, str], Any]) -> Iterator[Clash]:
    """Every clash; `raw` is the file with the environment laid over it."""
    yield from _quarantine(raw, defaults)
    yield from _counts(raw, defaults)
    yield from _workshops(workshops(raw))


def workshops(raw: Raw) -> list[tuple[int, Raw]]:
    """The tables under [[workshops]], each with its place."""
    found = raw.get("workshops")
    return [(place, each) for place, each in enumerate(found if isinstance(found, list) else ()) if isinstance(each, dict)]


def value(raw: Raw, table: str, key: str) -> Any:
    """What stands at a key, if anything does."""
    found = raw.get(table)
    return found.get(key) if isinstance(found, dict) else None


def passwords_given_twice(raw: Raw, secrets: Secrets) -> Iterator[Clash]:
    """A shop's password stands in its address or is a secret, not both."""
    for place, each in workshops(raw):
        if _has_password(each.get("shop_url")) and secrets.shop_password(str(each.get("name"))):
            yield ("workshops", place, "shop_url"), "the password is given twice; take it out of the address, the secret has it"


def _has_password(url: object) -> bool:
    try:
        return isinstance(url, str) and make_url(url).password is not None
    except (ArgumentError, ValueError):
        return False


def _quarantine(raw: Raw, defaults: Callable[[str, str], Any]) -> Iterator[Clash]:
    spans = [_span(value(raw, "repairy", key) or defaults("repairy", key)) for key in ("timeout", "quarantine")]
    if spans[0] and spans[1] and spans[1] < 2 * spans[0]:
        yield ("repairy", "quarantine"), "must be at least twice repairy.timeout: a late request may still be on its way"


def _span(written: object) -> timedelta | None:
    try:
        return duration(written) if isinstance(written, str) else None
    except (ValueError, OverflowError):
        return None


def _counts(raw: Raw, defaults: Callable[[str, str], Any]) -> Iterator[Clash]:
    found = {key: value(raw, "safety", key) for key in ("min_count", "max_count")}
    least, most = (defaults("safety", key) if given is None else given for key, given in found.items())
    if isinstance(least, int) and isinstance(most, int) and least > most:
        yield ("safety", "min_count"), "must not be above safety.max_count"


def _workshops(tables: list[tuple[int, Raw]]) -> Iterator[Clash]:
    for (_, first), (place, second) in combinations(tables, 2):
        for key, clash, words in _BETWEEN_WORKSHOPS:
            mine, other = second.get(key), first.get(key)
            if isinstance(mine, str) and isinstance(other, str) and mine and other and clash(mine, other):
                yield ("workshops", place, key), words


def _begins(mine: str, other: str) -> bool:
    one, two = mine.casefold(), other.casefold()  # a side that upper-cases references must not bring two workshops together
    return one.startswith(two) or two.startswith(one)


_BETWEEN_WORKSHOPS: tuple[tuple[str, Callable[[str, str], bool], str], ...] = (
    ("id", str.__eq__, "another workshop has this id; each needs its own"),
    (
        "name",
        lambda mine, other: own_password(mine) == own_password(other),
        "another workshop has this name, or one that differs only in case or signs; each needs its own",
    ),
    ("reference_prefix", _begins, "clashes with another workshop's; none may be the beginning of another"),
)
