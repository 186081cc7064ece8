"""Notes merge line by line: what each side added and removed against its own base is applied to the other's own text.

A line that both added counts once; an edited line is one removed and one added. A side may show a line in a spelling of its
own, such as upper case: where the exact line is not there, it is the one with the same letters and digits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from sync.core.canonical import alike, appended, one_line, text


@dataclass(frozen=True)
class Edit:
    """What one side did to its notes since the base."""

    added: tuple[str, ...]
    removed: tuple[str, ...]


def lines(notes: str | None) -> list[str]:
    """The lines that say something."""
    return [line for line in text(notes or "").split("\n") if line]


def edit(base: str | None, now: str | None) -> Edit:
    """The difference, in the order of the text; repeated lines are counted."""
    before, after = Counter(map(one_line, lines(base))), Counter(map(one_line, lines(now)))
    return Edit(_take(lines(now), after - before), _take(lines(base), before - after))


def _take(source: list[str], wanted: Counter[str]) -> tuple[str, ...]:
    """The last occurrences of the wanted lines, in order."""
    left, found = Counter(wanted), []
    for line in reversed(source):
        if left[line] > 0:
            left[line] -= 1
            found.append(line)
    return tuple(reversed(found))


def apply(change: Edit, now: str | None, theirs: Edit) -> str | None:
    """The other side's text with this change; lines that the other side added or removed itself are not done twice."""
    kept = _without(lines(now), _without(change.removed, theirs.removed))
    return "\n".join([*kept, *_without(change.added, theirs.added)]) or None


def _without(source: Iterable[str], gone: Iterable[str]) -> list[str]:
    """The source less one line for each that is gone."""
    left = list(source)
    for line in gone:
        there = line if line in left else next((one for one in left if _respelt(one, line)), None)
        if there is not None:
            left.remove(there)
    return left


def _respelt(one: str, line: str) -> bool:
    """The same line as a side that tidies texts shows it; lines of signs alone are not."""
    return alike(one, line) and not alike(one, None)


def laid_on(raw: str | None, goal: str | None) -> str | None:
    """The goal as it is written: lines that only come on go after what stands there, whose blank lines and mark-up stay."""
    added = added_text(raw, goal)
    if not raw or added is None or lines(goal) != [*lines(raw), *lines(added)]:
        return goal
    return appended(raw, added)


def added_text(now: str | None, goal: str | None) -> str | None:
    """What has to be appended to `now` so that it holds every line of `goal`; None for nothing."""
    return "\n".join(edit(now, goal).added) or None
