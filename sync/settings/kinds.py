"""The kinds of value that an option may have, and how each is written. No option is named here.

Each kind is a function from what stands in the file to what the program uses. It raises ValueError saying what is
allowed, and never repeats the value: an owner may have pasted a secret into the wrong line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from difflib import get_close_matches
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from sync.core import times

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
LONGEST = timedelta(days=3650)
_HOURS = re.compile(r"([A-Z][a-z]{2})(?:-([A-Z][a-z]{2}))? (\d\d:\d\d)-(\d\d:\d\d)")
_NAME = re.compile(r"""[^\s./\\:*?"<>|][^/\\:*?"<>|\x00-\x1f\x7f]{0,62}[^\s./\\:*?"<>|]|[^\W_]""")


def text(value: str) -> str:
    """Text that is not empty."""
    if not value.strip():
        raise ValueError("empty; a value is required")
    return value


def word(value: str) -> str:
    """Text without spaces or the marks of an address: it becomes part of one."""
    if not re.fullmatch(r"[^\s/?#%]+", value):
        raise ValueError("must be one word, without spaces or any of / ? # %")
    return value


def name(value: str) -> str:
    """Text that may name a file on any system."""
    if not _NAME.fullmatch(value):
        raise ValueError("must be usable as a file's name: up to 64 characters, none of / \\ : * ? \" < > |, no dot at the ends")
    return value


def prefix(value: str) -> str:
    """What every reference of a workshop begins with. `~` is kept for the second booking under one key."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,31}", value):
        raise ValueError('must be 1 to 32 letters, digits or any of . _ : -, such as "NS7K2-"')
    return value


def span(value: str) -> timedelta:
    """`"30s"`, `"5m"`, `"24h"`, `"2d"`; zero is allowed."""
    try:
        found = times.duration(value)
    except (ValueError, OverflowError):
        raise ValueError('not a duration; write "30s", "5m", "24h" or "2d"') from None
    if found > LONGEST:
        raise ValueError(f'longer than the longest duration, "{LONGEST.days}d"')
    return found


def some_span(value: str) -> timedelta:
    """A duration above zero: what is repeated or waited for."""
    found = span(value)
    if not found:
        raise ValueError("must be longer than zero")
    return found


def clock_time(value: str) -> str:
    """`HH:MM`, kept as text: it means something only with a day and a zone."""
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
        raise ValueError('not a time of day; write "HH:MM", such as "02:30"')
    return value


def zone(value: str) -> str:
    """The name of an IANA time zone."""
    try:
        ZoneInfo(value)
    except (OSError, ValueError, LookupError):  # ZoneInfoNotFoundError is a KeyError
        near = get_close_matches(value, available_timezones(), 1, 0.7)
        hint = near[0] if near else "Australia/Melbourne"
        raise ValueError(f'not an IANA time zone; write a name such as "{hint}"') from None
    return value


@dataclass(frozen=True)
class Hours:
    """When a workshop is open, in its own local time: (weekday, from, until) each, `until` not included."""

    spans: tuple[tuple[int, time, time], ...]

    def contains(self, local: datetime) -> bool:
        """Whether it is open then. `local` is the workshop's wall clock; its zone is not looked at."""
        now = local.time()
        return any(day == local.weekday() and since <= now < until for day, since, until in self.spans)


def hours(value: str) -> Hours:
    """`"Mon-Fri 07:00-18:00, Sat 08:00-12:00"`."""
    spans = [span for part in value.split(",") for span in _day_spans(part.strip())]
    return Hours(tuple(spans))


def _day_spans(part: str) -> list[tuple[int, time, time]]:
    found = _HOURS.fullmatch(part)
    if not found or not {found[1], found[2] or found[1]} <= set(DAYS):
        raise ValueError('not opening hours; write "Mon-Fri 07:00-18:00", several with commas between')
    first, last = DAYS.index(found[1]), DAYS.index(found[2] or found[1])
    since, until = (time.fromisoformat(clock_time(end)) for end in found.group(3, 4))
    if not since < until:
        raise ValueError("opening hours must end later than they begin, on the same day")
    return [((first + step) % 7, since, until) for step in range((last - first) % 7 + 1)]


class Address(NamedTuple):
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address(value: str) -> Address:
    """`"127.0.0.1:8780"`, or `"[::1]:8780"`."""
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/\[\]]+)):(\d{1,5})", value)
    if not found or int(found[3]) > 65535:
        raise ValueError('not an address to listen on; write "host:port", such as "127.0.0.1:8780"')
    return Address(found[1] or found[2], int(found[3]))


def web_url(value: str) -> str:
    """An address that bookings travel over: https, or http on this machine's loopback."""
    found = _split(value)
    if found.scheme == "http" and not is_loopback(found.hostname or ""):
        raise ValueError("must begin with https:// (http is allowed on loopback only)")
    return value.rstrip("/")


def any_web_url(value: str) -> str:
    """An address that carries nothing worth hiding."""
    _split(value)
    return value


def is_loopback(host: str) -> bool:
    """Whether this host is this machine; a name other than localhost is not believed."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _split(value: str) -> SplitResult:
    try:
        found = urlsplit(value)
        usable = found.scheme in ("http", "https") and bool(found.hostname) and found.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"\s", value):
        raise ValueError('not a web address; write "https://host/path"')
    if found.username is not None:
        raise ValueError("must not carry a user or password")
    return found


def database(value: str) -> URL:
    """Any SQLAlchemy URL. Its text form masks the password."""
    try:
        found = make_url(value)
    except (ArgumentError, ValueError):
        raise ValueError('not a database address; write "sqlite:///shop.db" or "mariadb+pymysql://user@host/shop"') from None
    return found


def state_database(value: str) -> URL:
    """Where this program keeps what it knows: SQLite in a file, or PostgreSQL by psycopg."""
    found = database(value)
    in_file = found.drivername in ("sqlite", "sqlite+pysqlite") and found.database not in (None, "", ":memory:")
    if not in_file and found.drivername != "postgresql+psycopg":
        raise ValueError('must be "sqlite:///file" or "postgresql+psycopg://user@host/database"')
    return found
