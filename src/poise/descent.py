"""The one move that players can make: the only place where gradients are made."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim import Optimizer

from .optim import owned
from .ranks import mean_over_ranks, together


def descend(*moves: tuple[Optimizer, Tensor]) -> None:
    """Let each player take one step down its own loss.

    All gradients are taken before anyone moves, so simultaneous play is one call and alternating
    play is two. Each loss is differentiated only for what its optimizer owns, so nothing toggles
    `requires_grad`. With several ranks the gradients are averaged over them. A gradient that is not
    finite counts as 0 and is counted: one bad batch must not end a training.
    """
    for optimizer, loss in moves:
        optimizer.zero_grad(set_to_none=True)
        # torch gives `backward` no types.
        loss.backward(inputs=owned(optimizer))  # type: ignore[no-untyped-call]
        _average_gradients(optimizer)
        _weigh(optimizer)
    for optimizer, _ in moves:
        optimizer.step()


def tally(optimizer: Optimizer) -> tuple[Tensor, Tensor]:
    """The norm of the last gradient, and how many gradients were not finite since the last call."""
    facts = optimizer.param_groups[0]
    nothing = torch.zeros((), device=owned(optimizer)[0].device)
    return facts.pop("norm", nothing), facts.pop("skipped", nothing)


def _gradients(optimizer: Optimizer) -> list[Tensor]:
    return [p.grad for p in owned(optimizer) if p.grad is not None]


def _weigh(optimizer: Optimizer) -> None:
    """Note the gradient's norm, and replace one that is not finite by 0. No sync on a GPU."""
    gradients, facts = _gradients(optimizer), optimizer.param_groups[0]
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    finite = torch.isfinite(norm)  # false, too, where the sum of squares overflows: above 1.8e19
    facts["norm"] = torch.where(finite, norm, 0)
    facts["skipped"] = facts.get("skipped", 0) + (~finite).float()
    if norm.device.type == "cpu" and finite:  # reading a flag stalls nothing there
        return
    for gradient in gradients:
        gradient.copy_(torch.where(finite, gradient, 0))


def _average_gradients(optimizer: Optimizer) -> None:
    """One flat all-reduce. Not DDP: its hooks miss the second derivatives of a penalty."""
    if not together():
        return
    gradients = _gradients(optimizer)
    flat = mean_over_ranks(torch.cat([g.flatten() for g in gradients]))
    pieces = torch.split(flat, [g.numel() for g in gradients])
    for gradient, piece in zip(gradients, pieces, strict=True):
        gradient.copy_(piece.view_as(gradient))
