from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch
from torch import Tensor
from torch.optim import Optimizer

from poise.claims import momentum
from poise.claims.claim import Pieces
from poise.descent import descend
from poise.optim import SGD, Adam


def test_a_step_of_plain_descent_goes_straight_down_and_one_with_momentum_may_go_up() -> None:
    w = torch.tensor([1.0, 1.0], requires_grad=True)
    plain = SGD(0.1).optimizer([w])
    cosines = momentum.Cosines(plain)
    descend((plain, w.square().sum()))
    assert cosines.seen == pytest.approx([1.0])
    heavy = Adam(0.1, beta1=0.9, beta2=0.999).optimizer([w])
    cosines = momentum.Cosines(heavy)
    for sign in (1, 1, 1, -1):
        descend((heavy, sign * w.sum()))
    assert cosines.seen == pytest.approx([1.0, 1.0, 1.0, -1.0])


def forgetful(move: Adam, params: Iterable[Tensor]) -> Optimizer:
    """Adam that drops beta1 on the way."""
    return torch.optim.Adam(params, move.lr, (0.0, move.beta2), fused=True)


def test_the_claim_holds_and_fails_where_adam_forgets_its_momentum(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.set_num_threads(1)
    monkeypatch.setitem(momentum.UPDATES, "quick", 300)
    assert momentum.CLAIM.run("quick", 0, Pieces()).passed
    monkeypatch.setattr(Adam, "optimizer", forgetful)
    assert not momentum.CLAIM.run("quick", 0, Pieces()).passed
