"""Where the files that travel with the program are: inside the wheel, or beside the package in a checkout."""

from __future__ import annotations

from pathlib import Path

_WHEEL = Path(__file__).parent / "_share"
SHARE = _WHEEL if _WHEEL.is_dir() else Path(__file__).parent.parent
CONFIG = SHARE / "config"
MIGRATIONS = SHARE / "migrations"
