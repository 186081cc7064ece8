"""What every row looked at carries in a column that must be filled: new rows may carry it too, unless it could be a secret.

RULE: what is taken here is copied into the profile, which others may read, and into every new row.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from sync.shop.values import text
from sync.shop.wizard import words
from sync.shop.wizard.draft import literal
from sync.shop.wizard.explore import Column, Table

_TELLING = 20  # rows; in fewer, that all are the same says little
_LONGEST = 80  # signs; a longer one is somebody's text, or was cut when it was looked at
# Of a column's name: whole words, what one ends with, what stands anywhere in it.
_WORDS = ("auth", "clave", "cookie", "mdp", "otp", "puk", "pw", "salt", "senha")
_ENDS = ("pass", "pin")
_STEMS = ("accesskey", "apikey", "authkey", "contrasen", "credential", "hash", "kennwort", "motdepasse", "parolachiave",
          "passcode", "passw", "privatekey", "pwd", "secret", "session", "token")  # fmt: skip
_LONG = 12  # signs without a blank, of digits and letters: made by a machine


def of(table: Table, mandatory: Collection[Column]) -> list[tuple[str, str]]:
    """Of these columns of the table, those that are the same in every row looked at, each with its value as SQL."""
    found = []
    for column in mandatory if table.rows >= _TELLING else ():
        different = {text(value) for value in column.values}
        if column.empty == 1 and "char" in column.type:
            found.append((column.name, "''"))
        elif len(different) == 1 and not column.empty and _may_be_copied(column.values):
            found.append((column.name, literal(column.values[0])))
    return [(name, value) for name, value in found if not is_secret(name)]


def is_secret(name: str) -> bool:
    """By its name."""
    parts = words.parts(name)
    return any(part in _WORDS or part.endswith(_ENDS) for part in parts) or any(stem in "".join(parts) for stem in _STEMS)


def _may_be_copied(values: Sequence[object]) -> bool:
    """Numbers; texts that are short and look like nothing that was drawn."""
    value = values[0]
    if not isinstance(value, str):
        return isinstance(value, (int, float))
    return len(value) <= _LONGEST and "\\" not in value and not _looks_drawn(value)  # a backslash is no plain sign on MariaDB


def _looks_drawn(value: str) -> bool:
    digits, letters = (sum(map(test, value)) for test in (str.isdigit, str.isalpha))
    unbroken = len(value) >= _LONG and not re.search(r"\s", value)
    return value.startswith("$") or (unbroken and (bool(digits and letters) or len(value) >= 2 * _LONG))
