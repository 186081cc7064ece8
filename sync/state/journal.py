"""The mapping journal: an append-only file beside the state, from which `rebuild` starts when the state is lost.

Holds links, references before they are sent, and visible kinds accepted; never a name, phone, e-mail, plate or note.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

from sync.errors import Unreachable
from sync.state.backup import private


class MappingJournal:
    """One JSON object a line, each on the disk before `append` returns. Safe to use from any thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def append(self, **facts: Any) -> None:
        """Raises Unreachable where the line may not be on the disk."""
        line = json.dumps(facts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        try:
            with self._lock:
                self._write(line.encode() + b"\n")
        except OSError as error:
            raise Unreachable(f"the journal {self.path} could not be written: {error.strerror}") from error

    def read(self) -> list[dict[str, Any]]:
        """Every whole line, oldest first; a line torn by a crash is passed over. Raises Unreachable."""
        try:
            lines = self.path.read_bytes().splitlines() if self.path.exists() else []
        except OSError as error:
            raise Unreachable(f"the journal {self.path} could not be read: {error.strerror}") from error
        return [facts for line in lines if (facts := _facts(line)) is not None]

    def _write(self, line: bytes) -> None:
        fresh = not self.path.exists()
        private(self.path)
        with self.path.open("ab+") as file:
            file.write(line if _ends_whole(file) else b"\n" + line)
            file.flush()
            os.fsync(file.fileno())
        if fresh:
            _keep_name(self.path.parent)


def _ends_whole(file: Any) -> bool:
    """Whether the last line was written to its end."""
    if file.seek(0, os.SEEK_END) == 0:
        return True
    file.seek(-1, os.SEEK_END)
    return bool(file.read(1) == b"\n")


def _keep_name(folder: Path) -> None:
    """A new file outlives a power cut only when its folder is on the disk too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _facts(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
