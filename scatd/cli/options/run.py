"""Options about a run of any command: the device, the seed, and the output."""

from __future__ import annotations

from pathlib import Path

from scatd import ranges
from scatd.cli import paths, values
from scatd.cli.options.build import Decorator, option, together
from scatd.scheduling.address import FORMS

device = option(
    "--device",
    values.DEVICE,
    "Device to compute on: auto, cpu, cuda, cuda:N or mps. auto takes a GPU where there is one.",
    "auto",
)
allow_simulated = option(
    "--allow-simulated", bool, "Let simulated and real data, backbones and models be mixed."
)
machines = together(
    option(
        "--scheduler",
        values.Text(name="address"),
        f"Compute on a cluster of Dask: {FORMS}. local:N starts N processes here.  [default: no "
        "cluster]",
    ),
    option(
        "--allow-insecure",
        bool,
        "Use a scheduler of another host without encryption (tcp://). Whoever reaches its port can "
        "run code on the workers.",
    ),
)
"""Where tasks are computed, for `Machines` of a request."""
figure = option(
    "--figure",
    paths.NEW_PNG,
    "Draw the result; FILE.pdf is written too.  [default: none is drawn]",
    metavar="FILE.png",
)


def seed(help_text: str, default: int = 0) -> Decorator:
    """`--seed` of a command whose seed is not one of its settings."""
    return option("--seed", ranges.Seed, help_text, default)


def output_file(
    help_text: str, default: Path | None = None, *, metavar: str = "FILE", required: bool = False
) -> Decorator:
    """`--output` or `-o`: a file to write."""
    kind, more = paths.NEW_FILE, {"metavar": metavar, "required": required}
    return option("--output -o", kind, help_text, default, **more)


def output_folder(help_text: str, default: Path | None = None) -> Decorator:
    """`--output` or `-o`: a folder to write."""
    return option("--output -o", paths.NEW_FOLDER, help_text, default)


def as_json(help_text: str) -> Decorator:
    """`--json`: print JSON in place of text."""
    return option("--json as_json", bool, help_text)
