"""What the wizard has found so far, as it will stand in the profile: the table, its joins, each field's SQL. No database."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy.engine import Dialect

from sync.shop.wizard.explore import Column, Reference, Table, numbers_rows


@dataclass(frozen=True)
class Joined:
    """A table in the SELECT under its alias. `on` says how it hangs on another alias; "" for the bookings themselves."""

    alias: str
    table: Table
    on: str = ""
    reference: Reference | None = None
    source: str = ""  # the alias that refers to it
    many: bool = False  # hung on as a grouped sub-query


@dataclass(frozen=True)
class Picked:
    """What feeds a field: SQL, and the column where it is one."""

    sql: str
    joined: Joined | None = None
    column: Column | None = None
    inline: Column | None = None  # the bookings' own column that stands in where the linked row has nothing
    inside: str = ""  # the expression within a grouped sub-query
    guess: bool = False  # by its values only: it is read, and never written
    apart: Mapping[str, str] = field(default_factory=dict)  # put together of these columns: what is written into each


@dataclass
class Status:
    """Where the status is read. `column` belongs to the bookings; `label` to the look-up it refers to; neither: derived."""

    sql: str
    column: Column | None = None
    label: Column | None = None
    lookup: Joined | None = None
    words: Mapping[str, str] = field(default_factory=dict)  # of a derived status: what it says -> ours
    why: str = ""


@dataclass
class Draft:
    """One proposal. `unsure` lines go into the profile as comments and on the screen."""

    dialect: Dialect
    booking: Joined
    joins: list[Joined] = field(default_factory=list)
    picked: dict[str, Picked] = field(default_factory=dict)
    status: Status = field(default_factory=lambda: Status("'booked'"))
    where: list[str] = field(default_factory=list)
    constant: dict[str, str] = field(default_factory=dict)  # what new rows carry in such a column, as SQL
    timezone: str = "workshop"
    ahead: dict[str, float] = field(default_factory=dict)  # stored status -> share of its rows that are yet to come
    formats: dict[str, str] = field(default_factory=dict)
    timezones: dict[str, str] = field(default_factory=dict)
    unsure: list[str] = field(default_factory=list)
    customer: Joined | None = None
    vehicle: Joined | None = None
    card: Joined | None = None  # one row that is customer and car; then the vehicle is this, and there is no customer
    unique: Mapping[str, Collection[str]] = field(default_factory=dict)  # of these tables: columns declared never to repeat
    references: Mapping[str, Sequence[Reference]] = field(default_factory=dict)  # of these three tables: declared or inferred
    read_only: bool = False
    refused: Mapping[str, str] = field(default_factory=dict)  # statement -> what the engine said against it
    withheld: dict[str, str] = field(default_factory=dict)  # statement -> why it would write into what is only a guess

    @property
    def key(self) -> list[str]:
        """The columns of the bookings' key; none where nothing but a plate or a text never repeats."""
        table = self.booking.table
        return [name for name in table.key if not table.implied or numbers_rows(table.columns[name])]

    @property
    def engine(self) -> str:
        """The engine's name, without the driver's that some dialects add."""
        return self.dialect.name.partition(".")[0]

    def quoted(self, name: str) -> str:
        """A name as this engine takes it. A percent sign that the driver wants doubled is doubled when the statement runs."""
        quote = self.dialect.identifier_preparer.quote
        return quote(name).replace("%%", "%") if "%%" in quote("%") else quote(name)

    def named(self, table: Table) -> str:
        return ".".join(self.quoted(part) for part in (table.schema, table.name) if part)

    def of(self, joined: Joined, column: Column | str) -> str:
        """A column with its alias."""
        return f"{joined.alias}.{self.quoted(column if isinstance(column, str) else column.name)}"

    def alias(self, name: str) -> str:
        """A short one that is free: the first letter of the name, numbered where it is taken."""
        letter = next((sign for sign in name.lower().removeprefix("tab") if sign.isascii() and sign.isalpha()), "t")
        taken = {self.booking.alias, *(one.alias for one in self.joins)}
        return next(each for each in (letter, *(f"{letter}{number}" for number in range(2, 100))) if each not in taken)

    def pick(self, name: str, joined: Joined, column: Column, sql: str = "") -> None:
        self.picked[name] = Picked(sql or self.of(joined, column), joined, column)

    def withhold(self, why: str, *statements: str) -> None:
        """These statements are not proposed, and it is said why."""
        self.unsure.append(why)
        self.withheld |= dict.fromkeys(statements, why)

    def text(self, sql: str) -> str:
        """Any value as text."""
        return f"CAST({sql} AS CHAR)" if self.engine in ("mysql", "mariadb") else f"CAST({sql} AS VARCHAR(60))"

    def together(self, *parts: str) -> str:
        """Texts one after the other; on some engines `||` means OR, on others CONCAT is not known."""
        if self.engine in ("mysql", "mariadb", "mssql"):
            return f"CONCAT({', '.join(parts)})"
        return " || ".join(parts)


def literal(value: object) -> str:
    """A stored value as SQL spells it."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return str(value) if isinstance(value, (int, float)) else "'" + str(value).replace("'", "''") + "'"
