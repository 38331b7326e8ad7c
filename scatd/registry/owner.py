"""Who holds a lease: the person, the process, and whether that process is gone."""

from __future__ import annotations

import datetime
import getpass
import hashlib
import json
import os
import platform
import uuid
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from scatd.tracking import lives
from scatd.wording import printable

_MOST_LETTERS = 100


@dataclass(frozen=True)
class Owner:
    """A process and what it does.

    Parameters
    ----------
    subject
        Registered name, or name of the work.
    token
        Nobody else has it.
    user, host, process
        For the people who wait.
    machine
        Where `process` is a number: this start of this computer, and this container.
    action
        What it does, in a word.
    at
        When it began, for people only: clocks of computers differ.
    """

    subject: str
    token: str
    user: str
    host: str
    process: int
    machine: str
    action: str
    at: str

    @classmethod
    def of_this_process(cls, subject: str, action: str) -> Owner:
        """The process that runs now, with a new token."""
        token, process = uuid.uuid4().hex[:16], os.getpid()
        return cls(subject, token, user(), platform.node(), process, _machine(), action, now())

    @classmethod
    def from_json(cls, text: str, *, subject: str) -> Owner:
        """An owner as `as_json` wrote it; one that nobody knows where the text was edited."""
        try:
            read = json.loads(text)
            said: dict[str, Any] = {
                field.name: printable(read[field.name], _MOST_LETTERS) for field in fields(cls)
            }
            return cls(**{**said, "process": int(said["process"])})
        except (ValueError, TypeError, KeyError, RecursionError):
            return cls(subject, "unknown", "somebody", "an unknown host", 0, "", "move", "")

    def as_json(self) -> str:
        """Text for a tag."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @property
    def in_words(self) -> str:
        """For a message."""
        since = f", since {self.at}" if self.at else ""
        return f"the {self.action} of {self.user} on {self.host} (process {self.process}{since})"

    def is_gone(self) -> bool:
        """True where the process was on this computer, and is over.

        False says nothing: a process elsewhere cannot be seen from here.
        """
        return self.machine == _machine() and not lives(self.process)


def now() -> str:
    """The time, to the second, in UTC."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def user() -> str:
    """Name of the user who runs this process."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container whose user has no name
        return "unknown"


def _machine() -> str:
    """A start of this computer, and a container on it.

    Two containers may have one name, and each has a process 1.
    """
    parts = [platform.node()]
    for place in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        path = Path(place)
        try:
            parts.append(str(path.readlink()) if path.is_symlink() else path.read_text())
        except OSError:  # not Linux
            parts.append("")
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]
