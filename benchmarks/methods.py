"""Trains methods on the built-in sets, some seeds each, and draws what came of it.

    python benchmarks/methods.py --minutes 5 --out runs/methods --pictures docs/methods

Every run is `poise train SET --method METHOD --seed SEED --threads 1` with its default settings,
stopped after so many minutes of training. A run that is there and finished is not made again, so
the driver can be stopped and started.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import pyplot as plt
from PIL import Image

from poise.data.options import PrepareOptions
from poise.presets import recipe
from poise.run import Run, is_run
from poise.session import ResumeOptions, TrainOptions, resume, start
from poise.training import train
from poise.watcher import Watcher

matplotlib.use("Agg")

METHODS = ("wgan-gp", "wgan")
SETS = ("faces", "digits", "shapes")
SMOOTHED = 5  # log lines in the running median of a curve
WITHOUT_END = 10**9  # images: the time ends a run


def main() -> None:
    """Train what is missing, then draw and tabulate all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    parser.add_argument("--size", default="32")
    parser.add_argument("--out", type=Path, default=Path("runs/methods"))
    parser.add_argument("--pictures", type=Path, default=Path("docs/methods"))
    asked = parser.parse_args()
    for seed, data, method in itertools.product(range(asked.seeds), asked.sets, asked.methods):
        played(asked.out, method, data, seed, asked.size, 60 * asked.minutes)
        draw_all(asked)
    draw_all(asked)


def played(out: Path, method: str, data: str, seed: int, size: str, seconds: float) -> None:
    """One run, trained for so many seconds in all."""
    path = out / f"{data}-{method}-{seed}"
    done = path / "seconds.json"
    if done.exists():
        return
    options = TrainOptions(
        data=PrepareOptions(size=size), images=WITHOUT_END, seed=seed, out=path, threads=1
    )
    if is_run(path):
        run = resume(path, ResumeOptions())
    else:
        run = start(data, recipe(method), options, Watcher())
    began = time.monotonic()
    train(run, Watcher(), stop=lambda: time.monotonic() - began > seconds)
    done.write_text(json.dumps(time.monotonic() - began))
    print(f"{path}: {run.history()[-1]}", flush=True)


def draw_all(asked: argparse.Namespace) -> None:
    """A picture for each method and set, and a table of all runs."""
    asked.pictures.mkdir(parents=True, exist_ok=True)
    rows = ["| method | set | seed | images | highest | last tenth | fell to |", "|" + "---|" * 7]
    for method, data in itertools.product(asked.methods, asked.sets):
        paths = [asked.out / f"{data}-{method}-{seed}" for seed in range(asked.seeds)]
        runs = [Run.open(path) for path in paths if (path / "seconds.json").exists()]
        if not runs:
            continue
        rows += [row(method, data, run) for run in runs]
        draw(runs, asked.pictures / f"{method}-{data}.png", f"{method} on {data}")
    (asked.pictures / "runs.md").write_text("\n".join(rows) + "\n", encoding="utf-8")


def curve(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Images drawn and the distance, as a running median."""
    history = run.history()
    drawn = np.array([line["drawn"] for line in history])
    distance = np.array([line["distance"] for line in history])
    window = min(SMOOTHED, len(distance))
    medians = np.median(np.lib.stride_tricks.sliding_window_view(distance, window), axis=1)
    return drawn[window - 1 :], medians


def row(method: str, data: str, run: Run) -> str:
    """How far the estimate fell: from its highest smoothed value to the mean of the last tenth."""
    drawn, distance = curve(run)
    last = float(distance[-max(1, len(distance) // 10) :].mean())
    highest = float(distance.max())
    return (
        f"| {method} | {data} | {run.config.seed} | {drawn[-1]:,} | {highest:.3g} | {last:.3g} "
        f"| {last / highest:.0%} |"
    )


def draw(runs: list[Run], path: Path, title: str) -> None:
    """The newest samples of each seed, and the curves of all."""
    figure, axes = plt.subplots(
        1, len(runs) + 1, figsize=(4 * len(runs) + 5, 4.2), layout="constrained"
    )
    for axis, run in zip(axes, runs, strict=False):
        with Image.open(run.newest_samples()) as picture:
            axis.imshow(np.asarray(picture.convert("RGB")))
        axis.set_title(f"seed {run.config.seed}, {run.history()[-1]['drawn']:,} images")
        axis.axis("off")
    for run in runs:
        drawn, distance = curve(run)
        axes[-1].plot(drawn / 1000, distance, label=f"seed {run.config.seed}")
    axes[-1].set_xlabel("thousand real images drawn")
    axes[-1].set_ylabel("Wasserstein estimate")
    axes[-1].set_ylim(bottom=0)
    axes[-1].legend()
    figure.suptitle(title)
    figure.savefig(path, dpi=70)
    plt.close(figure)


if __name__ == "__main__":
    main()
