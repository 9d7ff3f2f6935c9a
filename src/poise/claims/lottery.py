"""The architecture lottery: on how many networks, drawn at random, does a method work?

Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville 2017, https://arxiv.org/abs/1704.00028, section 5.1,
tables 1 and 2. The paper drew 200 architectures around a DCGAN and trained each as a standard GAN
and with the gradient penalty: nearly all that reached a score with one of the two alone reached it
with the penalty. Here `random_networks.py` draws them, small ones for 16x16 pixels, and each method
has as much time of one processor for each. All keep their preset's numbers but the networks, and
`HASTE` times its learning rate, since 30 s are a sixth of a default run or less. A gradient penalty
forbids batch norm in the critic: there a drawn "batch" becomes "layer", as in the paper.

Quality is the sliced Wasserstein distance (SWD) of the average generator's images from reals. The
goals are set before anything is drawn: the floor (reals against reals) plus 1, 1.5 and 2.5 times
what the best of the methods' own presets, with its DCGAN, is above the floor after as much time.
A generator that has collapsed does not count, whatever its distance: its variety, before averaging,
must be a quarter of the reals'. (Of 16 images, each repeated, the distance is beyond the middle
goal already.)

The threshold: at the middle goal, WGAN-GP works where GAN does not on so many more architectures
than the other way round that a fair coin would do so once in 20 times (McNemar's exact test). The
quick scale takes two on which the standard GAN is known to fail, and asks for just that.

Left out: BEGAN and progressive growing, whose networks are of other families (an auto-encoder; one
that grows), so that there is nothing to draw that all could share. The numbers depend on how fast
the machine is: the more time, the more works.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..config import Recipe
from ..data.options import PrepareOptions
from ..data.prepared import Prepared
from .claim import Claim, Pieces, Result, Scale, Table
from .drawing import COLOURS, label, panels_in_rows
from .images import image_set
from .random_networks import Player, RandomNetworks, drawn
from .trainings import ENDLESS, as_picture, config_of, floor_of, in_haste, played, reached

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

METHODS = ("gan", "wgan", "wgan-gp")
HASTE = 3.0  # times the preset's learning rate
GOALS = {"strict": 1.0, "middle": 1.5, "loose": 2.5}  # times the best preset's way to the floor
VARIETY = 0.25  # of the reals', at least
SURE = 0.05  # of McNemar's test, one-sided
SHOWN = 8  # architectures of which the picture has samples
KINDS = {
    "only GAN": COLOURS["gan"],
    "only WGAN-GP": COLOURS["wgan-gp"],
    "both": COLOURS["other"],
    "neither": "#BBBBBB",
}


@dataclass(frozen=True)
class Sizes:
    """How large an experiment is."""

    architectures: int
    seconds: float | None  # of one processor, for each training; unset: `images` end it
    options: PrepareOptions
    measured: int  # reals and fakes in a distance
    looks: int  # at a training, for the verdict
    methods: tuple[str, ...] = METHODS
    best: float | None = None  # distance that the goals are set by; unset: of the presets, played
    images: int = ENDLESS  # drawn in each training


SIZES = {
    # As many images for each, so that it ends alike on every machine; 170 is about what WGAN-GP's
    # preset reaches with them: no time to find it out each time.
    "quick": Sizes(
        2, None, PrepareOptions(size="8", limit=600), 128, 0, ("gan", "wgan-gp"), 170.0, 16_000
    ),
    "full": Sizes(40, 30.0, PrepareOptions(size="16", limit=8_000), 1_024, 10),
}
HARD = (
    RandomNetworks(Player("relu", 1, 8, 3, "none"), Player("relu", 0, 32, 3, "none")),
    RandomNetworks(Player("relu", 0, 16, 3, "none"), Player("softplus", 1, 16, 3, "none")),
)


def hasty(method: str, networks: RandomNetworks | None = None) -> Recipe:
    """A method's preset at a higher rate, with these networks or its own."""
    fitting = networks.for_penalty() if networks and method == "wgan-gp" else networks
    return in_haste(method, fitting, HASTE)


def entered(prepared: Prepared, choice: Recipe, seed: int, sizes: Sizes) -> dict[str, Any]:
    """One training of the lottery."""
    config = config_of(replace(choice, images=sizes.images), prepared, seed)
    return played(config, prepared, sizes.seconds, sizes.measured, looks=sizes.looks)


def run(scale: Scale, seed: int, pieces: Pieces) -> Result:
    """Train every architecture with every method, and count."""
    sizes = SIZES[scale]
    nets = [drawn(k, seed) for k in range(sizes.architectures)] if scale == "full" else HARD
    presets = sizes.methods if sizes.best is None else ()
    pieces.expect(1 + len(presets) + len(sizes.methods) * len(nets))
    with image_set("shapes", sizes.options, pieces.folder) as prepared:

        def trained(part: str, choice: Recipe) -> dict[str, Any]:
            return pieces.once(part, entered, prepared, choice, seed, sizes)

        floor = pieces.once("floor", floor_of, prepared, sizes.measured)
        own = [trained(f"{method}, its own", hasty(method)) for method in presets]
        found = [
            {method: trained(f"{method} on {k}", hasty(method, net)) for method in sizes.methods}
            for k, net in enumerate(nets)
        ]
    known = {name: each["swd"] for name, each in zip(presets, own, strict=True)}
    best = sizes.best or min(swd for swd in known.values() if swd is not None)
    goals = {name: floor + times * (best - floor) for name, times in GOALS.items()}
    result = judged(scale, floor, goals, nets, found)
    presets_swd = {
        f"{name} with its own networks, SWD x1e3": swd
        for name, swd in known.items()
        if swd is not None
    }
    return replace(result, numbers=presets_swd | result.numbers)


def judged(
    scale: Scale,
    floor: float,
    goals: Mapping[str, float],
    nets: Sequence[RandomNetworks],
    found: Sequence[Mapping[str, Any]],
) -> Result:
    """The result of trainings that have been made."""
    numbers = {"floor, SWD x1e3": round(floor, 2)}
    for name, goal in goals.items():
        numbers[f"{name} goal, SWD x1e3"] = round(goal, 2)
        for method in found[0]:
            count = sum(reached(each[method], goal, VARIETY) for each in found)
            numbers[f"{method} at the {name} goal, share"] = round(count / len(found), 3)
    tables = {name: table(found, goal) for name, goal in goals.items()}
    only_gan, only_gp, both, _ = tables["middle"]
    chance = numbers["chance of so many by a coin"] = round(sign_test(only_gp, only_gan), 5)
    works_on = f"WGAN-GP works on {only_gp + both} of {len(found)} architectures"
    counts = f"GAN on {only_gan + both}; {only_gp} only with WGAN-GP, {only_gan} only with GAN"
    if scale == "quick":
        passed = only_gp == len(found)
        because = f"{works_on}, {counts} (all asked: only with WGAN-GP)."
    else:
        passed = chance < SURE
        because = f"{works_on}, {counts}: by a coin {chance:.2g} ({SURE:g} asked)."
    figure = {
        "tables": tables,
        "goals": {name: round(goal, 1) for name, goal in goals.items()},
        "shown": [
            {"g": str(net.g), "d": str(net.d)} | {m: each[m]["tiles"] for m in each}
            for net, each in list(zip(nets, found, strict=True))[:SHOWN]
        ],
    }
    return Result(numbers, passed, because, figure, missed(nets, found, goals["middle"]))


def table(found: Sequence[Mapping[str, Any]], goal: float) -> list[int]:
    """Architectures that work only with GAN, only with WGAN-GP, with both, with neither."""
    pairs = [
        (reached(each["gan"], goal, VARIETY), reached(each["wgan-gp"], goal, VARIETY))
        for each in found
    ]
    kinds = [(True, False), (False, True), (True, True), (False, False)]
    return [pairs.count(kind) for kind in kinds]


def sign_test(wins: int, losses: int) -> float:
    """How likely a fair coin gives so many wins or more: McNemar's exact test, one-sided."""
    tosses = wins + losses
    return 0.5**tosses * sum(math.comb(tosses, k) for k in range(wins, tosses + 1))


def missed(
    nets: Sequence[RandomNetworks], found: Sequence[Mapping[str, Any]], goal: float
) -> Table:
    """Every training that missed the goal: which, its method, distance, variety and verdict."""
    head = ["architecture", "method", "SWD x1e3", "variety, of the reals'", "verdict of Poise"]
    rows = [
        [k, method, each[method]["swd"], each[method]["variety"], each[method]["verdict"]]
        for k, each in enumerate(found)
        for method in found[0]
        if not reached(each[method], goal, VARIETY)
    ]
    return Table(f"{len(rows)} trainings that missed", head, rows)


def draw(results: Sequence[Result]) -> Figure:
    """The paper's table 2 as bars, one a seed; what some of the first seed's networks draw."""
    shown = results[0].figure["shown"]
    methods = [method for method in METHODS if method in shown[0]]
    figure, (bars, *samples) = panels_in_rows(
        1 + len(methods), in_a_row=2, title="Random architectures, equal time for each method"
    )
    _bars(bars, [result.figure for result in results])
    for axis, method in zip(samples, methods, strict=True):
        pictures = [as_picture(each[method]) for each in shown]
        axis.imshow(np.concatenate(pictures))
        middles = [(k + 0.5) * pictures[0].shape[0] for k in range(len(shown))]
        axis.set_yticks(middles, list(map(str, range(len(shown)))))
        axis.set_xticks([])
        label(axis, "samples of the average generator", "architecture", method)
    return figure


def _bars(axis: Axes, found: Sequence[Mapping[str, Any]]) -> None:
    """How many architectures reach each goal: a bar for each seed, side by side."""
    goals = list(found[0]["goals"])
    wide = 0.8 / len(found)  # a fifth of the way to the next goal stays empty
    for seed, each in enumerate(found):
        at = np.arange(len(goals)) + (seed - (len(found) - 1) / 2) * wide
        below = np.zeros(len(goals))
        counts = np.transpose([each["tables"][goal] for goal in goals])  # [kinds, goals]
        for count, (name, colour) in zip(counts, KINDS.items(), strict=True):
            named = name if seed == 0 else None
            axis.bar(at, count, 0.9 * wide, below, color=colour, label=named)
            below += count
    asked = [[each["goals"][goal] for each in found] for goal in goals]
    spread = [" to ".join(f"{g:.0f}" for g in sorted({min(gs), max(gs)})) for gs in asked]
    axis.set_xticks(range(len(goals)), list(map("\n".join, zip(goals, spread, strict=True))))
    axis.set_ylim(0, 1.35 * max(below))  # room for the legend
    axis.legend(fontsize=7, frameon=False, loc="upper center", ncols=2)
    label(axis, "goal, SWD x1e3 at most", "architectures", "goals reached, a bar for each seed")


CLAIM = Claim(
    title="The architecture lottery",
    statement="On networks drawn at random WGAN-GP works more often than the standard GAN.",
    source="Gulrajani et al. 2017, section 5.1, table 2",
    paper="Of 200 architectures at 32x32, an Inception score of 5 is reached by 0 only with GAN, "
    "147 only with WGAN-GP, 42 with both, 11 with neither (of 3: 1, 88, 110, 1; of 7: 1, 104, 5, "
    "90).",
    threshold="At a goal of 1.5 times the best preset's way to the floor, WGAN-GP alone works so "
    "much more often than GAN alone that a coin would do so less than once in 20 times. All, the "
    "presets too, train at 3 times their preset's rate. (Of "
    "the quick scale, which gives each as many images and not as much time, the best distance and "
    "the two architectures were chosen after trials.)",
    run=run,
    draw=draw,
)
