"""`scatd.pretrain`: a backbone from unlabelled cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scatd.api.arguments import called
from scatd.api.docstrings import documented
from scatd.cli.pretrain import asked
from scatd.cli.pretrain import pretrain as command

if TYPE_CHECKING:
    from scatd.api.arguments import Cells, File
    from scatd.workflows.pretrain.run import PretrainResult


@documented(command)
def pretrain(
    input: Cells,  # noqa: A002 (the name of the option)
    *,
    family: str = "sf",
    published: bool = False,
    settings: File | None = None,
    epochs: int | None = None,
    min_steps: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    weight_decay: float | None = None,
    schedule: str | None = None,
    patience: int | None = None,
    rec_beta: float | None = None,
    val_fraction: float | None = None,
    folds: int | None = None,
    precision: str | None = None,
    seed: int | None = None,
    checkpoint_every: int = 0,
    device: str = "auto",
    quiet: bool = False,
    verbose: bool = False,
) -> PretrainResult:
    """Pretrain a backbone on unlabelled cells, and register it at staging.

    As `scatd pretrain` does. Work that was killed is continued by the same call.

    Parameters
    ----------
    input
        Unlabelled cells with the features of the family, or the path of such a file.
    {options}

    Returns
    -------
    A result that a notebook shows. `ref` is the registered version, `summary` the quality on
    held-out cells (`r2`: high is good, at most 1), `folds` one row a fold where there were several,
    `history` the losses by epoch.

    Raises
    ------
    InputError
        When the features cannot be used.
    TrainingError
        When training diverges.

    Examples
    --------
    >>> import scatd
    >>> cells = scatd.datasets.demo().reference
    >>> scatd.pretrain(cells, family="sf").summary  # doctest: +SKIP
    """
    from scatd.workflows.pretrain.run import pretrain as work

    given = locals()
    with called(command, given) as read:
        return work(asked(read()))
