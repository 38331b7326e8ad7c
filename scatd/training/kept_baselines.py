"""The baselines that are kept with a version, to score other cells: small and without pickle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from scatd.data.files import is_whole, row_blocks, sha256_file, stored_hashes, write_hashes
from scatd.decision import expit
from scatd.errors import InputError
from scatd.training import group_mean
from scatd.training.cores import one_thread
from scatd.training.group_mean import GroupMean, Words
from scatd.training.logistic import Codes, Split, fit_logistic
from scatd.training.standardised import Standardised, Values

LINEAR_FILE = "logistic_regression.safetensors"
TARGET_ONLY_FILE = "target_only.safetensors"


@dataclass(frozen=True, eq=False)
class LinearBaseline:
    """Logistic regression (L2, all standardised features) in the terms of single features.

    Parameters
    ----------
    weights
        (n_features,), 0 for a feature that did not vary.
    bias
        Log odds at all features 0.
    prevalence
        Share of resistant training rows.
    """

    weights: Values
    bias: float
    prevalence: float

    @classmethod
    def fit(
        cls,
        rows: Standardised,
        codes: Codes,
        *,
        seed: int,
        inner: Sequence[Split] | None = None,
    ) -> LinearBaseline:
        """Fit standardised rows to classes (n_obs,); see `fit_logistic`."""
        with one_thread():
            found = fit_logistic(rows, codes, seed=seed, inner=inner)
        return cls(found.weights, found.bias, float(codes.mean()))

    @classmethod
    def read(cls, folder: Path, file: str = LINEAR_FILE) -> LinearBaseline:
        """Read what `write` wrote.

        Raises
        ------
        InputError
            When the file is damaged. One of scatd before 0.2 has no hash beside it.
        """
        path = folder / file
        what, remedy = "... is damaged", "Learn the drug again: scatd transfer --drug DRUG"
        damaged = InputError(what, where=str(path), remedy=remedy)
        if stored_hashes(path) and not is_whole(path):
            raise damaged
        try:
            tensors = load_file(path)
            numbers = (tensors["weights"], tensors["bias"], tensors["prevalence"])
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise damaged from error
        weights, bias, prevalence = numbers
        if not all(np.isfinite(values).all() for values in numbers) or weights.ndim != 1:
            raise damaged
        return cls(weights, float(bias), float(prevalence))

    def write(self, folder: Path, file: str = LINEAR_FILE) -> None:
        """Write it into a folder that is there."""
        numbers = {"bias": np.array(self.bias), "prevalence": np.array(self.prevalence)}
        save_file({"weights": self.weights, **numbers}, folder / file)
        write_hashes(folder / file, sha256_file(folder / file))

    def probability(self, X: Any) -> NDArray[np.float64]:
        """P(resistant) of aligned rows (n_obs, n_features), read block by block."""
        odds = np.concatenate(
            [np.asarray(X[rows], np.float64) @ self.weights for rows in row_blocks(X)]
        )
        return np.asarray(expit(odds + self.bias))


@dataclass(frozen=True, eq=False)
class KeptBaselines:
    """Baselines of one fold, or of all samples.

    Parameters
    ----------
    linear
        Logistic regression, and the prevalence.
    group_mean
        None where the source has no column of groups.
    target_only
        Logistic regression on few-shot cells alone; None without any.
    """

    linear: LinearBaseline
    group_mean: GroupMean | None = None
    target_only: LinearBaseline | None = None

    def write(self, folder: Path) -> None:
        """Write them into a folder that is there."""
        self.linear.write(folder)
        if self.group_mean is not None:
            self.group_mean.write(folder)
        if self.target_only is not None:
            self.target_only.write(folder, TARGET_ONLY_FILE)

    @classmethod
    def read(cls, folder: Path) -> KeptBaselines:
        """Read what `write` wrote. Older versions kept logistic regression alone.

        Raises
        ------
        InputError
            When a file is damaged.
        """
        has_groups = (folder / group_mean.FILE).exists()
        has_cells = (folder / TARGET_ONLY_FILE).exists()
        return cls(
            LinearBaseline.read(folder),
            GroupMean.read(folder) if has_groups else None,
            LinearBaseline.read(folder, TARGET_ONLY_FILE) if has_cells else None,
        )

    def of_groups(self, groups: Words | None) -> dict[str, NDArray[np.float64]]:
        """`group_mean` of rows by their groups (n_obs,); nothing where these are not known."""
        if self.group_mean is None or groups is None:
            return {}
        return {"group_mean": self.group_mean.probabilities(groups)}

    def of_cells(self, X: Any) -> dict[str, NDArray[np.float64]]:
        """`target_only` of target cells (n_obs, n_features); nothing without few-shot cells."""
        if self.target_only is None:
            return {}
        return {"target_only": self.target_only.probability(X)}

    def on_target(self, X: Any, groups: Words | None = None) -> dict[str, NDArray[np.float64]]:
        """P(resistant) of target cells, moved as the model moves them, by baseline.

        Parameters
        ----------
        X
            (n_obs, n_features), read block by block.
        groups
            (n_obs,); None where the target has no such column.
        """
        return {
            "prevalence": np.full(len(X), self.linear.prevalence),
            "logistic_regression": self.linear.probability(X),
            **self.of_groups(groups),
            **self.of_cells(X),
        }
