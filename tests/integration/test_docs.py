"""The pages under docs/ are so: every command is run, every table is held to the code, every link resolves.

A console block is run in order on an installation of its page (`doc_stage`). Marks in its first line: `exit=N`, the code that
its commands end with; `scene=NAME`, what happens before; `root`, not run, since it needs root, systemd or the network.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.doc_pages import PAGES, commands
from tests.integration.doc_stage import prints, scene, staged


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_does_what_the_page_says(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    block = None
    with staged(page, tmp_path) as stage:
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

