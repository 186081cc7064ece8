"""What `check` says: one finding, its weight, and what to do about it. Nothing is looked at here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning", "good"]


@dataclass(frozen=True)
class Finding:
    """`error`: `run` would not work · `warning`: it works, with this gap · `good`: looked at, in order."""

    level: Level
    about: str
    says: str


def error(about: str, says: str) -> Finding:
    return Finding("error", about, says)


def warning(about: str, says: str) -> Finding:
    return Finding("warning", about, says)


def good(about: str, says: str) -> Finding:
    return Finding("good", about, says)
