"""Modes: which kinds of data a generator finds, when all methods have the same time.

Gulrajani et al. 2017, https://arxiv.org/abs/1704.00028, take 8 and 25 Gaussians; Karras, Aila,
Laine, Lehtinen 2017, https://arxiv.org/abs/1710.10196, appendix D and table 4, the 1,000 modes of
stacked digits, of which WGAN-GP finds most, and more with their stabilisers. Ours beside them:
2,430 modes of shapes.

Time is that of the processor (one thread), so every method pays for its own steps; at quick scale
all draw as many points instead, so that the verdict is the same on every machine. A point belongs
to the nearest Gaussian, and is recognised within a quarter of the gap between two; an image belongs
to what a classifier names. KL is that of the modes' shares to even ones, in nats.

Noise finds all modes, too: uniform points lie within a quarter of the gap of one of 25 Gaussians
with 20 %. So the share that is recognised stands beside each count.

The threshold: on each set the methods with a Wasserstein distance (wgan, wgan-gp, progressive) find
at least as many modes as the standard GAN; wgan-gp finds all modes of the Gaussians, and at least
half of its points are recognised, in shares whose KL to even ones is at most .5 nats (as if two
fifths of the modes were lacking), so that neither a blob over all of them nor one mode amid noise
passes. Of images, as many as 5,000 even draws name is the most there can be: 2,120 of the shapes.

BEGAN and progressive are not played on points: their networks begin at 4x4 pixels. BEGAN's distance
is one between losses, so it is told and not judged. At quick scale there are 8 Gaussians alone: the
25 take a minute, and a classifier of images as long.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..build import make_players
from ..config import Config, Recipe
from ..data.labelled import KNOWN, view_of
from ..data.options import PrepareOptions
from ..data.prepare import prepare
from ..data.reals import Reals
from ..methods import GAN, WGAN, WGANGP
from ..metrics.modes import kl_divergence
from ..naming import classifier_for, modes_of
from ..networks import MLP
from ..optim import Adam, RMSProp
from ..pictures import to_uint8
from ..planning import PROVISIONAL, plan
from ..players import Players
from ..players import Reals as AnyReals
from ..presets import recipe
from ..sampling import draw as sampled
from ..training import play
from ..watcher import Watcher
from .claim import Claim, Pieces, Result, Scale
from .drawing import COLOURS, label, panels_in_rows
from .images import image_config, kept_in
from .points import GAP, SETS, PointReals, centres, toy_config, toy_players

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Seconds a method; those of the quick scale have no end, its points are counted.
POINTS = {"quick": {"8 Gaussians": math.inf}, "full": {"8 Gaussians": 60.0, "25 Gaussians": 60.0}}
IMAGES = {"quick": {}, "full": {"shapes": 120.0, "stacked-digits": 120.0}}
DRAWN = {"quick": 64_000, "full": PROVISIONAL}  # points, at the most
WIDTH = {"quick": 0.125, "full": 0.25}  # of 512 numbers in a layer
SIZE = "16"  # pixels
COUNTED = 5000  # samples
SHOWN = 250  # points in the picture
HALF = 0.5  # of points, recognised
UNEVEN = 0.5  # nats from even shares, at the most
TOY = {
    "gan": Recipe(GAN(batch=64), MLP(latent=2), Adam(1e-3, beta1=0.5, beta2=0.9), PROVISIONAL),
    "wgan": Recipe(WGAN(n_critic=5), MLP(latent=2), RMSProp(5e-4), PROVISIONAL),
    "wgan-gp": Recipe(
        WGANGP(batch=64, n_critic=3, penalty=0.1),
        MLP(latent=2),
        Adam(2e-3, beta1=0.5, beta2=0.9),
        PROVISIONAL,
    ),
}
METHODS = {True: tuple(TOY), False: ("gan", "wgan", "wgan-gp", "began", "progressive")}
JUDGED = ("wgan", "wgan-gp", "progressive")


def spend(seconds: float, config: Config, players: Players, reals: AnyReals) -> int:
    """Play to the end of the run, or for so much time of the processor; images drawn."""
    end = time.process_time() + seconds
    for _ in play(config, players, reals):
        if time.process_time() >= end:
            break
    return reals.drawn


def on_points(method: str, on: str, seconds: float, scale: Scale, seed: int) -> dict[str, Any]:
    """Modes of a set of Gaussians that a method found."""
    chosen = replace(TOY[method], networks=MLP(WIDTH[scale], latent=2), images=DRAWN[scale])
    players = toy_players(chosen, seed)
    spend(seconds, toy_config(chosen, seed), players, PointReals(SETS[on], seed))
    noise = torch.Generator().manual_seed(seed + 5)
    points = sampled(players.average, players.space.draw(COUNTED, noise), COUNTED).view(-1, 2)
    shown = [[round(float(v), 3) for v in point] for point in points[:SHOWN]]
    return found_in(points, on) | {"points": shown}


def found_in(points: Tensor, on: str) -> dict[str, Any]:
    """Modes among points [n, 2], the KL of their shares to even ones, and how many are close."""
    away, nearest = torch.cdist(points, centres(on)).min(dim=1)
    counts = torch.bincount(nearest, minlength=len(centres(on))).numpy()
    close = float((away < GAP[on] / 4).float().mean())
    found = {"found": int((counts > 0).sum()), "of": len(counts), "recognised": close}
    return found | {"divergence": kl_divergence(counts)}


def on_images(method: str, on: str, seconds: float, seed: int, folder: Path) -> dict[str, Any]:
    """Modes of a built-in set that a method found with its default preset."""
    known = KNOWN[on]
    prepared = prepare(on, folder / f"{on}-{SIZE}.poise", PrepareOptions(size=SIZE))
    classifier = classifier_for(known, view_of(prepared), folder, Watcher())
    # Phases and width of what grows are planned for this time.
    config, _ = plan(image_config(recipe(method), prepared, seed), 1, seconds / 3600)
    config = replace(config, recipe=replace(config.recipe, images=PROVISIONAL))
    players = make_players(config)
    drawn = spend(seconds, config, players, Reals(prepared, seed=seed))
    noise = torch.Generator().manual_seed(seed + 5)
    images = to_uint8(sampled(players.average.eval(), players.space.draw(COUNTED, noise)))
    modes = modes_of(images, known, classifier)
    facts = {"found": modes.found, "of": modes.of, "recognised": modes.recognised}
    return facts | {"divergence": modes.divergence, "drawn": drawn}


def run(scale: Scale, seed: int, pieces: Pieces) -> Result:
    """Play every method on every set for the same time."""
    points, images = POINTS[scale], IMAGES[scale]
    pieces.expect(len(points) * len(METHODS[True]) + len(images) * len(METHODS[False]))
    figure: dict[str, dict[str, Any]] = {}
    for on, seconds in points.items():
        figure[on] = {
            name: pieces.once(f"{name} on {on}", on_points, name, on, seconds, scale, seed)
            for name in METHODS[True]
        }
    with kept_in(pieces.folder) as folder:
        for on, seconds in images.items():
            figure[on] = {
                name: pieces.once(f"{name} on {on}", on_images, name, on, seconds, seed, folder)
                for name in METHODS[False]
            }
    return judged(figure, list(points))


def judged(figure: dict[str, dict[str, Any]], points: Sequence[str]) -> Result:
    """The verdict on what was found."""
    numbers: dict[str, float] = {}
    for on, by_method in figure.items():
        for name, found in by_method.items():
            numbers[f"{on}, {name}: modes found"] = found["found"]
            numbers[f"{on}, {name}: KL to even shares, nats"] = found["divergence"]
            numbers[f"{on}, {name}: share recognised"] = found["recognised"]
    fewer = [
        f"{name} on {on} ({by_method[name]['found']} against {by_method['gan']['found']})"
        for on, by_method in figure.items()
        for name in JUDGED
        if name in by_method and by_method[name]["found"] < by_method["gan"]["found"]
    ]
    held = [figure[on]["wgan-gp"] for on in points]
    every = all(found["found"] == found["of"] for found in held)
    close = min(found["recognised"] for found in held)
    uneven = max(found["divergence"] for found in held)
    counted = ", ".join(f"{found['found']} of {found['of']}" for found in held)
    return Result(
        numbers,
        passed=not fewer and every and close >= HALF and uneven <= UNEVEN,
        because=f"Fewer modes than gan's at equal time: {', '.join(fewer) or 'no method'}; wgan-gp "
        f"finds {counted} Gaussians (all asked) and at least {close:.0%} of its points are "
        f"recognised ({HALF:.0%} asked), in shares {uneven:.2f} nats from even at most ({UNEVEN} "
        "allowed).",
        figure=figure,
    )


def named_by_even(modes: int) -> float:
    """How many modes as many even draws as are counted name in the mean: the most there can be."""
    return float(modes * (1 - (1 - 1 / modes) ** COUNTED))


def draw(results: Sequence[Result]) -> Figure:
    """Points over the data for each method, and bars of the modes found on each set."""
    figure = results[0].figure
    points = [on for on, found in figure.items() if "points" in found["gan"]]
    count = 3 * len(points) + len(figure)
    sheet, axes = panels_in_rows(count, title="Modes found at equal processor time")
    for row, on in enumerate(points):
        for axis, name in zip(axes[3 * row :], METHODS[True], strict=False):
            found = figure[on][name]
            reals = SETS[on](500, torch.Generator().manual_seed(0))
            axis.scatter(reals[:, 0], reals[:, 1], s=4, color=COLOURS["real"])
            x, y = np.transpose(found["points"])
            axis.scatter(x, y, s=3, color=COLOURS[name])
            known = np.mean([result.figure[on][name]["recognised"] for result in results])
            title = f"{name}: {found['found']} of {found['of']}, {known:.0%} recognised"
            label(axis, "x", "y", title)
    for axis, (on, by_method) in zip(axes[3 * len(points) :], figure.items(), strict=True):
        names = list(by_method)
        every = np.array([[r.figure[on][name]["found"] for name in names] for r in results])
        known = [np.mean([r.figure[on][n]["recognised"] for r in results]) for n in names]
        bars = axis.bar(names, every.mean(0), color=[COLOURS[name] for name in names], alpha=0.6)
        axis.bar_label(bars, [f"{share:.0%}" for share in known], label_type="center", fontsize=8)
        for found in every:
            axis.scatter(range(len(names)), found, s=8, color="k", zorder=3)
        axis.axhline(named_by_even(by_method["gan"]["of"]), color="k", linestyle=":", linewidth=1)
        label(axis, "dots: seeds; line: even draws; %: recognised", "modes found", on)
    return sheet


CLAIM = Claim(
    title="Modes found",
    statement="In equal time the methods with a Wasserstein distance find at least as many modes "
    "as the standard GAN, and with the gradient penalty all of 8 and of 25 Gaussians.",
    source="Gulrajani et al. 2017; Karras et al. 2017, appendix D and table 4",
    paper="WGAN-GP finds the more of the 1,000 modes of stacked digits the more stabilisers it has "
    "(table 4); on the Gaussians it is shown what penalised critics see, with the fakes held "
    "still (pictures).",
    threshold="On each set at least the GAN's number of modes for wgan, wgan-gp and progressive; "
    "all Gaussians for wgan-gp with at least half of its points within a quarter of the gap, in "
    "shares at most .5 nats from even: neither a blob nor one mode amid noise passes. (The last "
    "was asked for after the full scale had been run; seed 0 had .11 at most then. Not set "
    "blind: at first a mode counted if half of its even share was recognised, and in a trial of 3 "
    "seconds the clipped wgan found 0 of 8 that way and gan 0 or 1. About a dozen settings were "
    "tried for wgan-gp and two each for the others. At quick scale all find 8, so that what is "
    "told there is whether wgan-gp's points are recognised.)",
    fails=("full",),
    failure="At full scale (three seeds) wgan-gp finds all Gaussians where gan finds 4 to 7 of "
    "the 8, but 78, 35 and 52 % of its points lie near one of the 25 after a minute of one "
    "processor (gan: 95 % and more, in less even shares). The clipped wgan finds all, too, with "
    "a fifth to a quarter of its points near one, which is hardly more than noise has. On shapes "
    "wgan and wgan-gp find more modes than gan (905 to 988 against 710 to 800), though fewer of "
    "their images are recognised; progressive in one seed: it draws a tenth as many images in "
    "that time. Of stacked digits a tenth is recognised at most: what is counted is names given to "
    "noise. In 15 minutes (two seeds, benchmarks/longer_modes.py) wgan-gp finds 987 and 982, gan "
    "981 and 982, and of wgan-gp's 29 and 31 % are recognised, of gan's 25 and 23 %.",
    run=run,
    draw=draw,
    edition=2,  # began's default has a margin
    needs=("mlxtend",),
)
