"""A convolution and the batch norm after it as one: gain (w * x - mean) / sqrt(var + e) + shift."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

EPSILON = 1e-3  # of TensorFlow's batch norms


def folded(weights: Mapping[str, Tensor], name: str, norm: str) -> tuple[Tensor, Tensor]:
    """Weight [out, in, k, l] and bias [out] of both, worked out in double precision."""
    weight = weights[f"{name}.weight"].double()
    gain, shift, mean, var = (
        weights[f"{norm}.{part}"].double()
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale = gain / (var + EPSILON).sqrt()
    weight = (weight * scale.view(-1, 1, 1, 1)).float()
    return weight.contiguous(memory_format=torch.channels_last), (shift - mean * scale).float()
