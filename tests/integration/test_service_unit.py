"""The systemd unit: accepted by systemd, closed as far as promised, and gentle where a restart would not help."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sync.settings.secrets import ALWAYS, NAMES
from sync.share import CONFIG

UNIT = CONFIG / "systemd" / "repairy-sync.service"
ANALYZE = shutil.which("systemd-analyze")
SCORE_TENTHS = 15


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit as installed, with a program that exists."""
    copy = tmp_path / UNIT.name
    copy.write_text(re.sub(r"(?m)^ExecStart=.*$", "ExecStart=/bin/true", UNIT.read_text()))
    return copy


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    if ANALYZE is None and os.environ.get("CI") != "true":
        pytest.skip("systemd-analyze is missing: apt-get install systemd")
    assert ANALYZE, "systemd-analyze is missing: apt-get install systemd"
    return subprocess.run([ANALYZE, *arguments], capture_output=True, text=True, check=False, timeout=60)


def test_systemd_understands_every_line(unit: Path) -> None:
    done = analyze("verify", str(unit))
    assert (done.returncode, [line for line in done.stderr.splitlines() if unit.name in line]) == (0, [])


def test_exposure_is_at_most_one_and_a_half(unit: Path) -> None:
    done = analyze("security", "--offline=true", f"--threshold={SCORE_TENTHS}", "--no-pager", str(unit))
    assert done.returncode == 0, done.stdout.splitlines()[-1:]


@pytest.mark.parametrize(
    "line",
    [
        "Type=notify",
        "WatchdogSec=10min",
        "Restart=on-failure",
        "RestartPreventExitStatus=78",
        "TimeoutStopSec=30",
        "LoadCredential=repairy_app_key:/etc/repairy-sync/secrets/repairy_app_key",
    ],
)
def test_promised_line_stands(line: str) -> None:
    assert line in UNIT.read_text().splitlines()


def test_each_hardening_line_has_a_reason() -> None:
    """Every group of lines opens with a comment that says why."""
    service = UNIT.read_text().split("[Service]")[1].split("[Install]")[0]
    for group in filter(None, service.strip().split("\n\n")):
        assert group.startswith("#"), group


def test_every_secret_is_a_credential() -> None:
    """Each that has a name, from its own file; all but the required ones have an empty line to stand in."""
    loaded = re.findall(r"(?m)^LoadCredential=(\w+):/etc/repairy-sync/secrets/(\w+)$", UNIT.read_text())
    optional = re.findall(r"(?m)^SetCredential=(\w+):\\n$", UNIT.read_text())
    assert sorted(loaded) == sorted((name, name) for name in NAMES)
    assert sorted(optional) == sorted(set(NAMES) - set(ALWAYS))
