"""Trains methods on the built-in sets, some seeds each, and draws what came of it.

    python benchmarks/methods.py --minutes 5 --out runs/methods --pictures docs/methods

Every run is `poise train SET --method METHOD --seed SEED --threads 1` with its default settings,
stopped after so many minutes of training; one that grows is planned for them (`--hours`). A run
that is there and finished is not made again, so the driver can be stopped and started.

    python benchmarks/methods.py --methods began --sets faces --gammas 0.3 0.5 0.7 --size 32

With `--images` a run ends after so many images, however long they take.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import pyplot as plt
from PIL import Image

from poise.config import Recipe
from poise.data.options import PrepareOptions
from poise.generator import load
from poise.metrics.ms_ssim import diversity
from poise.pictures import to_uint8
from poise.presets import recipe
from poise.run import Run, is_run
from poise.session import ResumeOptions, TrainOptions, resume, start
from poise.training import train
from poise.watcher import Watcher

matplotlib.use("Agg")

METHODS = ("wgan-gp", "wgan", "began", "progressive")
SETS = ("faces", "digits", "shapes")
SMOOTHED = 5  # log lines in the running median of a curve
PAIRS = 500  # of samples, whose similarity is measured
LATE = 1.25  # of its planned time that a run which grows may take
WITHOUT_END = 10**9  # images: the time ends a run


def main() -> None:
    """Train what is missing, then draw and tabulate all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--images", type=int, help="of each run, in place of minutes")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    parser.add_argument("--size", default="32")
    parser.add_argument("--out", type=Path, default=Path("runs/methods"))
    parser.add_argument("--pictures", type=Path, default=Path("docs/methods"))
    parser.add_argument("--gammas", nargs="*", type=float, default=[], help="of began, for seed 0")
    asked = parser.parse_args()
    asked.seeds = range(asked.seeds) if not asked.gammas else range(1)
    for seed, data, method in itertools.product(asked.seeds, asked.sets, asked.methods):
        for gamma in asked.gammas or [None]:
            path = path_of(asked, data, method, seed, gamma)
            chosen = recipe(method)
            if gamma is not None:
                rule: Any = chosen.method
                chosen = replace(chosen, method=replace(rule, gamma=gamma))
            played(path, chosen, data, seed, asked)
        draw_all(asked)
    draw_all(asked)


def path_of(
    asked: argparse.Namespace, data: str, method: str, seed: int, gamma: float | None
) -> Path:
    """The directory of one run."""
    last = seed if gamma is None else f"gamma{gamma:g}"
    return Path(asked.out) / f"{data}-{asked.size}-{method}-{last}"


def played(path: Path, chosen: Recipe, data: str, seed: int, asked: argparse.Namespace) -> None:
    """One run, trained for so many minutes in all."""
    done = path / "seconds.json"
    if done.exists():
        return
    grows = chosen.method.needs == "grow"
    options = TrainOptions(
        data=PrepareOptions(size=asked.size),
        images=asked.images or (None if grows else WITHOUT_END),
        hours=asked.minutes / 60 if grows and not asked.images else None,
        seed=seed,
        out=path,
        threads=1,
    )
    new = not is_run(path)
    run = start(data, chosen, options, Watcher()) if new else resume(path, ResumeOptions())
    minutes = math.inf if asked.images else asked.minutes * (LATE if grows else 1)
    began = time.monotonic()
    train(run, Watcher(), stop=lambda: time.monotonic() - began > 60 * minutes)
    done.write_text(json.dumps(time.monotonic() - began))
    print(f"{path}: {run.history()[-1]}", flush=True)


def draw_all(asked: argparse.Namespace) -> None:
    """A picture for each method and set, and a table of all runs."""
    asked.pictures.mkdir(parents=True, exist_ok=True)
    head = ["method", "set", "size", "run", "minutes", "images", "measure", "highest", "last tenth"]
    head += ["fell to", "L(G) / L(x), last quarter", "MS-SSIM of pairs"]
    rows = [cells(head), "|" + "---|" * len(head)]
    for method, data in itertools.product(asked.methods, asked.sets):
        paths = [
            path_of(asked, data, method, seed, gamma)
            for seed in asked.seeds
            for gamma in asked.gammas or [None]
        ]
        runs = [Run.open(path) for path in paths if (path / "seconds.json").exists()]
        if not runs:
            continue
        rows += [row(method, data, run) for run in runs]
        kind = "-gammas" if asked.gammas else ""
        name = (
            f"{method}-{data}{kind}"
            if asked.size == "32"
            else f"{method}-{data}-{asked.size}{kind}"
        )
        draw(runs, asked.pictures / f"{name}.png", f"{method} on {data} at {asked.size}")
    if asked.pictures == Path("docs/methods"):
        print("\n".join(rows))
    else:
        (asked.pictures / "runs.md").write_text("\n".join(rows) + "\n", encoding="utf-8")


def cells(values: Sequence[object]) -> str:
    """A row of a table."""
    return "| " + " | ".join(str(value) for value in values) + " |"


def measure_of(run: Run) -> str:
    """What the method says of how well it does: falls as images get better."""
    return "convergence" if "convergence" in run.history()[-1] else "distance"


def curve(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Images drawn and the distance, as a running median."""
    history = run.history()
    drawn = np.array([line["drawn"] for line in history])
    distance = np.array([line[measure_of(run)] for line in history])
    window = min(SMOOTHED, len(distance))
    medians = np.median(np.lib.stride_tricks.sliding_window_view(distance, window), axis=1)
    return drawn[window - 1 :], medians


def row(method: str, data: str, run: Run) -> str:
    """How far the estimate fell: from its highest smoothed value to the mean of the last tenth."""
    drawn, distance = curve(run)
    last = float(distance[-max(1, len(distance) // 10) :].mean())
    highest = float(distance.max())
    minutes = json.loads((run.path / "seconds.json").read_text()) / 60
    images = to_uint8(load(run.path).sample(2 * PAIRS, seed=1))
    alike = diversity(images, pairs=PAIRS)
    return cells(
        [
            *(
                method,
                data,
                run.config.data.size,
                title_of(run),
                f"{minutes:.0f}",
                f"{drawn[-1]:,}",
            ),
            *(measure_of(run), f"{highest:.3g}", f"{last:.3g}", f"{last / highest:.0%}"),
            *(ratio(run), f"{alike.similarity:.3f} +- {alike.error:.3f}"),
        ]
    )


def ratio(run: Run) -> str:
    """L(G) / L(x) over the last quarter of a run of began, against gamma."""
    history = run.history()
    if "loss_x" not in history[-1]:
        return "-"
    late = history[-max(1, len(history) // 4) :]
    of = sum(line["loss_g"] for line in late) / sum(line["loss_x"] for line in late)
    return f"{of:.3f} (gamma {run.config.recipe.method.gamma:g})"  # type: ignore[attr-defined]


def title_of(run: Run) -> str:
    """What tells this run from the others in its picture."""
    last = run.path.name.rpartition("-")[2]
    return f"gamma {last[5:]}" if last.startswith("gamma") else f"seed {run.config.seed}"


def draw(runs: list[Run], path: Path, title: str) -> None:
    """The newest samples of each seed, and the curves of all."""
    figure, axes = plt.subplots(
        1, len(runs) + 1, figsize=(4 * len(runs) + 5, 4.2), layout="constrained"
    )
    for axis, run in zip(axes, runs, strict=False):
        with Image.open(run.newest_samples()) as picture:
            axis.imshow(np.asarray(picture.convert("RGB")))
        axis.set_title(f"{title_of(run)}, {run.history()[-1]['drawn']:,} images")
        axis.axis("off")
    for run in runs:
        drawn, distance = curve(run)
        axes[-1].plot(drawn / 1000, distance, label=title_of(run))
    axes[-1].set_xlabel("thousand real images drawn")
    measured = measure_of(runs[0]) == "convergence"
    axes[-1].set_ylabel("M, convergence measure" if measured else "Wasserstein estimate")
    axes[-1].set_ylim(bottom=0)
    axes[-1].legend()
    figure.suptitle(title)
    figure.savefig(path, dpi=85)
    plt.close(figure)


if __name__ == "__main__":
    main()
