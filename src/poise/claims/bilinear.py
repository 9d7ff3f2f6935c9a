"""The game f(x, y) = x y: x descends on f, y on -f, and the only equilibrium is (0, 0).

Many games are played at once, each in an entry of its own: all moves are by entry.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from .. import optimistic
from ..descent import descend

Make = Callable[[list[Tensor], float], Optimizer]
Game = Callable[[Tensor, Tensor, float], Iterator[None]]  # x, y [starts], rate; a step at a time


def sgd(moved: list[Tensor], lr: float) -> Optimizer:
    """Plain descent."""
    return torch.optim.SGD(moved, lr)


def adam(moved: list[Tensor], lr: float) -> Optimizer:
    """Adam without momentum."""
    return torch.optim.Adam(moved, lr, betas=(0.0, 0.99))


def optimistic_adam(moved: list[Tensor], lr: float) -> Optimizer:
    """Optimistic Adam without momentum."""
    return optimistic.Adam(moved, lr, betas=(0.0, 0.99))


def simultaneous(make: Make) -> Game:
    """Both players move at once."""

    def play(x: Tensor, y: Tensor, rate: float) -> Iterator[None]:
        opt_x, opt_y = make([x], rate), make([y], rate)
        while True:
            descend((opt_x, (x * y).sum()), (opt_y, -(x * y).sum()))
            yield

    return play


def alternating(x: Tensor, y: Tensor, rate: float) -> Iterator[None]:
    """First x moves, then y."""
    opt_x, opt_y = sgd([x], rate), sgd([y], rate)
    while True:
        descend((opt_x, (x * y).sum()))
        descend((opt_y, -(x * y).sum()))
        yield


@torch.no_grad()
def extragradient(x: Tensor, y: Tensor, rate: float) -> Iterator[None]:
    """Both look one step ahead, and move from where they are by what they see there."""
    while True:
        ahead_x, ahead_y = x - rate * y, y + rate * x
        x -= rate * ahead_y
        y += rate * ahead_x
        yield


GAMES: dict[str, Game] = {
    "simultaneous": simultaneous(sgd),
    "alternating": alternating,
    "optimistic": simultaneous(optimistic.SGD),
    "extragradient": extragradient,
}
ADAMS: dict[str, Game] = {
    "adam": simultaneous(adam),
    "optimistic adam": simultaneous(optimistic_adam),
}


def starts(n: int, seed: int) -> Tensor:
    """(1, 1), then others of its radius by the seed; [2, n]."""
    angle = 2 * math.pi * torch.rand(n, generator=torch.Generator().manual_seed(seed)).double()
    angle[0] = math.pi / 4
    return math.sqrt(2) * torch.stack([angle.cos(), angle.sin()])


def radii(game: Game, start: Tensor, rate: float, steps: int) -> Tensor:
    """The radius before the first step and after each, [1 + steps, starts]."""
    x, y = (place.clone().requires_grad_() for place in start)
    moves, seen = game(x, y, rate), [start.norm(dim=0)]
    for _ in range(steps):
        next(moves)
        seen.append(torch.hypot(x, y).detach())
    return torch.stack(seen)


def exact(game: str, steps: int, eta: float) -> float:
    """The radius from (1, 1) after so many steps, by the power of the matrix that one step is.

    With z = x + i y the field is i z, so that a step multiplies z by a complex number; alternating
    play treats x and y differently, so its matrix is real, of (x, y).
    """
    i = 1j * eta
    steps_of = {
        "simultaneous": [[1 + i, 0], [0, 0]],
        "alternating": [[1, -eta], [eta, 1 - eta**2]],
        "optimistic": [[1 + 2 * i, -i], [1, 0]],  # of z and the z before
        "extragradient": [[1 + i * (1 + i), 0], [0, 0]],
    }
    first = [1, 1] if game == "alternating" else [1 + 1j, 0]
    after = np.linalg.matrix_power(np.array(steps_of[game]), steps) @ np.array(first)
    return float(np.linalg.norm(after) if game == "alternating" else abs(after[0]))
