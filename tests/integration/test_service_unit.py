"""The systemd unit, as it travels and as `service install` writes it: understood, closed, gentle where no restart helps."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.settings.secrets import ALWAYS, NAMES
from sync.share import CONFIG
from tests.integration.installation import Installation, installed

UNIT = CONFIG / "systemd" / "repairy-sync.service"
ANALYZE = shutil.which("systemd-analyze")
SCORE_TENTHS = 15
WRITTEN = "etc/systemd/system/repairy-sync.service"
PROGRAM = Path(sys.executable).with_name("repairy-sync")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Installation]:
    (tmp_path / "site 100%").mkdir()
    with installed(tmp_path / "site 100%") as made:
        yield made


@pytest.fixture(params=["by hand", "installed"])
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The unit with a program that exists: as it travels, and as it is written for an installation."""
    if request.param == "installed":
        home: Installation = request.getfixturevalue("home")
        assert home.run("service", "install", "--root", str(tmp_path)).code == 0
        return tmp_path / WRITTEN
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


def test_each_hardening_line_has_a_reason(unit: Path) -> None:
    """Every group of lines opens with a comment that says why."""
    service = unit.read_text().split("[Service]")[1].split("[Install]")[0]
    for group in filter(None, service.strip().split("\n\n")):
        assert group.startswith("#"), group


def test_every_secret_is_a_credential() -> None:
    """Each that has a name, from its own file; all but the required ones have an empty line to stand in."""
    loaded = re.findall(r"(?m)^LoadCredential=(\w+):/etc/repairy-sync/secrets/(\w+)$", UNIT.read_text())
    optional = re.findall(r"(?m)^SetCredential=(\w+):\\n$", UNIT.read_text())
    assert sorted(loaded) == sorted((name, name) for name in NAMES)
    assert sorted(optional) == sorted(set(NAMES) - set(ALWAYS))


# -- service install


def test_install_names_this_program_and_configuration(home: Installation, tmp_path: Path) -> None:
    """The real paths, as systemd reads them: quoted where there is a blank, a percent sign twice."""
    home.run("service", "install", "--root", str(tmp_path))
    config = str(home.folder / "repairy-sync.toml").replace("%", "%%")
    assert f'ExecStart={PROGRAM} --config "{config}" run' in (tmp_path / WRITTEN).read_text().splitlines()


def test_install_loads_the_secrets_that_are_there(home: Installation, tmp_path: Path) -> None:
    """And no other; the daemon reads them where systemd puts them, whatever secrets_dir says."""
    home.secret("web_token", "t")
    home.secret("shop_password_northside", "p")
    home.run("service", "install", "--root", str(tmp_path))
    text = (tmp_path / WRITTEN).read_text()
    loaded = dict(re.findall(r"(?m)^LoadCredential=(\w+):(.+)$", text))
    assert sorted(loaded) == ["repairy_app_key", "repairy_app_secret", "shop_password_northside", "web_token"]
    assert all(Path(path.replace("%%", "%")).is_file() for path in loaded.values())
    assert "Environment=REPAIRY_SYNC_SECRETS_DIR=%d" in text.splitlines()
    assert "SetCredential" not in text


def test_install_without_a_required_secret_is_refused(home: Installation, tmp_path: Path) -> None:
    (home.folder / "secrets" / "repairy_app_key").unlink()
    said = home.run("service", "install", "--root", str(tmp_path))
    assert (said.code, (tmp_path / WRITTEN).exists()) == (78, False)
    assert "repairy_app_key" in said.err


def test_install_opens_the_folders_that_it_writes_to(home: Installation, tmp_path: Path) -> None:
    """The state and the shop of this installation lie beside its configuration."""
    home.run("service", "install", "--root", str(tmp_path))
    folder = str(home.folder).replace("%", "%%")
    assert f'ReadWritePaths="{folder}"' in (tmp_path / WRITTEN).read_text().splitlines()


def test_install_says_what_it_did_and_what_comes_next(home: Installation, tmp_path: Path) -> None:
    """Below another folder nothing is started, so that these steps are left to a person too."""
    said = home.run("service", "install", "--root", str(tmp_path), json=False).out
    for line in (
        f"wrote {tmp_path / WRITTEN}",
        "systemd-sysusers",
        "systemctl daemon-reload",
        "systemctl enable --now repairy-sync",
    ):
        assert line in said
    assert "the unit cannot see (PrivateTmp)" in said or not tmp_path.is_relative_to("/tmp")


def test_install_again_changes_nothing(home: Installation, tmp_path: Path) -> None:
    first, again = (home.run("service", "install", "--root", str(tmp_path)).code for _ in range(2))
    text = (tmp_path / WRITTEN).read_text()
    home.run("service", "install", "--root", str(tmp_path))
    assert (first, again, (tmp_path / WRITTEN).read_text()) == (0, 0, text)


def test_print_shows_the_same_and_writes_nothing(home: Installation, tmp_path: Path) -> None:
    shown = home.run("service", "install", "--print", "--root", str(tmp_path)).out
    assert not (tmp_path / WRITTEN).exists()
    home.run("service", "install", "--root", str(tmp_path))
    assert (tmp_path / WRITTEN).read_text() == shown


def test_the_user_is_one_that_systemd_can_make(home: Installation, tmp_path: Path) -> None:
    """A system user, as systemd-sysusers reads it, made in a folder that stands for a server."""
    home.run("service", "install", "--root", str(tmp_path))
    tool = shutil.which("systemd-sysusers")
    if tool is None and os.environ.get("CI") != "true":
        pytest.skip("systemd-sysusers is missing: apt-get install systemd")
    assert tool, "systemd-sysusers is missing: apt-get install systemd"
    done = subprocess.run([tool, f"--root={tmp_path}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "repairy-sync:" in (tmp_path / "etc" / "passwd").read_text()


def test_uninstall_leaves_state_and_configuration(home: Installation, tmp_path: Path) -> None:
    """And says so; the unit is gone."""
    home.run("sync")
    home.run("service", "install", "--root", str(tmp_path))
    before = {path: path.read_bytes() for path in home.folder.rglob("*") if path.is_file()}
    said = home.run("service", "uninstall", "--root", str(tmp_path), json=False)
    assert (said.code, (tmp_path / WRITTEN).exists()) == (0, False)
    assert "left as they are: /var/lib/repairy-sync" in said.out
    assert {path: path.read_bytes() for path in home.folder.rglob("*") if path.is_file()} == before


def test_uninstall_of_nothing_is_no_error(home: Installation, tmp_path: Path) -> None:
    said = home.run("service", "uninstall", "--root", str(tmp_path))
    assert (said.code, said.json["removed"]) == (0, [])


def test_a_wrong_configuration_ends_the_installed_command_with_78(home: Installation, tmp_path: Path) -> None:
    """The very line of the unit, run by hand: the exit code is the one that systemd is told not to restart after."""
    home.run("service", "install", "--root", str(tmp_path))
    text = (tmp_path / WRITTEN).read_text()
    home.configure(mode="both-ways")
    (line,) = re.findall(r"(?m)^ExecStart=(.*)$", text)
    done = subprocess.run(shlex.split(line.replace("%%", "%")), capture_output=True, check=False, timeout=60)
    assert [str(done.returncode)] == re.findall(r"(?m)^RestartPreventExitStatus=(.*)$", text)
