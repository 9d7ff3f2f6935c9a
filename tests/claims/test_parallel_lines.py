from __future__ import annotations

import pytest
import torch
from torch import Tensor

from poise.claims import parallel_lines
from poise.claims.claim import Pieces


def norm_over_the_batch(
    critic: torch.nn.Module, x: Tensor, fake: Tensor, eps: Tensor, **_: object
) -> Tensor:
    """The well-known mistake: one norm of the gradients of all images together."""
    between = torch.lerp(fake, x, eps.view(-1, 1, 1, 1)).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    norm: Tensor = torch.linalg.vector_norm(gradient)
    return (norm - 1).square()


def test_the_claim_fails_where_the_norm_is_taken_over_the_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("poise.methods.wgan_gp.gradient_penalty", norm_over_the_batch)
    assert not parallel_lines.CLAIM.run("quick", 0, Pieces()).passed
