"""In a real terminal and a real shell: completion of commands, and progress while `rebuild` works."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.installation import Installation, installed

BIN = Path(sys.executable).parent
PROGRAM = [sys.executable, "-m", "sync"]


def environ(home: Path, **more: str) -> dict[str, str]:
    return {"HOME": str(home), "PATH": f"{BIN}:/usr/bin:/bin", "TERM": "xterm", "COLUMNS": "100", **more}


def shell(name: str, home: Path, script: str) -> str:
    """What a shell says to a script, as its person's own."""
    done = subprocess.run(
        [name, "-c", script], env=environ(home), cwd=home, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


TYPED = """
source "$HOME/.bashrc"
set -- $(complete -p repairy-sync)
while [ "$1" != -F ]; do shift; done
COMP_WORDS=(%s) COMP_CWORD=%d
"$2" repairy-sync
printf '%%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(("typed", "found"), [("backf", "backfill"), ("service unin", "uninstall"), ("rebuild --app", "--apply")])
def test_bash_completes_after_install(tmp_path: Path, typed: str, found: str) -> None:
    """The script that --install-completion puts into the home, used as bash uses it."""
    shell("bash", tmp_path, "repairy-sync --install-completion; exit $?")
    assert shell("bash", tmp_path, TYPED % (f"repairy-sync {typed}", len(typed.split()))).split() == [found]


@pytest.mark.parametrize(("name", "asks"), [("zsh", {}), ("fish", {"_TYPER_COMPLETE_FISH_ACTION": "get-args"})])
def test_zsh_and_fish_are_told_the_same(tmp_path: Path, name: str, asks: dict[str, str]) -> None:
    """Their script is shown, and what it asks the program for is answered; where the shell is here, it accepts the script."""
    detect = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    line = [str(BIN / "repairy-sync")]
    shown = subprocess.run(
        [*line, "--show-completion", name], env=environ(tmp_path, **detect), capture_output=True, text=True, check=True
    )
    variable = "_REPAIRY_SYNC_COMPLETE"
    assert f"{variable}=complete_{name}" in shown.stdout
    asked = environ(tmp_path, **{variable: f"complete_{name}", "_TYPER_COMPLETE_ARGS": "repairy-sync backf", **asks})
    assert "backfill" in subprocess.run(line, env=asked, capture_output=True, text=True, check=False).stdout
    if shutil.which(name):
        (tmp_path / "script").write_text(shown.stdout)
        assert subprocess.run([name, "-n", str(tmp_path / "script")], check=False).returncode == 0


@pytest.fixture
def lost(tmp_path: Path) -> Iterator[Installation]:
    """An installation whose state is gone; the journal is there."""
    with installed(tmp_path) as made:
        made.run("backfill", "--nothing-at-repairy")
        (tmp_path / "state.db").unlink()
        yield made


def on_a_terminal(site: Installation, *words: str) -> str:
    """All that a person sees."""
    ours, theirs = pty.openpty()
    seen: list[bytes] = []

    def read() -> None:
        try:
            while piece := os.read(ours, 65536):
                seen.append(piece)
        except OSError:  # the other end was closed
            return

    reader = threading.Thread(target=read)
    reader.start()
    line = [*PROGRAM, "--config", str(site.folder / "repairy-sync.toml"), *words]
    try:
        subprocess.run(line, env=environ(site.folder), stdin=theirs, stdout=theirs, stderr=theirs, check=False, timeout=60)
    finally:
        os.close(theirs)
        reader.join(10)
        os.close(ours)
    return b"".join(seen).decode()


def test_rebuild_shows_a_bar_on_a_terminal(lost: Installation) -> None:
    """For the workshop, up to the whole, and no plain lines between."""
    seen = on_a_terminal(lost, "rebuild")
    assert "looking Northside" in seen
    assert "100%" in seen
    assert "event=looking" not in seen


def test_rebuild_says_plain_lines_elsewhere(lost: Installation) -> None:
    """How far, in the log; the report on stdout is as it was."""
    line = [*PROGRAM, "--config", str(lost.folder / "repairy-sync.toml"), "rebuild"]
    done = subprocess.run(line, env=environ(lost.folder), capture_output=True, text=True, check=False, timeout=60)
    told = [one for one in done.stderr.splitlines() if "event=looking" in one]
    assert len(told) >= 2
    assert all("workshop=Northside" in one and "of=" in one for one in told)
    assert "\x1b[" not in done.stdout + done.stderr


def test_json_has_no_bar(lost: Installation) -> None:
    """One object on stdout, on a terminal too."""
    assert "100%" not in on_a_terminal(lost, "--json", "rebuild")
