"""A trained generator, taken out of its run: latents in, images out, nothing else needed."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .checkpoints import Checkpoint
from .errors import OptionError, RunError
from .latents import LatentSpace
from .machine import device_named
from .readout import at_level, enough
from .run import Run
from .sampling import at_once, draw
from .size import Size

AVERAGE = "average."  # the start of the names of its tensors
FITTED = 1  # the seed of latents that lower levels are looked at with


@dataclass(frozen=True)
class Generator:
    """The average generator of a run. `generator.sample(16)` draws 16 images.

    Example:
        >>> generator = poise.load("runs/faces-wgan-gp-1")
        >>> images = generator.sample(16, seed=3)   # [16, 3, 32, 32] in [-1, 1]
    """

    network: nn.Module  # latents [n, d] -> images [n, c, h, w] in [-1, 1]
    space: LatentSpace  # what its latents are drawn from
    size: Size  # height x width of an image, in pixels
    channels: int
    drawn: int  # real images it was trained on

    def sample(self, n: int, *, seed: int = 0) -> Tensor:
        """n images [n, c, h, w] in [-1, 1]. The i-th depends on the seed and i, not on n.

        Raises:
            OptionError: n is below 1.
        """
        return self(self.latents(n, seed=seed))

    def latents(self, n: int, *, seed: int = 0) -> Tensor:
        """The latents [n, d] that `sample` draws from.

        Raises:
            OptionError: n is below 1, or the seed has more than 64 bits.
        """
        if not -(2**63) <= seed < 2**63:
            raise OptionError(f"--seed is a number of 64 bits, got {seed}.")
        if n < 1:
            raise OptionError(f"the number of samples -n must be at least 1, got {n}.")
        return self.space.fixed(n, seed)

    def at_every_level(self, latents: Tensor) -> list[Tensor]:
        """What each level that is grown holds of these latents' images, smallest first.

        Each is [n, c, h, w]. Below the last one, a level shows what a linear look at its features
        tells of the finished image (readout.py): its own way out was trained no more once the next
        level had faded in.

        Raises:
            RunError: the network does not grow.
        """
        network: Any = self.network
        if not hasattr(network, "grow_to"):
            raise RunError("this run's generator has no levels: only --network growing has.")
        latents = latents.to(next(network.parameters()).device)
        images = []
        for level in range(network.stage.level):
            fitted = self.space.fixed(enough(network, level), FITTED)
            images.append(at_level(network, level, latents, fitted).clamp(-1, 1).cpu())
        return [*images, self(latents)]

    def __call__(self, latents: Tensor) -> Tensor:
        """Images [n, c, h, w] in [-1, 1] of latents [n, d]."""
        device = next(self.network.parameters()).device
        return draw(self.network, latents.to(device), at_once(self.size)).clamp(-1, 1)


def _warn(text: str) -> None:
    warnings.warn(text, RuntimeWarning, stacklevel=4)


def load(
    run: str | Path,
    *,
    device: str = "cpu",
    at: str | int = "best",
    warn: Callable[[str], None] = _warn,
) -> Generator:
    """The generator of one of a run's checkpoints, or of a .safetensors that `poise export` wrote.

    `warn` hears of damaged checkpoints. `at` is "best", by the measure that the run was told to go
    by (the last one if nothing was measured); "last"; or a number of images.

    Raises:
        RunError: not a run, of a newer version, or without such a checkpoint.
        OptionError: there is no such device here, or `at` is no such word.
    """
    if Path(run).suffix == ".safetensors" and not Path(run).is_dir():
        from .generator_file import read_generator  # which makes a Generator, as this file does

        return read_generator(Path(run), device)
    device = device_named(device)
    opened = Run.open(Path(run))
    checkpoint = _checkpoint(opened, at, warn)
    config = opened.config
    networks, data = config.recipe.networks, config.data
    with torch.device("meta"):  # no weights are drawn only to be thrown away
        network = networks.generator(data.size, data.channels)
    weights = {k.removeprefix("average."): v for k, v in checkpoint.tensors.items()}
    try:
        network.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        raise RunError(f"the checkpoint of {run} is of other networks: {error}") from error
    space = LatentSpace(networks.latent, networks.prior)
    network.to(device=device).eval().requires_grad_(False)
    return Generator(network, space, size_of(network, data.size), data.channels, checkpoint.drawn)


def _checkpoint(run: Run, at: str | int, warn: Callable[[str], None]) -> Checkpoint:
    """The checkpoint that `at` names, with the average's tensors only."""
    wanted = str(at).replace(",", "").replace("_", "")
    if wanted.isdecimal():
        found = _kept_at(run, int(wanted), warn)
    elif wanted in ("best", "last"):
        best = run.best.newest(warn, AVERAGE) if wanted == "best" else None
        mine = best is not None and best.facts.get("run") == run.config.identity
        found = best if mine else run.checkpoints.newest(warn, AVERAGE)
    else:
        raise OptionError(f"--at is best, last or a number of images, got {at}.")
    if found is None:
        instead = " (or --at best, which it has)" if wanted == "last" and run.best.drawn() else ""
        raise RunError(
            f"{run.path} has no whole checkpoint yet: the first one comes after "
            f"{run.config.save_every:,} images, or when training ends: poise train "
            f"{run.path}{instead}"
        )
    return found


def _kept_at(run: Run, drawn: int, warn: Callable[[str], None]) -> Checkpoint | None:
    """The checkpoint after so many images, from either folder that has it whole."""
    kept = {*run.best.drawn(), *run.checkpoints.drawn()}
    if drawn not in kept:
        have = ", ".join(f"{clock:,}" for clock in sorted(kept)) or "none"
        raise RunError(
            f"{run.path} keeps no checkpoint after {drawn:,} images. There are: {have}. "
            "Start a run with a larger --keep to keep more."
        )
    places = [part for part in (run.checkpoints, run.best) if drawn in part.drawn()]
    whole = (part.first_whole([drawn], warn, AVERAGE) for part in places)
    return next((found for found in whole if found), None)


def size_of(network: Any, full: Size) -> Size:
    """The size of the images that a network makes at its stage; `full` if it does not grow."""
    size: Size = network.levels[network.stage.level] if hasattr(network, "stage") else full
    return size
