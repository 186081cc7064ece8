"""What `check` says: one finding, its weight, and what to do about it. Nothing is looked at here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sync.errors import SyncError, Unreachable

Level = Literal["error", "warning", "good"]


@dataclass(frozen=True)
class Finding:
    """`error`: `run` would not work · `warning`: it works, with this gap · `good`: looked at, in order."""

    level: Level
    about: str
    says: str
    silent: bool = False  # a side that could not be asked, which is told by an exit code of its own


def failed(about: str, found: SyncError) -> Finding:
    """An error in its own words."""
    return Finding("error", about, str(found), isinstance(found, Unreachable))


def error(about: str, says: str) -> Finding:
    return Finding("error", about, says)


def warning(about: str, says: str) -> Finding:
    return Finding("warning", about, says)


def good(about: str, says: str) -> Finding:
    return Finding("good", about, says)
