"""What a run leaves open, fitted to its images, its budget and the machine, before it is made.

For every method: the number of threads, and with `--hours` the number of images. For one that
grows: the width of its networks, the largest batch that memory holds, and the phases of its levels.
All of it goes into the run's configuration, so that another machine goes on with the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psutil
import torch
from torch import Tensor, nn

from .config import Config
from .errors import OptionError
from .machine import images_per_second, with_threads
from .methods import Progressive
from .networks import Growing
from .size import Size, levels_of

FINAL = 4  # settling phases at the full size: 2.4 of the paper's 12 million images
LEAST_STEPS = 4  # batches in a phase; with fewer a level is not worth having
PROVISIONAL = 1_000_000_000  # images, until it is known how many the hours hold
WORTH = 200_000  # images; a budget that holds fewer is better spent on narrower networks
SHARE = 0.5  # of the free memory that a step may take
NARROWER = ((1, 1), (4, 2), (16, 8), (32, 8))  # by what `maps` and `widest` are divided, widest first


def plan(config: Config, threads: int, hours: float | None) -> tuple[Config, dict[int, float]]:
    """The configuration with nothing left open, and images per second by threads.

    `threads` 0 takes the fastest number.

    Raises:
        OptionError: the budget or the memory is too small; it says what would fit.
    """
    config = _with_budget(config, hours)
    choices = list(_widths(config, hours))
    fitted, speeds = with_threads(_settled(choices[0]), threads)
    if hours is None:
        return fitted, speeds
    best = _within_hours(fitted, speeds, hours)
    for wider in choices[1:] if best.recipe.images >= WORTH else []:  # from the narrowest on
        other = _settled(replace(wider, threads=fitted.threads))
        speed = {fitted.threads: images_per_second(other, fitted.threads)}
        other = _within_hours(other, speed, hours)
        if other.recipe.images < WORTH:
            break
        best, speeds = other, speed
    return _with_phases_of(best, config), speeds


def resolved(config: Config) -> Config:
    """The configuration with the width, batches and phases of its plan; nothing is timed.

    Raises:
        OptionError: the images or the memory are too few; it says what would fit.
    """
    return _settled(next(_widths(config, None)))


def _settled(config: Config) -> Config:
    return _phased(_within_memory(config))


def refuse_early(config: Config, hours: float | None) -> None:
    """Refuse, before images are prepared for it, a budget or a size that cannot be.

    Raises:
        OptionError: it says what would fit.
    """
    _phased(_with_budget(config, hours))


def _with_budget(config: Config, hours: float | None) -> Config:
    if hours is None:
        return config
    if not 0 < hours < float("inf"):
        raise OptionError(f"--hours must be above 0, got {hours}.")
    # Whatever the number of images is in the end, levels share it alike.
    return replace(config, recipe=replace(config.recipe, images=PROVISIONAL))


def _widths(config: Config, hours: float | None) -> Iterator[Config]:
    """The configuration with each width that may be tried; one where a width is given."""
    networks = config.recipe.networks
    if not isinstance(networks, Growing) or networks.width is not None:
        yield config
        return
    narrowest_first = NARROWER[::-1] if config.device == "cpu" or hours else NARROWER
    for maps, most in narrowest_first[: None if hours else 1]:
        chosen = replace(
            networks, width=1.0, maps=networks.maps // maps, widest=networks.widest // most
        )
        yield replace(config, recipe=replace(config.recipe, networks=chosen))


def _phased(config: Config) -> Config:
    """The configuration with the phases of its levels, as the paper shares them out.

    Of the paper's 12 million images for 8 doublings, a phase has 600,000, and the full size settles
    for 4 of them: with n doublings a phase is a (2 n + 4)-th of all images.

    Raises:
        OptionError: phases would be too short, or the size is no base doubled.
    """
    method, images, size = config.recipe.method, config.recipe.images, config.data.size
    if not isinstance(method, Progressive):
        return config
    doublings = len(levels_of(size)) - 1
    if not doublings:
        raise OptionError(
            f"{size} cannot grow: it is no base doubled. Give a --size like 8, 32 or 64x96, or "
            "another --method."
        )
    phases = 2 * doublings + FINAL
    least = LEAST_STEPS * method.batch * method.n_critic
    phase = images // phases
    if phase < least and None in (method.fade, method.settle):
        raise OptionError(
            f"{images:,} images are too few for the {doublings + 1} levels up to {size}: each of "
            f"{phases} phases would have {phase:,} images, and {LEAST_STEPS} batches are {least:,}."
            f" Give --images {phases * least} or more, a smaller --batch, or a smaller --size."
        )
    chosen = replace(method, fade=method.fade or phase, settle=method.settle or phase)
    return replace(config, recipe=replace(config.recipe, method=chosen))


def _within_hours(config: Config, speeds: dict[int, float], hours: float) -> Config:
    """The configuration with as many images as the hours hold, at the speed that was measured.

    The speed is a mean over levels, and planned phases share all images alike, so it holds for any
    number. (Phases that are given do not: then the run ends somewhat early.)
    """
    images = max(1, round(hours * 3600 * speeds[config.threads]))
    return replace(config, recipe=replace(config.recipe, images=images))


def _with_phases_of(config: Config, asked: Config) -> Config:
    """The phases anew, now that the number of images is known; those that were given stay."""
    method, given = config.recipe.method, asked.recipe.method
    if not isinstance(method, Progressive) or not isinstance(given, Progressive):
        return config
    open_again = replace(method, fade=given.fade, settle=given.settle)
    return _phased(replace(config, recipe=replace(config.recipe, method=open_again)))


def _within_memory(config: Config) -> Config:
    """The configuration with batches that fit into the memory there is.

    Raises:
        OptionError: not even one image of the full size does.
    """
    method, size = config.recipe.method, config.data.size
    if not isinstance(method, Progressive):
        return config
    free = SHARE * free_memory(config.device)
    for level, at in enumerate(levels_of(size)):
        fits = int(free // bytes_per_image(config, level))
        if not fits:
            raise OptionError(
                f"a step on one image of {at} takes {bytes_per_image(config, level) / 1e9:.1f} GB, "
                f"and {free / 1e9:.1f} GB are free for it on {config.device}. Give a --width "
                "below 1, or a smaller --size."
            )
        if fits < method.batch_at(at):
            span, fewest = min(method.span, fits * max(at)), min(method.fewest, fits)
            method = replace(method, span=span, fewest=fewest)
    return replace(config, recipe=replace(config.recipe, method=method))


def free_memory(device: str) -> int:
    """Bytes that can still be had on a device."""
    if device.startswith("cuda"):
        free, _ = torch.cuda.mem_get_info(device)
        return free
    available: int = psutil.virtual_memory().available
    return available


def bytes_per_image(config: Config, level: int) -> int:
    """About what a critic's update keeps in memory for one image at a level.

    Counted on the meta device, without doing the work: all that autograd saves for the scores of a
    real, a fake and a mixed image and for the gradient of the last; of two images less that of one,
    since weights that are scaled when they are used are saved too, once for all images.
    """
    return _saved(config, level, 2) - _saved(config, level, 1)


def _saved(config: Config, level: int, n: int) -> int:
    networks, size = config.recipe.networks, config.data.size
    saved: list[int] = []

    def keep(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, nn.Parameter):
            saved.append(tensor.numel() * tensor.element_size())
        return tensor

    with torch.device("meta"):
        critic: Any = networks.critic(size, config.data.channels)
        at: Size = critic.levels[level]
        critic.grow_to(critic.stage._replace(level=level))
        x = torch.empty(n, config.data.channels, *at, requires_grad=True)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda kept: kept):
            scores = critic(x) + critic(x.detach()) + critic(x.detach())
            torch.autograd.grad(scores.sum(), x, create_graph=True)
    return sum(saved)
