"""Features of real images: kept beside the set, and only ever those of the images asked for."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from poise.data.options import PrepareOptions
from poise.data.prepare import prepare
from poise.data.prepared import Prepared
from poise.data.some import by_lot
from poise.errors import DataError
from poise.metrics.features import Features, features_of, load_features
from poise.metrics.sets import Images
from poise.seeing import AT_ONCE, held_out_features, training_features
from poise.subjects import RealSet
from poise.watcher import Watcher

COUNT = 200  # images
KINDS = {"training", "held-out"}


class Pixels:
    """A network whose features are the pixels of one row."""

    name, resize, slug = "pixels", "not at all", "pixels"

    def __call__(self, images: Tensor) -> Tensor:
        return images[:, :, 3].flatten(1)


def shapes_at(path: Path, holdout: float = 0.1) -> RealSet:
    """Shapes, of which a share is held out."""
    options = PrepareOptions(size="8", limit=COUNT, holdout=holdout)
    prepared = prepare("shapes", path, options, workers=1)
    return RealSet(prepared, prepared.size, "shapes")


def row(images: Images) -> Features:
    return features_of(images, Pixels())


def features(reals: RealSet, most: int = COUNT) -> tuple[Features, Features]:
    """As an evaluation finds them, for training and held out."""
    asked = (Pixels(), Watcher())
    return training_features(reals, most, *asked), held_out_features(reals, *asked)


def expected(prepared: Prepared, most: int = COUNT) -> tuple[Features, Features]:
    """As the images themselves say."""
    training = by_lot(prepared.training)[:most]
    return row(prepared.gather(training)), row(prepared.gather(prepared.held_out))


def test_kept_features_are_those_of_the_images_asked_for(tmp_path: Path) -> None:
    reals = shapes_at(tmp_path / "a.poise")
    for most in (70, 150, 20):  # made, made longer, taken from what is kept
        for found, right in zip(features(reals, most), expected(reals.prepared, most), strict=True):
            assert (found.values == right.values).all()
    mirrored = reals.prepared.gather(reals.prepared.held_out)[:, :, ::-1]
    for _ in range(2):  # made, and taken from what is kept
        found = held_out_features(reals, Pixels(), Watcher(), mirrored=True)
        assert (found.values == row(mirrored).values).all()


@pytest.mark.parametrize("what", sorted(KINDS))
def test_features_of_a_set_that_held_out_other_images_are_refused(
    what: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.poise"
    before = shapes_at(path).prepared
    features(shapes_at(path))
    shutil.rmtree(path)
    other = shapes_at(path, holdout=0.4)
    assert other.prepared.fingerprint == before.fingerprint
    assert len(other.prepared.held_out) != len(before.held_out)
    kept = {name: tmp_path / f"a.poise.features-pixels-8x8-{name}.npz" for name in KINDS}
    for name in KINDS - {what}:
        kept[name].unlink()
    with pytest.raises(DataError, match="holds features of other images") as told:
        features(other)
    assert str(kept[what]) in str(told.value)
    kept[what].unlink()
    for found, right in zip(features(other), expected(other.prepared), strict=True):
        assert np.array_equal(found.values, right.values)


class Interrupted(Watcher):
    """Presses Ctrl-C once so many images are looked at; is told how many there are to look at."""

    def __init__(self, after: int) -> None:
        self.after, self.of = after, 0

    def measured(self, what: str, done: int, of: int) -> None:
        self.of = of
        if done >= self.after:
            raise KeyboardInterrupt


def test_an_interrupted_evaluation_keeps_the_features_it_has_worked_out(tmp_path: Path) -> None:
    reals, most = shapes_at(tmp_path / "a.poise"), 170
    right, _ = expected(reals.prepared, most)
    for times in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            training_features(reals, most, Pixels(), Interrupted(AT_ONCE))
        kept = load_features(tmp_path / "a.poise.features-pixels-8x8-training.npz")
        assert kept.n == AT_ONCE * times
        assert (kept.values == right.values[: kept.n]).all()
    last = Interrupted(most)
    assert (training_features(reals, most, Pixels(), last).values == right.values).all()
    assert last.of == most - kept.n


def test_an_evaluation_that_is_interrupted_at_once_leaves_nothing(tmp_path: Path) -> None:
    reals = shapes_at(tmp_path / "a.poise")
    with pytest.raises(KeyboardInterrupt):
        held_out_features(reals, Pixels(), Interrupted(0))
    assert [path.name for path in tmp_path.iterdir()] == ["a.poise"]
