"""AdamW, and the learning rate as a function of the step."""

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor
from torch.nn import Parameter

from jurist.training.config import TrainingConfig
from jurist.training.processes import laid_out_as


def learning_rate(step: int, *, peak: float, num_steps: int, warmup_ratio: float) -> float:
    """Learning rate of a step: a straight line up to the peak, then half a cosine down.

    A function of the step alone, so that a resumed training needs no scheduler state. The last
    step still learns: the cosine would reach 0 one step after it.

    Args:
        step: Step, from 0.
        peak: Highest learning rate.
        num_steps: Steps of the whole training.
        warmup_ratio: Share of them that the line takes.

    Example:
        >>> [round(learning_rate(s, peak=1.0, num_steps=6, warmup_ratio=0.33), 2) for s in range(6)]
        [0.5, 1.0, 1.0, 0.85, 0.5, 0.15]
    """
    warmup = math.ceil(num_steps * warmup_ratio)
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (num_steps - warmup)))


def make_optimizer(parameters: Iterable[Parameter], config: TrainingConfig) -> torch.optim.AdamW:
    """AdamW with decay on matrices only.

    The paper gives the decay and not what decays; norms and biases are left out, as is usual:
    pulling them to zero changes the scale of whole layers.
    """
    trained = list(parameters)
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=config.learning_rate,
        betas=config.betas,
        fused=True,
    )


def optimizer_tensors(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, Parameter]
) -> dict[str, Tensor]:
    """State of an optimizer as named tensors, as they lie in this process."""
    return {
        f"{name}/{key}": value
        for name, parameter in parameters.items()
        for key, value in optimizer.state[parameter].items()
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer,
    parameters: Mapping[str, Parameter],
    tensors: Mapping[str, Tensor],
) -> None:
    """Give an optimizer the state that `optimizer_tensors` took from another.

    Args:
        optimizer: Of the same parameters.
        parameters: By name.
        tensors: The state, every tensor whole.
    """
    for name, value in tensors.items():
        parameter, _, key = name.rpartition("/")
        target = parameters[parameter]
        # The count of steps is one number, however the moments lie.
        own = value.to(target.device, copy=True) if key == "step" else laid_out_as(target, value)
        optimizer.state[target][key] = own
