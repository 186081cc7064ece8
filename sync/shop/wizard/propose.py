"""The profile as text: the SELECT, the statuses, the statements, and beside them what the wizard is unsure of. No database."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sync.shop.profile import Profile
from sync.shop.rules import COLUMNS, TEXTS
from sync.shop.values import text
from sync.shop.wizard import joins, words, writes
from sync.shop.wizard.draft import Draft

_SAME = {"mysql": ("mariadb", "mysql"), "mariadb": ("mariadb", "mysql")}
_WIDE = 110
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")  # TOML takes no such sign as it is
_ORDER = ("key", "changed_at", "repairy_ref", "locked", "status", *COLUMNS)


@dataclass(frozen=True)
class Word:
    """A stored status: as it is read, as the driver gave it, how many rows have it, and what it means (None: nobody knows)."""

    stored: str
    raw: object
    rows: int
    means: str | None
    derived: bool = False  # made up by the SELECT: stored nowhere


def counting(draft: Draft) -> str:
    """The SELECT that counts the stored statuses of the rows that are bookings: an estimate's word is no job's."""
    inner = f"SELECT {draft.status.sql} AS status FROM {_tables(draft, [draft.status.sql, *draft.where])}{_where(draft, ' ')}"  # noqa: S608 (names only)
    return f"SELECT status, COUNT(*) AS rows_ FROM ({inner}) counted GROUP BY status"  # noqa: S608


def counted(rows: Iterable[Mapping[str, object]]) -> dict[str, tuple[object, int]]:
    """Its rows: each word with the driver's own value and its count; null and empty are one."""
    found: dict[str, tuple[object, int]] = {}
    for row in rows:
        stored = text(row["status"]) or ""
        before = found.get(stored, (row["status"], 0))
        found[stored] = (before[0], before[1] + int(str(row["rows_"])))
    return found


def select(draft: Draft) -> str:
    """The profile's one SELECT."""
    chosen = columns(draft)
    lines = ",\n".join(f"       {sql} AS {draft.quoted(name) if name != 'key' else name}" for name, sql in chosen)
    tables = _tables(draft, [*(sql for _, sql in chosen), *draft.where], "\nLEFT ")
    return f"SELECT{lines[6:]}\nFROM {tables}{_where(draft, chr(10))}\n"


def _where(draft: Draft, before: str) -> str:
    return f"{before}WHERE {' AND '.join(draft.where)}" if draft.where else ""


def writing(found: Sequence[Word]) -> dict[str, object]:
    """For each of our statuses the stored word to write: of several, the one whose name says it best. New bookings
    are given one that others have; a step on the way may well be empty at this hour."""
    chosen: dict[str, object] = {}
    for ours in ("pending", "processing", "done", "cancelled"):
        same = [word for word in found if word.means == ours and word.raw is not None and word.stored and not word.derived]
        if same:
            best = min(same, key=lambda word: (ours == "pending" and not word.rows, words.preference(word.stored), -word.rows))
            chosen[ours] = best.raw if isinstance(best.raw, (bool, int, float)) else best.stored
    return chosen


def profile(draft: Draft, found: Sequence[Word], name: str, facts: Sequence[str] = ()) -> str:
    """The whole file. What it leaves open stands in it as a comment."""
    chosen = {} if _derived(draft) else writing(found)
    made = writes.propose(draft, any(not word.stored for word in found), "pending" in chosen)
    _withhold(made, draft.withheld)
    if not made.statements and not made.create:
        chosen = {}
    written = _tables_in("UPDATE|INTO", *_sqls(made)) or "nothing"
    return "\n".join(
        [
            _comment(f"Proposed by `repairy-sync init` from the database itself. {draft.booking.table.id}: {draft.status.why}."),
            _comment(f"It reads {_tables_in('FROM|JOIN', select(draft))}; it would write {written}."),
            *map(_comment, facts),
            *(_comment(f"UNSURE: {line}") for line in draft.unsure),
            "",
            *_head(draft, name),
            "[booking]",
            f"select = {_sql(select(draft))}",
            "",
            *_statuses(found, chosen),
            *_writes(made),
        ]
    )


def _withhold(made: writes.Writes, withheld: Mapping[str, str]) -> None:
    """Without the statements that would write into what is only a guess; what a create's rows would carry goes with it."""
    for name, why in withheld.items():
        there = bool(made.create) if name == "create" else made.statements.pop(name, None) is not None
        made.left_out += [f"{name}: left out: {why}"] if there else []
    if "create" in withheld:
        made.create = []
        made.left_out = [line for line in made.left_out if not line.startswith("UNSURE: new rows of")]


def one_line(said: str) -> str:
    """Whatever stored value is in it: neither a comment nor a terminal takes signs of control."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in said).split())


def refused(faults: Iterable[str]) -> dict[str, str]:
    """Of what the engine says against a profile, that which is about a statement: `write.NAME…: why`."""
    about = (fault.removeprefix("write.").partition(": ") for fault in faults if fault.startswith("write."))
    return {re.split(r"[ .]", name)[0]: why for name, _, why in about}


def parsed(written: str) -> Profile:
    """The text as a profile. Raises ConfigError."""
    return Profile.parse(tomllib.loads(written))


def columns(draft: Draft) -> list[tuple[str, str]]:
    """What the SELECT yields, in order: each name with its SQL."""
    named = {"key": _key(draft), "status": draft.status.sql} | {name: one.sql for name, one in draft.picked.items()}
    parts = [(f"x_{words.plain(part).replace(' ', '_')}", draft.of(draft.booking, part)) for part in draft.key]
    return [(name, named[name]) for name in dict.fromkeys(_ORDER) if name in named] + (parts if len(parts) > 1 else [])


def _key(draft: Draft) -> str:
    if len(draft.key) == 1:
        return draft.of(draft.booking, draft.key[0])
    if not draft.key:
        return "''"
    parts = [draft.text(draft.of(draft.booking, part)) for part in draft.key]
    return draft.together(*[part for each in parts for part in ("'-'", each)][1:])


def _tables(draft: Draft, sqls: Sequence[str], join: str = " LEFT ") -> str:
    """The FROM with the joins that these expressions need."""
    first = f"{draft.named(draft.booking.table)} {draft.booking.alias}"
    used = joins.used(draft, sqls)
    rest = [f"JOIN {one.on if one.many else f'{draft.named(one.table)} {one.alias} ON {one.on}'}" for one in used]
    return join.join([first, *rest])


def _head(draft: Draft, name: str) -> list[str]:
    columns = {field: one.column for field, one in draft.picked.items() if field in TEXTS and one.column}
    lengths = {field: column.length for field, column in columns.items() if column.length}
    lines = [f"name = {_quoted(name)}", f"dialects = {json.dumps(list(_SAME.get(draft.engine, (draft.engine,))))}"]
    why = "how times without a zone are meant here"
    if draft.timezone != "workshop":
        why = "UNSURE: by the workshop's own clock the bookings would lie at night, so UTC is meant"
    lines += [f'timezone = "{draft.timezone}"    # {why}']
    if draft.timezones:
        lines += ["timezones = { " + ", ".join(f'{column} = "{zone}"' for column, zone in draft.timezones.items()) + " }"]
    if draft.formats:
        lines += ["", "[formats]", *(f"{column} = {_quoted(form)}" for column, form in draft.formats.items())]
    if lengths:
        lines += ["", "[limits]", *(f"{field} = {length}" for field, length in lengths.items())]
    return [*lines, ""]


def _statuses(found: Sequence[Word], chosen: Mapping[str, object]) -> list[str]:
    known = [f'{_quoted(word.stored)} = "{word.means}"{_rows(word)}' for word in found if word.means]
    mute = [word for word in found if not word.means]
    perhaps = {word.stored: words.guess(word.stored) or "…" for word in mute}
    open_ = [
        _comment(f'UNSURE: {_quoted(word.stored)} = "{perhaps[word.stored]}"{_rows(word)}: nobody said what it means')
        for word in mute
    ]
    if not known:
        known = ['"" = "ignore"                            # UNSURE: no stored word is understood; list them here']
    lines = ["[status.read]", *known, *open_, ""]
    if chosen:
        lines += ["[status.write]", *(f"{ours} = {_toml(word)}" for ours, word in chosen.items()), ""]
    return lines


def _rows(word: Word) -> str:
    return f"    # {word.rows:,} rows"


def _writes(made: writes.Writes) -> list[str]:
    lines = [_comment(line) for line in made.left_out]
    if made.statements:
        lines += ["[write]", *(f"{name} = {_sql(sql)}" for name, sql in made.statements.items())]
    for step in made.create:
        finds = [f"  {_sql(sql)}," for sql in step.find]
        lines += ["", "[[write.create]]", f'set = "{step.set}"', *(["find = [", *finds, "]"] if finds else [])]
        lines += [f"insert = {_sql(step.insert)}"]
    return [*lines, ""]


def _sqls(made: writes.Writes) -> list[str]:
    return [*made.statements.values(), *(step.insert for step in made.create)]


def _tables_in(after: str, *sqls: str) -> str:
    """The tables that stand behind these words, each once."""
    found = re.findall(rf"\b(?:{after}) ((?:\w+|`[^`]+`|\"[^\"]+\"|\[[^\]]+\])(?:\.(?:\w+|\"[^\"]+\"))?)", " ".join(sqls))
    return ", ".join(dict.fromkeys(found))


def _derived(draft: Draft) -> bool:
    return draft.status.column is None or any(word != "deleted" for word in draft.status.words)


def _comment(line: str) -> str:
    return f"# {one_line(line)}"


def _sql(sql: str) -> str:
    """SQL in TOML: short on one line, else between three quotes, where names in double quotes stay readable."""
    lines = sql.strip().replace("\\", "\\\\").replace('"""', '""\\"')
    lines = _CONTROL.sub(lambda sign: f"\\u{ord(sign[0]):04x}", lines)
    return f'"{lines}"' if len(lines) < _WIDE and not {'"', "\n"} & set(lines) else f'"""\n{lines}\n"""'


def _quoted(value: str) -> str:
    """A TOML text on one line."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _toml(value: object) -> str:
    return _quoted(value) if isinstance(value, str) else str(value).lower()
