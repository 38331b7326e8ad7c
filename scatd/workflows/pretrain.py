"""Use case: pretrain a backbone, or find the one that the same work made before."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch

from scatd import artifact, console, keys, registry, tracking
from scatd.artifact import Artifact
from scatd.data.features import Features, read_features
from scatd.nn.alignment import Alignment
from scatd.nn.residual_vae import DESIGNS, ResidualVAE
from scatd.registry import ModelRef
from scatd.settings import to_mapping
from scatd.training.loop import n_epochs
from scatd.training.pretrain import FittedBackbone, fit_backbone
from scatd.training.settings import PretrainSettings
from scatd.workflows.inputs import demo_file, matrix_stats, pick_device
from scatd.workflows.progress import Watched

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PretrainRequest:
    """What to pretrain on (None: the demo reference), and how."""

    input: Path | None
    family: str
    settings: PretrainSettings
    device: str = "auto"


@dataclass(frozen=True)
class PretrainResult:
    """The registered backbone, what is known about it, and the run that made it."""

    ref: ModelRef
    summary: dict[str, float]
    run_id: str


def pretrain(request: PretrainRequest) -> PretrainResult:
    """Pretrain a backbone on unlabelled cells and register it at `staging`.

    Raises
    ------
    InputError
        When the features cannot be used.
    TrainingError
        When training diverges.
    """
    device = pick_device(request.device)
    path = request.input or demo_file("reference")
    features = read_features(path, request.family)
    return _pretrain(features, request.family, request.settings, device)


def backbone_for(
    features: Features, family: str, settings: PretrainSettings, device: torch.device
) -> ModelRef:
    """The backbone pretrained on `features` with these settings; made if there is none yet."""
    key = _work_key(features, family, settings)
    made = registry.find_made(keys.backbone_name(family), key)
    if made is not None:
        logger.info("Backbone: %s version %d", made.name, made.version)
        return made
    logger.info("Backbone: pretraining one on %s", features.path)
    return _pretrain(features, family, settings, device).ref


def _work_key(features: Features, family: str, settings: PretrainSettings) -> str:
    return tracking.work_key("pretrain", family, to_mapping(settings), features.sha256())


def _pretrain(
    features: Features, family: str, settings: PretrainSettings, device: torch.device
) -> PretrainResult:
    key = _work_key(features, family, settings)
    name = keys.backbone_name(family)
    checkpoint = tracking.work_folder() / f"pretrain-{key}.pt"
    with tracking.work_lock(key):
        dead = tracking.unfinished(key)
        with tracking.parent_run(
            "pretrain",
            name=f"pretrain {family}",
            tags={
                keys.TAG_FAMILY: family,
                keys.TAG_LEVEL: keys.LEVEL_BACKBONE,
                keys.TAG_SIMULATED: str(features.simulated).lower(),
            },
            settings=to_mapping(settings),
            work_key=key,
        ) as run:
            if dead is not None:
                tracking.adopt(dead, run)
            else:
                checkpoint.unlink(missing_ok=True)
            run.log_dataset(
                features.path.stem,
                str(features.path),
                digest=features.sha256(),
                n_rows=features.n_obs,
                n_features=features.n_features,
                context="reference",
            )
            total = n_epochs(
                settings.epochs, settings.min_steps, settings.batch_size, features.n_obs
            )
            with (
                tracking.Curves(run) as curves,
                console.progress(total, f"Pretraining {family}", "epoch") as bar,
            ):
                fitted = fit_backbone(
                    features.X,
                    settings,
                    lambda sizes: ResidualVAE(sizes, DESIGNS[family]),
                    Watched(curves, lambda epoch: bar.update(epoch - bar.n)),
                    device=device,
                    checkpoint=checkpoint,
                )
            run.log_metrics(fitted.summary)
            version = registry.find_version(name, dead.run_ids) if dead else None
            if version is None:
                version = _register(features, family, settings, fitted, run, key)
        checkpoint.unlink(missing_ok=True)
    ref = registry.resolve_backbone(f"{name}/{version}")
    return PretrainResult(ref, fitted.summary, run.run_id)


def _register(
    features: Features,
    family: str,
    settings: PretrainSettings,
    fitted: FittedBackbone,
    run: tracking.Run,
    key: str,
) -> int:
    stats = matrix_stats(features.X)
    stored = Artifact(
        kind="backbone",
        family=family,
        design=family,
        sizes=fitted.vae.sizes,
        state=fitted.vae.state_dict(),
        alignment=Alignment("none", reference=stats),
        simulated=features.simulated,
        card={
            "features": {"key": features.key, "n_features": features.n_features},
            "data": {
                "reference": {
                    "file": features.path.name,
                    "sha256": features.sha256(),
                    "n_obs": features.n_obs,
                }
            },
            "metrics": fitted.summary,
            "settings": to_mapping(settings),
            "run_id": run.run_id,
            "versions": artifact.versions(),
        },
    )
    description = (
        f"Residual VAE of family {family}, pretrained on {features.n_obs} cells of "
        f"{features.path.name}. Held-out R2 {fitted.summary['r2']:.3f}, "
        f"{fitted.summary['active_units']:.0f} of {fitted.vae.sizes.n_latent} latent units active."
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "backbone"
        artifact.write(folder, stored)
        return registry.register(
            folder,
            keys.backbone_name(family),
            run.run_id,
            metrics=fitted.summary,
            description=description,
            tags={keys.TAG_WORK_KEY: key},
        )
