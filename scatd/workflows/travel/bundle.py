"""The bundle of a registered version: which files it has, and how they are checked on arrival."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scatd.cards.checksums import CHECKSUMS_FILE
from scatd.cards.fields import Fields, flag, mapping, parse_json, text, whole
from scatd.cards.model_folder import CARD_FILE, WEIGHTS_FILE
from scatd.data.files import HASH_SUFFIX, sha256_file
from scatd.errors import Faults, InputError
from scatd.keys import artifact_paths
from scatd.training import group_mean, kept_baselines
from scatd.wording import counted
from scatd.workflows.travel.golden import GOLDEN_FILE
from scatd.workflows.travel.sources import Source, copied, read_small

SCHEMA_VERSION = 1
MANIFEST = "bundle.json"
EVIDENCE = "evidence.json"
README, LICENCE = "README.md", "LICENSE"
MODEL, BASELINES = artifact_paths.MODEL, artifact_paths.BASELINES

_KEPT = (kept_baselines.LINEAR_FILE, kept_baselines.TARGET_ONLY_FILE, group_mean.FILE)
NEEDED = (f"{MODEL}/{CARD_FILE}", f"{MODEL}/{WEIGHTS_FILE}", EVIDENCE, GOLDEN_FILE, LICENCE)
OPTIONAL = (
    f"{MODEL}/{CHECKSUMS_FILE}",  # scatd before 0.2 wrote none
    *(f"{BASELINES}/{name}{end}" for name in _KEPT for end in ("", HASH_SUFFIX)),
)
UNCHECKED = (README,)
"""Text for people, which the owner of a repository may edit. scatd does not read it."""
HUB_FILES = (".gitattributes",)
"""What the Hugging Face hub adds to a repository."""
_MOST_MANIFEST = 1 << 20
MOST_BYTES = 8 << 30
"""A bundle that announces more is refused, so that it cannot fill a disk."""


@dataclass(frozen=True)
class Manifest:
    """The content of `bundle.json`.

    Parameters
    ----------
    name, simulated
        Registered name, and whether simulated data took part; the card must say the same.
    origin
        Store, version, stage and run that it came from; who exported it, and when.
    packages
        Versions of packages where it was exported.
    files
        Bytes and SHA-256 by name of every other file, but for `UNCHECKED`.
    """

    name: str
    simulated: bool
    origin: Mapping[str, Any]
    packages: Mapping[str, Any]
    files: Mapping[str, tuple[int, str]]

    def to_json(self) -> str:
        """The text of the file."""
        said: dict[str, Any] = {"schema_version": SCHEMA_VERSION, **asdict(self)}
        said["files"] = {
            name: {"bytes": n_bytes, "sha256": digest}
            for name, (n_bytes, digest) in self.files.items()
        }
        return json.dumps(said, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, content: bytes, where: str) -> Manifest:
        """Read what `to_json` wrote.

        Raises
        ------
        InputError
            When it is damaged, or a newer scatd wrote it.
        """
        try:
            found = parse_json(content.decode(), nan=False)
        except (ValueError, RecursionError) as error:
            raise InputError(f"... is damaged ({error})", where=where) from error
        fields = Fields(found, where)
        schema = fields.take("schema_version", whole(1))
        if schema > SCHEMA_VERSION:
            what, expected = f"... has schema version {schema}", f"at most {SCHEMA_VERSION}"
            raise InputError(
                what, where=where, expected=expected, remedy="Update scatd to read it."
            )
        made = cls(
            name=fields.take("name", text),
            simulated=fields.take("simulated", flag),
            origin=fields.take("origin", mapping),
            packages=fields.take("packages", mapping),
            files=fields.take("files", _files_reader(where)),
        )
        fields.require_all_taken()
        return made


def _files_reader(where: str) -> Any:
    def read(value: Any) -> dict[str, tuple[int, str]]:
        found = {}
        for name, about in mapping(value).items():
            entry = Fields(about, f"{where}: {name}")
            found[name] = (entry.take("bytes", whole(0)), entry.take("sha256", text))
            entry.require_all_taken()
        return found

    return read


def seal(folder: Path, **about: Any) -> Manifest:
    """Write the manifest of a folder whose other files are there; `about` as in `Manifest`."""
    files = {
        path.relative_to(folder).as_posix(): (path.stat().st_size, sha256_file(path))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).as_posix() not in UNCHECKED
    }
    made = Manifest(files=files, **about)
    (folder / MANIFEST).write_text(made.to_json(), encoding="utf-8")
    return made


def read_manifest(source: Source) -> Manifest:
    """The manifest of a bundle; its names and sizes are checked, and nothing else is read.

    Raises
    ------
    InputError
        When a file is missing, not announced or not part of a bundle, or has another size.
    """
    content = read_small(source, MANIFEST, _MOST_MANIFEST)
    manifest = Manifest.from_json(content, f"{source.where}: {MANIFEST}")
    require_names(manifest, source.where)
    faults, there = Faults(source.where), source.sizes()
    for name, (n_bytes, _) in manifest.files.items():
        if name not in there:
            faults.add(f"... lacks {name}")
        elif there[name] != n_bytes:
            faults.add(f"{name} has {counted(there[name], 'byte')}, and {MANIFEST} says {n_bytes}")
    for name in sorted(set(there) - set(manifest.files) - {MANIFEST, *UNCHECKED, *HUB_FILES}):
        faults.add(f"... holds {name}, of which {MANIFEST} says nothing")
    faults.raise_if_any()
    return manifest


def require_names(manifest: Manifest, where: str) -> None:
    """Refuse a manifest with other files than a bundle has, or with too many bytes.

    Raises
    ------
    InputError
        Names the files.
    """
    faults = Faults(f"{where}: {MANIFEST}")
    for name in sorted(set(NEEDED) - set(manifest.files)):
        faults.add(f"... does not name {name}", expected="all files of a bundle")
    for name in sorted(set(manifest.files) - {*NEEDED, *OPTIONAL}):
        faults.add(f"... names {name!r}, which is no file of a bundle")
    total = sum(n_bytes for n_bytes, _ in manifest.files.values())
    if total > MOST_BYTES:
        faults.add(f"... announces {counted(total, 'byte')}", expected=f"at most {MOST_BYTES}")
    faults.raise_if_any()


def unpack(source: Source, target: Path) -> Manifest:
    """Copy a bundle into an empty folder; each file is checked as it is copied.

    Raises
    ------
    InputError
        As `read_manifest`; or when a file is not the announced one.
    """
    manifest = read_manifest(source)
    faults = Faults(source.where)
    for name, (n_bytes, digest) in manifest.files.items():
        if copied(source, name, target / name, n_bytes) != (n_bytes, digest):
            faults.add(f"{name} is damaged or was changed: it is not the file of {MANIFEST}")
    faults.raise_if_any()
    if README in source.sizes():
        (target / README).write_bytes(read_small(source, README, _MOST_MANIFEST))
    (target / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    return manifest
