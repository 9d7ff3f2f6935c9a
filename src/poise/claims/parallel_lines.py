"""Two parallel lines: the distance between them is all that tells how far apart they are.

Arjovsky, Chintala, Bottou 2017, https://arxiv.org/abs/1701.07875, example 1 and figure 1. The reals
are (0, u), the fakes (theta, u), u ~ U[0, 1]:

    W = |theta|     JS = log 2     KL = infinity     TV = 1         for every theta but 0

so only W falls as the fakes come nearer. The paper works this out; here critics measure it, too:
at each theta the critic of a method is trained while the fakes stay where they are, and what the
method reports as its distance is read.

The threshold: for W, within a tenth of |theta|, or .05 for small ones; for the discriminator, an
estimate of JS of at least .6 nats (log 2 is .69) at every theta but 0, however near, and of at most
.05 at 0: one that says log 2 always is no estimate. A critic held
by a penalty p is no exact one: it gains s |theta| - p (s - 1)^2 with a slope s of 1 + |theta| / 2p,
so it tells |theta| + theta^2 / 2p where it is trained to the end, 5 % too much at theta = 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..config import Recipe
from ..methods import GAN, WGANGP
from ..networks import MLP
from ..optim import Adam
from ..players import Method
from ..training import play
from .claim import Claim, Pieces, Result, Scale
from .drawing import COLOURS, label, panels, seeds
from .points import PointReals, toy_config, toy_players

if TYPE_CHECKING:
    from matplotlib.figure import Figure

THETAS = [-1.0, -0.75, -0.5, -0.25, -0.1, 0.0, 0.1, 0.25, 0.5, 0.75, 1.0]
UPDATES = {"quick": 150, "full": 1500}  # of a critic, at each theta
BATCH = 256  # points
READ = 20  # last updates whose mean distance is what was measured
METHODS: dict[str, Method] = {
    "wgan-gp": WGANGP(batch=BATCH, n_critic=1),
    "gan": GAN(batch=BATCH),
}
LOG_2 = 0.6931  # nats


def line(n: int, noise: torch.Generator) -> Tensor:
    """Points (0, u)."""
    return torch.stack([torch.zeros(n), torch.rand(n, generator=noise)], dim=1)


def measured(method: str, theta: float, scale: Scale, seed: int) -> float:
    """The method's own estimate of its distance when its critic has been trained."""

    def fakes(z: Tensor) -> Tensor:
        u = torch.special.ndtr(z[:, 0])  # a normal number to a uniform one
        return torch.stack([torch.full_like(u, theta), u], dim=1)

    recipe = Recipe(
        METHODS[method],
        MLP(width=0.125, latent=1),
        Adam(2e-3, beta1=0.5, beta2=0.9),
        BATCH * UPDATES[scale],
    )
    players = toy_players(recipe, seed, still=fakes)
    told = play(toy_config(recipe, seed), players, PointReals(line, seed))
    distances = [float(losses["distance"]) for _, losses in told]
    return fmean(distances[-READ:])


def run(scale: Scale, seed: int, pieces: Pieces) -> Result:
    """Train a critic of each method at each theta."""
    pieces.expect(len(METHODS) * len(THETAS))
    found = {
        method: [
            pieces.once(f"{method} at {theta:g}", measured, method, theta, scale, seed)
            for theta in THETAS
        ]
        for method in METHODS
    }
    w, js = found["wgan-gp"], found["gan"]
    apart = [i for i, theta in enumerate(THETAS) if theta]
    off = max(abs(w[i] - abs(t)) / max(abs(t), 0.5) for i, t in enumerate(THETAS))
    least, together = min(js[i] for i in apart), abs(js[THETAS.index(0)])
    return Result(
        {
            "largest error of W, of |theta| or .5": off,
            "least JS apart, nats": least,
            "JS of lines that are one, nats": together,
        },
        passed=off <= 0.1 and least >= 0.6 and together <= 0.05,
        because=f"W is off by at most {off:.1%} (10 % allowed), and the discriminator sees "
        f"at least {least:.2f} nats of {LOG_2:.2f} wherever the lines are apart (.6 asked) and "
        f"{together:.2f} where they are one (.05 allowed).",
        figure=found,
    )


def draw(results: Sequence[Result]) -> Figure:
    """The paper's figure 1, and what critics measured."""
    figure, (left, right) = panels(2, title="Parallel lines at distance theta")
    exact = {"wgan-gp": [abs(t) for t in THETAS], "gan": [LOG_2 if t else 0.0 for t in THETAS]}
    named = {"wgan-gp": "W", "gan": "Jensen-Shannon divergence, nats"}
    for axis, method in ((left, "wgan-gp"), (right, "gan")):
        curves = [result.figure[method] for result in results]
        seeds(axis, THETAS, curves, COLOURS[method], f"measured by {method}")
        axis.plot(THETAS, exact[method], "k:", linewidth=1.2, label="exact")
        label(axis, "theta", named[method])
        axis.set_ylim(bottom=-0.05)
        axis.legend(fontsize=7, frameon=False)
    return figure


CLAIM = Claim(
    title="Parallel lines",
    statement="Between two parallel lines the Wasserstein distance says how far apart they are, "
    "and the Jensen-Shannon divergence does not.",
    source="Arjovsky, Chintala, Bottou 2017, example 1 and figure 1",
    paper="W = |theta|; JS = log 2, KL infinite and TV 1 for every theta but 0 (exact).",
    threshold="W within 10 % of |theta| (of .5 for nearer lines), JS at least .6 nats wherever "
    "the lines are apart and at most .05 where they are one (asked for later). (The penalty lets "
    "the slope be 1 + |theta| / 20, so a critic trained to the end tells |theta| + theta^2 / 20, "
    "and not |theta|.)",
    run=run,
    draw=draw,
)
