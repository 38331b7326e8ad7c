"""Use case: distil a student, which reads expression, from a teacher, which reads an embedding."""

from __future__ import annotations

from dataclasses import replace

from scatd.data.demo_files import given_or_demo
from scatd.data.expression import log_normalised
from scatd.data.features import read_features
from scatd.nn.devices import pick_device
from scatd.training.backbone import splits
from scatd.workflows.pretrain.request import DistillRequest
from scatd.workflows.pretrain.run import PretrainResult, make
from scatd.workflows.pretrain.task import BackboneTask
from scatd.workflows.pretrain.teacher import teacher_of

STUDENT = "dist"
"""Family of the student."""


def distill(request: DistillRequest) -> PretrainResult:
    """Train a student on expression and register it at `staging`.

    Raises
    ------
    InputError
        When cohort or teacher cannot be used.
    TrainingError
        When training diverges.
    """
    device = pick_device(request.device)
    path = given_or_demo(request.input, "reference")
    expression, scale = log_normalised(read_features(path, STUDENT, mmap=True))
    splits(expression.n_obs, request.settings)  # refuse too few rows before a teacher is trained
    teacher = teacher_of(request, expression, device)
    task = BackboneTask(
        "distill",
        expression,
        STUDENT,
        replace(request.settings, n_latent=teacher.z.shape[1]),
        device,
        input_scale=scale,
        checkpoint_every=request.checkpoint_every,
        teacher=teacher,
    )
    return make(task)
