"""The wheel works where nothing but it and its locked dependencies is installed, away from this checkout.

Pythons tried: the one that runs the tests, python3.13 where there is one, and those named in TEST_PYTHONS (with colons).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFIG = """
[repairy]
base_url = "http://127.0.0.1:9"
partner_id = "P1"
[state]
url = "sqlite:///state.db"
[[workshops]]
id = "W1"
name = "Northside"
timezone = "Australia/Melbourne"
shop_url = "sqlite:///shop.db"
profile = "demo"
reference_prefix = "NS-"
"""

# One worker makes the environments once, whatever the number of workers.
pytestmark = [pytest.mark.soak, pytest.mark.xdist_group("wheel"), pytest.mark.timeout(900)]


def run(*command: str | Path, cwd: Path, **environ: str) -> str:
    """Standard output, away from the checkout and its environment; a failure shows what was said."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "REPAIRY_SYNC_", "VIRTUAL_ENV"))}
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=kept | environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def pythons() -> Iterator[tuple[str, str]]:
    """Version and path of each interpreter that runs, one for each version."""
    known: dict[str, str] = {}
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    for path in filter(None, (sys.executable, *os.environ.get("TEST_PYTHONS", "").split(":"), shutil.which("python3.13"))):
        done = subprocess.run([path, "-c", ask], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            known.setdefault(done.stdout.strip(), path)
    yield from known.items()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module", params=[pytest.param(path, id=version) for version, path in pythons()])
def installed(request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment that holds the lock and the wheel, and nothing else."""
    venv = tmp_path_factory.mktemp("installed") / "venv"
    run(request.param, "-m", "venv", venv, cwd=venv.parent)
    pip = (venv / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input")
    run(*pip, "--require-hashes", "-r", ROOT / "requirements.lock", cwd=venv.parent)
    run(*pip, "--no-deps", wheel, cwd=venv.parent)
    return venv / "bin"


def test_wheel_brings_its_own_files(installed: Path, tmp_path: Path) -> None:
    """The sample, the contract and the migrations come with it; it looks for them nowhere else."""
    ask = "from sync.share import CONFIG as C, MIGRATIONS as M; print(C, *(p.name for top in (C, M) for p in top.iterdir()))"
    config, *names = run(installed / "python", "-c", ask, cwd=tmp_path).split()
    assert Path(config).is_relative_to(installed.parent)
    assert {"repairy-sync.toml", "repairy-api.toml", "profiles", "systemd", "env.py", "versions"} <= set(names)


def test_wheel_migrates(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "our.toml").write_text(CONFIG)
    secrets = {"REPAIRY_SYNC_REPAIRY_APP_KEY": "k", "REPAIRY_SYNC_REPAIRY_APP_SECRET": "s"}
    run(installed / "repairy-sync", "--config", "our.toml", "migrate", cwd=tmp_path, **secrets)
    assert (tmp_path / "state.db").is_file()


def test_wheel_plays_the_demo(installed: Path, tmp_path: Path) -> None:
    """Ends with 0, which it does only where both sides agree at the end."""
    assert run(installed / "repairy-sync", "demo", cwd=tmp_path)
