"""Importance of features from the attributions of cells: means, slopes and ranks.

Source: scATD's attribution scripts (bbaf268): the mean absolute attribution of each class, and
dense and average ranks of its sum over classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd import keys

Floats = NDArray[np.float64]


class Tally:
    """Sums over cells from which importance is computed; cells are added block by block.

    Parameters
    ----------
    classes
        Names of the classes that were explained.
    """

    def __init__(self, classes: Sequence[str], n_features: int) -> None:
        self.classes = tuple(classes)
        self.n_obs = 0
        self._total = {name: np.zeros(n_features) for name in classes}
        self._absolute = {name: np.zeros(n_features) for name in classes}
        self._with_shift = {name: np.zeros(n_features) for name in classes}
        self._shift_squared = np.zeros(n_features)

    def add(
        self, values: Mapping[str, NDArray[np.floating]], displacement: NDArray[np.float32]
    ) -> None:
        """Add cells.

        Parameters
        ----------
        values
            Attributions (n_rows, n_features) by class.
        displacement
            Cell minus baseline, aligned, (n_rows, n_features).
        """
        self.n_obs += len(displacement)
        self._shift_squared += np.square(displacement, dtype=np.float64).sum(axis=0)
        for name in self.classes:
            of_class = values[name]
            self._total[name] += of_class.sum(axis=0, dtype=np.float64)
            self._absolute[name] += np.abs(of_class).sum(axis=0, dtype=np.float64)
            self._with_shift[name] += (of_class * displacement).sum(axis=0, dtype=np.float64)

    def slope(self, response: str) -> Floats:
        """Logits per unit of the aligned feature, (n_features,), by least squares.

        The line runs through the baseline.

        Unlike importance, a slope has a sign and does not depend on the spread of the feature. For
        a linear model it is the weight.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            found = self._with_shift[response] / self._shift_squared
        return np.where(self._shift_squared > 0, found, 0.0)

    def importance(self, response: str) -> Floats:
        """Mean absolute attribution, (n_features,)."""
        return self._absolute[response] / max(self.n_obs, 1)

    def table(self, features: Sequence[str]) -> pd.DataFrame:
        """One row a feature, most important first.

        Columns: feature; for each class `mean_abs_CLASS`, `mean_CLASS` and `slope_CLASS` (see
        `slope`); `rank_dense` and `rank_average` of the sum of `mean_abs` over classes, 1 is
        highest.
        """
        columns: dict[str, object] = {"feature": list(features)}
        explained = [word for word in reversed(keys.RESPONSES) if word in self.classes]
        columns |= {f"mean_abs_{name}": self.importance(name) for name in explained}
        columns |= {f"mean_{name}": self._total[name] / max(self.n_obs, 1) for name in explained}
        columns |= {f"slope_{name}": self.slope(name) for name in explained}
        table = pd.DataFrame(columns)
        summed = table[[f"mean_abs_{name}" for name in explained]].sum(axis=1)
        table["rank_dense"] = summed.rank(method="dense", ascending=False).astype(int)
        table["rank_average"] = summed.rank(method="average", ascending=False)
        order = np.argsort(table["rank_average"].to_numpy(), kind="stable")
        return table.iloc[order].reset_index(drop=True)


def group_table(tallies: Mapping[str, Tally], features: Sequence[str]) -> pd.DataFrame:
    """Importance in each group of cells: columns `group`, `n_obs` and those of `Tally.table`."""
    parts = []
    for group, tally in tallies.items():
        table = tally.table(features)
        table.insert(0, "group", group)
        table.insert(1, "n_obs", tally.n_obs)
        parts.append(table)
    return pd.concat(parts, ignore_index=True)
