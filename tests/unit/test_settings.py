"""The configuration: every option works, every mistake is named, all mistakes at once, and no secret's value is ever shown."""

from __future__ import annotations

import copy
import json
import random
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel

from sync.errors import ConfigError
from sync.settings import Settings, Workshop, load
from sync.settings.kinds import Address, hours
from sync.settings.load import options, variable
from sync.settings.model import Policy
from sync.share import CONFIG

SAMPLE = CONFIG / "repairy-sync.toml"
CANARY = "canary-7f3a"
GIVEN = {"REPAIRY_SYNC_REPAIRY_APP_KEY": CANARY + "-key", "REPAIRY_SYNC_REPAIRY_APP_SECRET": CANARY + "-secret"}
WORKSHOP = {
    "id": "W1",
    "name": "Northside",
    "timezone": "Australia/Melbourne",
    "shop_url": "sqlite:///shop.db",
    "profile": "our-shop.toml",
    "reference_prefix": "NS-",
}
SECOND = WORKSHOP | {"id": "W2", "name": "Southside", "reference_prefix": "SS-"}
LEAST: dict[str, Any] = {"repairy": {"base_url": "https://api.example.com", "partner_id": "P1"}, "workshops": [WORKSHOP]}


class GONE:
    """Stands for a key that is taken away."""


def changed(changes: Mapping[str, Any], base: Mapping[str, Any] = LEAST) -> dict[str, Any]:
    """The least configuration with values set at dotted places; GONE takes one away."""
    values = copy.deepcopy(dict(base))
    for place, value in changes.items():
        *above, key = place.split(".")
        table: Any = values
        for part in above:
            table = table[int(part)] if isinstance(table, list) else table.setdefault(part, {})
        if value is GONE:
            del table[key]
        else:
            table[key] = value
    return values


def toml(values: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for key, value in values.items():
        if not isinstance(value, dict) and not (isinstance(value, list) and value and isinstance(value[0], dict)):
            yield f"{key} = {json.dumps(value).replace('NaN', 'nan')}"
    for key, value in values.items():
        if isinstance(value, dict):
            yield from (f"[{above}{key}]", *toml(value, f"{above}{key}."))
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for each in value:
                yield from (f"[[{above}{key}]]", *toml(each, f"{above}{key}."))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(folder: Path, changes: Mapping[str, Any] = {}, environ: Mapping[str, str] = GIVEN, **options: Any) -> Settings:
    file = folder / "our.toml"
    file.write_text("\n".join(toml(changed(changes))), encoding="utf-8")
    return load(file, environ, **options)


def problems(folder: Path, changes: Mapping[str, Any] = {}, environ: Mapping[str, str] = GIVEN) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(folder, changes, environ)
    return [line.removeprefix(f"{folder / 'our.toml'}: ") for line in caught.value.problems]


def refusal(make: Callable[..., Settings], *arguments: Any) -> ConfigError | None:
    """What was wrong, or None; any other exception is a failure."""
    try:
        make(*arguments)
    except ConfigError as error:
        return error
    return None


def secret_files(folder: Path, **values: str) -> Path:
    there = folder / "secrets"
    there.mkdir(exist_ok=True)
    for name, value in values.items():
        (there / name).write_text(value)
        (there / name).chmod(0o600)
    return there


# --- the sample file -------------------------------------------------------------------------------------------------


def sample() -> dict[str, Any]:
    return tomllib.loads(SAMPLE.read_text(encoding="utf-8"))


def in_file(model: type[BaseModel], values: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Each option of a table that holds no tables: its name in the file, its field, and what the sample says."""
    for key, field in model.model_fields.items():
        yield field.alias or key, field, values.get(field.alias or key)


def sampled() -> list[Any]:
    """(place, field, value in the sample) of every option of the settings class."""
    values = sample()
    workshop = values["workshops"][0]
    found = [
        (f"{table}.{key}" if table else key, field, (values[table] if table else values).get(key))
        for table, key, field in options()
    ]
    found += [(f"workshops.{key}", *rest) for key, *rest in in_file(Workshop, workshop) if key != "policy"]
    found += [(f"workshops.policy.{key}", *rest) for key, *rest in in_file(Policy, workshop["policy"])]
    return [pytest.param(*each, id=each[0]) for each in found]


@pytest.mark.parametrize(("place", "field", "value"), sampled())
def test_sample_states_every_option_with_its_default(place: str, field: Any, value: Any) -> None:
    """What has no default stands as an example."""
    assert value is not None, place
    if not field.is_required():
        assert value == field.get_default(call_default_factory=True)


@pytest.mark.parametrize(("place", "field", "value"), sampled())
def test_sample_comments_say_what_the_class_says(place: str, field: Any, value: Any) -> None:
    """One comment each, the field's own description; `required:` before it where there is no default."""
    table = "\n".join(SAMPLE.read_text(encoding="utf-8").split("\n["))
    comment = ("required: " if field.is_required() else "") + field.description
    assert re.search(rf"(?m)^{place.rsplit('.', 1)[-1]} = .*  # {re.escape(comment)}$", table), comment


def test_sample_has_no_other_key(folder: Path) -> None:
    """It loads as it stands: a key that the class lacks would be refused."""
    settings = load(SAMPLE, GIVEN)
    assert settings.workshop("Northside").policy == Policy()


def test_defaults_are_those_of_the_sample(folder: Path) -> None:
    """The least configuration and the sample give the same settings, but for what every installation gives."""
    least, full = read(folder), load(SAMPLE, GIVEN)
    for part in ("mode", "schedule", "safety", "web", "webhooks", "alerts"):
        assert getattr(least, part) == getattr(full, part)


# --- every key works -------------------------------------------------------------------------------------------------

WORKS = [
    ("mode", "two-way", lambda s: s.mode, "two-way"),
    ("repairy.base_url", "https://api.example.com/v1/", lambda s: s.repairy.base_url, "https://api.example.com/v1"),
    ("repairy.base_url", "http://127.0.0.1:8099", lambda s: s.repairy.base_url, "http://127.0.0.1:8099"),
    ("repairy.base_url", "http://[::1]:8099", lambda s: s.repairy.base_url, "http://[::1]:8099"),
    ("repairy.base_url", "http://localhost:8099", lambda s: s.repairy.base_url, "http://localhost:8099"),
    ("repairy.timeout", "20s", lambda s: s.repairy.timeout, timedelta(seconds=20)),
    ("repairy.quarantine", "1m", lambda s: s.repairy.quarantine, timedelta(minutes=1)),
    ("repairy.concurrency", 3, lambda s: s.repairy.concurrency, 3),
    ("repairy.requests_per_second", 0.5, lambda s: s.repairy.requests_per_second, 0.5),
    ("state.backups", 0, lambda s: s.state.backups, 0),
    ("state.retention", "30d", lambda s: s.state.retention, timedelta(days=30)),
    ("schedule.shop", "5s", lambda s: s.schedule.shop, timedelta(seconds=5)),
    ("schedule.repairy", "2m", lambda s: s.schedule.repairy, timedelta(minutes=2)),
    ("schedule.sweep", "23:59", lambda s: s.schedule.sweep, "23:59"),
    ("schedule.window_past", "0d", lambda s: s.schedule.window_past, timedelta(0)),
    ("schedule.window_future", "24h", lambda s: s.schedule.window_future, timedelta(days=1)),
    ("safety.visible", ["done", "moved"], lambda s: s.safety.visible, ["done", "moved"]),
    ("safety.settle", "0s", lambda s: s.safety.settle, timedelta(0)),
    ("safety.freshness", "2d", lambda s: s.safety.freshness, timedelta(days=2)),
    ("safety.visible_per_hour", 0, lambda s: s.safety.visible_per_hour, 0),
    ("safety.max_share", 1, lambda s: s.safety.max_share, 1.0),
    ("safety.max_count", 20, lambda s: s.safety.max_count, 20),
    ("safety.min_count", 0, lambda s: s.safety.min_count, 0),
    ("safety.missing_row", "cancel", lambda s: s.safety.missing_row, "cancel"),
    ("web.listen", "[::1]:0", lambda s: s.web.listen, Address("::1", 0)),
    ("web.allowed_hosts", ["shop.example.com"], lambda s: s.web.allowed_hosts, ["shop.example.com"]),
    ("webhooks.listen", "localhost:9000", lambda s: str(s.webhooks.listen), "localhost:9000"),
    ("alerts.heartbeat_url", "http://ping.example.com/x", lambda s: s.alerts.heartbeat_url, "http://ping.example.com/x"),
    ("alerts.notify", ["mailto://a@example.com"], lambda s: s.alerts.notify, ["mailto://a@example.com"]),
    ("workshops.0.timezone", "Pacific/Auckland", lambda s: s.workshops[0].zone, ZoneInfo("Pacific/Auckland")),
    (
        "workshops.0.policy",
        {"notes": "hold"},
        lambda s: (s.workshops[0].policy.notes, s.workshops[0].policy.time),
        ("hold", "hold"),
    ),
]


@pytest.mark.parametrize(("place", "value", "look", "expected"), WORKS, ids=lambda each: each if isinstance(each, str) else "")
def test_option_reaches_the_settings(place: str, value: Any, look: Any, expected: Any, folder: Path) -> None:
    assert look(read(folder, {place: value})) == expected


@pytest.mark.parametrize(
    ("place", "value", "look", "expected"),
    [
        ("state.url", "sqlite:///data/state.db", lambda s: s.state.url.database, "data/state.db"),
        ("state.url", "sqlite:///data/state.db", lambda s: s.state.journal_path, "data/journal.jsonl"),
        ("state.url", "postgresql+psycopg://u@localhost/s", lambda s: s.state.journal_path, "journal.jsonl"),
        ("repairy.contract", "site.toml", lambda s: s.repairy.contract, "site.toml"),
        ("workshops.0.shop_url", "sqlite:///shop.db", lambda s: s.workshops[0].shop_url.database, "shop.db"),
        ("workshops.0.profile", "profiles/ours.toml", lambda s: s.workshops[0].profile_path, "profiles/ours.toml"),
        ("workshops.0.profile", "ours.toml", lambda s: s.workshops[0].profile_path, "ours.toml"),
    ],
)
def test_paths_are_relative_to_the_file(place: str, value: str, look: Any, expected: str, folder: Path, monkeypatch: Any) -> None:
    """Not to where the program was started."""
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    assert Path(look(read(folder, {place: value}))) == folder / expected


def test_absolute_sqlite_path_stays(folder: Path) -> None:
    found = read(folder, {"state.url": "sqlite:////var/lib/x/state.db"})
    assert found.state.url.database == "/var/lib/x/state.db"


def test_bare_profile_name_is_built_in(folder: Path) -> None:
    """And one that does not exist is told with those that do."""
    built_in = sorted(path.stem for path in (CONFIG / "profiles").glob("*.toml"))
    for name in built_in:
        assert read(folder, {"workshops.0.profile": name}).workshops[0].profile_path == CONFIG / "profiles" / f"{name}.toml"
    assert "no built-in profile has this name (there are: " in problems(folder, {"workshops.0.profile": "nosuch"})[0]


def test_settings_cannot_be_changed(folder: Path) -> None:
    settings = read(folder)
    with pytest.raises(ValueError, match="frozen"):
        settings.safety.max_count = 1000


# --- opening hours ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "moment", "open_"),
    [
        ("Mon-Fri 07:00-18:00", "2026-03-02T07:00", True),  # a Monday
        ("Mon-Fri 07:00-18:00", "2026-03-02T06:59", False),
        ("Mon-Fri 07:00-18:00", "2026-03-06T17:59", True),
        ("Mon-Fri 07:00-18:00", "2026-03-06T18:00", False),
        ("Mon-Fri 07:00-18:00", "2026-03-07T12:00", False),
        ("Mon-Fri 07:00-18:00, Sat 08:00-12:00", "2026-03-07T11:00", True),
        ("Sat-Mon 08:00-12:00", "2026-03-08T09:00", True),  # over the end of the week
        ("Sat-Mon 08:00-12:00", "2026-03-10T09:00", False),
    ],
)
def test_opening_hours(text: str, moment: str, open_: bool) -> None:
    assert hours(text).contains(datetime.fromisoformat(moment)) is open_


# --- mistakes are named ----------------------------------------------------------------------------------------------

MISTAKES = [
    ("moode", "observe", "moode: unknown key; did you mean mode?"),
    ("_env_file", "x", "_env_file: unknown key; known here are mode, secrets_dir, "),
    ("repairy.timeoot", "3s", "repairy.timeoot: unknown key; did you mean timeout?"),
    ("workshops.0.policy", {"notez": "shop"}, "workshops.Northside.policy.notez: unknown key; did you mean notes?"),
    ("mode", "sideways", 'mode: must be "observe", "two-way", "to-repairy" or "to-shop"'),
    ("mode", 3, 'mode: must be "observe", '),
    ("repairy", GONE, "repairy: missing; the table [repairy], with at least base_url and partner_id"),
    ("repairy", 5, "repairy: not a table"),
    ("repairy.base_url", GONE, "repairy.base_url: missing; the address of the Partner API"),
    ("repairy.base_url", "http://api.example.com", "repairy.base_url: must begin with https://"),
    ("repairy.base_url", "http://localhost.example.com", "repairy.base_url: must begin with https://"),
    ("repairy.base_url", "ftp://api.example.com", 'repairy.base_url: not a web address; write "https://host/path"'),
    ("repairy.base_url", "https://api.example.com:port", "repairy.base_url: not a web address"),
    ("repairy.base_url", "https://u:p@api.example.com", "repairy.base_url: must not carry a user or password"),
    ("repairy.partner_id", " ", "repairy.partner_id: empty; a value is required"),
    ("repairy.partner_id", 5, "repairy.partner_id: not text; write it in quotes"),
    ("repairy.ca_bundle", "nowhere.pem", "repairy.ca_bundle: no such file"),
    ("repairy.timeout", "8 parsecs", 'repairy.timeout: not a duration; write "30s", "5m", "24h" or "2d"'),
    ("repairy.timeout", 30, "repairy.timeout: not text; write it in quotes"),
    ("repairy.timeout", "0s", "repairy.timeout: must be longer than zero"),
    ("repairy.quarantine", "59s", "repairy.quarantine: must be at least twice repairy.timeout"),
    ("repairy.timeout", "6m", "repairy.quarantine: must be at least twice repairy.timeout"),
    ("repairy.concurrency", "8", "repairy.concurrency: not a whole number"),
    ("repairy.concurrency", True, "repairy.concurrency: not a whole number"),
    ("repairy.concurrency", 8.5, "repairy.concurrency: not a whole number"),
    ("repairy.concurrency", 0, "repairy.concurrency: must be at least 1"),
    ("repairy.concurrency", 65, "repairy.concurrency: must be at most 64"),
    ("repairy.requests_per_second", 0, "repairy.requests_per_second: must be more than 0"),
    ("repairy.requests_per_second", "10", "repairy.requests_per_second: not a number; write it without quotes"),
    ("repairy.requests_per_second", float("nan"), "repairy.requests_per_second: not a number"),
    ("state.url", "sqlite://", 'state.url: must be "sqlite:///file" or "postgresql+psycopg://user@host/database"'),
    ("state.url", "mysql://u@h/d", "state.url: must be "),
    ("state.url", "here", "state.url: not a database address"),
    ("state.retention", "99999999999999999d", "state.retention: not a duration"),
    ("state.retention", "4000d", 'state.retention: longer than the longest duration, "3650d"'),
    ("schedule.sweep", "25:00", 'schedule.sweep: not a time of day; write "HH:MM"'),
    ("schedule.sweep", "2:30", "schedule.sweep: not a time of day"),
    ("schedule.shop", "0s", "schedule.shop: must be longer than zero"),
    ("safety.visible", ["done", "sms"], 'safety.visible: must be "created", "moved", "updated", "done" or "cancelled"'),
    ("safety.visible", "done", "safety.visible: not a list"),
    ("safety.max_share", 0, "safety.max_share: must be more than 0"),
    ("safety.max_share", 1.1, "safety.max_share: must be at most 1"),
    ("safety.min_count", 51, "safety.min_count: must not be above safety.max_count"),
    ("safety.missing_row", "delete", 'safety.missing_row: must be "ignore", "alert" or "cancel"'),
    ("web.listen", "8780", 'web.listen: not an address to listen on; write "host:port"'),
    ("web.listen", "127.0.0.1:65536", "web.listen: not an address to listen on"),
    ("web.allowed_hosts", [5], "web.allowed_hosts: not text"),
    ("webhooks.public_url", "https://example.com", "webhooks.public_url: must be the whole address, path included"),
    ("webhooks.public_url", "http://example.com/webhooks/repairy", "webhooks.public_url: must begin with https://"),
    ("webhooks.relay", "http://relay.example.com", "webhooks.relay: must begin with https://"),
    ("alerts.notify", [""], "alerts.notify: empty"),
    ("workshops", GONE, "workshops: missing; one table [[workshops]] for each workshop"),
    ("workshops", [], "workshops: empty; at least one is needed"),
    ("workshops", 5, "workshops: not a list"),
    ("workshops", [5], "workshops.1: not a table"),
    ("workshops.0.id", "", "workshops.Northside.id: must be one word"),
    ("workshops.0.id", "../x", "workshops.Northside.id: must be one word"),
    ("workshops.0.name", "a/b", "workshops.1.name: must be usable as a file's name"),
    ("workshops.0.name", "..", "workshops.1.name: must be usable as a file's name"),
    ("workshops.0.name", GONE, "workshops.1.name: missing; what you call it"),
    (
        "workshops.0.timezone",
        "Australia/Melborne",
        'workshops.Northside.timezone: not an IANA time zone; write a name such as "Australia/Melbourne"',
    ),
    ("workshops.0.timezone", "../../etc/passwd", "workshops.Northside.timezone: not an IANA time zone"),
    ("workshops.0.timezone", "Australia", "workshops.Northside.timezone: not an IANA time zone"),
    ("workshops.0.hours", "always", 'workshops.Northside.hours: not opening hours; write "Mon-Fri 07:00-18:00"'),
    ("workshops.0.hours", "Mon-Fry 07:00-18:00", "workshops.Northside.hours: not opening hours"),
    ("workshops.0.hours", "Mon 18:00-07:00", "workshops.Northside.hours: opening hours must end later than they begin"),
    ("workshops.0.hours", "Mon 07:00-24:00", "workshops.Northside.hours: not a time of day"),
    ("workshops.0.shop_url", "our shop", "workshops.Northside.shop_url: not a database address"),
    ("workshops.0.reference_prefix", "", "workshops.Northside.reference_prefix: must be 1 to 32 letters, digits"),
    ("workshops.0.reference_prefix", "A~2", "workshops.Northside.reference_prefix: must be 1 to 32 letters, digits"),
    ("workshops.0.policy", {"time": "merge"}, 'workshops.Northside.policy.time: must be "shop", "repairy" or "hold"'),
    ("workshops.0.policy", {"customer": "repairy"}, 'workshops.Northside.policy.customer: must be "shop" or "hold"'),
    ("workshops", [WORKSHOP, SECOND | {"id": "W1"}], "workshops.Southside.id: another workshop has this id"),
    ("workshops", [WORKSHOP, SECOND | {"name": "northside"}], "workshops.northside.name: another workshop has this name"),
    ("workshops", [WORKSHOP, SECOND | {"reference_prefix": "NS-"}], "workshops.Southside.reference_prefix: clashes with another"),
    (
        "workshops",
        [WORKSHOP, SECOND | {"reference_prefix": "ns-2"}],
        "workshops.Southside.reference_prefix: clashes with another",
    ),
    (
        "workshops",
        [SECOND | {"reference_prefix": "NS-2"}, WORKSHOP],
        "workshops.Northside.reference_prefix: clashes with another",
    ),
]


@pytest.mark.parametrize(
    ("place", "value", "line"),
    MISTAKES,
    ids=[f"{place}={'gone' if value is GONE else repr(value)[:30]}" for place, value, _ in MISTAKES],
)
def test_mistake_is_named(place: str, value: Any, line: str, folder: Path) -> None:
    """One line: the file, the dotted key, and what is allowed."""
    found = problems(folder, {place: value}, GIVEN | {"REPAIRY_SYNC_REPAIRY_WEBHOOK_SECRET": CANARY})
    assert [each[: len(line)] for each in found] == [line]


def test_all_mistakes_are_told_at_once(folder: Path) -> None:
    """Unknown keys, types, zones, addresses, clashes, variables and missing secrets do not hide one another."""
    wrong = {
        "moode": 1,
        "repairy.base_url": "http://api.example.com",
        "repairy.concurrency": "8",
        "repairy.timeout": "9m",
        "workshops": [WORKSHOP | {"timezone": "Nowhere"}, SECOND | {"reference_prefix": "NS-1"}],
    }
    found = problems(folder, wrong, {"REPAIRY_SYNC_MOOD": "x", "REPAIRY_SYNC_SCHEDULE__SHOP": "soon"})
    assert sorted(line.split(": ")[0] if line[0] != "e" else line.split(": ")[1] for line in found) == sorted(
        [
            "moode",
            "repairy.base_url",
            "repairy.concurrency",
            "repairy.quarantine",
            "workshops.Northside.timezone",
            "workshops.Southside.reference_prefix",
            "secret repairy_app_key",
            "secret repairy_app_secret",
            "REPAIRY_SYNC_MOOD",
            "REPAIRY_SYNC_SCHEDULE__SHOP",
        ]
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'mode = "observe', "not TOML"),
        (b"mode = 'a'\nmode = 'b'", "not TOML"),
        (b'mode = "\xff"', "not text in UTF-8"),
    ],
)
def test_unreadable_file_is_named(content: bytes, words: str, folder: Path) -> None:
    file = folder / "our.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=f"our.toml: {words}"):
        load(file, GIVEN)


# --- where it is found -----------------------------------------------------------------------------------------------


def test_search_order(folder: Path) -> None:
    """The named file, else $REPAIRY_SYNC_CONFIG, else the one here."""
    for name in ("named.toml", "variable.toml", "repairy-sync.toml"):
        (folder / name).write_text("\n".join(toml(LEAST)))
    environ = GIVEN | {"REPAIRY_SYNC_CONFIG": str(folder / "variable.toml")}
    assert load(Path("named.toml"), environ).file == folder / "named.toml"
    assert load(None, environ).file == folder / "variable.toml"
    assert load(None, GIVEN).file == folder / "repairy-sync.toml"


def test_a_named_file_that_is_absent_is_an_error(folder: Path) -> None:
    """Also where another one could be found."""
    (folder / "repairy-sync.toml").write_text("\n".join(toml(LEAST)))
    with pytest.raises(ConfigError, match=r"absent\.toml: no such file"):
        load(Path("absent.toml"), GIVEN)


# --- the environment -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "look", "expected"),
    [
        ("REPAIRY_SYNC_MODE", "to-shop", lambda s: s.mode, "to-shop"),
        ("REPAIRY_SYNC_REPAIRY__TIMEOUT", "7s", lambda s: s.repairy.timeout, timedelta(seconds=7)),
        ("REPAIRY_SYNC_REPAIRY__CONCURRENCY", "2", lambda s: s.repairy.concurrency, 2),
        ("REPAIRY_SYNC_REPAIRY__PARTNER_ID", "55", lambda s: s.repairy.partner_id, "55"),
        ("REPAIRY_SYNC_SAFETY__VISIBLE", '["done"]', lambda s: s.safety.visible, ["done"]),
        ("REPAIRY_SYNC_SAFETY__MAX_SHARE", "0.5", lambda s: s.safety.max_share, 0.5),
    ],
)
def test_environment_overrides_the_file(name: str, value: str, look: Any, expected: Any, folder: Path) -> None:
    found = read(folder, {"mode": "two-way", "repairy.timeout": "20s", "safety.max_share": 0.1}, GIVEN | {name: value})
    assert look(found) == expected


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("REPAIRY_SYNC_MOOD", "x", "unknown; did you mean REPAIRY_SYNC_MODE?"),
        ("REPAIRY_SYNC_REPAIRY_TIMEOUT", "5s", "unknown; did you mean REPAIRY_SYNC_REPAIRY__TIMEOUT?"),
        ("repairy_sync_mode", "observe", "unknown; did you mean REPAIRY_SYNC_MODE?"),
        ("REPAIRY_SYNC_WORKSHOPS__0__ID", "W9", "workshops are read from the file only"),
        ("REPAIRY_SYNC_WORKSHOPS", "[]", "workshops are read from the file only"),
        ("REPAIRY_SYNC_SHOP_PASSWORD_WESTSIDE", "x", "unknown; did you mean REPAIRY_SYNC_SHOP_PASSWORD"),
        ("REPAIRY_SYNC_REPAIRY__TIMEOUT", "soon", 'not a duration; write "30s", "5m", "24h" or "2d"'),
        ("REPAIRY_SYNC_REPAIRY__CONCURRENCY", "many", "not a whole number"),
        ("REPAIRY_SYNC_SAFETY__VISIBLE", "done", "not a list"),
    ],
)
def test_mistake_in_the_environment_is_named(name: str, value: str, words: str, folder: Path) -> None:
    """By the variable, not by the file."""
    found = problems(folder, {}, GIVEN | {name: value})
    assert [line[: len(f"environment: {name}: {words}")] for line in found] == [f"environment: {name}: {words}"]


def test_every_option_outside_workshops_has_a_variable() -> None:
    names = [variable(table, key) for table, key, _ in options()]
    assert len(names) == len(set(names))
    assert "REPAIRY_SYNC_WEBHOOKS__PUBLIC_URL" in names


# --- secrets ---------------------------------------------------------------------------------------------------------


def test_secrets_come_from_files(folder: Path) -> None:
    """A closing line end is no part of one."""
    secret_files(folder, repairy_app_key="one\n", repairy_app_secret=" two \n", web_token="three")
    secrets = read(folder, {"secrets_dir": "secrets"}, {}).secrets
    assert [each.get_secret_value() for each in (secrets.app_key, secrets.app_secret, secrets.web_token)] == [
        "one",
        " two ",
        "three",
    ]


def test_secrets_come_from_systemd(folder: Path) -> None:
    """$CREDENTIALS_DIRECTORY is the default of secrets_dir."""
    there = secret_files(folder, repairy_app_key="one", repairy_app_secret="two")
    assert read(folder, {}, {"CREDENTIALS_DIRECTORY": str(there)}).secrets.app_key.get_secret_value() == "one"


def test_an_empty_secret_is_not_given(folder: Path) -> None:
    """The systemd unit puts an empty line where an optional file is missing."""
    secret_files(folder, repairy_app_key="", web_token="\n")
    environ = GIVEN | {"REPAIRY_SYNC_WEB_TOKEN": ""}
    assert read(folder, {"secrets_dir": "secrets"}, environ).secrets.web_token is None


def test_webhook_secrets_rotate(folder: Path) -> None:
    """The present one first, then the next."""
    given = {"REPAIRY_SYNC_REPAIRY_WEBHOOK_SECRET": "now", "REPAIRY_SYNC_REPAIRY_WEBHOOK_SECRET_NEXT": "next"}
    found = read(folder, {}, GIVEN | given).secrets.webhook
    assert [each.get_secret_value() for each in found] == ["now", "next"]


@pytest.mark.parametrize("place", ["webhooks.public_url", "webhooks.relay"])
def test_webhooks_need_their_secret(place: str, folder: Path) -> None:
    assert problems(folder, {place: "https://example.com/webhooks/repairy"})[0].startswith(
        "secret repairy_webhook_secret: missing"
    )


@pytest.mark.parametrize("name", ["repairy_app_key", "repairy_app_secret"])
def test_missing_secrets_say_where_to_put_them(name: str, folder: Path) -> None:
    there = secret_files(folder)
    line = f"secret {name}: missing; give it as a file of this name in {there}, or as REPAIRY_SYNC_{name.upper()}"
    assert line in problems(folder, {"secrets_dir": "secrets"}, {})


def test_secrets_may_be_absent_where_nothing_is_sent(folder: Path) -> None:
    settings = read(folder, {"secrets_dir": "nowhere"}, {}, need_secrets=False)
    assert settings.secrets.webhook == ()


def test_a_missing_folder_is_an_error(folder: Path) -> None:
    line = "secrets_dir: cannot be read: No such file or directory; a relative path begins at this file"
    assert problems(folder, {"secrets_dir": "nowhere"}) == [line]


@pytest.mark.parametrize(("mode", "refused"), [(0o600, False), (0o640, False), (0o440, False), (0o604, True), (0o602, True)])
def test_files_that_others_may_read_are_refused(mode: int, refused: bool, folder: Path) -> None:
    """A group is allowed: systemd's own credentials are shown to one."""
    there = secret_files(folder, web_token=CANARY)
    (there / "web_token").chmod(mode)
    if refused:
        assert problems(folder, {"secrets_dir": "secrets"}) == [
            f"secret web_token: others may read {there}/web_token; run: chmod o= {there}/web_token"
        ]
    else:
        assert read(folder, {"secrets_dir": "secrets"}).secrets.web_token is not None


def test_a_secret_given_twice_is_an_error(folder: Path) -> None:
    secret_files(folder, repairy_app_key=CANARY)
    found = problems(folder, {"secrets_dir": "secrets"})
    assert found == [
        f"secret repairy_app_key: given twice; keep either the file in {folder}/secrets or REPAIRY_SYNC_REPAIRY_APP_KEY"
    ]


def test_a_misspelt_secret_is_an_error(folder: Path) -> None:
    """It would silently leave the page away, or the shop without its password."""
    secret_files(folder, web_tokn=CANARY)
    assert problems(folder, {"secrets_dir": "secrets"})[0].startswith("secret web_tokn: no secret has this name; known are ")


def test_a_workshop_has_its_own_password_or_the_common_one(folder: Path) -> None:
    """Its secret's name is the workshop's in lower case, other signs as _."""
    environ = GIVEN | {"REPAIRY_SYNC_SHOP_PASSWORD": "common", "REPAIRY_SYNC_SHOP_PASSWORD_NORTH_SIDE_2": "own"}
    both = [WORKSHOP | {"name": "North-side 2", "shop_url": "mariadb+pymysql://bridge@localhost/shop"}, SECOND]
    settings = read(folder, {"workshops": both}, environ)
    found = [settings.shop_database(each).password for each in settings.workshops]
    assert found == ["own", "common"]


def test_a_password_in_the_address_is_not_also_a_secret(folder: Path) -> None:
    url = f"mariadb+pymysql://bridge:{CANARY}@localhost/shop"
    assert read(folder, {"workshops.0.shop_url": url}).workshops[0].shop_url.password == CANARY
    found = problems(folder, {"workshops.0.shop_url": url}, GIVEN | {"REPAIRY_SYNC_SHOP_PASSWORD": "x"})
    assert found == ["workshops.Northside.shop_url: the password is given twice; take it out of the address, the secret has it"]


# --- nothing leaks ---------------------------------------------------------------------------------------------------


def test_settings_as_text_show_no_secret(folder: Path) -> None:
    """Neither the secrets nor what addresses carry."""
    secret_files(folder, web_token=CANARY, shop_password=CANARY)
    changes = {
        "secrets_dir": "secrets",
        "workshops.0.shop_url": "mariadb+pymysql://bridge@localhost/shop",
        "state.url": f"postgresql+psycopg://u:{CANARY}@localhost/state?password={CANARY}",
        "alerts.notify": [f"mailto://{CANARY}@example.com"],
        "alerts.heartbeat_url": f"https://ping.example.com/{CANARY}",
        "webhooks.public_url": f"https://example.com/webhooks/repairy/{CANARY}",
    }
    settings = read(folder, changes, GIVEN | {"REPAIRY_SYNC_REPAIRY_WEBHOOK_SECRET": CANARY})
    shown = f"{settings!r} {settings} {settings.secrets!r} {settings.shop_database(settings.workshops[0])!r} {settings.workshops}"
    assert CANARY not in shown


@pytest.mark.parametrize("place", sorted({place for place, *_ in MISTAKES if "." in place and "policy" not in place}))
@pytest.mark.parametrize(
    "value", [CANARY + " /?", [CANARY], f"https://u:{CANARY}@example.com:x"], ids=["text", "list", "address"]
)
def test_no_message_repeats_a_value(place: str, value: Any, folder: Path) -> None:
    """An owner may have pasted a secret into any line."""
    found = refusal(read, folder, {place: value})
    assert found is None or (CANARY not in str(found) and found.__cause__ is None and found.__context__ is None)


HOSTILE = [
    *(f'"{CANARY}"', f'"x:{CANARY}@y"', f'"https://u:{CANARY}@example.com"', '"\\u0000"', '"' + "9" * 400 + 'd"'),
    *('"' + "x" * 400 + '"', '"~nobody/x"', "-1", "true", "[]", "{}", "nan", "1e400", "2026-03-05", "[[]]"),
]


def spoilt(text: str, chance: random.Random) -> str:
    """The sample with one to four lines damaged as people and editors damage them."""
    lines = text.splitlines()
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(lines))
        line = lines[at]
        spot = chance.randrange(len(line) + 1)
        lines[at] = chance.choice(
            [
                "",
                line[:spot] + line[spot + 1 :],
                line[:spot] + chance.choice("\"'[]={}\\\t é\x00") + line[spot:],
                line + "\n" + line,
                re.sub(r"= .*", lambda _: "= " + chance.choice(HOSTILE), line),
                line.replace("_", "-", 1),
                line.swapcase(),
            ]
        )
    return "\n".join(lines)


@pytest.mark.parametrize("count", [500, pytest.param(50_000, marks=pytest.mark.prove)])
def test_fuzzed_configuration_loads_or_is_refused(count: int, folder: Path) -> None:
    """Never another exception, never a value in the message. Seeds are the numbers from 0."""
    file = folder / "our.toml"
    text = SAMPLE.read_text(encoding="utf-8")
    refused = 0
    for seed in range(count):
        chance = random.Random(seed)
        file.write_text(spoilt(text, chance), encoding="utf-8")
        environ = {name: value for name, value in GIVEN.items() if chance.random() < 0.9}
        refused += (found := refusal(load, file, environ)) is not None
        lines = found.problems if found else ()
        assert CANARY not in "".join(lines).replace(f"workshops.{CANARY}.", ""), f"seed {seed}"  # a workshop's name may be told
        assert all(line.startswith((str(file), "environment: ")) for line in lines), f"seed {seed}"
    assert count // 4 < refused < count
