"""The measures of `poise evaluate`, made ready for one set of real images.

Each takes images and gives scores; the floor is what it gives for real images that are not those it
compares with. What cannot be measured of some images is undefined for them, and says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from .data.labelled import KNOWN, known_modes
from .data.prepared import Indices
from .data.some import by_lot
from .errors import DataError, OptionError
from .metrics.coverage import coverage
from .metrics.features import FeatureNetwork, Features
from .metrics.frechet import frechet
from .metrics.kernel import kernel_distance
from .metrics.lite0 import load_lite0
from .metrics.ms_ssim import diversity
from .metrics.nearest import Memorised, memorised
from .metrics.sets import Images
from .metrics.swd import sliced_wasserstein
from .naming import classifier_for, modes_of
from .scores import Scores, score, undefined
from .seeing import held_out_features, seen, training_features
from .subjects import RealSet
from .watcher import Watcher

Name = Literal["swd", "frechet", "kid", "coverage", "nearest", "modes", "ms-ssim"]
NAMES: tuple[Name, ...] = ("swd", "frechet", "kid", "coverage", "nearest", "modes", "ms-ssim")
OF_FEATURES: dict[str, tuple[str, ...]] = {  # measures of features, and the scores of each
    "frechet": ("frechet",),
    "kid": ("kid",),
    "coverage": ("precision", "density", "recall", "coverage"),
    "nearest": ("copies", "nearest"),
}
SEARCHED = 8_000  # training images that copies are looked for among: 8 ms each, once for a set


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
class Bench:
    """What images are measured against, and how."""

    reals: RealSet
    one: Images  # the reals to compare with
    other: Images  # those that make the floor
    seed: int
    batch: int  # images at a time; changes no number
    watcher: Watcher

    @property
    def counts(self) -> dict[str, int]:
        """Images on both sides."""
        return {"reals": len(self.one), "fakes": len(self.other)}


def measures_for(bench: Bench, asked: tuple[Name, ...]) -> tuple[list[Measure], list[str]]:
    """The measures that were asked for and can be had, and sentences about those that cannot.

    Raises:
        InputError: what was asked for by name cannot be had.
    """
    found: list[Measure] = []
    notes: list[str] = []
    if "swd" in asked:
        found.append(_swd(bench))
    try:
        found += _of_features(bench, [name for name in OF_FEATURES if name in asked])
    except OptionError as error:
        if asked != NAMES:
            raise
        notes.append(f"{WITHOUT_FEATURES}: {error}")
    try:
        found += _modes(bench) if "modes" in asked else []
    except (DataError, OptionError) as error:
        if asked != NAMES:
            raise
        if isinstance(error, DataError):
            notes.append(f"Modes were not counted: {error}")
    if "ms-ssim" in asked:
        found.append(_ms_ssim(bench))
    return found, notes


WITHOUT_FEATURES = "Frechet, KID, precision, recall, density, coverage and copies are left out"


def scores_of(images: Images, measures: Iterable[Measure]) -> Scores:
    """All scores of these images."""
    found: Scores = {}
    for measure in measures:
        found |= measure.scores(images)
    return found


def _swd(bench: Bench) -> Measure:
    def of(images: Images) -> Scores:
        swd = sliced_wasserstein(bench.one, images, seed=bench.seed, batch=bench.batch)
        levels = {str(s): d for s, d in zip(swd.sizes, swd.levels, strict=True)}
        return {"swd": score(swd.mean, levels=levels)}

    text = (
        "SWD x1e3: sliced Wasserstein distance of Laplacian pyramids, mean over its levels: "
        "texture and layout, blind to a set that is darker as a whole."
    )
    return Measure("swd", ("swd",), text, of, bench.counts)


def _ms_ssim(bench: Bench) -> Measure:
    def of(images: Images) -> Scores:
        alike = diversity(images, seed=bench.seed, batch=bench.batch)
        return {"ms_ssim": score(alike.similarity, error=alike.error, pairs=alike.pairs)}

    text = (
        "MS-SSIM: how alike two images of a set are, mean over random pairs; above the floor: less "
        "varied than the real images."
    )
    return Measure("ms-ssim", ("ms_ssim",), text, of)


def _modes(bench: Bench) -> list[Measure]:
    prepared = bench.reals.prepared
    known = known_modes(prepared)
    if known is None:
        raise OptionError(
            f"the modes of {bench.reals.given} are not known: they are of the built-in sets "
            f"{', '.join(KNOWN)}. Leave modes out of --measures."
        )
    classifier = classifier_for(known, bench.reals.view, prepared.path.parent, bench.watcher)

    def of(images: Images) -> Scores:
        modes = modes_of(images, known, classifier)
        return {
            "modes": score(modes.found, of=modes.of),
            "kl": score(modes.divergence),
            "recognised": score(modes.recognised),
        }

    text = (
        f"Modes: kinds of image found. KL: how unevenly, in nats. Recognised: share of which the "
        f"classifier is sure. It names {classifier.accuracy:.1%} of {classifier.held_out:,} "
        f"{'digits' if known.apart else 'images'} right that it had not seen."
    )
    facts = {"set": known.name, "accuracy": classifier.accuracy, "held_out": classifier.held_out}
    return [Measure("modes", ("modes", "kl", "recognised"), text, of, facts)]


def _of_features(bench: Bench, asked: list[str]) -> list[Measure]:
    """All measures of features as one, because they share the features."""
    if not asked:
        return []
    network = load_lite0()
    n, most = len(bench.one), len(bench.one) + (SEARCHED if "nearest" in asked else 0)
    trained = training_features(bench.reals, max(2 * n, most), network, bench.watcher)
    one, other = trained.take(slice(0, n)), trained.take(slice(n, 2 * n))
    places = np.r_[0:n, 2 * n : trained.n]  # without those of the floor
    searched = trained.take(places)
    numbers = by_lot(bench.reals.prepared.training)[places]
    held_out = held_out_features(bench.reals, network, bench.watcher) if "nearest" in asked else one

    def of(images: Images) -> Scores:
        fakes = other if images is bench.other else _seen(bench, images, network)
        scores: Scores = {}
        for name in asked:
            try:
                if name == "nearest":
                    scores |= _score_copies(memorised(searched, held_out, fakes), numbers)
                else:
                    scores |= _score_features(name, one, fakes)
            except DataError as error:
                scores |= {key: undefined(str(error)) for key in OF_FEATURES[name]}
        return scores

    facts = {"network": network.name, "resize": network.resize, **bench.counts}
    if "nearest" in asked:
        facts |= {"searched": searched.n, "held_out": held_out.n}
    keys = tuple(key for name in asked for key in OF_FEATURES[name])
    text = _features_in_words(bench, asked, facts)
    return [Measure("features", keys, text, of, facts)]


def _seen(bench: Bench, images: Images, network: FeatureNetwork) -> Features:
    told = bench.watcher.measured
    return seen(images, network, lambda done, of: told("looking at images", done, of))


def _score_features(name: str, one: Features, fakes: Features) -> Scores:
    if name == "frechet":
        return {"frechet": score(frechet(one, fakes).distance)}
    if name == "kid":
        kernel = kernel_distance(one, fakes)
        return {"kid": score(kernel.distance, error=kernel.error)}
    shares = coverage(one, fakes)
    return {key: score(getattr(shares, key)) for key in OF_FEATURES[name]}


def _score_copies(found: Memorised, numbers: Indices) -> Scores:
    """With the closest pairs: which image of this evaluation, and its number in the set."""
    closest = [
        {"image": pair.fake, "training": int(numbers[pair.trained]), "distance": pair.distance}
        for pair in found.closest(5)
    ]
    return {
        "copies": score(found.share, error=found.error, closest=closest),
        "nearest": score(found.ratio),
    }


def _features_in_words(bench: Bench, asked: list[str], facts: dict[str, Any]) -> str:
    titles = {"frechet": "Frechet", "kid": "KID", "coverage": "precision to coverage (k = 5)"}
    heads = [titles[name] for name in asked if name in titles]
    text = (
        f"{', '.join([*heads, *(['copies'] if 'nearest' in asked else [])])}: on features of "
        f"{facts['network']}, images resized to {facts['resize']}; {facts['reals']:,} reals, "
        f"{facts['fakes']:,} fakes. Not Inception: compare with no published FID or KID."
    )
    if "nearest" in asked:
        text += (
            f" Copies: share nearer to one of {facts['searched']:,} training images than 99 % of "
            f"{facts['held_out']:,} held-out images are; 0.010 if nothing was learnt by heart. "
            "Nearest: median distance to a training image over that of held-out images."
        )
    return text
