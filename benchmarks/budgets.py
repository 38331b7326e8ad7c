"""What every row may cost, in one table, and whether a measured value keeps within it.

Most budgets are ratios to a plain loop in the same process, because machines differ and are shared.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """One value that `make bench` measures, and its bound.

    Parameters
    ----------
    row, what
        The row, and what is measured.
    bound
        The most that is allowed; the least, where `at_least`.
    unit
        Stands behind the value: " s", " GB", " cells/s"; "" for a ratio.
    """

    row: str
    what: str
    bound: float
    unit: str = ""
    at_least: bool = False

    def holds(self, value: float) -> bool:
        """Whether a value keeps within the bound."""
        return value >= self.bound if self.at_least else value <= self.bound

    @property
    def in_words(self) -> str:
        """The bound: `at most 1.25`."""
        return f"at {'least' if self.at_least else 'most'} {self.shown(self.bound)}"

    def shown(self, value: float) -> str:
        """A value with its unit."""
        number = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
        return f"{number}{self.unit}"

    def verdict(self, value: float) -> str:
        """The bound, and whether the value keeps within it: `at most 1.25: ok`."""
        return f"{self.in_words}: {'ok' if self.holds(value) else 'missed'}"


BUDGETS = {
    "start/csv": Budget("start", "predict, 800 cells (.csv): CPU time / imports and a query", 1.25),
    "start/h5ad": Budget(
        "start", "predict, 800 cells (.h5ad): CPU time / imports and a query", 1.25
    ),
    "start/registry": Budget("start", "registry list: CPU time / imports and a query", 1.25),
    "transfer/150": Budget(
        "transfer, 150 epochs",
        "plain loop of the response models / training with control and baselines",
        *(15, "", True),
    ),
    "transfer/150/rest": Budget(
        "transfer, 150 epochs", "share of the command beside the response models", 0.5
    ),
    "transfer/150/memory": Budget("transfer, 150 epochs", "peak memory", 1.5, " GB"),
    "transfer/12": Budget(
        "transfer, 12 epochs", "whole command / plain loop of the response models", 0.43
    ),
    "transfer/12/memory": Budget("transfer, 12 epochs", "peak memory", 1.5, " GB"),
    "transfer/small": Budget("transfer, small", "whole command", 15, " s"),
    "predict/whole": Budget("predict", "whole command / (bare loop + start)", 2.0),
    "predict/rate": Budget("predict", "rate of scoring / bare loop", 0.8, "", at_least=True),
    "pretrain/plain": Budget("pretrain", "epoch / plain loop", 0.65),
    "pretrain/published": Budget("pretrain", "epoch / published loop", 0.5),
    "pretrain/memory": Budget("pretrain", "memory beyond torch itself", 2, " GB"),
    "prepare/dense": Budget("prepare", "the dense way / scatd", 8, "", at_least=True),
    "prepare/memory": Budget("prepare", "memory on top of the start", 0.5, " GB"),
    "prepare/large": Budget("prepare, large", "peak memory", 2, " GB"),
    "tokenize/plain": Budget(
        "tokenize", "rate from file to tokens / plain ranking", 1.5, "", at_least=True
    ),
    "embed/scFoundation": Budget(
        "embed", "scFoundation, 300 to 500 genes: rate / plain loop", 1.6, "", at_least=True
    ),
    "embed/scFoundation, long": Budget(
        "embed", "scFoundation, 1,500 to 4,000 genes: rate / plain loop", 1.6, "", at_least=True
    ),
    "embed/Geneformer 12L": Budget(
        "embed", "Geneformer 12L: rate / plain loop", 1.3, "", at_least=True
    ),
    "explain/plain": Budget("explain", "plain captum / whole command", 5, "", at_least=True),
    "explain/memory": Budget("explain", "peak memory", 3, " GB"),
    "sweep/alone": Budget("sweep", "a fold in a sweep / a fold alone", 1.0),
    "sweep/83": Budget("sweep, 83 drugs", "whole command", 15, " min"),
}
"""By the name under which `benchmarks/bench.json` keeps the value."""
