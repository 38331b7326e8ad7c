"""A model as it is stored, and as a model folder holds it.

A folder is complete: weights, sizes, description of the features, alignment statistics, polarity,
the threshold and its origin. It cannot run code. Its files are used only after their hashes and
their agreement with each other are checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from scatd import __version__
from scatd.candidates import anydrug
from scatd.candidates.anydrug import AnyDrug
from scatd.candidates.candidate import Candidate
from scatd.candidates.network import Network
from scatd.candidates.regression import Regression, read_regression
from scatd.candidates.storing import Said, said_of
from scatd.cards.agreement import (
    ANYDRUG,
    FOLD_HEAD,
    HEAD,
    REGRESSION,
    WEIGHTS,
    require_agreement,
)
from scatd.cards.card import About, AlignmentSaid, AnyDrugSaid, Card, DomainSaid, ModelKind
from scatd.cards.model_folder import (
    CARD_FILE,
    card_text,
    checked_card,
    read_tensors,
    write_files,
)
from scatd.cards.packing import (
    named,
    pack_alignment,
    pack_candidates,
    pack_domain,
    pack_heads,
    unpack_alignment,
    unpack_candidates,
    unpack_domain,
    unpack_heads,
)
from scatd.cards.reading import read_card as parse_card
from scatd.cards.writing import SCHEMA_VERSION
from scatd.errors import InputError
from scatd.nn.alignment import Alignment
from scatd.nn.classifier import ResponseClassifier
from scatd.nn.domain import Domain
from scatd.nn.recognise import under, unfilled
from scatd.nn.residual_vae import DESIGNS, ResidualVAE, Sizes


@dataclass(frozen=True)
class Artifact:
    """A backbone, a response model, or a model of drugs never seen, as it is stored.

    Parameters
    ----------
    kind
        "backbone" (a residual VAE), "response" (its encoder, and what scores), or "anydrug".
    family, design
        Family, and name of its network design (`dist_script` differs from `dist`).
    sizes
        Layer widths.
    state
        Weights and buffers under the published names. The head of a network is among them.
    alignment
        How source and target are moved; None for a backbone.
    threshold
        A cell is called resistant strictly above it; None for a backbone.
    simulated
        True when simulated data were used anywhere.
    more_heads
        Weights of further heads on the same encoder; a score is the mean over all heads.
    fold_heads
        Weights of the heads of other folds on the same encoder. They do not change the score;
        their disagreement is an uncertainty.
    candidate
        What scores in place of the network's head; None for a network.
    fold_candidates
        What scores in other folds, where that is no network.
    domain
        Statistics of the training cells; None when unknown.
    regression
        What predicts numbers, such as ln IC50, beside the probabilities; None where nothing does.
    anydrug, structures
        What scores drugs never seen, and SMILES by name of the drugs that it was trained on; None
        and empty for other models.
    about
        All other facts: features, metrics, baselines, data, settings, versions.
    """

    kind: ModelKind
    family: str
    design: str
    sizes: Sizes
    state: Mapping[str, Tensor]
    alignment: Alignment | None = None
    threshold: float | None = None
    simulated: bool = False
    more_heads: tuple[Mapping[str, Tensor], ...] = ()
    fold_heads: tuple[Mapping[str, Tensor], ...] = ()
    candidate: Candidate | None = None
    fold_candidates: tuple[Candidate, ...] = ()
    domain: Domain | None = None
    regression: Regression | None = None
    anydrug: AnyDrug | None = None
    structures: Mapping[str, str] = field(default_factory=dict)
    about: About = field(default_factory=About)

    def card(self, *, complete: bool = True) -> Card:
        """The card of this model.

        Parameters
        ----------
        complete
            True when the folder holds all weights.
        """
        alignment, domain = self.alignment, self.domain
        said = None
        if alignment is not None:
            n_obs = [
                None if stats is None else stats.n_obs
                for stats in (alignment.source, alignment.reference)
            ]
            said = AlignmentSaid(alignment.method, *n_obs)
        return Card(
            kind=self.kind,
            family=self.family,
            design=self.design,
            sizes=self.sizes,
            simulated=self.simulated,
            threshold=self.threshold,
            alignment=said,
            domain=None if domain is None else DomainSaid(domain.role, len(domain.held_out)),
            more_heads=len(self.more_heads),
            fold_heads=len(self.fold_heads),
            candidate=Said() if self.candidate is None else said_of(self.candidate),
            fold_candidates=tuple(said_of(one) for one in self.fold_candidates),
            complete=complete,
            about=self.about,
            scatd_version=__version__,
            schema_version=SCHEMA_VERSION,
            regression=None if self.regression is None else self.regression.said,
            anydrug=None
            if self.anydrug is None
            else AnyDrugSaid(tuple(self.structures), tuple(self.structures.values())),
        )

    def backbone(self) -> ResidualVAE:
        """The residual VAE, in eval mode."""
        self._require("backbone")
        vae = ResidualVAE(self.sizes, DESIGNS[self.design])
        vae.load_state_dict(dict(self.state))
        return vae.eval()

    def classifier(self) -> ResponseClassifier:
        """The network, in eval mode.

        Where another candidate scores, the encoder is that of the model and the head is untrained.
        """
        self._require("response")
        if self.candidate is not None:
            model = ResponseClassifier(self.sizes, DESIGNS[self.design])
            model.load_state_dict(dict(self.state), strict=False)
            return model.eval()
        model = unfilled(ResponseClassifier, self.sizes, self.design)
        own = {name: value.clone() for name, value in self.state.items()}
        model.load_state_dict(own, assign=True)
        return model.eval()

    def members(self, network: ResponseClassifier) -> list[Candidate]:
        """What scores: the score is the mean of their probabilities.

        Parameters
        ----------
        network
            That of `classifier`.
        """
        if self.candidate is not None:
            return [self.candidate]
        heads = [network, *(network.with_head(head) for head in self.more_heads)]
        return [Network(head) for head in heads]

    def fold_members(self, network: ResponseClassifier) -> list[Candidate]:
        """What scores in the other folds; `network` as for `members`."""
        heads = [Network(network.with_head(head)) for head in self.fold_heads]
        return [*heads, *self.fold_candidates]

    def encoder_state(self) -> dict[str, Tensor]:
        """Weights that a backbone shares with its response models: all but the decoder."""
        self._require("backbone")
        decoder = ("Decoder_resblocks.", "fc4.")
        return {name: value for name, value in self.state.items() if not name.startswith(decoder)}

    def _require(self, kind: str) -> None:
        if self.kind != kind:
            raise InputError(f"this model is of kind {self.kind}", expected=f"one of kind {kind}")


def write(folder: Path, artifact: Artifact, *, base: Mapping[str, Tensor] | None = None) -> None:
    """Write the three files of a model folder; creates the folder.

    Parameters
    ----------
    base
        Entries equal to those of `base` are not written: a fold with a frozen encoder stores only
        its head. Reading needs the same `base`.

    Raises
    ------
    InputError
        When `read` would refuse the folder; nothing is written then.
    """
    card = artifact.card(complete=base is None)
    text = card_text(card)
    tensors = _tensors(artifact)
    require_agreement(parse_card(text, str(folder / CARD_FILE)), tensors, str(folder))
    if base is not None:
        tensors = {name: value for name, value in tensors.items() if not _is_in(base, name, value)}
    write_files(folder, text, tensors)


def _tensors(artifact: Artifact) -> dict[str, Tensor]:
    """All tensors of a folder, by their names in the file."""
    packed = {
        **named(WEIGHTS, artifact.state),
        **pack_heads(HEAD, artifact.more_heads),
        **pack_heads(FOLD_HEAD, artifact.fold_heads),
        **pack_candidates(artifact.candidate, artifact.fold_candidates),
        **pack_domain(artifact.domain),
        **pack_alignment(artifact.alignment),
    }
    if artifact.regression is not None:
        packed |= named(REGRESSION, artifact.regression.tensors())
    if artifact.anydrug is not None:
        packed |= named(ANYDRUG, artifact.anydrug.tensors())
    # Cloned, because safetensors refuses tensors that share memory (the Swish of dist).
    return {name: value.detach().cpu().contiguous().clone() for name, value in packed.items()}


def _is_in(base: Mapping[str, Tensor], name: str, value: Tensor) -> bool:
    own = name.removeprefix(WEIGHTS)
    return name.startswith(WEIGHTS) and own in base and torch.equal(value, base[own].cpu())


def read(folder: Path, *, base: Mapping[str, Tensor] | None = None) -> Artifact:
    """Read a model folder.

    Parameters
    ----------
    base
        The `base` that the folder was written with, if any.

    Raises
    ------
    InputError
        When a file is missing, damaged or changed, or card and weights do not agree.
    """
    card, said = checked_card(folder)
    if not card.complete and base is None:
        what = "... holds only what differs from its backbone"
        raise InputError(what, where=str(folder), expected="a complete model folder")
    tensors = read_tensors(folder, said)
    if base is not None:
        tensors = {**{WEIGHTS + name: value.cpu() for name, value in base.items()}, **tensors}
    require_agreement(card, tensors, str(folder))
    if card.anydrug is not None:
        return Artifact(
            kind=card.kind,
            family=card.family,
            design=card.design,
            sizes=card.sizes,
            state={},
            simulated=card.simulated,
            anydrug=anydrug.read(under(tensors, ANYDRUG)),
            structures=dict(zip(card.anydrug.drugs, card.anydrug.smiles, strict=True)),
            about=card.about,
        )
    candidate, fold_candidates = unpack_candidates(card, tensors)
    return Artifact(
        kind=card.kind,
        family=card.family,
        design=card.design,
        sizes=card.sizes,
        state=under(tensors, WEIGHTS),
        alignment=unpack_alignment(card.alignment, tensors),
        threshold=card.threshold,
        simulated=card.simulated,
        more_heads=unpack_heads(tensors, HEAD, card.more_heads),
        fold_heads=unpack_heads(tensors, FOLD_HEAD, card.fold_heads),
        candidate=candidate,
        fold_candidates=fold_candidates,
        domain=unpack_domain(card.domain, tensors),
        regression=None
        if card.regression is None
        else read_regression(card.regression, under(tensors, REGRESSION)),
        about=card.about,
    )


def versions() -> dict[str, str]:
    """Versions that a card records, so that its numbers can be reproduced."""
    import platform

    import numpy

    return {
        "scatd": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": numpy.__version__,
    }
