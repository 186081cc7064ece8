"""The file that `export` writes and `import` reads: a zip with a manifest. No state is opened and nothing decided here."""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from sync.errors import ConfigError
from sync.settings import Settings
from sync.share import CONFIG
from sync.state.backup import private

FORMAT = 1
MANIFEST = "manifest.json"
OUTSIDE = "elsewhere"  # where files come to lie that the configuration names by a path outside its folder


def configured(settings: Settings) -> Iterator[tuple[str, Path]]:
    """The configuration and every file of the owner's that it names: name inside, path here."""
    named = [settings.file, settings.repairy.contract, settings.repairy.ca_bundle]
    named += [file for one in settings.workshops for file in _profiles(one.profile_path)]
    for file in dict.fromkeys(Path(os.path.normpath(one)) for one in named if one):
        beside = file.is_relative_to(settings.file.parent)
        inside = file.relative_to(settings.file.parent) if beside else Path(OUTSIDE) / file.name
        yield f"config/{inside.as_posix()}", file


def _profiles(file: Path) -> Iterator[Path]:
    """A profile of the owner's and those that it extends; built-in ones are everywhere."""
    while not file.is_relative_to(CONFIG):
        yield file
        under = tomllib.loads(file.read_text(encoding="utf-8")).get("extends", "")
        if not under.endswith(".toml"):
            return
        file = file.parent / under


@dataclass
class Box:
    """A file that is being written."""

    zip: zipfile.ZipFile
    sums: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, content: bytes) -> None:
        if name in self.sums:
            raise ConfigError(f"two files of this configuration are called {Path(name).name}; give one another name")
        self.zip.writestr(name, content)
        self.sums[name] = hashlib.sha256(content).hexdigest()

    def close(self, facts: Mapping[str, object]) -> None:
        whole = {"repairy-sync": FORMAT, **facts, "files": self.sums}
        self.zip.writestr(MANIFEST, json.dumps(whole, indent=2, ensure_ascii=False))


@contextmanager
def writing(file: Path) -> Iterator[Box]:
    """Readable by its owner only, on the disk and whole once it has its name. Raises ConfigError."""
    part = file.with_name(file.name + ".part")
    try:
        private(part)
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as zip_:
            yield Box(zip_)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        os.replace(part, file)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written: {error.strerror}") from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


@dataclass(frozen=True)
class Parcel:
    """A file that was read whole and is what its manifest says."""

    facts: Mapping[str, Any]
    files: Mapping[str, bytes]

    @property
    def workshops(self) -> list[str]:
        return list(self.facts["workshops"])

    @property
    def secrets(self) -> list[str]:
        """The names of those that the old server had."""
        return list(self.facts["secrets"])

    @property
    def outside(self) -> list[tuple[str, str]]:
        """(name, where it came to lie) of files that the configuration names by a path outside its folder."""
        return [(Path(one).name, one) for one in self.beside if one.startswith(f"{OUTSIDE}/")]

    @property
    def beside(self) -> dict[str, bytes]:
        """The files of the configuration by their paths from its folder."""
        return {name.removeprefix("config/"): content for name, content in self.files.items() if name.startswith("config/")}

    def read(self, name: str) -> bytes:
        return self.files[name]

    def state(self, workshop: str) -> list[str]:
        return self.files[f"state/{self.workshops.index(workshop)}.jsonl"].decode().splitlines()


def opened(file: Path, schema: str | None) -> Parcel:
    """Raises ConfigError where it is none, was changed, or is of another version of the state than `schema`."""
    try:
        with zipfile.ZipFile(file) as box:
            files = {name: box.read(name) for name in box.namelist()}
        facts = json.loads(files.pop(MANIFEST))
        said = facts["repairy-sync"], facts["schema"], facts["program"]
        sums, names = facts["files"], {facts["config"], *facts["workshops"], *facts["secrets"]}
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, KeyError, TypeError, ValueError):
        raise ConfigError(f"{file}: is no whole export of this program") from None
    if said[0] != FORMAT or (schema is not None and str(said[1]) > schema):
        raise ConfigError(f"{file}: was made by a newer version of this program ({said[2]}); install that version here first")
    if said[1] != schema:
        raise ConfigError(
            f"{file}: was made by an older version of this program ({said[2]}); there, run `export --undo`, install this "
            "version, and export again"
        )
    whole = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    if whole != sums or not names or not all(map(_below, files)):
        raise ConfigError(f"{file}: was changed since it was written; export again, and copy it whole")
    return Parcel(facts, files)


def _below(name: str) -> bool:
    """Whether a name stays inside the folder that it is put into."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name


def put(box: Parcel, target: Path) -> list[str]:
    """The configuration as `target` and its files beside it; what was written. Raises ConfigError where one is there already."""
    places = {target if name == box.facts["config"] else target.parent / name: content for name, content in box.beside.items()}
    if there := [str(one) for one, content in places.items() if one.exists() and one.read_bytes() != content]:
        raise ConfigError(*(f"{one}: is here already and not the export's; move it away first" for one in there))
    try:
        for one, content in places.items():
            one.parent.mkdir(parents=True, exist_ok=True)
            one.write_bytes(content)
            one.chmod(0o640)  # an address in it may hold a password
    except OSError as error:
        raise ConfigError(f"{target.parent}: cannot be written: {error.strerror}") from None
    return [str(one) for one in places]


def other(box: Parcel, config: Path) -> list[str]:
    """Files of the configuration that are here and not as in the export."""
    places = {config if name == box.facts["config"] else config.parent / name: content for name, content in box.beside.items()}
    return [str(one) for one, content in places.items() if not one.is_file() or one.read_bytes() != content]


def as_lines(facts: Iterable[Mapping[str, Any]]) -> bytes:
    """As the mapping journal keeps them."""
    return b"".join(json.dumps(one, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() + b"\n" for one in facts)


def append(journal: Path, lines: bytes) -> None:
    """To the mapping journal, and onto the disk. Raises ConfigError."""
    try:
        private(journal)
        with journal.open("ab") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ConfigError(f"{journal}: cannot be written: {error.strerror}") from None
