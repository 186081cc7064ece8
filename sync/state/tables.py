"""The tables of the state database and the types of their columns. No statements here; migrations keep the same schema.

Column names equal the field names of the records they feed, so that a row selected by `columns` is the record's arguments.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Text

from sync.core.times import parse, stamp


class Stamp(sa.TypeDecorator[datetime]):
    """An aware datetime as fixed-width text in UTC, which sorts as time does on every database."""

    impl = sa.String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else stamp(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else parse(value)


class Words(sa.TypeDecorator[frozenset[str]]):
    """A set of words as a sorted JSON list."""

    impl = sa.JSON
    cache_ok = True

    def process_bind_param(self, value: Collection[str] | None, dialect: sa.Dialect) -> list[str]:
        return sorted(value or ())

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> frozenset[str]:
        return frozenset(value)


class Row(sa.TypeDecorator[tuple[str, ...]]):
    """Words in their order as a JSON list."""

    impl = sa.JSON
    cache_ok = True

    def process_bind_param(self, value: Collection[str] | None, dialect: sa.Dialect) -> list[str]:
        return list(value or ())

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> tuple[str, ...]:
        return tuple(value)


class Mapped(sa.TypeDecorator[dict[str, Any]]):
    """Any mapping as a JSON object; None, where it is allowed, as NULL."""

    impl = sa.JSON(none_as_null=True)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> dict[str, Any] | None:
        return None if value is None else dict(value)


metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


def _text(name: str, null: bool = False) -> Column[Any]:
    return Column(name, Text, nullable=null)


def _json(name: str, null: bool = False) -> Column[Any]:
    return Column(name, Mapped, nullable=null)


def _time(name: str, null: bool = True) -> Column[Any]:
    return Column(name, Stamp, nullable=null)


def _number(name: str) -> Column[Any]:
    return Column(name, Integer, nullable=False)


def _link(null: bool) -> Column[Any]:
    return Column("link_id", ForeignKey("booking_link.id"), nullable=null, index=True)


link = sa.Table(
    "booking_link",
    metadata,
    Column("id", Integer, primary_key=True),
    _text("workshop"),
    _text("reference", null=True),
    _text("shop_key", null=True),
    _text("repairy_id", null=True),
    _text("repairy_code", null=True),
    _json("shop", null=True),
    _json("repairy", null=True),
    _json("shop_base", null=True),
    _json("repairy_base", null=True),
    _text("shop_ref", null=True),
    _text("repairy_ref", null=True),
    _text("state"),
    _json("seen"),
    _json("missing"),
    Column("visible", Words, nullable=False),
    _json("refused"),
    _json("choice"),
    Column("locked", Boolean, nullable=False),
    Column("marks", Row, nullable=False),
    _number("attempts"),
    _text("due_at", null=True),  # text as `core.times.stamp` writes it
    _text("poll_at", null=True),
    _text("error"),
    _number("version"),
    _text("shop_digest", null=True),  # of the row as last read, where the shop keeps no stamp of change
    sa.UniqueConstraint("workshop", "reference"),
    sa.UniqueConstraint("workshop", "repairy_id"),
    Index(None, "workshop", "shop_key"),
    Index(None, "workshop", "due_at"),
    Index(None, "workshop", "poll_at"),
    sqlite_autoincrement=True,  # an id is never used again: the journal file names it
)

intent = sa.Table(
    "intent",
    metadata,
    Column("op", Text, primary_key=True),
    _link(null=False),
    _text("workshop"),
    _text("side"),
    _text("kind"),
    _json("before"),
    _json("after"),
    _json("shop", null=True),
    _json("repairy", null=True),
    _json("context"),
    Column("visible", Boolean, nullable=False),  # context["visible"] is not empty
    _time("started_at", null=False),
    _time("finished_at"),
    _text("outcome", null=True),
    _text("error"),
    _number("looks"),
    _time("look_at"),
    Index(None, "workshop", "outcome"),
    Index(None, "workshop", "visible", "started_at"),
)

hold = sa.Table(
    "hold",
    metadata,
    Column("id", Text, primary_key=True),
    _text("workshop"),
    _link(null=True),
    _text("kind"),
    _text("scope"),
    _text("reason"),
    _time("since", null=False),
    _text("digest"),
    _number("count"),
    _json("details"),
    _time("until"),
    _time("closed_at"),
    _text("closed_by", null=True),
    Index(None, "workshop", "closed_at"),
)

event = sa.Table(
    "webhook_event",
    metadata,
    Column("workshop", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    _text("action"),
    _text("booking_id"),
    _text("workshop_id", null=True),
    _time("received_at", null=False),
    Column("parked", Boolean, nullable=False),
    _time("settled_at"),
    Index(None, "workshop", "settled_at"),
)

source = sa.Table(
    "source",
    metadata,
    Column("workshop", Text, primary_key=True),
    Column("side", Text, primary_key=True),
    _text("cursor", null=True),
    _json("identity"),
    _time("last_attempt"),
    _time("last_good"),
    _text("last_error"),
    _number("rows"),
    _time("pause_until"),
)

desk = sa.Table(
    "workshop",
    metadata,
    Column("workshop", Text, primary_key=True),
    _text("mode"),
    _time("baseline_at"),
    _text("paused"),
    _text("profile_digest"),
    _time("last_sweep"),
    _json("last_write"),
)

decision = sa.Table(
    "decision",
    metadata,
    Column("id", Integer, primary_key=True),
    _text("workshop"),
    _text("kind"),
    _text("target"),
    _text("value"),
    _time("at", null=False),
    _time("taken_at"),
    Index(None, "workshop", "taken_at"),
    sqlite_autoincrement=True,
)

run = sa.Table(
    "pass_run",
    metadata,
    Column("id", Integer, primary_key=True),
    _text("workshop"),
    _time("started_at", null=False),
    _time("finished_at", null=False),
    _json("counts"),
    _text("error"),
    Index(None, "workshop", "started_at"),
    sqlite_autoincrement=True,
)

lease = sa.Table(
    "lease",
    metadata,
    Column("workshop", Text, primary_key=True),
    _text("holder"),
    _number("fence"),
    _time("since", null=False),
    _time("expires_at", null=False),
)


def columns(table: sa.Table, record: type) -> list[Column[Any]]:
    """The table's columns in the order of the record's fields."""
    return [table.c[one.name] for one in fields(record)]


def values(record: Any) -> dict[str, Any]:
    """The record's fields as column values, not copied."""
    return {one.name: getattr(record, one.name) for one in fields(record)}
