"""What was tried, what held and what was lost: the table, its file, and the exit code."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass
class Tally:
    """Cases of one kind.

    `skipped` is the reason why none was tried.
    """

    part: str
    name: str
    tried: int = 0
    held: int = 0
    lost: list[dict[str, str]] = field(default_factory=list)
    said: str = ""
    skipped: str = ""

    def count(self, faults: Iterable[str], *, case: str, again: str, folder: object = "") -> bool:
        """Count a case; it is lost where there is any fault. Gives whether it held.

        Parameters
        ----------
        faults
            What is wrong, in words.
        case
            What was done.
        again
            The command that does the same again.
        folder
            What the case left on disk, for a person to look at.
        """
        self.tried += 1
        faults = list(faults)
        if not faults:
            self.held += 1
            return True
        about = {"case": case, "fault": "; ".join(faults), "again": again, "folder": str(folder)}
        self.lost.append(about)
        print(f"LOST {self.part} {case}\n     {about['fault']}\n     again: {again}", flush=True)
        if about["folder"]:
            print(f"     kept: {folder}", flush=True)
        return False


class Progress:
    """A line every few seconds on long work."""

    def __init__(self, what: str, total: int, every: float = 15.0) -> None:
        self.what, self.total, self.every = what, total, every
        self.done = 0
        self.started = self.last = time.monotonic()

    def step(self) -> None:
        """One more is done."""
        self.done += 1
        now = time.monotonic()
        if now - self.last >= self.every or self.done == self.total:
            self.last = now
            left = (now - self.started) / self.done * (self.total - self.done)
            print(f"{self.what}: {self.done} of {self.total}, {left:.0f} s left", flush=True)


def report(tallies: list[Tally], path: Path | None) -> int:
    """Print the table, write it as JSON where a file is named, and give the exit code."""
    rows = [("part", "case", "tried", "held", "lost", "")]
    for tally in tallies:
        said = f"skipped: {tally.skipped}" if tally.skipped else tally.said
        numbers = (str(tally.tried), str(tally.held), str(len(tally.lost)))
        rows.append((tally.part, tally.name, *numbers, said))
    lost = sum(len(tally.lost) for tally in tallies)
    tried = sum(tally.tried for tally in tallies)
    rows.append(("all", "", str(tried), str(tried - lost), str(lost), ""))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    print()
    for row in rows:
        cells = [
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=False))
        ]
        print(f"{'  '.join(cells)}  {row[5]}".rstrip())
    if path is not None:
        path.write_text(json.dumps([asdict(tally) for tally in tallies], indent=1) + "\n")
        print(f"\nwritten: {path}")
    return 1 if lost else 0
