"""Versions of a small model with random weights, registered in the store of the working folder.

python -m chaos.registered DRUG COUNT
"""

from __future__ import annotations

import sys
from pathlib import Path

from chaos.cohorts import N_FEATURES


def main() -> None:
    drug, count = sys.argv[1], int(sys.argv[2])
    for seed in range(1, count + 1):
        print(register(drug, seed), flush=True)


def register(drug: str, seed: int) -> int:
    """Register a model; each seed gives other scores. Returns its version."""
    import torch

    from scatd import artifact, keys, registry, tracking
    from scatd.artifact import Artifact
    from scatd.nn.alignment import Alignment, feature_stats
    from scatd.nn.classifier import ResponseClassifier
    from scatd.nn.residual_vae import DESIGNS, Sizes

    torch.manual_seed(seed)
    sizes = Sizes(N_FEATURES, 8, (16, 8), (8, 16))
    head = ResponseClassifier(sizes, DESIGNS["sf"])
    head.train()(torch.randn(64, N_FEATURES))
    alignment = Alignment("none", reference=feature_stats([torch.randn(64, N_FEATURES)]))
    model = Artifact("response", "sf", "sf", sizes, head.state_dict(), alignment, threshold=0.5)
    folder = Path(f"model-{drug}-{seed}")
    artifact.write(folder, model)
    with tracking.parent_run("transfer", name="chaos", tags={}, settings={}) as run:
        return registry.register_artifact(
            folder, keys.response_model_name("sf", drug), run.run_id,
            metrics={"auroc": 0.8}, description="random weights", tags={keys.TAG_DRUG: drug},
        )  # fmt: skip


if __name__ == "__main__":
    main()
