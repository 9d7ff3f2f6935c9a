"""From images to features, and features in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from poise.errors import DataError
from poise.metrics.features import (
    Features,
    check_features,
    features_of,
    fingerprint,
    load_features,
    save_features,
)
from poise.metrics.lite0 import Lite0, load_lite0

from .points import Corners, normal, points
from .varied import noise, shapes


@pytest.fixture(scope="module")
def lite0() -> Lite0:
    return load_lite0()


# From images


@pytest.mark.parametrize("side", [32, 128])
def test_an_image_has_the_same_bits_wherever_and_beside_whatever_it_stands(
    lite0: Lite0, side: int
) -> None:
    images = shapes(21, side)
    whole = features_of(images, lite0).values
    for count in (1, 7, 8, 9):
        assert (features_of(images[:count], lite0).values == whole[:count]).all()
    order = np.random.default_rng(0).permutation(21)
    assert (features_of(images[order], lite0).values == whole[order]).all()


class Counting(Corners):
    """Writes down how many images it is given at once."""

    def __init__(self) -> None:
        self.given: list[int] = []

    def __call__(self, images: Tensor) -> Tensor:
        self.given.append(len(images))
        return super().__call__(images)


@pytest.mark.parametrize("count", [1, 8, 21])
def test_a_network_is_given_as_many_images_every_time(count: int) -> None:
    """On machines where another number of images would change the bits of each."""
    network = Counting()
    assert features_of(noise(count, 4, 4, 3), network).n == count
    assert set(network.given) == {8}


def test_the_mean_of_each_quarter_is_what_a_network_of_means_sees() -> None:
    images = noise(11, 6, 4, 3)
    quarters = images.reshape(11, 2, 3, 2, 2, 3).mean(axis=(2, 4))  # [11, 2, 2, 3]
    expected = quarters.transpose(0, 3, 1, 2).reshape(11, 12)
    found = features_of(images, Corners())
    np.testing.assert_allclose(found.values, expected, rtol=1e-5)
    assert (found.n, found.d, found.network, found.resize) == (11, 12, "Corners, 12 means", "none")


def test_gray_is_seen_as_rgb_and_transparency_as_white() -> None:
    gray = noise(3, 4, 4, 1)
    rgb = gray.repeat(3, axis=3)
    seen = features_of(rgb, Corners()).values
    assert (features_of(gray, Corners()).values == seen).all()
    clear, half, opaque = (
        features_of(np.concatenate([rgb, np.full_like(gray, a)], axis=3), Corners()).values
        for a in (0, 51, 255)
    )
    assert (opaque == seen).all()
    assert (clear == 255).all()
    np.testing.assert_allclose(half, 0.2 * seen + 0.8 * 255, rtol=1e-5)


def test_images_can_be_a_file_and_their_fingerprint_is_that_of_the_pixels(tmp_path: Path) -> None:
    images = noise(20, 4, 6, 3)
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    assert features_of(mapped, Corners()).source == fingerprint(images)
    other = images.copy()
    other[19, 3, 5, 2] ^= 1
    turned = images.transpose(0, 2, 1, 3).reshape(images.shape)
    different = [images, other, images[::-1], images[:19], images.reshape(20, 6, 4, 3), turned]
    assert len({fingerprint(each) for each in different}) == 6


def test_features_of_some_images_are_those_and_claim_no_source() -> None:
    features = features_of(noise(9, 4, 4, 3), Corners())
    some = features.take(np.array([7, 2]))
    assert (some.values == features.values[[7, 2]]).all()
    assert (some.network, some.resize, some.source) == (features.network, features.resize, "")
    assert str(features) == "9 images by Corners, 12 means; none"


# In a file


def same(a: Features, b: Features) -> bool:
    texts = [(each.network, each.resize, each.source) for each in (a, b)]
    return texts[0] == texts[1] and np.array_equal(a.values, b.values)


def test_what_is_saved_is_read_back_and_gives_the_same_bytes_again(tmp_path: Path) -> None:
    features = features_of(noise(9, 4, 4, 3), Corners())
    save_features(features, tmp_path / "a.npz")
    read = load_features(tmp_path / "a.npz")
    assert same(read, features)
    save_features(read, tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npz", "b.npz"]


def test_a_damaged_file_is_refused_or_harmless_and_never_a_surprise(tmp_path: Path) -> None:
    features, path = normal(5, 3, 0), tmp_path / "a.npz"
    save_features(features, path)
    whole = path.read_bytes()
    refused = 0
    for at in range(0, len(whole), 7):
        for damaged in (whole[:at], whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :]):
            path.write_bytes(damaged)
            try:
                assert same(load_features(path), features)
            except DataError as error:
                assert str(error).startswith((f"{path} ", "features must be"))  # noqa: PT017
                refused += 1
    assert refused > len(whole) / 7  # every cut, and more


@pytest.mark.parametrize(
    "content",
    [
        {"values": np.zeros((2, 2), np.float32)},
        {"images": noise(2, 4, 4, 3)},
        np.zeros((2, 2), np.float32),
    ],
    ids=["half", "images", "npy"],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "a.npz"
    with path.open("wb") as file:
        if isinstance(content, dict):
            np.savez(file, **content)
        else:
            np.save(file, content)
    with pytest.raises(DataError) as caught:
        load_features(path)
    assert str(caught.value) == (
        f"{path} is not a file of features. Delete it and compute the features again."
    )


def test_a_file_with_a_pickle_is_not_opened(tmp_path: Path) -> None:
    text, path = np.array("x"), tmp_path / "a.npz"
    objects = np.array([[{"a": 1}]], dtype=object)
    np.savez(path, values=objects, network=text, resize=text, source=text)
    with pytest.raises(DataError, match=r"is damaged, or is no file of features\. Delete it"):
        load_features(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with pytest.raises(DataError) as caught:
        load_features(path)
    assert str(caught.value) == (
        f"{path} cannot be read: No such file or directory. Delete it and compute the features "
        "again."
    )


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.npz"
    save_features(normal(5, 3, 0), path)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_features(normal(5, 3, 1), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


# What does not fit


def test_features_of_two_networks_or_resizes_do_not_compare() -> None:
    a = normal(9, 4, 0)
    others = [
        Features(a.values, "Other, some features", a.resize),
        Features(a.values, a.network, "64x64"),
        normal(9, 5, 0),
    ]
    check_features(a, normal(8, 4, 1), least=8)
    for other in others:
        with pytest.raises(DataError) as caught:
            check_features(a, other, least=1)
        assert str(caught.value) == (
            "reals and fakes must be features of one network and resize, got Stub, some features; "
            f"as they are, 4 numbers and {other.network}; {other.resize}, {other.d} numbers. "
            "Compute both with the same network."
        )


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (
            np.zeros((3, 2)),
            "features must be a numpy array of float32, [images, features], got float64 [3, 2]. "
            "features_of makes them of images.",
        ),
        (
            [1.0],
            "features must be a numpy array of float32, [images, features], got no array []. "
            "features_of makes them of images.",
        ),
        (
            np.full((3, 2), np.nan, np.float32),
            "features must be finite numbers, got NaN or infinity. Look at the images and the "
            "network (Stub).",
        ),
    ],
)
def test_what_are_no_features_is_said(values: Any, text: str) -> None:
    with pytest.raises(DataError) as caught:
        Features(values, "Stub", "none")
    assert str(caught.value) == text


def test_what_are_no_images_is_said() -> None:
    with pytest.raises(DataError, match="the fakes must be a numpy array of uint8"):
        features_of(np.zeros((3, 4, 4, 3)), Corners(), what="fakes")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="at least 1 images are needed, got 0"):
        features_of(noise(0, 4, 4, 3), Corners())
    assert points([[1, 2]]).n == 1
