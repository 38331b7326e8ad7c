"""The training domain of a model: the cells that a target cell is compared with."""

from __future__ import annotations

import logging

import numpy as np
import torch

from scatd.evaluation.domain import not_assessed_sentence
from scatd.nn.alignment import Alignment, feature_stats
from scatd.nn.classifier import ResponseClassifier
from scatd.nn.domain import Domain, Role, TooFewCells
from scatd.training.domain import fit_domain
from scatd.training.transfer import posterior_of
from scatd.workflows.transfer.task import Basis

logger = logging.getLogger(__name__)


def training_domain(
    basis: Basis, classifier: ResponseClassifier, alignment: Alignment
) -> Domain | TooFewCells:
    """Describe the cells that a model was made for, as features and in its latent space.

    The cells are those of the reference, moved as a target is moved. With `adain` they do not move,
    because the source takes their style. Without a reference, all samples of the source stand in;
    they are moved as in training, and their labels have no part in it.

    Parameters
    ----------
    classifier
        With the encoder of the model; its head has no part in it.
    alignment
        Of the model.

    Returns
    -------
    The number of cells instead, where they are too few to tell; a warning says so.
    """
    role: Role
    if basis.reference_sample is not None:
        cells = torch.from_numpy(basis.reference_sample).to(basis.device)
        role, moved = "reference", alignment.move_target(cells)
    else:
        samples = torch.from_numpy(np.array(basis.cohorts.source.X, dtype=np.float32)).to(
            basis.device
        )
        own = Alignment(alignment.method, feature_stats([samples]), alignment.reference)
        role, moved = "source", own.move_source(samples)
    z = posterior_of(classifier, moved)[0]
    found = fit_domain(moved.cpu(), z.cpu(), role, basis.settings.seed)
    if isinstance(found, TooFewCells):
        logger.warning("%s", not_assessed_sentence(found))
    return found
