"""What the README says is so: its commands exist, its files are there, and it asks Repairy about every assumption."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from typer.main import get_command

from sync.cli import app
from sync.repairy.contract import load

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TABLE = README.partition("question to Repairy Support")[2].partition("\n\n")[0]
ASKED = re.findall(r"^\| .*\? \| (.+?) \|$", TABLE, re.MULTILINE)
LINES = [line for row in ASKED for line in re.findall(r"`([^`]+)`", row)]


@pytest.mark.parametrize("key", [key for key, _ in load().unconfirmed()])
def test_every_assumption_has_its_question(key: str) -> None:
    assert any(fnmatchcase(key, line) for line in LINES), f"the README does not ask Repairy Support about {key}"


@pytest.mark.parametrize("line", LINES)
def test_every_question_names_a_line_that_is_there(line: str) -> None:
    if line.startswith("repairy."):  # of the configuration
        assert re.search(rf"^{line.partition('.')[2]} = ", (ROOT / "config/repairy-sync.toml").read_text(), re.MULTILINE)
    else:
        keys = [key for key, _ in load().unconfirmed()]
        assert any(fnmatchcase(key, line) for key in keys), f"the contract assumes nothing at {line}"


@pytest.mark.parametrize("words", sorted(set(re.findall(r"repairy-sync ([a-z]+(?: [A-Z-][^`\n]*?)?)[`\n]", README))))
def test_every_command_exists_with_its_options(words: str) -> None:
    name, *rest = words.split()
    command = get_command(app).commands[name]  # type: ignore[attr-defined]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in rest if word.startswith("--")} <= known


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_every_file_that_it_links_to_is_there(path: str) -> None:
    assert (ROOT / path).exists()


def test_the_two_commands_are_targets_of_the_makefile() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"demo", "test"} <= set(targets)
