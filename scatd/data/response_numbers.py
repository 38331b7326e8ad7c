"""Responses as numbers, such as ln IC50: one row a sample, one column a drug."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd.data.drugs import substance_key
from scatd.data.features import Features
from scatd.data.files import sha256_file
from scatd.data.pairing import pair_rows
from scatd.data.tables import read_table
from scatd.data.text.values import judge, require_numbers
from scatd.errors import InputError
from scatd.wording import counted

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ResponseNumbers:
    """Numbers of the samples of a cohort for many drugs; high is resistant.

    Parameters
    ----------
    values
        (n_obs, n_drugs) in the cohort's order, NaN where there is no number.
    drugs
        (n_drugs,) names of the columns.
    file, sha256
        The table, and the hash of the file.
    """

    values: NDArray[np.float32]
    drugs: tuple[str, ...]
    file: Path
    sha256: str

    @property
    def n_samples(self) -> int:
        """Samples with at least one number."""
        return int(np.isfinite(self.values).any(axis=1).sum())

    def warn_where_low_is_resistant(self, drug: str, codes: NDArray[np.int_]) -> None:
        """Warn where the numbers of a drug are the lower ones for samples that are resistant.

        Parameters
        ----------
        codes
            (n_obs,), classes of the samples: 0 sensitive, 1 resistant, else unknown.
        """
        for name, column in zip(self.drugs, self.values.T, strict=True):
            if substance_key(name) != substance_key(drug):
                continue
            known = [column[(codes == code) & np.isfinite(column)] for code in (0, 1)]
            sensitive, resistant = (np.median(part) if len(part) else np.nan for part in known)
            if resistant < sensitive:
                logger.warning(
                    "%s column '%s': resistant samples have the lower numbers (median %.3g, "
                    "sensitive %.3g), but high must mean resistant.",
                    *(self.file, name, resistant, sensitive),
                )


def read_response_numbers(file: Path, features: Features) -> ResponseNumbers:
    """Read a table of numbers, whose first column holds the ids of samples.

    Rows are paired with a cohort as those of a label table are. A column that is empty for all
    samples of the cohort is left out.

    Raises
    ------
    InputError
        When the table cannot be read, ids are repeated or are those of no sample, a value is no
        number, a name is no drug, or no column is left.
    """
    where, table = str(file), read_table(file, as_text=False)
    ids = table.iloc[:, 0].astype(str)
    found = judge(ids)  # ids such as 905933 are whole numbers
    if found.kind == "numbers" and (np.nan_to_num(found.numbers) % 1 != 0).any():
        what = f"its first column '{table.columns[0]}' holds numbers, not ids"
        raise InputError(what, where=where, expected="ids of samples in the first column")
    rows, _ = pair_rows(features, ids, len(table), file)
    drugs, columns = [], []
    for name in map(str, table.columns[1:]):
        if not substance_key(name):
            expected = "a name with letters or digits, such as DOCETAXEL"
            raise InputError(f"column '{name}' is no drug name", where=where, expected=expected)
        numbers = _numbers(table[name], f"{where} column '{name}'")
        if np.isfinite(own := np.where(rows >= 0, numbers[rows], np.nan)).any():
            drugs.append(name)
            columns.append(own)
    if not columns:
        what = "holds no number for any sample"
        raise InputError(what, where=where, expected="one column of numbers a drug")
    values = np.column_stack(columns).astype(np.float32)
    read = ResponseNumbers(values, tuple(drugs), file, sha256_file(file))
    said = f"{counted(read.n_samples, 'sample')} for {counted(len(drugs), 'drug')}"
    logger.info("%s: numbers of %s.", where, said)
    return read


def _numbers(column: pd.Series, where: str) -> NDArray[np.float64]:
    """A column as numbers, NaN for a gap."""
    numbers = require_numbers(column, where).to_numpy()
    if np.isinf(numbers).any():
        what = f"holds an infinite value in row {int(np.isinf(numbers).argmax()) + 1}"
        raise InputError(what, where=where, expected="numbers, or nothing where there is none")
    return numbers
