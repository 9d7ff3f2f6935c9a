"""A generator as ONNX: latents in, pixels out, for any machine that has an ONNX runtime.

    latents   float32 [n, d], for any n
    images    uint8 [n, h, w, c], levels 0 to 255

Rounding to levels is part of the model, so nobody has to know our range. The file is played by
onnxruntime before it is given away: other sums in another order differ in the last bits, so a level
may be off by one where a value lies on the edge between two; more than that is refused.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .errors import OptionError, RunError, install
from .generator import Generator
from .pictures import to_uint8
from .sampling import at_once

NEEDS = ("onnx", "onnxscript", "onnxruntime")
CHECKED = 64  # images
OFF = 1e-3  # of the values, at most, may be off by one level


class Pixels(nn.Module):
    """A generator's images as 8-bit levels, channels last."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, latents: Tensor) -> Tensor:
        """[n, d] to [n, h, w, c]."""
        images: Tensor = self.network(latents)
        levels = images.add(1).mul(127.5).round().clamp(0, 255)
        return levels.to(torch.uint8).permute(0, 2, 3, 1)


def onnx_bytes(generator: Generator, source: str) -> bytes:
    """The whole file, checked against the generator itself.

    Raises:
        OptionError: a package is missing; says which extra brings it.
        RunError: the runtime draws other images.
    """
    refuse_without_packages()
    latents = generator.latents(CHECKED)
    with _quietly():
        program: Any = torch.onnx.export(
            Pixels(generator.network).eval(),
            (latents[:2],),
            input_names=["latents"],
            output_names=["images"],
            dynamic_shapes=({0: torch.export.Dim("n")},),
            dynamo=True,
        )
    program.model.metadata_props.update(
        latents=generator.space.prior,
        trained_on=f"{source}, {generator.drawn} images",
        made_by="poise export",
    )
    data: bytes = program.model_proto.SerializeToString()
    refuse_unlike(data, generator, latents)
    return data


@contextmanager
def _quietly() -> Iterator[None]:
    """The exporter prints its steps and warns of its own parts; a failure is an exception."""
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)


def refuse_without_packages() -> None:
    """Before work, not after it.

    Raises:
        OptionError: a package is missing; says which extra brings it.
    """
    missing = [name for name in NEEDS if find_spec(name) is None]
    if missing:
        raise OptionError(
            f"--to onnx needs {', '.join(missing)}, not installed here. Install what it takes: "
            f"{install('export')}"
        )


def refuse_unlike(data: bytes, generator: Generator, latents: Tensor) -> None:
    """Say so if the runtime's images are not the generator's.

    Raises:
        RunError: they differ by more than one level, or in more than one value of 1,000.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    most = wrong = values = 0
    # In parts as the generator itself draws: 64 images of 1024x1024 at once take tens of GB.
    for part in torch.split(latents, at_once(generator.size)):
        (found,) = session.run(["images"], {"latents": part.numpy()})
        off = np.abs(found.astype(np.int16) - to_uint8(generator(part)).astype(np.int16))
        most = max(most, int(off.max()))
        wrong += int((off > 0).sum())
        values += off.size
    if most > 1 or wrong / values > OFF:
        raise RunError(
            f"the ONNX runtime draws other images than the generator: up to {most} of 255 levels "
            f"off, {wrong / values:.2%} of all values. Nothing was written; give --to safetensors, "
            "and tell us of it."
        )
