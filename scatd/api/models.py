"""`scatd.models` and `scatd.load_model`: the registered models."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scatd.api.arguments import called
from scatd.api.explain import explain
from scatd.api.predict import predict, score
from scatd.cli.predict import predict as command
from scatd.cli.registry import list_models as listing
from scatd.report import Page, Section, ShownInNotebook

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from scatd.api.arguments import Cells
    from scatd.cards.card import Card
    from scatd.registry.loaded import Loaded
    from scatd.workflows.explain.run import ExplainResult

_OF_THE_MODEL = ("drug", "family", "stage", "device")
"""Arguments of `scatd.predict` that a loaded model has decided."""


def models() -> pd.DataFrame:
    """The registered models, one row each.

    Returns
    -------
    A DataFrame with columns model, family, drug, production, staging and previous (the version at
    each stage, missing where there is none), candidate (what scores), label_kind (what the labels
    of its source say), simulated, and gate (the verdict on the staged version).

    Examples
    --------
    >>> import scatd
    >>> scatd.models()  # doctest: +SKIP
    """
    from scatd import registry

    with called(listing, {}):
        return registry.list_models()


def load_model(
    drug: str,
    family: str | None = None,
    stage: str | int = "production",
    *,
    device: str = "auto",
) -> ResponseModel:
    """Load the registered model of a drug.

    Parameters
    ----------
    drug
        Name in any spelling.
    family
        sf, gf or dist; None takes the first with a model, in the order of the drug's rules.
    stage
        production, staging, previous, archived, or a version number.
    device
        Device to compute on: auto, cpu, cuda, cuda:N or mps.

    Raises
    ------
    InputError
        When there is no such model, or its files are damaged or were changed.

    Examples
    --------
    >>> import scatd
    >>> model = scatd.load_model("docetaxel")  # doctest: +SKIP
    >>> model.predict(adata)  # doctest: +SKIP
    """
    from scatd.nn.devices import pick_device
    from scatd.registry import loaded

    asked = {"drug": drug, "family": family, "stage": stage, "device": device}
    with called(command, asked) as read:
        found = read()
        place = pick_device(found["device"])
        return ResponseModel(loaded.load_model(drug, found["family"], found["stage"], place))


class ResponseModel(ShownInNotebook):
    """A registered model of one drug, ready to score. Made by `load_model`.

    Parameters
    ----------
    loaded
        The version and its scorer.
    """

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded

    @property
    def name(self) -> str:
        """Name in the registry."""
        return self._loaded.ref.name

    @property
    def version(self) -> int:
        """Version in the registry."""
        return self._loaded.ref.version

    @property
    def drug(self) -> str:
        """The drug's key."""
        return self._loaded.ref.drug

    @property
    def family(self) -> str:
        """The features that it reads: sf, gf or dist."""
        return self._loaded.ref.family

    @property
    def stage(self) -> str:
        """Its stage when it was loaded."""
        return self._loaded.ref.stage

    @property
    def card(self) -> Card:
        """What is known about it: training, evidence, threshold, alignment, data."""
        return self._loaded.scorer.card

    def predict(self, adata: Cells, *, copy: bool = False, **options: Any) -> AnnData | None:
        """Score cells, as `scatd.predict` does.

        Parameters
        ----------
        adata, copy
            As in `scatd.predict`.
        options
            Its further arguments, but those that choose the model and its device.

        Raises
        ------
        InputError
            When the cells cannot be used.
        """
        defaults = _defaults()
        if unknown := sorted((options.keys() - defaults.keys()) | (options.keys() & _OF_THE_MODEL)):
            message = f"ResponseModel.predict() has no argument {', '.join(unknown)}"
            raise TypeError(message)
        ours = {"adata": adata, "drug": self.drug, "family": self.family, "stage": self.version}
        with called(command, {**defaults, **options, **ours}, input="adata") as read:
            return score([read()], copy=copy, model=self._loaded)

    def explain(self, adata: Cells, **options: Any) -> ExplainResult:
        """Find the features that drive the scores, as `scatd.explain` does.

        Parameters
        ----------
        adata
            Cells, or the path of a file.
        options
            Further arguments of `scatd.explain`, but those that choose the model.

        Raises
        ------
        InputError
            When the cells cannot be used.
        """
        if decided := sorted(options.keys() & set(_OF_THE_MODEL[:3])):
            message = f"ResponseModel.explain() has no argument {', '.join(decided)}"
            raise TypeError(message)
        return explain(adata, self.drug, family=self.family, stage=self.version, **options)

    @property
    def headline(self) -> str:
        """Name, version, stage and what scores."""
        what = f"{self.name} version {self.version} ({self.stage})"
        return f"{what}: {self.card.candidate_in_words}"

    def page(self, folder: Path) -> Page:
        """What scores, what it learned from, and its evidence."""
        import pandas as pd

        from scatd import keys
        from scatd.evaluation import label_kinds
        from scatd.evaluation.evidence import in_legend

        del folder  # it has no figures
        about = self.card.about
        text = [self.card.choice_in_words, label_kinds.in_words(about.label_kinds)]
        sections = [Section("In short", [about.finding or "", *text], tone="summary")]
        if about.baselines:
            evidence = pd.DataFrame(list(about.baselines))
            caption = "Out of fold, with 95% intervals"
            tables = {caption: evidence.assign(model=evidence["model"].map(in_legend))}
            sections.append(Section("Beside its baselines", tables=tables))
        if self._loaded.ref.simulated:
            said = ["It was trained on simulated data: its scores say nothing about patients."]
            sections.append(Section("Read this first", said, tone="caution"))
        title = f"{self.name}, version {self.version}"
        return Page(title, sections, subtitle=self.stage, footer=keys.CAVEAT)


def _defaults() -> dict[str, Any]:
    """The arguments of `scatd.predict`, with their defaults."""
    found = inspect.signature(predict).parameters.items()
    return {
        name: None if param.default is inspect.Parameter.empty else param.default
        for name, param in found
        if name != "copy"
    }
