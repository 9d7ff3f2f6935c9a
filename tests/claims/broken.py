"""The product broken on purpose, as more than one claim must notice."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

PENALTY = "poise.methods.wgan_gp.gradient_penalty"


def norm_over_the_batch(
    critic: nn.Module, x: Tensor, fake: Tensor, eps: Tensor, **_: object
) -> Tensor:
    """The well-known mistake: one norm of the gradients of all images together."""
    between = torch.lerp(fake, x, eps.view(-1, 1, 1, 1)).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    norm: Tensor = torch.linalg.vector_norm(gradient)
    return (norm - 1).square()


def no_penalty(critic: nn.Module, x: Tensor, fake: Tensor, eps: Tensor, **_: object) -> Tensor:
    """Nothing is held."""
    return torch.zeros(())


def unclip(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make clipping clip nothing."""
    for bound in ("max", "min"):
        monkeypatch.setattr(torch, f"_foreach_clamp_{bound}_", lambda weights, clip: None)
