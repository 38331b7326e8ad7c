"""What speaks against versions that serve: labelled target cells, and the kind of their labels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from scatd import keys, registry
from scatd.errors import InputError
from scatd.evaluation.target_evidence import against
from scatd.registry import ModelRef
from scatd.workflows.models import stored_evidence
from scatd.workflows.models.promote import demote


@dataclass(frozen=True)
class Doubt:
    """What speaks against a version.

    Parameters
    ----------
    ref
        The version.
    said
        The evidence, in words.
    demotes
        Whether the rules of the drug take the version out of production for it.
    """

    ref: ModelRef
    said: str
    demotes: bool

    @property
    def remedy(self) -> str:
        """The command that takes the version out of service."""
        return f"scatd registry archive {self.ref.name} --version {self.ref.version}"

    def demote(self) -> bool:
        """Archive the version where the rules of its drug say so."""
        return self.demotes and demote(self.ref, self.said)


def about(refs: Iterable[ModelRef]) -> dict[ModelRef, Doubt]:
    """What speaks against some versions; versions without a doubt are left out."""
    found = {}
    for ref, shown in stored_evidence.of_many_targets(refs).items():
        config = registry.load_config(ref.drug)
        allowed = config.allow_exposure_labels
        said = list(filter(None, (against(cells, allow_exposure=allowed) for cells in shown)))
        if said:
            said = [f"evidence against it: {'; '.join(said)}"]
        demotes = bool(said) and config.demote_on_evidence
        if not allowed and _learned_exposure(ref):
            said.append(
                f"it learned from {keys.EXPOSURE} labels, and allow_exposure_labels is false"
            )
        if said:
            found[ref] = Doubt(ref, ". Also ".join(said), demotes)
    return found


def _learned_exposure(ref: ModelRef) -> bool:
    """Whether labels of exposure have a part in a version; a damaged one is the doctor's."""
    try:
        return registry.read_card(ref).about.learned_exposure
    except InputError:
        return False


def in_production() -> dict[ModelRef, Doubt]:
    """What speaks against the versions in production."""
    serving = registry.production_versions()
    return about(registry.at(name, keys.PRODUCTION) for name in serving)
