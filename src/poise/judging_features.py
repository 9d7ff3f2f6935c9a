"""The measures of features, as one, because they share the features.

With Inception they are on its features, and `fid` is there as well: the Frechet
distance of the images from *all* training images, which is how published FIDs are computed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .bench import Bench, Measure
from .data.prepared import Indices
from .data.some import by_lot
from .errors import DataError
from .metrics.coverage import coverage
from .metrics.features import FeatureNetwork, Features
from .metrics.frechet import frechet
from .metrics.kernel import kernel_distance
from .metrics.lite0 import load_lite0
from .metrics.nearest import Memorised, Mirrored, memorised
from .metrics.sets import Images
from .scores import Scores, score, undefined
from .seeing import held_out_features, seen, training_features

SCORES: dict[str, tuple[str, ...]] = {  # of each measure of features
    "fid": ("fid",),
    "frechet": ("frechet",),
    "kid": ("kid",),
    "coverage": ("precision", "density", "recall", "coverage"),
    "nearest": ("copies", "nearest"),
}
SEARCHED = 8_000  # training images that copies are looked for among: 8 ms each, once for a set
PUBLISHED = 50_000  # samples that published FIDs are of


@dataclass(frozen=True)
class Reals:
    """Features of the reals that images are compared with."""

    trained: Features  # all that were worked out, in the set's order by lot
    one: Features  # as many as there are images
    other: Features  # as many others, for the floor
    searched: Features  # the first of them: among these copies are looked for
    numbers: Indices  # of all in the set
    held_out: Features
    mirrored: Features | None  # of the held-out ones' mirror images, where a run was shown such

    def without_the_floor(self) -> Reals:
        """For the floor's images, which would be found to be copies of themselves."""
        n = self.one.n
        places = np.r_[0:n, 2 * n : self.searched.n]
        return replace(self, searched=self.searched.take(places), numbers=self.numbers[places])


def measures_of_features(bench: Bench, asked: list[str]) -> list[Measure]:
    """One measure with all scores that were asked for; none if none was.

    Raises:
        OptionError: the weights of EfficientNet-Lite0 are not there, or are other ones.
    """
    if not asked:
        return []
    network = bench.inception or load_lite0()
    reals = _look_at_reals(bench, asked, network)

    def of(images: Images) -> Scores:
        floor = images is bench.other
        fakes = reals.other if floor else _seen(bench, images, network)
        against = reals.without_the_floor() if floor and "nearest" in asked else reals
        mirrored = _mirrored(bench, reals, images, network)
        scores: Scores = {}
        for name in asked:
            try:
                scores |= _scores(name, against, fakes, mirrored)
            except DataError as error:
                scores |= {key: undefined(str(error)) for key in SCORES[name]}
        return scores

    facts: dict[str, Any] = {"network": network.name, "resize": network.resize}
    if asked != ["fid"]:
        facts |= bench.counts
    if "fid" in asked:
        facts |= {"fid_reals": reals.trained.n}
    if "nearest" in asked:
        facts |= {"searched": reals.searched.n, "held_out": reals.held_out.n}
        facts |= {"mirrored": bench.reals.mirror}
    keys = tuple(key for name in asked for key in SCORES[name])
    return [Measure("features", keys, _in_words(asked, facts, bench), of, facts)]


def _look_at_reals(bench: Bench, asked: list[str], network: FeatureNetwork) -> Reals:
    n, training = len(bench.one), bench.reals.prepared.training
    searched = max(2 * n, SEARCHED) if "nearest" in asked else 2 * n
    most = len(training) if "fid" in asked else searched
    trained = training_features(bench.reals, most, network, bench.watcher)
    one, other = trained.take(slice(0, n)), trained.take(slice(n, 2 * n))
    held_out = held_out_features(bench.reals, network, bench.watcher) if "nearest" in asked else one
    mirrored = None
    if "nearest" in asked and bench.reals.mirror:
        mirrored = held_out_features(bench.reals, network, bench.watcher, mirrored=True)
    looked_at = trained.take(slice(0, searched))
    return Reals(trained, one, other, looked_at, by_lot(training), held_out, mirrored)


def _seen(bench: Bench, images: Images, network: FeatureNetwork) -> Features:
    told = bench.watcher.measured
    return seen(images, network, lambda done, of: told("looking at images", done, of))


def _mirrored(
    bench: Bench, reals: Reals, images: Images, network: FeatureNetwork
) -> Mirrored | None:
    if reals.mirrored is None:
        return None
    return Mirrored(reals.mirrored, _seen(bench, images[:, :, ::-1], network))


def _scores(name: str, reals: Reals, fakes: Features, mirrored: Mirrored | None) -> Scores:
    if name == "fid":
        if fakes is reals.other:
            return {"fid": undefined("the floor's images are among the reals of a FID")}
        whole = frechet(reals.trained, fakes).distance
        return {"fid": score(whole, reals=reals.trained.n, fakes=fakes.n)}
    if name == "frechet":
        return {"frechet": score(frechet(reals.one, fakes).distance)}
    if name == "kid":
        kernel = kernel_distance(reals.one, fakes)
        return {"kid": score(kernel.distance, error=kernel.error)}
    if name == "nearest":
        found = memorised(reals.searched, reals.held_out, fakes, mirrored=mirrored)
        return _score_copies(found, reals.numbers)
    shares = coverage(reals.one, fakes)
    return {key: score(getattr(shares, key)) for key in SCORES[name]}


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


def _in_words(asked: list[str], facts: dict[str, Any], bench: Bench) -> str:
    titles = {"fid": "FID", "frechet": "Frechet", "kid": "KID" if bench.inception else "kernel"}
    titles |= {"nearest": "copies", "coverage": "precision to coverage (k = 5)"}
    said = [
        f"{', '.join(titles[name] for name in asked)}: on features of {facts['network']}, images "
        f"resized to {facts['resize']}"
    ]
    said[0] += f"; {facts['reals']:,} reals, {facts['fakes']:,} fakes." if "reals" in facts else "."
    if bench.inception is None:
        said.append("Not Inception: compare with no published FID or KID.")
    if "fid" in asked:
        said.append(
            f"FID: against all {facts['fid_reals']:,} training images; published ones are mostly "
            f"of {PUBLISHED:,} samples."
        )
    if "nearest" in asked:
        said.append(
            f"Copies: share nearer to one of {facts['searched']:,} training images than 99 % of "
            f"{facts['held_out']:,} held-out images are; 0.010 if nothing was learnt by heart. "
            "Nearest: median distance to a training image over that of held-out images."
        )
        if facts["mirrored"]:
            said.append(
                "Training has shown mirror images, too: here an image, held out or not, is as near "
                "as the nearer one of itself and its mirror image."
            )
    return " ".join(said)
