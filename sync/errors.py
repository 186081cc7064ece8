"""Every error that crosses a layer of this program.

    SyncError
    ├── ConfigError        the owner's configuration; carries every problem found (exit 78)
    ├── Unreachable        a read failed: nothing is known of that side now (exit 75)
    ├── NotFound           the booking asked for by key is not there; a good read
    ├── LeaseHeld          another process works for this workshop (exit 75)
    ├── LeaseLost          we are no longer the one who may write
    ├── Conflict           somebody else changed the state row first: read it again
    ├── WrongPair          the database or workshop is not the one this state belongs to
    └── WriteFailed        a write to a side did not take; its outcome is one word
        ├── NotSent        it never left, so it may be tried later
        ├── Rejected       the other side understood and refused; never tried again unchanged
        ├── Unsupported    this side has no way to store it (noted, not lost)
        ├── Unknown        it may or may not have happened: settled by looking
        └── Stale          what is there is not what the plan was made from: plan again

An adapter turns every error of the libraries below it into one of these; nothing else leaves it.
Messages are for the workshop's owner: what happened and what to do. They never hold personal data or a secret.
"""

from __future__ import annotations

from typing import ClassVar

# Codes of a Rejected where a person must act: several rows could be the one that is meant, or a text does not fit as it is.
SEVERAL, TOO_LONG, CHARACTERS = "several", "too_long", "characters"
FOR_A_PERSON = (SEVERAL, TOO_LONG, CHARACTERS)


class SyncError(Exception):
    """The head of the tree; never raised itself."""


class ConfigError(SyncError):
    """The configuration cannot be used. `problems` holds one line each: file, dotted key, what is allowed."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Unreachable(SyncError):
    """A side could not be read. `retry_after` is in seconds where the side named a time."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotFound(SyncError):
    """A good read says that this booking is not there."""


class LeaseHeld(SyncError):
    """Another process works for this workshop; the message says which."""


class LeaseLost(SyncError):
    """This process lost its lease and commits nothing more."""


class Conflict(SyncError):
    """The state row was changed by somebody else since it was read."""


class WrongPair(SyncError):
    """The shop database or the Repairy workshop is not the one that this state was made for."""


class WriteFailed(SyncError):
    """A write did not take. `outcome` is the word kept in the journal."""

    outcome: ClassVar[str]


class NotSent(WriteFailed):
    """Nothing left this machine, or the side asked for patience (`retry_after`, seconds)."""

    outcome = "not_sent"

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Rejected(WriteFailed):
    """The side refused. `transition` is true where it refused a change of status; `code` is the side's own word."""

    outcome = "rejected"

    def __init__(self, message: str, code: str = "", transition: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.transition = transition


class Unsupported(WriteFailed):
    """This side has no statement or field for it; the change is noted."""

    outcome = "rejected"


class Unknown(WriteFailed):
    """The write may have happened. It is settled by looking, never by guessing."""

    outcome = "unknown"


class Stale(WriteFailed):
    """The side no longer shows what the plan was made from; nothing was written."""

    outcome = "stale"
