"""How a player moves: optimizers as values that can be written down, and the optimistic two.

Daskalakis, Ilyas, Syrgkanis, Zeng 2018, https://arxiv.org/abs/1711.00141: play the gradient you
expect next, which is the last one again, so that the last iterate of a game converges.

    w_{t+1} = w_t - 2 eta g_t + eta g_{t-1}                                   optimistic SGD
    w_{t+1} = w_t - 2 eta u_t + eta u_{t-1},  u_t = m^_t / (sqrt(v^_t) + eps) optimistic Adam

Differs from the authors' code: it looks back two steps and scales both terms with the current
rate; this is the paper's one-step form, with u_{-1} = 0.
Held by: tests/test_optim.py::test_optimistic_adam_is_the_papers_one_step_form
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.optim import Optimizer

from .errors import OptionError


class _Optimistic(Optimizer):
    """Moves by 2 u_t - u_{t-1}, where a subclass says what the update u_t is."""

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient once."""
        for group in self.param_groups:
            moving = [p for p in group["params"] if p.grad is not None]
            if not moving:
                continue
            for p in moving:
                if "last" not in self.state[p]:
                    self.state[p]["last"] = torch.zeros_like(p)
            last = [self.state[p]["last"] for p in moving]
            updates = self._updates(group, moving)
            torch._foreach_add_(moving, updates, alpha=-2 * group["lr"])
            torch._foreach_add_(moving, last, alpha=group["lr"])
            torch._foreach_copy_(last, updates)

    def _updates(self, group: dict[str, Any], moving: list[Tensor]) -> list[Tensor]:
        raise NotImplementedError  # an abstract method: both subclasses below define it


class OptimisticSGD(_Optimistic):
    """Gradient descent that expects the last gradient again. On x y its last iterate converges."""

    def __init__(self, params: Iterable[Tensor], lr: float) -> None:
        super().__init__(params, {"lr": lr})

    def _updates(self, group: dict[str, Any], moving: list[Tensor]) -> list[Tensor]:
        return [p.grad for p in moving if p.grad is not None]


class OptimisticAdam(_Optimistic):
    """Adam that expects its last update again.

    At a constant rate it ends on a cycle of a radius of about the rate, smaller than Adam's at
    beta1 = 0; it does not converge as optimistic SGD does.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        betas: tuple[float, float] = (0.5, 0.9),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    def _updates(self, group: dict[str, Any], moving: list[Tensor]) -> list[Tensor]:
        beta1, beta2 = group["betas"]
        for p in moving:
            if "step" not in self.state[p]:
                self.state[p] |= {
                    "step": torch.zeros(()),
                    "exp_avg": torch.zeros_like(p),
                    "exp_avg_sq": torch.zeros_like(p),
                }
        state = [self.state[p] for p in moving]
        gradients = [p.grad for p in moving if p.grad is not None]
        m, v = [s["exp_avg"] for s in state], [s["exp_avg_sq"] for s in state]
        torch._foreach_lerp_(m, gradients, 1 - beta1)
        torch._foreach_mul_(v, beta2)
        torch._foreach_addcmul_(v, gradients, gradients, value=1 - beta2)
        torch._foreach_add_([s["step"] for s in state], 1)
        # The count of steps lies on the CPU (as in torch's own Adam), so reading it stalls nothing.
        # Parameters can differ in it: those of a level that is not yet grown have not moved.
        steps = [s["step"].item() for s in state]
        updates = torch._foreach_div(m, [1 - beta1**t for t in steps])
        scale = torch._foreach_div(v, [1 - beta2**t for t in steps])
        torch._foreach_sqrt_(scale)
        torch._foreach_add_(scale, group["eps"])
        return list(torch._foreach_div(updates, scale))


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
class OptimisticGradient:
    """Optimistic gradient descent."""

    lr: float = 0.01  # learning rate
    decay: int = 0  # images over which the rate falls linearly to 0; 0 = constant

    def __post_init__(self) -> None:
        _check(self)

    def optimizer(self, params: Iterable[Tensor]) -> Optimizer:
        """A fresh OptimisticSGD."""
        return OptimisticSGD(params, self.lr)


@dataclass(frozen=True)
class Optimistic:
    """Optimistic Adam. Defaults: the paper's for CIFAR-10."""

    lr: float = 1e-4  # learning rate
    decay: int = 0  # images over which the rate falls linearly to 0; 0 = constant
    beta1: float = 0.5  # share of the old mean gradient that a step keeps
    beta2: float = 0.9  # share of the old mean square that a step keeps

    def __post_init__(self) -> None:
        _check(self)

    def optimizer(self, params: Iterable[Tensor]) -> Optimizer:
        """A fresh OptimisticAdam."""
        return OptimisticAdam(params, self.lr, (self.beta1, self.beta2))


OPTIMIZERS: dict[str, type[Move]] = {
    "sgd": SGD,
    "rmsprop": RMSProp,
    "adam": Adam,
    "optimistic-sgd": OptimisticGradient,
    "optimistic-adam": Optimistic,
}


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
