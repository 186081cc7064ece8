"""Every option, once: its name, its default, what it means and what is allowed.

The sample `config/repairy-sync.toml` and the messages follow from these classes; a test holds them together. A default
stands here as it would in the file. A `description` is the comment in the sample file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, PrivateAttr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy import URL

from sync.settings import kinds
from sync.settings.secrets import Secrets
from sync.share import CONFIG

Sources = tuple[PydanticBaseSettingsSource, ...]
_READING: ContextVar[tuple[Path, Sources]] = ContextVar("the folder of the file being read, and where values come from")


@contextmanager
def reading(folder: Path, sources: Sources) -> Iterator[None]:
    """Within it, `Settings()` takes its values from these sources, and its paths are relative to this folder."""
    token = _READING.set((folder, sources))
    try:
        yield
    finally:
        _READING.reset(token)


def _folder() -> Path:
    return _READING.get()[0]


def _placed(value: str) -> Path | None:
    return _folder() / value if value else None


def _placed_url(url: URL) -> URL:
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:") or str(url.database).startswith("file:"):
        return url
    return url.set(database=str(_folder() / str(url.database)))


def _profile(value: str) -> Path:
    if not re.fullmatch(r"[\w-]+", value):
        return _folder() / kinds.text(value)
    built_in = {path.stem: path for path in sorted((CONFIG / "profiles").glob("*.toml"))}
    if value not in built_in:
        raise ValueError(f'no built-in profile has this name (there are: {", ".join(built_in)}); a file of yours ends in ".toml"')
    return built_in[value]


def _existing(path: Path | None) -> Path | None:
    if path and not os.path.isfile(path):  # unlike Path's, it takes any text
        raise ValueError("no such file")
    return path


def _callback(value: str) -> str:
    if value and not value.split("://", 1)[-1].partition("/")[2]:
        raise ValueError('must be the whole address, path included, such as "https://host/webhooks/repairy"')
    return value


def _kind(read: Any) -> Any:
    """A validator for text of one kind; anything but text is refused first, in words of its own."""

    def validate(value: Any) -> Any:
        if not isinstance(value, str):
            raise ValueError("not text; write it in quotes")
        return read(value)

    return PlainValidator(validate)


def _optional(read: Any) -> Any:
    """The same, with "" for none."""
    return _kind(lambda value: read(value) if value else value)


Text = Annotated[str, _kind(kinds.text)]
Word = Annotated[str, _kind(kinds.word)]
Span = Annotated[timedelta, _kind(kinds.span)]
SomeSpan = Annotated[timedelta, _kind(kinds.some_span)]
WebUrl = Annotated[str, _kind(kinds.web_url)]
OptionalUrl = Annotated[str, _optional(kinds.web_url)]
Listen = Annotated[kinds.Address, _kind(kinds.address)]
OptionalPath = Annotated[Path | None, _kind(_placed)]
Winner = Literal["shop", "repairy", "hold"]
Visible = Literal["created", "moved", "updated", "done", "cancelled"]

_MODEL = ConfigDict(
    extra="forbid", frozen=True, strict=True, validate_default=True, hide_input_in_errors=True, arbitrary_types_allowed=True
)


def option(default: Any, description: str, **limits: Any) -> Any:
    """An option with a default, written as in the file."""
    if isinstance(default, (dict, list)):
        return Field(default_factory=default.copy, description=description, **limits)
    return Field(default=default, description=description, **limits)


def required(description: str, **limits: Any) -> Any:
    """An option that every installation must give."""
    return Field(description=description, **limits)


class Part(BaseModel):
    """A table of the file."""

    model_config = _MODEL


class Repairy(Part):
    base_url: WebUrl = required("the address of the Partner API; https only, except on loopback")
    partner_id: Text = required("the Partner ID that Repairy gave you")
    contract: OptionalPath = option("", "a wire contract of your own, laid over the built-in one")
    ca_bundle: Annotated[OptionalPath, AfterValidator(_existing)] = option(
        "", "a file of certificates to trust instead of the system's"
    )
    timeout: SomeSpan = option("30s", "total deadline of one call, not per read")
    quarantine: SomeSpan = option("10m", "an unknown outcome is looked at after this long; at least twice the timeout")
    concurrency: int = option(8, "calls under way at once", ge=1, le=64)
    requests_per_second: float = option(10, "calls begun per second, at most", gt=0, le=1000, allow_inf_nan=False)


class State(Part):
    url: Annotated[URL, _kind(kinds.state_database), AfterValidator(_placed_url)] = option(
        "sqlite:////var/lib/repairy-sync/state.db",
        "where links and intents are kept; or postgresql+psycopg://user@host/database",
        repr=False,
    )
    journal: Text = option(
        "journal.jsonl", "the mapping journal, beside the state: what a lost state is rebuilt from; no personal data"
    )
    backups: int = option(7, "copies of the state that are kept", ge=0, le=1000)
    retention: SomeSpan = option("400d", "personal data of finished bookings is cleared after this")

    _beside: Path = PrivateAttr(default_factory=_folder)

    @property
    def journal_path(self) -> Path:
        """Beside the state's file; beside the configuration where the state is a server."""
        beside = Path(str(self.url.database)).parent if self.url.get_backend_name() == "sqlite" else self._beside
        return beside / self.journal


class Schedule(Part):
    shop: SomeSpan = option("30s", "look for changed shop rows")
    repairy: SomeSpan = option("60s", "re-read bookings that are due: today's and tomorrow's this often, cooler further out")
    sweep: Annotated[str, _kind(kinds.clock_time)] = option("02:30", "compare everything in the window, workshop's own time")
    window_past: Span = option("30d", "how far back the window reaches; open links are read by key even outside it")
    window_future: SomeSpan = option("365d", "how far ahead the window reaches")


class Safety(Part):
    visible: list[Visible] = option(
        [], 'what may message a customer: "created", "moved", "updated", "done", "cancelled"; the others are noted'
    )
    settle: Span = option(
        "5m", "visible writes and creates wait this long after the value was first seen; restarts when it changes"
    )
    freshness: Span = option("4d", "an older change is never made visible without a person (a long weekend)")
    visible_per_hour: int = option(30, "per workshop; over it, they wait", ge=0)
    max_share: float = option(0.3, "of open bookings, per kind and pass: more is held ...", gt=0, le=1)
    max_count: int = option(50, "... and more than this many in any case ...", ge=1)
    min_count: int = option(15, "... but never this few", ge=0)
    missing_row: Literal["ignore", "alert", "cancel"] = option(
        "alert", "a shop row that is gone: ignore (noted), alert (held) or cancel (a guarded visible write)"
    )


class Web(Part):
    listen: Listen = option(
        "127.0.0.1:8780", "status page (only with the secret web_token); /livez, /readyz and /metrics need none"
    )
    allowed_hosts: list[str] = option([], "names under which the page may be opened, besides the address above")


class Webhooks(Part):
    listen: Listen = option("127.0.0.1:8781", "serves only /webhooks/repairy: the one thing a proxy or tunnel may publish")
    public_url: Annotated[OptionalUrl, AfterValidator(_callback)] = option(
        "", "the whole address that is entered at Repairy, path included; empty: no webhooks", repr=False
    )
    relay: OptionalUrl = option("", "or the address of a relay from which events are fetched (outbound only)")


class Alerts(Part):
    heartbeat_url: Annotated[str, _optional(kinds.any_web_url)] = option("", "pinged after each good pass", repr=False)
    notify: list[Text] = option([], "Apprise addresses; told once per problem, and once when it is over", repr=False)


class Policy(Part):
    """Who wins when both sides changed."""

    status: Winner = option("shop", "shop | repairy | hold")
    time: Winner = option("hold", "shop | repairy | hold")
    service: Winner = option("shop", "shop | repairy | hold")
    notes: Literal["shop", "repairy", "hold", "merge"] = option("merge", "shop | repairy | hold | merge (line by line)")
    customer: Literal["shop", "hold"] = option("shop", "shop | hold")
    vehicle: Literal["shop", "hold"] = option("shop", "shop | hold")


class Workshop(Part):
    """A Repairy workshop and its shop database."""

    id: Word = required("Repairy's workshop id")
    name: Annotated[str, _kind(kinds.name)] = required("what you call it; names its files and its own secret")
    timezone: Annotated[str, _kind(kinds.zone)] = required("its IANA time zone")
    hours: Annotated[kinds.Hours, _kind(kinds.hours)] = option(
        "Mon-Fri 07:00-18:00", "when silence is a problem; several with commas between"
    )
    shop_url: Annotated[URL, _kind(kinds.database), AfterValidator(_placed_url)] = required(
        "any SQLAlchemy address; the password is the secret shop_password, or shop_password_<name>", repr=False
    )
    profile_path: Annotated[Path, _kind(_profile)] = required(
        "a profile of yours, or the bare name of a built-in one", alias="profile"
    )
    reference_prefix: Annotated[str, _kind(kinds.prefix)] = required(
        "begins every reference of this workshop; none may begin another; never change it"
    )
    policy: Policy = option({}, "who wins when both sides changed")

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


class Settings(BaseSettings):
    """The whole configuration. `sync.settings.load` makes one; paths in it are absolute."""

    model_config = {**SettingsConfigDict(case_sensitive=True), **_MODEL}

    mode: Literal["observe", "two-way", "to-repairy", "to-shop"] = option(
        "observe", "observe: plan and show, write to no side | two-way | to-repairy | to-shop"
    )
    secrets_dir: OptionalPath = option(
        "", "a folder with one file per secret, not readable by others; default: $CREDENTIALS_DIRECTORY"
    )
    repairy: Repairy = required("the table [repairy], with at least base_url and partner_id")
    state: State = option({}, "what this program remembers")
    schedule: Schedule = option({}, "how often it looks")
    safety: Safety = option({}, "what it may do without a person")
    web: Web = option({}, "the status page")
    webhooks: Webhooks = option({}, "events from Repairy")
    alerts: Alerts = option({}, "who is told")
    workshops: list[Workshop] = required("one table [[workshops]] for each workshop", min_length=1)

    _file: Path = PrivateAttr(default=Path())
    _secrets: Secrets = PrivateAttr(default_factory=Secrets)

    @classmethod
    def settings_customise_sources(cls, settings_cls: type[BaseSettings], *_: Any, **__: Any) -> Sources:
        return _READING.get()[1]

    @property
    def file(self) -> Path:
        """The file that was read."""
        return self._file

    @property
    def secrets(self) -> Secrets:
        return self._secrets

    def workshop(self, name: str) -> Workshop:
        """By name. Raises KeyError."""
        return {workshop.name: workshop for workshop in self.workshops}[name]

    def shop_database(self, workshop: Workshop) -> URL:
        """The shop's address with its password filled in; its text form masks it."""
        password = self.secrets.shop_password(workshop.name)
        return workshop.shop_url.set(password=password.get_secret_value()) if password else workshop.shop_url
