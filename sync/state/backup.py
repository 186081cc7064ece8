"""Copies of a SQLite state file, made with SQLite's own backup, so that they are whole while others write."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from urllib.parse import quote

from sync.errors import Unreachable
from sync.state.database import BUSY_SECONDS, sqlite_file


def backup(url: str, folder: Path | None, label: str, keep: int) -> Path | None:
    """Copy the state to `folder` (None: beside it) as `NAME.LABEL.bak`; the newest `keep` copies stay.

    None where the state is no file: PostgreSQL is backed up by its own tools. Raises Unreachable; then nothing is left."""
    path = sqlite_file(url)
    if path is None:
        return None
    target = _free(folder or path.parent, f"{path.name}.{label}")
    part = target.with_suffix(".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _copy(path, part)
        os.replace(part, target)
        _forget_old(target.parent, path.name, keep)
    except (OSError, sqlite3.Error) as error:
        with suppress(OSError):
            part.unlink()
        raise Unreachable(f"the state could not be copied to {target}: {error}") from error
    return target


def private(path: Path) -> None:
    """Make an empty file that only its owner may read; one that is there is left alone."""
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))


def _copy(path: Path, part: Path) -> None:
    part.unlink(missing_ok=True)
    private(part)
    source = f"file:{quote(str(path.absolute()))}?mode=rw"
    with closing(sqlite3.connect(source, uri=True, timeout=BUSY_SECONDS)) as here, closing(sqlite3.connect(part)) as there:
        here.backup(there)
        there.execute("PRAGMA journal_mode=DELETE")  # one file, whatever the source uses
    with part.open("rb") as written:
        os.fsync(written.fileno())


def _free(folder: Path, stem: str) -> Path:
    names = (folder / f"{stem}{'' if turn == 1 else f'-{turn}'}.bak" for turn in count(1))
    return next(name for name in names if not name.exists())


def _forget_old(folder: Path, name: str, keep: int) -> None:
    copies = sorted(folder.glob(f"{name}.*.bak"), key=lambda one: one.stat().st_mtime_ns, reverse=True)
    for old in copies[max(keep, 1) :]:
        old.unlink()
