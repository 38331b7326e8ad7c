"""The optimiser takes torch's steps, goes on where it was, and does not load torch's compiler."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import torch

from scatd.training.adamw import AdamW

ROOT = Path(__file__).resolve().parents[3]
RATES = [1e-2, 1e-2, 5e-3, 1e-3, 1e-3]


def parameters():
    generator = torch.Generator().manual_seed(3)
    shapes = [(5, 4), (4,), (2, 4)]
    return [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]


def set_gradients(own, step):
    """The last parameter moves from the third step on, as an encoder that is frozen at first."""
    generator = torch.Generator().manual_seed(step)
    for place, parameter in enumerate(own):
        gradient = torch.randn(parameter.shape, generator=generator)
        if place < 2 or step >= 2:
            parameter.grad = gradient


def test_the_steps_are_torch_s():
    ours, theirs = parameters(), parameters()
    optimizer = AdamW(ours, rate=1.0, weight_decay=0.1)
    reference = torch.optim.AdamW(theirs, lr=1.0, weight_decay=0.1, fused=True)
    for step, rate in enumerate(RATES):
        optimizer.rate = reference.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        assert all(parameter.grad is None for parameter in ours)
        for own in (ours, theirs):
            set_gradients(own, step)
        optimizer.step()
        reference.step()
        for one, other in zip(ours, theirs, strict=True):
            assert torch.equal(one, other), f"step {step}"
    assert not torch.equal(ours[2], parameters()[2])


def test_it_goes_on_where_it_was(tmp_path):
    whole = parameters()
    optimizer = AdamW(whole, rate=1e-2, weight_decay=0.1)
    for step in range(5):
        if step == 3:
            torch.save(optimizer.state_dict(), tmp_path / "state.pt")
            resumed = [torch.nn.Parameter(parameter.detach().clone()) for parameter in whole]
        set_gradients(whole, step)
        optimizer.step()
    again = AdamW(resumed, rate=1e-2, weight_decay=0.1)
    again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    for step in (3, 4):
        set_gradients(resumed, step)
        again.step()
    for one, other in zip(resumed, whole, strict=True):
        assert torch.equal(one, other)


def test_without_gradients_nothing_moves():
    own = parameters()
    AdamW(own, rate=1.0, weight_decay=0.1).step()
    assert all(torch.equal(one, other) for one, other in zip(own, parameters(), strict=True))


SMALL = """
import sys
import numpy as np
from scatd.nn.residual_vae import DESIGNS, ResidualVAE
from scatd.training.backbone import UnlabelledCells, fit_backbone
from scatd.training.loop import Silent
from scatd.training.settings import PretrainSettings
X = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
settings = PretrainSettings(
    epochs=1, learning_rate=1e-3, weight_decay=0.0, rec_beta=1.0, n_latent=2,
    encoder_hidden=(4,), decoder_hidden=(4,),
)
make = lambda sizes: ResidualVAE(sizes, DESIGNS["sf"])
fit_backbone(UnlabelledCells(X), settings, make, Silent())
print("torch._dynamo" in sys.modules)
"""


def test_the_compiler_of_torch_is_not_loaded():
    """It takes seconds. A process of its own: in this one, other tests may have loaded it."""
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", SMALL]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=env)
    assert done.stdout == "False\n"
