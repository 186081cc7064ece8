"""A reading of values, where equal ones come again: each is worked out once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

A = TypeVar("A")

_MANY = 1 << 16


class Remembered(dict[Any, A]):
    """Looked up as a dict is. Keys must be of one type: 1 and 1.0 are the same. Forgets all when it is full; an error of the
    reading is raised and not remembered."""

    def __init__(self, reading: Callable[[Any], A]) -> None:
        super().__init__()
        self._reading = reading

    def __missing__(self, raw: object) -> A:
        found = self._reading(raw)
        if len(self) >= _MANY:
            self.clear()
        self[raw] = found
        return found

    def column(self, values: Sequence[object]) -> list[A]:
        try:
            return list(map(self.__getitem__, values))
        except (TypeError, ValueError):  # a value that cannot be looked up, such as a bytearray or a memoryview of one
            return list(map(self._reading, values))
