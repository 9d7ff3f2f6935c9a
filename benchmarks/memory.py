"""Whether a long training grows: memory and open files over thousands of steps.

    python benchmarks/memory.py                 2,000 steps with 20 pictures and 20 checkpoints
    python benchmarks/memory.py --steps 10000

The bars: resident memory grows by less than 1 MB in 1,000 steps, and not one more file is open.
The first quarter is left out: allocators and caches fill there.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from poise.config import Chores, Config, Images
from poise.data.options import PrepareOptions
from poise.data.prepare import prepare
from poise.methods import METHODS
from poise.presets import recipe
from poise.run import Run
from poise.training import train
from poise.watcher import Moment, Watcher

EVERY = 10  # steps between two looks
WARM_UP = 0.25  # share of the steps
BAR = 1.0  # MB in 1,000 steps
CHORES = 20  # pictures, and as many checkpoints


@dataclass
class Looks(Watcher):
    """Looks at this process after every tenth step."""

    steps: int = 0
    at: list[int] = field(default_factory=list)  # steps
    megabytes: list[float] = field(default_factory=list)
    files: list[int] = field(default_factory=list)  # open
    process: psutil.Process = field(default_factory=psutil.Process)

    def stepped(self, moment: Moment) -> None:
        """A step was made."""
        self.steps += 1
        if self.steps % EVERY == 0:
            self.at.append(self.steps)
            self.megabytes.append(self.process.memory_info().rss / 1e6)
            self.files.append(self.process.num_fds())


def main() -> int:
    """Measure each method; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2_000)
    parser.add_argument("--methods", nargs="+", default=["wgan-gp"], choices=list(METHODS))
    parser.add_argument("--size", default="16")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "| method | steps | checkpoints | MB at first | MB at the end | MB in 1,000 steps |"
        " open files | time |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    fine = [measured(method, asked.steps, asked.size) for method in asked.methods]
    return 0 if all(fine) else 1


def measured(method: str, steps: int, size: str) -> bool:
    """Print one line of the table; whether it holds the bars."""
    with tempfile.TemporaryDirectory(prefix="poise-memory-") as folder:
        options = PrepareOptions(size=size, limit=256)
        prepared = prepare("shapes", Path(folder) / "shapes.poise", options, workers=1)
        base = recipe(method)
        small: Any = replace(base.method, batch=8)  # type: ignore[type-var]
        images = steps * 8 * getattr(small, "n_critic", 1)
        data = Images("shapes", str(prepared.path), prepared.fingerprint, prepared.size, 3)
        each = images // CHORES
        chores = Chores(log_every=max(1, images // 200), sample_every=each, save_every=each)
        networks: Any = replace(base.networks, width=0.125)  # type: ignore[type-var]
        play = replace(base, method=small, networks=networks, images=images)
        run, looks = Run.create(Path(folder) / "run", Config(play, data, chores)), Looks()
        started = time.monotonic()
        train(run, looks)
        seconds = time.monotonic() - started
        checkpoints = (run.path / "events.jsonl").read_text().count('"saved"')
    first = int(len(looks.at) * WARM_UP)
    slope = 1000 * float(np.polyfit(looks.at[first:], looks.megabytes[first:], 1)[0])
    files = sorted(set(looks.files[first:]))
    print(
        f"| {method} | {looks.steps} | {checkpoints} | {looks.megabytes[first]:.1f} | "
        f"{looks.megabytes[-1]:.1f} | {slope:+.2f} | {' to '.join(map(str, files))} | "
        f"{seconds:.0f} s |",
        flush=True,
    )
    return slope < BAR and len(files) == 1


if __name__ == "__main__":
    sys.exit(main())
