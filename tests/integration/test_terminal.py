"""`status` and `held` as people see them: on a terminal what is wrong first and in colour, through a pipe plain and whole."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.integration.installation import Installation, Said, installed

MOVED = "2030-01-07T22:00:00Z"
ESCAPE = "\x1b["


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Forty bookings in step."""
    with installed(tmp_path_factory.mktemp("calm")) as made:
        assert made.run("backfill", "--nothing-at-repairy").code == 0
        assert made.run("sync").code == 0
        yield made


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One booking moved on both sides, ten that were edited at once: a held booking and a held plan."""
    with installed(tmp_path_factory.mktemp("troubled")) as made:
        assert made.run("backfill", "--nothing-at-repairy").code == 0
        made.configure(safety="min_count = 2\nmax_share = 0.1", visible='["moved"]')
        made.office.move(4, made.office.at(5, 9))
        four = made.id_of(4)
        with made.sandbox.lock:
            made.sandbox.partner.move(four, MOVED)
        made.tell(four, "updated")
        for number in range(11, 21):
            made.office.note(number, "same day")
        assert made.run("sync").code == 3
        yield made


def piped(site: Installation, *words: str) -> Said:
    program = [sys.executable, "-m", "sync", "--config", str(site.folder / "repairy-sync.toml"), *words]
    environ = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "FORCE_COLOR")}
    done = subprocess.run(program, capture_output=True, text=True, env=environ, timeout=60, check=False)
    return Said(done.returncode, done.stdout, done.stderr)


def on_a_terminal(site: Installation, *words: str, **environ: str) -> Said:
    """On a pseudo-terminal of a hundred columns, whose end is read like a screen."""
    master, slave = pty.openpty()
    program = [sys.executable, "-m", "sync", "--config", str(site.folder / "repairy-sync.toml"), *words]
    around = os.environ | {"TERM": "xterm-256color", "COLUMNS": "100"} | environ
    process = subprocess.Popen(program, stdin=slave, stdout=slave, stderr=subprocess.PIPE, env=around)
    os.close(slave)
    shown = b""
    try:
        while read := os.read(master, 65536):
            shown += read
    except OSError:  # the other end was closed: it is over
        pass
    finally:
        os.close(master)
    _, said = process.communicate(timeout=60)
    return Said(process.returncode, shown.decode().replace("\r\n", "\n"), said.decode())


def test_status_says_first_that_all_is_in_step(calm: Installation) -> None:
    said = piped(calm, "status")
    assert said.code == 0
    assert said.out.startswith("All in step. Last change ")
    assert "bookings made online do not reach the shop" in said.out.splitlines()[1]
    sides = [line.split("│") for line in said.out.splitlines() if line.startswith("Northside") and "just now" in line]
    assert [cells[1].strip() for cells in sides] == ["Shop", "Repairy"]


def test_status_says_first_what_is_wrong_and_what_to_do(troubled: Installation) -> None:
    said = piped(troubled, "status")
    assert said.code == 3
    assert said.out.startswith("Northside: 2 things for you to decide.\n")
    assert said.out.endswith("repairy-sync held shows what waits for you.\n")


def test_status_names_a_side_that_is_down_before_what_is_held(troubled: Installation) -> None:
    shop, away = troubled.folder / "shop.db", troubled.folder / "away.db"
    shop.rename(away)
    try:
        assert troubled.run("sync").code == 75
        said = piped(troubled, "status")
    finally:
        away.rename(shop)
        troubled.run("sync")
    assert said.out.startswith("Northside: the shop could not be read; it was last read ")
    assert said.code == 3


def test_held_shows_what_differs_and_the_commands_that_decide(troubled: Installation) -> None:
    said = piped(troubled, "held")
    (one,) = [each for each in troubled.run("held").json["held"] if each["reference"] == "NS-4"]
    assert said.code == 3
    assert "NS-4\nTime was changed on both sides. (" in said.out
    (row,) = [line.split("│") for line in said.out.splitlines() if line.startswith("Start")]
    assert row[3].strip() == "Tue 8 Jan 2030, 09:00"
    assert f"repairy-sync resolve {one['id']} --use shop      Use the shop’s (may message the customer)\n" in said.out
    for option in ("--use repairy", "--skip", "--retry"):
        assert f"repairy-sync resolve {one['id']} {option}" in said.out


def test_held_shows_a_plan_with_its_number_and_how_to_approve_it(troubled: Installation) -> None:
    said, (plan,) = piped(troubled, "held"), troubled.run("held").json["plans"]
    assert "(10 changes, held since " in said.out
    assert f"  repairy-sync approve {plan['digest']}\n" in said.out
    assert "NS-11" not in said.out, "it is decided with its plan"


def test_held_says_that_nothing_is(calm: Installation) -> None:
    said = piped(calm, "held")
    assert (said.code, said.out) == (0, "Northside: nothing is held.\n")


@pytest.mark.parametrize("command", ["status", "held"])
def test_a_pipe_gets_no_colour_and_nothing_cut_off(troubled: Installation, command: str) -> None:
    said = piped(troubled, command).out
    assert ESCAPE not in said
    assert "…" not in said


@pytest.mark.parametrize("command", ["status", "held"])
def test_a_terminal_gets_colour_and_the_same_words(troubled: Installation, command: str) -> None:
    """Unless its user wants none (NO_COLOR)."""
    said = on_a_terminal(troubled, command)
    assert said.code == 3
    assert said.out.startswith("\x1b[1;33mNorthside: 2 things for you to decide.\x1b[0m\n")
    assert "\x1b[1;33m" not in on_a_terminal(troubled, command, NO_COLOR="1").out


def test_the_tables_fit_a_terminal_of_a_hundred_columns(troubled: Installation) -> None:
    said = on_a_terminal(troubled, "held", NO_COLOR="1", TERM="dumb")
    assert all(len(line) <= 100 for line in said.out.splitlines() if "│" in line or "━" in line)
    assert "Tue 8 Jan 2030, 09:00" in said.out


def test_only_who_looks_at_a_terminal_sees_whose_booking_it_is(troubled: Installation) -> None:
    """A pipe may end in a file or a mail."""
    assert "AAA004, Customer Four\n" in on_a_terminal(troubled, "held").out
    assert "Customer" not in piped(troubled, "held").out
