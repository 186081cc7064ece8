"""The first schema.

Written without importing the program, whose tables move on while this step stays as it is.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _text(name: str, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=null)


def _json(name: str, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.JSON(), nullable=null)


def _time(name: str, null: bool = True) -> sa.Column[Any]:
    return sa.Column(name, sa.String(27), nullable=null)


def _number(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _truth(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean(), nullable=False)


def _link_id(table: str, null: bool) -> list[Any]:
    key = sa.ForeignKeyConstraint(["link_id"], ["booking_link.id"], name=f"fk_{table}_link_id")
    return [sa.Column("link_id", sa.Integer(), nullable=null), key]


def _table(name: str, *parts: Any, key: tuple[str, ...] = ("id",), indexes: tuple[tuple[str, ...], ...] = ()) -> None:
    counted = key == ("id",) and isinstance(parts[0].type, sa.Integer)
    extra = {"sqlite_autoincrement": True} if counted else {}
    op.create_table(name, *parts, sa.PrimaryKeyConstraint(*key, name=f"pk_{name}"), **extra)
    for columns in indexes:
        op.create_index(f"ix_{name}_{'_'.join(columns)}", name, list(columns))


def upgrade() -> None:
    _table(
        "booking_link",
        _number("id"),
        _text("workshop"),
        *[_text(name, null=True) for name in ("reference", "shop_key", "repairy_id", "repairy_code")],
        *[_json(name, null=True) for name in ("shop", "repairy", "shop_base", "repairy_base")],
        *[_text(name, null=True) for name in ("shop_ref", "repairy_ref")],
        _text("state"),
        *[_json(name) for name in ("seen", "missing", "visible", "refused", "choice")],
        _truth("locked"),
        _json("marks"),
        _number("attempts"),
        *[_text(name, null=True) for name in ("due_at", "poll_at")],
        _text("error"),
        _number("version"),
        _text("shop_digest", null=True),
        sa.UniqueConstraint("workshop", "reference", name="uq_booking_link_workshop_reference"),
        sa.UniqueConstraint("workshop", "repairy_id", name="uq_booking_link_workshop_repairy_id"),
        indexes=(("workshop", "shop_key"), ("workshop", "due_at"), ("workshop", "poll_at")),
    )
    _table(
        "intent",
        _text("op"),
        *_link_id("intent", null=False),
        *[_text(name) for name in ("workshop", "side", "kind")],
        *[_json(name) for name in ("before", "after")],
        *[_json(name, null=True) for name in ("shop", "repairy")],
        _json("context"),
        _truth("visible"),
        _time("started_at", null=False),
        _time("finished_at"),
        _text("outcome", null=True),
        _text("error"),
        _number("looks"),
        _time("look_at"),
        key=("op",),
        indexes=(("link_id",), ("workshop", "outcome"), ("workshop", "visible", "started_at")),
    )
    _table(
        "hold",
        _text("id"),
        _text("workshop"),
        *_link_id("hold", null=True),
        *[_text(name) for name in ("kind", "scope", "reason")],
        _time("since", null=False),
        _text("digest"),
        _number("count"),
        _json("details"),
        _time("until"),
        _time("closed_at"),
        _text("closed_by", null=True),
        indexes=(("link_id",), ("workshop", "closed_at")),
    )
    _table(
        "webhook_event",
        *[_text(name) for name in ("workshop", "id", "action", "booking_id")],
        _text("workshop_id", null=True),
        _time("received_at", null=False),
        _truth("parked"),
        _time("settled_at"),
        key=("workshop", "id"),
        indexes=(("workshop", "settled_at"),),
    )
    _table(
        "source",
        *[_text(name) for name in ("workshop", "side")],
        _text("cursor", null=True),
        _json("identity"),
        *[_time(name) for name in ("last_attempt", "last_good")],
        _text("last_error"),
        _number("rows"),
        _time("pause_until"),
        key=("workshop", "side"),
    )
    _table(
        "workshop",
        *[_text(name) for name in ("workshop", "mode")],
        _time("baseline_at"),
        *[_text(name) for name in ("paused", "profile_digest")],
        _time("last_sweep"),
        _json("last_write"),
        key=("workshop",),
    )
    _table(
        "decision",
        _number("id"),
        *[_text(name) for name in ("workshop", "kind", "target", "value")],
        _time("at", null=False),
        _time("taken_at"),
        indexes=(("workshop", "taken_at"),),
    )
    _table(
        "pass_run",
        _number("id"),
        _text("workshop"),
        *[_time(name, null=False) for name in ("started_at", "finished_at")],
        _json("counts"),
        _text("error"),
        indexes=(("workshop", "started_at"),),
    )
    _table(
        "lease",
        *[_text(name) for name in ("workshop", "holder")],
        _number("fence"),
        *[_time(name, null=False) for name in ("since", "expires_at")],
        key=("workshop",),
    )


def downgrade() -> None:
    for name in ("lease", "pass_run", "decision", "workshop", "source", "webhook_event", "hold", "intent", "booking_link"):
        op.drop_table(name)
