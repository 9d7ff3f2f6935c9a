"""Features of real images: worked out once and kept beside the prepared set.

photos-32x32-1a2b3c4d.poise
photos-32x32-1a2b3c4d.poise.features-lite0-32x32-training.npz   by lot; more are added when needed
photos-32x32-1a2b3c4d.poise.features-lite0-32x32-held-out.npz
photos-32x32-1a2b3c4d.poise.features-lite0-32x32-held-out-mirrored.npz   for runs of --mirror
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .data.prepared import Indices, digest_of
from .data.some import by_lot
from .errors import DataError
from .metrics.features import FeatureNetwork, Features, features_of, load_features, save_features
from .metrics.sets import Images
from .subjects import RealSet
from .watcher import Watcher

AT_ONCE = 64  # images between two signs of life; a multiple of what a network is given at once

Told = Callable[[int, int], None]
Points = NDArray[np.float32]  # [n, d]


class Wanted(NamedTuple):
    """The images whose features are kept in one file."""

    what: str
    order: Indices  # of all that the file can come to hold
    most: int  # of them, the first
    mirrored: bool = False


def training_features(
    reals: RealSet, most: int, network: FeatureNetwork, watcher: Watcher
) -> Features:
    """Of the first `most` images for training, in the set's order by lot.

    Raises:
        DataError: the file beside the set holds features of other images, or is damaged.
    """
    wanted = Wanted("training", by_lot(reals.prepared.training), most)
    return _kept(reals, wanted, network, watcher)


def held_out_features(
    reals: RealSet, network: FeatureNetwork, watcher: Watcher, *, mirrored: bool = False
) -> Features:
    """Of all images that training never sees, or of their mirror images.

    Raises:
        DataError: the file beside the set holds features of other images, or is damaged.
    """
    order, what = reals.prepared.held_out, "held-out-mirrored" if mirrored else "held-out"
    return _kept(reals, Wanted(what, order, len(order), mirrored), network, watcher)


def seen(images: Images, network: FeatureNetwork, told: Told) -> Features:
    """Features of images, telling how far they are."""
    parts = list(_seen_of(len(images), lambda some: images[some], network, told))
    return Features(np.concatenate(parts), network.name, network.resize)


def _seen_of(
    n: int, images: Callable[[slice], Images], network: FeatureNetwork, told: Told
) -> Iterator[Points]:
    """Features of n images, of which only some are in memory at a time."""
    for first in range(0, n, AT_ONCE):
        told(first, n)
        yield features_of(images(slice(first, first + AT_ONCE)), network).values
    told(n, n)


def _kept(reals: RealSet, wanted: Wanted, network: FeatureNetwork, watcher: Watcher) -> Features:
    set_path, what, order = reals.prepared.path, wanted.what, wanted.order[: wanted.most]
    name = f"{set_path.name}.features-{network.slug}-{reals.size}-{what}.npz"
    path = set_path.with_name(name)
    source = _source(reals, wanted)
    known = _read(path, source, network) if path.exists() else None
    have = known.n if known else 0
    if known and have >= len(order):
        return replace(known, values=known.values[: len(order)])
    missing, way = order[have:], -1 if wanted.mirrored else 1
    new = _seen_of(
        len(missing),
        lambda some: reals.prepared.gather(missing[some], reals.size)[:, :, ::way],
        network,
        lambda done, of: watcher.measured(f"looking at {what} images", done, of),
    )
    parts = [known.values] if known else []
    try:
        for part in new:
            parts.append(part)
    finally:  # of an interrupted evaluation, too: with Inception they may be the work of hours
        if sum(map(len, parts)) > have:
            found = Features(np.concatenate(parts), network.name, network.resize, source)
            _save(found, path, watcher)
    return found


def _save(found: Features, path: Path, watcher: Watcher) -> None:
    try:
        save_features(found, path)
    except OSError as error:
        watcher.warn(f"features were not kept, {path}: {error.strerror}.")


def _source(reals: RealSet, wanted: Wanted) -> str:
    """Of pixels and of places: a set that holds out others has the same fingerprint."""
    prepared, order = reals.prepared, digest_of(wanted.order)
    return f"{wanted.what} images of {prepared.fingerprint} at {reals.size} in the order {order}"


def _read(path: Path, source: str, network: FeatureNetwork) -> Features:
    found = load_features(path)
    if (found.source, found.network, found.resize) != (source, network.name, network.resize):
        raise DataError(
            f"{path} holds features of other images or of another network: {found.source or '?'}, "
            f"{found.network}. Expected {source}, {network.name}. Move it away; it is made anew."
        )
    return found
