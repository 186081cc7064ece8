"""Imports run one way: the layers in pyproject.toml hold, and so does what a linter of layers cannot say."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from importlinter.application.use_cases import lint_imports
from importlinter.configuration import configure

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "sync"
SANDBOX_MAY = ("sync.sandbox", "sync.repairy.contract", "sync.core.times", "sync.errors", "sync.share")
SANDBOX_IS_FOR = ("sync.sandbox", "sync.demo", "sync.cli", "sync.__main__")


def modules(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def imported(file: Path) -> Iterator[str]:
    """The full name of everything that a file imports: `from a import b` counts as `a.b`."""
    package = file.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            yield from (".".join((*above, *filter(None, [node.module]), alias.name)) for alias in node.names)


def within(name: str, *allowed: str) -> bool:
    return any(name == each or name.startswith(each + ".") for each in allowed)


def shown(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_layers(capsys: pytest.CaptureFixture[str]) -> None:
    """Every contract under [tool.importlinter] is kept."""
    configure()
    kept = lint_imports(config_filename=str(ROOT / "pyproject.toml"), cache_dir=None)
    assert kept, capsys.readouterr().out


@pytest.mark.parametrize("file", modules(PACKAGE / "core"), ids=shown)
def test_core_needs_nothing_but_the_language(file: Path) -> None:
    """`core` imports the standard library and itself."""
    strangers = [name for name in imported(file) if not within(name, "sync.core", *sys.stdlib_module_names)]
    assert not strangers


@pytest.mark.parametrize("file", modules(PACKAGE / "core"), ids=shown)
def test_core_does_no_io(file: Path) -> None:
    """`core` has no door to the outside: no files, sockets, processes, threads, logs or random numbers."""
    doors = ("io", "os", "pathlib", "socket", "ssl", "subprocess", "logging", "threading", "time", "random", "secrets", "sqlite3")
    assert not [name for name in imported(file) if within(name, *doors)]


@pytest.mark.parametrize("file", modules(PACKAGE / "sandbox"), ids=shown)
def test_sandbox_shares_no_code_with_the_client(file: Path) -> None:
    """Of ours, `sandbox` imports only itself, the wire contract, and what both stand on."""
    strangers = [name for name in imported(file) if within(name, "sync") and not within(name, *SANDBOX_MAY)]
    assert not strangers


@pytest.mark.parametrize("file", [file for file in modules(PACKAGE) if not within(shown(file), *SANDBOX_IS_FOR)], ids=shown)
def test_sandbox_is_no_part_of_the_product(file: Path) -> None:
    """Only its command and the demo import `sandbox`."""
    assert not [name for name in imported(file) if within(name, "sync.sandbox")]


@pytest.mark.parametrize("file", modules(PACKAGE / "engine"), ids=shown)
def test_engine_knows_no_library(file: Path) -> None:
    """The engine sees databases and the network through `ports` only."""
    libraries = ("sqlalchemy", "httpx", "pydantic", "alembic", "apscheduler", "starlette")
    assert not [name for name in imported(file) if within(name, *libraries)]


@pytest.mark.parametrize("file", modules(PACKAGE), ids=shown)
def test_every_module_says_what_lives_there(file: Path) -> None:
    """A file opens with its docstring; an empty `__init__` has nothing to say."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree) or not tree.body
