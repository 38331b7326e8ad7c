"""What many millions of cells need, computed from numbers that `make bench` keeps.

    python -m benchmarks.scale --json FILE
    python -m benchmarks.embed --json FILE
    python -m benchmarks.plan FILE [--price PRICE] [--write]

It prints the tables of docs/scale.md, or writes them there; steps that FILE lacks are left out. The
rates are taken to hold for any number of cells, as the exponents of the row "scale" say.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scatd.training.settings import PUBLISHED_PRETRAIN
from scatd.wording import counted

PRICE = 0.05
"""US dollars for an hour of one core: an assumption."""
MANY = (10_000_000, 100_000_000)
CORES = 1_000
WIDTHS = {"scFoundation": 3_072, "Geneformer 12L": 512}
"""Features of a cell that a model gives, float32."""
PAGE = Path(__file__).resolve().parents[1] / "docs" / "scale.md"
BEGIN, END = "<!-- plan: begin -->", "<!-- plan: end -->"
NAMES = {
    "predict": "score, 3,072 features, family sf",
    "prepare of 20,000 genes": "prepare, 20,000 genes, 7 % of them expressed",
    "embed, all cells in the cache": "embed, all cells in the cache, 100 genes a cell",
}

Numbers = Mapping[str, Any]


def main() -> None:
    """Print both tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--price", type=float, default=PRICE, help="US dollars a core hour")
    parser.add_argument("--write", action="store_true", help="write them into docs/scale.md")
    options = parser.parse_args()
    found = tables(json.loads(options.file.read_text(encoding="utf-8")), options.price)
    if not options.write:
        print(found)
        return
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{found}\n{END}{after}", encoding="utf-8")


def tables(numbers: Numbers, price: float = PRICE) -> str:
    """The measured rates, the peak memory by kind of output, and what many cells need."""
    where = numbers["measured on"]
    said = (
        f"Measured on {where['date']}: {where['processor']}, PyTorch {where['torch']}, "
        f"{counted(where['threads'], 'thread')}, on a shared machine."
    )
    rates = _table(("step", "cells", "cells a core second", "exponent", "peak memory"),
                   _measured(numbers))  # fmt: skip
    memory = _table(("output of `predict`", "cells", "peak memory"), _memory(numbers))
    needs = _table(
        ("step", *(f"{n_cells / 1e6:.0f} million cells" for n_cells in MANY)),
        _needs(numbers, price),
    )
    assumed = (
        f"A core hour is assumed to cost {price:.2f} US dollars. The hours on {CORES:,} cores "
        "leave out the start-up and the waiting of jobs."
    )
    return "\n\n".join(part for part in (said, rates, memory, needs, assumed) if part)


def _measured(numbers: Numbers) -> list[tuple[str, ...]]:
    rows = []
    for name, found in numbers.get("linear", {}).items():
        last, slope = found["runs"][-1], found["exponent"]
        rate, peak = f"{last['cells_a_core_second']:,.0f}", f"{last['peak_gb']:.2f} GB"
        cells = f"{found['runs'][0]['cells']:,} to {last['cells']:,}"
        rows.append((NAMES[name], cells, rate, "" if slope is None else f"{slope:.2f}", peak))
    if "dist" in numbers:
        less, more = numbers["dist"]
        cells, peak = f"{less['cells']:,} and {more['cells']:,}", f"{more['peak_gb']:.2f} GB"
        what = "score raw counts, 20,000 genes, 5 % of them expressed, family dist"
        rows.append((what, cells, f"{_dist_rate(numbers):,.0f}", "", peak))
    for model, found in numbers.get("embed", {}).items():
        rows.append((_embedding(model), "", f"{found['cells_a_core_second']:.2f}", "", ""))
    return rows


def _memory(numbers: Numbers) -> list[tuple[str, ...]]:
    return [
        (f".{kind}", f"{run['cells']:,}", f"{run['peak_gb']:.2f} GB")
        for kind, runs in numbers.get("outputs", {}).items()
        for run in runs
    ]


def _needs(numbers: Numbers, price: float) -> list[tuple[str, ...]]:
    """Core hours and their price, and storage, by step."""
    last = {name: found["runs"][-1] for name, found in numbers.get("linear", {}).items()}
    prepare, predict = last.get("prepare of 20,000 genes"), last.get("predict")
    rates, sizes = {}, {f"storage: features of {name}": 4 * n for name, n in WIDTHS.items()}
    if prepare is not None:
        rates["prepare the counts"] = prepare["cells_a_core_second"]
        sizes["storage: prepared counts (.h5ad)"] = prepare["bytes_a_cell"]
    for model, found in numbers.get("embed", {}).items():
        rates[_embedding(model)] = found["cells_a_core_second"]
    if predict is not None:
        rates["score for one drug, family sf"] = predict["cells_a_core_second"]
        sizes["storage: scores for one drug (.csv)"] = predict["bytes_a_cell"]
    if "dist" in numbers:
        rates["score raw counts for one drug, family dist"] = _dist_rate(numbers)
    latent = PUBLISHED_PRETRAIN["sf"].n_latent
    sizes["storage: posterior means of sf (.h5ad and .zarr only)"] = 4 * latent
    rows = [(name, *(_hours(n_cells / rate, price) for n_cells in MANY))
            for name, rate in rates.items()]  # fmt: skip
    for name, bytes_a_cell in sizes.items():
        rows.append((name, *(f"{_rounded(n_cells * bytes_a_cell / 1e9)} GB" for n_cells in MANY)))
    return rows


def _dist_rate(numbers: Numbers) -> float:
    """Cells a core second after the start-up, from the runs at two sizes."""
    less, more = numbers["dist"]
    return float((more["cells"] - less["cells"]) / (more["cpu_seconds"] - less["cpu_seconds"]))


def _embedding(model: str) -> str:
    return f"embed with {model}, 300 to 500 genes a cell"


def _hours(core_seconds: float, price: float) -> str:
    hours = core_seconds / 3600
    return (
        f"{_rounded(hours)} core hours, {_rounded(hours * price)} US dollars, "
        f"{_rounded(hours / CORES)} h on {CORES:,} cores"
    )


def _rounded(value: float) -> str:
    """A number with two digits that count; more would claim more than was measured."""
    return f"{float(f'{value:.1e}'):,g}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    main()
