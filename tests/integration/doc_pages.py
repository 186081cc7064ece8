"""The pages under docs/ as the tests read them: fenced blocks, tables, links, commands. Nothing is run here."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))
PROGRAM = "repairy-sync"


@dataclass(frozen=True)
class Block:
    """One fenced block: ```LANGUAGE MARK MARK=VALUE."""

    page: str
    line: int
    language: str
    marks: dict[str, str]
    text: str


@dataclass
class Command:
    """One `$ ` line of a console block, and the lines that it is said to print."""

    block: Block
    words: str
    shown: list[str] = field(default_factory=list)

    @property
    def place(self) -> str:
        return f"{self.block.page}:{self.block.line}: {self.words}"

    @property
    def plain(self) -> str:
        """Without sudo."""
        return re.sub(r"^sudo (-u repairy-sync )?", "", self.words)

    @property
    def ours(self) -> list[str]:
        """The words after `repairy-sync`; none where it is another program's command."""
        if re.search(r"[|&;<>$]", self.plain) or not self.plain.startswith(f"{PROGRAM} "):
            return []
        return shlex.split(self.plain)[1:]


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in re.finditer(r"(?ms)^```(\w*)([^\n]*)\n(.*?)^```$", text):
        marks = dict((*mark.split("=", 1), "")[:2] for mark in found[2].split())
        yield Block(page.name, text.count("\n", 0, found.start()) + 1, found[1], marks, found[3])


def commands(page: Path) -> list[Command]:
    """Every command of the page, in order. A line that ends in a backslash goes on in the next."""
    found: list[Command] = []
    for block in blocks(page):
        if block.language == "console":
            for line in block.text.replace("\\\n", " ").splitlines():
                if line.startswith("$ "):
                    found.append(Command(block, " ".join(line[2:].split())))
                else:
                    found[-1].shown.append(line)
    return found


def table(page: Path, heading: str) -> list[list[str]]:
    """The first table under a heading, cell by cell, without its head."""
    section = re.split(r"(?m)^#+ ", page.read_text(encoding="utf-8").partition(f"# {heading}\n")[2])[0]
    found = re.search(r"(?m)(?:^\|.*\n)+", section)
    lines = found[0].splitlines()[2:] if found else []
    return [[cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def anchors(page: Path) -> set[str]:
    """As GitHub names the headings of a page."""
    prose = re.sub(r"(?ms)^```.*?^```$", "", page.read_text(encoding="utf-8"))
    titles = re.findall(r"(?m)^#+ (.+)$", prose)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links(page: Path) -> list[str]:
    """Targets on this checkout: what begins with a scheme is somebody else's."""
    prose = re.sub(r"(?ms)^```.*?^```$", "", page.read_text(encoding="utf-8"))
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", prose) if "://" not in target]
