"""What may become of an answer of the Partner API: a good one, known by its shape, with something about it made odd.

RULE: knows JSON, HTTP and the wire's names; nothing of the client that reads it. One chance, one answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

TEXTS = (
    "", " ", "\x00", "a\x00b", "\ud800", "\u202eabc", "😀" * 50, "x" * 100_000,
    "<b>bold</b> &amp; <script>", "null", "0", "-1", "NaN",
    "{name}",
    "%s", "' OR 1=1 --", "\r\nX: y", ":key", "\t", "ſ", "٣", "\x1b[31m", "İ", "a" * 255 + "\u0301" * 50,
)  # fmt: skip
TIMES = (
    "2026-03-05", "2026-03-05T22:00", "2026-03-05T22:00:00", "2026-03-05T22:00:00+11:00", "2026-03-05 22:00:00Z",
    "0000-00-00T00:00:00Z",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-02-30T10:00:00Z", "2026-03-05T24:00:00Z",
    "2026-03-05T23:59:60Z", "infinity", "yesterday", 1_772_748_000, 1_772_748_000_000, -1, 1e308, "2026-W10-4",
    "20260305T220000Z", "2026-03-05T22:00:00.123456789Z",
)  # fmt: skip
NUMBERS = (0, -1, 1.5, 1e308, 10**400, 2**63, float("nan"), float("inf"), True)
WORDS = ("pending", "processing", "done", "cancelled", "Pending", "DONE ", "noshow", "?", "completed", "ignore", "?pending")
STATUSES = (
    100,
    199,
    201,
    202,
    204,
    206,
    301,
    302,
    304,
    308,
    400,
    401,
    403,
    404,
    408,
    409,
    410,
    418,
    422,
    423,
    425,
    429,
    451,
    500,
    501,
    502,
    503,
    599,
)
PAUSES = (
    "0",
    "-5",
    "1",
    "90",
    "9e99",
    "nan",
    "inf",
    "1" * 400,
    "soon",
    "Fri, 31 Dec 1999 23:59:59 GMT",
    "Thu, 05 Mar 2026 22:00:30 GMT",
    "",
    "é",
)


@dataclass
class Wire:
    """An answer as it goes out."""

    status: int
    headers: dict[str, str]
    body: bytes
    sent: bytes = b""  # the request's body
    done: list[str] = field(default_factory=list)

    @property
    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @json.setter
    def json(self, value: Any) -> None:
        self.body = json.dumps(value).encode()


def spoil(answer: Wire, chance: Random) -> None:
    """One to three things are done to it."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        change = chance.choice(CHANGES)
        change(answer, chance)
        answer.done.append(change.__name__)


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in it: the object or list, and the name or number in there."""
    for name in list(tree) if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ():
        yield tree, name
        yield from _places(tree[name])


def _somewhere(answer: Wire, chance: Random, value: Callable[[Any], Any]) -> None:
    """Another value in one place of the body; of all of it where it has no places."""
    tree = answer.json
    places = list(_places(tree))
    if not places:
        answer.json = value(tree)
        return
    where, name = chance.choice(places)
    where[name] = value(where[name])
    answer.json = tree


def left_out(answer: Wire, chance: Random) -> None:
    tree = answer.json
    if places := list(_places(tree)):
        where, name = chance.choice(places)
        del where[name]
        answer.json = tree


def null(answer: Wire, chance: Random) -> None:
    _somewhere(answer, chance, lambda _: None)


def another_kind(answer: Wire, chance: Random) -> None:
    _somewhere(
        answer, chance, lambda was: chance.choice(([was], {"value": was}, str(was), 7, False, [], {}, [[[]]], {"$oid": was}))
    )


def an_odd_text(answer: Wire, chance: Random) -> None:
    _somewhere(answer, chance, lambda _: chance.choice(TEXTS))


def an_odd_number(answer: Wire, chance: Random) -> None:
    _somewhere(answer, chance, lambda _: chance.choice(NUMBERS))


def an_odd_time(answer: Wire, chance: Random) -> None:
    """Where a time stands, if one does."""
    tree = answer.json
    times = [(where, name) for where, name in _places(tree) if isinstance(name, str) and name.endswith(("Time", "At"))]
    if times:
        where, name = chance.choice(times)
        where[name] = chance.choice(TIMES)
        answer.json = tree
    else:
        _somewhere(answer, chance, lambda _: chance.choice(TIMES))


def another_status_word(answer: Wire, chance: Random) -> None:
    tree = answer.json
    if isinstance(tree, dict):
        answer.json = tree | {"status": chance.choice(WORDS)}


def another_id(answer: Wire, chance: Random) -> None:
    """Of another booking, or of another workshop."""
    tree = answer.json
    if isinstance(tree, dict):
        answer.json = tree | {
            chance.choice(("id", "bookingId", "externalId", "workshopId", "code")): f"{chance.getrandbits(96):024x}"
        }


def wrapped(answer: Wire, chance: Random) -> None:
    tree = answer.json
    answer.json = chance.choice(({"data": tree}, [tree], {"result": {"booking": tree}}, {"data": None}, {}))


def names_in_other_letters(answer: Wire, chance: Random) -> None:
    tree = answer.json
    if isinstance(tree, dict) and tree:
        name = chance.choice(sorted(tree))
        answer.json = {chance.choice((one.upper(), f"_{one}")) if one == name else one: value for one, value in tree.items()}


def more_than_asked(answer: Wire, chance: Random) -> None:
    tree = answer.json
    if isinstance(tree, dict):
        answer.json = {
            **{f"extra{number}": chance.choice(TEXTS) for number in range(20)},
            **tree,
            "__proto__": {"id": "b2"},
            "": 1,
        }


def repeated(answer: Wire, chance: Random) -> None:
    """Lists with every entry many times; an object whose names come twice."""
    tree = answer.json
    if isinstance(tree, list):
        answer.json = tree * chance.choice((2, 50))
    else:
        answer.body = answer.body.rstrip()[:-1] + b', "id": "b2", "status": null}'


def not_json(answer: Wire, chance: Random) -> None:
    bodies = (
        b"",
        b" ",
        b"null",
        b'""',
        b"0",
        b"true",
        b"<html>One moment</html>",
        b"{",
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf" + answer.body,
    )
    answer.body = chance.choice(
        (*bodies, b"[" * 60_000, answer.body + answer.body, answer.body[: len(answer.body) // 2], chance.randbytes(99))
    )


def deep(answer: Wire, chance: Random) -> None:
    depth = chance.choice((50, 5_000))
    answer.body = b'{"a":' * depth + answer.body + b"}" * depth


def large(answer: Wire, chance: Random) -> None:
    answer.body = answer.body.rstrip()[:-1] + b', "padding": "' + b"x" * chance.choice((500_000, 1_100_000)) + b'"}'


def another_status(answer: Wire, chance: Random) -> None:
    answer.status = chance.choice(STATUSES)
    if answer.status >= 400 and chance.random() < 0.7:
        answer.json = {"code": "refused", "message": "no"}


def an_error_that_quotes(answer: Wire, chance: Random) -> None:
    """A careless server repeats what it was sent, in whatever spelling."""
    answer.status = chance.choice((400, 404, 409, 422, 500))
    quoted = answer.sent.decode("utf-8", "replace")
    spelt = chance.choice(
        (quoted, quoted.upper(), quoted.replace('"', ""), quoted.replace(" ", ""), quoted.replace(" ", "-"), json.dumps(quoted))
    )
    told = chance.choice((f"invalid body: {spelt}", f"{spelt} is not allowed", spelt[chance.randrange(40) :]))
    answer.json = chance.choice(
        ({"code": "invalid", "message": told}, {"code": told, "message": told}, {"message": [told]}, {"data": {"message": told}})
    )


def odd_headers(answer: Wire, chance: Random) -> None:
    answer.headers |= {
        "Retry-After": chance.choice(PAUSES),
        chance.choice(("Content-Encoding", "Content-Type", "Location", "Set-Cookie", "Content-Length")): chance.choice(
            (
                "gzip",
                "text/html; charset=utf-16",
                "https://example.com/",
                "a=b",
                "5",
                "identity",
                "br",
                "application/json; charset=nope",
            )
        ),
    }


CHANGES = (
    left_out, left_out, null, another_kind, an_odd_text, an_odd_text, an_odd_number, an_odd_time, an_odd_time,
    another_status_word, another_id, wrapped, names_in_other_letters, more_than_asked, repeated, not_json, deep, large,
    another_status, an_error_that_quotes, odd_headers,
)  # fmt: skip
DONE = tuple(sorted({one.__name__ for one in CHANGES}))
# What leaves the status and the call's effect as they were: the caller may doubt such an answer, but not deny it.
SPEAKS_OF_SUCCESS = frozenset(DONE) - {"another_status", "an_error_that_quotes"}
