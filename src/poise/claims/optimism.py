"""Optimism: on x y the last iterate converges where plain descent circles or spirals out.

Daskalakis, Ilyas, Syrgkanis, Zeng 2017, https://arxiv.org/abs/1711.00141, sections 2 to 4: x
descends on f(x, y) = x y and y on -f. The radius is the distance from the equilibrium (0, 0).

    simultaneous      both move by the gradient here              grows by sqrt(1 + eta^2) a step
    alternating       y sees where x has gone                     circles
    optimistic        both expect the last gradient again         the last iterate converges
    extragradient     both move by the gradient one step ahead    the last iterate converges

The first three play by the product's `descend` and optimizers (bilinear.py). Starts are (1, 1) and
others of the same radius, by the seed. Above a rate of 1 / sqrt(3) optimistic play diverges: the
table of rates shows it.

The threshold. Each radius from (1, 1) within 1 % of the exact value, a power of a 2 x 2 complex
matrix, that theory gives; and after 1000 steps, from every start: simultaneous farther out than at
first, alternating within a factor of 2, the other two within 1 % of the radius at first.

Where both players move at once, and not by Adam, the game is the same from every start of a radius:
there seeds and starts show that the optimizers are, and are no matter of chance.

Adam is judged for one thing only. At a constant rate neither it nor optimistic Adam converges: both
end on a cycle. With beta1 = 0 that of the optimistic one must be the smaller one, from every start.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .bilinear import ADAMS, GAMES, exact, radii, starts
from .claim import Claim, Pieces, Result, Scale
from .drawing import COLOURS, label, panels, seeds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ETA = 0.1  # the rate of all but Adam
ADAM_RATE = 0.01
STEPS = {"quick": 1000, "full": 5000}
STARTS = {"quick": 4, "full": 64}
RATES = {"quick": [ETA], "full": [0.01, 0.03, 0.1, 0.3, 0.5, 0.6]}
ADAM_RATES = {"quick": [ADAM_RATE], "full": [0.003, 0.01, 0.03, 0.1]}
TRAVEL = 100.0  # steps times rate of a game at each of RATES
ADAM_TRAVEL = {"quick": 40.0, "full": 50.0}  # the same for Adam; it slows down, but never stops
CYCLE = 0.1  # share of the last steps whose mean radius is that of the final cycle
AT = 1000  # steps after which it is judged
READ = [100, 1000, 5000]  # steps whose radius from (1, 1) is told
BOUNDS = {  # of the radius after AT steps, of that at first, from every start
    "simultaneous": (1.0, math.inf),
    "alternating": (0.5, 2.0),
    "optimistic": (0.0, 0.01),
    "extragradient": (0.0, 0.01),
}

LOOKS = dict(zip(GAMES, (COLOURS[c] for c in ("gan", "real", "wgan-gp", "wgan")), strict=True))


def shown(steps: int) -> list[int]:
    """Steps that a picture shows, at equal distances."""
    return list(range(0, steps + 1, max(1, steps // 100)))


def played(game: str, scale: Scale, seed: int) -> dict[str, list[float]]:
    """A game at ETA: radii from (1, 1), and the least and the most of all starts after AT steps."""
    r = radii(GAMES[game], starts(STARTS[scale], seed), ETA, STEPS[scale])
    ratio = r[AT] / r[0]
    return {
        "read": [float(r[t, 0]) for t in READ if t < len(r)],
        "span": [float(ratio.min()), float(ratio.max())],
        "curve": r[shown(STEPS[scale]), 0].tolist(),
    }


def travelled(game: str, rate: float, scale: Scale, seed: int) -> float:
    """The mean radius after TRAVEL, of that at first."""
    r = radii(GAMES[game], starts(STARTS[scale], seed), rate, round(TRAVEL / rate))
    return float((r[-1] / r[0]).mean())


def cycles(adam: str, rate: float, scale: Scale, seed: int) -> list[float]:
    """The radius of the final cycle from each start; the first is (1, 1)."""
    steps = round(ADAM_TRAVEL[scale] / rate)
    r = radii(ADAMS[adam], starts(STARTS[scale], seed), rate, steps)
    radius: list[float] = r[-round(CYCLE * steps) :].mean(0).tolist()
    return radius


def run(scale: Scale, seed: int, pieces: Pieces) -> Result:
    """Play each game from all starts, at one rate and, at full scale, at several."""
    rates, adam_rates = RATES[scale], ADAM_RATES[scale]
    pieces.expect(len(GAMES) * (1 + len(rates)) + len(ADAMS) * len(adam_rates))
    once = pieces.once
    games = {game: once(game, played, game, scale, seed) for game in GAMES}
    ends = {
        game: [once(f"{game} at {rate:g}", travelled, game, rate, scale, seed) for rate in rates]
        for game in GAMES
    }
    ended = {
        name: [once(f"{name} at {rate:g}", cycles, name, rate, scale, seed) for rate in adam_rates]
        for name in ADAMS
    }
    at = adam_rates.index(ADAM_RATE)
    cycle = {name: ended[name][at] for name in ADAMS}
    ratio = max(b / a for a, b in zip(cycle["adam"], cycle["optimistic adam"], strict=True))
    off = max(
        abs(radius / exact(game, steps, ETA) - 1)
        for game, found in games.items()
        for steps, radius in zip(READ, found["read"], strict=False)
    )
    spans = {game: games[game]["span"] for game in GAMES}
    kept = [low < spans[g][0] and spans[g][1] < high for g, (low, high) in BOUNDS.items()]
    far = {game: f"{span[1]:.2g}" for game, span in spans.items()}
    return Result(
        {"largest error of a radius, of the exact one": off}
        | {
            f"{game}: radius from (1, 1) after {steps} steps": radius
            for game, found in games.items()
            for steps, radius in zip(READ, found["read"], strict=False)
        }
        | {f"{name}: radius of the final cycle from (1, 1)": cycle[name][0] for name in ADAMS}
        | {"largest radius of optimistic adam's cycle, of adam's": ratio},
        passed=off <= 0.01 and all(kept) and ratio < 1,
        because=f"Radii are off the exact ones by at most {off:.1e} (1 % allowed). After {AT} "
        f"steps simultaneous play is at {far['simultaneous']} of its first radius (above 1 asked), "
        f"alternating at {far['alternating']} (.5 to 2), optimistic at {far['optimistic']} and "
        f"extragradient at {far['extragradient']} (below .01). Optimistic Adam's cycle is at most "
        f"{ratio:.2g} of Adam's (below 1).",
        figure={
            "steps": shown(STEPS[scale]),
            "curves": {game: short(found["curve"]) for game, found in games.items()},
            "rates": rates,
            "ends": {game: short(values) for game, values in ends.items()},
            "adam rates": adam_rates,
            "cycles": {n: short([float(np.mean(c)) for c in ended[n]]) for n in ADAMS},
        },
    )


def short(values: list[float]) -> list[float]:
    """Five digits, to keep results small."""
    return [float(f"{value:.5g}") for value in values]


def draw(results: Sequence[Result]) -> Figure:
    """Radius over time, at several rates, and of the cycle that Adam ends on."""
    figure, (times, table, adams) = panels(3, title="Descent on x y")
    first = results[0].figure
    for game, colour in LOOKS.items():
        lines = [result.figure["curves"][game] for result in results]
        seeds(times, first["steps"], lines, colour, game)
        ends = [result.figure["ends"][game] for result in results]
        table.plot(first["rates"], np.mean(ends, axis=0), "o-", color=colour, markersize=3)
    for name, colour in zip(ADAMS, (COLOURS["gan"], COLOURS["wgan-gp"]), strict=True):
        for result in results:
            look = name if result is results[0] else None
            adams.plot(
                result.figure["adam rates"],
                result.figure["cycles"][name],
                "o-",
                color=colour,
                markersize=3,
                label=look,
            )
    for axis in (times, table, adams):
        axis.set_yscale("log")
    table.set_xscale("log")
    adams.set_xscale("log")
    label(times, "steps", "radius", f"at a rate of {ETA:g}, from (1, 1)")
    table.axvline(3**-0.5, color="k", linestyle=":", linewidth=0.8)  # the most for optimism
    label(table, "rate", "radius, of that at first", f"after {TRAVEL:g} / rate steps")
    label(adams, "rate", "mean radius of the final cycle", "Adam, beta1 = 0")
    times.legend(fontsize=7, frameon=False)
    adams.legend(fontsize=7, frameon=False)
    return figure


CLAIM = Claim(
    title="Optimism",
    statement="On x y the last iterate of optimistic descent converges, where simultaneous descent "
    "spirals out and alternating descent circles.",
    source="Daskalakis, Ilyas, Syrgkanis, Zeng 2017, sections 2 to 4",
    paper="Proved: the last iterate of optimistic descent converges on bilinear games.",
    threshold="Radii within 1 % of the exact ones; after 1000 steps at rate .1 optimistic and "
    "extragradient play below .01 of the first radius, simultaneous above it, alternating within a "
    "factor of 2; optimistic Adam's final cycle smaller than Adam's at beta1 = 0. (But for "
    "Adam's and the alternating game all starts of one radius are alike, and so are seeds.)",
    run=run,
    draw=draw,
)
