"""Laws of the measure of memorisation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from poise.errors import DataError
from poise.metrics import neighbours
from poise.metrics.features import Features
from poise.metrics.nearest import Memorised, Mirrored, memorised
from poise.metrics.neighbours import nearest

from .points import normal, points


@pytest.mark.parametrize("rows", [512, 7])
def test_the_nearest_is_what_a_loop_finds(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "ROWS", rows)
    a, b = normal(30, 4, 0).values, normal(40, 4, 1).values
    distances, indexes = nearest(a, b)
    for i, point in enumerate(a.astype(float)):
        each = [float(np.linalg.norm(point - other)) for other in b.astype(float)]
        assert indexes[i] == int(np.argmin(each))
        assert distances[i] == pytest.approx(min(each))


@pytest.mark.parametrize("rows", [512, 7])
def test_a_copy_is_at_distance_0_to_the_bit(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "ROWS", rows)
    trained = normal(513, 320, 0, shift=0.7).values
    distances, indexes = nearest(trained[40:93], trained)
    assert (distances == 0).all()
    assert (indexes == np.arange(40, 93)).all()


def test_fakes_of_the_same_law_are_as_near_as_held_out_reals_within_the_error() -> None:
    found = [
        memorised(normal(400, 3, 3 * s), normal(500, 3, 3 * s + 1), normal(500, 3, 3 * s + 2))
        for s in range(60)
    ]
    shares = np.array([each.share for each in found])
    assert abs(shares.mean() - 0.01) < 3.5 * shares.std() / math.sqrt(60)
    assert 0.6 < found[0].error / shares.std() < 1.6  # held for one set of training images
    assert np.mean([each.ratio for each in found]) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("copies", [10, 100, 500])
def test_copies_are_counted_and_their_originals_found(copies: int) -> None:
    trained, held_out = normal(400, 8, 0), normal(500, 8, 1)
    values = normal(500, 8, 2).values.copy()
    which = np.random.default_rng(0).integers(0, 400, copies)
    values[:copies] = trained.values[which] + 1e-4
    found = memorised(trained, held_out, points(values))
    assert found.share == pytest.approx(copies / 500 + 0.01 * (1 - copies / 500), abs=0.02)
    assert (found.indexes[:copies] == which).all()
    pairs = found.closest(copies)
    assert {pair.fake for pair in pairs} == set(range(copies))
    assert all(pair.trained == which[pair.fake] for pair in pairs)
    assert [p.distance for p in pairs] == sorted(p.distance for p in pairs)
    if copies == 500:
        assert found.ratio < 1e-3


def test_the_more_is_copied_the_higher_the_share_and_the_lower_the_ratio() -> None:
    trained, held_out, fresh = normal(400, 8, 0), normal(500, 8, 1), normal(500, 8, 2)
    near = np.resize(trained.values, fresh.values.shape)
    graded = [
        memorised(trained, held_out, points(lean * near + (1 - lean) * fresh.values))
        for lean in (0, 0.3, 0.6, 0.9)
    ]
    assert [f.share for f in graded] == sorted(f.share for f in graded)
    assert [f.ratio for f in graded] == sorted((f.ratio for f in graded), reverse=True)


def test_duplicates_in_the_data_are_no_memorisation() -> None:
    """Where a third of the held-out reals are training images, only exact copies count."""
    trained = normal(300, 8, 0)
    held_out = points(np.r_[trained.values[:100], normal(200, 8, 1).values])
    found = memorised(trained, held_out, normal(300, 8, 2))
    assert (found.threshold, found.share) == (0, 0)
    assert memorised(trained, held_out, held_out).share == pytest.approx(1 / 3)
    assert math.isnan(memorised(trained, trained, trained).ratio)


def mirror(features: Features) -> Features:
    """What the features of mirror images could be: along one axis, the other way round."""
    return points(features.values * np.array([-1, *[1] * (features.d - 1)]))


def test_of_an_image_and_its_mirror_image_the_nearer_one_counts() -> None:
    trained, held_out, fakes = normal(80, 3, 0), normal(100, 3, 1), normal(90, 3, 2)
    mirrored = Mirrored(mirror(held_out), mirror(fakes))
    found = memorised(trained, held_out, fakes, mirrored=mirrored)
    plain, turned = (memorised(trained, held_out, each) for each in (fakes, mirrored.fakes))
    nearer = turned.distances < plain.distances
    assert (found.distances == np.minimum(plain.distances, turned.distances)).all()
    assert (found.indexes == np.where(nearer, turned.indexes, plain.indexes)).all()
    usual = [memorised(trained, held_out, each).distances for each in (held_out, mirrored.held_out)]
    assert found.threshold == np.min(usual)  # 1 % of 100


def test_mirrored_copies_are_counted_and_others_are_as_near_as_held_out_reals() -> None:
    trained, held_out = normal(400, 8, 0, shift=1), normal(500, 8, 1, shift=1)
    copies, fresh = mirror(trained), normal(500, 8, 2, shift=1)
    found = memorised(trained, held_out, copies, mirrored=Mirrored(mirror(held_out), trained))
    assert found.share == 1
    assert (found.indexes == np.arange(400)).all()
    assert memorised(trained, held_out, copies).share < 0.3  # of those near their mirror image
    found = memorised(trained, held_out, fresh, mirrored=Mirrored(mirror(held_out), mirror(fresh)))
    assert abs(found.share - 0.01) < 4 * found.error
    assert found.ratio == pytest.approx(1, abs=0.05)


def test_the_report_says_what_chance_would_give() -> None:
    found = Memorised(
        distances=np.ones(400),
        indexes=np.zeros(400, np.intp),
        share=0.0325,
        threshold=0.5,
        ratio=0.9876,
        trained=1200,
        held_out=400,
        network="Net, layer",
        resize="64x64",
    )
    assert str(found) == (
        "3.25% of fakes are nearer to a training image than 99% of held-out reals (nothing "
        "memorised: 1% +- 0.70%); median distance 0.988 of theirs (1,200 training images, 400 "
        "held out, 400 fakes; Net, layer; 64x64)"
    )


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        (
            (5, 99, 5),
            "at least 100 held-out reals are needed to know the distance that 1 % of them are "
            "within, got 99. Take more images.",
        ),
        ((0, 100, 5), "at least 1 training images are needed, got 0. Take more images."),
        ((5, 100, 0), "at least 1 fakes are needed, got 0. Take more images."),
    ],
)
def test_too_few_are_refused_with_the_number_needed(
    counts: tuple[int, int, int], text: str
) -> None:
    with pytest.raises(DataError) as caught:
        memorised(*(normal(n, 3, n) for n in counts))
    assert str(caught.value) == text


def test_features_of_another_network_are_refused() -> None:
    with pytest.raises(DataError, match=r"^training images and held-out reals must be features of"):
        memorised(normal(9, 3, 0), normal(100, 4, 0), normal(9, 3, 0))


def test_without_a_mirror_image_for_each_it_is_refused() -> None:
    both = Mirrored(normal(100, 3, 0), normal(8, 3, 0))
    with pytest.raises(DataError, match="9 images need as many mirror images, got 8"):
        memorised(normal(9, 3, 0), normal(100, 3, 0), normal(9, 3, 0), mirrored=both)
