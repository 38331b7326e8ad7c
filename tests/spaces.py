"""A small space of pretraining settings, for tests of searches."""

from __future__ import annotations

from scatd.training.space import Range, Space

SPACE = Space(
    {
        "learning_rate": Range(1e-4, 1e-1, log=True),
        "weight_decay": Range(0.0, 1.0),
        "n_latent": Range(2, 9),
        "blocks": Range(1, 3),
        "first_width": Range(10, 40, step=10),
        "encoder_width": Range(5, 9),
        "last_width": 4,
    }
)
