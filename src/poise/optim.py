"""How a player moves: optimizers as values that can be written down; their rate by the clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.optim import Optimizer

from . import optimistic
from .errors import OptionError


class Move(Protocol):
    """A choice of optimizer, with its numbers: what a run's configuration holds."""

    @property
    def lr(self) -> float:
        """The rate at the start of the run."""

    @property
    def decay(self) -> int:
        """Images over which the rate falls linearly to 0; 0 keeps it constant."""

    def optimizer(self, params: Iterable[Tensor]) -> Optimizer:
        """A fresh optimizer of these parameters."""


def rate_after(move: Move, drawn: int) -> float:
    """The learning rate after `drawn` images: a function of the clock, so nothing to save."""
    return move.lr * (max(0.0, 1 - drawn / move.decay) if move.decay else 1.0)


@dataclass(frozen=True)
class SGD:
    """Plain gradient descent."""

    lr: float = 0.01  # learning rate
    decay: int = 0  # images over which the rate falls linearly to 0; 0 = constant

    def __post_init__(self) -> None:
        _check(self)

    def optimizer(self, params: Iterable[Tensor]) -> Optimizer:
        """A fresh torch.optim.SGD."""
        return torch.optim.SGD(params, self.lr)


@dataclass(frozen=True)
class RMSProp:
    """Gradients divided by a running root mean square, no momentum: what a clipped critic needs."""

    lr: float = 5e-5  # learning rate
    decay: int = 0  # images over which the rate falls linearly to 0; 0 = constant
    alpha: float = 0.99  # share of the old mean square that a step keeps

    def __post_init__(self) -> None:
        _check(self)

    def optimizer(self, params: Iterable[Tensor]) -> Optimizer:
        """A fresh torch.optim.RMSprop."""
        return torch.optim.RMSprop(params, self.lr, alpha=self.alpha, foreach=True)


@dataclass(frozen=True)
class Adam:
    """Adam."""

    lr: float = 1e-4  # learning rate
    decay: int = 0  # images over which the rate falls linearly to 0; 0 = constant
    beta1: float = 0.0  # share of the old mean gradient that a step keeps
    beta2: float = 0.9  # share of the old mean square that a step keeps

    def __post_init__(self) -> None:
        _check(self)

    def optimizer(self, params: Iterable[Tensor]) -> Optimizer:
        """A fresh torch.optim.Adam, fused."""
        return torch.optim.Adam(params, self.lr, (float(self.beta1), float(self.beta2)), fused=True)


@dataclass(frozen=True)
class OptimisticSGD:
    """Optimistic gradient descent."""

    lr: float = 0.01  # learning rate
    decay: int = 0  # images over which the rate falls linearly to 0; 0 = constant

    def __post_init__(self) -> None:
        _check(self)

    def optimizer(self, params: Iterable[Tensor]) -> Optimizer:
        """A fresh optimistic.SGD."""
        return optimistic.SGD(params, self.lr)


@dataclass(frozen=True)
class OptimisticAdam:
    """Optimistic Adam. Defaults: the paper's for CIFAR-10."""

    lr: float = 1e-4  # learning rate
    decay: int = 0  # images over which the rate falls linearly to 0; 0 = constant
    beta1: float = 0.5  # share of the old mean gradient that a step keeps
    beta2: float = 0.9  # share of the old mean square that a step keeps

    def __post_init__(self) -> None:
        _check(self)

    def optimizer(self, params: Iterable[Tensor]) -> Optimizer:
        """A fresh optimistic.Adam."""
        return optimistic.Adam(params, self.lr, (self.beta1, self.beta2))


OPTIMIZERS: dict[str, type[Move]] = {
    "sgd": SGD,
    "rmsprop": RMSProp,
    "adam": Adam,
    "optimistic-sgd": OptimisticSGD,
    "optimistic-adam": OptimisticAdam,
}


def owned(optimizer: Optimizer) -> list[Tensor]:
    """The parameters that an optimizer moves."""
    return [p for group in optimizer.param_groups for p in group["params"]]


def moments(optimizer: Optimizer) -> Iterator[tuple[str, Tensor]]:
    """What an optimizer knows of past gradients, by the number of the parameter."""
    for i, parameter in enumerate(owned(optimizer)):
        for name, value in optimizer.state[parameter].items():
            yield f"{i}.{name}", value


def load_moments(optimizer: Optimizer, saved: Mapping[str, Tensor]) -> None:
    """Take over what `moments` gave."""
    optimizer.state.clear()
    pairs = [(p, group) for group in optimizer.param_groups for p in group["params"]]
    for key, value in saved.items():
        index, _, name = key.partition(".")
        parameter, group = pairs[int(index)]
        # Laid out as the parameter is: fused kernels walk both by their addresses.
        like = parameter if value.shape == parameter.shape else value
        # They read the number of steps on the device; others, on the CPU.
        there = like is parameter or group.get("fused")
        device = parameter.device if there else torch.device("cpu")
        held = torch.empty_like(like, dtype=value.dtype, device=device)
        optimizer.state[parameter][name] = held.copy_(value)


def _check(move: Move) -> None:
    if not 0 < move.lr < 10:
        raise OptionError(f"the learning rate --lr must lie between 0 and 10, got {move.lr}.")
    if move.decay < 0:
        raise OptionError(f"--decay is a number of images, 0 or more, got {move.decay}.")
    for name in ("alpha", "beta1", "beta2"):
        if not 0 <= getattr(move, name, 0.0) < 1:
            raise OptionError(
                f"--{name} must be at least 0 and below 1, got {getattr(move, name)}."
            )
