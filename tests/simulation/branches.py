"""One story told once, and from many of its moments on once more, with a fault there: each by a copy of the process.

What came before a moment is so not told again for it. A copy answers through a pipe and ends; it makes no copies itself.
"""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable
from typing import Generic, TypeVar

A = TypeVar("A")  # a moment
Answer = tuple[int, list[str]]  # how often the fault fired, and what is wrong in the end


class Branches(Generic[A]):
    def __init__(self) -> None:
        self.answers: dict[A, Answer] = {}
        self.here: A | None = None  # in a copy: the moment from which it goes on alone
        self._out = -1

    def at(self, moment: A) -> bool:
        """Whether this is the copy that goes on from here. The process itself waits for its answer."""
        if self.here is not None:
            return False
        answers, out = os.pipe()
        child = os.fork()
        if not child:
            os.close(answers)
            self.here, self._out = moment, out
            return True
        os.close(out)
        with os.fdopen(answers, encoding="utf-8") as file:
            said = file.read()
        os.waitpid(child, 0)
        self.answers[moment] = tuple(json.loads(said)) if said else (0, [f"{moment}: the copy ended without an answer"])
        return False

    def tell(self, story: Callable[[], Answer]) -> dict[A, Answer]:
        """The answers of all copies. In a copy this is the end."""
        try:
            answer = story()
        except BaseException:
            if self.here is None:
                raise
            answer = (1, [f"{self.here}:", *traceback.format_exc().splitlines()])
        if self.here is None:
            return self.answers
        with os.fdopen(self._out, "w", encoding="utf-8") as file:
            json.dump(answer, file)
        os._exit(0)
