"""The harness: what must not be lost, and whether it was.

    python -m chaos kills      [--kills N] [--work NAME] [--how WAY]
    python -m chaos faults
    python -m chaos inputs     [--row TEXT]
    python -m chaos promoters  [--moves N]
    python -m chaos soak       [--minutes M]
    python -m chaos all        [--kills N] [--moves N] [--minutes M]

Each prints a table of what was tried, held and lost. The exit code is 1 where anything was lost. A
lost case prints the command that does it again, and its folder is kept.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from chaos import table
from chaos.stores import Stores
from chaos.table import Tally

PARTS = ("inputs", "faults", "promoters", "kills", "soak")


def main() -> int:
    """Run the parts that are asked for, and give the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m chaos", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("part", choices=[*PARTS, "all"])
    parser.add_argument("--seed", type=int, default=0, help="of all that is random")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--work", action="append", help="kills: these commands only")
    parser.add_argument("--how", default="", help="kills: one way, such as write:3 or TERM:1.5")
    parser.add_argument("--moves", type=int, default=100, help="promoters: moves of each host")
    parser.add_argument("--minutes", type=float, default=30.0, help="soak: how long")
    parser.add_argument("--row", default="", help="inputs and faults: cases with this text only")
    parser.add_argument("--folder", type=Path, help="where cases lie  [default: a new temp folder]")
    parser.add_argument("--json", type=Path, help="file for the results")
    options = parser.parse_args()
    root = options.folder or Path(tempfile.mkdtemp(prefix="scatd-chaos-"))
    root = root.resolve()
    root.mkdir(parents=True, exist_ok=True)
    print(f"cases lie in {root}", flush=True)
    stores, tallies = Stores(root), list[Tally]()
    for part in PARTS if options.part == "all" else [options.part]:
        print(f"== {part}", flush=True)
        tallies += _run(part, stores, options)
    return table.report(tallies, options.json or root / "results.json")


def _run(part: str, stores: Stores, options: argparse.Namespace) -> list[Tally]:
    if part == "kills":
        from chaos import kills, works

        chosen = [work for work in works.works() if not options.work or work.name in options.work]
        if not chosen:
            sys.exit(f"there is no command {options.work} to kill")
        number = 1 if options.how else options.kills
        return kills.run(stores, chosen, kills=number, seed=options.seed, how=options.how)
    if part == "faults":
        from chaos import faults

        return faults.run(stores, options.row)
    if part == "inputs":
        from chaos import inputs

        return inputs.run(stores, options.row, seed=options.seed)
    if part == "promoters":
        from chaos import promoters

        return promoters.run(stores, moves=options.moves, seed=options.seed)
    from chaos import soak

    return soak.run(stores, minutes=options.minutes, seed=options.seed)


if __name__ == "__main__":
    sys.exit(main())
