"""Optimizers: optimism's formula by hand, and the game that tells them apart."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from poise import optimistic
from poise.descent import descend, hold_still_unless, tally
from poise.errors import OptionError
from poise.optim import (
    OPTIMIZERS,
    SGD,
    Adam,
    RMSProp,
    load_moments,
    moments,
    rate_after,
)

GRADIENTS = [0.5, -1.0, 2.0, 0.25]


def moved(make: Any, gradients: Iterable[float] = GRADIENTS) -> float:
    """Where a parameter that starts at 1 ends when it is given these gradients."""
    p = nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
    optimizer = make([p])
    for g in gradients:
        p.grad = torch.tensor([g], dtype=torch.float64)
        optimizer.step()
    return p.item()


def test_optimistic_sgd_is_twice_the_gradient_less_the_last_one() -> None:
    w, last = 1.0, 0.0
    for g in GRADIENTS:
        w, last = w - 2 * 0.1 * g + 0.1 * last, g
    assert moved(lambda p: optimistic.SGD(p, 0.1)) == pytest.approx(w, abs=1e-12)


def test_each_optimistic_update_keeps_the_rate_it_was_made_with() -> None:
    p = nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
    optimizer = optimistic.SGD([p], 0.1)
    w, last = 1.0, 0.0
    for g, lr in zip(GRADIENTS, (0.1, 0.05, 0.01, 0.002), strict=True):
        optimizer.param_groups[0]["lr"] = lr
        p.grad = torch.tensor([g], dtype=torch.float64)
        optimizer.step()
        w, last = w - 2 * lr * g + last, lr * g
    assert p.item() == pytest.approx(w, abs=1e-12)


def test_optimistic_adam_is_the_papers_one_step_form() -> None:
    lr, b1, b2, eps = 0.1, 0.5, 0.9, 1e-8
    w, m, v, last = 1.0, 0.0, 0.0, 0.0
    for t, g in enumerate(GRADIENTS, start=1):
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        u = (m / (1 - b1**t)) / (math.sqrt(v / (1 - b2**t)) + eps)
        w, last = w - 2 * lr * u + lr * last, u
    got = moved(lambda p: optimistic.Adam(p, lr, (b1, b2), eps))
    assert got == pytest.approx(w, abs=1e-12)


def test_a_parameter_without_a_gradient_stays_and_counts_its_own_steps() -> None:
    early, late = (nn.Parameter(torch.ones(1)) for _ in range(2))
    optimizer = optimistic.Adam([early, late], 0.1)
    for i in range(3):
        early.grad = torch.ones(1)
        late.grad = torch.ones(1) if i == 2 else None
        optimizer.step()
    alone = nn.Parameter(torch.ones(1))
    alone.grad = torch.ones(1)
    optimistic.Adam([alone], 0.1).step()
    assert torch.equal(late, alone)


def radius_after(steps: int, make: Any) -> float:
    """Distance from the saddle of f(x, y) = x y, both players moving at once, from (1, 1)."""
    x, y = (nn.Parameter(torch.ones(1, dtype=torch.float64)) for _ in range(2))
    opt_x, opt_y = make([x]), make([y])
    for _ in range(steps):
        descend((opt_x, (x * y).sum()), (opt_y, -(x * y).sum()))
    return math.hypot(x.item(), y.item())


def test_on_the_bilinear_game_descent_spirals_out_and_optimism_converges_in_its_last_iterate() -> (
    None
):
    def plain(p: list[Tensor]) -> Optimizer:
        return torch.optim.SGD(p, 0.1)

    def hopeful(p: list[Tensor]) -> Optimizer:
        return optimistic.SGD(p, 0.1)

    # Simultaneous descent multiplies the radius by sqrt(1 + eta^2) at each step, exactly.
    for steps in (100, 1000):
        want = math.sqrt(2) * (1 + 0.1**2) ** (steps / 2)
        assert radius_after(steps, plain) == pytest.approx(want, rel=1e-9)
    assert radius_after(100, hopeful) == pytest.approx(0.864, abs=2e-3)
    assert radius_after(1000, hopeful) == pytest.approx(0.0090, abs=2e-4)
    assert radius_after(5000, hopeful) < 1e-9


def test_optimistic_adam_ends_on_a_smaller_cycle_than_adam_without_momentum() -> None:
    adam = radius_after(3000, lambda p: torch.optim.Adam(p, 0.01, (0.0, 0.99)))
    hopeful = radius_after(3000, lambda p: optimistic.Adam(p, 0.01, (0.0, 0.99)))
    assert hopeful < adam / 3
    assert hopeful > 1e-4  # no claim of convergence: it circles at about the rate


def test_all_gradients_are_taken_before_anybody_moves() -> None:
    x, y = (nn.Parameter(torch.ones(1)) for _ in range(2))
    descend((torch.optim.SGD([x], 0.5), (x * y).sum()), (torch.optim.SGD([y], 0.5), -(x * y).sum()))
    assert (x.item(), y.item()) == (0.5, 1.5)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_gradient_that_is_not_finite_leaves_weights_and_moments_to_the_bit(name: str) -> None:
    p = nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = OPTIMIZERS[name]().optimizer([p])
    for _ in range(3):
        descend((optimizer, (p**2).sum()))
    before = [x.clone() for x in (p, *(value for _, value in moments(optimizer)))]
    descend((optimizer, (p * torch.tensor([math.nan, 1.0])).sum()))
    after = [p, *(value for _, value in moments(optimizer))]
    assert all(torch.equal(x, y) for x, y in zip(before, after, strict=True))
    norm, skipped = tally(optimizer)
    assert (norm.item(), skipped.item()) == (0, 1)
    descend((optimizer, (p**2).sum()))
    assert not torch.equal(p, before[0])


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_where_no_flag_can_be_read_a_step_by_0_moves_no_weight(name: str) -> None:
    """As on a GPU; a fused optimizer leaves its moments, too."""
    p = nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = Adam(beta1=0.9).optimizer([p]) if name == "adam" else SGD().optimizer([p])
    for finite in (True, True, False):
        before = [x.clone() for x in (p, *(value for _, value in moments(optimizer)))]
        p.grad = torch.tensor([1.0, 0.5 if finite else math.nan])
        hold_still_unless(torch.tensor(finite), optimizer)
        optimizer.step()
    after = [p, *(value for _, value in moments(optimizer))]
    assert all(torch.equal(x, y) for x, y in zip(before, after, strict=True))
    hold_still_unless(torch.tensor(True), optimizer)
    p.grad = torch.ones(2)
    optimizer.step()
    assert not torch.equal(p, before[0])


def test_a_loss_moves_only_what_its_optimizer_owns() -> None:
    x, y = (nn.Parameter(torch.ones(1)) for _ in range(2))
    descend((torch.optim.SGD([x], 0.5), (x * y).sum()))
    assert y.item() == 1.0
    assert y.grad is None


def test_the_rate_falls_linearly_with_the_clock_to_0() -> None:
    move = Adam(0.2, decay=1000)
    assert [rate_after(move, drawn) for drawn in (0, 250, 1000, 2000)] == (
        pytest.approx([0.2, 0.15, 0.0, 0.0])
    )
    assert rate_after(SGD(0.2), 10**9) == 0.2


@pytest.mark.parametrize("kind", OPTIMIZERS.values())
@pytest.mark.parametrize("lr", [0.0, -1.0, 10.0, math.nan, math.inf])
def test_a_rate_that_makes_no_sense_is_refused(kind: Any, lr: float) -> None:
    with pytest.raises(OptionError, match="learning rate --lr must lie between 0 and 10"):
        kind(lr)


def test_other_numbers_that_make_no_sense_are_refused() -> None:
    with pytest.raises(OptionError, match="--beta1 must be at least 0 and below 1, got 1"):
        Adam(beta1=1.0)
    with pytest.raises(OptionError, match=r"--alpha must be at least 0 and below 1, got -0\.1"):
        RMSProp(alpha=-0.1)
    with pytest.raises(OptionError, match="--decay is a number of images"):
        SGD(decay=-1)


def test_what_is_loaded_lies_where_the_kernels_read_it() -> None:
    """Fused ones read the number of steps beside the parameter; others on the CPU, at no sync."""
    saved = {"0.step": torch.tensor(3.0), "0.exp_avg": torch.ones(2)}
    for fused, there in ((True, "meta"), (False, "cpu")):
        weight = torch.nn.Parameter(torch.zeros(2, device="meta"))
        optimizer = torch.optim.Adam([weight])
        optimizer.param_groups[0]["fused"] = fused  # a meta device has no fused kernels
        load_moments(optimizer, saved)
        state = optimizer.state[weight]
        assert (state["step"].device.type, state["exp_avg"].device.type) == (there, "meta")
