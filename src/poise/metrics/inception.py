"""Inception-v3 up to its last pooling: the features of the published FID and KID.

Szegedy, Vanhoucke, Ioffe, Shlens, Wojna 2015, https://arxiv.org/abs/1512.00567, as in the archive
inception-2015-12-05 of TensorFlow, on which every FID since Heusel et al. 2017 is computed. Its
weights come in no package. They are asked for as a file: the conversion to PyTorch that is known as
pt_inception-2015-12-05-6726825d.pth or weights-inception-2015-12-05-6726825d.pth (the same bytes).

    x     RGB 0 to 255, to 299x299: bilinear as TensorFlow 1 (pixel i at i, not at i + 1/2), no
          antialiasing; (x - 128) / 128
    y     the mean over the 8x8 places of the last block: 2,048 numbers

Every convolution is followed by a batch norm, folded into it here, and by ReLU. Those of stride 2
and three of the first five have no padding, all others "same". An average pool counts no padding.
The last block pools by the maximum, where the paper has a mean: the archive's mistake, kept.

Held by: tests/metrics/test_inception.py
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, max_pool2d, relu

from .compared import INCEPTION, INCEPTION_RESIZE
from .folded import folded
from .weights import load_weights

# n images, h height, w width
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
SIDE = 299  # pixels
UNPADDED = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_4a_3x3")  # beside those of stride 2
HALVE = {  # the convolutions of stride 2
    "Conv2d_1a_3x3",
    *(f"Mixed_6a.{name}" for name in ("branch3x3", "branch3x3dbl_3")),
    *(f"Mixed_7a.{name}" for name in ("branch3x3_2", "branch7x7x3_4")),
}


class Inception:
    """Images [n, 3, h, w], levels 0 to 255, to features [n, 2048], on a device of its own."""

    name = INCEPTION
    resize = INCEPTION_RESIZE
    slug = "inception"

    def __init__(self, weights: Mapping[str, Tensor], device: str = "cpu") -> None:
        names = [key.removesuffix(".conv.weight") for key in weights if key.endswith("conv.weight")]
        parts = {name: folded(weights, f"{name}.conv", f"{name}.bn") for name in names}
        self.device = torch.device(device)
        self.parts = {k: (w.to(self.device), b.to(self.device)) for k, (w, b) in parts.items()}

    def __call__(self, images: Tensor) -> Tensor:
        """On the CPU, wherever it was worked out."""
        x = (as_tensorflow_1(images.to(self.device), SIDE) - 128) / 128
        x = x.contiguous(memory_format=torch.channels_last)
        x = self.along(x, "Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3")  # [n, 64, 147, 147]
        x = self.along(max_pool2d(x, 3, 2), "Conv2d_3b_1x1", "Conv2d_4a_3x3")
        x = max_pool2d(x, 3, 2)  # [n, 192, 35, 35]
        for block in ("Mixed_5b.", "Mixed_5c.", "Mixed_5d."):
            x = self.wide(x, block)
        x = self.halved(x, "Mixed_6a.", ["branch3x3"], numbered("branch3x3dbl", 3))
        for block in ("Mixed_6b.", "Mixed_6c.", "Mixed_6d.", "Mixed_6e."):
            x = self.long(x, block)  # [n, 768, 17, 17]
        x = self.halved(x, "Mixed_7a.", numbered("branch3x3", 2), numbered("branch7x7x3", 4))
        x = self.forked(x, "Mixed_7b.", mean(x))  # [n, 2048, 8, 8]
        x = self.forked(x, "Mixed_7c.", max_pool2d(x, 3, 1, 1))
        return x.mean(dim=(2, 3)).cpu()

    def along(self, x: Tensor, *names: str) -> Tensor:
        """Through these convolutions, one after the other."""
        for name in names:
            weight, bias = self.parts[name]
            high, wide = weight.shape[2:]
            padding = (0, 0) if name in HALVE or name in UNPADDED else (high // 2, wide // 2)
            x = relu(conv2d(x, weight, bias, 2 if name in HALVE else 1, padding), inplace=True)
        return x

    def side_by_side(self, x: Tensor, at: str, *ways: list[str]) -> list[Tensor]:
        """Through each of these ways, from the same x."""
        return [self.along(x, *(at + name for name in way)) for way in ways]

    def wide(self, x: Tensor, at: str) -> Tensor:
        """Figure 5 of the paper, with one 5x5 left whole."""
        ways = [["branch1x1"], numbered("branch5x5", 2), numbered("branch3x3dbl", 3)]
        return torch.cat([*self.side_by_side(x, at, *ways), self.pooled(x, at)], 1)

    def long(self, x: Tensor, at: str) -> Tensor:
        """Figure 6: 7x7 as 1x7 and 7x1."""
        ways = [["branch1x1"], numbered("branch7x7", 3), numbered("branch7x7dbl", 5)]
        return torch.cat([*self.side_by_side(x, at, *ways), self.pooled(x, at)], 1)

    def halved(self, x: Tensor, at: str, *ways: list[str]) -> Tensor:
        """Half the sides: two ways of stride 2, and a pool."""
        return torch.cat([*self.side_by_side(x, at, *ways), max_pool2d(x, 3, 2)], 1)

    def forked(self, x: Tensor, at: str, pool: Tensor) -> Tensor:
        """Figure 7: 3x3 as 1x3 beside 3x1."""
        parts = [self.along(x, f"{at}branch1x1")]
        for stem, last in (("branch3x3", "2"), ("branch3x3dbl", "3")):
            y = self.along(x, *(at + name for name in numbered(stem, int(last) - 1)))
            parts += self.side_by_side(y, at, [f"{stem}_{last}a"], [f"{stem}_{last}b"])
        return torch.cat([*parts, self.along(pool, f"{at}branch_pool")], 1)

    def pooled(self, x: Tensor, at: str) -> Tensor:
        """A mean of 3x3, and 1x1."""
        return self.along(mean(x), f"{at}branch_pool")


def load_inception(path: Path, device: str = "cpu") -> Inception:
    """The network with the weights of a file that a person fetched.

    Raises:
        OptionError: it cannot be read, or is not that file.
    """
    return Inception(load_weights(path, SHA256, "Inception-v3 2015-12-05"), device)


def as_tensorflow_1(images: Tensor, side: int) -> Tensor:
    """Images [n, c, h, w] at side x side: bilinear between pixels that lie at whole numbers."""
    for axis in (3, 2):
        pixels = images.shape[axis]
        at = torch.arange(side, dtype=torch.float32, device=images.device) * (pixels / side)
        low = at.long()
        low_pixels, high_pixels = (
            images.index_select(axis, where) for where in (low, (low + 1).clamp_max(pixels - 1))
        )
        share = (at - low).view([side if k == axis else 1 for k in range(4)])
        images = low_pixels + (high_pixels - low_pixels) * share
    return images


def mean(x: Tensor) -> Tensor:
    """Of 3x3, at the edges of as many as there are."""
    return avg_pool2d(x, 3, 1, 1, count_include_pad=False)


def numbered(stem: str, last: int) -> list[str]:
    """stem_1, stem_2, ... up to the last."""
    return [f"{stem}_{k}" for k in range(1, last + 1)]
