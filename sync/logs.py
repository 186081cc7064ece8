"""The log: one line per event on stderr, as `key=value` or JSON, times in ISO 8601 UTC.

No line may hold a customer or a secret. So an exception is logged by its kind and its places in the code; the message
only where it is one of `sync.errors`, since a library's message may quote what was being written.
Libraries that tell whole addresses or every tick are kept quiet.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator
from types import TracebackType

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from sync.errors import SyncError

QUIET = ("httpx", "httpcore", "apscheduler", "uvicorn.access", "alembic", "sqlalchemy")
_FIRST = ("timestamp", "level", "logger", "event")


def configure(verbose: bool = False, json: bool = False) -> None:
    """Send this program's log and that of its libraries to stderr; called once, by the command."""
    level = logging.DEBUG if verbose else logging.INFO
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_values,
    ]
    line: Processor = structlog.processors.JSONRenderer() if json else structlog.processors.LogfmtRenderer(key_order=_FIRST)
    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = logging.StreamHandler(sys.stderr)
    bare = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=before, processors=[bare, line]))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def get(name: str) -> FilteringBoundLogger:
    """A logger that calls itself by this name in every line."""
    logger: FilteringBoundLogger = structlog.get_logger(name)
    return logger


def _without_values(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Turns `exc_info` into one text under `error`."""
    given = event.pop("exc_info", None)
    raised = (
        given[1]
        if isinstance(given, tuple)
        else given
        if isinstance(given, BaseException)
        else sys.exc_info()[1]
        if given
        else None
    )
    if raised is not None:
        event["error"] = " < ".join(_chain(raised))
    return event


def _chain(raised: BaseException | None) -> Iterator[str]:
    while raised is not None:
        words = f" ({raised})" if isinstance(raised, SyncError) else ""
        yield f"{type(raised).__name__}{words} at {_places(raised.__traceback__)}"
        raised = raised.__cause__ or (None if raised.__suppress_context__ else raised.__context__)


def _places(frames: TracebackType | None) -> str:
    """Innermost first: file, line and function."""
    found = reversed(traceback.extract_tb(frames))
    return ", ".join(f"{'/'.join(each.filename.split('/')[-2:])}:{each.lineno} {each.name}" for each in found) or "?"
