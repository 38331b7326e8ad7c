"""Responses as numbers, such as ln IC50: one column a drug, or one row a sample and drug."""

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
    is_least
        (n_obs, n_drugs), whether the true number is at least the value; None where none is
        censored.
    """

    values: NDArray[np.float32]
    drugs: tuple[str, ...]
    file: Path
    sha256: str
    is_least: NDArray[np.bool_] | None = None

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


def read_response_numbers(
    file: Path, features: Features, censored: str | None = None
) -> ResponseNumbers:
    """Read a table of numbers, whose first column holds the ids of samples.

    It has one column a drug; or one row a sample and drug, with the columns `drug` and `value`.
    Rows are paired with a cohort as those of a label table are. A drug without a number for any
    sample of the cohort is left out.

    Parameters
    ----------
    censored
        Column that says which numbers are censored: the true one is at least as high. Only in a
        table with one row a sample and drug.

    Raises
    ------
    InputError
        When the table cannot be read, ids are repeated or are those of no sample, a value is no
        number, a name is no drug, or no column is left.
    """
    where, table = str(file), read_table(file, as_text=False)
    least: pd.DataFrame | None = None
    if {_DRUG, _VALUE} <= {str(name).casefold() for name in table.columns[1:]}:
        table, least = _by_drug(table, where, censored)
    elif censored is not None:
        what = f"... has one column a drug, so that no column '{censored}' can say what is censored"
        expected = f"one row a sample and drug, with the columns {_DRUG}, {_VALUE} and {censored}"
        raise InputError(what, where=where, expected=expected)
    ids = table.iloc[:, 0].astype(str)
    found = judge(ids)  # ids such as 905933 are whole numbers
    if found.kind == "numbers" and (np.nan_to_num(found.numbers) % 1 != 0).any():
        what = f"its first column '{table.columns[0]}' holds numbers, not ids"
        raise InputError(what, where=where, expected="ids of samples in the first column")
    rows, _ = pair_rows(features, ids, len(table), file)
    drugs, columns, bounds = [], [], []
    for name in map(str, table.columns[1:]):
        if not substance_key(name):
            expected = "a name with letters or digits, such as DOCETAXEL"
            raise InputError(f"column '{name}' is no drug name", where=where, expected=expected)
        numbers = _numbers(table[name], f"{where} column '{name}'")
        if np.isfinite(own := np.where(rows >= 0, numbers[rows], np.nan)).any():
            drugs.append(name)
            columns.append(own)
            if least is not None:
                bounds.append(np.where(rows >= 0, least[name].to_numpy()[rows], False))  # noqa: FBT003
    if not columns:
        what = "... holds no number for any sample"
        raise InputError(what, where=where, expected="one column of numbers a drug")
    values = np.column_stack(columns).astype(np.float32)
    is_least = np.column_stack(bounds).astype(bool) if bounds else None
    read = ResponseNumbers(values, tuple(drugs), file, sha256_file(file), is_least)
    said = f"{counted(read.n_samples, 'sample')} for {counted(len(drugs), 'drug')}"
    logger.info("%s: numbers of %s.", where, said)
    return read


_DRUG, _VALUE = "drug", "value"
_LEAST, _EXACT = {"1", "true", "yes", ">", ">="}, {"0", "false", "no", "=", ""}
"""Words of a column that says what is censored."""


def _by_drug(
    table: pd.DataFrame, where: str, censored: str | None
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """One column a drug, of a table with one row a sample and drug; and what is censored.

    Raises
    ------
    InputError
        When a pair of a sample and a drug occurs twice, a word does not say whether a number is
        censored, or there is no such column.
    """
    by_name = {str(name).casefold(): name for name in table.columns[1:]}
    ids, drugs = table.iloc[:, 0].astype(str), table[by_name[_DRUG]].astype(str)
    repeated = pd.DataFrame({"id": ids, "drug": drugs}).duplicated()
    if repeated.any():
        row = int(repeated.to_numpy().argmax())
        what = f"... has '{ids.iloc[row]}' with {drugs.iloc[row]} twice, again in row {row + 1}"
        raise InputError(what, where=where, expected="one row a sample and drug")
    values = _numbers(table[by_name[_VALUE]], f"{where} column '{by_name[_VALUE]}'")
    keep = np.isfinite(values)
    line, names = pd.factorize(ids[keep])
    column, titles = pd.factorize(drugs[keep])

    def wide(numbers: NDArray, *, otherwise: float | bool) -> pd.DataFrame:
        found = np.full((len(names), len(titles)), otherwise)
        found[line, column] = numbers[keep]
        return pd.DataFrame(found, columns=titles)

    found = wide(values, otherwise=np.nan)
    found.insert(0, table.columns[0], names)
    if censored is None:
        return found, None
    if censored not in table:
        known = ", ".join(map(str, table.columns))
        what = f"there is no column '{censored}' in {where}"
        raise InputError(what, where="--censored", expected=f"one of {known}")
    return found, wide(_is_least(table[censored], f"{where} column '{censored}'"), otherwise=False)


def _is_least(column: pd.Series, where: str) -> NDArray[np.bool_]:
    words = column.astype(object).where(column.notna(), "").astype(str).str.strip().str.casefold()
    words = words.str.replace(r"\.0$", "", regex=True)  # 1 and 0 with gaps are read as 1.0 and 0.0
    unknown = ~words.isin(_LEAST | _EXACT).to_numpy()
    if unknown.any():
        row = int(unknown.argmax())
        what = f"... holds '{column.iloc[row]}' in row {row + 1}"
        expected = "yes, true, 1 or > for a number that is at least so high, else no, false, 0 or ="
        raise InputError(what, where=where, expected=expected)
    return words.isin(_LEAST).to_numpy()


def _numbers(column: pd.Series, where: str) -> NDArray[np.float64]:
    """A column as numbers, NaN for a gap."""
    numbers = require_numbers(column, where).to_numpy()
    if np.isinf(numbers).any():
        what = f"... holds an infinite value in row {int(np.isinf(numbers).argmax()) + 1}"
        raise InputError(what, where=where, expected="numbers, or nothing where there is none")
    return numbers
