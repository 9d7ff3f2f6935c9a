"""Does growing pay, and when should a level end?

    python benchmarks/growth.py levels                    # a real step at every level to 1024x1024
    python benchmarks/growth.py pays --size 64            # growing against the full size all along
    python benchmarks/growth.py when --size 16            # by schedule against by convergence

Networks are those of `poise train --method progressive` on a CPU, or of --maps and --widest.
Quality is the sliced Wasserstein distance of the average generator's images from the set's, those
of lower levels enlarged to the full size; its time is not counted. What is there already is not
worked out again, so the driver can be stopped and started. One thread.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from matplotlib import pyplot as plt
from numpy.typing import NDArray

from poise.build import make_players
from poise.claims.growing_quality import reaching
from poise.config import Config, Images
from poise.data.options import PrepareOptions
from poise.data.prepare import prepare
from poise.data.prepared import Prepared
from poise.data.reals import Reals
from poise.methods import Progressive
from poise.metrics.swd import sliced_wasserstein
from poise.networks import Growing
from poise.pictures import grid, png, to_uint8, upsampled
from poise.planning import resolved
from poise.players import Players
from poise.presets import recipe
from poise.sampling import draw
from poise.size import Size, levels_of
from poise.training import play

matplotlib.use("Agg")

MEASURED = 1_000  # reals and fakes in a distance
READINGS = 8  # of quality in a run


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["levels", "pays", "when"])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--images", type=int, default=24_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sets", nargs="+", default=["faces", "digits", "shapes"])
    parser.add_argument("--maps", type=int, default=256)
    parser.add_argument("--widest", type=int, default=64)
    parser.add_argument("--out", type=Path, default=Path("runs/growth"))
    parser.add_argument("--pictures", type=Path, default=Path("docs/methods"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    asked.out.mkdir(parents=True, exist_ok=True)
    {"levels": levels, "pays": pays, "when": when}[asked.what](asked)


def levels(asked: argparse.Namespace) -> None:
    """Time and peak memory of one step at each level, the paper's widths, a batch of 4."""
    chosen = recipe("progressive", "paper")
    rule = Progressive(batch=4, fewest=4, fade=1000, settle=1000)
    config = Config(replace(chosen, method=rule), Images("", "", "", Size(1024, 1024), 3))
    players = make_players(config)
    print("| level | seconds | peak of the process, GB |\n|---|---|---|")
    sizes = levels_of(config.data.size)
    for (start, _), size in zip(rule.phases(10**6, sizes[-1]), sizes, strict=True):
        reals = Noise(start, size)
        players.seed_noise(0, 0, start)
        began = time.monotonic()
        rule.step(players, reals)
        took, peak = time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f"| {size} | {took:.2f} | {peak / 1e6:.2f} |", flush=True)


class Noise:
    """Reals of noise, at one size."""

    def __init__(self, drawn: int, size: Size) -> None:
        self.drawn, self.size = drawn, size

    def __call__(self, n: int, size: Size | None = None) -> torch.Tensor:
        self.drawn += n
        return torch.rand(n, 3, *self.size) * 2 - 1


def pays(asked: argparse.Namespace) -> None:
    """Growing against the full size from the first images on: the same networks and batches."""
    arms = {"growing": {}, "full size": {"fade": 1, "settle": 1}}
    results = {
        arm: once(asked, f"pays-{asked.size}-{arm.replace(' ', '-')}", "faces", 0, **changes)
        for arm, changes in arms.items()
    }
    grown, full = results["growing"], results["full size"]
    same_images = full["seconds"][-1] / grown["seconds"][-1]
    goal = max(min(grown["swd"]), min(full["swd"]))
    reached = {arm: reaching(result, goal) for arm, result in results.items()}
    print(f"size {asked.size}, {asked.images:,} images, SWD floor {grown['floor']:.2f}")
    for arm, result in results.items():
        pairs = zip(result["drawn"], result["seconds"], result["swd"], strict=True)
        print(arm, [f"{n:,}: {s:.0f} s {d:.1f}" for n, s, d in pairs])
    print(f"time to the same images: {same_images:.2f}; to SWD {goal:.1f}: {reached}")
    print(f"ratio {reached['full size'] / reached['growing']:.2f}")
    figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
    for arm, result in results.items():
        axis.plot(np.array(result["seconds"]) / 60, result["swd"], marker="o", label=arm)
    axis.axhline(grown["floor"], color="gray", linestyle=":", label="reals against reals")
    axis.set_xlabel("minutes of training, one thread")
    axis.set_ylabel("sliced Wasserstein distance x 1e3")
    axis.set_title(f"faces at {asked.size}, {asked.images:,} images")
    axis.legend()
    figure.savefig(asked.pictures / f"progressive-pays-{asked.size}.png", dpi=80)


def when(asked: argparse.Namespace) -> None:
    """By schedule against by convergence, at equal images drawn."""
    print("| set | seed | schedule | converged | floor | levels began at |\n" + "|---" * 6 + "|")
    for data, seed in itertools.product(asked.sets, range(asked.seeds)):
        results = {
            grow: once(asked, f"when-{asked.size}-{data}-{seed}-{grow}", data, seed, grow=grow)
            for grow in ("schedule", "converged")
        }
        ends = [f"{results[grow]['swd'][-1]:.2f}" for grow in results]
        began = ", ".join(f"{n:,}" for n in results["converged"]["began"])
        print(
            f"| {data} | {seed} | {' | '.join(ends)} | {results['schedule']['floor']:.2f} "
            f"| {began} |",
            flush=True,
        )


def once(
    asked: argparse.Namespace, name: str, data: str, seed: int, **changes: Any
) -> dict[str, Any]:
    """The distances along one training, from disk if it was made already."""
    path = asked.out / f"{name}.json"
    if path.exists():
        return dict(json.loads(path.read_text()))
    prepared = prepared_set(asked.out, data, asked.size)
    chosen = recipe("progressive")
    rule: Any = replace(chosen.method, **changes)  # type: ignore[type-var]
    images = Images(data, str(prepared.path), "", prepared.size, prepared.channels)
    networks = Growing(latent=128, maps=asked.maps, widest=asked.widest)
    chosen = replace(chosen, method=rule, networks=networks, images=asked.images)
    config = Config(chosen, images, seed=seed)
    result, players = measured(resolved(config), prepared, once_more=name.startswith("pays"))
    pixels = to_uint8(draw(players.average, players.space.fixed(64, 0)))
    (asked.out / f"{name}.png").write_bytes(png(grid(pixels), at_least=512))
    path.write_text(json.dumps(result))
    return result


def measured(
    config: Config, prepared: Prepared, *, once_more: bool
) -> tuple[dict[str, Any], Players]:
    """Train, and read the quality `READINGS` times along the way, or at the end alone."""
    reals = Reals(prepared, seed=config.seed, size=prepared.size)
    of = np.random.default_rng(0).permutation(len(prepared))
    halves = [prepared.gather(of[i : i + MEASURED]) for i in (0, MEASURED)]
    result: dict[str, Any] = {"drawn": [], "seconds": [], "swd": [], "began": []}
    result["floor"] = sliced_wasserstein(*halves).mean
    readings = READINGS if once_more else 1
    due = [config.recipe.images * (k + 1) // readings for k in range(readings)]
    players, spent, since = make_players(config), 0.0, time.monotonic()
    for _ in play(config, players, reals):
        result["began"] += [reals.drawn for note in notes(players) if "Growing" in note]
        if due and reals.drawn >= due[0]:
            spent += time.monotonic() - since
            due.pop(0)
            result["drawn"].append(reals.drawn)
            result["seconds"].append(spent)
            result["swd"].append(sliced_wasserstein(halves[0], fakes(players, prepared)).mean)
            print(config.seed, reals.drawn, f"{spent:.0f} s", result["swd"][-1], flush=True)
            since = time.monotonic()
    return result, players


def notes(players: Players) -> Iterator[str]:
    """What the method said since the last step."""
    while players.notes:
        yield players.notes.pop(0)[1]


def fakes(players: Players, prepared: Prepared) -> NDArray[np.uint8]:
    """As many generated images as reals, at the full size."""
    latents = players.space.fixed(MEASURED, 1)
    return upsampled(to_uint8(draw(players.average, latents)), prepared.size)


def prepared_set(out: Path, data: str, size: int) -> Prepared:
    """A built-in set at this size."""
    path = out / f"{data}-{size}.poise"
    return prepare(data, path, PrepareOptions(size=str(size)))


if __name__ == "__main__":
    main()
