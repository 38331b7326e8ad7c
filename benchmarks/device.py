"""Check a device against the processor, and measure its rates and memory: at most eight minutes.

It installs nothing, reads no file from outside and writes only to the folder named. Networks have
the published sizes and random weights. Where `../shared/golden` is at hand, the published forward
passes are checked too. The exit code is 1 where a check does not hold.

    python -m benchmarks.device [--device auto] [--minutes 8] [-o FOLDER]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from benchmarks import common, device_checks, device_rates
from benchmarks.device_checks import Outcome, run_check
from benchmarks.device_rates import LONGEST, Measured, measure
from scatd.errors import InputError
from scatd.nn.devices import pick_device

SHARE_OF_CHECKS = 0.6
"""No check begins after this share of the time; the rates have the rest."""
NO_TIME = "no time was left"


def main(arguments: Sequence[str] | None = None) -> int:
    """Check, measure, print, and write `device.json` and `device.md`; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("-o", "--output", type=Path, default=Path("device"), metavar="FOLDER")
    options = parser.parse_args(arguments)
    try:
        device = str(pick_device(options.device))
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    started = time.monotonic()
    print(f"device: {device} ({name_of(device)})", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        found = _run(device, Path(scratch), started, 60 * options.minutes)
    options.output.mkdir(parents=True, exist_ok=True)
    about = {"device": device, "name": name_of(device), "torch": torch.__version__,
             "processor": common.processor(), "date": datetime.now(UTC).date().isoformat(),
             "seconds": round(time.monotonic() - started, 1)}  # fmt: skip
    content = {"measured on": about, **found}
    (options.output / "device.json").write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    table = markdown(content)
    (options.output / "device.md").write_text(table, "utf-8")
    print(f"\n{table}")
    failed = [check["name"] for check in found["checks"] if check["holds"] is False]
    if failed:
        print(f"These checks do not hold: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _run(device: str, folder: Path, started: float, seconds: float) -> dict[str, Any]:
    checks: list[Outcome] = []
    for check in device_checks.all_checks():
        if time.monotonic() - started > SHARE_OF_CHECKS * seconds:
            outcome = Outcome(check.name, None, None, check.at_most, NO_TIME)
        else:
            outcome = run_check(check, device, folder)
        checks.append(outcome)
        print(_line(outcome.name, _verdict(asdict(outcome))), flush=True)
    rates: list[Measured] = []
    for place, rate in enumerate(device_rates.RATES):
        left = seconds - (time.monotonic() - started)
        # The first time is not counted, and takes about as long as the others together.
        each = min(LONGEST, left / (len(device_rates.RATES) - place) / 2)
        if each < 0.02 * LONGEST:
            found = Measured(rate.name, rate.unit, None, None, NO_TIME)
        else:
            found = measure(rate, device, folder, each)
        rates.append(found)
        print(_line(found.name, _speed(asdict(found))), flush=True)
    return {"checks": [asdict(one) for one in checks], "rates": [asdict(one) for one in rates]}


def name_of(device: str) -> str:
    """What a device calls itself."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return common.processor()


def markdown(content: dict[str, Any]) -> str:
    """The numbers as two tables."""
    about = content["measured on"]
    lines = [
        f"{about['name']} (`{about['device']}`), torch {about['torch']}, {about['date']}.",
        "",
        "| check | largest difference, as a share | at most | |",
        "|---|---|---|---|",
    ]
    for check in content["checks"]:
        apart = "" if check["difference"] is None else f"{check['difference']:.1e}"
        lines.append(f"| {check['name']} | {apart} | {check['at_most']:g} | {_verdict(check)} |")
    lines += ["", "| work | in a second | peak memory of the device |", "|---|---|---|"]
    for rate in content["rates"]:
        peak = "" if rate["peak_gb"] is None else f"{rate['peak_gb']:.2f} GB"
        lines.append(f"| {rate['name']} | {_speed(rate)} | {peak} |")
    return "\n".join(lines) + "\n"


def _verdict(check: dict[str, Any]) -> str:
    if check["holds"] is None:
        return f"not run: {check['what']}"
    return "holds" if check["holds"] else f"does not hold ({check['what']})"


def _speed(rate: dict[str, Any]) -> str:
    if rate["rate"] is None:
        return f"not measured: {rate['what']}"
    digits = ",.0f" if rate["rate"] >= 100 else ".3g"
    return f"{rate['rate']:{digits}} {rate['unit']}"


def _line(name: str, said: str) -> str:
    return f"  {name:<36} {said}"


if __name__ == "__main__":
    sys.exit(main())
