"""`scatd.anydrug`: a model of drugs never seen, from lines and the structures of many drugs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scatd.api.arguments import called
from scatd.api.docstrings import documented
from scatd.cli.anydrug import anydrug as command
from scatd.cli.requests import filled

if TYPE_CHECKING:
    from scatd.api.arguments import Cells, File
    from scatd.workflows.anydrug.request import AnyDrugResult


@documented(command)
def anydrug(
    source: Cells,
    *,
    ic50: File,
    smiles_table: File,
    family: str = "sf",
    reference: Cells | None = None,
    panel: str | None = None,
    scale: str | None = None,
    folds: int = 10,
    seed: int = 0,
    no_promote: bool = False,
    allow_simulated: bool = False,
    quiet: bool = False,
    verbose: bool = False,
) -> AnyDrugResult:
    """Learn all drugs at once, for drugs that were never seen.

    As `scatd anydrug` does. `scatd.predict` with `drug_smiles` uses the model.

    Parameters
    ----------
    source
        Lines with the features of the family, or the path of such a file.
    ic50
        Path of a table of responses, such as ln IC50: one row a line, one column a drug; high is
        resistant. It may have blanks.
    smiles_table
        Path of a table with the columns drug and smiles: the structures of the drugs.
    {options}

    Returns
    -------
    A result with `ref` (the registered version), `judged` (what leaving out drugs shows; its
    correlations are high where the order of the lines is right, at most 1), `threshold` (the
    similarity, from 0 to 1, under which a drug is refused) and `verdict` (of the gate).

    Raises
    ------
    InputError
        When the lines, the responses or the structures cannot be used.

    Examples
    --------
    >>> import scatd
    >>> given = {"ic50": "ln_ic50.csv", "smiles_table": "structures.csv"}
    >>> scatd.anydrug("lines.h5ad", family="dist", **given).judged.summary  # doctest: +SKIP
    """
    from scatd.workflows.anydrug.request import AnyDrugRequest
    from scatd.workflows.anydrug.run import anydrug as work

    given = locals()
    with called(command, given) as read:
        return work(filled(AnyDrugRequest, read()))
