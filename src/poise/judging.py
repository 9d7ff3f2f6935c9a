"""The measures of `poise evaluate`, made ready for one set of real images.

Each takes images and gives scores; the floor is what it gives for real images that are not those it
compares with. What cannot be measured of some images is undefined for them, and says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, get_args

from .bench import Bench, Measure
from .data.labelled import KNOWN, known_modes
from .errors import DataError, OptionError
from .judging_features import SCORES, measures_of_features
from .metrics.ms_ssim import diversity
from .metrics.sets import Images
from .metrics.swd import sliced_wasserstein
from .naming import classifier_for, modes_of
from .scores import Scores, score

Name = Literal["swd", "fid", "frechet", "kid", "coverage", "nearest", "modes", "ms-ssim"]
NAMES: tuple[Name, ...] = get_args(Name)


def measures_for(
    bench: Bench, asked: tuple[Name, ...], *, by_name: bool
) -> tuple[list[Measure], list[str]]:
    """The measures that were asked for and can be had, and sentences about those that cannot.

    Raises:
        InputError: what was asked for by name cannot be had.
    """
    found: list[Measure] = []
    notes: list[str] = []
    if "swd" in asked:
        found.append(_swd(bench))
    try:
        found += measures_of_features(bench, [name for name in SCORES if name in asked])
    except OptionError as error:
        if by_name:
            raise
        notes.append(f"{WITHOUT_FEATURES}: {error}")
    try:
        found += _modes(bench) if "modes" in asked else []
    except (DataError, OptionError) as error:
        if by_name:
            raise
        if isinstance(error, DataError):
            notes.append(f"Modes were not counted: {error}")
    if "ms-ssim" in asked:
        found.append(_ms_ssim(bench))
    return found, notes


WITHOUT_FEATURES = "Frechet, kernel, precision, recall, density, coverage and copies are left out"


def scores_of(images: Images, measures: Iterable[Measure], files: Sequence[str] = ()) -> Scores:
    """All scores of these images; where they have files, with the file of each one to look at."""
    found: Scores = {}
    for measure in measures:
        found |= measure.scores(images)
    if files:
        for pair in found.get("copies", {}).get("closest", ()):
            pair["file"] = files[pair["image"]]
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
