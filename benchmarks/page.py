"""Write the table of `docs/benchmarks.md` from the numbers that `make bench` kept.

python -m benchmarks.page
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.budgets import BUDGETS

ROOT = Path(__file__).parents[1]
MEASURED = ROOT / "benchmarks" / "bench.json"
PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"


def main() -> None:
    """Write the table into the page."""
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), measured()), encoding="utf-8")


def measured() -> dict[str, Any]:
    """What was kept: by the name of its budget, the value, date, processor and threads."""
    return dict(json.loads(MEASURED.read_text(encoding="utf-8")))


def written(page: str, found: dict[str, Any]) -> str:
    """The page with the table of some numbers."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    lines = "\n".join(table(found))
    return f"{before}{BEGIN}{lines}\n{END}{after}"


def table(found: dict[str, Any]) -> Iterator[str]:
    """Lines of the table: a row a budget, in their order. Of several runs, the median."""
    yield "| row | value | measured | budget | | where |"
    yield "|---|---|---|---|---|---|"
    for name, budget in BUDGETS.items():
        one = found.get(name)
        shown, kept, where = "not measured yet", "", ""
        if one is not None:
            shown = budget.shown(one["value"])
            if len(runs := one.get("runs", [])) > 1:
                shown += f" ({len(runs)} runs: {min(runs):.3g} to {max(runs):.3g})"
            kept = "ok" if budget.holds(one["value"]) else "missed"
            where = f"{one['processor']}, {one['threads']} threads, {one['date']}"
        yield f"| {budget.row} | {budget.what} | {shown} | {budget.in_words} | {kept} | {where} |"


if __name__ == "__main__":
    main()
