"""What the mapping journal tells: one booking after the other, as its lines add up. Pure; neither side nor state is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Line = Mapping[str, Any]


@dataclass
class Told:
    """One booking as the journal tells it."""

    reference: str = ""  # each "" where it is not told
    shop_key: str = ""
    repairy_id: str = ""
    visible: frozenset[str] = frozenset()  # what went to Repairy, as a link remembers it
    visible_op: str = ""  # the write that brought the last of it
    open: Line | None = None  # of a write that was announced and whose end is not told

    @property
    def sent(self) -> bool:
        """Whether a create under this reference may have reached Repairy, without a booking known to have come of it."""
        return not self.repairy_id and self.open is not None and self.open["kind"] == "reference"

    @property
    def messaging(self) -> bool:
        """Whether a message may have gone out that nobody knows of."""
        return self.open is not None and self.open["kind"] == "sending"


def told(lines: Iterable[Line], workshop: str) -> list[Told]:
    """The workshop's bookings, in the order in which they came into the journal."""
    found: dict[int, Told] = {}
    names: dict[tuple[str, str], Told] = {}
    for line in lines:
        read = _READ.get(str(line.get("kind")))
        if read and line.get("workshop") == workshop and (one := _whose(line, names, found)):
            read(one, line)
    return list(found.values())


def _whose(line: Line, names: dict[tuple[str, str], Told], found: dict[int, Told]) -> Told | None:
    """The booking that a line is about; two that turn out to be one are made one."""
    called = [(name, str(line[name])) for name in ("reference", "repairy_id") if line.get(name)]
    if not called:
        return None
    one, *others = [names[name] for name in called if name in names] or [Told()]
    for twin in others:
        if twin is not one:
            _absorb(one, twin)
            found.pop(id(twin))
    found.setdefault(id(one), one)
    for name, value in called:
        setattr(one, name, value)
        names[name, value] = one
    return one


def _absorb(one: Told, twin: Told) -> None:
    one.shop_key = twin.shop_key or one.shop_key
    one.visible |= twin.visible
    one.visible_op = twin.visible_op or one.visible_op
    one.open = twin.open or one.open


def _link(one: Told, line: Line) -> None:
    one.shop_key = line.get("shop_key") or one.shop_key
    if one.open and one.open["kind"] == "reference":
        one.open = None


def _announced(one: Told, line: Line) -> None:
    one.shop_key = line.get("shop_key") or one.shop_key
    one.open = line


def _visible(one: Told, line: Line) -> None:
    """A move is told of the last time only."""
    stay = {kind for kind in one.visible if not kind.startswith("moved:")}
    one.visible = frozenset(stay | set(line.get("sent", ())))
    one.visible_op, one.open = str(line.get("op", "")), None


def _unsent(one: Told, _: Line) -> None:
    one.open = None


_READ: Mapping[str, Callable[[Told, Line], None]] = {
    "link": _link, "reference": _announced, "sending": _announced, "visible": _visible, "unsent": _unsent,
}  # fmt: skip
