"""How well a column suits a field: by its values where they can tell, by its name where they cannot. No database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sync.shop.wizard import recognise, words
from sync.shop.wizard.explore import Column

BY_VALUE: Mapping[str, recognise.Kind] = {"phone": "phone", "email": "email", "rego": "plate", "vin": "vin"}
OF_CUSTOMER = ("phone", "email", "first_name", "last_name", "name", "company")
OF_VEHICLE = ("rego", "vin", "make", "model", "badge", "year")
TEXTS = ("internal_notes", "job_notes", "description")
# What a column may be called that is something else than the field, whatever else its name says.
_AGAINST: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("first_name", "last_name", "name", "company"), ("job_notes",)),
    **dict.fromkeys(OF_VEHICLE, ("loan", "part of a car")),
    **dict.fromkeys(TEXTS, ("no text",)),
    "rego": ("loan",),
    "vin": ("loan",),
}
_NUMBERS = ("no", "nr", "num", "number", "nummer", "numero", "id", "code", "ref")
_ENOUGH = 1.0
_STAFFS = 1.5  # more than the best name outweighs the last


def score(field: str, column: Column) -> float:
    """How well a column suits a field; below `_ENOUGH` it does not."""
    named, wanted = hint(field, column.name), BY_VALUE.get(field)
    if column.kind in ("moment", "day", "clock") or any(words.hint(other, column.name) for other in _AGAINST.get(field, ())):
        return 0.0
    if field == "year":
        return 2 * named + (column.kind == "year") if named else 0.0
    if wanted is None:
        return 2 * named if column.kind in ("word", "text", "none", "plate") and not is_key(column) else 0.0
    if column.kind == wanted:
        return 3 + 2 * named
    readable = column.kind in ("none", "word", "text") or (field in ("phone", "rego") and column.kind == "number")
    return 2 * named if named and readable and not is_key(column) else 0.0


def hint(field: str, name: str) -> float:
    """How much a name suggests a field, knowing what the same words mean elsewhere."""
    of_the_workshop = 0.5 * (words.hint("workshop's notes", name) > 0 and words.hint("job_notes", name) > 0)
    internal = words.hint("internal_notes", name) or of_the_workshop
    if field == "job_notes":
        return words.hint(field, name) if not of_the_workshop else 0.0
    if field == "model" and _is_a_type(name):
        return 0.0
    return internal if field == "internal_notes" else words.hint(field, name)


def _is_a_type(name: str) -> bool:
    """Whether a name says "type" of no car: `job_type`. A column that is called so whole may be a car's."""
    parts = words.parts(name)
    other = any(words.hint("model", part) and not part.startswith("typ") for part in parts)
    return (
        any(part.startswith("typ") for part in parts) and not other and len(parts) > 1 and not words.hint("vehicle table", name)
    )


def numbered(name: str) -> bool:
    """Whether it is by its name a number of something: `job_no`, `RechnungsNr`."""
    last = (words.parts(name) or [""])[-1]
    return last in _NUMBERS or last.endswith(("nr", "nummer"))


def alike(field: str, columns: Sequence[Column], taken: set[str]) -> list[Column]:
    """The columns that suit better than all others, and no worse than each other; the one with the plainest name first."""
    weighed = [(score(field, column), column) for column in columns if column.name not in taken]
    suited = [(weight - _STAFFS * is_staffs(field, column), column) for weight, column in weighed if weight >= _ENOUGH]
    most = max((weight for weight, _ in suited), default=0.0)
    return sorted((column for weight, column in suited if weight == most), key=lambda one: len(words.parts(one.name)))


def is_staffs(field: str, column: Column) -> bool:
    """Whether a person's column is of somebody who works here: `mechanic_phone`."""
    name = column.name
    return field in OF_CUSTOMER and words.hint("staff table", name) > words.hint("customer table", name)


def is_key(column: Column) -> bool:
    last = (words.parts(column.name) or [""])[-1]
    return last in ("id", "nr", "key", "uuid", "guid") and column.kind in ("number", "none", "flag")
