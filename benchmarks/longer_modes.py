"""Modes of a built-in set that methods find in more time than `poise claims modes` gives them.

    python benchmarks/longer_modes.py --minutes 20 --methods gan wgan-gp --seeds 0 1

Each method's default preset at 16x16, 5,000 samples of its average generator, one thread. Minutes
are those of the processor. What was trained is kept in --out and not trained again.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import torch

from poise.claims.claim import Pieces
from poise.claims.modes import on_images


def main() -> None:
    """Train what is missing, then tabulate all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", default="stacked-digits")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--methods", nargs="+", default=["gan", "wgan-gp"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--out", type=Path, default=Path("runs/longer-modes"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print("| method | seed | images drawn | modes found | recognised | KL, nats |")
    print("|---|---:|---:|---:|---:|---:|")
    for seed, method in itertools.product(asked.seeds, asked.methods):
        kept = Pieces(asked.out, name=f"{asked.set}-{asked.minutes:g}-{seed}")
        seconds = 60 * asked.minutes
        found = kept.once(method, on_images, method, asked.set, seconds, seed, asked.out)
        modes = f"{found['found']} of {found['of']} | {found['recognised']:.1%}"
        print(
            f"| {method} | {seed} | {found['drawn']:,} | {modes} | {found['divergence']:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
