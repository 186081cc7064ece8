"""The pages under docs/ are so: every command is run, every table is held to the code, every link resolves.

A console block is run in order on an installation of its page (`doc_stage`). Marks in its first line: `exit=N`, the code that
its commands end with; `scene=NAME`, what happens before; `root`: not run, since it needs root, systemd, the network or time.
"""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel
from typer.main import get_command

from sync.cli import app
from sync.core import safety
from sync.ports import Names
from sync.settings import Policy, Workshop, secrets
from sync.settings.load import options
from sync.settings.model import Settings, Visible
from sync.shop import rules
from sync.shop.binding import Binder
from sync.shop.clocks import YEARS
from sync.shop.profile import Limits, Profile, Step, Write
from sync.shop.store import ShopStore
from tests.fakes import FakeClock
from tests.integration.doc_pages import PAGES, ROOT, anchors, blocks, commands, links, table
from tests.integration.doc_stage import Stage, prints, scene, staged

DOCS = ROOT / "docs"
CONFIGURE, DESCRIBE = DOCS / "configure.md", DOCS / "describe-your-shop.md"
ALL = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
page_by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)

# Commands that no test runs. It stays small: what is ours is held to its --help.
NOT_RUN = {
    "journalctl -u repairy-sync -f",
    "journalctl -u repairy-sync -n 50",
    "make check",
    "make prove",
    "make soak",
    "make test",
    "repairy-sync demo",
    "repairy-sync relay --listen 127.0.0.1:8781 --file relay.db --secrets-dir secrets",
    "scp /var/lib/repairy-sync/move.zip NEW-SERVER:",
    "sudo -u repairy-sync repairy-sync check --webhook",
    'sudo -u repairy-sync repairy-sync contract --probe "0400 000 001"',
    "sudo /opt/repairy-sync/bin/pip install 'repairy_sync-0.1.0-py3-none-any.whl[mariadb]'",
    "sudo /opt/repairy-sync/bin/pip install --upgrade 'repairy_sync-0.1.0-py3-none-any.whl[mariadb]'",
    "sudo chgrp -R repairy-sync /etc/repairy-sync",
    "sudo chgrp -R repairy-sync /etc/repairy-sync/secrets",
    "sudo chmod -R g+rX /etc/repairy-sync/secrets",
    "sudo chmod -R g+rX,o= /etc/repairy-sync/secrets",
    "sudo chmod 0640 /etc/repairy-sync/secrets/repairy_app_key",
    "sudo chmod 0750 /etc/repairy-sync/secrets",
    "sudo chown -R repairy-sync: /var/lib/repairy-sync",
    "sudo chown -R root:repairy-sync /etc/repairy-sync/secrets",
    "sudo install -d -o repairy-sync -g repairy-sync -m 0700 /var/lib/repairy-sync",
    "sudo install -o root -g repairy-sync -m 0640 /dev/stdin /etc/repairy-sync/secrets/repairy_app_key",
    "sudo ln -s /opt/repairy-sync/bin/repairy-sync /usr/local/bin/repairy-sync",
    "sudo python3 -m venv /opt/repairy-sync",
    "sudo repairy-sync init mariadb+pymysql://bridge@localhost/shop --out /etc/repairy-sync",
    "sudo repairy-sync service install",
    "sudo repairy-sync service uninstall",
    "sudo systemctl enable --now repairy-sync",
    "sudo systemctl start repairy-sync",
    "sudo systemctl stop repairy-sync",
    "sudo useradd --system --no-create-home --shell /usr/sbin/nologin repairy-sync",
    "systemctl status repairy-sync",
}


# -- commands


def play(page: Path, stage: Stage) -> None:
    """Every command of the page that can be run here, with what it ends with and what it prints."""
    block = None
    for each in commands(page):
        if "root" in each.block.marks:
            continue
        if each.block is not block:
            scene(stage, each.block)
            block = each.block
        words = each.ours
        code, said = stage.run([stage.here(one) for one in words]) if words else stage.shell(stage.here(each.plain))
        assert code == int(block.marks.get("exit", "0")), f"{each.place} ended with {code}\n{said}"
        assert prints(each, stage, said) == [], f"{each.place}\n{said}"


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=() if page == DESCRIBE else pytest.mark.soak, id=page.stem) for page in PAGES]
)
def test_every_command_does_what_the_page_says(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with staged(page, tmp_path) as stage:
        play(page, stage)
        if page == DESCRIBE:
            bookings_went_both_ways(stage)


def bookings_went_both_ways(stage: Stage) -> None:
    """The page's own job stands at Repairy at the time it was moved to; the one booked online stands in the page's tables."""
    (there,) = [one for one in stage.home.bookings() if one["externalId"] == "NS-1"]
    assert there["car"]["rego"] == "AAA001"
    assert there["customer"]["phone"] == "0400000001"
    moved = datetime.fromisoformat(there["bookingTime"]).astimezone(ZoneInfo("Australia/Melbourne"))
    assert moved.strftime("%H:%M") == "11:00"
    sql = (
        "SELECT v.plate, c.full_name, c.mobile, j.clock, j.remarks, j.state, j.web_ref "
        "FROM job j JOIN car v ON v.id = j.car_id JOIN client c ON c.id = v.client_id WHERE j.id > 2"
    )
    (online,) = [one for one in stage.home.bookings() if one["id"] != there["id"]]
    assert stage.rows(sql) == [("AAA055", "Customer Fifty-Five", "0400000055", "15:00", "Key in the box", 9, online["id"])]


def test_what_is_not_run_is_this_and_no_more() -> None:
    assert {one.words for page in PAGES for one in commands(page) if "root" in one.block.marks} == NOT_RUN


def command_of(words: list[str]) -> set[str]:
    """The options of the command that these words name. Raises KeyError where there is none."""
    found: Any = get_command(app)
    for word in [one for one in words if not one.startswith("-")]:
        if hasattr(found, "commands"):
            found = found.commands[word]
    return {option for parameter in (*get_command(app).params, *found.params) for option in parameter.opts}


def named() -> Iterator[str]:
    """Every command line of ours that the pages name in passing, or show without running it."""
    ours = r"(?<!`)`(?:sudo (?:-u repairy-sync )?)?repairy-sync ((?:--\w+ FILE )?[a-z][^`]*)`(?!`)"
    yield from re.findall(ours, " ".join(ALL.split()))
    yield from (" ".join(one.ours) for page in PAGES for one in commands(page) if "root" in one.block.marks and one.ours)


@pytest.mark.parametrize("words", sorted(set(named())))
def test_every_command_that_is_named_exists_with_its_options(words: str) -> None:
    given = words.replace("--config FILE ", "").split()
    assert {word for word in given if word.startswith("--")} <= command_of(given)


def leaves(command: Any, name: str = "repairy-sync") -> Iterator[str]:
    if hasattr(command, "commands"):
        for word, inner in command.commands.items():
            yield from leaves(inner, f"{name} {word}")
    else:
        yield name


@pytest.mark.parametrize("name", sorted(leaves(get_command(app))))
def test_every_command_is_on_a_page(name: str) -> None:
    assert re.search(rf"{name}\b", ALL)


def test_every_target_of_make_exists() -> None:
    targets = set(re.findall(r"(?m)^([a-z ]+):", (ROOT / "Makefile").read_text(encoding="utf-8")))
    words = {word for line in targets for word in line.split()}
    assert {one.split()[1] for one in NOT_RUN if one.startswith("make ")} <= words


# -- links


@page_by_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in links(page):
        file, _, anchor = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        assert there.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(there), f"{page.name}: {target}"


@page_by_page
def test_every_heading_is_in_the_pages_own_list(page: Path) -> None:
    """A reader finds it without scrolling."""
    titles = re.findall(r"(?m)^## (.+)$", re.sub(r"(?ms)^```.*?^```$", "", page.read_text(encoding="utf-8")))
    listed = re.findall(r"(?m)^- \[(.+?)\]\(#", page.read_text(encoding="utf-8"))
    assert listed == titles


# -- configure.md


def settled() -> Iterator[tuple[str, str, str, str]]:
    """Heading, option, default and what it says, of every option of the settings class."""
    found = [(part or "Top", f"{part}.{key}".lstrip("."), field) for part, key, field in options()]
    for part, model in (("workshops", Workshop), ("workshops.policy", Policy)):
        found += [(part, f"{part}.{field.alias or key}", field) for key, field in model.model_fields.items() if key != "policy"]
    for part, key, field in found:
        default = "required" if field.is_required() else f"`{json.dumps(field.get_default(call_default_factory=True))}`"
        yield part, f"`{key}`", default, str(field.description)


@pytest.mark.parametrize("heading", dict.fromkeys(part for part, *_ in settled()))
def test_each_table_of_options_is_the_settings_class(heading: str) -> None:
    assert table(CONFIGURE, heading) == [list(row) for part, *row in settled() if part == heading]


def test_the_modes_are_those_there_are() -> None:
    modes = get_args(Settings.model_fields["mode"].annotation)
    assert re.findall(r'(?m)^\| `"([a-z-]+)"` \| yes', CONFIGURE.read_text(encoding="utf-8")) == list(modes)


def test_the_kinds_of_message_are_those_there_are() -> None:
    kinds = [row[0].strip('`"') for row in table(CONFIGURE, "What may message customers")]
    assert kinds == list(get_args(Visible))
    assert set(safety.ONCE) <= set(kinds)


def test_the_secrets_are_those_there_are() -> None:
    assert {row[0].strip("`") for row in table(CONFIGURE, "Secrets")} == set(secrets.NAMES)


def test_each_policy_has_an_example() -> None:
    """And none names a winner that the settings refuse."""
    given = [row[1].strip("`").split(" = ") for row in table(CONFIGURE, "Policies")]
    assert {key for key, _ in given} == set(Policy.model_fields)
    assert all(Policy.model_validate({key: json.loads(value)}) for key, value in given)


# -- describe-your-shop.md


def described() -> Profile:
    text = "\n".join(one.text for one in blocks(DESCRIBE) if one.language == "toml")
    return Profile.parse(tomllib.loads(text), DESCRIBE.name)


def cells(column: int) -> set[str]:
    rows = table(DESCRIBE, "Every column and parameter")
    return {row[0].strip("`") for row in rows if row[column] != "–"}


def test_the_columns_are_those_there_are() -> None:
    assert cells(1) == {*rules.COLUMNS, "x_…"}


def test_the_parameters_are_those_there_are() -> None:
    """Those that a statement may name, and those that it is given."""
    bound = Binder(described(), ZoneInfo("Australia/Melbourne"), "W1", as_text=True).values({}, Names(), datetime.now(UTC), "u")
    assert cells(2) == {*rules.FORMS, *rules.NAMES, "key", "note", "x_…", "old_…"}
    assert set(bound) == {*rules.FORMS, *rules.NAMES}


def test_the_statements_are_those_there_are() -> None:
    """With the parameters of which each must use one."""
    shown = {row[0].strip("`"): set(re.findall(r":(\w+)", row[2])) for row in table(DESCRIBE, "Every statement")}
    assert set(shown) == set(Write.model_fields)
    for name, fields in rules.PURPOSE.items():
        wanted = {spelling for field in fields for spelling in rules.SPELLINGS.get(field, (field,))}
        assert shown[name] == (set() if name == "cancel" else wanted)


def test_the_other_keys_are_those_there_are() -> None:
    shown = {row[0].strip("`"): row[1] for row in table(DESCRIBE, "Every other key")}
    assert set(shown) == set(Profile.model_fields)
    for name, field in Profile.model_fields.items():
        default = field.get_default(call_default_factory=True)
        plain = default.model_dump(exclude_defaults=True) if isinstance(default, BaseModel) else default
        assert shown[name] == ("required" if field.is_required() else f"`{json.dumps(plain)}`"), name


def test_the_limits_are_for_the_texts_that_may_have_one() -> None:
    (said,) = [row[2] for row in table(DESCRIBE, "Every other key") if row[0] == "`limits`"]
    assert re.findall(r"`(\w+)`", said.partition("; for ")[2]) == list(rules.TEXTS)
    assert set(re.findall(r'`"(\w+)"`', said)) == set(get_args(Limits.model_fields["overflow"].annotation))


def test_the_keys_of_a_step_are_those_there_are() -> None:
    (said,) = [row[1] for row in table(DESCRIBE, "Every statement") if row[0] == "`create`"]
    assert re.findall(r"`(\w+)`", said) == list(Step.model_fields)
    assert f'what `several` says: `"{Step.model_fields["several"].default}"`' in ALL


def test_the_years_are_those_that_are_read() -> None:
    assert f"outside of {YEARS[0]} to {YEARS[-1]}" in DESCRIBE.read_text(encoding="utf-8")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ShopStore]:
    """The page's own tables and profile."""
    with contextlib.closing(sqlite3.connect(tmp_path / "shop.db")) as made:
        made.executescript("\n".join(one.text for one in blocks(DESCRIBE) if one.language == "sql"))
    store = ShopStore(f"sqlite:///{tmp_path / 'shop.db'}", described(), ZoneInfo("Australia/Melbourne"), "W1", FakeClock())
    yield store
    store.close()


def test_every_statement_that_changes_a_row_does(shop: ShopStore) -> None:
    """All at once, then the link."""
    wanted = {
        "status": "processing", "starts_at": "2026-12-02T22:00:00Z", "ends_at": "2026-12-02T23:00:00Z",
        "job_notes": "Key in the box", "description": "Four tyres",
    }  # fmt: skip
    assert shop.verify() == []
    assert wanted.items() <= shop.change("1", {}, wanted, Names()).fields.items()
    assert shop.link("1", Names(repairy_id="r1")).ref == "r1"
    assert {name for name, _ in described().write.named()} == {"set_status", "reschedule", "set_notes", "set_service", "link"}


def test_every_statement_of_a_new_booking_does(shop: ShopStore) -> None:
    """Whoever calls is found by phone, else by e-mail, else made; so is the car."""
    callers = ({"phone": "+61 400 000 001"}, {"email": "CUSTOMER1@example.com"}, {"phone": "0400000002", "rego": "BBB002"})
    booking = {"starts_at": "2026-12-02T22:00:00Z", "rego": "AAA001", "name": "Customer Two"}
    made = [shop.create({**booking, **caller}, Names(repairy_id=f"r{n}")) for n, caller in enumerate(callers)]
    assert [one.fields["name"] for one in made] == ["Customer One", "Customer One", "Customer Two"]
    assert [one.fields["rego"] for one in made] == ["AAA 001", "AAA 001", "BBB002"]


def test_the_pages_profile_uses_nothing_that_its_tables_lack() -> None:
    """It is whole: parsed, and every column that it reads stands in the table."""
    assert set(described().columns) <= cells(1)
