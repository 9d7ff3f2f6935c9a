"""What measuring costs and how many images it takes: markdown tables.

`OMP_NUM_THREADS=1 python benchmarks/measures.py [--count 2000] [--sides 32 64 128]` times every
measure on so many reals and as many fakes, built-in shapes; with no side, those of features alone.
`--order` instead scores shapes that are clean, blurred, noisy or fewer by the Frechet distance at
several n, each over some draws.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from statistics import mean, stdev

import numpy as np

from poise.data.shapes import draw_shape
from poise.metrics.coverage import coverage
from poise.metrics.features import Features, features_of
from poise.metrics.frechet import frechet_distance, gaussian
from poise.metrics.kernel import kernel_distance
from poise.metrics.lite0 import load_lite0
from poise.metrics.ms_ssim import diversity
from poise.metrics.nearest import memorised
from poise.metrics.sets import Images
from poise.metrics.swd import sliced_wasserstein

DRAWS = 10  # of n images, for the spread


def shapes(count: int, side: int, first: int = 0) -> Images:
    """Images of the built-in set, hardly two the same."""
    return np.stack([draw_shape(index, side) for index in range(first, first + count)])


def blurred(images: Images, times: int) -> Images:
    """Averaged with the neighbours on both sides, along both axes, several times."""
    levels = images.astype(float)
    for _ in range(times):
        for axis in (1, 2):
            levels = (np.roll(levels, 1, axis) + 2 * levels + np.roll(levels, -1, axis)) / 4
    return levels.round().astype(np.uint8)


def noisy(images: Images, spread: float) -> Images:
    """With noise of this standard deviation, in levels."""
    dirt = np.random.default_rng(1).normal(0, spread, images.shape)
    return (images + dirt).round().clip(0, 255).astype(np.uint8)


def seconds(work: Callable[[], object]) -> float:
    """How long `work` takes, once."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def times(count: int, sides: list[int]) -> None:
    """The time of each measure."""
    if not sides:
        points(count)
        return
    network = load_lite0()
    print(f"| seconds for {count:,} reals and {count:,} fakes |", end="")
    print(" | ".join(f" {side}x{side}" for side in sides), "|")
    print("|---|" + "---:|" * len(sides))
    rows: dict[str, list[float]] = {}
    for side in sides:
        reals, fakes = shapes(count, side), shapes(count, side, first=count)
        start = time.perf_counter()
        for images in (reals, fakes):
            features_of(images, network)
        took = time.perf_counter() - start
        rows.setdefault("features of both, once", []).append(took)
        rows.setdefault("... milliseconds an image", []).append(took / (2 * count) * 1000)
        took = seconds(partial(sliced_wasserstein, reals, fakes))
        rows.setdefault("sliced Wasserstein distance", []).append(took)
        rows.setdefault(f"MS-SSIM, {count // 2:,} pairs", []).append(
            seconds(partial(diversity, fakes))
        )
    for name, row in rows.items():
        print(f"| {name} | " + " | ".join(f"{value:.3g}" for value in row) + " |")
    points(count)


def points(count: int) -> None:
    """The time of the measures of features, which do not depend on the side: of random numbers."""
    random = np.random.default_rng(0)
    a, b = (
        Features(random.normal(size=(count, 320)).astype(np.float32), "random", "none")
        for _ in range(2)
    )
    print(f"\n| seconds for features of {count:,} reals and {count:,} fakes | |\n|---|---:|")
    for name, measure in of_features(a, b).items():
        print(f"| {name} | {seconds(measure):.3g} |")


def of_features(a: Features, b: Features) -> dict[str, Callable[[], object]]:
    """The measures that start from features."""
    half = a.n // 2
    return {
        "Frechet distance": lambda: frechet_distance(gaussian(a.values), gaussian(b.values)),
        "kernel distance and its error": lambda: kernel_distance(a, b),
        "precision, recall, density, coverage": lambda: coverage(a, b),
        "memorisation": lambda: memorised(a.take(slice(half)), a.take(slice(half, None)), b),
    }


def order(most: int = 2000, side: int = 32) -> None:
    """The Frechet distance of n images of each kind, mean and spread over draws."""
    network = load_lite0()
    clean = shapes(most, side, first=most)
    fakes = {
        "clean": clean,
        "blurred": blurred(clean, 1),
        "noise of 1 level": noisy(clean, 1),
        "a twentieth of the images": np.resize(clean[: most // 20], clean.shape),
    }
    reals = features_of(shapes(most, side), network)
    seen = {name: features_of(images, network) for name, images in fakes.items()}
    print("| n of each | " + " | ".join(fakes), "|")
    print("|---:|" + "---:|" * len(fakes))
    random = np.random.default_rng(0)
    for n in (32, 64, 128, 256, 512, 1024):
        cells = []
        for each in seen.values():
            found = [
                frechet_distance(
                    gaussian(reals.values[random.permutation(most)[:n]]),
                    gaussian(each.values[random.permutation(most)[:n]]),
                )
                for _ in range(DRAWS)
            ]
            cells.append(f"{mean(found):.3g} +- {stdev(found):.2g}")
        print(f"| {n:,} | " + " | ".join(cells), "|")


def main() -> None:
    """One of the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--sides", type=int, nargs="*", default=[32, 64, 128])
    parser.add_argument("--order", action="store_true")
    given = parser.parse_args()
    if given.order:
        order()
    else:
        times(given.count, given.sides)


if __name__ == "__main__":
    main()
