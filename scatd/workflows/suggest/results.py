"""Earlier suggestions with what the bench found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from scatd import keys
from scatd.data.drugs import drug_key, near_drugs
from scatd.data.ids import Ids
from scatd.data.tables import read_table
from scatd.errors import InputError
from scatd.wording import LISTED, counted, some_of

NEEDED = ("barcode", "drug", "response")
_OPTION = "--results"


def read_results(path: Path, drugs: tuple[str, ...], ids: Ids) -> pd.DataFrame:
    """The labels of a table, whose column `response` was filled in; empty ones are left out.

    Parameters
    ----------
    drugs
        Keys of the drugs of the choice.
    ids
        Of the cells.

    Returns
    -------
    One row a label: cell and drug (by number), resistant.

    Raises
    ------
    InputError
        When a column is missing, a word is not a response, or a drug or cell is not known.
    """
    where = f"{_OPTION} {path}"
    table = read_table(path, as_text=True)
    if missing := [name for name in NEEDED if name not in table]:
        what = f"there is no column '{missing[0]}'"
        raise InputError(what, where=where, expected=f"the columns {', '.join(NEEDED)}")
    words = table["response"].str.strip().str.casefold()
    table, words = table[words != ""], words[words != ""]
    if len(odd := words[~words.isin(keys.RESPONSES)]):
        what = f"'{table['response'][odd.index[0]]}' in row {odd.index[0] + 2} is not a response"
        raise InputError(what, where=where, expected=" or ".join(keys.RESPONSES))
    found = table["drug"].map(drug_key)
    for name in sorted(set(found) - set(drugs)):
        listed = some_of(near_drugs(name, drugs) or drugs, LISTED)
        what = f"the drug '{name}' is none of the choice"
        raise InputError(what, where=where, expected=f"one of {listed}")
    places = pd.Series(np.arange(len(ids)), index=[str(one) for one in ids[:]])
    if len(lost := table.loc[~table["barcode"].isin(places.index), "barcode"]):
        what = f"{counted(len(lost), 'cell', 'is', of=len(table))} not in the cohort"
        first = f"The first is {lost.iloc[0]}."
        raise InputError(what, where=where, remedy=f"{first} Give the cohort that was suggested.")
    return pd.DataFrame(
        {
            "cell": places[table["barcode"]].to_numpy(),
            "drug": [drugs.index(one) for one in found],
            "resistant": (words == keys.RESISTANT).to_numpy(),
        }
    )
