"""Fading in: a doubling changes nothing at first, and then everything little by little.

Karras, Aila, Laine, Lehtinen 2017, https://arxiv.org/abs/1710.10196, section 2. New
layers fade in "smoothly", in both players and in the reals, so that those already trained get no
shock. What follows from the construction is exact: at alpha 0

    G_k+1(z) = up(G_k(z))        D_k+1(up(x)) = D_k(x)        x is shown as up(down(x))

so the critic's distance is the same number before and after the doubling. Here the players are
trained to a doubling by the method, then held still (at a rate of 0) and shown the same images and
latents at 21 moments of the fade, by the method's own step; a hook reads what reaches the critic.

The threshold: at alpha 0 nothing differs by more than rounding (1e-5 of what it is). When steps of
a 10th of the fade are halved, the largest step of the distance, and of the detail of the reals
(what up(down(x)) takes away), falls to 3/4 or less: where a curve is smooth it is halved, and where
it jumps it stays. At the end the detail is all there.

The penalty is not continuous, and cannot be: on pixels of half the side the same critic has half
the gradient. That is so in the paper, too, and is told, not judged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from ..build import make_players
from ..config import Recipe
from ..data.options import PrepareOptions
from ..data.prepared import Prepared
from ..data.reals import Reals
from ..methods import Progressive
from ..networks import Growing
from ..optim import Adam
from ..players import Players
from ..size import Size
from ..training import play
from .claim import Claim, Pieces, Result, Scale
from .drawing import COLOURS, label, panels, seeds
from .images import image_config, image_set

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE = {"quick": 16, "full": 32}  # pixels of the last level
PHASE = {"quick": 320, "full": 3200}  # images of a fade, and of settling
MOMENTS = 20  # of a fade, after its beginning
IMAGES = 1000  # of the set
BATCH = 32  # images, at each moment the same ones
ROUNDING = 1e-5  # of a value: what float32 may differ by
SMOOTH = 0.75  # largest step when steps are halved, of before: 1/2 is smooth, 1 a jump
Curves = dict[str, list[float]]


class Same:
    """The same reals at every moment, at any size: means of their pixels, not rounded again."""

    def __init__(self, x: Tensor, drawn: int) -> None:
        self.x, self.drawn = x, drawn

    def __call__(self, n: int, size: Size | None = None) -> Tensor:
        """The first n images [n, c, h, w]; the clock stands still."""
        times = self.x.shape[2] // size.height if size else 1
        return avg_pool2d(self.x[:n], times)


def detail(x: Tensor) -> float:
    """The root mean square of what up(down(x)) takes away."""
    rough = interpolate(avg_pool2d(x, 2), scale_factor=2.0)
    return float((x - rough).square().mean().sqrt())


def moment(players: Players, rule: Progressive, x: Tensor, drawn: int) -> dict[str, float]:
    """What the method sees after `drawn` images when nobody moves."""
    shown: list[Tensor] = []
    hook = players.critic.register_forward_pre_hook(lambda _, given: shown.append(given[0]))
    players.seed_noise(0, 0, 0)
    players.set_rate(0.0)
    losses = rule.step(players, Same(x, drawn))
    hook.remove()
    real, fake = shown[0].detach(), shown[1].detach()
    found = {name: float(losses[name]) for name in ("distance", "penalty", "loss_g")}
    return found | {"detail": detail(real), "fake detail": detail(fake), "side": real.shape[2]}


def difference(old: Tensor, new: Tensor) -> float:
    """The largest difference, as a share of the largest value; of other shapes all differs."""
    if old.shape != new.shape:
        return math.inf
    return float((new - old).abs().max() / old.abs().max())


@torch.no_grad()
def seams(players: Players, rule: Progressive, low: Tensor, start: int) -> dict[str, float]:
    """How far each player at the first moment of a level is from the old one; low: its reals."""
    z = players.space.fixed(BATCH, 2)
    rule.arrive(players, start - 1)
    image, score = players.generator(z), players.critic(low)
    rule.arrive(players, start)
    grown = players.generator(z)
    again = players.critic(interpolate(low, size=grown.shape[2:]))
    return {
        "generator": difference(interpolate(image, scale_factor=2.0), grown),
        "critic": difference(score, again),
    }


def fades(images: Prepared, scale: Scale, seed: int) -> list[dict[str, Any]]:
    """Train, and at each doubling look at all of its fade with a copy that stands still."""
    phase = PHASE[scale]
    rule = Progressive(batch=16, fade=phase, settle=phase)
    starts = [start for start, _ in rule.phases(10**9, images.size)][1:]
    networks = Growing(latent=64, maps=256, widest=32)
    recipe = Recipe(rule, networks, Adam(3e-3, beta2=0.99), starts[-1])
    config = image_config(recipe, images, seed)
    players, reals = make_players(config), Reals(images, seed=seed)
    x, still = Reals(images, seed=seed + 1)(BATCH), replace(rule, batch=BATCH)
    told, found = play(config, players, reals), []
    for start, old, new in zip(starts, images.levels[:-1], images.levels[1:], strict=True):
        while reals.drawn < start:
            next(told)
        copy = make_players(config)
        copy.load(players.state())
        when = [start - 1, *(start + phase * k // MOMENTS for k in range(MOMENTS + 1))]
        moments = [moment(copy, still, x, drawn) for drawn in when]
        curves = {name: [round(m[name], 6) for m in moments] for name in moments[0]}
        low, high = (Same(x, 0)(BATCH, size) for size in (old, new))
        seam = seams(copy, rule, low, start)
        found.append({"seam": seam, "curves": curves, "detail": detail(high)})
    return found


def roughness(curve: Sequence[float]) -> float:
    """The largest step at all moments as a share of that at every second one; the doubling's first.

    1/2 where a curve is smooth, however far it goes; 1 where it jumps.
    """
    before, *fading = curve
    seam = abs(fading[0] - before)
    fine, coarse = (
        max(seam, *(abs(b - a) for a, b in pairwise(some))) for some in (fading, fading[::2])
    )
    return fine / coarse if coarse else 0.0


def run(scale: Scale, seed: int, pieces: Pieces) -> Result:
    """Look at each fade of one training that grows."""
    pieces.expect(1)
    options = PrepareOptions(size=str(SIDE[scale]), limit=IMAGES)
    with image_set("shapes", options, pieces.folder) as images:
        found = pieces.once("all fades", fades, images, scale, seed)
    curves = [fade["curves"] for fade in found]
    seam = max(max(fade["seam"].values()) for fade in found)
    at_once = max(
        abs(c["distance"][1] - c["distance"][0]) / max(map(abs, c["distance"])) for c in curves
    )
    moved = max(roughness(c["distance"]) for c in curves)
    # Before the doubling there was no detail of this size.
    seen = max(roughness([0.0, *c["detail"][1:]]) for c in curves)
    last = min(c["detail"][-1] / fade["detail"] for c, fade in zip(curves, found, strict=True))
    penalties = [c["penalty"][1] - c["penalty"][0] for c in curves]
    return Result(
        {
            "players' difference at alpha 0, of the largest value": seam,
            "distance's step at a doubling, of its largest": at_once,
            "distance's largest step when steps are halved, of before": moved,
            "the same of the reals' detail": seen,
            "detail of the reals at the end, of all": last,
            "penalty's largest step at a doubling": max(penalties, key=abs),
        },
        passed=max(seam, at_once) <= ROUNDING and max(moved, seen) <= SMOOTH and last > 0.99,
        because=f"At alpha 0 the players differ from the old ones by {seam:.1g} and the distance "
        f"by {at_once:.1g} (1e-5 allowed); with half the steps the distance's largest step is "
        f"{moved:.2f} times as large and that of the reals' detail {seen:.2f} times (.75 allowed; "
        f"a jump has 1), of which {last:.0%} is there at the end.",
        figure={"fades": curves, "sides": [2 * c["side"][0] for c in curves]},
    )


def draw(results: Sequence[Result]) -> Figure:
    """Over the last fade: the distance, the penalty, and the detail of what the critic is shown."""
    fades = [result.figure["fades"][-1] for result in results]
    side = results[0].figure["sides"][-1]
    title = f"Fading from {side // 2} to {side} pixels, players held still"
    figure, (left, middle, right) = panels(3, title=title)
    alpha = [k / MOMENTS for k in range(-1, MOMENTS + 1)]  # the first is the old network
    colour = COLOURS["progressive"]
    for axis, name in ((left, "distance"), (middle, "penalty")):
        seeds(axis, alpha, [fade[name] for fade in fades], colour, name)
        label(axis, "alpha (left of the line: the old level)", f"{name} of the critic")
        axis.axvline(0, color="black", linestyle=":", linewidth=0.8)
    for name, kind in (("detail", "real"), ("fake detail", "progressive")):
        seen = "reals" if kind == "real" else "fakes"
        seeds(right, alpha[1:], [fade[name][1:] for fade in fades], COLOURS[kind], seen)
    label(right, "alpha", "x - up(down(x)), root mean square")
    right.legend(fontsize=7, frameon=False)
    return figure


CLAIM = Claim(
    title="Fading in without a shock",
    statement="A level that fades in changes nothing at its first moment, in either player or in "
    "the reals, and everything little by little after it.",
    source="Karras, Aila, Laine, Lehtinen 2017, section 2",
    paper="Layers are faded in smoothly, to avoid sudden shocks to those already trained (said, "
    "not measured).",
    threshold="At alpha 0 both players and the distance as before the doubling, to 1e-5, for the "
    "construction is exact; steps of half the length lessen the largest step of the distance "
    "and of the reals' detail to 75 % or less: 50 % is smooth and 100 % a jump; all detail "
    "there at the end. (The test by halved steps replaced one by shares of the range after a "
    "trial had failed that one because its range was tiny: not set blind.)",
    run=run,
    draw=draw,
)
