"""Inception-v3 as the published FID has it. Its weights cannot be had here, so made-up ones stand
in, and what another implementation makes of the same ones was written down."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from poise.errors import OptionError
from poise.metrics.inception import Inception, as_tensorflow_1, load_inception

Shape = tuple[int, int, int, int]


def convolutions() -> Iterator[tuple[str, Shape]]:
    """Every convolution of the file, with the shape of its weight."""
    yield "Conv2d_1a_3x3", (32, 3, 3, 3)
    yield "Conv2d_2a_3x3", (32, 32, 3, 3)
    yield "Conv2d_2b_3x3", (64, 32, 3, 3)
    yield "Conv2d_3b_1x1", (80, 64, 1, 1)
    yield "Conv2d_4a_3x3", (192, 80, 3, 3)
    for block, c, pool in (("5b", 192, 32), ("5c", 256, 64), ("5d", 288, 64)):
        yield from in_block(block, wide(c, pool))
    yield "Mixed_6a.branch3x3", (384, 288, 3, 3)
    yield "Mixed_6a.branch3x3dbl_1", (64, 288, 1, 1)
    yield "Mixed_6a.branch3x3dbl_2", (96, 64, 3, 3)
    yield "Mixed_6a.branch3x3dbl_3", (96, 96, 3, 3)
    for block, c in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
        yield from in_block(block, long(c))
    yield "Mixed_7a.branch3x3_1", (192, 768, 1, 1)
    yield "Mixed_7a.branch3x3_2", (320, 192, 3, 3)
    yield "Mixed_7a.branch7x7x3_1", (192, 768, 1, 1)
    yield "Mixed_7a.branch7x7x3_2", (192, 192, 1, 7)
    yield "Mixed_7a.branch7x7x3_3", (192, 192, 7, 1)
    yield "Mixed_7a.branch7x7x3_4", (192, 192, 3, 3)
    for block, c in (("7b", 1280), ("7c", 2048)):
        yield from in_block(block, forked(c))


def in_block(block: str, shapes: dict[str, Shape]) -> Iterator[tuple[str, Shape]]:
    for name, shape in shapes.items():
        yield f"Mixed_{block}.branch{name}", shape


def wide(c: int, pool: int) -> dict[str, Shape]:
    return {
        "1x1": (64, c, 1, 1),
        "5x5_1": (48, c, 1, 1),
        "5x5_2": (64, 48, 5, 5),
        "3x3dbl_1": (64, c, 1, 1),
        "3x3dbl_2": (96, 64, 3, 3),
        "3x3dbl_3": (96, 96, 3, 3),
        "_pool": (pool, c, 1, 1),
    }


def long(c: int) -> dict[str, Shape]:
    return {
        "1x1": (192, 768, 1, 1),
        "7x7_1": (c, 768, 1, 1),
        "7x7_2": (c, c, 1, 7),
        "7x7_3": (192, c, 7, 1),
        "7x7dbl_1": (c, 768, 1, 1),
        "7x7dbl_2": (c, c, 7, 1),
        "7x7dbl_3": (c, c, 1, 7),
        "7x7dbl_4": (c, c, 7, 1),
        "7x7dbl_5": (192, c, 1, 7),
        "_pool": (192, 768, 1, 1),
    }


def forked(c: int) -> dict[str, Shape]:
    return {
        "1x1": (320, c, 1, 1),
        "3x3_1": (384, c, 1, 1),
        "3x3_2a": (384, 384, 1, 3),
        "3x3_2b": (384, 384, 3, 1),
        "3x3dbl_1": (448, c, 1, 1),
        "3x3dbl_2": (384, 448, 3, 3),
        "3x3dbl_3a": (384, 384, 1, 3),
        "3x3dbl_3b": (384, 384, 3, 1),
        "_pool": (192, c, 1, 1),
    }


def made_up() -> dict[str, Tensor]:
    """Weights of the file's names and shapes, each a function of its name alone."""
    weights = {}
    for name, shape in convolutions():
        noise = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        out, fan_in = shape[0], shape[1] * shape[2] * shape[3]
        weights[f"{name}.conv.weight"] = torch.randn(shape, generator=noise) * (2 / fan_in) ** 0.5
        weights[f"{name}.bn.weight"] = 0.5 + torch.rand(out, generator=noise)
        weights[f"{name}.bn.bias"] = 0.3 * torch.randn(out, generator=noise)
        weights[f"{name}.bn.running_mean"] = 0.3 * torch.randn(out, generator=noise)
        weights[f"{name}.bn.running_var"] = 0.5 + torch.rand(out, generator=noise)
    return weights


def gradient(high: int, wide: int) -> Tensor:
    """An image [1, 3, high, wide], levels 0 to 255."""
    rows, columns = torch.meshgrid(torch.arange(high), torch.arange(wide), indexing="ij")
    planes = [(rows * 5 + columns) % 256, (rows * columns) % 256, (rows + 3 * columns) % 256]
    return torch.stack(planes).unsqueeze(0).float()


@pytest.fixture(scope="module")
def network() -> Inception:
    return Inception(made_up())


def test_there_are_94_convolutions_and_as_many_weights_as_published() -> None:
    shapes = dict(convolutions())
    assert len(shapes) == 94
    # 23,885,392 numbers in the file: convolutions, four for each channel, and the last layer.
    channels = sum(shape[0] for shape in shapes.values())
    whole = sum(int(np.prod(shape)) for shape in shapes.values()) + 4 * channels
    assert whole + 1008 * 2048 + 1008 == 23_885_392


@torch.inference_mode()
@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((32, 32), [0.14083, 0.70551, 0.01819, 0.76034, 0.11175, 4.80753, 6.77618]),
        ((299, 299), [0.23564, 0.96684, 0.02371, 0.59136, 0.4586, 8.33229, 11.71177]),
        ((400, 320), [0.17254, 0.69804, 0.0, 0.41943, 0.29181, 7.30872, 10.2824]),
    ],
)
def test_it_agrees_with_another_implementation(
    network: Inception, size: tuple[int, int], expected: list[float]
) -> None:
    """torch-fidelity 0.3.0 with these weights: features 0, 500, 1000, 1500, 2000, mean, deviation.

    The last block's pool by the mean would differ from 1856 on, a padded mean earlier.
    """
    y = network(gradient(*size))[0]
    assert y.shape == (2048,)
    found = [*y[::500].tolist(), y.mean().item(), y.std().item()]
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("size", [(7, 32), (299, 299), (640, 300)])
def test_pixel_i_lies_at_i_when_an_image_is_resized(size: tuple[int, int]) -> None:
    image = gradient(*size)
    found = as_tensorflow_1(image, 299)[0].numpy()
    original = image[0].numpy()
    for i, j in [(0, 0), (0, 298), (298, 0), (298, 298), (17, 200), (150, 3)]:
        y, x = i * size[0] / 299, j * size[1] / 299
        top, left = int(y), int(x)
        bottom, right = min(top + 1, size[0] - 1), min(left + 1, size[1] - 1)
        above = original[:, top, left] * (1 - x % 1) + original[:, top, right] * (x % 1)
        below = original[:, bottom, left] * (1 - x % 1) + original[:, bottom, right] * (x % 1)
        expected = above * (1 - y % 1) + below * (y % 1)
        np.testing.assert_allclose(found[:, i, j], expected, atol=0.02)


def test_another_file_is_refused_by_its_sum(tmp_path: Path) -> None:
    path = tmp_path / "pt_inception-2015-12-05-6726825d.pth"
    torch.save(made_up(), path)
    with pytest.raises(OptionError) as caught:
        load_inception(path)
    assert "is not the weights of Inception-v3 2015-12-05: its sha256 should be 6726825d0a" in str(
        caught.value
    )
