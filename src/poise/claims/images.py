"""Small images for claims that points cannot tell: a built-in set, prepared once for all parts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import nn

from ..config import Config, Images, Recipe
from ..data.options import PrepareOptions
from ..data.prepare import prepare
from ..data.prepared import Prepared
from ..metrics import sets
from ..pictures import to_uint8, upsampled
from ..players import Players
from ..sampling import draw


@contextmanager
def kept_in(folder: Path | None) -> Iterator[Path]:
    """Where sets and what is made of them are kept: in `folder`, or without one until this ends."""
    if folder:
        yield folder
        return
    with TemporaryDirectory(prefix="poise-claim-") as thrown_away:
        yield Path(thrown_away)


@contextmanager
def image_set(source: str, options: PrepareOptions, folder: Path | None) -> Iterator[Prepared]:
    """Images of a built-in set, kept as `kept_in` says."""
    name = f"{source}-{options.size}-{options.limit}-{options.channels}.poise"
    with kept_in(folder) as place:
        yield prepare(source, place / name, options, workers=1)


def image_config(recipe: Recipe, images: Prepared, seed: int) -> Config:
    """A run on these images that writes nothing; `training.play` plays it."""
    data = Images(images.source, str(images.path), images.fingerprint, images.size, images.channels)
    return Config(recipe, data, seed=seed)


def fakes(players: Players, generator: nn.Module, images: Prepared, n: int) -> sets.Images:
    """n samples at the full size, [n, h, w, c]; always of the same latents."""
    return upsampled(to_uint8(draw(generator, players.space.fixed(n, 1))), images.size)
