"""What a run leaves open, fitted to its images, its budget and the machine, before it is made.

For every method: the number of threads, and with `--hours` the number of images. For one that
grows: the width of its networks, the largest batch that memory holds, and the phases of its levels.
All of it goes into the run's configuration, so that another machine goes on with the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from .config import Config
from .errors import OptionError
from .machine import Phase, timed, with_threads
from .methods import Progressive
from .networks import Growing
from .size import levels_of
from .step_memory import bytes_per_image, free_memory

FINAL = 4  # settling phases at the full size: 2.4 of the paper's 12 million images
LEAST_STEPS = 4  # batches in a phase; with fewer a level is not worth having
PROVISIONAL = 1_000_000_000  # images, until it is known how many the hours hold
WORTH = 200_000  # images; a budget that holds fewer is better spent on narrower networks
SHARE = 0.5  # of the free memory that a step may take
PICTURE = 180.0  # seconds from one picture to the next, at most ...
SAMPLES = 1_000  # ... but at least so many images: drawing 64 then takes 1 % of the time
LOST = 600.0  # seconds of training that a crash may cost
# By what the paper's `maps` and `widest` are divided, widest first.
NARROWER = ((1, 1), (4, 2), (16, 8), (32, 8))


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
    threads, best = fitted.threads, _timed(choices[0], fitted.threads, hours)
    for wider in choices[1:] if best[0].recipe.images >= WORTH else []:  # from the narrowest on
        try:
            other = _timed(wider, threads, hours)
        except OptionError:  # too wide for the memory, or too slow for all levels
            break
        if other[0].recipe.images < WORTH:
            break
        best = other
    return best


def resolved(config: Config) -> Config:
    """The configuration with the width, batches and phases of its plan; nothing is timed.

    Raises:
        OptionError: the images or the memory are too few; it says what would fit.
    """
    return _settled(next(_widths(config, None)))


def paced(config: Config, images_per_second: float) -> Config:
    """The configuration with the intervals of its log, samples and checkpoints, for good.

    Where training is slow a picture comes, and a checkpoint, before the usual number of images.
    """

    def within(seconds: float, most: int, least: int) -> int:
        return max(least, min(most, _round_down(seconds * images_per_second)))

    chores = replace(
        config.chores,
        log_every=config.log_every,
        sample_every=config.chores.sample_every or within(PICTURE, config.sample_every, SAMPLES),
        save_every=config.chores.save_every or within(LOST, config.save_every, 1),
    )
    return replace(config, chores=chores)


def _round_down(x: float) -> int:
    """The nearest of 1, 2, 5, 10, 20, 50, ... below."""
    if x < 1:
        return 0
    digits = str(int(x))
    return max(n for n in (1, 2, 5) if n <= int(digits[0])) * int(10 ** (len(digits) - 1))


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
    papers = Growing()
    for maps, most in narrowest_first[: None if hours else 1]:
        chosen = replace(networks, width=1.0)
        if networks.maps == papers.maps:  # a number that was given stays
            chosen = replace(chosen, maps=papers.maps // maps)
        if networks.widest == papers.widest:
            chosen = replace(chosen, widest=papers.widest // most)
        yield replace(config, recipe=replace(config.recipe, networks=chosen))


def _phased(config: Config) -> Config:
    """The configuration with the phases of its levels, as the paper shares them out.

    Of the paper's 12 million images for 8 doublings, a phase has 600,000, and the full size settles
    for 4 of them: with n doublings a phase is a (2 n + 4)-th of all images. Where levels may settle
    for longer, phases are shorter, so that the full size has its share in any case.

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
    longest, phases = _shares(method, doublings)
    least = LEAST_STEPS * method.batch * method.n_critic
    phase = images // phases
    if phase < least and None in (method.fade, method.settle):
        raise OptionError(
            f"{images:,} images are too few for the {doublings + 1} levels up to {size}: each of "
            f"{phases} phases would have {phase:,} images, and {LEAST_STEPS} batches are "
            f"{least:,}. Give --images {fewest_images(config)} or more (or more --hours), a "
            "smaller --batch, or a smaller --size."
        )
    chosen = replace(method, fade=method.fade or phase, settle=method.settle or phase)
    fade, settle = chosen.planned
    last = round(doublings * (fade + longest * settle)) - fade  # the last level begins, at most
    if images <= last:
        raise OptionError(
            f"with phases of {fade:,} and {settle:,} images the level of {size} begins at image "
            f"{last:,}, and training ends at {images:,}. Give --images {last + fade + settle} or "
            "more, or smaller --fade and --settle; --fade None --settle None plans them to fit."
        )
    return replace(config, recipe=replace(config.recipe, method=chosen))


def _shares(method: Progressive, doublings: int) -> tuple[float, int]:
    """Phases that a level settles for, at most, and phases in all."""
    longest = method.most if method.grow == "converged" else 1.0
    return longest, math.ceil(doublings * (1 + longest)) + FINAL


def fewest_images(config: Config) -> int:
    """The fewest images that a run can be planned for, where its phases are not given."""
    method, doublings = config.recipe.method, len(levels_of(config.data.size)) - 1
    if not isinstance(method, Progressive) or _has_phases_given(config):
        return 1
    return _shares(method, doublings)[1] * LEAST_STEPS * method.batch * method.n_critic


def _timed(open_: Config, threads: int, hours: float) -> tuple[Config, dict[int, float]]:
    """A width with the images that the hours hold, and its speed."""
    open_ = replace(open_, threads=threads)
    parts = timed(_settled(open_), threads)
    images = max(1, _images_within(parts, hours * 3600, alike=not _has_phases_given(open_)))
    if images < (fewest := fewest_images(open_)):
        enough = float(f"{1.05 * hours * fewest / images:.2g}")  # which rounds by less
        raise OptionError(
            f"--hours {hours:g} hold {images:,} images here, and the levels up to "
            f"{open_.data.size} need {fewest:,}. Give --hours {enough:g} or more, a smaller "
            "--batch, or a smaller --size."
        )
    config = _settled(replace(open_, recipe=replace(open_.recipe, images=images)))
    return config, {threads: images / (hours * 3600)}


def _images_within(parts: Sequence[Phase], seconds: float, *, alike: bool) -> int:
    """How many images are drawn in so many seconds, through parts of a run that is too long for it.

    `alike`: the parts shrink with the whole, as planned phases do; given ones stay, and the last
    one is cut short.
    """
    if alike:
        whole = sum(part.took for part in parts)
        return round(sum(part.images for part in parts) * seconds / whole)
    images = 0.0
    for part in parts:
        fits = min(part.images, max(0.0, seconds) / part.seconds)
        images, seconds = images + fits, seconds - fits * part.seconds
    return round(images)


def _has_phases_given(config: Config) -> bool:
    method = config.recipe.method
    return isinstance(method, Progressive) and (method.fade, method.settle) != (None, None)


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
        each = bytes_per_image(config, level)
        fits = int(free // each)
        if not fits:
            raise OptionError(
                f"a step on one image of {at} takes {each / 1e9:.1f} GB, "
                f"and {free / 1e9:.1f} GB are free for it on {config.device}. Give a --width "
                "below 1, or a smaller --size."
            )
        if fits < method.batch_at(at):
            span, fewest = min(method.span, fits * max(at)), min(method.fewest, fits)
            method = replace(method, span=span, fewest=fewest)
    return replace(config, recipe=replace(config.recipe, method=method))
