"""AdamW in its fused form, without torch's class for it, which loads torch's compiler.

That takes seconds at the start of each command that trains an encoder. The arithmetic is torch's:
`torch.optim.adamw.adamw`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim.adamw import adamw


@dataclass(eq=False)
class _Moments:
    """Of one parameter: its number of steps, and running means of its gradient and the square."""

    steps: Tensor
    mean: Tensor
    square: Tensor


class AdamW:
    """AdamW with the betas and the epsilon that are usual (0.9, 0.999, 1e-8).

    Parameters
    ----------
    parameters
        Those without a gradient are left alone, and count no step.
    rate
        Learning rate; it may be changed between steps.
    weight_decay
        Decoupled from the gradient.
    """

    def __init__(
        self, parameters: Sequence[torch.nn.Parameter], *, rate: float, weight_decay: float
    ) -> None:
        self.rate = rate
        self._parameters, self._weight_decay = list(parameters), weight_decay
        self._moments: dict[int, _Moments] = {}
        """By the place of the parameter."""

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move each parameter against its gradient."""
        moved: list[Tensor] = []
        gradients: list[Tensor] = []
        moments: list[_Moments] = []
        for place, parameter in enumerate(self._parameters):
            if parameter.grad is not None:
                moved.append(parameter)
                gradients.append(parameter.grad)
                moments.append(self._moments_of(place))
        if not moved:
            return
        adamw(
            *(moved, gradients, [one.mean for one in moments], [one.square for one in moments]),
            *([], [one.steps for one in moments]),
            fused=True,  # the CPU, CUDA and MPS builds of torch all have it
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=self.rate,
            weight_decay=self._weight_decay,
            eps=1e-8,
            maximize=False,
        )

    def _moments_of(self, place: int) -> _Moments:
        if place not in self._moments:
            like = self._parameters[place]
            steps = torch.zeros((), dtype=torch.float32, device=like.device)
            self._moments[place] = _Moments(steps, torch.zeros_like(like), torch.zeros_like(like))
        return self._moments[place]

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on, by the place of the parameter."""
        return {str(place): vars(one) for place, one in self._moments.items()}

    def load_state_dict(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Go on from there."""
        for place, saved in state.items():
            own = self._moments_of(int(place))
            for name, value in vars(own).items():
                value.copy_(saved[name])
