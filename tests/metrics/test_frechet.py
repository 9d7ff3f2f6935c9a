"""Laws of the Frechet distance, and a second formula that it agrees with."""

from __future__ import annotations

import math

import numpy as np
import pytest

from poise.errors import DataError
from poise.metrics.compared import INCEPTION, INCEPTION_RESIZE
from poise.metrics.features import Features
from poise.metrics.frechet import Floats, Frechet, Gaussian, frechet, frechet_distance, gaussian

from .points import normal, points


def covariance(d: int, seed: int) -> Floats:
    """Of full rank, eigenvalues over a factor of about 1,000."""
    random = np.random.default_rng(seed)
    mixed = random.normal(size=(d, d)) * np.logspace(0, -1.5, d)
    return mixed.T @ mixed


def rotation(d: int, seed: int) -> Floats:
    turned: Floats = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]
    return turned


# Closed forms


@pytest.mark.parametrize(("shift", "s", "t"), [(0, 1, 1), (3, 1, 1), (0, 2, 5), (-2, 0, 3)])
def test_on_a_line_it_is_that_of_means_and_standard_deviations(
    shift: float, s: float, t: float
) -> None:
    a = Gaussian(np.array([1.0]), np.array([[s**2]], float))
    b = Gaussian(np.array([1.0 + shift]), np.array([[t**2]], float))
    assert frechet_distance(a, b) == pytest.approx(shift**2 + (s - t) ** 2, abs=1e-12)


def test_covariances_with_one_set_of_axes_differ_axis_by_axis() -> None:
    axes, s, t = rotation(6, 0), np.arange(6.0), np.array([3.0, 0, 1, 7, 2, 5])
    a, b = ((axes * spread**2) @ axes.T for spread in (s, t))
    got = frechet_distance(Gaussian(np.zeros(6), a), Gaussian(np.ones(6), b))
    assert got == pytest.approx(6 + ((s - t) ** 2).sum())


def test_points_moved_and_stretched_are_apart_by_just_that() -> None:
    a = normal(400, 5, 0)
    moved = points(a.values + np.array([3, 0, 0, 4, 0]))
    assert frechet(a, moved).distance == pytest.approx(25, rel=1e-5)
    centred = a.values - a.values.mean(axis=0)
    total = centred.var(axis=0, ddof=1).sum()
    assert frechet(points(centred), points(centred * 3)).distance == pytest.approx(4 * total)


def test_mean_and_covariance_are_numpys() -> None:
    values = normal(70, 4, 0, shift=2).values
    mean, spread = gaussian(values)
    np.testing.assert_allclose(mean, values.astype(float).mean(axis=0))
    np.testing.assert_allclose(spread, np.cov(values.astype(float), rowvar=False))


# A second formula


def by_eigenvalues_of_the_product(a: Gaussian, b: Gaussian) -> float:
    """As most implementations: tr (C C_w)^(1/2) by the eigenvalues of a matrix that is lopsided."""
    roots = np.sqrt(np.linalg.eigvals(a.covariance @ b.covariance).astype(complex)).real.sum()
    gap = a.mean - b.mean
    return float(gap @ gap + np.trace(a.covariance + b.covariance) - 2 * roots)


def by_newton_schulz(a: Gaussian, b: Gaussian) -> float:
    """tr (C C_w)^(1/2) by iterating Y, Z <- Y T, T Z with T = (3 - Z Y) / 2, to its root."""
    product = a.covariance @ b.covariance
    norm, one = np.linalg.norm(product), np.eye(len(product))
    y, z = product / norm, one
    for _ in range(60):
        t = (3 * one - z @ y) / 2
        y, z = y @ t, t @ z
    gap = a.mean - b.mean
    spread = np.trace(a.covariance + b.covariance) - 2 * np.trace(y) * math.sqrt(norm)
    return float(gap @ gap + spread)


@pytest.mark.parametrize("d", [1, 3, 20])
def test_it_agrees_with_two_other_formulas(d: int) -> None:
    a = Gaussian(np.zeros(d), covariance(d, 0))
    b = Gaussian(np.linspace(-1, 1, d), covariance(d, 1))
    got = frechet_distance(a, b)
    assert got == pytest.approx(by_eigenvalues_of_the_product(a, b), rel=1e-9)
    assert got == pytest.approx(by_newton_schulz(a, b), rel=1e-4)


# Laws


@pytest.mark.parametrize(("n", "d"), [(500, 20), (64, 64), (64, 320)])
def test_equal_sets_have_distance_0_even_with_fewer_images_than_features(n: int, d: int) -> None:
    a = normal(n, d, 0, scale=3)
    shuffled = points(a.values[::-1])
    assert frechet(a, shuffled).distance == pytest.approx(0, abs=1e-9 * d)


def test_it_does_not_matter_which_set_is_called_real_or_how_space_is_turned() -> None:
    a, b = normal(300, 8, 0), points(normal(200, 8, 1).values @ covariance(8, 2) + 1)
    got = frechet(a, b).distance
    assert frechet(b, a).distance == pytest.approx(got, rel=1e-9)
    turn = rotation(8, 3)
    turned = frechet(points(a.values @ turn), points(b.values @ turn)).distance
    assert turned == pytest.approx(got, rel=1e-4)


def test_the_distance_of_two_draws_of_one_law_falls_as_1_over_n() -> None:
    floors = [
        np.mean(
            [frechet(normal(n, 10, 2 * s), normal(n, 10, 2 * s + 1)).distance for s in range(5)]
        )
        for n in (100, 400, 1600)
    ]
    assert floors[0] / floors[1] == pytest.approx(4, rel=0.25)
    assert floors[1] / floors[2] == pytest.approx(4, rel=0.25)


def test_fewer_images_than_features_still_order_sets() -> None:
    reals = normal(128, 320, 0)
    graded = [frechet(reals, normal(128, 320, 1, scale=s)).distance for s in (1, 1.2, 1.5, 2)]
    assert graded == sorted(graded)
    assert math.isfinite(graded[0])


# The report


def test_the_report_names_network_resize_and_both_counts() -> None:
    a = normal(100, 4, 0)
    assert str(frechet(a, points(a.values + 3))).startswith("Frechet distance, Stub, 36 (100 reals")
    assert str(Frechet(1200, 900, "Net, layer", "64x64", 12.3456, 320)) == (
        "Frechet distance, Net, 12.35 (1,200 reals, 900 fakes; Net, layer; 64x64)"
    )


def test_no_more_images_than_features_is_noted() -> None:
    text = str(frechet(normal(64, 64, 0), normal(65, 64, 1)))
    assert text.endswith(
        "as they are; no more images than features, so mostly bias: compare at this n)"
    )
    assert "bias" not in str(frechet(normal(65, 64, 0), normal(65, 64, 1)))


def test_only_the_published_network_and_resize_are_called_fid() -> None:
    published = Frechet(50_000, 50_000, INCEPTION, INCEPTION_RESIZE, 2.5, 2048)
    assert str(published).startswith("FID (Inception-v3 2015-12-05) 2.5 (50,000 reals")
    assert "FID" not in str(Frechet(50_000, 50_000, INCEPTION, "299x299, Lanczos", 2.5, 2048))
    assert "FID" not in str(Frechet(50_000, 50_000, "Inception-v3", INCEPTION_RESIZE, 2.5, 2048))


# What is refused


def test_too_few_images_are_refused_with_the_number_needed() -> None:
    for pair, what in [((63, 64), "reals"), ((64, 63), "fakes")]:
        with pytest.raises(DataError) as caught:
            frechet(normal(pair[0], 4, 0), normal(pair[1], 4, 1))
        assert str(caught.value) == (
            f"at least 64 {what} are needed for a covariance that means something, got 63. Take "
            "more images."
        )


def test_features_and_gaussians_that_do_not_compare_are_refused() -> None:
    a = normal(64, 4, 0)
    with pytest.raises(DataError, match="must be features of one network and resize"):
        frechet(a, Features(a.values, a.network, "other"))
    with pytest.raises(DataError) as caught:
        frechet_distance(gaussian(a.values), gaussian(a.values[:, :3]))
    assert str(caught.value) == (
        "two Gaussians must be of one width, got 4 and 3 numbers. Use features of one network."
    )
