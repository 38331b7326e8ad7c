"""`scatd.transfer`: a drug's response, learned from bulk samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from scatd.api.arguments import called, names_of
from scatd.api.docstrings import documented
from scatd.cli.sweep import is_sweep, names_in
from scatd.cli.transfer import asked, of_sweep
from scatd.cli.transfer import transfer as command

if TYPE_CHECKING:
    from scatd.api.arguments import Cells, File, Labels
    from scatd.workflows.sweep.run import SweepResult
    from scatd.workflows.transfer.result import TransferResult


@documented(command)
def transfer(
    source: Cells,
    drug: str | Sequence[str],
    *,
    min_sensitive: int = 0,
    figures: bool = False,
    family: str = "sf",
    labels: Labels | None = None,
    label_map: str | Mapping[str, str] | None = None,
    label_kind: str | None = None,
    response: str = "labels",
    ic50: File | None = None,
    ic50_units: str | None = None,
    censored: str | None = None,
    reference: Cells | None = None,
    target: Cells | None = None,
    target_labels: Labels | None = None,
    target_label_kind: str | None = None,
    panel: File | None = None,
    scale: str | None = None,
    backbone: File | None = None,
    group_by: str | None = None,
    group_baseline: str | None = None,
    permutations: int = 0,
    repeats: int = 1,
    nested: bool = False,
    learning_curve: bool = False,
    few_shot: int = 0,
    few_shot_use: str = "train",
    select: str = "best-fold",
    published: bool = False,
    settings: File | None = None,
    model: str | None = None,
    folds: int | None = None,
    seed: int | None = None,
    alignment: str | None = None,
    mmd_weight: float | None = None,
    statistics: str | None = None,
    augmentation: str | None = None,
    multiplier: str | None = None,
    majority_multiplier: float | None = None,
    minority_multiplier: float | None = None,
    tomek: bool | None = None,
    epochs: int | None = None,
    min_steps: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    weight_decay: float | None = None,
    schedule: str | None = None,
    drop_last: bool | None = None,
    latent: str | None = None,
    encoder_norm: str | None = None,
    post_training: int | None = None,
    train_encoder: bool | None = None,
    threshold: float | None = None,
    no_promote: bool = False,
    device: str = "auto",
    scheduler: str | None = None,
    allow_insecure: bool = False,
    allow_simulated: bool = False,
    quiet: bool = False,
    verbose: bool = False,
) -> TransferResult | SweepResult:
    """Learn a drug's response from bulk samples, judge the model, and register it.

    As `scatd transfer` does. Work that was killed is continued by the same call.

    Parameters
    ----------
    source
        Labelled bulk samples with the features of the family, or the path of such a file.
    drug
        Name in any spelling; a list of names, or "all" for every drug of the labels, is a sweep.
    {options}

    Returns
    -------
    A result that a notebook shows. Of one drug: `ref` (the registered version), `sentence` (the
    finding), `verdict` (of the gate), `promoted`, and the DataFrames `folds`, `models` (the model
    beside its baselines, with 95% intervals), `target`, `numbers` (with `response="ic50"`), and
    `predictions` (out of fold: model, id, truth, prob_resistant, 0 to 1, high for resistant, and
    fold). Of a sweep: `table`, one row a drug.

    Raises
    ------
    InputError
        For any input that cannot be used. Nothing is then registered.
    TrainingError
        When training diverges.

    Examples
    --------
    >>> import scatd
    >>> demo = scatd.datasets.demo()
    >>> scatd.transfer(  # doctest: +SKIP
    ...     demo.source, drug="docetaxel", reference=demo.reference, label_kind="cell-line"
    ... )
    """
    from scatd.workflows.sweep.run import sweep
    from scatd.workflows.transfer.run import transfer as work

    given = locals()
    with called(command, given) as read:
        found = read(drug=",".join(names_of(drug)))
        request, text = asked(found), found["drug"]
        if not is_sweep(text):
            return work(request)
        return sweep(request, names_in(text), **of_sweep(found))
