"""Which cohort a part belongs to: the hash of its content, or, at less cost, its place and time."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from scatd.data.downloads import cache_folder
from scatd.data.files import atomic_path, sha256_file
from scatd.data.location import Remote
from scatd.data.readers.remote import remote_state


def content_hash(path: Path) -> str:
    """Hex SHA-256 of a file, or of all files of a folder with their names.

    It is kept in the cache folder, by place, size and time of change: the jobs of an array read a
    large file once, not once a job. Of a remote cohort, it is the hash of what its server tells.
    """
    state = place_and_time(path)
    if isinstance(path, Remote):
        return hashlib.sha256(state.encode()).hexdigest()
    kept = cache_folder() / "hashes" / f"{hashlib.sha256(state.encode()).hexdigest()[:32]}.txt"
    try:
        return kept.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        pass
    found = _hash(path)
    if place_and_time(path) == state:  # nobody changed it meanwhile
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(kept) as unfinished:
                unfinished.write_text(found, encoding="ascii")
        except OSError:
            pass  # without a cache, the next job reads the file again
    return found


def place_and_time(path: Path) -> str:
    """Place, size and time of change of a file, or of all files of a folder."""
    if isinstance(path, Remote):
        return remote_state(path)
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    states = [
        [str(file.relative_to(path)), file.stat().st_size, file.stat().st_mtime_ns]
        for file in files
        if file.is_file()
    ]
    return json.dumps([str(path.absolute()), states])


def _hash(path: Path) -> str:
    if not path.is_dir():
        return sha256_file(path)
    whole = hashlib.sha256()
    for file in sorted(path.rglob("*")):
        if file.is_file():
            whole.update(f"{file.relative_to(path).as_posix()}\0{sha256_file(file)}\n".encode())
    return whole.hexdigest()
