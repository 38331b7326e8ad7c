"""`scatd doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scatd.cli.base import command
from scatd.cli.options import run

if TYPE_CHECKING:
    from scatd.workflows.doctor import Finding

_FAULTY = 2
_MARKS = {"ok": " ", "note": "!", "fault": "x"}


@command("scatd doctor", "scatd doctor --json")
@run.as_json("Print the findings as JSON.")
def doctor(as_json: bool) -> None:  # noqa: FBT001
    """Show the place where scatd runs: versions, device, store, cache, weights and disk.

    Put the text into a report of a fault. It holds no password, and nothing is written. The exit
    code is 0, or 2 where a fault stops scatd. `scatd registry doctor` examines the stored models.
    """
    from scatd.workflows.doctor import doctor as work

    found = work()
    if as_json:
        import dataclasses
        import json

        click.echo(json.dumps([dataclasses.asdict(finding) for finding in found], indent=2))
    else:
        _show(found)
    if any(finding.verdict == "fault" for finding in found):
        raise click.exceptions.Exit(_FAULTY)


def _show(found: list[Finding]) -> None:
    width = max(len(finding.name) for finding in found)
    topic = ""
    for finding in found:
        if finding.topic != topic:
            topic = finding.topic
            click.echo(topic)
        click.echo(f"{_MARKS[finding.verdict]} {finding.name:<{width}}  {finding.found}")
        if finding.remedy:
            click.echo(f"  {'':<{width}}  {finding.remedy}")
    n_faults = sum(finding.verdict == "fault" for finding in found)
    click.echo("\nNo faults." if not n_faults else f"\nFaults: {n_faults} (marked x).")
