"""Optimistic play: PyTorch optimizers that expect the last update again.

Daskalakis, Ilyas, Syrgkanis, Zeng 2017, https://arxiv.org/abs/1711.00141: play the gradient you
expect next, which is the last one again, so that the last iterate of a game converges.

    w_{t+1} = w_t - 2 eta g_t + eta g_{t-1}                                       SGD
    w_{t+1} = w_t - 2 eta u_t + eta u_{t-1},   u_t = m^_t / (sqrt(v^_t) + eps)    Adam

Differs from the authors' code: it looks back two steps and scales both terms with the current
rate; this is the paper's one-step form, with u_{-1} = 0.
Held by: tests/test_optim.py::test_optimistic_adam_is_the_papers_one_step_form
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class _Optimistic(Optimizer):
    """Moves by 2 u_t - u_{t-1}, where a subclass says what the update u_t is."""

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]  # takes no closure: nothing here has one
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
            scaled = torch._foreach_mul(updates, group["lr"])  # each update keeps its own rate
            torch._foreach_add_(moving, scaled, alpha=-2)
            torch._foreach_add_(moving, last)
            torch._foreach_copy_(last, scaled)

    def _updates(self, group: dict[str, Any], moving: list[Tensor]) -> list[Tensor]:
        raise NotImplementedError  # an abstract method: both subclasses below define it


class SGD(_Optimistic):
    """Gradient descent that expects the last gradient again. On x y its last iterate converges."""

    def __init__(self, params: Iterable[Tensor], lr: float) -> None:
        super().__init__(params, {"lr": lr})

    def _updates(self, group: dict[str, Any], moving: list[Tensor]) -> list[Tensor]:
        return [p.grad for p in moving if p.grad is not None]


class Adam(_Optimistic):
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
