"""The measures of `poise evaluate`, made ready for one set of real images.

Each takes images and gives scores; the floor is what it gives for real images that are not those it
compares with. What cannot be measured of some images is undefined for them, and says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from .data.labelled import known_modes
from .errors import DataError
from .metrics.ms_ssim import diversity
from .metrics.sets import Images
from .metrics.swd import sliced_wasserstein
from .naming import classifier_for, modes_of
from .scores import Scores, score, undefined
from .subjects import RealSet
from .watcher import Watcher

Name = Literal["swd", "ms-ssim", "modes"]
NAMES: tuple[Name, ...] = ("swd", "ms-ssim", "modes")


@dataclass(frozen=True)
class Measure:
    """One way to measure images against the reals."""

    name: str
    keys: tuple[str, ...]  # of the scores that it gives
    text: str  # how its numbers are made
    of: Callable[[Images], Scores]
    facts: dict[str, Any] = field(default_factory=dict)  # the same for a program

    def scores(self, images: Images) -> Scores:
        """Every key, with a number or the reason why there is none."""
        try:
            return self.of(images)
        except DataError as error:
            return {key: undefined(str(error)) for key in self.keys}


@dataclass(frozen=True)
class Settings:
    """What a person chose."""

    measures: tuple[Name, ...]
    seed: int
    batch: int  # images at a time; changes no number


def measures_for(
    reals: RealSet, one: Images, settings: Settings, watcher: Watcher
) -> tuple[list[Measure], list[str]]:
    """The measures that were asked for and can be had, and sentences about those that cannot.

    `one` are the real images to compare with.
    """
    found: list[Measure] = []
    notes: list[str] = []
    if "swd" in settings.measures:
        found.append(_swd(one, settings))
    if "ms-ssim" in settings.measures:
        found.append(_ms_ssim(settings))
    if "modes" in settings.measures:
        try:
            found += _modes(reals, watcher)
        except DataError as error:
            notes.append(f"Modes were not counted: {error}")
    return found, notes


def scores_of(images: Images, measures: Iterable[Measure]) -> Scores:
    """All scores of these images."""
    found: Scores = {}
    for measure in measures:
        found |= measure.scores(images)
    return found


def _swd(one: Images, settings: Settings) -> Measure:
    def of(images: Images) -> Scores:
        swd = sliced_wasserstein(one, images, seed=settings.seed, batch=settings.batch)
        levels = {str(s): d for s, d in zip(swd.sizes, swd.levels, strict=True)}
        return {"swd": score(swd.mean, levels=levels)}

    text = (
        "SWD x1e3: sliced Wasserstein distance of Laplacian pyramids, mean over its levels: texture "
        "and layout, blind to a set that is darker as a whole."
    )
    return Measure("swd", ("swd",), text, of, {"reals": len(one), "fakes": len(one)})


def _ms_ssim(settings: Settings) -> Measure:
    def of(images: Images) -> Scores:
        alike = diversity(images, seed=settings.seed, batch=settings.batch)
        return {"ms_ssim": score(alike.similarity, error=alike.error, pairs=alike.pairs)}

    text = (
        "MS-SSIM: how alike two images of a set are, mean over random pairs; above the floor: less "
        "varied than the real images."
    )
    return Measure("ms-ssim", ("ms_ssim",), text, of)


def _modes(reals: RealSet, watcher: Watcher) -> Iterator[Measure]:
    """Of a set whose modes are known; nothing otherwise."""
    known = known_modes(reals.prepared)
    if known is None:
        return
    classifier = classifier_for(known, reals.view, reals.prepared.path.parent, watcher)

    def of(images: Images) -> Scores:
        modes = modes_of(images, known, classifier)
        return {
            "modes": score(modes.found, of=modes.of),
            "kl": score(modes.divergence),
            "recognised": score(modes.recognised),
        }

    what = f"{known.name} that it had not seen"
    text = (
        f"Modes: kinds of image found, KL: how far from evenly (nats), recognised: share of which "
        f"the classifier is sure. It names {classifier.accuracy:.1%} of {classifier.held_out:,} "
        f"{what} right"
        + (", channel by channel." if known.apart else ", in every factor.")
    )
    facts = {"accuracy": classifier.accuracy, "held_out": classifier.held_out, "set": known.name}
    yield Measure("modes", ("modes", "kl", "recognised"), text, of, facts)
