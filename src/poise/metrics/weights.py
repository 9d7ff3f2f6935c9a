"""Weights that somebody else published: the only place where a PyTorch file is opened.

Such a file is a pickle, which may run any program. So its sha256 must be one that stands in this
code, and even then only tensors and plain containers are read (`weights_only`).
Held by: tests/metrics/test_weights.py, tests/test_bad_input.py
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..errors import OptionError


def load_weights(path: Path, sha256: str, what: str) -> Mapping[str, Tensor]:
    """The tensors of the file, by name, on the CPU; `what` names it in the error.

    Raises:
        OptionError: it cannot be read, or is not the file with this sum.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise OptionError(
            f"{path}, the weights of {what}, cannot be read: {error.strerror}."
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise OptionError(
            f"{path} is not the weights of {what}: its sha256 should be {sha256}, got {found}. "
            "Fetch the file again from where it is published."
        )
    # From the bytes that were summed, not from the path, which may change in between.
    weights: Mapping[str, Tensor] = torch.load(
        io.BytesIO(data), map_location="cpu", weights_only=True
    )
    return weights
