"""The one reader and writer of a model folder: `model.safetensors` and `card.json`.

A folder is whole: weights, sizes, what the features are, alignment statistics, what a probability
means, the threshold and where it came from. Nothing in it can run code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from scatd import __version__, keys
from scatd.errors import InputError
from scatd.nn.alignment import Alignment, FeatureStats
from scatd.nn.classifier import ResponseClassifier
from scatd.nn.domain import Domain
from scatd.nn.residual_vae import DESIGNS, ResidualVAE, Sizes

SCHEMA_VERSION = 1
WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "card.json"
CAVEAT = "Learned from in vitro drug response. For research only, not for clinical decisions."
POLARITY = {word: code for code, word in enumerate(keys.RESPONSES)}

_WEIGHTS = "weights."
_STATISTICS = "alignment."
_HEAD = "head"
_FOLD_HEAD = "fold_head"
_DOMAIN = "domain."


@dataclass(frozen=True)
class Artifact:
    """A backbone or a response model, as it is stored.

    Parameters
    ----------
    kind
        "backbone" (a residual VAE) or "response" (its encoder and a head).
    family, design
        Family, and the name of its network design (`dist_script` differs from `dist`).
    sizes
        Layer widths.
    state
        Weights and buffers under the published names.
    alignment
        How source and target are moved; None for a backbone.
    threshold
        A cell is called resistant strictly above it; None for a backbone.
    simulated
        Whether simulated data took part anywhere.
    more_heads
        Weights of further heads on the same encoder; a score is the mean over all heads.
    fold_heads
        Weights of heads of other folds on the same encoder, which have no part in the score: how
        far they disagree with it is an uncertainty.
    domain
        What training cells look like; None where that is not known.
    card
        Everything else worth knowing: features, metrics, baselines, data, settings, versions.
    """

    kind: str
    family: str
    design: str
    sizes: Sizes
    state: Mapping[str, Tensor]
    alignment: Alignment | None = None
    threshold: float | None = None
    simulated: bool = False
    more_heads: tuple[Mapping[str, Tensor], ...] = ()
    fold_heads: tuple[Mapping[str, Tensor], ...] = ()
    domain: Domain | None = None
    card: Mapping[str, Any] = field(default_factory=dict)

    def backbone(self) -> ResidualVAE:
        """The residual VAE, in eval mode."""
        self._require("backbone")
        vae = ResidualVAE(self.sizes, DESIGNS[self.design])
        vae.load_state_dict(dict(self.state))
        return vae.eval()

    def classifier(self) -> ResponseClassifier:
        """The response model, in eval mode."""
        self._require("response")
        model = ResponseClassifier(self.sizes, DESIGNS[self.design])
        model.load_state_dict(dict(self.state))
        return model.eval()

    def classifiers(self) -> list[ResponseClassifier]:
        """The response model once a head that scores, in eval mode; all share one encoder."""
        first = self.classifier()
        return [first, *(first.with_head(head) for head in self.more_heads)]

    def fold_classifiers(self) -> list[ResponseClassifier]:
        """The same, once a head of the other folds."""
        first = self.classifier()
        return [first.with_head(head) for head in self.fold_heads]

    def encoder_state(self) -> dict[str, Tensor]:
        """What a backbone shares with its response models: everything but the decoder."""
        self._require("backbone")
        decoder = ("Decoder_resblocks.", "fc4.")
        return {name: value for name, value in self.state.items() if not name.startswith(decoder)}

    def _require(self, kind: str) -> None:
        if self.kind != kind:
            raise InputError(f"this model is a {self.kind}", expected=f"a {kind}")


def write(folder: Path, artifact: Artifact, *, base: Mapping[str, Tensor] | None = None) -> None:
    """Write the two files of a model folder; the folder is made.

    Parameters
    ----------
    base
        Entries equal to those of `base` are left out: a fold of a frozen encoder is its head. The
        same `base` is needed to read it back.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        # Clones: shared tensors (the Swish of dist) may not share memory in safetensors.
        _WEIGHTS + name: tensor.detach().cpu().contiguous().clone()
        for name, tensor in artifact.state.items()
        if base is None or name not in base or not torch.equal(tensor.cpu(), base[name].cpu())
    }
    for kind, heads in ((_HEAD, artifact.more_heads), (_FOLD_HEAD, artifact.fold_heads)):
        for number, head in enumerate(heads):
            for name, tensor in head.items():
                tensors[f"{kind}{number}.{name}"] = tensor.detach().cpu().contiguous().clone()
    card: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "scatd_version": __version__,
        "kind": artifact.kind,
        "family": artifact.family,
        "design": artifact.design,
        "sizes": asdict(artifact.sizes),
        "simulated": artifact.simulated,
        "use": CAVEAT,
        **artifact.card,
    }
    for name in ("more_heads", "fold_heads", "domain"):  # said by what is stored, not by the card
        card.pop(name, None)
    if base is not None:
        card["complete"] = False
    if artifact.more_heads:
        card["more_heads"] = len(artifact.more_heads)
    if artifact.fold_heads:
        card["fold_heads"] = len(artifact.fold_heads)
    if artifact.domain is not None:
        n_held_out = len(artifact.domain.held_out)
        card["domain"] = {"role": artifact.domain.role, "n_held_out": n_held_out}
        for name, tensor in artifact.domain.tensors().items():
            tensors[_DOMAIN + name] = tensor.cpu().contiguous().clone()
    if artifact.kind == "response":
        card["polarity"] = POLARITY
        card["threshold"] = artifact.threshold
    if artifact.alignment is not None:
        card["alignment"] = {"method": artifact.alignment.method}
        for role in ("source", "reference"):
            stats: FeatureStats | None = getattr(artifact.alignment, role)
            if stats is not None:
                tensors[f"{_STATISTICS}{role}.mean"] = stats.mean.cpu().contiguous().clone()
                tensors[f"{_STATISTICS}{role}.std"] = stats.std.cpu().contiguous().clone()
                card["alignment"][f"{role}_n_obs"] = stats.n_obs
    save_file(tensors, folder / WEIGHTS_FILE)
    text = json.dumps(card, indent=2, ensure_ascii=False, allow_nan=True)
    (folder / CARD_FILE).write_text(text + "\n", encoding="utf-8")


def read_card(folder: Path) -> dict[str, Any]:
    """Read the card alone.

    Raises
    ------
    InputError
        When there is no readable card, or a newer scatd wrote it.
    """
    path = folder / CARD_FILE
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        what = f"is no model folder ({CARD_FILE} cannot be read)"
        raise InputError(what, where=str(folder), expected="a folder written by scatd") from error
    if card.get("schema_version") != SCHEMA_VERSION:
        what = f"has schema version {card.get('schema_version')}"
        remedy = "Update scatd to read it."
        raise InputError(what, where=str(path), expected=str(SCHEMA_VERSION), remedy=remedy)
    return card


def read(folder: Path, *, base: Mapping[str, Tensor] | None = None) -> Artifact:
    """Read a model folder.

    Parameters
    ----------
    base
        What it was written without, if it was written so.

    Raises
    ------
    InputError
        When a file is missing or damaged.
    """
    card = read_card(folder)
    try:
        tensors = load_file(folder / WEIGHTS_FILE)
    except (OSError, SafetensorError) as error:
        what = f"cannot be read ({error})"
        raise InputError(what, where=str(folder / WEIGHTS_FILE)) from error
    if not card.get("complete", True) and base is None:
        what = "holds only what differs from its backbone"
        raise InputError(what, where=str(folder), expected="a complete model folder")
    sizes = card["sizes"]
    return Artifact(
        kind=card["kind"],
        family=card["family"],
        design=card["design"],
        sizes=Sizes(
            sizes["n_features"],
            sizes["n_latent"],
            tuple(sizes["encoder_hidden"]),
            tuple(sizes["decoder_hidden"]),
        ),
        state={**(base or {}), **_named(tensors, _WEIGHTS)},
        alignment=_read_alignment(card, tensors),
        threshold=card.get("threshold"),
        simulated=card["simulated"],
        more_heads=_read_heads(tensors, _HEAD, card.get("more_heads", 0)),
        fold_heads=_read_heads(tensors, _FOLD_HEAD, card.get("fold_heads", 0)),
        domain=_read_domain(card, tensors),
        card=card,
    )


def _named(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Entries under a prefix, without it."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _read_heads(
    tensors: Mapping[str, Tensor], kind: str, n_heads: int
) -> tuple[Mapping[str, Tensor], ...]:
    return tuple(_named(tensors, f"{kind}{number}.") for number in range(n_heads))


def _read_domain(card: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Domain | None:
    stored = card.get("domain")
    if stored is None:  # of an older scatd, or of training cells that were too few
        return None
    return Domain(role=stored["role"], **_named(tensors, _DOMAIN))


def _read_alignment(card: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Alignment | None:
    stored = card.get("alignment")
    if stored is None:
        return None

    def stats(role: str) -> FeatureStats | None:
        if f"{role}_n_obs" not in stored:
            return None
        mean, std = tensors[f"{_STATISTICS}{role}.mean"], tensors[f"{_STATISTICS}{role}.std"]
        return FeatureStats(mean, std, stored[f"{role}_n_obs"])

    return Alignment(stored["method"], stats("source"), stats("reference"))


def versions() -> dict[str, str]:
    """Versions that a card records, for reproducing its numbers."""
    import platform

    import numpy

    return {
        "scatd": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": numpy.__version__,
    }
