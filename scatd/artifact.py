"""Read and write a model folder: `model.safetensors`, `card.json`, `checksums.json`.

A folder is complete: weights, sizes, description of the features, alignment statistics, polarity,
the threshold and its origin. It cannot run code. Its files are used only after their hashes and
their agreement with each other are checked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from scatd import __version__
from scatd.candidates import anydrug, storing
from scatd.candidates.anydrug import AnyDrug
from scatd.candidates.candidate import Candidate
from scatd.candidates.network import Network
from scatd.candidates.regression import Regression, read_regression
from scatd.candidates.storing import Said, said_of
from scatd.cards import checksums
from scatd.cards.agreement import (
    ANYDRUG,
    CANDIDATE,
    DOMAIN,
    FOLD_CANDIDATE,
    FOLD_HEAD,
    HEAD,
    REGRESSION,
    STATISTICS,
    WEIGHTS,
    require_agreement,
)
from scatd.cards.card import About, AlignmentSaid, AnyDrugSaid, Card, DomainSaid, ModelKind
from scatd.cards.reading import read_card as parse_card
from scatd.cards.writing import SCHEMA_VERSION, to_mapping
from scatd.errors import InputError
from scatd.nn.alignment import Alignment, FeatureStats
from scatd.nn.classifier import ResponseClassifier
from scatd.nn.domain import Domain
from scatd.nn.recognise import under, unfilled
from scatd.nn.residual_vae import DESIGNS, ResidualVAE, Sizes

WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "card.json"


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
    text = json.dumps(to_mapping(card), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    tensors = _tensors(artifact)
    require_agreement(parse_card(text, str(folder / CARD_FILE)), tensors, str(folder))
    if base is not None:
        tensors = {name: value for name, value in tensors.items() if not _is_in(base, name, value)}
    files = {WEIGHTS_FILE: save(tensors), CARD_FILE: text.encode()}
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    checksums.write(folder, {name: checksums.of_bytes(files[name]) for name in files})


def _tensors(artifact: Artifact) -> dict[str, Tensor]:
    """All tensors of a folder, by their names in the file."""
    named = {WEIGHTS + name: value for name, value in artifact.state.items()}
    for kind, heads in ((HEAD, artifact.more_heads), (FOLD_HEAD, artifact.fold_heads)):
        for number, head in enumerate(heads):
            named |= {f"{kind}{number}.{name}": value for name, value in head.items()}
    held = {f"{FOLD_CANDIDATE}{n}.": one for n, one in enumerate(artifact.fold_candidates)}
    if artifact.candidate is not None:
        held[CANDIDATE] = artifact.candidate
    for prefix, candidate in held.items():
        named |= {prefix + name: value for name, value in candidate.tensors().items()}
    if artifact.regression is not None:
        own = artifact.regression.tensors()
        named |= {REGRESSION + name: value for name, value in own.items()}
    if artifact.domain is not None:
        named |= {DOMAIN + name: value for name, value in artifact.domain.tensors().items()}
    if artifact.alignment is not None:
        for role in ("source", "reference"):
            stats: FeatureStats | None = getattr(artifact.alignment, role)
            if stats is not None:
                named[f"{STATISTICS}{role}.mean"] = stats.mean
                named[f"{STATISTICS}{role}.std"] = stats.std
    if artifact.anydrug is not None:
        own = artifact.anydrug.tensors()
        named |= {ANYDRUG + name: value for name, value in own.items()}
    # Cloned, because safetensors refuses tensors that share memory (the Swish of dist).
    return {name: value.detach().cpu().contiguous().clone() for name, value in named.items()}


def _is_in(base: Mapping[str, Tensor], name: str, value: Tensor) -> bool:
    own = name.removeprefix(WEIGHTS)
    return name.startswith(WEIGHTS) and own in base and torch.equal(value, base[own].cpu())


def read_card(folder: Path) -> Card:
    """Read the card alone.

    Raises
    ------
    InputError
        When there is no card, it is damaged or was changed, or a newer scatd wrote it.
    """
    return _checked_card(folder)[0]


def _checked_card(folder: Path) -> tuple[Card, dict[str, str] | None]:
    """Read the card, and the hashes of the files (None: scatd before 0.2 wrote none)."""
    path = folder / CARD_FILE
    try:
        content = path.read_bytes()
    except OSError as error:
        what = f"... is no model folder ({CARD_FILE} cannot be read)"
        raise InputError(what, where=str(folder), expected="a folder written by scatd") from error
    said = checksums.read(folder)
    if said is not None:
        checksums.require(path, content, said)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise InputError("... is no text", where=str(path)) from error
    card = parse_card(text, str(path))
    if said is None and card.schema_version > 1:
        what = f"... lacks {checksums.CHECKSUMS_FILE}"
        raise InputError(what, where=str(folder), expected="a whole model folder")
    return card, said


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
    card, said = _checked_card(folder)
    if not card.complete and base is None:
        what = "... holds only what differs from its backbone"
        raise InputError(what, where=str(folder), expected="a complete model folder")
    tensors = _read_tensors(folder / WEIGHTS_FILE, said)
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
    bare = Artifact(
        kind=card.kind,
        family=card.family,
        design=card.design,
        sizes=card.sizes,
        state=under(tensors, WEIGHTS),
        alignment=_read_alignment(card.alignment, tensors),
        threshold=card.threshold,
        simulated=card.simulated,
        more_heads=_read_heads(tensors, HEAD, card.more_heads),
        fold_heads=_read_heads(tensors, FOLD_HEAD, card.fold_heads),
        domain=_read_domain(card.domain, tensors),
        regression=None
        if card.regression is None
        else read_regression(card.regression, under(tensors, REGRESSION)),
        about=card.about,
    )
    return _with_candidates(bare, card, tensors)


def _with_candidates(bare: Artifact, card: Card, tensors: Mapping[str, Tensor]) -> Artifact:
    """The artifact with what scores in place of a network, and in other folds."""
    said = [(CANDIDATE, card.candidate)] if card.candidate.name != "network" else []
    said += [(f"{FOLD_CANDIDATE}{n}.", one) for n, one in enumerate(card.fold_candidates)]
    if not said:
        return bare
    base = None
    if any(one.needs_network for _, one in said):
        has_none = card.candidate.name != "network"
        base = ResponseClassifier(bare.sizes, DESIGNS[bare.design])
        base.load_state_dict(dict(bare.state), strict=not has_none)
        base.eval()
    found = [storing.read(one, under(tensors, prefix), base) for prefix, one in said]
    own = found.pop(0) if card.candidate.name != "network" else None
    return replace(bare, candidate=own, fold_candidates=tuple(found))


def _read_tensors(path: Path, said: Mapping[str, str] | None) -> dict[str, Tensor]:
    content = _read_checked(path, said)
    try:
        # The same order in every process, because hashes over all weights are compared.
        return dict(sorted(load(content).items()))
    except (SafetensorError, ValueError, KeyError) as error:
        raise InputError(f"... cannot be read ({error})", where=str(path)) from error


def _read_checked(path: Path, said: Mapping[str, str] | None) -> bytes:
    """Read a file, and compare it with its hash when the folder has one."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"... cannot be read ({error.strerror})", where=str(path)) from error
    if said is not None:
        checksums.require(path, content, said)
    return content


def verify(folder: Path) -> dict[str, str]:
    """Check every file of a model folder, and return the hashes.

    Raises
    ------
    InputError
        When a file does not have its hash.
    """
    _, said = _checked_card(folder)
    paths = (folder / CARD_FILE, folder / WEIGHTS_FILE)
    return {path.name: checksums.of_bytes(_read_checked(path, said)) for path in paths}


def _read_heads(
    tensors: Mapping[str, Tensor], kind: str, n_heads: int
) -> tuple[Mapping[str, Tensor], ...]:
    return tuple(under(tensors, f"{kind}{number}.") for number in range(n_heads))


def _read_domain(said: DomainSaid | None, tensors: Mapping[str, Tensor]) -> Domain | None:
    if said is None:  # written by an older scatd, or there were too few training cells
        return None
    return Domain(role=said.role, **under(tensors, DOMAIN))


def _read_alignment(said: AlignmentSaid | None, tensors: Mapping[str, Tensor]) -> Alignment | None:
    if said is None:
        return None

    def stats(role: str, n_obs: int | None) -> FeatureStats | None:
        if n_obs is None:
            return None
        mean, std = (tensors[f"{STATISTICS}{role}.{part}"] for part in ("mean", "std"))
        return FeatureStats(mean, std, n_obs)

    source = stats("source", said.source_n_obs)
    return Alignment(said.method, source, stats("reference", said.reference_n_obs))


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
