"""The files that `init` leaves: profile, configuration, secrets. It makes files, and never writes over one."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from sync.errors import SyncError

PROFILE, CONFIG, SECRETS = "our-shop.toml", "repairy-sync.toml", "secrets"
_LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # none that is taken for another
_OPTION = re.compile(r"(?P<key>[a-z_]+) = (?P<value>\"(?:[^\"\\]|\\.)*\"|\[[^\]]*\]|[^\s#]+)(?P<gap> *)(?P<rest>.*)")


def refuse_to_overwrite(out: Path) -> None:
    """Raises SyncError naming what is there already."""
    there = [name for name in (PROFILE, CONFIG) if (out / name).exists()]
    if there:
        raise SyncError(
            f"{' and '.join(str(out / name) for name in there)}: there already, and init never writes over a file; "
            "name another folder with --out, or move it away first"
        )


def prefix(name: str) -> str:
    """What begins every reference of a workshop: two of its letters and four at random, so that no other installation has it."""
    initials = "".join(sign for sign in name.upper() if sign.isascii() and sign.isalpha())[:2] or "W"
    return f"{initials}{''.join(secrets.choice(_LETTERS) for _ in range(4))}-"


def token() -> str:
    """For the status page."""
    return secrets.token_urlsafe(24)


def configuration(sample: str, values: Mapping[str, object]) -> str:
    """The sample file with these values ("table.key") in place of its own; every other option keeps its default and comment."""
    table, lines, left = "", [], dict(values)
    for line in sample.splitlines():
        if heading := re.fullmatch(r"\[+([a-z.]+)\]+.*", line):
            table = heading[1]
        option = _OPTION.fullmatch(line)
        name = f"{table}.{option['key']}".lstrip(".") if option else ""
        lines.append(_with(option, left.pop(name)) if option and name in left else line)
    if left:
        raise KeyError(f"the sample has no option {', '.join(left)}")
    return "\n".join(lines) + "\n"


def _with(option: re.Match[str], value: object) -> str:
    """The line with another value, its comment where it stood."""
    written = f"{option['key']} = {json.dumps(value, ensure_ascii=False)}"
    return f"{written.ljust(option.start('rest') - 1)} {option['rest']}".rstrip()


def write(out: Path, profile: str, config: str, given: Mapping[str, str]) -> tuple[list[Path], list[Path]]:
    """What was made, and the secrets that were there already with something else in them, which they keep; none of these files
    is for others to read. Raises SyncError."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        folder = out / SECRETS
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)
        made = [_made(out / PROFILE, profile, 0o644), _made(out / CONFIG, config, 0o644)]
        there = [folder / name for name in given if (folder / name).exists()]
        for file in there:
            if file.stat().st_mode & 0o007:
                file.chmod(0o600)
        kept = [file for file in there if file.read_text(encoding="utf-8", errors="replace").strip() != given[file.name]]
        new = [folder / name for name in given if folder / name not in there]
        return made + [_made(file, given[file.name] + "\n", 0o600) for file in new], kept
    except FileExistsError as error:
        raise SyncError(f"{error.filename}: there already, and init never writes over a file") from error
    except OSError as error:
        raise SyncError(f"{error.filename}: cannot be written: {error.strerror}") from error


def _made(path: Path, content: str, mode: int) -> Path:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        file.write(content)
    return path
