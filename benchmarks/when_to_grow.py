"""Which measure tells that a level of a growing run has converged?

    python benchmarks/when_to_grow.py --sets faces digits shapes --seeds 2

One training by schedule for each set and seed, with long phases. Ten times in each settling phase
three measures are read that a run could go by, and the truth: the sliced Wasserstein distance of
the average generator's images from held-back ones, both at the size of the level. A measure that
can be gone by falls while the truth falls. Printed: the rank correlation with the truth within
each level, and where each measure would have ended the level. One thread.
"""

from __future__ import annotations

import argparse
import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from growth import prepared_set
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from poise.apart import apart
from poise.build import make_players
from poise.config import Config, Images
from poise.data.prepared import Prepared
from poise.data.reals import Reals
from poise.methods import Progressive
from poise.metrics.sets import to_levels
from poise.metrics.swd import sliced_wasserstein
from poise.networks import Growing
from poise.pictures import to_uint8, upsampled
from poise.planning import resolved
from poise.presets import recipe
from poise.sampling import draw
from poise.size import Size
from poise.training import play

MEASURED = 256  # images in the truth
GAP = 256  # images of each kind in the critic's gap
READINGS = 10  # in a settling phase
MEASURES = ("distance", "apart", "gap")


class Heard(Progressive):
    """Keeps what each step measured."""

    heard: Any = None

    def critic_loss(self, d: nn.Module, x: Tensor, fake: Tensor, eps: Tensor) -> Any:
        loss, seen = super().critic_loss(d, x, fake, eps)
        self.heard.append((seen["distance"].item(), apart(x, fake).item()))
        return loss, seen


def main() -> None:
    """Train what is missing, then tabulate all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", default=["faces", "digits", "shapes"])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--size", type=int, default=16)
    parser.add_argument("--fade", type=int, default=1_500)
    parser.add_argument("--settle", type=int, default=6_000)
    parser.add_argument("--maps", type=int, default=256)
    parser.add_argument("--widest", type=int, default=64)
    parser.add_argument("--out", type=Path, default=Path("runs/growth"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    asked.out.mkdir(parents=True, exist_ok=True)
    print("| set | seed | level | " + " | ".join(MEASURES) + " |\n" + "|---" * 6 + "|")
    for data, seed in itertools.product(asked.sets, range(asked.seeds)):
        path = asked.out / f"signals-{asked.size}-{data}-{seed}.json"
        if not path.exists():
            path.write_text(json.dumps(readings(asked, data, seed)))
        rows = json.loads(path.read_text())
        for level, of in itertools.groupby(rows, key=lambda row: row["level"]):
            part = list(of)
            truth = [row["truth"] for row in part]
            shown = [f"{ranks_agree([r[name] for r in part], truth):+.2f}" for name in MEASURES]
            print(f"| {data} | {seed} | {level} | {' | '.join(shown)} |", flush=True)


def ranks_agree(a: list[float], b: list[float]) -> float:
    """Spearman's rank correlation."""
    order_a, order_b = (np.argsort(np.argsort(values)) for values in (a, b))
    return float(np.corrcoef(order_a, order_b)[0, 1])


def readings(asked: argparse.Namespace, data: str, seed: int) -> list[dict[str, float]]:
    """Of one training: measures and truth, ten times in each settling phase."""
    prepared = prepared_set(asked.out, data, asked.size)
    chosen = recipe("progressive")
    images = Images(data, str(prepared.path), "", prepared.size, prepared.channels)
    networks = Growing(latent=128, maps=asked.maps, widest=asked.widest)
    phases: dict[str, Any] = {"fade": asked.fade, "settle": asked.settle}
    rule: Any = replace(chosen.method, **phases)  # type: ignore[type-var]
    last = len(rule.phases(10**9, prepared.size)) - 1
    total = asked.settle + last * (asked.fade + asked.settle)
    config = resolved(
        Config(replace(chosen, method=rule, networks=networks, images=total), images, seed=seed)
    )
    heard = Heard(**vars(config.recipe.method))
    object.__setattr__(heard, "heard", [])
    config = replace(config, recipe=replace(config.recipe, method=heard))
    reals = Reals(prepared, seed=seed, size=prepared.size)
    players, rows, due = make_players(config), [], asked.settle // READINGS
    since = 0
    for _ in play(config, players, reals):
        generator: Any = players.generator
        level, alpha = generator.stage
        if alpha < 1:
            heard.heard.clear()
            since = reals.drawn
        if reals.drawn - since >= due:
            since = reals.drawn
            distance, far = np.mean(heard.heard, axis=0)
            heard.heard.clear()
            truth, gap = at_level(players, prepared, generator.levels[level])
            rows.append({"level": level, "drawn": reals.drawn, "truth": truth, "gap": gap})
            rows[-1] |= {"distance": float(distance), "apart": float(far)}
    return rows


@torch.no_grad()
def at_level(players: Any, prepared: Prepared, size: Size) -> tuple[float, float]:
    """The truth, and what the critic thinks of images it trains on against held-out ones."""
    seen = shrunk(prepared.gather(prepared.training[:GAP]), size)
    unseen = shrunk(prepared.gather(prepared.held_out[:GAP]), size)
    gap = (players.critic(seen).mean() - players.critic(unseen).mean()).item()
    some = np.random.default_rng(0).permutation(len(prepared))[:MEASURED]
    goal = to_uint8(shrunk(prepared.gather(some), size))
    fakes = to_uint8(draw(players.average, players.space.fixed(MEASURED, 1)))
    least = Size(max(16, size.height), max(16, size.width))
    return sliced_wasserstein(upsampled(goal, least), upsampled(fakes, least)).mean, gap


def shrunk(images: NDArray[np.uint8], size: Size) -> Tensor:
    """8-bit images [n, h, w, c] as [n, c, *size] in [-1, 1], by means."""
    pixels = to_levels(images, torch.float32) / 127.5 - 1
    return avg_pool2d(pixels, pixels.shape[2] // size.height)


if __name__ == "__main__":
    main()
