"""Checks of a device: it computes what the processor computes, up to rounding."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import device_work as work
from scatd.embedding.runner import embed
from scatd.evaluation.delong import auroc_variance
from scatd.explanation.explainers.explainer import RESISTANT
from scatd.explanation.explainers.making import explainer_of
from scatd.explanation.settings import ExplainSettings
from scatd.nn.alignment import feature_stats
from scatd.nn.losses import kl_to_standard_normal, reconstruction_loss
from scatd.nn.residual_vae import DESIGNS, ResidualVAE, Sizes
from scatd.scores import ScoreOptions
from scatd.scoring import Scorer
from scatd.training.backbone import UnlabelledCells, fit_backbone
from scatd.training.draws import SeededDraws
from scatd.training.folds import FoldData, align
from scatd.training.loop import Silent
from scatd.training.settings import TransferSettings, default_pretrain
from scatd.training.trainer import AlignedFold, Trainer

GOLDEN = Path(__file__).parents[2] / "shared" / "golden" / "scatd"
Numbers = Mapping[str, NDArray]


@dataclass(frozen=True)
class Check:
    """A check of a device.

    Parameters
    ----------
    name
        What is checked.
    compute
        Computes numbers on a device; the second argument is a folder for its files.
    at_most
        Largest difference that rounding can explain, as a share of the largest number. 0 asks for
        the same bits.
    expected
        Numbers to compare with; None compares with `compute` on the processor.
    """

    name: str
    compute: Callable[[str, Path], Numbers]
    at_most: float
    expected: Callable[[], Numbers] | None = None


@dataclass(frozen=True)
class Outcome:
    """The outcome of a check: the largest difference, as a share, and where it was."""

    name: str
    holds: bool | None
    difference: float | None
    at_most: float
    what: str


def run_check(check: Check, device: str, folder: Path) -> Outcome:
    """Compare a device with what is expected; an error is an outcome too."""
    try:
        found = check.compute(device, folder)
        expected = check.expected() if check.expected else check.compute("cpu", folder)
        apart = {name: _apart(found[name], expected[name]) for name in expected}
    except Exception as error:  # noqa: BLE001 - whatever a device raises is an outcome
        what = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        return Outcome(check.name, holds=False, difference=None, at_most=check.at_most, what=what)
    worst = max(apart, key=lambda name: apart[name])
    if not np.isfinite(apart[worst]):
        what = f"{worst}: not finite, or of another shape"
        return Outcome(check.name, holds=False, difference=None, at_most=check.at_most, what=what)
    holds = apart[worst] <= check.at_most
    return Outcome(check.name, holds, apart[worst], check.at_most, worst)


def _apart(found: NDArray, expected: NDArray) -> float:
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    if found.shape != expected.shape or not np.isfinite(found).all():
        return float("inf")
    if not found.size:
        return 0.0
    return float(np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-12))


def arrays(**tensors: torch.Tensor) -> Numbers:
    """Tensors of any device as arrays."""
    return {name: value.detach().cpu().numpy() for name, value in tensors.items()}


def _forward(family: str) -> Callable[[str, Path], Numbers]:
    def compute(device: str, _: Path) -> Numbers:
        vae = work.backbone(family).to(device)
        x = torch.from_numpy(work.rows(64, vae.sizes.n_features, 3)).to(device)
        eps = SeededDraws(0, device).normal(64, vae.sizes.n_latent)
        with torch.no_grad():
            out = vae(x, eps)
        return arrays(mu=out.mu, logvar=out.logvar, recon=out.recon)

    return compute


def gradients(device: str, _: Path) -> Numbers:
    """Gradients of the pretraining loss by every weight, of a small network."""
    torch.manual_seed(0)
    vae = ResidualVAE(Sizes(64, 16, (48, 32), (32, 48)), DESIGNS["sf"]).to(device).train()
    x = torch.from_numpy(work.rows(128, 64, 4)).to(device)
    out = vae(x, SeededDraws(0, device).normal(128, 16))
    loss = 10 * reconstruction_loss(out.recon, x) + kl_to_standard_normal(out.mu, out.logvar)
    loss.backward()
    found = {name: value.grad for name, value in vae.named_parameters() if value.grad is not None}
    # The bias before a BatchNorm has the gradient 0: only its rounding would be compared.
    return {name: array for name, array in arrays(**found).items() if np.abs(array).max() > 1e-5}


def draws(device: str, _: Path) -> Numbers:
    """All draws of a seed."""
    of_device = SeededDraws(7, device)
    batches = torch.cat(of_device.batches(1000, 64, drop_last=False))
    noise = torch.cat(list(of_device.noise([64, 64, 30], 20)))
    picks, subset = of_device.rows(100, 50), of_device.subset(100, 50)
    return arrays(batches=batches, noise=noise, picks=picks, subset=subset)


def scores(device: str, _: Path) -> Numbers:
    """Scores, their s.d. over posterior draws, and latents."""
    scorer = Scorer(work.response_model("sf"), device)
    cells = work.rows(1100, scorer.n_features, 5)
    found = scorer.score(cells, mc_samples=5, options=ScoreOptions(keep_latent=True))
    assert found.prob_sd is not None
    assert found.latent is not None
    return {"score": found.prob_resistant, "s.d.": found.prob_sd, "latent": found.latent}


def transfer(device: str, _: Path) -> Numbers:
    """A head on a frozen encoder, with augmentation and Tomek links."""
    X = work.rows(400, work.WIDTHS["gf"], 6)
    codes, tensor = work.labels(X), torch.from_numpy(X).to(device)
    reference = feature_stats([torch.from_numpy(work.rows(300, X.shape[1], 7))])
    data = FoldData(tensor[:300], codes[:300], tensor[300:], codes[300:])
    settings = TransferSettings(epochs=10, min_steps=0)
    alignment, aligned = align(data, reference.to(tensor.device), settings)
    fold = AlignedFold(alignment, aligned, SeededDraws(0, device))
    (fitted,) = Trainer(work.backbone("gf").to(device), settings).fit([fold])
    auroc = auroc_variance(codes[300:], fitted.prob_val)[0]
    losses = [record["val_loss"] for record in fitted.history]
    return {"AUROC": np.array(auroc), "validation loss": np.array(losses)}


def pretrain(device: str, _: Path) -> Numbers:
    """Losses of three epochs of a small network, in float32."""
    settings = replace(
        default_pretrain("sf"), n_latent=16, encoder_hidden=(64, 32), decoder_hidden=(32, 64),
        epochs=3, min_steps=0, batch_size=64, precision="float32",
    )  # fmt: skip
    cells = UnlabelledCells(work.rows(600, 96, 8), device=device)
    design = DESIGNS["sf"]
    fitted = fit_backbone(cells, settings, lambda sizes: ResidualVAE(sizes, design), Silent())
    return {"losses": np.array([record["val_total"] for record in fitted.history])}


def _explain(method: str) -> Callable[[str, Path], Numbers]:
    def compute(device: str, _: Path) -> Numbers:
        scorer = Scorer(work.response_model("gf"), device)
        explainer = explainer_of(scorer.members, scorer.network, "centred")
        x = torch.from_numpy(work.rows(16, scorer.n_features, 9)).to(scorer.device)
        pool = torch.from_numpy(work.rows(8, scorer.n_features, 10)).to(scorer.device)
        settings = ExplainSettings(method=method, steps=50, samples=20)  # type: ignore[arg-type]
        found = explainer.attribute(x, np.arange(16), pool, RESISTANT, settings)
        return {"attributions": found.attributions, "change": found.change}

    return compute


def _embed(name: str, *, tiny: bool) -> Callable[[str, Path], Numbers]:
    def compute(device: str, folder: Path) -> Numbers:
        make = work.scfoundation if name == "scFoundation" else work.geneformer
        encoder = make(folder, device, tiny=tiny)
        return {"embedding": embed(work.cells_for(encoder, 12 if tiny else 3), encoder)}

    return compute


def _golden(family: str) -> Check | None:
    """Forward pass of the published network, where its numbers are at hand."""
    folder = GOLDEN / family
    if not (folder / "vae_io.npz").is_file():
        return None
    said = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    widths = said["Encoder_layer_dims"][1:], said["Decoder_layer_dims"][1:]
    sizes = Sizes(said["input_dim"], said["z_dim"], *map(tuple, widths))
    io = dict(np.load(folder / "vae_io.npz"))

    def compute(device: str, _: Path) -> Numbers:
        vae = ResidualVAE(sizes, DESIGNS[family])
        vae.load_state_dict(torch.load(folder / "vae_state.pth", weights_only=True))
        x, eps = (torch.from_numpy(io[name]).to(device) for name in ("x", "eps"))
        with torch.no_grad():
            out = vae.eval().to(device)(x, eps)
        return arrays(mu=out.mu, logvar=out.logvar, recon=out.recon)

    return Check(
        f"golden forward pass, {family}", compute, 1e-4,
        lambda: {name: io[name] for name in ("mu", "logvar", "recon")},
    )  # fmt: skip


def all_checks() -> list[Check]:
    """All checks, the quick ones first; golden ones where their numbers are at hand."""
    golden = [found for family in work.WIDTHS if (found := _golden(family))]
    return [
        Check("draws of a seed", draws, 0.0),
        *golden,
        *(Check(f"forward pass, {name}", _forward(name), 1e-4) for name in work.WIDTHS),
        Check("gradients", gradients, 1e-3),
        Check("scores", scores, 1e-4),
        Check("pretrain, small", pretrain, 5e-3),
        Check("transfer, small", transfer, 2e-2),
        Check("explain, Integrated Gradients", _explain("ig"), 1e-3),
        Check("explain, GradientSHAP", _explain("gradshap"), 1e-3),
        Check("embed, tiny scFoundation", _embed("scFoundation", tiny=True), 1e-3),
        Check("embed, tiny Geneformer", _embed("Geneformer", tiny=True), 1e-3),
        Check("embed, scFoundation", _embed("scFoundation", tiny=False), 1e-3),
        Check("embed, Geneformer 12L", _embed("Geneformer", tiny=False), 1e-3),
    ]
