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
    `requires_grad`. With several ranks the gradients are averaged over them. One that is not finite
    moves nobody, which is counted: one bad batch must not end a training.
    """
    moving = []
    for optimizer, loss in moves:
        optimizer.zero_grad(set_to_none=True)
        # torch gives `backward` no types.
        loss.backward(inputs=owned(optimizer))  # type: ignore[no-untyped-call]
        _average_gradients(optimizer)
        if _is_to_move(optimizer):
            moving.append(optimizer)
    for optimizer in moving:
        optimizer.step()


def tally(optimizer: Optimizer) -> tuple[Tensor, Tensor]:
    """The norm of the last gradient, and how many gradients were not finite since the last call."""
    facts = optimizer.param_groups[0]
    nothing = torch.zeros((), device=owned(optimizer)[0].device)
    return facts.pop("norm", nothing), facts.pop("skipped", nothing)


def _gradients(optimizer: Optimizer) -> list[Tensor]:
    return [p.grad for p in owned(optimizer) if p.grad is not None]


def _is_to_move(optimizer: Optimizer) -> bool:
    """Note the gradient's norm; whether to step by it.

    Reading a flag stalls nothing on a CPU. Elsewhere it would, so there the step is made all the
    same, by a gradient of 0. A fused optimizer is told to leave its moments and weights as they
    are; another moves by what it remembers.
    """
    gradients, facts = _gradients(optimizer), optimizer.param_groups[0]
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    finite = torch.isfinite(norm)  # false, too, where the sum of squares overflows: above 1.8e19
    facts["norm"] = torch.where(finite, norm, 0)
    facts["skipped"] = facts.get("skipped", 0) + (~finite).float()
    if norm.device.type == "cpu":
        return bool(finite)
    hold_still_unless(finite, optimizer)
    return True


def hold_still_unless(finite: Tensor, optimizer: Optimizer) -> None:
    """Let the next step be one by a gradient of 0, without reading the flag [] on the host."""
    if optimizer.defaults.get("fused"):
        optimizer.found_inf = (~finite).float()  # type: ignore[attr-defined]  # torch reads it
    for gradient in _gradients(optimizer):
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
