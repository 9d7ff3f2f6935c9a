"""What this machine can do: the device, the fastest number of threads, images per second."""

from __future__ import annotations

import os
import re
import time
from dataclasses import replace
from typing import NamedTuple

import psutil
import torch
from torch import Tensor

from .build import make_players
from .config import Config
from .data.work import usable_cores
from .errors import OptionError
from .optim import rate_after
from .players import Players, Reals, out_of_memory
from .size import Size

TIMING = "Timing a few steps ..."  # seconds; minutes, of networks as wide as the paper's
SECONDS = 1.0  # of real steps timed for each number of threads
KNOWN = re.compile(r"cpu|mps|cuda(:\d+)?")
GAIN = 1.1  # a doubling of the threads must pay this much: other programs want cores too


def device_named(name: str) -> str:
    """The device to use; "auto" is CUDA where there is one, else Apple's MPS, else the CPU.

    Raises:
        OptionError: there is no such device on this machine.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    if not KNOWN.fullmatch(name):
        raise OptionError(f'no device "{name}" here: a --device is auto, cpu, mps, cuda or cuda:1.')
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise OptionError(f'no device "{name}" here: {reason}. Use --device cpu.') from error
    return name


class _Enough(Exception):
    """The time for timing is over, in the middle of a step."""


class _Dummies(Reals):
    """Images of noise, handed out until the deadline."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._images = torch.empty(0)  # of the size that was asked for last
        self.drawn = 0
        self.deadline = float("inf")

    def __call__(self, n: int, size: Size | None = None) -> Tensor:
        if time.monotonic() > self.deadline:
            raise _Enough
        self.drawn += n
        shape = (n, self._config.data.channels, *(size or self._config.data.size))
        if self._images.shape != shape:
            images = torch.rand(shape, device=self._config.device) * 2 - 1
            self._images = images.to(memory_format=torch.channels_last)
        return self._images


class Phase(NamedTuple):
    """A part of a run in which steps cost alike."""

    images: int
    seconds: float  # for each of them

    @property
    def took(self) -> float:
        """Seconds for all of them."""
        return self.images * self.seconds


def images_per_second(config: Config, threads: int, seconds: float = SECONDS) -> float:
    """How fast a run goes; where steps grow dearer with the clock, the mean over all of it."""
    return config.recipe.images / sum(part.took for part in timed(config, threads, seconds))


def timed(config: Config, threads: int, seconds: float = SECONDS) -> list[Phase]:
    """How fast real steps of each phase go, on players of their own; at least one batch is timed.

    Raises:
        OptionError: memory runs out.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        players, reals = make_players(config), _Dummies(config)
        parts, measured = phases_of(config), []
        for start, images in parts:
            players.memory.clear()  # as if the run began here
            each = _seconds_per_image(config, players, reals, start, seconds / len(parts))
            measured.append(Phase(images, each))
        return measured
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        raise OptionError(
            f"{config.device} has no memory for steps of {config.recipe.method.batch} images of "
            f"{config.data.size}. Give a smaller --batch, --width or --size."
        ) from error
    finally:
        torch.set_num_threads(before)


def phases_of(config: Config) -> list[tuple[int, int]]:
    """The clocks from which steps cost alike, and how many images each phase has."""
    phases = getattr(config.recipe.method, "phases", None)
    whole = [(0, config.recipe.images)]
    return phases(config.recipe.images, config.data.size) if phases else whole


def _seconds_per_image(
    config: Config, players: Players, reals: _Dummies, start: int, seconds: float
) -> float:
    for lasting in (0.0, seconds):  # at first a warm-up: one step, or one batch of it
        reals.drawn, began = start, time.monotonic()
        _steps(config, players, reals, began + lasting)
        took = time.monotonic() - began
        if took > 2 * SECONDS:  # slow enough for the warm-up not to matter
            break
    return took / (reals.drawn - start)


def _steps(config: Config, players: Players, reals: _Dummies, until: float) -> None:
    """Step until then; a step that runs four times longer (100 critic updates) is broken off."""
    reals.deadline = until + 4 * SECONDS
    try:
        while True:
            players.seed_noise(0, 0, reals.drawn)
            players.set_clock(reals.drawn)
            players.set_rate(rate_after(config.recipe.optimizer, reals.drawn))
            config.recipe.method.step(players, reals)
            if config.device != "cpu":
                torch.zeros(1, device=config.device).item()  # wait for what was launched
            if time.monotonic() >= until:
                return
    except _Enough:
        return


def fastest_threads(config: Config) -> dict[int, float]:
    """Images per second by number of threads, the one to take first.

    Powers of two up to the cores this process may use (or OMP_NUM_THREADS, if that is fewer).
    On a busy machine more threads are slower, since each waits for the last one to be scheduled.
    """
    cores = usable_cores()
    most = min(cores, int(os.environ.get("OMP_NUM_THREADS") or cores))
    candidates = [1 << k for k in range(most.bit_length()) if 1 << k <= most]
    speeds = {threads: images_per_second(config, threads) for threads in candidates}
    best = 1
    for threads in candidates:
        if speeds[threads] > GAIN * speeds[best]:
            best = threads
    return {best: speeds[best]} | speeds


def with_threads(config: Config, threads: int) -> tuple[Config, dict[int, float]]:
    """The configuration with its number of threads, and the speeds that were measured.

    With `threads` 0 the fastest is taken; on a GPU one thread is enough to launch its work. Real
    steps are made in any case, so what a step would refuse is refused before a run is made.
    """
    if threads or config.device != "cpu":
        config = replace(config, threads=threads or 1)
        return config, {config.threads: images_per_second(config, config.threads, 0.0)}
    speeds = fastest_threads(config)
    return replace(config, threads=next(iter(speeds))), speeds


def memory_in_use(device: str) -> int:
    """Bytes that this process takes on its device, once steps were made."""
    if device.startswith("cuda"):
        return torch.cuda.memory_reserved(device)
    resident: int = psutil.Process().memory_info().rss
    return resident


def forecast(config: Config, speeds: dict[int, float]) -> str:
    """What a training will take, in words, from the speeds that were measured by threads."""
    images = config.recipe.images
    each = ", ".join(f"{n}: {speed:.0f}" for n, speed in sorted(speeds.items()))
    return (
        f"Threads: {config.threads} (images/s by threads: {each}). Training {images:,} images at "
        f"{config.data.size} takes about {duration(images / speeds[config.threads])} and "
        f"{memory_in_use(config.device) / 1e9:.1f} GB of memory on {config.device}."
    )


def duration(seconds: float) -> str:
    """A length of time in words."""
    if seconds < 90:
        return f"{max(1, round(seconds))} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 6000 else f"{seconds / 3600:.1f} hours"
