"""The work of `poise sample`, with its options: a grid, single images, or every level of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from tyro.conf import arg

from .config import name_of
from .errors import OptionError, RunError
from .files import refuse_taken, write_asked, write_together
from .generator import load
from .methods import METHODS
from .options import parsed
from .pictures import grid, png, to_uint8, upsampled
from .places import RunWord
from .run import Run, sample_path
from .sampling import at_once

LONGEST_ROW = 16  # images of one level, side by side


@dataclass(frozen=True)
class SampleOptions:
    """Draw images from a trained run."""

    run: RunWord  # the run's directory
    n: Annotated[int, arg(aliases=["-n"])] = 64  # images
    out: Path | None = None  # a .png for a grid, a directory for single images; unset: in the run
    seed: int = 0  # of the latents; the first images of many are those of few
    grid: bool = True  # one picture of all, or one file an image
    stage: bool = False  # of a run that grows: up to 16 at each level, lower ones from their maps
    at: str = "best"  # which checkpoint: best (as measured), last, or a number of images
    device: str = "cpu"  # cpu, cuda, mps: where the generator runs


def parse_sample(argv: Sequence[str]) -> SampleOptions:
    """The options of `poise sample`."""
    return parsed(SampleOptions, argv, "poise sample")


def sample_to_files(asked: SampleOptions, warn: Callable[[str], None]) -> Iterator[Path]:
    """Write a grid, or one PNG an image, and yield what was written; nothing is overwritten.

    Raises:
        InputError: not a run, no checkpoint, or the files are there already.
    """
    if asked.stage:
        _refuse_without_stages(asked.run)
    generator = load(asked.run, device=asked.device, at=asked.at, warn=warn)
    n = min(asked.n, LONGEST_ROW) if asked.stage else asked.n
    what = f"n{n}-seed{asked.seed}" + ("-stages.png" if asked.stage else ".png")
    mine = sample_path(Path(asked.run), generator.drawn, what)
    latents, target = generator.latents(n, seed=asked.seed), _target(asked, mine)
    if asked.stage:
        levels = generator.at_every_level(latents)
        images = np.concatenate([upsampled(to_uint8(part), generator.size) for part in levels])
        parts, count = iter([images]), len(images)
    else:  # of 50,000 all at once would not fit into memory
        some = torch.split(latents, at_once(generator.size))
        parts, count = (to_uint8(generator(part)) for part in some), n
    alone = [] if target.suffix == ".png" else [f"{i:06d}.png" for i in range(count)]
    if asked.out:  # the run's own file of its name holds the same picture: a person's is spared
        refuse_taken([target / name for name in alone] or [target])
    if alone:
        write_together(target, zip(alone, map(png, chain.from_iterable(parts)), strict=True))
    else:
        columns = n if asked.stage else 0
        write_asked(target, png(grid(np.concatenate(list(parts)), columns), at_least=512))
    yield target


def _refuse_without_stages(path: str) -> None:
    config = Run.open(Path(path)).config
    if config.recipe.method.needs != "grow":
        raise RunError(
            f"{path} was trained by {name_of(config.recipe.method, METHODS)}, which has no stages. "
            "--stage is for runs of --method progressive."
        )


def _target(asked: SampleOptions, mine: Path) -> Path:
    """A .png for a grid, a directory for single images."""
    if asked.out is None:
        return mine if asked.grid else mine.with_suffix("")
    suffix = asked.out.suffix.lower()
    if suffix in (".jpg", ".jpeg", ".webp", ".gif", ".bmp") or (suffix and not asked.grid):
        raise OptionError(
            f"--out is a .png for a grid or a directory for single images, got {asked.out}."
        )
    return asked.out.with_suffix(".png") if suffix == ".png" else asked.out
