"""The four statuses and the ways between them.

Rule 1: only a step that the side allows is ever asked for. Rule 2: no step is visible unless it is the goal itself.
The words are Repairy's (documented); which may follow which is data of the wire contract (assumed).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from sync.core.booking import CANCELLED, DONE, IGNORE, STATUSES, UNMAPPED

OPEN = ("pending", "processing")
FINAL = (DONE, CANCELLED)
NOT_MAPPED = " is not mapped: add it to the profile's [status.read] or the contract's [status.words]"  # how such a hold ends
KIND: Mapping[str | None, str] = {DONE: "done", CANCELLED: "cancel"}  # a status write's kind; the others are a change


def known(status: str | None) -> bool:
    """Whether it is one of the four."""
    return status in STATUSES


def unmapped(status: str | None) -> bool:
    """Whether nobody said what this word means."""
    return status is None or (status.startswith(UNMAPPED) or (status != IGNORE and not known(status)))


def path(start: str, goal: str, allowed: Mapping[str, Sequence[str]] | None) -> tuple[str, ...] | None:
    """The shortest steps from start to goal, goal last; () where they are the same, None where there is no way.

    `allowed` None means that any status may follow any. A way never passes through done or cancelled.
    """
    if start == goal:
        return ()
    if allowed is None:
        return (goal,)
    queue: deque[tuple[str, ...]] = deque([(start,)])
    met = {start}
    while queue:
        way = queue.popleft()
        for step in allowed.get(way[-1], ()):
            if step == goal:
                return (*way[1:], step)
            if step not in met and step not in FINAL:
                met.add(step)
                queue.append((*way, step))
    return None
